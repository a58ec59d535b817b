/* SPDX-License-Identifier: MIT */
/* Modules, the application domain, threads, and what state the runtime is in. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cordbg/com/utf16.h"
#include "runtime-shim/coreclr/dac-host/host.h"

#define NAME_UNITS (CORDBG_RT_NAME_MAX / 2)
#define METADATA_HEAD 512u /* bytes that hold the metadata root and its stream headers */

typedef struct host_name {
  char text[CORDBG_RT_NAME_MAX];
  uint32_t size;
} host_name;

static void
set_name(host_name *name, const WCHAR *text)
{
  size_t length = cordbg_utf16_length(text, NAME_UNITS);
  size_t size = cordbg_utf8_from_utf16(text, length, name->text, sizeof name->text);

  name->size = (uint32_t)(size < sizeof name->text ? size : sizeof name->text);
}

/* ---- One module ---- */

uint64_t
host_module_address(IXCLRDataModule *module)
{
  DacpGetModuleAddress where = {0};

  if (FAILED(module->lpVtbl->Request(module, MODULE_REQUEST_GET_POINTER, 0, NULL, sizeof where,
                                     (BYTE *)&where)))
    return 0;
  return where.ModulePtr;
}

/* The module that declares System.Object. */
static uint64_t
core_library(dac_host *host)
{
  struct {
    CLRDATA_ADDRESS array, string, object, exception, free;
    CLRDATA_ADDRESS room[8];
  } globals = {0};
  DacpMethodTableData object = {0};

  if (FAILED(host->sos->lpVtbl->GetUsefulGlobals(host->sos, (void *)&globals)) ||
      FAILED(host->sos->lpVtbl->GetMethodTableData(host->sos, globals.object, &object)))
    return 0;
  return object.Module;
}

static void
read_names(dac_host *host, IXCLRDataModule *module, uint64_t assembly, host_name names[3])
{
  WCHAR text[NAME_UNITS + 1];
  ULONG32 needed = 0;
  unsigned int units = 0;

  for (int i = 0; i < 3; i++)
    names[i].size = 0;
  memset(text, 0, sizeof text);
  if (SUCCEEDED(module->lpVtbl->GetFileName(module, NAME_UNITS, &needed, text)))
    set_name(&names[0], text);
  memset(text, 0, sizeof text);
  /* For this one the DAC copies the module's metadata as a whole: megabytes. */
  if (names[0].size == 0 && SUCCEEDED(module->lpVtbl->GetName(module, NAME_UNITS, &needed, text)))
    set_name(&names[1], text);
  memset(text, 0, sizeof text);
  if (assembly != 0 &&
      SUCCEEDED(host->sos->lpVtbl->GetAssemblyName(host->sos, assembly, NAME_UNITS, text, &units)))
    set_name(&names[2], text);
}

/*
 * The MVID, by ECMA-335 II.24.2: the only row of the first table of `#~`. The DAC would open the
 * metadata for it, and copy it. false: it is not where it should be.
 */
