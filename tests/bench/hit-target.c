/* SPDX-License-Identifier: MIT */
/* hit-target.h */
#include "config.h"

#include "tests/bench/hit-target.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

__asm__(".text\n"
        ".balign 64\n"
        ".globl hit_emulated\n"
        ".type hit_emulated, @function\n"
        "hit_emulated:\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  pop %rbp\n"
        "  ret\n"
        ".size hit_emulated, . - hit_emulated\n"
        ".balign 64\n"
        ".globl hit_stepped\n"
        ".type hit_stepped, @function\n"
        "hit_stepped:\n"
        "  movaps %xmm0, %xmm0\n"
        "  ret\n"
        ".size hit_stepped, . - hit_stepped\n");

typedef struct shared_page {
  hit_target told; /* what the target says of itself */
  volatile unsigned int known;
  int ready[2]; /* the target writes a byte when all is in place */
} shared_page;

static shared_page *shared;

static pid_t
own_tid(void)
{
  return (pid_t)syscall(SYS_gettid);
}

static void *
spin(void *data)
{
  volatile uint64_t count = 0;

  *(pid_t *)data = own_tid();
  __atomic_add_fetch(&shared->known, 1, __ATOMIC_SEQ_CST);
  for (;;)
    count++;
  return NULL;
}

static void *
sleep_on(void *data)
{
  *(pid_t *)data = own_tid();
  __atomic_add_fetch(&shared->known, 1, __ATOMIC_SEQ_CST);
  for (;;)
    pause();
  return NULL;
}

static _Noreturn void
run_target(pid_t parent, bool stepped)
{
  hit_target *told = &shared->told;
  pthread_attr_t attributes;
  pthread_t thread;
  void *code;

  alarm(120);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  if (getppid() != parent)
    _exit(1);
  code =
      mmap(NULL, told->code_size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED)
    _exit(1);
  memset(code, 0x90, told->code_size);
  if (mprotect(code, told->code_size + 1, PROT_READ | PROT_EXEC) != 0)
    _exit(1);
  told->code = (uintptr_t)code;
  told->busy_tids[0] = own_tid();
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  for (unsigned int i = 1; i < told->busy; i++)
    if (pthread_create(&thread, &attributes, spin, &told->busy_tids[i]) != 0)
      _exit(1);
  for (unsigned int i = 0; i < told->asleep; i++)
    if (pthread_create(&thread, &attributes, sleep_on, &told->asleep_tids[i]) != 0)
      _exit(1);
  while (__atomic_load_n(&shared->known, __ATOMIC_SEQ_CST) < told->busy - 1 + told->asleep)
    sched_yield();
  if (write(shared->ready[1], "", 1) != 1)
    _exit(1);
  for (;;) {
    if (stepped)
      hit_stepped();
    else
      hit_emulated();
  }
}

/* Whether a thread is blocked in a system call: its line in /proc then begins with a number. */
static bool
is_asleep(pid_t pid, pid_t tid)
{
  char path[64], state = 0;
  FILE *file;

  snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
  file = fopen(path, "re");
  if (!file)
    bench_die("%s cannot be opened", path);
  if (fread(&state, 1, 1, file) != 1)
    state = 0;
  fclose(file);
  return state >= '0' && state <= '9';
}

void
hit_target_start(hit_target *target, unsigned int busy, unsigned int asleep, bool stepped,
                 size_t code_size)
{
  pid_t parent = getpid(), child;
  char byte;

  if (busy < 1 || busy > HIT_THREADS_MAX || asleep > HIT_THREADS_MAX)
    bench_die("that many threads are not foreseen");
  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || pipe(shared->ready) != 0)
    bench_die("no memory or no pipe");
  shared->told = (hit_target){.busy = busy, .asleep = asleep, .code_size = code_size};
  fflush(NULL);
  child = fork();
  if (child < 0)
    bench_die("fork failed");
  if (child == 0)
    run_target(parent, stepped);
  if (read(shared->ready[0], &byte, 1) != 1)
    bench_die("the target did not start");
  *target = shared->told;
  target->pid = child;
  for (unsigned int i = 0; i < asleep; i++)
    while (!is_asleep(target->pid, target->asleep_tids[i]))
      sched_yield();
  close(shared->ready[0]);
  close(shared->ready[1]);
  munmap(shared, sizeof(*shared));
}

void
hit_target_end(hit_target *target)
{
  int status;

  kill(target->pid, SIGKILL);
  waitpid(target->pid, &status, 0);
}
