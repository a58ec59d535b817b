/* SPDX-License-Identifier: MIT */
/*
 * readmem: the main job of cordbg in one program.
 *
 * Plants managed and native breakpoints in a managed program, lets it run into a managed one, and
 * shows the bytes at each site side by side: as the CPU fetches them, through the five documented
 * ways of reading a process, and as the program left them. Then it changes a byte of the target
 * from outside and reads again: nothing is cached.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <getopt.h>
#include <json-glib/json-glib.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "driver.h"

enum { SITE_BYTES = 12, ROWS = 7, ROW_RAW = 0, ROW_ORIGINAL = 6 };

static const char *const row_names[ROWS] = {
    "raw",
    "ICorDebugProcess::ReadMemory",
    "ReadProcessMemory",
    "WdbgExts ReadMemory",
    "DbgHelp callback",
    "IDebugDataSpaces4::ReadVirtual",
    "original",
};

typedef struct site {
  const char *kind; /* "managed" or "native" */
  const char *name;
  CORDB_ADDRESS address;
  BYTE bytes[ROWS][SITE_BYTES];
  size_t read[ROWS];
} site;

typedef struct job {
  driver session;
  bool launched;
  GArray *breaks;         /* driver_break */
  GPtrArray *natives;     /* const char *: as given */
  GPtrArray *breakpoints; /* ICorDebugFunctionBreakpoint, owned */
  GArray *sites;          /* site */
  bool *native_planted;

  /* The callback thread says what happened, main waits for it. */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool hit;
  bool exited;
  char *refusal; /* why a breakpoint will never be set */
  CORDB_ADDRESS hit_address;
  CORDB_ADDRESS stack;
  char *failure;
} job;

/* What the second half found: a byte of the target's stack, changed by somebody else. */
typedef struct change {
  CORDB_ADDRESS address;
  BYTE before, written;
  BYTE seen[ROWS];
} change;

static const char usage[] = "readmem [--json] --break Namespace.Class:Method[@IL]|file.cs:LINE...\n"
                            "        [--native SYMBOL|0xADDRESS]...\n"
                            "        --pid PID | --launch PROGRAM [ARGUMENT...]";

/* ---- Planting: on cordbg's callback thread, the process stopped ---- */

static CORDB_ADDRESS
native_address(job *work, const char *name)
{
  CORDB_ADDRESS address = 0;
  char *end;
  if (g_str_has_prefix(name, "0x")) {
    address = g_ascii_strtoull(name, &end, 16);
    return *end == '\0' ? address : 0;
  }
  return cordbg_find_symbol(work->session.process, name, &address) == S_OK ? address : 0;
}

static void
plant_natives(job *work, ICorDebugProcess *process)
{
  ICorDebugProcess2 *process2 = NULL;
  if (FAILED(ICorDebugProcess_QueryInterface(process, &IID_ICorDebugProcess2, (void **)&process2)))
    return;
  for (guint i = 0; i < work->natives->len; i++) {
    const char *name = work->natives->pdata[i];
    CORDB_ADDRESS address = work->native_planted[i] ? 0 : native_address(work, name);
    BYTE original[1];
    ULONG32 length = 0;
    if (address == 0)
      continue;
    HRESULT hr = ICorDebugProcess2_SetUnmanagedBreakpoint(process2, address, sizeof original,
                                                          original, &length);
    if (SUCCEEDED(hr)) {
      site found = {.kind = "native", .name = name, .address = address};
      g_array_append_val(work->sites, found);
      work->native_planted[i] = true;
    } else if (work->failure == NULL)
      work->failure = g_strdup_printf("--native %s: %s", name, cordbg_last_error(NULL, NULL, NULL));
  }
  ICorDebugProcess2_Release(process2);
}

static bool
on_create_process(void *data, ICorDebugProcess *process)
{
  job *work = data;
  if (work->session.process == NULL) {
    work->session.process = process;
    ICorDebugProcess_AddRef(process);
  }
  return true;
}

