/* SPDX-License-Identifier: MIT */
/*
 * DebugCreate and the client it makes: attached to processes that nobody debugs, that a session of
 * this program debugs, and to none. Uses only what a program for Windows would, but for the
 * session.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cordbg/com/object.h"
#include "tests/live/memory-fixture.h"

#define LOOK (DEBUG_ATTACH_NONINVASIVE | DEBUG_ATTACH_NONINVASIVE_NO_SUSPEND)

/* The interfaces take what they only read as PVOID. */
#define TEXT(text) ((void *)(uintptr_t)(text))

/* A client's interfaces, each had from the first. */
typedef struct engine {
  IDebugClient *client;
  IDebugControl *control;
  IDebugSystemObjects *system;
  IDebugDataSpaces4 *spaces;
} engine;

static engine
engine_create(void)
{
  engine e = {0};
  assert_int_equal(DebugCreate(&IID_IDebugClient, (void **)&e.client), S_OK);
  assert_int_equal(IDebugClient_QueryInterface(e.client, &IID_IDebugControl, (void **)&e.control),
                   S_OK);
  assert_int_equal(
      IDebugClient_QueryInterface(e.client, &IID_IDebugSystemObjects, (void **)&e.system), S_OK);
  assert_int_equal(
      IDebugClient_QueryInterface(e.client, &IID_IDebugDataSpaces4, (void **)&e.spaces), S_OK);
  return e;
}

/* The last reference goes with the client's, whatever it is attached to. */
static void
engine_release(engine *e)
{
  IDebugDataSpaces4_Release(e->spaces);
  IDebugSystemObjects_Release(e->system);
  IDebugControl_Release(e->control);
  assert_int_equal(IDebugClient_Release(e->client), 0);
}

static void
attach(engine *e, pid_t pid, ULONG flags)
{
  HRESULT hr = IDebugClient_AttachProcess(e->client, 0, (ULONG)pid, flags);
  if (hr != S_OK)
    fail_msg("%08x: %s", (unsigned)hr, cordbg_error_last()->sentence);
}

/* Its value in /proc/PID/status. */
static void
status_field(pid_t pid, const char *field, char *value, size_t size)
{
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *file = fopen(path, "r");
  value[0] = '\0';
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, field, strlen(field)) == 0)
      snprintf(value, size, "%s", line + strlen(field));
  }
  if (file != NULL)
    fclose(file);
}

static int
tracer_of(pid_t pid)
{
  char value[32];
  status_field(pid, "TracerPid:\t", value, sizeof value);
  return atoi(value);
}

static BYTE
byte_at(engine *e, const void *address)
{
  BYTE byte = 0;
  assert_int_equal(IDebugDataSpaces4_ReadVirtual(e->spaces, at(address), &byte, 1, NULL), S_OK);
  return byte;
}

/* ---- the object ---- */

static void
debugcreate_makes_one_object_with_all_its_interfaces(void **state)
{
  (void)state;
  const IID *iids[] = {&IID_IDebugClient,      &IID_IDebugControl,     &IID_IDebugSystemObjects,
                       &IID_IDebugDataSpaces,  &IID_IDebugDataSpaces2, &IID_IDebugDataSpaces3,
                       &IID_IDebugDataSpaces4, &IID_IUnknown};
  size_t before = cordbg_object_count();
  for (size_t i = 0; i < 8; i++) {
    IUnknown *face = NULL, *other = NULL, *identity = NULL;
    assert_int_equal(DebugCreate(iids[i], (void **)&face), S_OK);
    assert_int_equal(face->lpVtbl->QueryInterface(face, &IID_IUnknown, (void **)&identity), S_OK);
    for (size_t j = 0; j < 8; j++) {
      IUnknown *again = NULL;
      assert_int_equal(face->lpVtbl->QueryInterface(face, iids[j], (void **)&other), S_OK);
      assert_int_equal(other->lpVtbl->QueryInterface(other, &IID_IUnknown, (void **)&again), S_OK);
      assert_ptr_equal(again, identity);
      again->lpVtbl->Release(again);
      other->lpVtbl->Release(other);
    }
    other = (void *)1;
    assert_int_equal(face->lpVtbl->QueryInterface(face, &IID_IStream, (void **)&other),
                     E_NOINTERFACE);
    assert_null(other);
    identity->lpVtbl->Release(identity);
    assert_int_equal(face->lpVtbl->Release(face), 0);
  }
  void *none = (void *)1;
  assert_int_equal(DebugCreate(&IID_IStream, &none), E_NOINTERFACE);
  assert_null(none);
  assert_int_equal(DebugCreate(NULL, &none), E_INVALIDARG);
  assert_int_equal(DebugCreate(&IID_IDebugClient, NULL), E_POINTER);
  assert_int_equal(cordbg_object_count(), before);
}

