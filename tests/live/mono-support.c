/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/live/mono-support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000

cordbg_error test_error;
const cordbg_runtime_ops *session_ops = &cordbg_mono_ops;

static gint64
now_ms(void)
{
  return g_get_monotonic_time() / 1000;
}

/* ---- Debuggees ---- */

void
skip_without_mono(void)
{
  g_autofree char *mono = g_find_program_in_path("mono");

  if (mono && g_file_test(debuggee_path("Counter"), G_FILE_TEST_EXISTS))
    return;
  printf("SKIP: %s\n", mono ? "no C# compiler built the debuggees" : "Mono is not installed");
  exit(77);
}

const char *
debuggee_path(const char *name)
{
  static char path[4096];

  snprintf(path, sizeof(path), "%s/samples/debuggees/%s.exe", TEST_BUILD_FOLDER, name);
  return path;
}

void
debuggee_start(debuggee *d, const char *const argv[], const char *const env[])
{
  int out[2];

  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  fflush(NULL);
  d->pid = fork();
  assert_true(d->pid >= 0);
  if (d->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    dup2(out[1], 1);
    for (size_t i = 0; env && env[i]; i++)
      putenv((char *)(uintptr_t)env[i]);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  close(out[1]);
  d->out = out[0];
}

void
debuggee_start_mono(debuggee *d, const char *name, ...)
{
  const char *argv[16] = {"mono", debuggee_path(name)};
  va_list arguments;

  va_start(arguments, name);
  for (size_t i = 2; i < G_N_ELEMENTS(argv) - 1 && (argv[i] = va_arg(arguments, const char *)); i++)
    ;
  va_end(arguments);
  debuggee_start(d, argv, NULL);
  debuggee_expect(d, "ready");
}

/* One line without its end; false at the end of the file or after the time. */
static bool
read_line(debuggee *d, gint64 end)
{
  size_t length = 0;

  while (length < sizeof(d->line) - 1) {
    struct pollfd ready = {.fd = d->out, .events = POLLIN};
    if (poll(&ready, 1, (int)MAX(0, end - now_ms())) != 1 || read(d->out, d->line + length, 1) != 1)
      return false;
    if (d->line[length] == '\n')
      break;
    length++;
  }
  d->line[length] = 0;
  return true;
}

void
debuggee_expect(debuggee *d, const char *text)
{
  gint64 end = now_ms() + PATIENCE_MS;

  while (read_line(d, end))
    if (g_str_has_prefix(d->line, text))
      return;
  fail_msg("the debuggee %d never said \"%s\"", d->pid, text);
}

static char *
read_status(int pid, const char *name)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
  g_autofree char *text = NULL;

  if (!g_file_get_contents(path, &text, NULL, NULL))
    return NULL;
  const char *line = strstr(text, name);
  return line ? g_strndup(line + strlen(name), strcspn(line + strlen(name), "\n")) : NULL;
}

void
debuggee_check_alive(const debuggee *d)
{
  /* After its client's death the tracer detaches one thread after the other. */
  for (gint64 end = now_ms() + PATIENCE_MS;; poll(NULL, 0, 1)) {
    g_autofree char *state = read_status(d->pid, "\nState:\t");
    g_autofree char *tracer = read_status(d->pid, "\nTracerPid:\t");
    assert_non_null(state);
    assert_non_null(tracer);
    assert_true(state[0] != 'Z' && state[0] != 'X' && state[0] != 'T');
    if (state[0] != 't' && strcmp(tracer, "0") == 0)
      return;
    if (now_ms() > end)
      fail_msg("process %d: state %s, tracer %s", d->pid, state, tracer);
  }
}

int
debuggee_wait(debuggee *d, int seconds)
{
  int status = 0;
  int pidfd = (int)syscall(434 /* pidfd_open */, d->pid, 0);
  struct pollfd ended = {.fd = pidfd, .events = POLLIN};

  assert_true(pidfd >= 0);
  if (poll(&ended, 1, seconds * 1000) != 1)
    fail_msg("process %d does not end", d->pid);
  assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
  close(pidfd);
  close(d->out);
  d->pid = 0;
  return status;
}