/* Whether all is well so far; else main is told why not, and the process stays stopped. */
static bool
check_breaks(job *work, bool complete)
{
  char *refusal = NULL;
  for (guint i = 0; i < work->breaks->len && refusal == NULL; i++)
    refusal = driver_break_problem(&g_array_index(work->breaks, driver_break, i), complete);
  if (refusal == NULL)
    return true;
  pthread_mutex_lock(&work->lock);
  g_free(work->refusal);
  work->refusal = refusal;
  pthread_cond_signal(&work->changed);
  pthread_mutex_unlock(&work->lock);
  return false;
}

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  job *work = data;
  for (guint i = 0; i < work->breaks->len; i++)
    driver_set_break(&g_array_index(work->breaks, driver_break, i), module, work->breakpoints);
  plant_natives(work, work->session.process);
  return check_breaks(work, false);
}

/* Threads are told behind all modules of a program that was attached to. */
static bool
on_create_thread(void *data, ICorDebugThread *thread)
{
  job *work = data;
  (void)thread;
  return work->launched || check_breaks(work, true);
}

static bool
on_breakpoint(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  job *work = data;
  ICorDebugRegisterSet *registers = NULL;
  CORDB_REGISTER values[2] = {0};
  ULONG64 mask = 1ull << REGISTER_AMD64_RIP | 1ull << REGISTER_AMD64_RSP;
  (void)breakpoint;
  if (SUCCEEDED(ICorDebugThread_GetRegisterSet(thread, &registers))) {
    ICorDebugRegisterSet_GetRegisters(registers, mask, 2, values);
    ICorDebugRegisterSet_Release(registers);
  }
  pthread_mutex_lock(&work->lock);
  bool first = !work->hit;
  if (first) {
    work->hit = true;
    work->hit_address = values[0];
    work->stack = values[1];
    pthread_cond_signal(&work->changed);
  }
  pthread_mutex_unlock(&work->lock);
  return !first;
}

static void
on_exit_process(void *data, ICorDebugProcess *process)
{
  job *work = data;
  (void)process;
  pthread_mutex_lock(&work->lock);
  work->exited = true;
  pthread_cond_signal(&work->changed);
  pthread_mutex_unlock(&work->lock);
}

/* ---- Reading: the same range through every door ---- */

typedef struct doors {
  ICorDebugProcess *process;
  HANDLE handle;
  WINDBG_EXTENSION_APIS extension;
  IDebugDataSpaces4 *spaces;
} doors;

static void
open_doors(doors *all, const driver *session)
{
  all->process = session->process;
  all->handle = OpenProcess(PROCESS_VM_READ | PROCESS_QUERY_INFORMATION, FALSE, session->pid);
  all->extension = (WINDBG_EXTENSION_APIS){.nSize = sizeof all->extension};
  if (all->handle == NULL ||
      FAILED(cordbg_fill_extension_apis(session->process, &all->extension)) ||
      FAILED(cordbg_data_spaces(session->process, &IID_IDebugDataSpaces4, (void **)&all->spaces)))
    driver_fail(DRIVER_FAILED, "%s", cordbg_last_error(NULL, NULL, NULL));
}

static void
close_doors(doors *all)
{
  IDebugDataSpaces4_Release(all->spaces);
  CloseHandle(all->handle);
}

/* Reads through door number `row`. Returns the count of bytes that came. */
static size_t
read_through(const doors *all, int row, CORDB_ADDRESS address, BYTE *buffer, DWORD size)
{
  SIZE_T count = 0;
  ULONG count32 = 0;
  switch (row) {
  case ROW_RAW:
    cordbg_read(all->process, CordbgViewRaw, address, size, buffer, &count);
    return count;
  case 1:
    ICorDebugProcess_ReadMemory(all->process, address, size, buffer, &count);
    return count;
  case 2:
    ReadProcessMemory(all->handle, (LPCVOID)(uintptr_t)address, buffer, size, &count);
    return count;
  case 3:
    all->extension.lpReadProcessMemoryRoutine((ULONG_PTR)address, buffer, size, &count32);
    return count32;
  case 4:
    cordbg_ReadProcessMemoryProc64(all->handle, address, buffer, size, &count32);
    return count32;
  case 5:
    IDebugDataSpaces4_ReadVirtual(all->spaces, address, buffer, size, &count32);
    return count32;
  default:
    cordbg_read(all->process, CordbgViewPristine, address, size, buffer, &count);
    return count;
  }
}

static void
read_sites(job *work, const doors *all)
{
  for (guint i = 0; i < work->sites->len; i++) {
    site *at = &g_array_index(work->sites, site, i);
    for (int row = 0; row < ROWS; row++)
      at->read[row] = read_through(all, row, at->address, at->bytes[row], SITE_BYTES);
  }
}

