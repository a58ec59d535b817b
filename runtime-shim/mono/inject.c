/* SPDX-License-Identifier: MIT */
/*
 * Bringing the agent into a live process, and starting its session there.
 *
 * The library is handed over as a memory file: the target makes one (memfd_create), the client
 * fills it through /proc/PID/fd, the target loads it from /proc/self/fd. So it matters neither
 * which file systems the target sees nor whether its user may read ours. Everything is done by
 * remote calls on one thread, at a place where calls are sound:
 *   - attach: the runtime's Finalizer thread while it waits for work, outside of managed code.
 *     A thread in the collector's suspend handler waits in sigsuspend and is not taken.
 *   - launch: the thread that stands at the entry of the embedding API (launch.c).
 * Other threads run meanwhile: the loader's lock, or a collection, may need them.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cordbg/tracer/spawn.h"
#include "runtime-shim/mono/mono-private.h"

#define AGENT_BYTES_MAX (8u << 20)

/* ---- Seccomp ---- */

/* A number of /proc/PID/status, or -1. */
static long
status_number(int pid, const char *name)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
  g_autofree char *text = NULL;

  if (!g_file_get_contents(path, &text, NULL, NULL))
    return -1;
  const char *line = strstr(text, name);
  return line ? strtol(line + strlen(name), NULL, 10) : -1;
}

/* The pid in the innermost namespace. */
static long
innermost_pid(int pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
  g_autofree char *text = NULL;

  if (!g_file_get_contents(path, &text, NULL, NULL))
    return -1;
  char *line = strstr(text, "\nNSpid:");
  if (!line)
    return pid;
  line++;
  line[strcspn(line, "\n")] = 0;
  const char *last = strrchr(line, '\t');
  return last ? strtol(last + 1, NULL, 10) : -1;
}

/* How many filters the init of the process' pid namespace has: what every process in a container
 * inherits. The process itself when it is that init. */
static long
filters_of_namespace(int pid)
{
  for (unsigned depth = 0; pid > 0 && depth < 1024; depth++) {
    if (innermost_pid(pid) == 1 || pid == 1)
      return status_number(pid, "\nSeccomp_filters:");
    pid = (int)status_number(pid, "\nPPid:");
  }
  return 0;
}

HRESULT
cordbg_mono_may_inject(int pid, cordbg_error *error)
{
  const char *force = getenv("CORDBG_FORCE_INJECTION");
  long mode = status_number(pid, "\nSeccomp:");

  if (mode <= 0 || (force && strcmp(force, "1") == 0))
    return S_OK;
  long filters = status_number(pid, "\nSeccomp_filters:");
  if (mode == 2 && filters >= 0 && filters <= filters_of_namespace(pid))
    return S_OK;
  return cordbg_error_set(
      error, E_ACCESSDENIED, 0, 0,
      "process %d runs under a seccomp filter of its own, which may kill it for "
      "the system calls of an injection; CORDBG_FORCE_INJECTION=1 tries anyway",
      pid);
}

/* ---- The library ---- */

static HRESULT
read_library(char **bytes, gsize *size, cordbg_error *error)
{
  char path[4096];
  HRESULT hr = cordbg_helper_path(CORDBG_AGENT_LIBRARY, path, sizeof(path), error);

  if (FAILED(hr))
    return hr;
  if (g_file_get_contents(path, bytes, size, NULL) && *size <= AGENT_BYTES_MAX)
    return S_OK;
  return cordbg_error_set(error, CORDBG_E_DEBUG_COMPONENT_MISSING, 0, 0, "%.150s cannot be read",
                          path);
}

/* ---- Remote calls ---- */

typedef struct caller {
  cordbg_runtime *runtime;
  int tid;
  uint32_t timeout_ms;
  uint64_t syscall, dlopen, dlerror;
} caller;

static HRESULT
call(const caller *c, uint64_t function, const uint64_t arguments[6], const char *text,
     uint64_t *result, cordbg_error *error)
{
  cordbg_call request = {.tid = c->tid,
                         .flags = CORDBG_CALL_RUN_OTHERS,
                         .function = function,
                         .timeout_ms = c->timeout_ms,
                         .data = text,
                         .data_size = text ? (uint32_t)strlen(text) + 1 : 0};

  memcpy(request.arguments, arguments, sizeof(request.arguments));
  return cordbg_tracer_call(c->runtime->tracer, &request, result, error);
}

