/* SPDX-License-Identifier: MIT */
/*
 * Microsoft's own ICorDebug as an oracle. One client, compiled once, attaches to the same .NET
 * process first through libmscordbi.so, then through libdbgshim.so, sets the same breakpoint, and
 * at its first hit writes down what it is told and what it reads. The two reports have to agree.
 *
 *   test-mscordbi-oracle --client LIBRARY PID MEMORY REPORT     the client, in a process of its own
 *
 * libmscordbi needs the debugger inside the runtime (a thread and two pipes); cordbg does not: so
 * the process is the one that Microsoft's debugger prepared, and left.
 */
#include "dbgshim-client.h"
#include "mscordbi.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The client ---- */

static FILE *report;
static CORDB_ADDRESS memory;

static void
write_bytes(const char *what, HRESULT hr, CORDB_ADDRESS address, size_t size, const BYTE *bytes)
{
  fprintf(report, "%s 0x%llx %s %zu:", what, (unsigned long long)address,
          SUCCEEDED(hr) ? "ok" : "failed", size);
  for (size_t i = 0; i < size; i++)
    fprintf(report, " %02x", bytes[i]);
  fprintf(report, "\n");
}

static void
read_range(ICorDebugProcess *process, const char *what, CORDB_ADDRESS address, DWORD size)
{
  BYTE *bytes = calloc(1, size);
  SIZE_T read = 0;
  HRESULT hr = ICorDebugProcess_ReadMemory(process, address, size, bytes, &read);
  write_bytes(what, hr, address, read <= size ? (size_t)read : 0, bytes);
  free(bytes);
}

static void
report_module(ICorDebugProcess *process, ICorDebugModule *module)
{
  WCHAR name[1024];
  char narrow[1024];
  CORDB_ADDRESS base = 0;
  ULONG32 size = 0, length = 0, i;
  if (FAILED(ICorDebugModule_GetName(module, 1024, &length, name)) ||
      FAILED(ICorDebugModule_GetBaseAddress(module, &base)) ||
      FAILED(ICorDebugModule_GetSize(module, &size)))
    return;
  for (i = 0; i < length && name[i] != 0; i++)
    narrow[i] = (char)name[i];
  narrow[i] = '\0';
  fprintf(report, "module %s base 0x%llx size %u\n", narrow, (unsigned long long)base,
          (unsigned)size);
  read_range(process, "image", base, size < 65536 ? size : 65536);
}

static void
report_code(ICorDebugProcess *process, ICorDebugFunction *function)
{
  ICorDebugCode *code = NULL;
  CORDB_ADDRESS address = 0;
  ULONG32 size = 0, count = 0;
  BYTE bytes[4096];
  COR_DEBUG_IL_TO_NATIVE_MAP map[256];
  if (FAILED(ICorDebugFunction_GetILCode(function, &code)))
    return;
  if (SUCCEEDED(ICorDebugCode_GetSize(code, &size)) && size <= sizeof bytes &&
      SUCCEEDED(ICorDebugCode_GetCode(code, 0, size, size, bytes, &count)))
    write_bytes("IL", S_OK, 0, count, bytes);
  ICorDebugCode_Release(code);
  if (FAILED(ICorDebugFunction_GetNativeCode(function, &code)))
    return;
  if (SUCCEEDED(ICorDebugCode_GetAddress(code, &address)) &&
      SUCCEEDED(ICorDebugCode_GetSize(code, &size)) && size <= sizeof bytes) {
    HRESULT hr = ICorDebugCode_GetCode(code, 0, size, size, bytes, &count);
    write_bytes("native code", hr, address, count, bytes);
    read_range(process, "code's memory", address, size);
    read_range(process, "memory around it", address - 16, size + 32);
  }
  if (SUCCEEDED(ICorDebugCode_GetILToNativeMapping(code, 256, &count, map)))
    for (ULONG32 i = 0; i < count && i < 256; i++)
      fprintf(report, "map IL %d native %u to %u\n", (int)map[i].ilOffset,
              (unsigned)map[i].nativeStartOffset, (unsigned)map[i].nativeEndOffset);
  ICorDebugCode_Release(code);
}