/*
 * Somebody else changes the target: this program itself, by the plain system call, behind cordbg's
 * back. The byte lies below the stopped thread's stack, where nothing lives; it is put back.
 */
static bool
change_from_outside(const job *work, const doors *all, change *ret)
{
  pid_t pid = (pid_t)work->session.pid;
  ret->address = work->stack - 512;
  struct iovec remote = {(void *)(uintptr_t)ret->address, 1};
  struct iovec local = {&ret->before, 1};
  if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != 1)
    return false;
  ret->written = (BYTE)~ret->before;
  local.iov_base = &ret->written;
  if (process_vm_writev(pid, &local, 1, &remote, 1, 0) != 1)
    return false;
  for (int row = 0; row < ROWS; row++)
    read_through(all, row, ret->address, &ret->seen[row], 1);
  local.iov_base = &ret->before;
  return process_vm_writev(pid, &local, 1, &remote, 1, 0) == 1;
}

/* The address of a managed breakpoint: its code's start plus the native offset of its IL offset. */
static CORDB_ADDRESS
breakpoint_address(ICorDebugFunctionBreakpoint *breakpoint)
{
  ICorDebugFunction *function = NULL;
  ICorDebugCode *code = NULL;
  COR_DEBUG_IL_TO_NATIVE_MAP map[256];
  CORDB_ADDRESS address = 0;
  ULONG32 offset = 0, count = 0;
  if (FAILED(ICorDebugFunctionBreakpoint_GetFunction(breakpoint, &function)))
    return 0;
  ICorDebugFunctionBreakpoint_GetOffset(breakpoint, &offset);
  if (SUCCEEDED(ICorDebugFunction_GetNativeCode(function, &code)) &&
      SUCCEEDED(ICorDebugCode_GetAddress(code, &address)) &&
      SUCCEEDED(ICorDebugCode_GetILToNativeMapping(code, G_N_ELEMENTS(map), &count, map)))
    for (ULONG32 i = 0; offset > 0 && i < MIN(count, G_N_ELEMENTS(map)); i++)
      if (map[i].ilOffset == offset) {
        address += map[i].nativeStartOffset;
        break;
      }
  if (code)
    ICorDebugCode_Release(code);
  ICorDebugFunction_Release(function);
  return address;
}

static void
add_managed_sites(job *work, const char *name)
{
  site hit = {.kind = "managed", .name = name, .address = work->hit_address};
  g_array_prepend_val(work->sites, hit);
  for (guint i = 0; i < work->breakpoints->len; i++) {
    site other = {.kind = "managed", .name = "another breakpoint"};
    ICorDebugFunctionBreakpoint *breakpoint = work->breakpoints->pdata[i];
    other.address = breakpoint_address(breakpoint);
    BYTE byte = 0;
    SIZE_T read;
    cordbg_read(work->session.process, CordbgViewRaw, other.address, 1, &byte, &read);
    if (other.address != 0 && other.address != work->hit_address && byte == 0xcc)
      g_array_append_val(work->sites, other);
  }
}

/* ---- Output ---- */

static void
print_text(const job *work, const change *changed)
{
  for (guint i = 0; i < work->sites->len; i++) {
    const site *at = &g_array_index(work->sites, site, i);
    printf("%s breakpoint %s at 0x%llx\n", at->kind, at->name, (unsigned long long)at->address);
    for (int row = 0; row < ROWS; row++) {
      printf("  %-32s", row_names[row]);
      for (size_t b = 0; b < at->read[row]; b++) {
        bool differs = at->bytes[row][b] != at->bytes[ROW_ORIGINAL][b];
        printf(differs ? "[%02x]" : " %02x ", at->bytes[row][b]);
      }
      if (at->read[row] == 0)
        printf(" cannot be read");
      putchar('\n');
    }
    putchar('\n');
  }
  printf("a byte changed from outside at 0x%llx: %02x, then %02x written\n",
         (unsigned long long)changed->address, changed->before, changed->written);
  for (int row = 0; row < ROW_ORIGINAL; row++)
    printf("  %-32s %02x  %s\n", row_names[row], changed->seen[row],
           changed->seen[row] == changed->written ? "seen" : "NOT SEEN");
}