static bool
read_mvid(dac_host *host, uint64_t root, uint64_t size, uint8_t mvid[16])
{
  uint8_t head[METADATA_HEAD];
  uint32_t version = 0, tables = 0, guids = 0, at;
  uint16_t streams = 0;
  struct {
    uint32_t reserved;
    uint8_t major, minor, heaps, one;
    uint64_t valid, sorted;
  } header;
  uint8_t row[10] = {0};

  size_t got = host_read(host, root, head, size < sizeof head ? (size_t)size : sizeof head);
  if (got < 20 || memcmp(head, "BSJB", 4) != 0)
    return false;
  memcpy(&version, head + 12, sizeof version);
  at = 16 + version + 2;
  if (version > 256 || at + 2 > got)
    return false;
  memcpy(&streams, head + at, sizeof streams);
  at += 2;
  for (unsigned i = 0; i < streams && i < 16; i++) {
    uint32_t offset = 0;
    if (at + 12 > got)
      return false;
    memcpy(&offset, head + at, sizeof offset);
    const char *name = (const char *)head + at + 8;
    size_t length = strnlen(name, got - at - 8);
    if (strncmp(name, "#~", length + 1) == 0)
      tables = offset;
    else if (strncmp(name, "#GUID", length + 1) == 0)
      guids = offset;
    at += 8 + ((uint32_t)length / 4 + 1) * 4;
  }
  if (tables == 0 || guids == 0 || tables >= size || guids >= size ||
      host_read(host, root + tables, &header, sizeof header) != sizeof header ||
      (header.valid & 1) == 0)
    return false;
  uint64_t rows = root + tables + sizeof header + 4u * (unsigned)__builtin_popcountll(header.valid);
  if (host_read(host, rows, row, sizeof row) != sizeof row)
    return false;
  uint32_t index = 0, where = 2 + (header.heaps & 1 ? 4 : 2);
  memcpy(&index, row + where, header.heaps & 2 ? 4 : 2);
  return index != 0 && index < size / 16 &&
         host_read(host, root + guids + (index - 1) * 16ull, mvid, 16) == 16;
}

/* S_FALSE: it cannot be looked at (yet). */
static HRESULT
add_module(dac_host *host, uint64_t address, uint64_t domain, uint64_t core)
{
  IXCLRDataModule *module = NULL;
  DacpModuleData data = {0};
  DacpGetModuleData image = {0};
  cordbg_dac_wire_module wire = {.module = address, .domain = domain};
  static host_name names[3];

  if (FAILED(host->sos->lpVtbl->GetModuleData(host->sos, address, &data)) ||
      FAILED(host->sos->lpVtbl->GetModule(host->sos, address, &module)) || module == NULL)
    return S_FALSE;
  if (FAILED(module->lpVtbl->Request(module, MODULE_REQUEST_GET_DATA, 0, NULL, sizeof image,
                                     (BYTE *)&image)))
    memset(&image, 0, sizeof image);
  GUID mvid;
  memset(&mvid, 0, sizeof mvid);
  if (!read_mvid(host, data.metadataStart, data.metadataSize, wire.mvid) &&
      SUCCEEDED(module->lpVtbl->GetVersionId(module, &mvid)))
    memcpy(wire.mvid, &mvid, sizeof wire.mvid);
  wire.assembly = data.Assembly;
  wire.metadata = data.metadataStart;
  wire.metadata_size = data.metadataSize;
  wire.base = image.LoadedPEAddress;
  wire.size = image.LoadedPESize;
  wire.flat = image.IsFileLayout != 0;
  if (data.bIsReflection || image.IsDynamic)
    wire.flags |= CORDBG_RT_MODULE_DYNAMIC;
  else if (image.IsInMemory)
    wire.flags |= CORDBG_RT_MODULE_IN_MEMORY;
  if (address == core)
    wire.flags |= CORDBG_RT_MODULE_CORE_LIBRARY;
  read_names(host, module, wire.assembly, names);
  module->lpVtbl->Release(module);
  wire.path_size = names[0].size;
  wire.name_size = names[1].size;
  wire.assembly_name_size = names[2].size;
  host_add(host, &wire, sizeof wire);
  for (int i = 0; i < 3; i++)
    host_add(host, names[i].text, names[i].size);
  host_count(host);
  return S_OK;
}

/* ---- All of them ---- */

static HRESULT
find_domain(dac_host *host, uint64_t *domain, cordbg_error *error)
{
  unsigned int needed = 0;
  CLRDATA_ADDRESS first = 0;
  HRESULT hr = host->sos->lpVtbl->GetAppDomainList(host->sos, 1, &first, &needed);

  if (FAILED(hr) || first == 0)
    return host_set(error, hr, "GetAppDomainList");
  *domain = first;
  return S_OK;
}

