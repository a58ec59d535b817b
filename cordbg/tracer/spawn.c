/* SPDX-License-Identifier: MIT */
/*
 * client --clone, no exit signal--> intermediate --clone--> helper
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

#define SPAWN_STACK (64u << 10)
#define FIRST_DESCRIPTOR 3

typedef struct spawn_plan {
  const char *name;
  char path[4096];
  char *const *environment;
  int descriptors[CORDBG_HELPER_DESCRIPTORS_MAX];
  int count;
  char *stack; /* of the helper's first steps */
  int error;   /* errno of what failed in a child */
} spawn_plan;

/* These two leave their frames on stacks of the client's memory without returning: marks that
   AddressSanitizer put there would outlive the stacks. */
#define NO_MARKS __attribute__((no_sanitize("address")))

/* In the process that becomes the helper: async-signal-safe calls only, the memory is shared. */
NO_MARKS static int
become_helper(void *data)
{
  spawn_plan *plan = data;
  char *arguments[] = {(char *)(uintptr_t)plan->name, NULL};
  int above[CORDBG_HELPER_DESCRIPTORS_MAX];
  for (int i = 0; i < plan->count; i++) { /* out of the way first: they may lie below themselves */
    above[i] =
        fcntl(plan->descriptors[i], F_DUPFD, FIRST_DESCRIPTOR + CORDBG_HELPER_DESCRIPTORS_MAX);
    if (above[i] < 0)
      goto failed;
  }
  int null = open("/dev/null", O_RDWR);
  for (int i = 0; null >= 0 && i < 3; i++)
    dup2(null, i);
  for (int i = 0; i < plan->count; i++) {
    if (dup2(above[i], FIRST_DESCRIPTOR + i) < 0)
      goto failed;
  }
  int end = FIRST_DESCRIPTOR + plan->count;
  if (syscall(SYS_close_range, end, ~0u, 0) != 0) {
    for (int fd = end; fd < 65536; fd++)
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
  if (clone(become_helper, plan->stack + SPAWN_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, plan) < 0)
    plan->error = errno;
  _exit(0);
}

static bool
try_folder(const char *folder, size_t length, const char *below, const char *name, char *path,
           size_t size)
{
  int written = snprintf(path, size, "%.*s/%s%s", (int)length, folder, below, name);
  return written > 0 && (size_t)written < size && access(path, R_OK) == 0;
}

HRESULT
cordbg_helper_path(const char *name, char *path, size_t size, cordbg_error *error)
{
  /* Beside the library; as it is installed with the library copied out of its place; in a build
     tree, from the folder of the library or from that of a program which links it statically. */
  static const char *const below[] = {
      "", "cordbg/", "../libexec/", "../../libexec/", "../../../libexec/", "../libexec/cordbg/"};
  const char *chosen = getenv("CORDBG_LIBEXEC");
  if (chosen != NULL && *chosen != '\0') {
    if (try_folder(chosen, strlen(chosen), "", name, path, size))
      return S_OK;
    return cordbg_error_set(error, CORDBG_E_DEBUG_COMPONENT_MISSING, ENOENT, 0,
                            "CORDBG_LIBEXEC is %s, but there is no %s in it", chosen, name);
  }
  Dl_info self;
  if (dladdr((void *)(uintptr_t)cordbg_helper_path, &self) != 0 && self.dli_fname != NULL) {
    const char *slash = strrchr(self.dli_fname, '/');
    for (size_t i = 0; slash != NULL && i < sizeof below / sizeof *below; i++) {
      if (try_folder(self.dli_fname, (size_t)(slash - self.dli_fname), below[i], name, path, size))
        return S_OK;
    }
  }
  if (try_folder(CORDBG_PKGLIBEXECDIR, strlen(CORDBG_PKGLIBEXECDIR), "", name, path, size))
    return S_OK;
  return cordbg_error_set(error, CORDBG_E_DEBUG_COMPONENT_MISSING, ENOENT, 0,
                          "there is no %s beside libcordbg nor in %s: set CORDBG_LIBEXEC to its "
                          "folder",
                          name, CORDBG_PKGLIBEXECDIR);
}

void
cordbg_child_collect(int pid)
{
  siginfo_t ended;
  int status = 0;
  while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR)
    continue;
  waitpid(pid, &status, WNOHANG);
}

HRESULT
cordbg_tracer_spawn(const int descriptors[4], cordbg_error *error)
{
  return cordbg_helper_start("cordbg-tracer", descriptors, 4, environ, error);
}

HRESULT
cordbg_helper_start(const char *name, const int *descriptors, size_t count,
                    char *const *environment, cordbg_error *error)
{
  spawn_plan plan = {.name = name, .environment = environment, .count = (int)count};
  if (count > CORDBG_HELPER_DESCRIPTORS_MAX)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "too many descriptors for %s", name);
  HRESULT hr = cordbg_helper_path(name, plan.path, sizeof plan.path, error);
  if (FAILED(hr))
    return hr;
  memcpy(plan.descriptors, descriptors, count * sizeof *descriptors);
  char *stacks = mmap(NULL, (size_t)2 * SPAWN_STACK, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stacks == MAP_FAILED)
    return cordbg_error_set_errno(error, errno, 0, "no memory to start %s", name);
  plan.stack = stacks + SPAWN_STACK;

  sigset_t all, before;
  int cancel;
  sigfillset(&all);
  /* No handler of the client's may run in the children, which share its memory. */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
  int child = clone(intermediate, stacks + SPAWN_STACK, CLONE_VM | CLONE_VFORK, &plan);
  int why = errno;
  siginfo_t ended; /* waitid: the client's own waitpid has no business here */
  while (child > 0 && waitid(P_PID, (id_t)child, &ended, WEXITED | __WCLONE) < 0 && errno == EINTR)
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
