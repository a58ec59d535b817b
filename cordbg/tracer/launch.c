/* SPDX-License-Identifier: MIT */
/*
 * Launching: the client forks the program, so that it is its parent and collects its exit status;
 * the child waits until the tracer has seized it, then execs.
 */
#include "config.h"

#include "cordbg/tracer/client-private.h"

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

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

/* All that the child needs, made before the fork: afterwards nothing may be allocated. */
typedef struct launch_plan {
  const cordbg_launch *launch;
  char **candidates; /* paths to try, in order; ends with NULL */
  char *const *environment;
  sigset_t mask;
  int tracer_pid;
  int go[2];     /* a byte says: seized */
  int failed[2]; /* errno of the exec; closed by a successful one */
} launch_plan;

static void
free_candidates(char **candidates)
{
  for (size_t i = 0; candidates != NULL && candidates[i] != NULL; i++)
    free(candidates[i]);
  free(candidates);
}

/* The paths that execvp would try. */
static char **
make_candidates(const char *path)
{
  const char *search = getenv("PATH");
  if (strchr(path, '/') != NULL || search == NULL || *search == '\0')
    search = NULL;
  size_t count = 2;
  for (const char *at = search; at != NULL && *at != '\0'; at++)
    count += *at == ':';
  char **candidates = calloc(count + 1, sizeof *candidates);
  if (candidates == NULL)
    return NULL;
  if (search == NULL) {
    candidates[0] = strdup(path);
    return candidates;
  }
  for (size_t i = 0; search != NULL; i++) {
    size_t length = strcspn(search, ":");
    size_t size = length + strlen(path) + 3;
    candidates[i] = malloc(size);
    if (candidates[i] == NULL)
      break;
    snprintf(candidates[i], size, "%.*s/%s", length > 0 ? (int)length : 1,
             length > 0 ? search : ".", path);
    search = search[length] == ':' ? search + length + 1 : NULL;
  }
  return candidates;
}

static void
fail_child(const launch_plan *plan, int why)
{
  while (write(plan->failed[1], &why, sizeof why) < 0 && errno == EINTR)
    continue;
  _exit(127);
}

/* Handlers of the client's must not run in its child; ignored signals stay ignored, as always. */
static void
reset_handlers(void)
{
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN &&
        action.sa_handler != SIG_DFL) {
      memset(&action, 0, sizeof action);
      action.sa_handler = SIG_DFL;
      sigaction(number, &action, NULL);
    }
  }
}

static bool
place_stdio(const cordbg_launch *launch)
{
  int moved[3];
  for (int i = 0; i < 3; i++) /* out of the way first: stdio[0] may be 1 */
    moved[i] = launch->stdio[i] >= 0 ? fcntl(launch->stdio[i], F_DUPFD_CLOEXEC, 3) : -2;
  for (int i = 0; i < 3; i++) {
    if (moved[i] == -1 || (moved[i] >= 0 && dup2(moved[i], i) < 0))
      return false;
  }
  return true;
}

/* In the child: async-signal-safe calls only. */
static void
run_child(const launch_plan *plan)
{
  char byte;
  ssize_t got;
  close(plan->go[1]);
  close(plan->failed[0]);
  prctl(PR_SET_PTRACER, (unsigned long)plan->tracer_pid, 0, 0, 0); /* only yama knows it */
  while ((got = read(plan->go[0], &byte, 1)) < 0 && errno == EINTR)
    continue;
  if (got != 1)
    _exit(127); /* the client gave up, or died */
  reset_handlers();
  if (plan->launch->folder != NULL && chdir(plan->launch->folder) != 0)
    fail_child(plan, errno);
  if (!place_stdio(plan->launch))
    fail_child(plan, errno);
  sigprocmask(SIG_SETMASK, &plan->mask, NULL);
  int why = ENOENT;
  for (char **path = plan->candidates; *path != NULL; path++) {
    execve(*path, plan->launch->argv, plan->environment);
    if (errno == EACCES || (errno != ENOENT && errno != ENOTDIR))
      why = errno;
    if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
      break;
  }
  fail_child(plan, why);
}