static void
what_is_not_there_answers_e_notimpl_and_touches_nothing(void **state)
{
  (void)state;
  engine e = engine_create();
  ULONG number = 77;
  ULONG64 wide = 77;
  char text[4] = "abc";
  PDEBUG_BREAKPOINT breakpoint = (PDEBUG_BREAKPOINT)(uintptr_t)5;
  PDEBUG_CLIENT other = (PDEBUG_CLIENT)(uintptr_t)5;
  assert_int_equal(IDebugClient_AttachKernel(e.client, 0, NULL), E_NOTIMPL);
  assert_int_equal(IDebugClient_CreateProcess(e.client, 0, text, 1), E_NOTIMPL);
  assert_int_equal(IDebugClient_GetExitCode(e.client, &number), E_NOTIMPL);
  assert_int_equal(IDebugClient_CreateClient(e.client, &other), E_NOTIMPL);
  assert_int_equal(IDebugClient_GetIdentity(e.client, text, 4, &number), E_NOTIMPL);
  assert_int_equal(IDebugControl_Output(e.control, 1, "%d %s\n", 5, "five"), E_NOTIMPL);
  assert_int_equal(IDebugControl_ControlledOutput(e.control, 1, 1, "plain\n"), E_NOTIMPL);
  assert_int_equal(IDebugControl_AddBreakpoint(e.control, 0, DEBUG_ANY_ID, &breakpoint), E_NOTIMPL);
  assert_int_equal(IDebugControl_SetExecutionStatus(e.control, DEBUG_STATUS_GO), E_NOTIMPL);
  assert_int_equal(IDebugControl_Execute(e.control, 0, "g", 0), E_NOTIMPL);
  assert_int_equal(IDebugSystemObjects_GetCurrentProcessPeb(e.system, &wide), E_NOTIMPL);
  assert_int_equal(IDebugSystemObjects_GetEventThread(e.system, &number), E_NOTIMPL);
  assert_int_equal(IDebugDataSpaces4_ReadPhysical(e.spaces, 0, text, 1, &number), E_NOTIMPL);
  assert_int_equal(IDebugDataSpaces4_ReadMsr(e.spaces, 0, &wide), E_NOTIMPL);
  assert_int_equal(IDebugDataSpaces4_VirtualToPhysical(e.spaces, 0, &wide), E_NOTIMPL);
  assert_true(number == 77 && wide == 77 && strcmp(text, "abc") == 0);
  assert_ptr_equal(breakpoint, (void *)5);
  assert_ptr_equal(other, (void *)5);
  engine_release(&e);
}

static void
without_a_process_there_is_nothing_to_do(void **state)
{
  (void)state;
  engine e = engine_create();
  BYTE bytes[8] = {0xa5};
  ULONG count = 77, number = 77, class, qualifier;
  ULONG64 wide = 77;
  assert_int_equal(IDebugDataSpaces4_ReadVirtual(e.spaces, at(bytes), bytes, 1, &count),
                   E_UNEXPECTED);
  assert_int_equal(count, 0);
  assert_int_equal(IDebugDataSpaces4_WriteVirtual(e.spaces, at(bytes), bytes, 1, &count),
                   E_UNEXPECTED);
  assert_int_equal(IDebugDataSpaces4_SearchVirtual(e.spaces, 0, 1 << 20, bytes, 1, 1, &wide),
                   E_UNEXPECTED);
  assert_int_equal(IDebugDataSpaces4_GetValidRegionVirtual(e.spaces, 0, 99, &wide, &number),
                   E_UNEXPECTED);
  assert_int_equal(IDebugSystemObjects_GetCurrentProcessSystemId(e.system, &number), E_UNEXPECTED);
  assert_int_equal(IDebugSystemObjects_GetNumberThreads(e.system, &number), E_UNEXPECTED);
  assert_int_equal(IDebugControl_WaitForEvent(e.control, 0, 0), E_UNEXPECTED);
  assert_int_equal(IDebugControl_GetPageSize(e.control, &number), E_UNEXPECTED);
  assert_int_equal(IDebugControl_IsPointer64Bit(e.control), E_UNEXPECTED);
  assert_int_equal(IDebugClient_DetachProcesses(e.client), E_UNEXPECTED);
  assert_int_equal(IDebugClient_TerminateProcesses(e.client), E_UNEXPECTED);
  assert_int_equal(IDebugClient_EndSession(e.client, DEBUG_END_PASSIVE), E_UNEXPECTED);
  assert_true(number == 77 && wide == 77 && bytes[0] == 0xa5);
  assert_int_equal(IDebugControl_GetExecutionStatus(e.control, &number), S_OK);
  assert_int_equal(number, DEBUG_STATUS_NO_DEBUGGEE);
  assert_int_equal(IDebugControl_GetDebuggeeType(e.control, &class, &qualifier), S_OK);
  assert_int_equal(class, DEBUG_CLASS_UNINITIALIZED);
  engine_release(&e);
}

