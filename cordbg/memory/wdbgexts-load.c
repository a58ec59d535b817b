/* SPDX-License-Identifier: MIT */
/*
 * Extension libraries: loaded by their standard entry points, commands called by name.
 *
 *   WinDbgExtensionDllInit   given a table at the load; a library without it is none
 *   ExtensionApiVersion      its Revision says which table: 6 (EXT_API_VERSION_NUMBER64) and above
 *                            the 64-bit one, less or no such function the plain one
 *   CheckVersion             called before the first command, when there
 *   a command                DECLARE_API(name)
 *
 * An extension is code of the client's choice in the client's process: nothing guards against it.
 */
#include "config.h"

#include "cordbg/memory/wdbgexts-private.h"

#include <dlfcn.h>
#include <glib.h>
#include <string.h>

struct cordbg_extension {
  void *library;
  PWINDBG_CHECK_VERSION check_version; /* NULL: none, or called already */
  union {
    WINDBG_EXTENSION_APIS plain;
    WINDBG_EXTENSION_APIS64 wide;
  } apis; /* the library may keep the pointer */
};

static void
find_function(void *library, const char *name, void *function)
{
  void *found = dlsym(library, name);
  memcpy(function, &found, sizeof found);
}

static HRESULT
give_table(cordbg_extension *extension, cordbg_error *error)
{
  cordbg_target *target = cordbg_extension_current()->target;
  int tid = cordbg_extension_current()->tid;
  PWINDBG_EXTENSION_API_VERSION version;
  PWINDBG_EXTENSION_DLL_INIT init;
  PWINDBG_EXTENSION_DLL_INIT64 init64;
  find_function(extension->library, "ExtensionApiVersion", &version);
  find_function(extension->library, "WinDbgExtensionDllInit", &init);
  find_function(extension->library, "WinDbgExtensionDllInit", &init64);
  find_function(extension->library, "CheckVersion", &extension->check_version);
  if (init == NULL)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND), 0, 0,
                            "the library has no WinDbgExtensionDllInit: it is no WdbgExts "
                            "extension");
  const EXT_API_VERSION *told = version == NULL ? NULL : version();
  bool wide = told != NULL && told->Revision >= EXT_API_VERSION_NUMBER64;
  HRESULT hr;
  if (wide) {
    extension->apis.wide.nSize = sizeof extension->apis.wide;
    hr = cordbg_wdbgexts_fill64(target, &extension->apis.wide);
  } else {
    extension->apis.plain.nSize = sizeof extension->apis.plain;
    hr = cordbg_wdbgexts_fill(target, &extension->apis.plain);
  }
  if (FAILED(hr))
    return cordbg_error_set(error, hr, 0, 0, "this thread has no current process");
  cordbg_wdbgexts_set_current(target, tid);
  if (wide)
    init64(&extension->apis.wide, CORDBG_EXTENSION_MAJOR, CORDBG_EXTENSION_MINOR);
  else
    init(&extension->apis.plain, CORDBG_EXTENSION_MAJOR, CORDBG_EXTENSION_MINOR);
  return S_OK;
}

HRESULT
cordbg_wdbgexts_load(const char *path, cordbg_extension **ret, cordbg_error *error)
{
  if (path == NULL || ret == NULL)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "no extension was named");
  if (cordbg_extension_current()->target == NULL)
    return cordbg_error_set(error, E_UNEXPECTED, 0, 0, "this thread has no current process");
  cordbg_extension *made = g_new0(cordbg_extension, 1);
  made->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  HRESULT hr;
  if (made->library == NULL)
    hr =
        cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND), 0, 0, "%.200s", dlerror());
  else
    hr = give_table(made, error);
  if (FAILED(hr)) {
    cordbg_wdbgexts_unload(made);
    return hr;
  }
  *ret = made;
  return S_OK;
}

void
cordbg_wdbgexts_unload(cordbg_extension *extension)
{
  if (extension == NULL)
    return;
  if (extension->library != NULL)
    dlclose(extension->library);
  g_free(extension);
}

HRESULT
cordbg_wdbgexts_call(cordbg_extension *extension, const char *command, const char *arguments,
                     cordbg_error *error)
{
  static const char *const entries[] = {"WinDbgExtensionDllInit", "ExtensionApiVersion",
                                        "CheckVersion"};
  cordbg_extension_session *session = cordbg_extension_current();
  PWINDBG_EXTENSION_ROUTINE64 routine = NULL;
  bool entry = false;
  if (extension == NULL || command == NULL)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "no command was named");
  if (session->target == NULL)
    return cordbg_error_set(error, E_UNEXPECTED, 0, 0, "this thread has no current process");
  for (size_t i = 0; i < G_N_ELEMENTS(entries); i++)
    entry = entry || strcmp(command, entries[i]) == 0;
  if (!entry)
    find_function(extension->library, command, &routine);
  if (routine == NULL)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND), 0, 0,
                            "the extension has no command \"%.100s\"", command);
  if (extension->check_version != NULL) {
    PWINDBG_CHECK_VERSION check = extension->check_version;
    extension->check_version = NULL;
    (void)check(); /* it says by dprintf what it does not like */
  }
  HANDLE process = NULL, thread = NULL;
  cordbg_registers registers = {0};
  int tid = cordbg_extension_thread(session);
  (void)cordbg_extension_ioctl(IG_GET_CURRENT_PROCESS_HANDLE, &process, sizeof process);
  if (FAILED(cordbg_handle_for_thread(session->target->reader.pid, tid, &thread, NULL)))
    thread = NULL;
  /* A running target has no current instruction: 0. */
  if (FAILED(cordbg_extension_registers(session, tid, &registers, NULL)))
    registers.general.rip = 0;
  routine(process, thread, registers.general.rip, 0, arguments == NULL ? "" : arguments);
  if (thread != NULL)
    CloseHandle(thread);
  return S_OK;
}
