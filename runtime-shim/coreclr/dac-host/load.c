/* SPDX-License-Identifier: MIT */
/* Loading the DAC by the descriptor that the client checked, and taking its interfaces. */
#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime-shim/coreclr/dac-host/host.h"

typedef BOOL (*dll_main)(void *instance, DWORD reason, void *reserved);

enum { PROCESS_ATTACH = 1 };

static HRESULT
explain_load(const char *why, cordbg_error *error)
{
  if (strstr(why, "libc.musl") != NULL || strstr(why, "ld-musl") != NULL)
    return cordbg_error_set(
        error, CORDBG_E_INCOMPATIBLE_PLATFORMS, 0, 0,
        "the runtime was built for musl: its data access library needs ld-musl, "
        "which this system does not have (%.80s)",
        why);
  return cordbg_error_set(error, CORDBG_E_DEBUG_COMPONENT_MISSING, 0, 0,
                          "the data access library cannot be loaded: %.150s", why);
}

static HRESULT
explain_create(HRESULT hr, cordbg_error *error)
{
  if (hr == CORDBG_E_MISMATCHED_CORWKS_AND_DACWKS_DLLS || hr == E_INVALIDARG)
    return cordbg_error_set(error, CORDBG_E_INCOMPATIBLE_PLATFORMS, 0, 0,
                            "the data access library does not fit the runtime (0x%08x)",
                            (unsigned)hr);
  return cordbg_error_set(error, CORDBG_E_NOTREADY, 0, 0,
                          "the runtime is not far enough for its data access library (0x%08x)",
                          (unsigned)hr);
}

static HRESULT
take(dac_host *host, REFIID iid, void *ret, cordbg_error *error)
{
  HRESULT hr = host->process->lpVtbl->QueryInterface(host->process, iid, ret);

  if (SUCCEEDED(hr))
    return hr;
  return cordbg_error_set(error, CORDBG_E_INCOMPATIBLE_PLATFORMS, 0, 0,
                          "the data access library lacks an interface that cordbg needs (it is "
                          "older than .NET 6?)");
}

HRESULT
host_load(dac_host *host, int file, cordbg_error *error)
{
  char path[64];

  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char *why = dlerror();
    return explain_load(why != NULL ? why : "no reason given", error);
  }
  dll_main initialise = (dll_main)(uintptr_t)dlsym(library, "DllMain");
  host_create_instance create =
      (host_create_instance)(uintptr_t)dlsym(library, "CLRDataCreateInstance");
  if (initialise == NULL || create == NULL)
    return cordbg_error_set(error, CORDBG_E_INCOMPATIBLE_PLATFORMS, 0, 0,
                            "the file beside libcoreclr is no data access library");
  initialise(library, PROCESS_ATTACH, NULL); /* without it the next call deadlocks */
  HRESULT hr = host_filter_system_calls(error);
  if (SUCCEEDED(hr))
    host->create = create;
  return hr;
}

HRESULT
host_create(dac_host *host, cordbg_error *error)
{
  IXCLRDataProcess *process = NULL;
  HRESULT hr = host->create(&IID_IXCLRDataProcess, &host->target, (void **)&process);
  if (FAILED(hr) || process == NULL)
    return explain_create(hr, error);
  host->process = process;
  hr = take(host, &IID_ISOSDacInterface, &host->sos, error);
  if (SUCCEEDED(hr))
    hr = take(host, &IID_ISOSDacInterface4, &host->sos4, error);
  if (SUCCEEDED(hr))
    hr = take(host, &IID_ISOSDacInterface5, &host->sos5, error);
  return hr;
}