static void
attaching_refuses_what_it_cannot_do(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  engine e = engine_create();
  const struct {
    ULONG64 server;
    ULONG pid, flags;
    HRESULT hr;
  } rows[] = {
      {1, (ULONG)child->pid, LOOK, E_INVALIDARG},
      {0, 0, LOOK, E_INVALIDARG},
      {0, 0xfffffff0u, LOOK, E_INVALIDARG},
      {0, 0x7ffffff0u, LOOK, E_INVALIDARG}, /* none has it: the kernel's limit is lower */
      {0, 0x7ffffff0u, DEBUG_ATTACH_NONINVASIVE, E_INVALIDARG},
      {0, (ULONG)child->pid, DEBUG_ATTACH_DEFAULT, E_NOTIMPL},
      {0, (ULONG)child->pid, DEBUG_ATTACH_EXISTING, E_NOTIMPL},
      {0, (ULONG)child->pid, DEBUG_ATTACH_INVASIVE_NO_INITIAL_BREAK, E_NOTIMPL},
      {0, (ULONG)child->pid, DEBUG_ATTACH_NONINVASIVE_NO_SUSPEND, E_INVALIDARG},
      {0, (ULONG)child->pid, DEBUG_ATTACH_NONINVASIVE | DEBUG_ATTACH_EXISTING, E_INVALIDARG},
      {0, (ULONG)child->pid, 0x80, E_INVALIDARG},
      {0, (ULONG)getpid(), DEBUG_ATTACH_NONINVASIVE, E_INVALIDARG},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    HRESULT hr = IDebugClient_AttachProcess(e.client, rows[i].server, rows[i].pid, rows[i].flags);
    if (hr != rows[i].hr)
      fail_msg("row %zu: %08x instead of %08x (%s)", i, (unsigned)hr, (unsigned)rows[i].hr,
               cordbg_error_last()->sentence);
    assert_int_equal(cordbg_error_last()->hr, rows[i].hr);
  }
  attach(&e, child->pid, LOOK);
  assert_int_equal(IDebugClient_AttachProcess(e.client, 0, (ULONG)child->pid, LOOK), E_UNEXPECTED);
  assert_int_equal(IDebugControl_WaitForEvent(e.control, 1, 0), E_INVALIDARG);
  assert_int_equal(IDebugClient_EndSession(e.client, DEBUG_END_REENTRANT), E_NOTIMPL);
  assert_int_equal(IDebugClient_EndSession(e.client, DEBUG_END_DISCONNECT), E_NOTIMPL);
  assert_int_equal(IDebugClient_EndSession(e.client, 99), E_INVALIDARG);
  assert_int_equal(byte_at(&e, child->region), pattern(child->region));
  engine_release(&e);
  child_end(child);
}

/* ---- looking ---- */

static void
looking_does_nothing_to_a_process_that_runs_on(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  engine e = engine_create();
  uint8_t *place = child->region + 3 * PAGE;
  ULONG number, class, qualifier;
  attach(&e, child->pid, LOOK);
  assert_int_equal(IDebugControl_GetExecutionStatus(e.control, &number), S_OK);
  assert_int_equal(number, DEBUG_STATUS_GO);
  assert_int_equal(IDebugControl_WaitForEvent(e.control, DEBUG_WAIT_DEFAULT, INFINITE), S_OK);
  assert_int_equal(IDebugControl_WaitForEvent(e.control, 0, 0), E_UNEXPECTED);
  assert_int_equal(IDebugControl_GetExecutionStatus(e.control, &number), S_OK);
  assert_int_equal(number, DEBUG_STATUS_BREAK);
  assert_int_equal(IDebugControl_GetDebuggeeType(e.control, &class, &qualifier), S_OK);
  assert_true(class == DEBUG_CLASS_USER_WINDOWS && qualifier == DEBUG_USER_WINDOWS_PROCESS);
  assert_int_equal(IDebugControl_GetEffectiveProcessorType(e.control, &number), S_OK);
  assert_int_equal(number, IMAGE_FILE_MACHINE_AMD64);
  assert_int_equal(IDebugControl_IsPointer64Bit(e.control), S_OK);
  assert_int_equal(IDebugControl_GetPageSize(e.control, &number), S_OK);
  assert_int_equal(number, 4096);
  assert_int_equal(tracer_of(child->pid), 0);
  for (int i = 0; i < 20; i++) {
    long now = child_run(child, command_increment, (long)place);
    assert_int_equal(byte_at(&e, place), now);
  }
  /* Writing, too. */
  ULONG written = 0;
  assert_int_equal(IDebugDataSpaces4_WriteVirtual(e.spaces, at(place), TEXT("\x41"), 1, &written),
                   S_OK);
  assert_int_equal(written, 1);
  assert_int_equal(child_run(child, command_increment, (long)place), 0x42);
  assert_int_equal(child_run(child, command_unmap, (long)(place + PAGE)), 0);
  assert_int_equal(
      IDebugDataSpaces4_FillVirtual(e.spaces, at(place + PAGE) - 10, 100, TEXT("ab"), 2, &written),
      S_OK);
  assert_int_equal(written, 10);
  assert_int_equal(
      IDebugDataSpaces4_WriteVirtual(e.spaces, at(place + PAGE), TEXT("x"), 1, &written),
      HRESULT_FROM_WIN32(ERROR_WRITE_FAULT));
  assert_int_equal(written, 0);
  ULONG64 match = 0;
  assert_int_equal(IDebugDataSpaces4_SearchVirtual(e.spaces, at(child->region), REGION_SIZE,
                                                   TEXT("babab"), 5, 1, &match),
                   S_OK);
  assert_int_equal(match, at(place + PAGE) - 9);
  assert_int_equal(tracer_of(child->pid), 0);
  assert_int_equal(IDebugClient_DetachProcesses(e.client), S_OK);
  assert_int_equal(IDebugDataSpaces4_ReadVirtual(e.spaces, at(place), &match, 1, NULL),
                   E_UNEXPECTED);
  engine_release(&e);
  child_end(child);
}

