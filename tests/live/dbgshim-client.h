/* SPDX-License-Identifier: MIT */
/*
 * An adapter in small, for the tests of libdbgshim.so: the library by dlopen, and nothing of
 * cordbg's that is not in a public header. Like existing adapters it has a waitpid of its own, in
 * which it looks for exit codes. Its calls follow netcoredbg's order.
 *
 * Functions that return nothing end the test where they fail; they are for the test's own thread.
 */
#ifndef CORDBG_TESTS_LIVE_DBGSHIM_CLIENT_H
#define CORDBG_TESTS_LIVE_DBGSHIM_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "callback.h"
#include "cordbg/cormeta.h"
#include "cordbg/dbgshim.h"

#define SHIM_FUNCTIONS(X)                                                                          \
  X(CLRCreateInstance)                                                                             \
  X(CloseCLREnumeration)                                                                           \
  X(CloseResumeHandle)                                                                             \
  X(CreateDebuggingInterfaceFromVersion)                                                           \
  X(CreateDebuggingInterfaceFromVersion2)                                                          \
  X(CreateDebuggingInterfaceFromVersion3)                                                          \
  X(CreateDebuggingInterfaceFromVersionEx)                                                         \
  X(CreateProcessForLaunch)                                                                        \
  X(CreateVersionStringFromModule)                                                                 \
  X(EnumerateCLRs)                                                                                 \
  X(GetStartupNotificationEvent)                                                                   \
  X(RegisterForRuntimeStartup)                                                                     \
  X(RegisterForRuntimeStartup3)                                                                    \
  X(RegisterForRuntimeStartupEx)                                                                   \
  X(RegisterForRuntimeStartupRemotePort)                                                           \
  X(ResumeProcess)                                                                                 \
  X(SetCDacLoadPolicy)                                                                             \
  X(UnregisterForRuntimeStartup)

typedef struct shim_functions {
#define MEMBER(name) __typeof__(name) *name;
  SHIM_FUNCTIONS(MEMBER)
#undef MEMBER
} shim_functions;

extern shim_functions shim;
extern char shim_path[4096];

/* What this build made, unless a path is given. false: said why. */
bool open_shim(const char *path);

/* A function of the libcordbg that libdbgshim.so has loaded. */
void *find_in_cordbg(const char *name);
/* The last failure of this thread, as a sentence. */
const char *last_sentence(void);

/* ---- Programs ---- */

/* A test's initial state: which runtime it is about. */
typedef struct test_runtime {
  const char *program; /* "mono", "dotnet" */
  const char *folder, *ending;
  const char *module; /* what the version of the runtime's own image ends with */
} test_runtime;

extern const test_runtime on_mono, on_net;

#define TEST_ON(name, runtime, on)                                                                 \
  {                                                                                                \
#name " (" runtime ")", name, NULL, NULL, (void *)(uintptr_t)&on                               \
  }
#define ON_EACH(name) TEST_ON(name, "Mono", on_mono), TEST_ON(name, ".NET", on_net)

/* A compiled debuggee: of samples/debuggees, or with `live` of tests/live. Skips where it or its
 * runtime is not there. */
void debuggee_of(const test_runtime *runtime, bool live, const char *name, char *path, size_t size);
/* The command line that runs it, with arguments (NULL: none). */
void command_of(const test_runtime *runtime, bool live, const char *name, const char *arguments,
                char *line, size_t size);
/* Starts one and waits for its first line. *output is its standard output. */
pid_t start_program(char *const *argv, int *output);
pid_t start_debuggee(const test_runtime *runtime, const char *name, int *output);
void end_child(pid_t pid);
void to_wide(const char *text, WCHAR *out, size_t capacity);

/* The pid and status that the adapter's waitpid saw last. */
extern atomic_int waited_pid, waited_status;

/* ---- The adapter: what happens on cordbg's threads, and waiting for it ---- */

typedef struct adapter adapter;
struct adapter {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  PVOID token;
  DWORD pid;
  bool unregister_inside;
  int runtimes; /* that EnumerateCLRs finds in the callback, ready */
  bool attach;
  const char *type, *method; /* gets a breakpoint in each module that has it */
  const char *also;          /* so does this method of the type; NULL: none */
  bool unbroken;             /* the method gets none after all: its module and token are told */
  /* On the callback's thread, at a hit. false: stays stopped. May be NULL. */
  bool (*at_hit)(adapter *a, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint);
  void *data;
  HRESULT attached;
  int callbacks;
  HRESULT result;
  pthread_t callback_thread;
  bool exited;
  int modules, hits;
  mdMethodDef method_token, also_token;
  ICorDebugModule *module;   /* owned: the first that has the method; NULL: none yet */
  mdMethodDef hit_tokens[4]; /* whose hits the first ones were */
  ICorDebug *cordebug;
  ICorDebugProcess *process;
  sample_hooks hooks;
};

adapter *adapter_new(bool to_attach);
void adapter_free(adapter *a);
/* A minute at most each. */
void await_count(adapter *a, const int *counter, int value);
void await_exit(adapter *a);
/* Takes over the reference. */
HRESULT attach(adapter *a, IUnknown *unknown);
/* Stops, detaches. */
void detach(adapter *a);
HANDLE launch(adapter *a, const char *line, bool suspended);
HRESULT enlist(adapter *a);
/* Launch, registration, resume, close; until the callback came and succeeded. */
void launch_and_attach(adapter *a, const char *line);
/* The exit code that the adapter's own waitpid saw. */
void expect_exit_code(const adapter *a, int code);

#endif