static HRESULT
seize_child(cordbg_tracer *tracer, int pid, cordbg_error *error)
{
  cordbg_request_attach request = {.header = {.kind = CORDBG_REQUEST_ATTACH_CHILD}, .pid = pid};
  int mem = -1;
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr = cordbg_tracer_transact(tracer, &request, sizeof request, sizeof(cordbg_reply_attach),
                                      NULL, &mem, error);
  if (SUCCEEDED(hr)) {
    tracer->pid = pid;
    if (mem >= 0)
      cordbg_tracer_set_mem(tracer, mem);
  }
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

/* Until the exec has happened or failed. */
static HRESULT
await_exec(cordbg_tracer *tracer, const launch_plan *plan, cordbg_error *error)
{
  int why = 0;
  ssize_t got;
  while ((got = read(plan->failed[0], &why, sizeof why)) < 0 && errno == EINTR)
    continue;
  if (got == (ssize_t)sizeof why)
    return cordbg_error_set_errno(error, why, 0, "cannot run %s: %s", plan->launch->path,
                                  strerror(why));
  for (;;) {
    cordbg_event event;
    HRESULT hr = cordbg_tracer_next_event(tracer, CORDBG_CHANNEL_MANAGED, -1, &event, error);
    if (FAILED(hr))
      return hr;
    if (hr == S_FALSE)
      return cordbg_error_set(error, E_ABORT, EINTR, 0, "launching %s was interrupted",
                              plan->launch->path);
    if (event.kind == CORDBG_EVENT_EXEC)
      return S_OK;
    if (event.kind == CORDBG_EVENT_EXITED)
      return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, ECHILD, 0,
                              "%s ended before its first instruction (status 0x%llx)",
                              plan->launch->path, (unsigned long long)event.code);
  }
}

static HRESULT
fork_and_seize(cordbg_tracer *tracer, launch_plan *plan, int *pid, cordbg_error *error)
{
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &plan->mask);
  int child = fork();
  if (child == 0)
    run_child(plan);
  int why = errno;
  pthread_sigmask(SIG_SETMASK, &plan->mask, NULL);
  close(plan->go[0]);
  close(plan->failed[1]);
  plan->go[0] = plan->failed[1] = -1;
  if (child < 0)
    return cordbg_error_set_errno(error, why, 0, "cannot fork: %s", strerror(why));
  HRESULT hr = seize_child(tracer, child, error);
  if (SUCCEEDED(hr)) {
    while (write(plan->go[1], "", 1) < 0 && errno == EINTR)
      continue;
    hr = await_exec(tracer, plan, error);
  }
  if (FAILED(hr)) {
    kill(child, SIGKILL); /* our child, not yet waited for: the pid is its own */
    siginfo_t ended; /* it never became a program: no client waits for it */
    while (waitid(P_PID, (id_t)child, &ended, WEXITED) < 0 && errno == EINTR)
      continue;
    return hr;
  }
  *pid = child;
  return S_OK;
}

HRESULT
cordbg_tracer_launch(cordbg_tracer *tracer, const cordbg_launch *launch, int *pid,
                     cordbg_error *error)
{
  launch_plan plan = {.launch = launch,
                      .environment = launch->envp != NULL ? launch->envp : environ,
                      .tracer_pid = tracer->tracer_pid,
                      .go = {-1, -1},
                      .failed = {-1, -1}};
  HRESULT hr;
  if (launch->path == NULL || launch->argv == NULL || launch->argv[0] == NULL)
    return cordbg_error_set(error, E_INVALIDARG, EINVAL, 0, "no program to launch");
  plan.candidates = make_candidates(launch->path);
  if (plan.candidates == NULL || plan.candidates[0] == NULL)
    hr = cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory to launch %s", launch->path);
  else if (pipe2(plan.go, O_CLOEXEC) != 0 || pipe2(plan.failed, O_CLOEXEC) != 0)
    hr = cordbg_error_set_errno(error, errno, 0, "cannot make a pipe: %s", strerror(errno));
  else
    hr = fork_and_seize(tracer, &plan, pid, error);
  const int descriptors[] = {plan.go[0], plan.go[1], plan.failed[0], plan.failed[1]};
  for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
    if (descriptors[i] >= 0)
      close(descriptors[i]);
  }
  free_candidates(plan.candidates);
  return hr;
}
