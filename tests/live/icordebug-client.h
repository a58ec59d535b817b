/* SPDX-License-Identifier: MIT */
/*
 * A client of ICorDebug for the live tests: handlers that write down each callback and either
 * continue at once or leave the process stopped, and functions that wait for what was written.
 */
#ifndef CORDBG_TESTS_LIVE_ICORDEBUG_CLIENT_H
#define CORDBG_TESTS_LIVE_ICORDEBUG_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "cordbg/cordbg.h"

typedef struct client client;

/* One callback. The interface pointers are borrowed and good during the callback only. */
typedef struct told {
  const char *name; /* "CreateProcess", "Breakpoint", "DebugEvent", ... */
  ICorDebugProcess *process;
  ICorDebugAppDomain *domain;
  ICorDebugThread *thread;
  ICorDebugAssembly *assembly;
  ICorDebugModule *module;
  ICorDebugBreakpoint *breakpoint;
  const DEBUG_EVENT *event;
  BOOL out_of_band;
  DWORD status;
} told;

typedef enum then { GO_ON, STAY } then;

/* On the callback's thread, without a lock. GO_ON: the handler calls Continue. */
typedef then (*client_hook)(client *c, const told *what);

struct client {
  ICorDebug *cordebug;
  ICorDebugProcess *process;
  client_hook hook;
  void *data;
  struct client_callback *callback;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  GPtrArray *names;  /* char *: "name" or "name text" of each callback, in order */
  unsigned inside;   /* callbacks in progress */
  unsigned hooked;   /* hooks in progress */
  unsigned going_on; /* handlers that are to call Continue, or are in it */
  unsigned most_inside_managed;
  pthread_t managed_thread;
  bool managed_thread_known;
  unsigned foreign; /* managed callbacks on another thread than the first one's */
};

/* CordbgCreate, Initialize, both handlers. */
void client_open(client *c, client_hook hook, void *data);
HRESULT client_attach(client *c, int pid, BOOL win32);
/* argv ends with NULL; standard output goes to `out` (a descriptor), -1: inherited. */
HRESULT client_launch(client *c, char *const *argv, DWORD flags, int out);
/* Detaches when that is still to be done, releases everything. */
void client_close(client *c);

/* Waits (a minute) until `count` callbacks of that name came. */
void client_await(client *c, const char *name, unsigned count);
/* Waits until every callback that was told so far has been continued by its handler. */
void client_await_continued(client *c);
unsigned client_count(client *c, const char *name);
/* All names so far, joined by blanks; to be freed. */
char *client_story(client *c);
/* Waits until the object count of the library is back to `before`. */
void client_await_objects(size_t before);