static ULONG
count_of(HRESULT hr, ICorDebugValueEnum *const *values)
{
  ULONG count = 0;
  if (FAILED(hr))
    return UINT32_MAX;
  ICorDebugValueEnum_GetCount(*values, &count);
  ICorDebugValueEnum_Release(*values);
  return count;
}

/*
 * false: no frame of a method with IL. The IL offset of a caller is left out: cordbg's map has the
 * call sites, which Microsoft's leaves out, and answers that of the call within the statement.
 */
static bool
report_frame(const char *what, unsigned place, bool caller, ICorDebugFrame *frame)
{
  ICorDebugILFrame *il = NULL;
  ICorDebugNativeFrame *native = NULL;
  ICorDebugValueEnum *values = NULL;
  mdMethodDef token = 0;
  ULONG32 il_offset = 0, native_offset = 0;
  CorDebugMappingResult mapping = MAPPING_NO_INFO;
  if (FAILED(ICorDebugFrame_QueryInterface(frame, &IID_ICorDebugILFrame, (void **)&il)))
    return false;
  ICorDebugFrame_GetFunctionToken(frame, &token);
  ICorDebugILFrame_GetIP(il, &il_offset, &mapping);
  if (SUCCEEDED(
          ICorDebugFrame_QueryInterface(frame, &IID_ICorDebugNativeFrame, (void **)&native))) {
    ICorDebugNativeFrame_GetIP(native, &native_offset);
    ICorDebugNativeFrame_Release(native);
  }
  ULONG arguments = count_of(ICorDebugILFrame_EnumerateArguments(il, &values), &values);
  ULONG variables = count_of(ICorDebugILFrame_EnumerateLocalVariables(il, &values), &values);
  fprintf(report, "%s %u method 0x%08x IL %d (%d) native %u arguments %u variables %u\n", what,
          place, (unsigned)token, caller ? -1 : (int)il_offset, (int)mapping,
          (unsigned)native_offset, (unsigned)arguments, (unsigned)variables);
  ICorDebugILFrame_Release(il);
  return true;
}

static void
report_walk(DWORD tid, ICorDebugStackWalk *walk)
{
  char what[32];
  unsigned place = 0;
  bool native = false;
  snprintf(what, sizeof what, "stack %u", (unsigned)tid);
  for (HRESULT hr = S_OK; hr == S_OK; hr = ICorDebugStackWalk_Next(walk)) {
    ICorDebugFrame *frame = NULL;
    HRESULT got = ICorDebugStackWalk_GetFrame(walk, &frame);
    bool method = frame != NULL && report_frame(what, place, place > 0, frame);
    if (!method && got == S_FALSE && !native)
      fprintf(report, "%s %u native\n", what, place);
    place += method || (got == S_FALSE && !native);
    native = !method && (native || got == S_FALSE);
    if (frame != NULL)
      ICorDebugFrame_Release(frame);
  }
}

static void
report_stack(ICorDebugThread *thread)
{
  ICorDebugFrame *active = NULL;
  ICorDebugThread3 *thread3 = NULL;
  ICorDebugStackWalk *walk = NULL;
  DWORD tid = 0;
  ICorDebugThread_GetID(thread, &tid);
  HRESULT hr = ICorDebugThread_GetActiveFrame(thread, &active);
  if (FAILED(hr) || active == NULL || !report_frame("active", (unsigned)tid, false, active))
    fprintf(report, "active %u none 0x%x\n", (unsigned)tid, (unsigned)hr);
  if (active != NULL)
    ICorDebugFrame_Release(active);
  if (FAILED(ICorDebugThread_QueryInterface(thread, &IID_ICorDebugThread3, (void **)&thread3)))
    return;
  if (SUCCEEDED(ICorDebugThread3_CreateStackWalk(thread3, &walk))) {
    report_walk(tid, walk);
    ICorDebugStackWalk_Release(walk);
  }
  ICorDebugThread3_Release(thread3);
}

