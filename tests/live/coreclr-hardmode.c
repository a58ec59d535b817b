/* SPDX-License-Identifier: MIT */
/*
 * A .NET program under cordbg ("hard mode": the runtime does not know of its debugger): what the
 * program sees, what it asks for, and what each method answers that elsewhere needs the runtime's
 * help. What a method is expected to answer stands in docs/icordebug.md, which is read.
 */
#include "dbgshim-client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- docs/icordebug.md ---- */

typedef enum promise { MISSING, WORKS, NOT_YET, CANNOT } promise;

/* The row of a method in the interface's own table. */
static promise
documented(const char *interface, const char *method)
{
  char line[1024], heading[128], row[128];
  bool inside = false;
  promise found = MISSING;
  FILE *page = fopen(DOCS "/icordebug.md", "re");
  assert_non_null(page);
  snprintf(heading, sizeof heading, "### %s", interface);
  snprintf(row, sizeof row, "| `%s` | ", method);
  while (found == MISSING && fgets(line, sizeof line, page) != NULL) {
    size_t length = strlen(heading);
    if (line[0] == '#')
      inside = strncmp(line, heading, length) == 0 && (line[length] == '\n' || line[length] == ' ');
    if (!inside || strncmp(line, row, strlen(row)) != 0)
      continue;
    const char *word = line + strlen(row);
    found = strncmp(word, "works", 5) == 0     ? WORKS
            : strncmp(word, "not yet", 7) == 0 ? NOT_YET
            : strncmp(word, "cannot", 6) == 0  ? CANNOT
                                               : MISSING;
  }
  fclose(page);
  return found;
}

/* ---- What each method answers, at a hit of a breakpoint ---- */

enum { ANSWERS_MAX = 64 };

typedef struct answers {
  HRESULT ready; /* of finding the objects */
  unsigned count;
  struct {
    const char *interface, *method;
    HRESULT hr;
    bool touched; /* an output */
  } answers[ANSWERS_MAX];
} answers;

typedef struct objects {
  ICorDebugProcess *process;
  ICorDebugThread *thread;
  ICorDebugAppDomain *domain;
  ICorDebugFunction *function;
  ICorDebugModule *module;
  ICorDebugClass *class;
  ICorDebugCode *code;
} objects;

static void
note(answers *a, const char *interface, const char *method, HRESULT hr, bool touched)
{
  if (a->count < ANSWERS_MAX) {
    a->answers[a->count].interface = interface;
    a->answers[a->count].method = method;
    a->answers[a->count].hr = hr;
    a->answers[a->count].touched = touched;
    a->count++;
  }
}

#define UNTOUCHED ((void *)(uintptr_t)0x5a5a)

