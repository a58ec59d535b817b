/* SPDX-License-Identifier: MIT */
/*
 * interop: native and managed breakpoints in one session, and everything that happens meanwhile.
 *
 * Prints one line an event, managed and unmanaged ones in the order in which they come: the replay
 * of an attach, libraries and modules, threads, hits of both kinds of breakpoints, signals. After
 * --count hits it is gone, and the program runs on.
 */
#define _GNU_SOURCE 1
#include <getopt.h>
#include <json-glib/json-glib.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"

enum { NAME_MAX_BYTES = 512 };

typedef struct native_break {
  const char *name;
  CORDB_ADDRESS address; /* 0: its library has not come yet */
} native_break;

typedef struct job {
  driver session;
  bool launched, json;
  GArray *breaks;         /* driver_break */
  GPtrArray *breakpoints; /* ICorDebugFunctionBreakpoint, owned */
  GPtrArray *texts;       /* const char *: of the break that each belongs to */
  GArray *natives;        /* native_break */
  unsigned long limit, hits;

  /* Callbacks come on two threads. */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool done;
  char *refusal; /* why a breakpoint will never be set */
} job;

/* ---- Printing ---- */

static void
add_text(JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name(builder, name);
  json_builder_add_string_value(builder, value);
}

static void
add_address(JsonBuilder *builder, CORDB_ADDRESS address)
{
  g_autofree char *text = g_strdup_printf("0x%llx", (unsigned long long)address);
  add_text(builder, "address", text);
}

static void
print_json(const char *kind, const char *event, DWORD tid, CORDB_ADDRESS address,
           const char *detail)
{
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  add_text(builder, "kind", kind);
  add_text(builder, "event", event);
  if (tid != 0) {
    json_builder_set_member_name(builder, "thread");
    json_builder_add_int_value(builder, tid);
  }
  if (address != 0)
    add_address(builder, address);
  if (*detail != '\0')
    add_text(builder, "detail", detail);
  json_builder_end_object(builder);
  g_autoptr(JsonNode) root = json_builder_get_root(builder);
  g_autofree char *line = json_to_string(root, FALSE);
  puts(line);
}

/* One line. hit: it counts; the last one ends the session, and nothing is printed behind it. */
static void
tell(job *work, bool hit, const char *kind, const char *event, DWORD tid, CORDB_ADDRESS address,
     const char *detail)
{
  pthread_mutex_lock(&work->lock);
  if (!work->done) {
    if (work->json)
      print_json(kind, event, tid, address, detail);
    else {
      g_autofree char *thread = tid != 0 ? g_strdup_printf("thread %u", tid) : g_strdup("");
      g_autofree char *place =
          address != 0 ? g_strdup_printf("0x%llx", (unsigned long long)address) : g_strdup("");
      g_autofree char *line =
          g_strdup_printf("%-8s %-24s %-15s %-15s %s", kind, event, thread, place, detail);
      puts(g_strchomp(line));
    }
    fflush(stdout);
    if (hit && ++work->hits == work->limit) {
      work->done = true;
      pthread_cond_signal(&work->changed);
    }
  }
  pthread_mutex_unlock(&work->lock);
}

static void
refuse(job *work, char *why)
{
  pthread_mutex_lock(&work->lock);
  g_free(work->refusal);
  work->refusal = why;
  work->done = true;
  pthread_cond_signal(&work->changed);
  pthread_mutex_unlock(&work->lock);
}

static bool
is_done(job *work)
{
  pthread_mutex_lock(&work->lock);
  bool done = work->done;
  pthread_mutex_unlock(&work->lock);
  return done;
}

/* ---- Native breakpoints ---- */

/* Sets those whose symbol is there now. Any time will do, also while the process runs. */
static void
set_natives(job *work, ICorDebugProcess *process)
{
  ICorDebugProcess2 *process2;
  if (FAILED(ICorDebugProcess_QueryInterface(process, &IID_ICorDebugProcess2, (void **)&process2)))
    return;
  pthread_mutex_lock(&work->lock);
  for (guint i = 0; i < work->natives->len; i++) {
    native_break *native = &g_array_index(work->natives, native_break, i);
    CORDB_ADDRESS address = 0;
    BYTE original;
    if (native->address == 0 && cordbg_find_symbol(process, native->name, &address) == S_OK &&
        ICorDebugProcess2_SetUnmanagedBreakpoint(process2, address, 1, &original, NULL) == S_OK)
      native->address = address;
  }
  pthread_mutex_unlock(&work->lock);
  ICorDebugProcess2_Release(process2);
}

static const char *
native_at(job *work, CORDB_ADDRESS address)
{
  const char *name = NULL;
  pthread_mutex_lock(&work->lock);
  for (guint i = 0; i < work->natives->len && name == NULL; i++)
    if (g_array_index(work->natives, native_break, i).address == address)
      name = g_array_index(work->natives, native_break, i).name;
  pthread_mutex_unlock(&work->lock);
  return name;
}

