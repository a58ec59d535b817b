/* SPDX-License-Identifier: MIT */
/*
 * Attaching: every thread is seized without being stopped. A refusal says what forbade it.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Threads that start while others are seized: one more pass each time; a bound for fork bombs. */
#define SEIZE_PASSES 1000u
/* For the tracer of an ended session to end. */
#define HOLDER_PATIENCE_NS 2000000000ull

/* Reads a small file of /proc into text, NUL-terminated. The length, or -1. */
static ssize_t
read_text(const char *path, char *text, size_t size)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  size_t length = 0;
  ssize_t count;
  while (length < size - 1 && (count = read(fd, text + length, size - 1 - length)) > 0)
    length += (size_t)count;
  close(fd);
  text[length] = '\0';
  return (ssize_t)length;
}

/* The text behind "\nname:" of /proc/PID/status, blanks skipped; NULL: no such line. */
static const char *
status_field(const char *status, const char *name)
{
  size_t length = strlen(name);
  for (const char *line = status; line != NULL; line = strchr(line, '\n')) {
    if (*line == '\n')
      line++;
    if (strncmp(line, name, length) == 0 && line[length] == ':')
      return line + length + 1 + strspn(line + length + 1, " \t");
  }
  return NULL;
}

static long
status_number(const char *status, const char *name)
{
  const char *field = status_field(status, name);
  return field != NULL ? strtol(field, NULL, 10) : -1;
}

static HRESULT
check_image(int pid, bool leader_ended, cordbg_error *error)
{
  char path[64];
  unsigned char identification[EI_NIDENT];
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT && !leader_ended)
      return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ENOENT, 0,
                              "process %d runs no program: it is a kernel thread or has ended",
                              pid);
    return S_OK; /* the seizing itself tells why not */
  }
  ssize_t size = read(fd, identification, sizeof identification);
  close(fd);
  if (size == (ssize_t)sizeof identification && memcmp(identification, ELFMAG, SELFMAG) == 0 &&
      identification[EI_CLASS] != ELFCLASS64)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED), 0, 0,
                            "process %d is a 32-bit program: cordbg debugs 64-bit ones only", pid);
  return S_OK;
}

/* What can be known before trying. status: the text of /proc/PID/status. */
static HRESULT
check_process(int pid, char *status, size_t size, cordbg_error *error)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  if (pid <= 0 || read_text(path, status, size) <= 0)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                            "there is no process %d", pid);
  long group = status_number(status, "Tgid"), tracer = status_number(status, "TracerPid");
  const char *state = status_field(status, "State");
  if (group > 0 && group != pid)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                            "%d is a thread of process %ld, not a process", pid, group);
  if (state != NULL && (*state == 'X' || (*state == 'Z' && status_number(status, "Threads") <= 1)))
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                            "process %d has ended and waits for its parent (a zombie)", pid);
  if (tracer > 0)
    return cordbg_error_set(error, CORDBG_E_DEBUGGER_ALREADY_ATTACHED, EBUSY, 0,
                            "process %d is already being debugged, by process %ld", pid, tracer);
  return check_image(pid, state != NULL && *state == 'Z', error);
}

/* The seizing was refused with EPERM: name the setting that forbids it. */
static HRESULT
explain_refusal(int pid, cordbg_error *error)
{
  char text[4096], path[64];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  if (read_text(path, text, sizeof text) > 0) {
    long tracer = status_number(text, "TracerPid"), uid = status_number(text, "Uid");
    if (tracer > 0 && tracer != getpid())
      return cordbg_error_set(error, CORDBG_E_DEBUGGER_ALREADY_ATTACHED, EBUSY, 0,
                              "process %d is already being debugged, by process %ld", pid, tracer);
    if (uid >= 0 && uid != (long)getuid() && geteuid() != 0)
      return cordbg_error_set(error, E_ACCESSDENIED, EPERM, 0,
                              "process %d belongs to user %ld, this is user %ld: run as that user "
                              "or with CAP_SYS_PTRACE",
                              pid, uid, (long)getuid());
  }
  if (read_text("/proc/sys/kernel/yama/ptrace_scope", text, sizeof text) > 0 && text[0] != '0')
    return cordbg_error_set(error, E_ACCESSDENIED, EPERM, 0,
                            "process %d: /proc/sys/kernel/yama/ptrace_scope is %c, which forbids "
                            "attaching to processes that are not one's children",
                            pid, text[0]);
  struct stat about;
  snprintf(path, sizeof path, "/proc/%d/environ", pid);
  if (stat(path, &about) == 0 && about.st_uid != geteuid())
    return cordbg_error_set(error, E_ACCESSDENIED, EPERM, 0,
                            "process %d has made itself undumpable (PR_SET_DUMPABLE, set-uid or "
                            "file capabilities): CAP_SYS_PTRACE is needed",
                            pid);
  return cordbg_error_set(error, E_ACCESSDENIED, EPERM, 0,
                          "process %d may not be traced: a security policy (seccomp, a user "
                          "namespace, a security module) forbids it",
                          pid);
}

/* Why a thread that exists could not be seized. */
typedef enum refusal {
  REFUSAL_NONE, /* it is ours, by the kernel's own attach to what a traced thread starts; or dead */
  REFUSAL_AGAIN, /* somebody let it go just now */
  REFUSAL_HELD,  /* by another tracer */
} refusal;

static refusal
explain_thread(int pid, int tid, int *holder)
{
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, tid);
  if (read_text(path, text, sizeof text) <= 0)
    return REFUSAL_NONE;
  const char *state = status_field(text, "State");
  long tracer = status_number(text, "TracerPid");
  if (state == NULL || *state == 'Z' || *state == 'X' || tracer == getpid())
    return REFUSAL_NONE;
  if (tracer <= 0)
    return REFUSAL_AGAIN;
  *holder = (int)tracer;
  return REFUSAL_HELD;
}

