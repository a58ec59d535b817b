/* SPDX-License-Identifier: MIT */
/*
 * The other implementation of Microsoft's that debuggers meet: what the DAC answers for the modules
 * of a live .NET process (IXCLRDataModule's IMetaDataImport), beside ours for the modules' files.
 * The process is our child and stands still; its memory is read by descriptor.
 */
#include "config.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cordbg/com/utf16.h"
#include "runtime-shim/coreclr/dac-host/interfaces.h"
#include "tests/oracle/microsoft.h"

enum { DLL_PROCESS_ATTACHED = 1, MACHINE_AMD64 = 0x8664 };

typedef BOOL (*dll_main_fn)(void *instance, DWORD reason, void *reserved);
typedef HRESULT (*create_fn)(REFIID iid, ICLRDataTarget *target, void **object);

static struct {
  ICLRDataTarget target;
  ICLRRuntimeLocator locator;
  uint64_t base; /* of libcoreclr */
  int memory;
} process;

static HRESULT
query(REFIID iid, void **object)
{
  bool is_target = memcmp(iid, &IID_IUnknown, sizeof *iid) == 0 ||
                   memcmp(iid, &IID_ICLRDataTarget, sizeof *iid) == 0;
  bool is_locator = memcmp(iid, &IID_ICLRRuntimeLocator, sizeof *iid) == 0;
  *object = is_target ? (void *)&process.target : is_locator ? (void *)&process.locator : NULL;
  return *object ? S_OK : E_NOINTERFACE;
}

static HRESULT
target_query(ICLRDataTarget *This, REFIID iid, void **object)
{
  (void)This;
  return query(iid, object);
}

static HRESULT
locator_query(ICLRRuntimeLocator *This, REFIID iid, void **object)
{
  (void)This;
  return query(iid, object);
}

static ULONG
target_count(ICLRDataTarget *This)
{
  (void)This;
  return 1;
}

static ULONG
locator_count(ICLRRuntimeLocator *This)
{
  (void)This;
  return 1;
}

static HRESULT
get_machine_type(ICLRDataTarget *This, ULONG32 *type)
{
  (void)This;
  *type = MACHINE_AMD64;
  return S_OK;
}

static HRESULT
get_pointer_size(ICLRDataTarget *This, ULONG32 *size)
{
  (void)This;
  *size = 8;
  return S_OK;
}

static HRESULT
get_image_base(ICLRDataTarget *This, LPCWSTR path, CLRDATA_ADDRESS *base)
{
  (void)This, (void)path;
  *base = process.base;
  return S_OK;
}

static HRESULT
read_virtual(ICLRDataTarget *This, CLRDATA_ADDRESS address, BYTE *buffer, ULONG32 size,
             ULONG32 *done)
{
  (void)This;
  ssize_t got = pread(process.memory, buffer, size, (off_t)address);
  if (done)
    *done = got > 0 ? (ULONG32)got : 0;
  return got > 0 || size == 0 ? S_OK : E_FAIL;
}

static HRESULT
get_runtime_base(ICLRRuntimeLocator *This, CLRDATA_ADDRESS *base)
{
  (void)This;
  *base = process.base;
  return S_OK;
}

/* What is not here is not called while nothing but metadata is asked for. */
static const ICLRDataTargetVtbl target_vtbl = {
    .QueryInterface = target_query,
    .AddRef = target_count,
    .Release = target_count,
    .GetMachineType = get_machine_type,
    .GetPointerSize = get_pointer_size,
    .GetImageBase = get_image_base,
    .ReadVirtual = read_virtual,
};
static const ICLRRuntimeLocatorVtbl locator_vtbl = {
    .QueryInterface = locator_query,
    .AddRef = locator_count,
    .Release = locator_count,
    .GetRuntimeBase = get_runtime_base,
};

/* ---- The process ---- */

/* Where the first mapping of the library is; 0: nowhere. */
static uint64_t
base_of(pid_t pid, const char *library)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/maps", pid);
  g_autofree char *name = g_path_get_basename(library);
  g_autofree char *maps = NULL;
  if (!g_file_get_contents(path, &maps, NULL, NULL))
    return 0;
  g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
  for (unsigned i = 0; lines[i]; i++)
    if (g_str_has_suffix(lines[i], name))
      return g_ascii_strtoull(lines[i], NULL, 16);
  return 0;
}

/* In the child: it does not outlive us, however we end. */
static void
end_with_us(gpointer data)
{
  (void)data;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Starts it, waits until it says that it is at work, and stops it. */
static pid_t
start_and_stop(const char *dotnet, const char *program)
{
  char *argv[] = {(char *)(uintptr_t)dotnet, (char *)(uintptr_t)program, (char *)"60", NULL};
  GPid pid;
  gint out;
  char byte = 0;
  int status;
  if (!g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
                                end_with_us, NULL, &pid, NULL, &out, NULL, NULL))
    return 0;
  while (byte != '\n' && read(out, &byte, 1) == 1)
    continue;
  kill(pid, SIGSTOP);
  waitpid(pid, &status, WUNTRACED);
  close(out);
  return pid;
}