void
debuggee_end(debuggee *d)
{
  int status = 0;

  if (d->pid <= 0)
    return;
  if (waitpid(d->pid, &status, WNOHANG) == d->pid)
    fail_msg("the debuggee ended by itself, wait status 0x%x", status);
  kill(d->pid, SIGKILL);
  waitpid(d->pid, &status, 0);
  close(d->out);
  d->pid = 0;
}

unsigned
count_threads_named(int pid, const char *name)
{
  g_autofree char *folder = g_strdup_printf("/proc/%d/task", pid);
  GDir *threads = g_dir_open(folder, 0, NULL);
  const char *entry;
  unsigned count = 0;

  while (threads && (entry = g_dir_read_name(threads))) {
    g_autofree char *path = g_strdup_printf("%s/%s/comm", folder, entry);
    g_autofree char *comm = NULL;
    if (g_file_get_contents(path, &comm, NULL, NULL) && g_str_equal(g_strchomp(comm), name))
      count++;
  }
  if (threads)
    g_dir_close(threads);
  return count;
}

bool
await_no_thread_named(int pid, const char *name)
{
  for (gint64 end = now_ms() + PATIENCE_MS; now_ms() < end; poll(NULL, 0, 2))
    if (count_threads_named(pid, name) == 0)
      return true;
  return false;
}

/* ---- Sessions ---- */

HRESULT
session_try_attach(session *s, int pid, int timeout_ms, cordbg_error *error)
{
  *s = (session){.pid = pid};
  assert_ok(cordbg_tracer_start(&s->tracer, &test_error));
  if (cordbg_tracer_attach(s->tracer, pid, &test_error) != S_OK) {
    int status = 0; /* of a debuggee that ended before its time */
    int ended = waitpid(pid, &status, WNOHANG);
    fail_msg("attach: %s (waitpid %d, status 0x%x)", test_error.sentence, ended, status);
  }
  assert_ok(cordbg_target_create(s->tracer, &s->target, &test_error));
  HRESULT hr = session_ops->prepare(s->target, 0, timeout_ms, NULL, NULL, &s->runtime, error);
  if (hr != S_OK) {
    assert_ok(cordbg_tracer_detach(s->tracer, &test_error));
    cordbg_target_retire(s->target);
    cordbg_target_unref(s->target);
    return hr;
  }
  s->events = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_event));
  return S_OK;
}

void
session_attach(session *s, int pid)
{
  assert_ok(session_try_attach(s, pid, PATIENCE_MS, &test_error));
}

void
session_launch(session *s, debuggee *d, const char *const argv[])
{
  int out[2];

  *s = (session){0};
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  cordbg_launch launch = {
      .path = argv[0], .argv = (char *const *)(uintptr_t)argv, .stdio = {-1, out[1], -1}};
  assert_ok(cordbg_tracer_start(&s->tracer, &test_error));
  assert_ok(cordbg_tracer_launch(s->tracer, &launch, &s->pid, &test_error));
  close(out[1]);
  d->pid = s->pid;
  d->out = out[0];
  assert_ok(cordbg_target_create(s->tracer, &s->target, &test_error));
  assert_ok(
      session_ops->prepare(s->target, 1, PATIENCE_MS, NULL, NULL, &s->runtime, &test_error));
  s->events = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_event));
}

void
session_detach(session *s)
{
  session_ops->destroy(s->runtime, !s->gone);
  if (!s->gone)
    assert_ok(cordbg_tracer_detach(s->tracer, &test_error));
  cordbg_target_retire(s->target);
  cordbg_target_unref(s->target);
  g_array_unref(s->events);
}

static void
tell(session *s, const cordbg_event *event)
{
  cordbg_rt_event *events = NULL;
  size_t count = 0;
  HRESULT hr = session_ops->handle_event(s->runtime, event, &events, &count, &test_error);

  if (hr == S_FALSE) {
    assert_non_null(event);
    hr = session_ops->handle_event(s->runtime, NULL, &events, &count, &test_error);
  }
  assert_ok(hr);
  if (count)
    g_array_append_vals(s->events, events, (guint)count);
  g_free(events);
}

void
session_drain(session *s)
{
  tell(s, NULL);
}

