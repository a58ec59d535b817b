/* SPDX-License-Identifier: MIT */
/* The entry points for what there is not: virtual processes, remote targets, a choice of DACs. */
#include "config.h"

#include "runtime-shim/dbgshim/library.h"

#include <string.h>

#include "cordbg/com/object.h"
#include "cordbg/dbgshim.h"

typedef struct cordbg_debugging {
  cordbg_object object;
  CORDBG_FACE(ICLRDebugging) as_debugging;
} cordbg_debugging;

/* Both methods answer E_NOTIMPL: OpenVirtualProcess needs a debugger's library for memory alone,
 * and CanUnloadNow asks about the libraries that it loaded. */
CORDBG_VTBL(ICLRDebugging, debugging_vtbl);

static const cordbg_interface debugging_interfaces[] = {
    CORDBG_INTERFACE(cordbg_debugging, as_debugging, ICLRDebugging, debugging_vtbl),
};
static const cordbg_class debugging_class =
    CORDBG_CLASS(cordbg_debugging, debugging_interfaces, NULL);

CORDBG_EXPORT HRESULT
CLRCreateInstance(REFCLSID clsid, REFIID riid, LPVOID *ppInterface)
{
  if (ppInterface == NULL)
    return E_POINTER;
  *ppInterface = NULL;
  if (clsid == NULL || riid == NULL || memcmp(clsid, &CLSID_CLRDebugging, sizeof *clsid) != 0 ||
      memcmp(riid, &IID_ICLRDebugging, sizeof *riid) != 0)
    return E_NOINTERFACE;
  cordbg_debugging *debugging = cordbg_object_new(&debugging_class);
  if (debugging == NULL)
    return E_OUTOFMEMORY;
  *ppInterface = &debugging->as_debugging.iface;
  return S_OK;
}

CORDBG_EXPORT HRESULT
RegisterForRuntimeStartupRemotePort(LPCWSTR szIp, DWORD dwPort, LPCWSTR szPlatform, BOOL bIsServer,
                                    LPCWSTR szMscordbiPath, LPCWSTR szAssemblyBasePath,
                                    IUnknown **ppCordb)
{
  (void)szIp;
  (void)dwPort;
  (void)szPlatform;
  (void)bIsServer;
  (void)szMscordbiPath;
  (void)szAssemblyBasePath;
  (void)ppCordb;
  return E_NOTIMPL;
}

CORDBG_EXPORT HRESULT
GetStartupNotificationEvent(DWORD debuggeePID, HANDLE *phStartupEvent)
{
  (void)debuggeePID;
  if (phStartupEvent == NULL)
    return E_INVALIDARG;
  *phStartupEvent = NULL;
  return E_NOTIMPL;
}

CORDBG_EXPORT HRESULT
SetCDacLoadPolicy(CDacLoadPolicy policy)
{
  switch (policy) {
  case CDacLoadPolicy_PreferCDac:
  case CDacLoadPolicy_LegacyDacOnly:
    return S_OK; /* which is the case: there is no other */
  case CDacLoadPolicy_CDacOnly:
    return E_NOTIMPL;
  default:
    return E_INVALIDARG;
  }
}
