/* SPDX-License-Identifier: MIT */
/*
 * The native half of Trouble.cs, inside the debuggee: does what the debugger writes into
 * trouble_command. It faults in functions of a few instructions that end in `trouble_done`: a
 * debugger that takes a fault back sends the thread there.
 */
#include "config.h"

#include "interop-trouble.h"

#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

PUBLIC volatile int trouble_command;
PUBLIC volatile long trouble_count[TROUBLE_COUNTS];

PUBLIC int trouble_next(void);
PUBLIC void trouble_do(int command, int argument);
PUBLIC long trouble_work(long n);
PUBLIC void trouble_spin(long n);
PUBLIC long trouble_bottom(long n);
PUBLIC long trouble_down(long (*up)(long), long n);

__asm__(".text\n"
        ".globl trouble_read, trouble_write, trouble_divide, trouble_float, trouble_illegal\n"
        ".globl trouble_own, trouble_done\n"
        "trouble_read: mov (%rdi), %rax\n"
        " ret\n"
        "trouble_write: mov %rsi, (%rdi)\n"
        " ret\n"
        "trouble_divide: mov %edi, %eax\n"
        " cltd\n"
        " idiv %esi\n"
        " ret\n"
        "trouble_float: divsd %xmm1, %xmm0\n"
        " ret\n"
        "trouble_illegal: ud2\n"
        "trouble_done: ret\n"
        "trouble_own: int3\n"
        " ret\n");
extern long trouble_read(const volatile void *), trouble_write(volatile void *, long);
extern int trouble_divide(int, int);
extern double trouble_float(double, double);
extern void trouble_illegal(void), trouble_own(void);

/* Nobody's orphan. */
__attribute__((constructor)) static void
begin(void)
{
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Waits for a command of the debugger. */
int
trouble_next(void)
{
  const struct timespec a_little = {.tv_nsec = 1000000};
  int command;
  while ((command = __atomic_exchange_n(&trouble_command, 0, __ATOMIC_SEQ_CST)) == 0)
    nanosleep(&a_little, NULL);
  return command;
}

/* A page that its file does not reach. */
static volatile void *
page_beyond_the_end(void)
{
  char path[] = "/tmp/cordbg-trouble-XXXXXX";
  int file = mkstemp(path);
  unlink(path);
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return page;
}

static void
count_signal(int number, siginfo_t *info, void *context)
{
  (void)context;
  (void)info;
  __atomic_fetch_add(&trouble_count[TROUBLE_SIGNALS], 1, __ATOMIC_SEQ_CST);
  trouble_count[TROUBLE_LAST_SIGNAL] = number;
}

static sigjmp_buf way_out;

static void
leave_fault(int number)
{
  trouble_count[TROUBLE_LAST_SIGNAL] = number;
  siglongjmp(way_out, 1);
}

/* A program that handles its own fault. */
static void
handled(void)
{
  struct sigaction mine = {.sa_handler = leave_fault}, before;
  sigaction(SIGSEGV, &mine, &before);
  if (sigsetjmp(way_out, 1) == 0)
    trouble_write((volatile void *)0x50, 1);
  sigaction(SIGSEGV, &before, NULL);
}

static void
count_by_handler(int number)
{
  struct sigaction action = {.sa_sigaction = count_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(number, &action, NULL);
}

static void
divide_floats(void)
{
  feenableexcept(FE_DIVBYZERO);
  volatile double result = trouble_float(1.0, 0.0);
  (void)result;
  fedisableexcept(FE_DIVBYZERO);
  feclearexcept(FE_ALL_EXCEPT);
}

void
trouble_do(int command, int argument)
{
  switch (command) {
  case TROUBLE_READ:
    trouble_read((const volatile void *)0x40);
    break;
  case TROUBLE_WRITE:
    trouble_write((volatile void *)0x48, 1);
    break;
  case TROUBLE_EXECUTE:
    ((void (*)(void))(uintptr_t)0x1230)();
    break;
  case TROUBLE_NO_ADDRESS:
    trouble_read((const volatile void *)0x1234567890abcdef);
    break;
  case TROUBLE_PAGE:
    trouble_read(page_beyond_the_end());
    break;
  case TROUBLE_DIVIDE:
    trouble_divide(1, 0);
    break;
  case TROUBLE_FLOAT:
    divide_floats();
    break;
  case TROUBLE_ILLEGAL:
    trouble_illegal();
    break;
  case TROUBLE_OWN_TRAP:
    trouble_own();
    break;
  case TROUBLE_RAISE:
    raise(argument);
    break;
  case TROUBLE_DEFAULT:
    signal(argument, SIG_DFL);
    break;
  case TROUBLE_COUNT_SIGNAL:
    count_by_handler(argument);
    break;
  case TROUBLE_HANDLED:
    handled();
    break;
  case TROUBLE_EXIT:
    exit(argument);
  default:
    break;
  }
  __atomic_fetch_add(&trouble_count[TROUBLE_FINISHED], 1, __ATOMIC_SEQ_CST);
}

/* ---- What breakpoints are set on ---- */

__attribute__((noinline)) long
trouble_work(long n)
{
  return __atomic_add_fetch(&trouble_count[TROUBLE_WORK], 1, __ATOMIC_SEQ_CST) + n;
}

void
trouble_spin(long n)
{
  for (long i = 0; i < n; i++)
    trouble_work(i);
}

__attribute__((noinline)) long
trouble_bottom(long n)
{
  trouble_count[TROUBLE_BOTTOM]++;
  return n * 2;
}

__attribute__((noinline)) long
trouble_down(long (*up)(long), long n)
{
  return up(n) + 1;
}