/* lpImageName is the address, in the target, of a pointer to the name. */
static void
library_name(ICorDebugProcess *process, const LOAD_DLL_DEBUG_INFO *load, char *name)
{
  uint64_t at = 0;
  SIZE_T read;
  memset(name, 0, NAME_MAX_BYTES);
  if (load->lpImageName != NULL &&
      ICorDebugProcess_ReadMemory(process, (CORDB_ADDRESS)(uintptr_t)load->lpImageName, sizeof at,
                                  (BYTE *)&at, &read) == S_OK)
    ICorDebugProcess_ReadMemory(process, at, NAME_MAX_BYTES - 1, (BYTE *)name, &read);
}

static void
tell_exception(job *work, const DEBUG_EVENT *event)
{
  const EXCEPTION_RECORD *record = &event->u.Exception.ExceptionRecord;
  CORDB_ADDRESS address = (uintptr_t)record->ExceptionAddress;
  const char *native = native_at(work, address);
  if (record->ExceptionCode == EXCEPTION_BREAKPOINT && native != NULL) {
    tell(work, true, "native", "BREAKPOINT", event->dwThreadId, address, native);
    return;
  }
  g_autofree char *detail = g_strdup_printf("code 0x%08x, %s chance", record->ExceptionCode,
                                            event->u.Exception.dwFirstChance ? "first" : "second");
  tell(work, false, "native", "EXCEPTION", event->dwThreadId, address, detail);
}

static void
on_native_event(void *data, const DEBUG_EVENT *event)
{
  job *work = data;
  const DWORD tid = event->dwThreadId;
  ICorDebugProcess *process = NULL;
  char name[NAME_MAX_BYTES];
  /* The first events come before the attach has returned a process. */
  if (FAILED(ICorDebug_GetProcess(work->session.cordebug, event->dwProcessId, &process)))
    return;
  switch (event->dwDebugEventCode) {
  case CREATE_PROCESS_DEBUG_EVENT:
    tell(work, false, "native", "CREATE_PROCESS", tid,
         (uintptr_t)event->u.CreateProcessInfo.lpBaseOfImage, "");
    break;
  case LOAD_DLL_DEBUG_EVENT:
    library_name(process, &event->u.LoadDll, name);
    tell(work, false, "native", "LOAD_DLL", tid, (uintptr_t)event->u.LoadDll.lpBaseOfDll, name);
    set_natives(work, process);
    break;
  case UNLOAD_DLL_DEBUG_EVENT:
    tell(work, false, "native", "UNLOAD_DLL", tid, (uintptr_t)event->u.UnloadDll.lpBaseOfDll, "");
    break;
  case CREATE_THREAD_DEBUG_EVENT:
    tell(work, false, "native", "CREATE_THREAD", tid, 0, "");
    break;
  case EXIT_THREAD_DEBUG_EVENT:
    tell(work, false, "native", "EXIT_THREAD", tid, 0, "");
    break;
  case EXCEPTION_DEBUG_EVENT:
    tell_exception(work, event);
    break;
  case EXIT_PROCESS_DEBUG_EVENT:
    snprintf(name, sizeof name, "exit code %u", event->u.ExitProcess.dwExitCode);
    tell(work, false, "native", "EXIT_PROCESS", tid, 0, name);
    break;
  default:
    break;
  }
  ICorDebugProcess_Release(process);
}

/* ---- Managed callbacks ---- */

static bool
on_create_process(void *data, ICorDebugProcess *process)
{
  tell(data, false, "managed", "CreateProcess", 0, 0, "");
  set_natives(data, process);
  return true;
}

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  job *work = data;
  WCHAR wide[NAME_MAX_BYTES] = {0};
  ULONG32 length = 0;
  ICorDebugModule_GetName(module, NAME_MAX_BYTES, &length, wide);
  g_autofree char *name = g_utf16_to_utf8((const gunichar2 *)wide, -1, NULL, NULL, NULL);
  tell(work, false, "managed", "LoadModule", 0, 0, name ? name : "");
  for (guint i = 0; i < work->breaks->len; i++) {
    driver_break *wanted = &g_array_index(work->breaks, driver_break, i);
    driver_set_break(wanted, module, work->breakpoints);
    while (work->texts->len < work->breakpoints->len)
      g_ptr_array_add(work->texts, (void *)(uintptr_t)wanted->text);
    char *problem = driver_break_problem(wanted, false);
    if (problem != NULL) {
      refuse(work, problem);
      return false;
    }
  }
  return true;
}

/* Threads are told behind all modules: what has no place by now has none. */
static bool
on_create_thread(void *data, ICorDebugThread *thread)
{
  job *work = data;
  DWORD tid = 0;
  ICorDebugThread_GetID(thread, &tid);
  tell(work, false, "managed", "CreateThread", tid, 0, "");
  for (guint i = 0; i < work->breaks->len; i++) {
    char *problem = driver_break_problem(&g_array_index(work->breaks, driver_break, i), true);
    if (problem != NULL) {
      refuse(work, problem);
      return false;
    }
  }
  for (guint i = 0; i < work->natives->len && !work->launched; i++)
    if (g_array_index(work->natives, native_break, i).address == 0) {
      refuse(work, g_strdup_printf("--native %s: no module of the process has such a symbol",
                                   g_array_index(work->natives, native_break, i).name));
      return false;
    }
  return true;
}

