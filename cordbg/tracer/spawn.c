/* SPDX-License-Identifier: MIT */
/*
 * client --clone, no exit signal--> intermediate --clone--> tracer
 *
 * The intermediate shares the client's memory and the client stands still until it ends (as with
 * vfork), so that a large client costs nothing and the error comes back in plain memory. It never
 * execs: an exec would give it the exit signal SIGCHLD, and the client's waitpid(-1) would see it.
 */
#include "config.h"

#include "cordbg/tracer/spawn.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cordbg/tracer/protocol.h"

#define SPAWN_STACK (64u << 10)
#define SPAWN_NAME "cordbg-tracer"

typedef struct spawn_plan {
  char path[4096];
  char *const *environment;
  int descriptors[4];
  char *stack; /* of the tracer's first steps */
  int error;   /* errno of what failed in a child */
} spawn_plan;

/* These two leave their frames on stacks of the client's memory without returning: marks that
   AddressSanitizer put there would outlive the stacks. */
#define NO_MARKS __attribute__((no_sanitize("address")))

/* In the process that becomes the tracer: async-signal-safe calls only, the memory is shared. */
NO_MARKS static int
become_tracer(void *data)
{
  spawn_plan *plan = data;
  char *arguments[] = {(char *)(uintptr_t)SPAWN_NAME, NULL};
  int above[4];
  for (int i = 0; i < 4; i++) { /* out of the way first: they may lie in 0..6 themselves */
    above[i] = fcntl(plan->descriptors[i], F_DUPFD, 10);
    if (above[i] < 0)
      goto failed;
  }
  int null = open("/dev/null", O_RDWR);
  for (int i = 0; null >= 0 && i < 3; i++)
    dup2(null, i);
  for (int i = 0; i < 4; i++) {
    if (dup2(above[i], CORDBG_TRACER_FD_REQUEST + i) < 0)
      goto failed;
  }
  if (syscall(SYS_close_range, CORDBG_TRACER_FD_CLIENT + 1, ~0u, 0) != 0) {
    for (int fd = CORDBG_TRACER_FD_CLIENT + 1; fd < 65536; fd++)
      close(fd);
  }
  execve(plan->path, arguments, plan->environment);
failed:
  plan->error = errno;
  _exit(127);
}

NO_MARKS static int
intermediate(void *data)
{
  spawn_plan *plan = data;
  if (clone(become_tracer, plan->stack + SPAWN_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, plan) < 0)
    plan->error = errno;
  _exit(0);
}

static bool
try_folder(spawn_plan *plan, const char *folder, size_t length)
{
  int size = snprintf(plan->path, sizeof plan->path, "%.*s/" SPAWN_NAME, (int)length, folder);
  return size > 0 && (size_t)size < sizeof plan->path && access(plan->path, X_OK) == 0;
}

static HRESULT
find_program(spawn_plan *plan, cordbg_error *error)
{
  const char *chosen = getenv("CORDBG_LIBEXEC");
  if (chosen != NULL && *chosen != '\0') {
    if (try_folder(plan, chosen, strlen(chosen)))
      return S_OK;
    return cordbg_error_set_errno(
        error, ENOENT, 0, "CORDBG_LIBEXEC is %s, but there is no " SPAWN_NAME " in it", chosen);
  }
  Dl_info self;
  if (dladdr((void *)(uintptr_t)cordbg_tracer_spawn, &self) != 0 && self.dli_fname != NULL) {
    const char *slash = strrchr(self.dli_fname, '/');
    if (slash != NULL && try_folder(plan, self.dli_fname, (size_t)(slash - self.dli_fname)))
      return S_OK;
  }
  if (try_folder(plan, CORDBG_PKGLIBEXECDIR, strlen(CORDBG_PKGLIBEXECDIR)))
    return S_OK;
  return cordbg_error_set_errno(error, ENOENT, 0,
                                "there is no " SPAWN_NAME " beside libcordbg nor in %s: set "
                                "CORDBG_LIBEXEC to its folder",
                                CORDBG_PKGLIBEXECDIR);
}

HRESULT
cordbg_tracer_spawn(const int descriptors[4], cordbg_error *error)
{
  spawn_plan plan = {.environment = environ};
  HRESULT hr = find_program(&plan, error);
  if (FAILED(hr))
    return hr;
  memcpy(plan.descriptors, descriptors, sizeof plan.descriptors);
  char *stacks = mmap(NULL, (size_t)2 * SPAWN_STACK, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stacks == MAP_FAILED)
    return cordbg_error_set_errno(error, errno, 0, "no memory to start " SPAWN_NAME);
  plan.stack = stacks + SPAWN_STACK;

  sigset_t all, before;
  int cancel;
  sigfillset(&all);
  /* No handler of the client's may run in the children, which share its memory. */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
  int child = clone(intermediate, stacks + SPAWN_STACK, CLONE_VM | CLONE_VFORK, &plan);
  int why = errno;
  while (child > 0 && waitpid(child, NULL, __WCLONE) < 0 && errno == EINTR)
    continue;
  pthread_setcancelstate(cancel, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  munmap(stacks, (size_t)2 * SPAWN_STACK);
  if (child < 0)
    return cordbg_error_set_errno(error, why, 0, "cannot start %s: %s", plan.path, strerror(why));
  if (plan.error != 0)
    return cordbg_error_set_errno(error, plan.error, 0, "cannot start %s: %s", plan.path,
                                  strerror(plan.error));
  return S_OK;
}