static void
looking_shows_what_the_session_of_this_program_shows(void **state)
{
  fixture *made = *state;
  engine e = engine_create();
  uint8_t bytes[300];
  ULONG read;
  attach(&e, made->child->pid, LOOK);
  /* Contract 004 on a process with traps of each layer: managed ones hidden, native ones shown. */
  assert_int_equal(
      IDebugDataSpaces4_ReadVirtual(e.spaces, at(made->managed - 100), bytes, 300, &read), S_OK);
  assert_true(read == 300 && is_shown(made, bytes, made->managed - 100, 300));
  assert_int_equal(byte_at(&e, made->managed), pattern(made->managed));
  assert_int_equal(byte_at(&e, made->internal), pattern(made->internal));
  assert_int_equal(byte_at(&e, made->native), 0xcc);
  /* Writing goes behind the traps. */
  assert_int_equal(
      IDebugDataSpaces4_WriteVirtual(e.spaces, at(made->managed), TEXT("\x31"), 1, &read), S_OK);
  assert_int_equal(byte_at(&e, made->managed), 0x31);
  BYTE raw;
  SIZE_T count;
  assert_int_equal(
      cordbg_icordebug_read_view(made->target, CORDBG_VIEW_RAW, at(made->managed), 1, &raw, &count),
      S_OK);
  assert_int_equal(raw, 0xcc);
  /* The session ends: the client looks on, at a process that nobody debugs. */
  cordbg_error error = {0};
  succeeded(cordbg_tracer_detach(cordbg_target_tracer(made->target), &error), &error);
  cordbg_target_retire(made->target);
  assert_int_equal(byte_at(&e, made->native), pattern(made->native));
  assert_int_equal(byte_at(&e, made->managed), 0x31);
  /* Another begins. */
  cordbg_target *next = session_open(made->child);
  plant(next, CORDBG_LAYER_MANAGED, made->both);
  plant(next, CORDBG_LAYER_NATIVE, made->native);
  assert_int_equal(byte_at(&e, made->both), pattern(made->both));
  assert_int_equal(byte_at(&e, made->native), 0xcc);
  cordbg_target_unref(next);
  engine_release(&e);
}