static void
add_hex(JsonBuilder *json, const char *name, const BYTE *bytes, size_t count)
{
  g_autoptr(GString) text = g_string_new(NULL);
  for (size_t i = 0; i < count; i++)
    g_string_append_printf(text, "%02x", bytes[i]);
  json_builder_set_member_name(json, name);
  json_builder_add_string_value(json, text->str);
}

static void
add_address(JsonBuilder *json, CORDB_ADDRESS address)
{
  char text[19];
  g_snprintf(text, sizeof text, "0x%llx", (unsigned long long)address);
  json_builder_set_member_name(json, "address");
  json_builder_add_string_value(json, text);
}

static void
print_json(const job *work, const change *changed)
{
  g_autoptr(JsonBuilder) json = json_builder_new();
  json_builder_begin_object(json);
  json_builder_set_member_name(json, "pid");
  json_builder_add_int_value(json, work->session.pid);
  json_builder_set_member_name(json, "sites");
  json_builder_begin_array(json);
  for (guint i = 0; i < work->sites->len; i++) {
    const site *at = &g_array_index(work->sites, site, i);
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "kind");
    json_builder_add_string_value(json, at->kind);
    json_builder_set_member_name(json, "name");
    json_builder_add_string_value(json, at->name);
    add_address(json, at->address);
    json_builder_set_member_name(json, "bytes");
    json_builder_begin_object(json);
    for (int row = 0; row < ROWS; row++)
      add_hex(json, row_names[row], at->bytes[row], at->read[row]);
    json_builder_end_object(json);
    json_builder_end_object(json);
  }
  json_builder_end_array(json);
  json_builder_set_member_name(json, "changed_from_outside");
  json_builder_begin_object(json);
  add_address(json, changed->address);
  add_hex(json, "before", &changed->before, 1);
  add_hex(json, "written", &changed->written, 1);
  json_builder_set_member_name(json, "seen");
  json_builder_begin_object(json);
  for (int row = 0; row < ROWS; row++)
    add_hex(json, row_names[row], &changed->seen[row], 1);
  json_builder_end_object(json);
  json_builder_end_object(json);
  json_builder_end_object(json);
  g_autoptr(JsonGenerator) generator = json_generator_new();
  g_autoptr(JsonNode) root = json_builder_get_root(json);
  json_generator_set_root(generator, root);
  json_generator_set_pretty(generator, TRUE);
  g_autofree char *text = json_generator_to_data(generator, NULL);
  puts(text);
}

/* ---- The job ---- */

