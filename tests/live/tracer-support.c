/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static uint64_t
now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void
session_fork(test_session *session, debuggee_body body)
{
  memset(session, 0, sizeof *session);
  session->stage =
      mmap(NULL, sizeof *session->stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(session->stage, MAP_FAILED);
  fflush(NULL);
  session->pid = fork();
  assert_true(session->pid >= 0);
  if (session->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(300);
    body(session->stage);
    _exit(0);
  }
}

void
session_attach(test_session *session)
{
  must(session, cordbg_tracer_start(&session->tracer, &session->error));
  must(session, cordbg_tracer_attach(session->tracer, session->pid, &session->error));
}

void
session_begin(test_session *session, debuggee_body body, int ready)
{
  session_fork(session, body);
  await_int(&session->stage->ready, ready);
  session_attach(session);
}

void
session_detach(test_session *session)
{
  must(session, cordbg_tracer_detach(session->tracer, &session->error));
  cordbg_tracer_destroy(session->tracer);
  session->tracer = NULL;
}

void
session_end(test_session *session)
{
  if (session->pid > 0) {
    kill(session->pid, SIGKILL);
    while (waitpid(session->pid, NULL, 0) < 0 && errno == EINTR)
      continue;
  }
  if (session->tracer != NULL)
    cordbg_tracer_destroy(session->tracer);
  if (session->stage != NULL)
    munmap(session->stage, sizeof *session->stage);
  memset(session, 0, sizeof *session);
}

void
await_int(_Atomic int *number, int least)
{
  uint64_t end = now_ms() + PATIENCE_MS;
  while (*number < least) {
    if (now_ms() > end)
      fail_msg("%d of %d after %d ms", *number, least, PATIENCE_MS);
    sched_yield();
  }
}

void
await_long(_Atomic long *number, long least)
{
  uint64_t end = now_ms() + PATIENCE_MS;
  while (*number < least) {
    if (now_ms() > end)
      fail_msg("%ld of %ld after %d ms", *number, least, PATIENCE_MS);
    sched_yield();
  }
}

void
a_moment(void)
{
  int status = -1;
  fflush(NULL);
  int child = fork();
  if (child == 0)
    _exit(0);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    continue;
  assert_int_equal(status, 0);
}

bool
await_until(bool (*holds)(void *data), void *data, int timeout_ms)
{
  uint64_t end = now_ms() + (uint64_t)timeout_ms;
  do {
    if (holds(data))
      return true;
    sched_yield();
  } while (now_ms() < end);
  return holds(data);
}

int
plant_status(test_session *session, cordbg_layer layer, uint64_t address)
{
  cordbg_plant_result result;
  must(session, cordbg_tracer_plant(session->tracer, layer, &address, 1, &result, &session->error));
  return result.status;
}

uint8_t
plant(test_session *session, cordbg_layer layer, uint64_t address)
{
  cordbg_plant_result result;
  must(session, cordbg_tracer_plant(session->tracer, layer, &address, 1, &result, &session->error));
  assert_int_equal(result.status, 0);
  return result.original;
}

uint8_t
take_away(test_session *session, cordbg_layer layer, uint64_t address)
{
  cordbg_plant_result result;
  must(session,
       cordbg_tracer_remove(session->tracer, layer, &address, 1, &result, &session->error));
  assert_int_equal(result.status, 0);
  return result.original;
}

cordbg_event
next_event(test_session *session)
{
  cordbg_event event = {0};
  HRESULT hr = cordbg_tracer_next_event(session->tracer, CORDBG_CHANNEL_MANAGED, PATIENCE_MS,
                                        &event, &session->error);
  if (hr != S_OK)
    fail_msg("no event within %d ms: 0x%08x", PATIENCE_MS, (unsigned)hr);
  return event;
}

cordbg_event
next_hit(test_session *session, uint64_t address)
{
  cordbg_event event = next_event(session);
  assert_int_equal(event.kind, CORDBG_EVENT_TRAP);
  assert_true((event.flags & CORDBG_EVENT_STOPS) != 0);
  assert_int_equal(event.address, address);
  assert_int_equal(event.registers.rip, address);
  return event;
}

bool
no_event(test_session *session, int timeout_ms)
{
  cordbg_event event;
  return cordbg_tracer_next_event(session->tracer, CORDBG_CHANNEL_MANAGED, timeout_ms, &event,
                                  &session->error) == S_FALSE;
}

void
go_on(test_session *session)
{
  must(session, cordbg_tracer_continue(session->tracer, &session->error));
}

void
halt(test_session *session)
{
  cordbg_reply_stop state;
  must(session, cordbg_tracer_stop(session->tracer, &state, &session->error));
}

uint8_t
raw_byte(const test_session *session, uint64_t address)
{
  uint8_t byte = 0;
  struct iovec local = {&byte, 1}, remote = {(void *)(uintptr_t)address, 1};
  assert_int_equal(process_vm_readv(session->pid, &local, 1, &remote, 1, 0), 1);
  return byte;
}

uint8_t
seen_byte(const test_session *session, cordbg_view view, uint64_t address)
{
  const cordbg_patch_table *table = cordbg_tracer_patch_table(session->tracer);
  uint8_t byte;
  cordbg_overlay_result result;
  do {
    uint64_t generation = cordbg_patch_table_begin(table);
    byte = raw_byte(session, address);
    result = cordbg_patch_table_overlay(table, view, generation, address, &byte, 1);
    assert_int_not_equal(result, CORDBG_OVERLAY_CORRUPT);
  } while (result == CORDBG_OVERLAY_AGAIN);
  return byte;
}

cordbg_statistics
statistics_of(test_session *session)
{
  cordbg_statistics statistics;
  must(session, cordbg_tracer_statistics(session->tracer, &statistics, &session->error));
  return statistics;
}

void
status_field_of(int pid, const char *name, char *text, size_t size)
{
  char path[64], line[512];
  size_t length = strlen(name);
  text[0] = '\0';
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, name, length) == 0 && line[length] == ':')
      snprintf(text, size, "%s", line + length + 1 + strspn(line + length + 1, " \t"));
  }
  if (file != NULL)
    fclose(file);
}

int
tracer_of(int pid)
{
  char text[512];
  status_field_of(pid, "TracerPid", text, sizeof text);
  return text[0] == '\0' ? -1 : atoi(text);
}

char
state_of(int pid)
{
  char text[512];
  status_field_of(pid, "State", text, sizeof text);
  return text[0];
}

static bool
free_now(void *data)
{
  int pid = *(int *)data;
  char state = state_of(pid);
  return tracer_of(pid) == 0 && state != 't' && state != 'T' && state != 'Z';
}

bool
is_free(int pid)
{
  return await_until(free_now, &pid, PATIENCE_MS);
}

bool
is_alive(int pid)
{
  char state = state_of(pid);
  return state != '\0' && state != 'Z' && state != 'X';
}

test_stage *handler_stage;

void
handle_by(test_stage *stage, int number, void (*handler)(int, siginfo_t *, void *))
{
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  handler_stage = stage;
  sigaction(number, &action, NULL);
}

void
count_signal(int number, siginfo_t *info, void *context)
{
  (void)number;
  (void)info;
  (void)context;
  handler_stage->count[2]++;
}

unsigned
test_seed(void)
{
  const char *given = getenv("CORDBG_SEED");
  unsigned seed =
      given != NULL ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL) ^ (unsigned)getpid();
  printf("seed %u (CORDBG_SEED=%u repeats)\n", seed, seed);
  return seed;
}