static void
a_session_s_own_client_ends_with_the_session(void **state)
{
  fixture *made = *state;
  engine e = {0};
  ULONG number;
  BYTE byte;
  assert_int_equal(cordbg_data_spaces_create(made->target, &IID_IDebugClient, (void **)&e.client),
                   S_OK);
  assert_int_equal(IDebugClient_QueryInterface(e.client, &IID_IDebugControl, (void **)&e.control),
                   S_OK);
  assert_int_equal(
      IDebugClient_QueryInterface(e.client, &IID_IDebugSystemObjects, (void **)&e.system), S_OK);
  assert_int_equal(
      IDebugClient_QueryInterface(e.client, &IID_IDebugDataSpaces4, (void **)&e.spaces), S_OK);
  assert_int_equal(byte_at(&e, made->managed), pattern(made->managed));
  assert_int_equal(byte_at(&e, made->native), 0xcc);
  assert_int_equal(IDebugSystemObjects_GetCurrentProcessSystemId(e.system, &number), S_OK);
  assert_int_equal(number, made->child->pid);
  /* Events, running and the end of the process are ICorDebug's. */
  assert_int_equal(IDebugControl_WaitForEvent(e.control, 0, INFINITE), E_UNEXPECTED);
  assert_int_equal(IDebugControl_GetExecutionStatus(e.control, &number), E_UNEXPECTED);
  assert_int_equal(IDebugClient_TerminateProcesses(e.client), E_UNEXPECTED);
  assert_int_equal(IDebugClient_AttachProcess(e.client, 0, (ULONG)made->child->pid, LOOK),
                   E_UNEXPECTED);
  cordbg_error error = {0};
  succeeded(cordbg_tracer_detach(cordbg_target_tracer(made->target), &error), &error);
  cordbg_target_retire(made->target);
  assert_int_equal(IDebugDataSpaces4_ReadVirtual(e.spaces, at(made->managed), &byte, 1, NULL),
                   E_UNEXPECTED);
  /* Parted from, the client may attach like any other. */
  assert_int_equal(IDebugClient_DetachProcesses(e.client), S_OK);
  attach(&e, made->child->pid, LOOK);
  assert_int_equal(byte_at(&e, made->native), pattern(made->native));
  engine_release(&e);
}

/* ---- stopping ---- */

/* Waits for the child's answer without taking it: true when it comes within the time. */
static bool
answers_within(const test_child *child, int milliseconds)
{
  struct pollfd poll_fd = {.fd = child->answers, .events = POLLIN};
  return poll(&poll_fd, 1, milliseconds) == 1;
}