/* UTF-8 of an out string of a GetName-like method. */
#define CLIENT_NAME(interface, object)                                                             \
  ({                                                                                               \
    WCHAR client_buffer[1024];                                                                     \
    ULONG32 client_length = 0;                                                                     \
    assert_ok(interface##_GetName(object, 1024, &client_length, client_buffer));                   \
    g_utf16_to_utf8((const gunichar2 *)client_buffer, -1, NULL, NULL, NULL);                       \
  })

/* ---- Breakpoints by name: a hook and its data ---- */

enum { BREAKING_MAX = 32 };

typedef struct breaking {
  const char *type, *method;
  ULONG32 il;
  ICorDebugFunctionBreakpoint *breakpoints[BREAKING_MAX];
  unsigned set;
  unsigned once;  /* set in the first module that has the method, and in no other */
  unsigned limit; /* stay at this hit; 0: never */
  bool left;      /* the session may be detached from while the hook is at work */
  unsigned hits;
} breaking;

/* Sets the breakpoint on all methods of the name, when the module has any. */
void breaking_set(breaking *b, ICorDebugModule *module);
/* c->data is a breaking: sets it in each module that is loaded, counts hits. */
then breaking_hook(client *c, const told *what);
void breaking_drop(breaking *b);
/* In a hook, of the thread that has the callback. */
void breaking_place(const told *what, DWORD *tid, CORDB_ADDRESS *pc);

/* ---- Runtimes ---- */

/* What a case runs on. A case is written once; its entries in the table of tests say where it runs,
 * and program_start_managed and client_launch_managed do what they ask for. */
typedef struct client_runtime {
  const char *name;
  const char *host;            /* the program that runs a managed one */
  const char *folder, *ending; /* of a compiled debuggee */
  const char *own_symbol;      /* a function of the runtime's own library */
  const char *missing;         /* why a case was skipped */
} client_runtime;

extern const client_runtime runtime_mono, runtime_net, runtime_net_release;
/* That of the case that runs. */
const client_runtime *on_runtime(void);
bool on_mono(void);

/* ---- Each test ends with as many objects of the library as it began with ---- */

int client_test_setup(void **state);
int client_test_teardown(void **state);
/* Names no runtime: Mono. */
#define CLIENT_TEST(function)                                                                      \
  cmocka_unit_test_setup_teardown(function, client_test_setup, client_test_teardown)
#define CASE_ON(which, function)                                                                   \
  {                                                                                                \
#function "_on_" #which, function, client_test_setup, client_test_teardown,                    \
        (void *)(uintptr_t)&runtime_##which                                                        \
  }
#define CASE_ON_BOTH(function) CASE_ON(mono, function), CASE_ON(net, function)
/* Also code that the optimising compiler made. */
#define CASE_ON_ALL(function) CASE_ON_BOTH(function), CASE_ON(net_release, function)
/* Runs the table's cases, or those that CORDBG_CASES (a pattern) names. MONO_ENV_OPTIONS keeps Mono
 * from inlining what has breakpoints. */
#define CLIENT_RUN(tests)                                                                          \
  (g_setenv("MONO_ENV_OPTIONS", "-O=-inline", TRUE),                                               \
   cmocka_set_test_filter(g_getenv("CORDBG_CASES")), cmocka_run_group_tests(tests, NULL, NULL))

/* Of a random case: CORDBG_SEED or the time; printed. */
unsigned client_seed(void);

/* ---- Debuggees ---- */

typedef struct program {
  GPid pid;
  int out;
} program;

/* Starts it and waits for a line that begins with "ready". */
void program_start(program *p, char *const *argv);
/* The compiled debuggee for the case's runtime, to be freed; skips the case when it is not there.
 * A name with a slash is relative to the folder of the compiled samples. */
char *debuggee(const char *name);
/* The runtime's host, NAME, arguments, NULL at the end. */
void program_start_managed(program *p, const char *name, ...);
void client_launch_managed(client *c, DWORD flags, int out, const char *name, ...);
/* Next line that begins with text, within a minute; to be freed. */
char *program_line(int out, const char *text);
/* The process that traces it, 0: none. */
int program_tracer(const program *p);
/* It runs and is not traced. */
void program_check_unharmed(const program *p);
/* Ends it (SIGKILL) and reaps it. */
void program_end(program *p);
/* Does not kill: waits for its end; the wait status. */
int program_wait(program *p);
/* Waits for the end of the process that traces it, when there is one. */
void program_await_untraced(const program *p);
/* Reads its output to the end: the number behind "counted ". A loaded machine may need long. */
long program_counted(int out);

#define assert_ok(expression)                                                                      \
  do {                                                                                             \
    HRESULT assert_ok_hr = (expression);                                                           \
    if (assert_ok_hr != S_OK)                                                                      \
      fail_msg("%s:%d: %s: 0x%08x %s", __FILE__, __LINE__, #expression, (unsigned)assert_ok_hr,    \
               cordbg_last_error(NULL, NULL, NULL));                                               \
  } while (0)
/* For hooks: cmocka's failures may not leave the thread that they happen on. */
#define hook_true(condition)                                                                       \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: %s is not so (last error: %s)\n", __FILE__, __LINE__, #condition,    \
              cordbg_last_error(NULL, NULL, NULL));                                                \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)
#define hook_ok(expression) hook_true((expression) == S_OK)
#define assert_hr(expression, expected)                                                            \
  do {                                                                                             \
    HRESULT assert_hr_got = (expression);                                                          \
    if (assert_hr_got != (expected))                                                               \
      fail_msg("%s:%d: %s: 0x%08x instead of %s (%s)", __FILE__, __LINE__, #expression,            \
               (unsigned)assert_hr_got, #expected, cordbg_last_error(NULL, NULL, NULL));           \
  } while (0)

#endif