static HRESULT
list_assemblies(dac_host *host, uint64_t domain, CLRDATA_ADDRESS **list, int *count,
                cordbg_error *error)
{
  int needed = 0;
  HRESULT hr = host->sos->lpVtbl->GetAssemblyList(host->sos, domain, 0, NULL, &needed);

  if (FAILED(hr) || needed < 0 || needed > (int)CORDBG_DAC_MODULES_MAX)
    return host_set(error, hr, "GetAssemblyList");
  *count = needed;
  *list = calloc((size_t)needed + 1, sizeof **list);
  if (*list == NULL)
    return E_OUTOFMEMORY;
  hr = host->sos->lpVtbl->GetAssemblyList(host->sos, domain, needed, *list, &needed);
  if (needed >= 0 && needed < *count)
    *count = needed;
  return FAILED(hr) ? host_set(error, hr, "GetAssemblyList") : S_OK;
}

HRESULT
host_modules(dac_host *host, cordbg_error *error)
{
  uint64_t domain = 0;
  CLRDATA_ADDRESS *assemblies = NULL;
  int count = 0;
  HRESULT hr = find_domain(host, &domain, error);

  if (SUCCEEDED(hr))
    hr = list_assemblies(host, domain, &assemblies, &count, error);
  uint64_t core = SUCCEEDED(hr) ? core_library(host) : 0;
  for (int i = 0; SUCCEEDED(hr) && i < count; i++) {
    CLRDATA_ADDRESS modules[16] = {0};
    unsigned int needed = 0;
    if (FAILED(host->sos->lpVtbl->GetAssemblyModuleList(host->sos, assemblies[i], 16, modules,
                                                        &needed)))
      continue; /* not loaded far enough */
    for (unsigned int j = 0; j < needed && j < 16; j++)
      add_module(host, modules[j], domain, core);
  }
  free(assemblies);
  return FAILED(hr) ? hr : S_OK;
}

/* ---- Images ---- */

static void
add_image(dac_host *host, uint64_t address)
{
  IXCLRDataModule *module = NULL;
  DacpGetModuleData image = {0};

  if (host->image_count == HOST_IMAGES ||
      FAILED(host->sos->lpVtbl->GetModule(host->sos, address, &module)) || module == NULL)
    return;
  if (SUCCEEDED(module->lpVtbl->Request(module, MODULE_REQUEST_GET_DATA, 0, NULL, sizeof image,
                                        (BYTE *)&image)) &&
      image.LoadedPEAddress != 0 && !image.IsFileLayout)
    host->images[host->image_count++] =
        (host_image){.base = image.LoadedPEAddress, .size = image.LoadedPESize};
  module->lpVtbl->Release(module);
}

HRESULT
host_image_of(dac_host *host, uint64_t address, uint64_t *base)
{
  uint64_t domain = 0;
  CLRDATA_ADDRESS *assemblies = NULL;
  int count = 0;

  if (host->image_count == 0 && find_domain(host, &domain, NULL) == S_OK &&
      list_assemblies(host, domain, &assemblies, &count, NULL) == S_OK) {
    for (int i = 0; i < count; i++) {
      CLRDATA_ADDRESS modules[16] = {0};
      unsigned int needed = 0;
      if (SUCCEEDED(host->sos->lpVtbl->GetAssemblyModuleList(host->sos, assemblies[i], 16, modules,
                                                             &needed)))
        for (unsigned int j = 0; j < needed && j < 16; j++)
          add_image(host, modules[j]);
    }
    free(assemblies);
  }
  for (unsigned i = 0; i < host->image_count; i++) {
    if (address >= host->images[i].base && address - host->images[i].base < host->images[i].size) {
      *base = host->images[i].base;
      return S_OK;
    }
  }
  return S_FALSE;
}

HRESULT
host_module_at(dac_host *host, cordbg_error *error)
{
  uint64_t domain = 0;
  HRESULT hr = find_domain(host, &domain, error);

  if (FAILED(hr))
    return hr;
  return add_module(host, host->request.address, domain, core_library(host));
}