typedef struct seizing {
  int pid;
  int found;  /* in this pass: threads seized, or that may be seized now */
  int holder; /* another tracer that has a thread; 0: none */
} seizing;

/* One thread. false: the first one was refused, or memory ran out; errno tells. */
static bool
seize(cordbg_tracing *tracing, seizing *state, int tid)
{
  if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)(long)CORDBG_PTRACE_OPTIONS) != 0) {
    int why = errno;
    if (why == ESRCH)
      return true; /* it ended */
    if (tracing->target->threads > 0) {
      state->found +=
          why == EPERM && explain_thread(state->pid, tid, &state->holder) == REFUSAL_AGAIN;
      return true;
    }
    if (tid == state->pid && cordbg_tracee_is_uninterruptible(state->pid, tid))
      return true; /* a leader that ended before the others */
    errno = why;
    return false;
  }
  cordbg_tracee *tracee = cordbg_tracee_add(tracing, tid, tracing->target);
  if (tracee == NULL) {
    errno = ENOMEM;
    return false;
  }
  tracee->announced = true;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_RUNNING);
  state->found++;
  return true;
}

/* Seizes the threads that are not known yet. */
static bool
seize_pass(cordbg_tracing *tracing, seizing *state)
{
  char path[64];
  bool done = true;
  snprintf(path, sizeof path, "/proc/%d/task", state->pid);
  DIR *directory = opendir(path);
  if (directory == NULL)
    return false;
  state->found = 0;
  state->holder = 0;
  struct dirent *entry;
  while (done && (entry = readdir(directory)) != NULL) {
    int tid = (int)strtol(entry->d_name, NULL, 10);
    if (tid > 0 && cordbg_tracee_find(tracing, tid) == NULL)
      done = seize(tracing, state, tid);
  }
  int why = errno;
  closedir(directory);
  errno = why;
  return done;
}

/* A session that ends just now keeps threads until its tracer's process has ended. Not when the
 * client is dead: two tracers whose clients were killed would wait for each other. */
static bool
await_holder(const cordbg_tracing *tracing, int holder, uint64_t until)
{
  int pidfd = (int)syscall(SYS_pidfd_open, holder, 0);
  struct pollfd polled[] = {{.fd = pidfd, .events = POLLIN},
                            {.fd = tracing->client_fd, .events = POLLIN}};
  bool ended = pidfd < 0;
  for (uint64_t now; !ended && polled[1].revents == 0 && (now = cordbg_tracing_now()) < until;)
    ended = poll(polled, 2, (int)((until - now) / 1000000u) + 1) > 0 && polled[0].revents != 0;
  if (pidfd >= 0)
    close(pidfd);
  return ended;
}

static HRESULT
seize_all(cordbg_tracing *tracing, int pid, cordbg_error *error)
{
  seizing state = {.pid = pid};
  uint64_t until = cordbg_tracing_now() + HOLDER_PATIENCE_NS;
  for (unsigned pass = 0; pass < SEIZE_PASSES; pass++) {
    if (!seize_pass(tracing, &state))
      return errno == EPERM
                 ? explain_refusal(pid, error)
                 : cordbg_error_set_errno(error, errno, 0, "cannot attach to process %d: %s", pid,
                                          strerror(errno));
    if (state.holder != 0 && !await_holder(tracing, state.holder, until))
      return cordbg_error_set(error, CORDBG_E_DEBUGGER_ALREADY_ATTACHED, EBUSY, 0,
                              "a thread of process %d is being debugged, by process %d", pid,
                              state.holder);
    if (state.found == 0 && state.holder == 0)
      break;
  }
  if (tracing->target->threads == 0)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                            "process %d ended while being attached to", pid);
  return S_OK;
}

/* Takes back a half-done attach: threads are let go as they are. */
static void
unseize(cordbg_tracing *tracing)
{
  cordbg_tracing_stop_all(tracing);
  while (tracing->tracees != NULL) {
    ptrace(PTRACE_DETACH, tracing->tracees->tid, NULL, (void *)(long)tracing->tracees->signal);
    cordbg_tracee_remove(tracing, tracing->tracees);
  }
  tracing->hold = false;
}

HRESULT
cordbg_tracing_attach(cordbg_tracing *tracing, int pid, bool child, cordbg_error *error)
{
  char status[8192];
  if (tracing->session != CORDBG_SESSION_IDLE)
    return cordbg_error_set(error, E_UNEXPECTED, 0, 0, "this tracer has a target already");
  HRESULT hr = check_process(pid, status, sizeof status, error);
  if (FAILED(hr))
    return hr;
  cordbg_tracee_process *process = cordbg_process_add(tracing, pid);
  if (process == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory");
  process->target = true;
  tracing->target = process;
  const char *features = status_field(status, "x86_Thread_features");
  const char *shadow = features != NULL ? strstr(features, "shstk") : NULL;
  tracing->emulate_flags = shadow != NULL ? CORDBG_EMULATE_SHADOW_STACK : 0;
  hr = seize_all(tracing, pid, error);
  if (SUCCEEDED(hr))
    hr = cordbg_space_open(&tracing->space, cordbg_tracing_live_tid(tracing), error);
  if (FAILED(hr)) {
    unseize(tracing);
    tracing->processes = NULL;
    tracing->target = NULL;
    free(process);
    return hr;
  }
  cordbg_patch_publisher_set_pid(tracing->patches.publisher, (uint32_t)pid);
  tracing->launching = child;
  tracing->session = CORDBG_SESSION_RUNNING;
  return S_OK;
}