static HRESULT
find_functions(caller *c, cordbg_error *error)
{
  static const char *const libraries[] = {"libc.so.6", "libc-2.", "libdl.so.2", "libdl-2."};
  cordbg_target *target = c->runtime->target;

  for (size_t i = 0; i < G_N_ELEMENTS(libraries); i++) {
    uint64_t base = cordbg_mono_find_base(c->runtime->pid, libraries[i], NULL, 0);
    if (!c->dlopen)
      c->dlopen = cordbg_export_find(cordbg_mono_peek_target, target, base, "dlopen");
    if (!c->dlerror)
      c->dlerror = cordbg_export_find(cordbg_mono_peek_target, target, base, "dlerror");
    if (!c->syscall)
      c->syscall = cordbg_export_find(cordbg_mono_peek_target, target, base, "syscall");
  }
  if (c->dlopen && c->syscall)
    return S_OK;
  return cordbg_error_set(error, CORDBG_E_UNSUPPORTED, 0, 0,
                          "process %d has no glibc with dlopen: the agent cannot be loaded",
                          c->runtime->pid);
}

static HRESULT
fill_file(int pid, int fd, const char *bytes, gsize size, cordbg_error *error)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", pid, fd);
  int file = open(path, O_WRONLY | O_CLOEXEC);
  gsize done = 0;

  while (file >= 0 && done < size) {
    ssize_t wrote = write(file, bytes + done, size - done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0)
      break;
    done += (gsize)wrote;
  }
  int failed = errno;
  if (file >= 0)
    close(file);
  return done == size ? S_OK
                      : cordbg_error_set_errno(error, failed, 0,
                                               "the agent cannot be written into process %d", pid);
}

static HRESULT
explain_dlopen(const caller *c, cordbg_error *error)
{
  static const uint64_t none[6];
  uint64_t text = 0;
  g_autofree char *why = NULL;

  if (c->dlerror && SUCCEEDED(call(c, c->dlerror, none, NULL, &text, NULL)) && text)
    why = cordbg_mono_read_string(c->runtime, text);
  return cordbg_error_set(error, E_FAIL, 0, 0, "process %d cannot load the agent: %.150s",
                          c->runtime->pid, why ? why : "no reason given");
}

/* On success *file is the memory file, which cordbg_agent_start closes. */
static HRESULT
load(const caller *c, int *file, cordbg_error *error)
{
  g_autofree char *bytes = NULL;
  gsize size = 0;
  uint64_t result = 0;
  char path[64];
  HRESULT hr = cordbg_mono_may_inject(c->runtime->pid, error);

  if (SUCCEEDED(hr))
    hr = read_library(&bytes, &size, error);
  if (SUCCEEDED(hr))
    hr = call(c, c->syscall, (uint64_t[6]){SYS_memfd_create, CORDBG_CALL_DATA, 1 /* CLOEXEC */},
              CORDBG_AGENT_LIBRARY, &result, error);
  if (FAILED(hr))
    return hr;
  int fd = (int)result;
  if (fd < 0)
    return cordbg_error_set(error, E_FAIL, 0, 0,
                            "process %d cannot make a memory file for the agent", c->runtime->pid);
  hr = fill_file(c->runtime->pid, fd, bytes, size, error);
  if (SUCCEEDED(hr)) {
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    hr = call(c, c->dlopen, (uint64_t[6]){CORDBG_CALL_DATA, RTLD_LAZY}, path, &result, error);
    if (SUCCEEDED(hr) && result == 0)
      hr = explain_dlopen(c, error);
  }
  if (FAILED(hr))
    call(c, c->syscall, (uint64_t[6]){SYS_close, (uint64_t)fd}, NULL, &result, NULL);
  else
    *file = fd;
  return hr;
}

/* ---- The block ---- */

static HRESULT
find_block(cordbg_runtime *runtime, cordbg_error *error)
{
  cordbg_agent_block *block = &runtime->block;
  uint64_t base = cordbg_mono_find_base(runtime->pid, CORDBG_AGENT_LIBRARY, NULL, 0);

  runtime->block_address =
      cordbg_export_find(cordbg_mono_peek_target, runtime->target, base, CORDBG_AGENT_SYMBOL);
  if (!runtime->block_address)
    return cordbg_error_set(error, E_FAIL, 0, base, "the agent was not found in process %d",
                            runtime->pid);
  HRESULT hr = cordbg_mono_read_block(runtime, error);
  if (FAILED(hr))
    return hr;
  if (block->magic != CORDBG_AGENT_MAGIC || block->version != CORDBG_AGENT_VERSION ||
      block->size != sizeof(*block) || block->log_capacity != CORDBG_AGENT_LOG ||
      block->wanted_capacity != CORDBG_AGENT_WANTED ||
      block->domain_capacity != CORDBG_AGENT_DOMAINS ||
      block->record_size != sizeof(cordbg_agent_record))
    return cordbg_error_set(error, CORDBG_E_UNSUPPORTED_FORWARD_COMPAT, 0, runtime->block_address,
                            "the agent in process %d is of another version of cordbg",
                            runtime->pid);
  return S_OK;
}