static bool
on_breakpoint(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  job *work = data;
  const char *text = "";
  DWORD tid = 0;
  ICorDebugThread_GetID(thread, &tid);
  for (guint i = 0; i < work->breakpoints->len; i++)
    if (work->breakpoints->pdata[i] == (void *)breakpoint)
      text = work->texts->pdata[i];
  tell(work, true, "managed", "Breakpoint", tid, 0, text);
  return !is_done(work);
}

static void
on_exit_process(void *data, ICorDebugProcess *process)
{
  job *work = data;
  (void)process;
  tell(work, false, "managed", "ExitProcess", 0, 0, "");
  pthread_mutex_lock(&work->lock);
  work->done = true;
  pthread_cond_signal(&work->changed);
  pthread_mutex_unlock(&work->lock);
}

/* ---- Arguments ---- */

static const char usage[] =
    "interop [--break METHOD|LINE]... [--native SYMBOL]... [--count N] [--json]\n"
    "        --pid PID | --launch PROGRAM [ARGUMENT]...\n"
    "METHOD is Namespace.Class:Method[@IL], LINE file.cs:NUMBER, SYMBOL symbol or library!symbol";

static void
parse_arguments(job *work, int argc, char **argv, DWORD *pid)
{
  static const struct option options[] = {
      {"pid", required_argument, NULL, 'p'},    {"break", required_argument, NULL, 'b'},
      {"native", required_argument, NULL, 'n'}, {"count", required_argument, NULL, 'c'},
      {"json", no_argument, NULL, 'j'},         {"launch", no_argument, NULL, 'l'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  int option;
  opterr = 0;
  while (!work->launched && (option = getopt_long(argc, argv, "+:", options, NULL)) != -1)
    if (option == 'p')
      *pid = driver_parse_pid(optarg);
    else if (option == 'b') {
      driver_break wanted = {0};
      driver_parse_break(optarg, &wanted);
      g_array_append_val(work->breaks, wanted);
    } else if (option == 'n') {
      native_break native = {.name = optarg};
      g_array_append_val(work->natives, native);
    } else if (option == 'c') {
      char *end;
      work->limit = strtoul(optarg, &end, 10);
      if (end == optarg || *end != '\0' || work->limit == 0 || *optarg == '-')
        driver_fail(DRIVER_USAGE, "--count '%s': give a number of at least 1", optarg);
    } else if (option == 'j')
      work->json = true;
    else if (option == 'l')
      work->launched = true;
    else if (option == 'h') {
      puts(usage);
      exit(DRIVER_OK);
    } else
      driver_fail(DRIVER_USAGE, "unknown option or missing value: %s; see --help",
                  argv[optind - 1]);
  if (work->launched == (*pid != 0) || work->launched != (argv[optind] != NULL))
    driver_fail(DRIVER_USAGE, "give --pid PID, or --launch PROGRAM at the end; see --help");
}

/* ---- The end ---- */

static void
release_all(job *work)
{
  for (guint i = 0; i < work->breakpoints->len; i++)
    ICorDebugFunctionBreakpoint_Release((ICorDebugFunctionBreakpoint *)work->breakpoints->pdata[i]);
  g_ptr_array_free(work->breakpoints, TRUE);
  g_ptr_array_free(work->texts, TRUE);
  for (guint i = 0; i < work->breaks->len; i++)
    driver_break_clear(&g_array_index(work->breaks, driver_break, i));
  g_array_free(work->breaks, TRUE);
}

int
main(int argc, char **argv)
{
  job work = {.limit = 10,
              .breaks = g_array_new(FALSE, FALSE, sizeof(driver_break)),
              .breakpoints = g_ptr_array_new(),
              .texts = g_ptr_array_new(),
              .natives = g_array_new(FALSE, FALSE, sizeof(native_break)),
              .lock = PTHREAD_MUTEX_INITIALIZER,
              .changed = PTHREAD_COND_INITIALIZER};
  const sample_hooks hooks = {.data = &work,
                              .create_process = on_create_process,
                              .load_module = on_load_module,
                              .create_thread = on_create_thread,
                              .breakpoint = on_breakpoint,
                              .exit_process = on_exit_process,
                              .native_event = on_native_event};
  DWORD pid = 0;
  parse_arguments(&work, argc, argv, &pid);
  driver_start(&work.session, &hooks, pid, work.launched ? argv + optind : NULL);

  pthread_mutex_lock(&work.lock);
  while (!work.done)
    pthread_cond_wait(&work.changed, &work.lock);
  pthread_mutex_unlock(&work.lock);
  driver_end(&work.session);

  if (work.refusal != NULL)
    driver_fail(DRIVER_USAGE, "%s", work.refusal);
  for (guint i = 0; i < work.natives->len; i++)
    if (g_array_index(work.natives, native_break, i).address == 0)
      driver_fail(DRIVER_USAGE, "--native %s: no module of the process had such a symbol",
                  g_array_index(work.natives, native_break, i).name);
  g_array_free(work.natives, TRUE);
  release_all(&work);
  return DRIVER_OK;
}