/* Until the thread is held by its tracer: it was asleep, and woke up when something came. */
static void
await_held(pid_t pid)
{
  char value[64] = "";
  for (int i = 0; i < 30000 && value[0] != 't'; i++) {
    status_field(pid, "State:\t", value, sizeof value);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  assert_int_equal(value[0], 't');
}

typedef struct child_command {
  long (*function)(long);
  long argument;
} child_command;

static void
stopping_holds_the_threads_from_the_wait_to_the_detach(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  engine e = engine_create();
  uint8_t *place = child->region + 5 * PAGE;
  ULONG status;
  attach(&e, child->pid, DEBUG_ATTACH_NONINVASIVE);
  assert_true(tracer_of(child->pid) != 0);
  assert_int_equal(IDebugControl_GetExecutionStatus(e.control, &status), S_OK);
  assert_int_equal(status, DEBUG_STATUS_GO);
  long before = child_run(child, command_increment, (long)place); /* not stopped yet */
  assert_int_equal(IDebugControl_WaitForEvent(e.control, 0, INFINITE), S_OK);
  assert_int_equal(IDebugControl_GetExecutionStatus(e.control, &status), S_OK);
  assert_int_equal(status, DEBUG_STATUS_BREAK);
  child_command command = {command_increment, (long)place};
  assert_int_equal(write(child->commands, &command, sizeof command), sizeof command);
  await_held(child->pid);
  assert_int_equal(byte_at(&e, place), before);
  assert_false(answers_within(child, 0));
  /* A stopped process can be written, and looked at by another client. */
  assert_int_equal(IDebugDataSpaces4_WriteVirtual(e.spaces, at(place), TEXT("\x70"), 1, NULL),
                   S_OK);
  engine other = engine_create();
  attach(&other, child->pid, LOOK);
  assert_int_equal(byte_at(&other, place), 0x70);
  assert_int_equal(
      IDebugClient_AttachProcess(other.client, 0, (ULONG)child->pid, DEBUG_ATTACH_NONINVASIVE),
      E_UNEXPECTED);
  engine_release(&other);
  assert_int_equal(IDebugClient_DetachProcesses(e.client), S_OK);
  long now = 0;
  assert_true(answers_within(child, 60000));
  assert_int_equal(read(child->answers, &now, sizeof now), sizeof now);
  assert_int_equal(now, 0x71);
  assert_int_equal(tracer_of(child->pid), 0);
  /* Again, and without a word: the last reference detaches. */
  attach(&e, child->pid, DEBUG_ATTACH_NONINVASIVE);
  assert_int_equal(IDebugControl_WaitForEvent(e.control, 0, INFINITE), S_OK);
  engine_release(&e);
  assert_int_equal(child_run(child, command_increment, (long)place), 0x72);
  assert_int_equal(tracer_of(child->pid), 0);
  child_end(child);
}

static void
stopping_is_refused_where_somebody_debugs(void **state)
{
  fixture *made = *state;
  engine e = engine_create();
  assert_int_equal(
      IDebugClient_AttachProcess(e.client, 0, (ULONG)made->child->pid, DEBUG_ATTACH_NONINVASIVE),
      CORDBG_E_DEBUGGER_ALREADY_ATTACHED);
  assert_non_null(strstr(cordbg_error_last()->sentence, "DEBUG_ATTACH_NONINVASIVE_NO_SUSPEND"));
  /* By a tracer that is no session of this program. */
  test_child *child = child_start(NULL);
  cordbg_error error = {0};
  cordbg_tracer *tracer;
  succeeded(cordbg_tracer_start(&tracer, &error), &error);
  succeeded(cordbg_tracer_attach(tracer, child->pid, &error), &error);
  assert_int_equal(
      IDebugClient_AttachProcess(e.client, 0, (ULONG)child->pid, DEBUG_ATTACH_NONINVASIVE),
      CORDBG_E_DEBUGGER_ALREADY_ATTACHED);
  attach(&e, child->pid, LOOK);
  assert_int_equal(byte_at(&e, child->region), pattern(child->region));
  engine_release(&e);
  cordbg_tracer_destroy(tracer);
  child_end(child);
}

/* ---- ends ---- */

static void
contract_004_process_gone_is_e_unexpected(void **state)
{
  (void)state;
  const struct {
    ULONG attach;
    bool reaped;
  } ways[] = {{LOOK, false}, {LOOK, true}, {DEBUG_ATTACH_NONINVASIVE, false}};
  for (size_t i = 0; i < 3; i++) {
    test_child *child = child_start(NULL);
    engine e = engine_create();
    BYTE byte = 0xa5;
    ULONG count = 99, status;
    attach(&e, child->pid, ways[i].attach);
    child_kill(child);
    if (ways[i].reaped)
      waitpid(child->pid, NULL, 0);
    assert_int_equal(IDebugDataSpaces4_ReadVirtual(e.spaces, at(child->region), &byte, 1, &count),
                     E_UNEXPECTED);
    assert_true(count == 0 && byte == 0xa5);
    assert_int_equal(IDebugControl_WaitForEvent(e.control, 0, INFINITE), E_UNEXPECTED);
    assert_int_equal(IDebugControl_GetExecutionStatus(e.control, &status), S_OK);
    assert_int_equal(status, DEBUG_STATUS_NO_DEBUGGEE);
    assert_int_equal(IDebugSystemObjects_GetNumberThreads(e.system, &count), E_UNEXPECTED);
    assert_int_equal(IDebugClient_DetachProcesses(e.client), S_OK);
    engine_release(&e);
    child_end(child);
  }
}

static void
ending_the_session_ends_or_leaves_the_process(void **state)
{
  (void)state;
  const struct {
    ULONG attach, end; /* end 99: TerminateProcesses */
    bool dies;
  } rows[] = {
      {LOOK, DEBUG_END_PASSIVE, false},
      {LOOK, DEBUG_END_ACTIVE_DETACH, false},
      {LOOK, DEBUG_END_ACTIVE_TERMINATE, true},
      {LOOK, 99, true},
      {DEBUG_ATTACH_NONINVASIVE, DEBUG_END_PASSIVE, false},
      {DEBUG_ATTACH_NONINVASIVE, DEBUG_END_ACTIVE_TERMINATE, true},
      {DEBUG_ATTACH_NONINVASIVE, 99, true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    test_child *child = child_start(NULL);
    engine e = engine_create();
    attach(&e, child->pid, rows[i].attach);
    assert_int_equal(IDebugControl_WaitForEvent(e.control, 0, INFINITE), S_OK);
    assert_int_equal(rows[i].end == 99 ? IDebugClient_TerminateProcesses(e.client)
                                       : IDebugClient_EndSession(e.client, rows[i].end),
                     S_OK);
    assert_int_equal(IDebugClient_DetachProcesses(e.client), E_UNEXPECTED);
    if (rows[i].dies) {
      siginfo_t info = {0};
      assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT), 0);
      assert_true(info.si_code == CLD_KILLED && info.si_status == SIGKILL);
    } else {
      assert_int_equal(child_run(child, command_increment, (long)child->region),
                       (uint8_t)(pattern(child->region) + 1));
      assert_int_equal(tracer_of(child->pid), 0);
    }
    engine_release(&e);
    child_end(child);
  }
}

/* ---- the system's objects ---- */

#define MORE_THREADS 3

static void *
sleep_for_good(void *data)
{
  (void)data;
  for (;;)
    pause();
  return NULL;
}

static int
start_threads(test_child *child)
{
  (void)child;
  pthread_t thread;
  for (int i = 0; i < MORE_THREADS; i++) {
    if (pthread_create(&thread, NULL, sleep_for_good, NULL) != 0)
      return -1;
  }
  return 0;
}

static long
command_start_thread(long unused)
{
  (void)unused;
  pthread_t thread;
  return pthread_create(&thread, NULL, sleep_for_good, NULL);
}