static void
report_stacks(ICorDebugProcess *process)
{
  ICorDebugThreadEnum *threads = NULL;
  ICorDebugThread *thread = NULL;
  ULONG count = 0;
  if (FAILED(ICorDebugProcess_EnumerateThreads(process, &threads)))
    return;
  while (ICorDebugThreadEnum_Next(threads, 1, &thread, &count) == S_OK && count == 1) {
    report_stack(thread);
    ICorDebugThread_Release(thread);
  }
  ICorDebugThreadEnum_Release(threads);
}

static bool
report_hit(adapter *a, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  ICorDebugFunctionBreakpoint *on_function = NULL;
  ICorDebugFunction *function = NULL;
  ICorDebugModule *module = NULL;
  ICorDebugProcess *process = NULL;
  DWORD tid = 0;
  ULONG32 offset = 0;
  if (a->hits > 0)
    return true; /* once */
  if (FAILED(ICorDebugThread_GetProcess(thread, &process)) ||
      FAILED(ICorDebugThread_GetID(thread, &tid)) ||
      FAILED(ICorDebugBreakpoint_QueryInterface(breakpoint, &IID_ICorDebugFunctionBreakpoint,
                                                (void **)&on_function)) ||
      FAILED(ICorDebugFunctionBreakpoint_GetOffset(on_function, &offset)) ||
      FAILED(ICorDebugFunctionBreakpoint_GetFunction(on_function, &function)) ||
      FAILED(ICorDebugFunction_GetModule(function, &module)))
    return false;
  fprintf(report, "hit on thread %u at IL %u\n", (unsigned)tid, (unsigned)offset);
  report_module(process, module);
  report_code(process, function);
  report_stacks(process);
  read_range(process, "memory", memory, 8192);
  read_range(process, "middle", memory + 4001, 300);
  read_range(process, "edge", memory + 8092, 300);
  read_range(process, "nothing", 4096, 16);
  ICorDebugBreakpoint_Activate(breakpoint, FALSE);
  ICorDebugModule_Release(module);
  ICorDebugFunction_Release(function);
  ICorDebugFunctionBreakpoint_Release(on_function);
  ICorDebugProcess_Release(process);
  return true;
}

static HRESULT
create_by_dbgshim(DWORD pid, IUnknown **ret)
{
  HANDLE *handles = NULL;
  LPWSTR *paths = NULL;
  DWORD count = 0, length = 0;
  WCHAR version[100];
  HRESULT hr = shim.EnumerateCLRs(pid, &handles, &paths, &count);
  if (SUCCEEDED(hr) && count == 1)
    hr = shim.CreateVersionStringFromModule(pid, paths[0], version, 100, &length);
  if (SUCCEEDED(hr))
    hr = shim.CreateDebuggingInterfaceFromVersionEx(CorDebugVersion_4_0, version, ret);
  shim.CloseCLREnumeration(handles, paths, count);
  return hr;
}

static int
run_client(const char *library, DWORD pid, const char *address, const char *path)
{
  IUnknown *unknown = NULL;
  HRESULT hr;
  adapter *a = adapter_new(true);
  memory = strtoull(address, NULL, 16);
  report = fopen(path, "we");
  if (report == NULL)
    return 2;
  a->pid = pid;
  a->type = "Debuggees.OracleTarget";
  a->method = "Tick";
  a->at_hit = report_hit;
  if (strstr(library, "libmscordbi.so") != NULL) {
    void *loaded = mscordbi_open(library);
    hr = loaded != NULL ? mscordbi_create(loaded, pid, &unknown) : E_FAIL;
  } else {
    hr = open_shim(library) ? create_by_dbgshim(pid, &unknown) : E_FAIL;
  }
  if (SUCCEEDED(hr))
    hr = attach(a, unknown);
  if (FAILED(hr)) {
    fprintf(stderr, "%s: 0x%08x\n", library, (unsigned)hr);
    return 3;
  }
  await_count(a, &a->hits, 1);
  fclose(report);
  hr = mscordbi_leave(a->process);
  if (FAILED(hr))
    fprintf(stderr, "the client does not get away: 0x%08x\n", (unsigned)hr);
  return SUCCEEDED(hr) ? 0 : 4;
}