/* Takes one stopping event, or returns false after the time. */
static bool
take_event(session *s, gint64 end)
{
  while (now_ms() < end) {
    HRESULT hr = cordbg_tracer_next_event(s->tracer, CORDBG_CHANNEL_MANAGED,
                                          (int)MAX(1, end - now_ms()), &s->event, &test_error);
    if (hr == S_FALSE)
      continue;
    assert_ok(hr);
    if (s->event.kind == CORDBG_EVENT_EXITED) {
      s->gone = true;
      return true;
    }
    if (!(s->event.flags & CORDBG_EVENT_STOPS))
      continue;
    if (s->event.kind == CORDBG_EVENT_TRAP && s->event.layers & CORDBG_LAYER_MANAGED)
      s->hits++;
    tell(s, &s->event);
    return true;
  }
  return false;
}

cordbg_rt_event
session_run_until(session *s, cordbg_rt_event_kind until)
{
  gint64 end = now_ms() + PATIENCE_MS;

  for (;;) {
    guint before = s->events->len;
    assert_ok(cordbg_tracer_continue(s->tracer, &test_error));
    if (!take_event(s, end))
      fail_msg("no event of kind %d came", until);
    if (s->gone)
      fail_msg("the debuggee ended before an event of kind %d came", until);
    for (guint i = before; i < s->events->len; i++)
      if (g_array_index(s->events, cordbg_rt_event, i).kind == until)
        return g_array_index(s->events, cordbg_rt_event, i);
  }
}

bool
session_run_until_hit(session *s)
{
  gint64 end = now_ms() + PATIENCE_MS;
  unsigned before = s->hits;

  while (s->hits == before) {
    assert_ok(cordbg_tracer_continue(s->tracer, &test_error));
    if (!take_event(s, end))
      fail_msg("no managed trap was hit");
    if (s->gone)
      return false;
  }
  return true;
}

void
session_run_for(session *s, int milliseconds)
{
  gint64 end = now_ms() + milliseconds;
  cordbg_reply_stop state;

  do {
    assert_ok(cordbg_tracer_continue(s->tracer, &test_error));
  } while (take_event(s, end) && !s->gone);
  if (s->gone)
    return;
  assert_ok(cordbg_tracer_stop(s->tracer, &state, &test_error));
  if (state.outstanding_managed) /* it crossed with the stop */
    assert_true(take_event(s, now_ms() + PATIENCE_MS));
  session_drain(s);
}

cordbg_rt_id
session_module(session *s, const char *name_end, cordbg_rt_id domain)
{
  for (guint i = 0; i < s->runtime->modules->len; i++) {
    const cordbg_mono_module *known = s->runtime->modules->pdata[i];
    cordbg_rt_module module;
    assert_ok(session_ops->module(s->runtime, known->id, &module, &test_error));
    if (g_str_has_suffix(module.name, name_end) && (!domain || module.domain == domain))
      return module.id;
  }
  fail_msg("no module %s", name_end);
  return 0;
}

uint32_t
session_method(session *s, cordbg_rt_id module, const char *type, const char *method)
{
  uint32_t *tokens = NULL;
  size_t count = 0;

  assert_ok(
      session_ops->find_methods(s->runtime, module, type, method, &tokens, &count, &test_error));
  assert_true(count > 0);
  uint32_t token = tokens[0];
  g_free(tokens);
  return token;
}

unsigned
session_count_events(session *s, cordbg_rt_event_kind kind)
{
  unsigned count = 0;

  for (guint i = 0; i < s->events->len; i++)
    count += g_array_index(s->events, cordbg_rt_event, i).kind == kind;
  return count;
}

void
session_plant(session *s, uint64_t address)
{
  cordbg_plant_result result;

  assert_ok(
      cordbg_tracer_plant(s->tracer, CORDBG_LAYER_MANAGED, &address, 1, &result, &test_error));
  assert_int_equal(result.status, 0);
}

void
session_unplant(session *s, uint64_t address)
{
  cordbg_plant_result result;

  assert_ok(
      cordbg_tracer_remove(s->tracer, CORDBG_LAYER_MANAGED, &address, 1, &result, &test_error));
  assert_int_equal(result.status, 0);
}