static void
system_objects_number_the_process_and_its_threads(void **state)
{
  (void)state;
  test_child *child = child_start(start_threads);
  ULONG pid = (ULONG)child->pid, number = 0, total = 0, largest = 0, id = 99;
  ULONG ids[8], system_ids[8];
  engine e = engine_create();
  attach(&e, child->pid, LOOK);
  assert_int_equal(IDebugSystemObjects_GetNumberProcesses(e.system, &number), S_OK);
  assert_int_equal(number, 1);
  assert_int_equal(IDebugSystemObjects_GetCurrentProcessId(e.system, &id), S_OK);
  assert_int_equal(id, 0);
  assert_int_equal(IDebugSystemObjects_SetCurrentProcessId(e.system, 0), S_OK);
  assert_int_equal(IDebugSystemObjects_SetCurrentProcessId(e.system, 1), E_INVALIDARG);
  assert_int_equal(IDebugSystemObjects_GetCurrentProcessSystemId(e.system, &number), S_OK);
  assert_int_equal(number, pid);
  assert_int_equal(IDebugSystemObjects_GetProcessIdsByIndex(e.system, 0, 1, ids, system_ids), S_OK);
  assert_true(ids[0] == 0 && system_ids[0] == pid);
  assert_int_equal(IDebugSystemObjects_GetProcessIdsByIndex(e.system, 1, 1, ids, NULL),
                   E_INVALIDARG);
  id = 99;
  assert_int_equal(IDebugSystemObjects_GetProcessIdBySystemId(e.system, pid, &id), S_OK);
  assert_int_equal(id, 0);
  assert_int_equal(IDebugSystemObjects_GetProcessIdBySystemId(e.system, 1, &id), E_NOINTERFACE);

  assert_int_equal(IDebugSystemObjects_GetNumberThreads(e.system, &number), S_OK);
  assert_int_equal(number, 1 + MORE_THREADS);
  assert_int_equal(IDebugSystemObjects_GetTotalNumberThreads(e.system, &total, &largest), S_OK);
  assert_true(total == number && largest == number);
  assert_int_equal(IDebugSystemObjects_GetThreadIdsByIndex(e.system, 0, number, ids, system_ids),
                   S_OK);
  for (ULONG i = 0; i < number; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/task/%u", (unsigned)pid, (unsigned)system_ids[i]);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(ids[i], i);
    id = 99;
    assert_int_equal(IDebugSystemObjects_GetThreadIdBySystemId(e.system, system_ids[i], &id), S_OK);
    assert_int_equal(id, i);
  }
  assert_int_equal(system_ids[0], pid);
  assert_int_equal(IDebugSystemObjects_GetThreadIdsByIndex(e.system, 2, number - 1, ids, NULL),
                   E_INVALIDARG);
  assert_int_equal(IDebugSystemObjects_GetThreadIdBySystemId(e.system, 1, &id), E_NOINTERFACE);
  assert_int_equal(IDebugSystemObjects_GetCurrentThreadId(e.system, &id), S_OK);
  assert_int_equal(id, 0);
  assert_int_equal(IDebugSystemObjects_SetCurrentThreadId(e.system, 2), S_OK);
  assert_int_equal(IDebugSystemObjects_GetCurrentThreadSystemId(e.system, &id), S_OK);
  assert_int_equal(id, system_ids[2]);
  assert_int_equal(IDebugSystemObjects_SetCurrentThreadId(e.system, 1 + MORE_THREADS),
                   E_INVALIDARG);
  /* One more starts; the others keep their numbers. */
  assert_int_equal(child_run(child, command_start_thread, 0), 0);
  assert_int_equal(IDebugSystemObjects_GetNumberThreads(e.system, &number), S_OK);
  assert_int_equal(number, 2 + MORE_THREADS);
  assert_int_equal(IDebugSystemObjects_GetThreadIdBySystemId(e.system, system_ids[2], &id), S_OK);
  assert_int_equal(id, 2);

  ULONG64 handle = 0;
  BYTE byte;
  char name[4096], cut[5];
  assert_int_equal(IDebugSystemObjects_GetCurrentProcessHandle(e.system, &handle), S_OK);
  assert_true(ReadProcessMemory((HANDLE)handle, child->region, &byte, 1, NULL));
  assert_int_equal(
      IDebugSystemObjects_GetCurrentProcessExecutableName(e.system, name, sizeof name, &number),
      S_OK);
  assert_int_equal(number, strlen(name) + 1);
  assert_int_equal(access(name, X_OK), 0);
  assert_int_equal(
      IDebugSystemObjects_GetCurrentProcessExecutableName(e.system, cut, sizeof cut, NULL),
      S_FALSE);
  assert_memory_equal(cut, name, 4);
  assert_int_equal(cut[4], 0);
  assert_int_equal(IDebugClient_DetachProcesses(e.client), S_OK);
  assert_false(ReadProcessMemory((HANDLE)handle, child->region, &byte, 1, NULL));
  engine_release(&e);
  child_end(child);
}

