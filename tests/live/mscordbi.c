/* SPDX-License-Identifier: MIT */
/* See mscordbi.h. */
#define _GNU_SOURCE 1
#include "mscordbi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool
mscordbi_find(char *path, size_t size)
{
  FILE *out = popen("ls -d \"$(dirname \"$(readlink -f \"$(command -v dotnet)\")\")\"/"
                    "shared/Microsoft.NETCore.App/*/ 2> /dev/null | tail -n 1",
                    "re");
  char line[2048];
  bool found = out != NULL && fgets(line, sizeof line, out) != NULL;
  if (out != NULL)
    pclose(out);
  if (!found)
    return false;
  line[strcspn(line, "\n")] = '\0';
  snprintf(path, size, "%slibmscordbi.so", line);
  return access(path, R_OK) == 0;
}

uint64_t
mscordbi_runtime(DWORD pid, uint64_t size)
{
  char path[64], line[4400];
  uint64_t found = 0;
  snprintf(path, sizeof path, "/proc/%u/maps", (unsigned)pid);
  FILE *maps = fopen(path, "re");
  while (maps != NULL && found == 0 && fgets(line, sizeof line, maps) != NULL) {
    unsigned long long begin, end;
    if (strstr(line, "/libcoreclr.so\n") != NULL && sscanf(line, "%llx-%llx", &begin, &end) == 2 &&
        end - begin >= size)
      found = begin;
  }
  if (maps != NULL)
    fclose(maps);
  return found;
}

void *
mscordbi_open(const char *path)
{
  void *library = dlopen(path, RTLD_NOW);
  BOOL(*main_function)
  (void *, DWORD, void *) =
      library != NULL ? (BOOL(*)(void *, DWORD, void *))dlsym(library, "DllMain") : NULL;
  if (main_function == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return NULL;
  }
  main_function(library, 1, NULL);
  return library;
}

HRESULT
mscordbi_create(void *library, DWORD pid, IUnknown **ret)
{
  HRESULT(*create)
  (int, DWORD, LPCWSTR, HMODULE, IUnknown **) =
      (HRESULT(*)(int, DWORD, LPCWSTR, HMODULE, IUnknown **))dlsym(library,
                                                                   "CoreCLRCreateCordbObjectEx");
  if (create == NULL)
    return E_FAIL;
  return create(4, pid, NULL, (HMODULE)(uintptr_t)mscordbi_runtime(pid, 0), ret);
}

HRESULT
mscordbi_leave(ICorDebugProcess *process)
{
  HRESULT hr = S_OK;
  for (int i = 0; i < 1000; i++) {
    BOOL queued = TRUE;
    hr = ICorDebugProcess_Stop(process, 0);
    if (SUCCEEDED(hr))
      hr = ICorDebugProcess_HasQueuedCallbacks(process, NULL, &queued);
    if (SUCCEEDED(hr) && !queued)
      hr = ICorDebugProcess_Detach(process);
    if (FAILED(hr) || !queued)
      return hr;
    hr = ICorDebugProcess_Continue(process, FALSE);
  }
  return FAILED(hr) ? hr : E_FAIL;
}
