/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/live/memory-child.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/live/memory-session.h"

typedef struct child_command {
  long (*function)(long);
  long argument;
} child_command;

uint8_t
pattern(const void *address)
{
  uintptr_t at = (uintptr_t)address;
  return (uint8_t)(at * 31 + (at >> 12) * 7);
}

bool
is_pattern(const void *buffer, const void *address, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    if (((const uint8_t *)buffer)[i] != pattern((const uint8_t *)address + i))
      return false;
  }
  return true;
}

static void
run_child(test_child *self, int commands, int answers, int (*prepare)(test_child *child))
{
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(120);
  self->pid = getpid();
  self->answers = answers;
  long result = prepare == NULL ? 0 : prepare(self);
  child_command command;
  while (write(answers, &result, sizeof result) == sizeof result &&
         read(commands, &command, sizeof command) == sizeof command)
    result = command.function(command.argument);
  _exit(0);
}

static long
answer(const test_child *child)
{
  long result = -1;
  ssize_t count;
  do
    count = read(child->answers, &result, sizeof result);
  while (count < 0 && errno == EINTR);
  assert_int_equal(count, sizeof result);
  return result;
}

test_child *
child_start(int (*prepare)(test_child *child))
{
  test_child *made = calloc(1, sizeof *made);
  int to[2], from[2];
  made->region =
      mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(made->region, MAP_FAILED);
  for (size_t i = 0; i < REGION_SIZE; i++)
    made->region[i] = pattern(made->region + i);
  assert_int_equal(pipe(to), 0);
  assert_int_equal(pipe(from), 0);
  made->pid = fork();
  assert_true(made->pid >= 0);
  if (made->pid == 0) {
    close(to[1]);
    close(from[0]);
    run_child(made, to[0], from[1], prepare);
  }
  close(to[0]);
  close(from[1]);
  made->commands = to[1];
  made->answers = from[0];
  assert_int_equal(answer(made), 0);
  return made;
}

long
child_run(test_child *child, long (*function)(long), long argument)
{
  child_command command = {function, argument};
  assert_int_equal(write(child->commands, &command, sizeof command), sizeof command);
  return answer(child);
}

void
child_kill(test_child *child)
{
  siginfo_t info;
  kill(child->pid, SIGKILL);
  waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT);
}

void
child_end(test_child *child)
{
  child_kill(child);
  waitpid(child->pid, NULL, 0);
  close(child->commands);
  close(child->answers);
  munmap(child->region, REGION_SIZE);
  free(child);
}

long
command_unmap(long page)
{
  return munmap((void *)page, PAGE);
}

long
command_protect_none(long page)
{
  return mprotect((void *)page, PAGE, PROT_NONE);
}

long
command_protect_exec(long page)
{
  return mprotect((void *)page, PAGE, PROT_EXEC);
}

long
command_protect_read(long page)
{
  return mprotect((void *)page, PAGE, PROT_READ);
}

long
command_protect_write(long page)
{
  return mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
}

long
command_increment(long address)
{
  return ++*(volatile uint8_t *)address;
}

static size_t
pages_of(size_t size)
{
  return (size + PAGE - 1) / PAGE * PAGE;
}

/* The pages, between two that cannot be touched. */
static uint8_t *
guarded(size_t size)
{
  size_t inside = pages_of(size);
  uint8_t *start = mmap(NULL, inside + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(start, MAP_FAILED);
  if (inside > 0)
    assert_int_equal(mprotect(start + PAGE, inside, PROT_READ | PROT_WRITE), 0);
  memset(start + PAGE, 0xa5, inside);
  return start + PAGE;
}

uint8_t *
guarded_end(size_t size)
{
  return guarded(size) + (pages_of(size) - size);
}

uint8_t *
guarded_begin(size_t size)
{
  return guarded(size);
}

void
guarded_free(uint8_t *buffer, size_t size)
{
  uintptr_t start = (uintptr_t)buffer & ~(PAGE - 1);
  munmap((void *)(start - PAGE), pages_of(size) + 2 * PAGE);
}

bool
untouched(const uint8_t *buffer, size_t from, size_t size)
{
  for (size_t i = from; i < size; i++) {
    if (buffer[i] != 0xa5)
      return false;
  }
  return true;
}

uint64_t
test_random(uint64_t *seed)
{
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed >> 11;
}

uint64_t
test_seed(void)
{
  const char *given = getenv("CORDBG_SEED");
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t seed = given != NULL ? strtoull(given, NULL, 0)
                                : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
  seed = seed == 0 ? 1 : seed;
  print_message("CORDBG_SEED=%llu\n", (unsigned long long)seed);
  return seed;
}

int
child_map_short_file(test_child *child)
{
  (void)child;
  int fd = memfd_create("short", MFD_CLOEXEC);
  void *region =
      mmap((void *)SHORT_FILE, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
  return fd < 0 || region == MAP_FAILED || ftruncate(fd, (off_t)(PAGE + 100)) < 0;
}