HRESULT
host_domain(dac_host *host, cordbg_error *error)
{
  cordbg_dac_wire_domain wire = {.number = 1};
  WCHAR text[NAME_UNITS + 1];
  static host_name name;
  unsigned int needed = 0;
  HRESULT hr = find_domain(host, &wire.domain, error);

  if (FAILED(hr))
    return hr;
  memset(text, 0, sizeof text);
  name.size = 0;
  if (SUCCEEDED(
          host->sos->lpVtbl->GetAppDomainName(host->sos, wire.domain, NAME_UNITS, text, &needed)))
    set_name(&name, text);
  wire.name_size = name.size;
  host_add(host, &wire, sizeof wire);
  host_add(host, name.text, name.size);
  host_count(host);
  return S_OK;
}

/* ---- Threads ---- */

HRESULT
host_threads(dac_host *host, cordbg_error *error)
{
  DacpThreadStoreData store = {0};
  HRESULT hr = host->sos->lpVtbl->GetThreadStoreData(host->sos, &store);

  if (FAILED(hr))
    return host_set(error, hr, "GetThreadStoreData");
  uint64_t at = store.firstThread;
  for (uint32_t i = 0; at != 0 && i < CORDBG_DAC_THREADS_MAX; i++) {
    DacpThreadData data = {0};
    if (FAILED(host->sos->lpVtbl->GetThreadData(host->sos, at, &data)))
      return host_set(error, E_FAIL, "GetThreadData");
    cordbg_dac_thread thread = {.thread = at,
                                .tid = data.osThreadId,
                                .number = data.corThreadId,
                                .state = (uint32_t)data.state,
                                .frame = data.pFrame};
    if (data.preemptiveGCDisabled)
      thread.flags |= CORDBG_DAC_THREAD_COOPERATIVE;
    if (at == store.finalizerThread)
      thread.flags |= CORDBG_DAC_THREAD_FINALIZER;
    if (at == store.gcThread)
      thread.flags |= CORDBG_DAC_THREAD_COLLECTOR;
    host_add_element(host, &thread, sizeof thread);
    at = data.nextThread;
  }
  return S_OK;
}

HRESULT
host_state(dac_host *host, cordbg_error *error)
{
  DacpThreadStoreData store = {0};
  DacpGcHeapData heap = {0};
  HRESULT hr = host->sos->lpVtbl->GetThreadStoreData(host->sos, &store);

  if (FAILED(hr))
    return host_set(error, hr, "GetThreadStoreData");
  hr = host->sos->lpVtbl->GetGCHeapData(host->sos, &heap);
  if (FAILED(hr))
    return host_set(error, hr, "GetGCHeapData");
  cordbg_dac_state state = {.heap_valid = heap.bGcStructuresValid != 0,
                            .server_gc = heap.bServerMode != 0,
                            .max_generation = heap.g_max_generation,
                            .thread_count = (uint32_t)store.threadCount,
                            .unstarted = (uint32_t)store.unstartedThreadCount,
                            .background = (uint32_t)store.backgroundThreadCount,
                            .pending = (uint32_t)store.pendingThreadCount,
                            .dead = (uint32_t)store.deadThreadCount,
                            .first_thread = store.firstThread,
                            .finalizer_thread = store.finalizerThread,
                            .collector_thread = store.gcThread};
  host_add_element(host, &state, sizeof state);
  return S_OK;
}

/* Asked at each stop: nothing is read that changes while no collection comes. */
HRESULT
host_sound(dac_host *host, cordbg_error *error)
{
  DacpGcHeapData heap = {0};
  HRESULT hr = host->sos->lpVtbl->GetGCHeapData(host->sos, &heap);

  if (FAILED(hr))
    return host_set(error, hr, "GetGCHeapData");
  uint32_t sound = heap.bGcStructuresValid != 0;
  host_add_element(host, &sound, sizeof sound);
  return S_OK;
}
