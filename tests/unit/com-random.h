/* SPDX-License-Identifier: MIT */
/* Random numbers for the com room's property tests: printed seed, CORDBG_SEED repeats a run. */
#ifndef TESTS_UNIT_COM_RANDOM_H
#define TESTS_UNIT_COM_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

static inline void
random_begin(const char *test)
{
  const char *given = getenv("CORDBG_SEED");
  random_state = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
  printf("%s: CORDBG_SEED=%llu\n", test, (unsigned long long)random_state);
}

/* splitmix64: every seed, 0 too, is as good as any other. */
static inline uint64_t
random_next(void)
{
  uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static inline size_t
random_below(size_t limit)
{
  return (size_t)(random_next() % limit);
}

#endif