static void
contract_001_tables_by_idebugcontrol(void **state)
{
  fixture *made = *state;
  engine e = engine_create();
  WINDBG_EXTENSION_APIS64 apis = {0};
  WINDBG_EXTENSION_APIS32 narrow = {.nSize = sizeof narrow};
  BYTE byte = 0;
  attach(&e, made->child->pid, LOOK);
  cordbg_wdbgexts_set_current(NULL, 0);
  assert_int_equal(IDebugControl_GetWindbgExtensionApis64(e.control, &apis), E_INVALIDARG);
  apis.nSize = sizeof apis;
  assert_int_equal(IDebugControl_GetWindbgExtensionApis64(e.control, &apis), S_OK);
  assert_true(apis.lpReadProcessMemoryRoutine(at(made->managed), &byte, 1, NULL));
  assert_int_equal(byte, pattern(made->managed));
  assert_true(apis.lpReadProcessMemoryRoutine(at(made->native), &byte, 1, NULL));
  assert_int_equal(byte, 0xcc);
  assert_int_equal(IDebugControl_GetWindbgExtensionApis32(e.control, &narrow), S_OK);
  assert_non_null(narrow.lpStackTraceRoutine);
  cordbg_wdbgexts_set_current(NULL, 0);
  engine_release(&e);
  /* A process without a session has no threads to ask for registers. */
  test_child *child = child_start(NULL);
  e = engine_create();
  attach(&e, child->pid, LOOK);
  assert_int_equal(IDebugControl_GetWindbgExtensionApis64(e.control, &apis), E_UNEXPECTED);
  engine_release(&e);
  child_end(child);
}

/* ---- threads of the client's program ---- */

typedef struct race {
  IDebugDataSpaces4 *spaces;
  const uint8_t *region;
  _Atomic bool over;
  _Atomic long read, refused, wrong;
} race;

static void *
keep_reading(void *data)
{
  race *r = data;
  while (!atomic_load(&r->over)) {
    uint8_t bytes[64];
    ULONG64 end;
    HRESULT hr = IDebugDataSpaces4_ReadVirtual(r->spaces, at(r->region), bytes, 64, NULL);
    if (hr == S_OK && is_pattern(bytes, r->region, 64))
      atomic_fetch_add(&r->read, 1);
    else
      atomic_fetch_add(hr == E_UNEXPECTED ? &r->refused : &r->wrong, 1);
    hr = IDebugDataSpaces4_GetNextDifferentlyValidOffsetVirtual(r->spaces, at(r->region), &end);
    if (hr != S_OK && hr != E_UNEXPECTED)
      atomic_fetch_add(&r->wrong, 1);
  }
  return NULL;
}

static void
detaching_waits_for_calls_of_other_threads(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  engine e = engine_create();
  race r = {.spaces = e.spaces, .region = child->region};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, keep_reading, &r), 0);
  for (int i = 0; i < 100; i++) {
    long before = atomic_load(&r.read);
    attach(&e, child->pid, i % 10 == 0 ? DEBUG_ATTACH_NONINVASIVE : LOOK);
    while (atomic_load(&r.read) == before)
      sched_yield();
    assert_int_equal(IDebugClient_DetachProcesses(e.client), S_OK);
  }
  atomic_store(&r.over, true);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(r.wrong, 0);
  assert_true(r.read >= 100);
  engine_release(&e);
  child_end(child);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(debugcreate_makes_one_object_with_all_its_interfaces),
      cmocka_unit_test(what_is_not_there_answers_e_notimpl_and_touches_nothing),
      cmocka_unit_test(without_a_process_there_is_nothing_to_do),
      cmocka_unit_test(attaching_refuses_what_it_cannot_do),
      cmocka_unit_test(looking_does_nothing_to_a_process_that_runs_on),
      TEST(looking_shows_what_the_session_of_this_program_shows),
      TEST(a_session_s_own_client_ends_with_the_session),
      cmocka_unit_test(stopping_holds_the_threads_from_the_wait_to_the_detach),
      TEST(stopping_is_refused_where_somebody_debugs),
      cmocka_unit_test(contract_004_process_gone_is_e_unexpected),
      cmocka_unit_test(ending_the_session_ends_or_leaves_the_process),
      cmocka_unit_test(system_objects_number_the_process_and_its_threads),
      TEST(contract_001_tables_by_idebugcontrol),
      cmocka_unit_test(detaching_waits_for_calls_of_other_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