static void
parse_arguments(job *work, int argc, char **argv, DWORD *pid, char ***launch, bool *as_json)
{
  static const struct option options[] = {
      {"break", required_argument, NULL, 'b'},
      {"native", required_argument, NULL, 'n'},
      {"pid", required_argument, NULL, 'p'},
      {"launch", no_argument, NULL, 'l'},
      {"json", no_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},
      {NULL, 0, NULL, 0},
  };
  bool to_launch = false;
  int option;
  opterr = 0;
  while (!to_launch && (option = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
    driver_break wanted;
    switch (option) {
    case 'b':
      driver_parse_break(optarg, &wanted);
      g_array_append_val(work->breaks, wanted);
      break;
    case 'n':
      g_ptr_array_add(work->natives, optarg);
      break;
    case 'p':
      *pid = driver_parse_pid(optarg);
      break;
    case 'l':
      to_launch = true; /* all that follows is the program's */
      break;
    case 'j':
      *as_json = true;
      break;
    case 'h':
      puts(usage);
      exit(DRIVER_OK);
    case ':':
      driver_fail(DRIVER_USAGE, "%s needs a value; see --help", argv[optind - 1]);
    default:
      driver_fail(DRIVER_USAGE, "unknown option %s; see --help", argv[optind - 1]);
    }
  }
  if (to_launch && *pid != 0)
    driver_fail(DRIVER_USAGE, "--pid and --launch exclude each other");
  if (to_launch && argv[optind] == NULL)
    driver_fail(DRIVER_USAGE, "--launch needs a program, and is the last option");
  if (!to_launch && *pid == 0)
    driver_fail(DRIVER_USAGE, "give --pid PID or --launch PROGRAM; see --help");
  if (!to_launch && argv[optind] != NULL)
    driver_fail(DRIVER_USAGE, "'%s' is not an option; see --help", argv[optind]);
  if (work->breaks->len == 0)
    driver_fail(DRIVER_USAGE, "give at least one --break Namespace.Class:Method or file.cs:LINE");
  *launch = to_launch ? argv + optind : NULL;
}

static void
wait_for_hit(job *work)
{
  pthread_mutex_lock(&work->lock);
  while (!work->hit && !work->exited && work->refusal == NULL)
    pthread_cond_wait(&work->changed, &work->lock);
  bool hit = work->hit;
  const char *refusal = work->refusal;
  pthread_mutex_unlock(&work->lock);
  if (hit)
    return;
  driver_end(&work->session);
  if (refusal != NULL || !check_breaks(work, true))
    driver_fail(DRIVER_USAGE, "%s", work->refusal);
  driver_fail(DRIVER_FAILED, "the program ended before it ran into a breakpoint");
}

static void
clean_up(job *work)
{
  ICorDebugProcess2 *process2 = NULL;
  for (guint i = 0; i < work->breakpoints->len; i++) {
    ICorDebugFunctionBreakpoint *breakpoint = work->breakpoints->pdata[i];
    ICorDebugFunctionBreakpoint_Activate(breakpoint, FALSE);
    ICorDebugFunctionBreakpoint_Release(breakpoint);
  }
  ICorDebugProcess_QueryInterface(work->session.process, &IID_ICorDebugProcess2,
                                  (void **)&process2);
  for (guint i = 0; i < work->sites->len; i++)
    if (strcmp(g_array_index(work->sites, site, i).kind, "native") == 0)
      ICorDebugProcess2_ClearUnmanagedBreakpoint(process2,
                                                 g_array_index(work->sites, site, i).address);
  ICorDebugProcess2_Release(process2);
  driver_end(&work->session);
}

static void
free_job(job *work)
{
  for (guint i = 0; i < work->breaks->len; i++)
    driver_break_clear(&g_array_index(work->breaks, driver_break, i));
  g_array_free(work->breaks, TRUE);
  g_array_free(work->sites, TRUE);
  g_ptr_array_free(work->natives, TRUE);
  g_ptr_array_free(work->breakpoints, TRUE);
  g_free(work->native_planted);
  g_free(work->failure);
  g_free(work->refusal);
}

int
main(int argc, char **argv)
{
  job work = {.breaks = g_array_new(FALSE, TRUE, sizeof(driver_break)),
              .natives = g_ptr_array_new(),
              .breakpoints = g_ptr_array_new(),
              .sites = g_array_new(FALSE, TRUE, sizeof(site)),
              .lock = PTHREAD_MUTEX_INITIALIZER,
              .changed = PTHREAD_COND_INITIALIZER};
  const sample_hooks hooks = {.data = &work,
                              .create_process = on_create_process,
                              .load_module = on_load_module,
                              .create_thread = on_create_thread,
                              .breakpoint = on_breakpoint,
                              .exit_process = on_exit_process};
  DWORD pid = 0;
  char **launch = NULL;
  bool as_json = false;
  doors all;
  change changed = {0};

  parse_arguments(&work, argc, argv, &pid, &launch, &as_json);
  work.native_planted = g_new0(bool, work.natives->len + 1);
  work.launched = launch != NULL;
  driver_start(&work.session, &hooks, pid, launch);
  wait_for_hit(&work);

  for (guint i = 0; i < work.natives->len; i++)
    if (!work.native_planted[i]) {
      driver_end(&work.session);
      driver_fail(DRIVER_USAGE, "%s",
                  work.failure ? work.failure
                               : g_strdup_printf("--native %s: the program has no such symbol",
                                                 (const char *)work.natives->pdata[i]));
    }
  add_managed_sites(&work, g_array_index(work.breaks, driver_break, 0).text);
  open_doors(&all, &work.session);
  read_sites(&work, &all);
  bool seen = change_from_outside(&work, &all, &changed);
  close_doors(&all);
  if (as_json)
    print_json(&work, &changed);
  else
    print_text(&work, &changed);
  clean_up(&work);
  free_job(&work);
  if (!seen)
    driver_fail(DRIVER_FAILED, "the byte could not be changed from outside: %s", g_strerror(errno));
  return DRIVER_OK;
}