/* ---- The comparison ---- */

static int
start_client(const char *library, pid_t pid, const char *address, const char *path)
{
  char number[16];
  int status;
  snprintf(number, sizeof number, "%d", pid);
  pid_t client = fork();
  if (client == 0) {
    execl("/proc/self/exe", "test-mscordbi-oracle", "--client", library, number, address, path,
          (char *)NULL);
    _exit(127);
  }
  assert_int_equal(waitpid(client, &status, 0), client);
  return status;
}

static FILE *
sorted(const char *path)
{
  char command[128];
  snprintf(command, sizeof command, "LC_ALL=C sort '%s'", path);
  return popen(command, "re");
}

/* Their lines, side by side; the number of those that differ. */
static unsigned
compare_reports(const char *mine, const char *theirs, unsigned *lines)
{
  static char a[400000], b[400000];
  /* Microsoft's maps are in no order. */
  FILE *first = sorted(mine), *second = sorted(theirs);
  unsigned different = 0;
  assert_non_null(first);
  assert_non_null(second);
  *lines = 0;
  for (;;) {
    char *one = fgets(a, sizeof a, first), *other = fgets(b, sizeof b, second);
    if (one == NULL && other == NULL)
      break;
    ++*lines;
    if (one != NULL && other != NULL && strcmp(a, b) == 0)
      continue;
    different++;
    print_message("cordbg:    %.300s\nMicrosoft: %.300s\n", one ? a : "(nothing)",
                  other ? b : "(nothing)");
  }
  assert_int_equal(pclose(first), 0);
  assert_int_equal(pclose(second), 0);
  return different;
}

static void
cordbg_answers_as_microsofts_debugger_does_of_the_same_process(void **state)
{
  char library[4096], program[4096], address[32], folder[] = "/tmp/oracle-XXXXXX";
  char mine[64], theirs[64], byte = 0;
  int ends[2];
  unsigned lines;
  debuggee_of(*state, true, "OracleTarget", program, sizeof program);
  if (!mscordbi_find(library, sizeof library)) {
    print_message("SKIP: libmscordbi.so is not there\n");
    skip();
  }
  assert_non_null(mkdtemp(folder));
  snprintf(mine, sizeof mine, "%s/cordbg", folder);
  snprintf(theirs, sizeof theirs, "%s/microsoft", folder);
  setenv("TMPDIR", folder, 1); /* where the runtime and Microsoft's debugger have their pipes */
  assert_int_equal(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("DOTNET_TieredCompilation", "0", 1); /* one body of code */
    unsetenv("DOTNET_EnableDiagnostics");
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    execlp("dotnet", "dotnet", program, (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  size_t length = 0;
  while (byte != '\n' && length < sizeof address - 1) {
    assert_int_equal(read(ends[0], &byte, 1), 1);
    address[length++] = byte;
  }
  address[length - 1] = '\0';
  assert_int_equal(start_client(library, pid, address, theirs), 0);
  assert_int_equal(start_client(shim_path, pid, address, mine), 0);
  assert_int_equal(compare_reports(mine, theirs, &lines), 0);
  assert_true(lines > 12);
  assert_int_equal(kill(pid, 0), 0);
  end_child(pid);
  close(ends[0]);
  unsetenv("TMPDIR");
  char command[64];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  assert_int_equal(system(command), 0);
}

int
main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST_ON(cordbg_answers_as_microsofts_debugger_does_of_the_same_process, ".NET", on_net),
  };
  if (argc == 6 && strcmp(argv[1], "--client") == 0)
    return run_client(argv[2], (DWORD)atoi(argv[3]), argv[4], argv[5]);
  if (!open_shim(NULL))
    return 1;
  return cmocka_run_group_tests_name("mscordbi-oracle", tests, NULL, NULL);
}