static HRESULT
explain_start(cordbg_runtime *runtime, int64_t code, cordbg_error *error)
{
  g_autofree char *name = NULL;

  cordbg_mono_read_block(runtime, NULL);
  switch (code) {
  case CORDBG_AGENT_E_SYMBOL:
    name = cordbg_mono_read_string(runtime, (uint64_t)runtime->block.start_detail);
    return cordbg_error_set(error, CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL, 0, 0,
                            "this Mono lacks the function %.100s", name ? name : "?");
  case CORDBG_AGENT_E_BUSY:
    return cordbg_error_set(error, CORDBG_E_TIMEOUT, 0, 0,
                            "the agent's thread of the last session does not end");
  case CORDBG_AGENT_E_THREAD:
    return cordbg_error_set_errno(error, (int)runtime->block.start_detail, 0,
                                  "the agent cannot start its thread");
  case CORDBG_AGENT_E_RUNTIME:
    return cordbg_error_set(error, CORDBG_E_NOTREADY, 0, 0, "the runtime is not initialised yet");
  default:
    return cordbg_error_set(error, E_FAIL, 0, 0, "the agent did not start (%d)", (int)code);
  }
}

HRESULT
cordbg_mono_inject(cordbg_runtime *runtime, int tid, int timeout_ms, cordbg_error *error)
{
  caller c = {.runtime = runtime,
              .tid = tid,
              .timeout_ms = timeout_ms < 1       ? 1
                            : timeout_ms > 60000 ? 60000
                                                 : (uint32_t)timeout_ms};
  uint64_t result = 0;
  int file = -1;
  HRESULT hr = S_OK;

  if (!cordbg_mono_find_base(runtime->pid, CORDBG_AGENT_LIBRARY, NULL, 0)) {
    hr = find_functions(&c, error);
    if (SUCCEEDED(hr))
      hr = load(&c, &file, error);
  }
  if (SUCCEEDED(hr))
    hr = find_block(runtime, error);
  if (SUCCEEDED(hr))
    hr = call(&c, runtime->block.start, (uint64_t[6]){CORDBG_CALL_DATA, (uint64_t)(int64_t)file},
              runtime->place.info.library, &result, error);
  if (FAILED(hr))
    return hr;
  if ((int64_t)result < 0)
    return explain_start(runtime, (int64_t)result, error);
  runtime->started = true;
  return cordbg_mono_read_block(runtime, error);
}

/* ---- The Finalizer ---- */

/*
 * Does the thread wait for a semaphore or a condition, not for a lock? One that waits for a lock
 * may hold another that our calls need. glibc waits for locks with FUTEX_WAIT and the value 2, for
 * semaphores with FUTEX_WAIT_BITSET, formerly FUTEX_WAIT and the value 0.
 */
static bool
waits_for_work(int pid, int tid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/syscall", pid, tid);
  g_autofree char *text = NULL;
  long number;
  unsigned operation, value;

  if (!g_file_get_contents(path, &text, NULL, NULL) ||
      sscanf(text, "%ld 0x%*x 0x%x 0x%x", &number, &operation, &value) != 3 || number != SYS_futex)
    return false;
  operation &= ~(unsigned)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
  return operation == FUTEX_WAIT_BITSET || (operation == FUTEX_WAIT && value == 0);
}

int
cordbg_mono_find_finalizer(int pid, bool *exists)
{
  g_autofree char *folder = g_strdup_printf("/proc/%d/task", pid);
  GDir *threads = g_dir_open(folder, 0, NULL);
  const char *entry;
  int found = 0;

  *exists = false;
  while (!found && threads && (entry = g_dir_read_name(threads))) {
    g_autofree char *path = g_strdup_printf("%s/%s/comm", folder, entry);
    g_autofree char *name = NULL;
    if (!g_file_get_contents(path, &name, NULL, NULL) || strcmp(name, "Finalizer\n") != 0)
      continue;
    *exists = true;
    int tid = (int)strtol(entry, NULL, 10);
    if (waits_for_work(pid, tid))
      found = tid;
  }
  if (threads)
    g_dir_close(threads);
  return found;
}
