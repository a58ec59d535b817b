/* SPDX-License-Identifier: MIT */
/* The program that the hit benches run into traps: a forked child, so that addresses are ours too.
 */
#ifndef CORDBG_TESTS_HIT_TARGET_H
#define CORDBG_TESTS_HIT_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HIT_THREADS_MAX 256u
#define HIT_CODE_STRIDE 16u

typedef struct hit_target {
  pid_t pid; /* its main thread runs into the traps */
  unsigned int busy;
  unsigned int asleep;
  pid_t busy_tids[HIT_THREADS_MAX]; /* the first one is the main thread */
  pid_t asleep_tids[HIT_THREADS_MAX];
  uint64_t code; /* nops in private executable memory, to be planted */
  size_t code_size;
} hit_target;

/* Where the main thread passes in an endless loop. The first byte of each is one instruction. */
void hit_emulated(void); /* begins with push rbp */
void hit_stepped(void);  /* begins with movaps, which no emulator of ours takes */

/*
 * Starts a target of busy threads (the main one among them) and asleep ones (blocked in pause).
 * stepped tells which of the two functions the main thread calls. Returns when all threads are
 * where they belong. The target ends with its parent, and by itself after two minutes.
 */
void hit_target_start(hit_target *target, unsigned int busy, unsigned int asleep, bool stepped,
                      size_t code_size);
void hit_target_end(hit_target *target);

#endif