static IXCLRDataProcess *
load_dac(const char *library, pid_t pid)
{
  g_autofree char *folder = g_path_get_dirname(library);
  g_autofree char *path = g_build_filename(folder, "libmscordaccore.so", NULL);
  g_autofree char *memory = g_strdup_printf("/proc/%d/mem", pid);
  void *handle = dlopen(path, RTLD_NOW);
  dll_main_fn initialise = handle ? (dll_main_fn)dlsym(handle, "DllMain") : NULL;
  create_fn create = handle ? (create_fn)dlsym(handle, "CLRDataCreateInstance") : NULL;
  IXCLRDataProcess *dac = NULL;
  process.target.lpVtbl = &target_vtbl;
  process.locator.lpVtbl = &locator_vtbl;
  process.base = base_of(pid, library);
  process.memory = open(memory, O_RDONLY | O_CLOEXEC);
  if (!initialise || !create || !process.base || process.memory < 0)
    return NULL;
  initialise(handle, DLL_PROCESS_ATTACHED, NULL);
  return SUCCEEDED(create(&IID_IXCLRDataProcess, &process.target, (void **)&dac)) ? dac : NULL;
}

/* ---- Comparing ---- */

static bool
open_theirs(IXCLRDataModule *module, side *ret)
{
  memset(ret, 0, sizeof *ret);
  if (FAILED(module->lpVtbl->QueryInterface(module, &IID_IMetaDataImport, (void **)&ret->import)))
    return false;
  IMetaDataImport2_QueryInterface(ret->import, &IID_IMetaDataAssemblyImport,
                                  (void **)&ret->assembly);
  IMetaDataImport2_QueryInterface(ret->import, &IID_IMetaDataTables2, (void **)&ret->tables);
  return true;
}

/*
 * Ours: the metadata of the module's file, as bytes in memory, which is how the DAC opens what it
 * copied from the process. (That a live module of ours has its file's bytes is shown by
 * tests/live/icordebug-metadata.c.)
 */
static bool
open_ours(IMetaDataDispenser *dispenser, const WCHAR *path, side *ret)
{
  IMetaDataTables2 *tables;
  const void *bytes = NULL;
  ULONG size = 0;
  memset(ret, 0, sizeof *ret);
  if (FAILED(IMetaDataDispenser_OpenScope(dispenser, path, ofRead, &IID_IMetaDataTables2,
                                          (IUnknown **)&tables)))
    return false;
  IMetaDataTables2_GetMetaDataStorage(tables, &bytes, &size);
  if (SUCCEEDED(IMetaDataDispenser_OpenScopeOnMemory(dispenser, bytes, size, ofCopyMemory,
                                                     &IID_IMetaDataImport2,
                                                     (IUnknown **)&ret->import))) {
    IMetaDataImport2_QueryInterface(ret->import, &IID_IMetaDataAssemblyImport,
                                    (void **)&ret->assembly);
    IMetaDataImport2_QueryInterface(ret->import, &IID_IMetaDataTables2, (void **)&ret->tables);
  }
  IMetaDataTables2_Release(tables);
  return ret->import != NULL;
}

static bool
compare_module(IXCLRDataModule *module, IMetaDataDispenser *dispenser)
{
  WCHAR path[1024] = {0};
  ULONG32 length = 0;
  if (FAILED(module->lpVtbl->GetFileName(module, 1024, &length, path)) || path[0] != '/')
    return false;
  if (!open_theirs(module, &sides[0]))
    return false;
  bool good = open_ours(dispenser, path, &sides[1]) && sides[0].assembly && sides[0].tables;
  if (good) {
    compare_everything();
    close_side(&sides[1]);
  }
  close_side(&sides[0]);
  return good;
}

unsigned
compare_with_dac(IMetaDataDispenser *dispenser, const char *library, const char *program)
{
  pid_t pid = start_and_stop("dotnet", program);
  by_dac = true;
  IXCLRDataProcess *dac = pid ? load_dac(library, pid) : NULL;
  CLRDATA_ENUM enumeration = 0;
  IXCLRDataModule *module;
  unsigned compared = 0;
  if (dac && SUCCEEDED(dac->lpVtbl->StartEnumModules(dac, &enumeration))) {
    while (dac->lpVtbl->EnumModule(dac, &enumeration, &module) == S_OK) {
      compared += compare_module(module, dispenser);
      module->lpVtbl->Release(module);
    }
    dac->lpVtbl->EndEnumModules(dac, enumeration);
  }
  if (pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
  }
  return compared;
}