/* A method without an output; with a pointer, with a number as its last argument. */
#define ASK(interface, object, method, ...)                                                        \
  note(a, #interface, #method, interface##_##method(object, ##__VA_ARGS__), false)
#define ASK_OBJECT(interface, object, method, type, ...)                                           \
  do {                                                                                             \
    type *out = (type *)UNTOUCHED;                                                                 \
    HRESULT answer = interface##_##method(object, ##__VA_ARGS__, &out);                            \
    note(a, #interface, #method, answer, (void *)out != UNTOUCHED);                                \
    if (SUCCEEDED(answer) && out != NULL && (void *)out != UNTOUCHED)                              \
      type##_Release(out);                                                                         \
  } while (0)
#define ASK_NUMBER(interface, object, method, type, ...)                                           \
  do {                                                                                             \
    type number;                                                                                   \
    memset(&number, 0x5a, sizeof number);                                                          \
    type before = number;                                                                          \
    HRESULT answer = interface##_##method(object, ##__VA_ARGS__, &number);                         \
    note(a, #interface, #method, answer, memcmp(&number, &before, sizeof number) != 0);            \
  } while (0)
/* The same on another interface of the object, where there is one. */
#define WITH(interface, object, ...)                                                               \
  do {                                                                                             \
    interface *other = NULL;                                                                       \
    if (SUCCEEDED((object)->lpVtbl->QueryInterface(object, &IID_##interface, (void **)&other))) {  \
      __VA_ARGS__;                                                                                 \
      interface##_Release(other);                                                                  \
    }                                                                                              \
  } while (0)

static void
ask_process(answers *a, const objects *o)
{
  ASK(ICorDebugProcess, o->process, EnableLogMessages, TRUE);
  ASK(ICorDebugProcess, o->process, ModifyLogSwitch, (WCHAR *)(uintptr_t)u"switch", 1);
  ASK_NUMBER(ICorDebugProcess, o->process, GetHelperThreadID, DWORD);
  ASK(ICorDebugController, (ICorDebugController *)o->process, SetAllThreadsDebugState, THREAD_RUN,
      NULL);
  WITH(ICorDebugProcess3, o->process,
       ASK(ICorDebugProcess3, other, SetEnableCustomNotification, o->class, TRUE));
  WITH(ICorDebugProcess5, o->process,
       ASK_NUMBER(ICorDebugProcess5, other, GetGCHeapInformation, COR_HEAPINFO));
  WITH(ICorDebugProcess8, o->process,
       ASK(ICorDebugProcess8, other, EnableExceptionCallbacksOutsideOfMyCode, FALSE));
}

static void
ask_module(answers *a, const objects *o)
{
  ASK(ICorDebugModule, o->module, EnableJITDebugging, TRUE, FALSE);
  ASK(ICorDebugModule, o->module, EnableClassLoadCallbacks, TRUE);
  WITH(ICorDebugModule2, o->module, {
    ASK(ICorDebugModule2, other, SetJMCStatus, TRUE, 0, NULL);
    ASK(ICorDebugModule2, other, SetJITCompilerFlags, CORDEBUG_JIT_DISABLE_OPTIMIZATION);
    ASK_NUMBER(ICorDebugModule2, other, GetJITCompilerFlags, DWORD);
    ASK(ICorDebugModule2, other, ApplyChanges, 0, NULL, 0, NULL);
  });
  WITH(ICorDebugClass2, o->class, ASK(ICorDebugClass2, other, SetJMCStatus, TRUE));
  WITH(ICorDebugFunction2, o->function, {
    ASK(ICorDebugFunction2, other, SetJMCStatus, TRUE);
    ASK_NUMBER(ICorDebugFunction2, other, GetJMCStatus, BOOL);
  });
  WITH(ICorDebugCode2, o->code, ASK_NUMBER(ICorDebugCode2, other, GetCompilerFlags, DWORD));
  ASK_OBJECT(ICorDebugFunction, o->function, GetNativeCode, ICorDebugCode);
}

static void
ask_thread(answers *a, const objects *o)
{
  ASK(ICorDebugThread, o->thread, SetDebugState, THREAD_SUSPEND);
  ASK_NUMBER(ICorDebugThread, o->thread, GetUserState, CorDebugUserState);
  ASK_OBJECT(ICorDebugThread, o->thread, GetCurrentException, ICorDebugValue);
  ASK(ICorDebugThread, o->thread, ClearCurrentException);
  ASK_OBJECT(ICorDebugThread, o->thread, CreateStepper, ICorDebugStepper);
  ASK_OBJECT(ICorDebugThread, o->thread, CreateEval, ICorDebugEval);
  ASK_OBJECT(ICorDebugThread, o->thread, GetObject, ICorDebugValue);
  ASK_OBJECT(ICorDebugThread, o->thread, GetActiveFrame, ICorDebugFrame);
  ASK_OBJECT(ICorDebugThread, o->thread, EnumerateChains, ICorDebugChainEnum);
  WITH(ICorDebugThread2, o->thread, ASK(ICorDebugThread2, other, InterceptCurrentException, NULL));
  ASK_OBJECT(ICorDebugAppDomain, o->domain, GetObject, ICorDebugValue);
}

static HRESULT
find_objects(adapter *a, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint, objects *o)
{
  ICorDebugFunctionBreakpoint *on_function = NULL;
  memset(o, 0, sizeof *o);
  o->thread = thread;
  HRESULT hr = ICorDebugBreakpoint_QueryInterface(breakpoint, &IID_ICorDebugFunctionBreakpoint,
                                                  (void **)&on_function);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunctionBreakpoint_GetFunction(on_function, &o->function);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunction_GetModule(o->function, &o->module);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunction_GetClass(o->function, &o->class);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunction_GetNativeCode(o->function, &o->code);
  if (SUCCEEDED(hr))
    hr = ICorDebugThread_GetAppDomain(thread, &o->domain);
  if (SUCCEEDED(hr))
    hr = ICorDebug_GetProcess(a->cordebug, a->pid, &o->process);
  if (on_function != NULL)
    ICorDebugFunctionBreakpoint_Release(on_function);
  return hr;
}

static void
release_objects(objects *o)
{
  if (o->process != NULL)
    ICorDebugProcess_Release(o->process);
  if (o->domain != NULL)
    ICorDebugAppDomain_Release(o->domain);
  if (o->code != NULL)
    ICorDebugCode_Release(o->code);
  if (o->class != NULL)
    ICorDebugClass_Release(o->class);
  if (o->module != NULL)
    ICorDebugModule_Release(o->module);
  if (o->function != NULL)
    ICorDebugFunction_Release(o->function);
}

static bool
ask_everything(adapter *client, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  answers *a = client->data;
  objects o;
  a->ready = find_objects(client, thread, breakpoint, &o);
  if (SUCCEEDED(a->ready)) {
    ask_process(a, &o);
    ask_module(a, &o);
    ask_thread(a, &o);
  }
  release_objects(&o);
  return true;
}

/* ---- Programs ---- */

/* What a command writes, and how it ends. */
static int
output_of(const char *command, char *output, size_t size)
{
  FILE *out = popen(command, "re");
  assert_non_null(out);
  size_t length = fread(output, 1, size - 1, out);
  output[length] = '\0';
  return pclose(out);
}

typedef struct program {
  char path[4096], folder[64], file[128], line[8400];
} program;

/* Its output goes to a file when it is debugged. */
static void
make_program(program *p, const test_runtime *runtime, const char *argument)
{
  debuggee_of(runtime, true, "HardMode", p->path, sizeof p->path);
  strcpy(p->folder, "/tmp/hardmode-XXXXXX");
  assert_non_null(mkdtemp(p->folder));
  snprintf(p->file, sizeof p->file, "%s/output", p->folder);
  snprintf(p->line, sizeof p->line, "sh -c \"exec %s '%s' %s >%s 2>&1\"", runtime->program, p->path,
           argument, p->file);
}

static void
read_output(const program *p, char *output, size_t size)
{
  FILE *file = fopen(p->file, "re");
  assert_non_null(file);
  size_t length = fread(output, 1, size - 1, file);
  output[length] = '\0';
  fclose(file);
  unlink(p->file);
  assert_int_equal(rmdir(p->folder), 0);
}

/* ---- Tests ---- */

typedef struct breaks {
  int count;
  HRESULT hr;
  DWORD thread;
  bool running;
} breaks;

static bool
on_user_break(void *data, ICorDebugThread *thread)
{
  adapter *a = data;
  breaks *b = a->data;
  ICorDebugProcess *process = NULL;
  BOOL running = TRUE;
  b->count++;
  b->hr = ICorDebugThread_GetID(thread, &b->thread);
  if (SUCCEEDED(b->hr))
    b->hr = ICorDebugThread_GetProcess(thread, &process);
  if (SUCCEEDED(b->hr)) {
    b->hr = ICorDebugProcess_IsRunning(process, &running);
    ICorDebugProcess_Release(process);
  }
  b->running = running;
  return true;
}

/* The program's own words are the same as without a debugger. */
static void
a_program_sees_no_debugger_and_its_breaks_are_told(void **state)
{
  char alone[4096], debugged[4096], command[4200];
  program p;
  breaks b = {0};
  make_program(&p, *state, "");
  snprintf(command, sizeof command, "exec %s '%s' 2>&1", ((const test_runtime *)*state)->program,
           p.path);
  int status = output_of(command, alone, sizeof alone);
  adapter *a = adapter_new(true);
  a->data = &b;
  a->hooks.user_break = on_user_break;
  launch_and_attach(a, p.line);
  await_exit(a);
  read_output(&p, debugged, sizeof debugged);
  assert_string_equal(debugged, alone);
  assert_non_null(strstr(alone, "attached False"));
  assert_int_equal(WEXITSTATUS(status), 9);
  expect_exit_code(a, 9);
  assert_int_equal(b.count, 3); /* Launch is the third */
  assert_int_equal(b.hr, S_OK);
  assert_int_equal(b.thread, a->pid); /* the main thread's */
  assert_false(b.running);
  adapter_free(a);
}

static void
an_exception_that_nobody_catches_ends_the_program_as_it_does_alone(void **state)
{
  char alone[4096], debugged[4096], command[4200];
  program p;
  breaks b = {0};
  make_program(&p, *state, "crash");
  snprintf(command, sizeof command, "exec %s '%s' crash 2>&1",
           ((const test_runtime *)*state)->program, p.path);
  int status = output_of(command, alone, sizeof alone);
  adapter *a = adapter_new(true);
  a->data = &b;
  a->hooks.user_break = on_user_break;
  launch_and_attach(a, p.line);
  await_exit(a);
  read_output(&p, debugged, sizeof debugged);
  assert_string_equal(debugged, alone);
  assert_true(WIFSIGNALED(status));
  assert_int_equal(atomic_load(&waited_pid), a->pid);
  assert_int_equal(atomic_load(&waited_status), status);
  assert_int_equal(b.count, 3); /* its own; the end of the program makes none */
  adapter_free(a);
}

static void
methods_answer_what_the_documentation_says(void **state)
{
  char output[4096];
  program p;
  answers *seen = calloc(1, sizeof *seen);
  unsigned wrong = 0;
  assert_non_null(seen);
  make_program(&p, *state, "");
  adapter *a = adapter_new(true);
  a->type = "Debuggees.HardMode";
  a->method = "Work";
  a->at_hit = ask_everything;
  a->data = seen;
  launch_and_attach(a, p.line);
  await_exit(a);
  read_output(&p, output, sizeof output);
  expect_exit_code(a, 9); /* nothing of it disturbed the program */
  assert_non_null(strstr(output, "work 2"));
  assert_int_equal(a->hits, 1);
  assert_int_equal(seen->ready, S_OK);
  assert_true(seen->count > 25);
  for (unsigned i = 0; i < seen->count; i++) {
    const char *interface = seen->answers[i].interface, *method = seen->answers[i].method;
    HRESULT hr = seen->answers[i].hr;
    promise expected = documented(interface, method);
    bool right = expected == WORKS
                     ? hr != E_NOTIMPL
                     : expected != MISSING && hr == E_NOTIMPL && !seen->answers[i].touched;
    if (!right)
      print_message("%s::%s: 0x%08x%s, documented as %s\n", interface, method, (unsigned)hr,
                    seen->answers[i].touched ? ", output touched" : "",
                    (const char *[]){"nothing", "works", "not yet", "cannot"}[expected]);
    wrong += !right;
  }
  assert_int_equal(wrong, 0);
  adapter_free(a);
  free(seen);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST_ON(a_program_sees_no_debugger_and_its_breaks_are_told, ".NET", on_net),
      TEST_ON(an_exception_that_nobody_catches_ends_the_program_as_it_does_alone, ".NET", on_net),
      TEST_ON(methods_answer_what_the_documentation_says, ".NET", on_net),
  };
  if (!open_shim(NULL))
    return 1;
  return cmocka_run_group_tests_name("coreclr-hardmode", tests, NULL, NULL);
}
