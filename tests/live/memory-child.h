/* SPDX-License-Identifier: MIT */
/*
 * A child process whose memory the tests read. It is forked from the test, so that addresses and
 * functions mean the same in both, and executes functions of the test on demand. It dies with the
 * test, and of an alarm.
 */
#ifndef TESTS_LIVE_MEMORY_CHILD_H
#define TESTS_LIVE_MEMORY_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE ((size_t)4096)
/* The region that every child has at the same place, pages of pattern bytes, private and writable.
 */
#define REGION_PAGES ((size_t)64)
#define REGION_SIZE (REGION_PAGES * PAGE)

typedef struct test_child {
  pid_t pid;
  uint8_t *region;
  int commands, answers;
} test_child;

/* prepare (nullable) runs in the child before child_start returns; its result must be 0. */
test_child *child_start(int (*prepare)(test_child *child));
/* A preparation: a shared mapping of four pages at SHORT_FILE of a file of PAGE + 100 bytes. */
#define SHORT_FILE ((uintptr_t)0x200000000000)
int child_map_short_file(test_child *child);
/* Runs a function in the child and gives its result. */
long child_run(test_child *child, long (*function)(long), long argument);
/* Kills it; the zombie stays. */
void child_kill(test_child *child);
/* Kills it if need be, and reaps it. */
void child_end(test_child *child);

/* The byte that the region holds at an address, unless somebody changed it. */
uint8_t pattern(const void *address);
/* buffer equals the region's pattern from address on. */
bool is_pattern(const void *buffer, const void *address, size_t size);

/* Functions for child_run; argument: an address of a page of the region, the result 0. */
long command_unmap(long page);
long command_protect_none(long page);
long command_protect_exec(long page);
long command_protect_read(long page);
long command_protect_write(long page);
/* Adds one to the byte at an address; the result is the new byte. */
long command_increment(long address);

/* A buffer of size bytes filled with 0xa5, that ends (or begins) at a page that cannot be touched.
 */
uint8_t *guarded_end(size_t size);
uint8_t *guarded_begin(size_t size);
void guarded_free(uint8_t *buffer, size_t size);
/* All bytes from `from` on are still 0xa5. */
bool untouched(const uint8_t *buffer, size_t from, size_t size);

#endif
