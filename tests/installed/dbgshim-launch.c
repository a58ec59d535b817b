/* SPDX-License-Identifier: MIT */
/*
 * An adapter's author with the installed headers alone: launches a program through a libdbgshim.so,
 * stops in its Main, and reads its exit code from the own waitpid. (callback.c is the samples'.)
 *
 *   dbgshim-launch LIBRARY COMMAND-LINE TYPE     TYPE.Main gets a breakpoint
 *
 * Prints "hits N, exit code N"; fails when something else than the program did.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "callback.h"
#include <cordbg/cormeta.h>
#include <cordbg/dbgshim.h>

enum { PATIENCE_S = 60 };

typedef struct client {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  DWORD pid;
  WCHAR type[256];
  ICorDebug *cordebug;
  ICorDebugProcess *process;
  sample_hooks hooks;
  HRESULT result;
  int hits;
  bool called, ended;
} client;

static atomic_int exit_status = -1;

/* In front of the C library's: the exit status of what was launched comes by here. */
pid_t
waitpid(pid_t pid, int *status, int options)
{
  pid_t (*next)(pid_t, int *, int) = (pid_t(*)(pid_t, int *, int))dlsym(RTLD_NEXT, "waitpid");
  int mine = 0;
  pid_t result = next(pid, &mine, options);
  if (result > 0)
    atomic_store(&exit_status, mine);
  if (status != NULL)
    *status = mine;
  return result;
}

static void
to_wide(const char *text, WCHAR *out, size_t capacity)
{
  size_t i = 0;
  for (; text[i] != '\0' && i + 1 < capacity; i++)
    out[i] = (unsigned char)text[i];
  out[i] = 0;
}

static void
tell(client *c, bool *flag)
{
  pthread_mutex_lock(&c->lock);
  *flag = true;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

static bool
await(client *c, const bool *flag)
{
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += PATIENCE_S;
  pthread_mutex_lock(&c->lock);
  while (!*flag && pthread_cond_timedwait(&c->changed, &c->lock, &end) == 0)
    continue;
  bool told = *flag;
  pthread_mutex_unlock(&c->lock);
  return told;
}

static bool
on_breakpoint(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  (void)thread;
  (void)breakpoint;
  ((client *)data)->hits++;
  return true;
}

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  client *c = data;
  IMetaDataImport *import = NULL;
  ICorDebugFunction *function = NULL;
  ICorDebugFunctionBreakpoint *breakpoint = NULL;
  mdTypeDef type = 0;
  mdMethodDef method = 0;
  if (FAILED(
          ICorDebugModule_GetMetaDataInterface(module, &IID_IMetaDataImport, (IUnknown **)&import)))
    return true;
  if (SUCCEEDED(IMetaDataImport_FindTypeDefByName(import, c->type, 0, &type)) &&
      SUCCEEDED(IMetaDataImport_FindMethod(import, type, (LPCWSTR)u"Main", NULL, 0, &method)) &&
      SUCCEEDED(ICorDebugModule_GetFunctionFromToken(module, method, &function))) {
    if (SUCCEEDED(ICorDebugFunction_CreateBreakpoint(function, &breakpoint)))
      ICorDebugFunctionBreakpoint_Release(breakpoint);
    ICorDebugFunction_Release(function);
  }
  IMetaDataImport_Release(import);
  return true;
}

static void
on_ended(void *data)
{
  tell(data, &((client *)data)->ended);
}

static void
on_startup(IUnknown *unknown, PVOID parameter, HRESULT hr)
{
  client *c = parameter;
  c->result = hr;
  if (SUCCEEDED(hr)) {
    c->result = unknown->lpVtbl->QueryInterface(unknown, &IID_ICorDebug, (void **)&c->cordebug);
    unknown->lpVtbl->Release(unknown);
  }
  if (SUCCEEDED(c->result)) {
    ICorDebugManagedCallback *managed = sample_managed_callback(&c->hooks);
    ICorDebug_Initialize(c->cordebug);
    ICorDebug_SetManagedHandler(c->cordebug, managed);
    ICorDebugManagedCallback_Release(managed);
    c->result = ICorDebug_DebugActiveProcess(c->cordebug, c->pid, FALSE, &c->process);
  }
  tell(c, &c->called);
}

static int
launch(client *c, void *library, const char *line)
{
  __typeof__(CreateProcessForLaunch) *create =
      (__typeof__(CreateProcessForLaunch) *)dlsym(library, "CreateProcessForLaunch");
  __typeof__(RegisterForRuntimeStartup) *enlist =
      (__typeof__(RegisterForRuntimeStartup) *)dlsym(library, "RegisterForRuntimeStartup");
  __typeof__(UnregisterForRuntimeStartup) *strike =
      (__typeof__(UnregisterForRuntimeStartup) *)dlsym(library, "UnregisterForRuntimeStartup");
  __typeof__(ResumeProcess) *resume = (__typeof__(ResumeProcess) *)dlsym(library, "ResumeProcess");
  __typeof__(CloseResumeHandle) *close_handle =
      (__typeof__(CloseResumeHandle) *)dlsym(library, "CloseResumeHandle");
  WCHAR wide[8192];
  HANDLE handle = NULL;
  PVOID token = NULL;
  to_wide(line, wide, 8192);
  HRESULT hr = create(wide, TRUE, NULL, NULL, &c->pid, &handle);
  if (SUCCEEDED(hr))
    hr = enlist(c->pid, on_startup, c, &token);
  if (SUCCEEDED(hr))
    hr = resume(handle);
  if (SUCCEEDED(hr))
    hr = close_handle(handle);
  if (FAILED(hr) || !await(c, &c->called) || FAILED(c->result)) {
    fprintf(stderr, "the launch failed: 0x%08x, in the callback 0x%08x\n", (unsigned)hr,
            (unsigned)c->result);
    return 1;
  }
  strike(token);
  if (!await(c, &c->ended)) {
    fprintf(stderr, "the program does not end\n");
    return 1;
  }
  int status = atomic_load(&exit_status);
  printf("hits %d, exit code %d\n", c->hits, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  ICorDebugProcess_Release(c->process);
  ICorDebug_Release(c->cordebug);
  return 0;
}

int
main(int argc, char **argv)
{
  static client c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  if (argc != 4) {
    fprintf(stderr, "usage: %s LIBRARY COMMAND-LINE TYPE\n", argv[0]);
    return 2;
  }
  to_wide(argv[3], c.type, 256);
  c.hooks = (sample_hooks){.data = &c,
                           .load_module = on_load_module,
                           .breakpoint = on_breakpoint,
                           .ended = on_ended,
                           .ended_data = &c};
  void *library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  return launch(&c, library, argv[2]);
}
