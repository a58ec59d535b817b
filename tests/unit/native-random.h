/* SPDX-License-Identifier: MIT */
/* Random numbers of the native room's tests: CORDBG_SEED=N repeats a run. */
#ifndef CORDBG_TESTS_NATIVE_RANDOM_H
#define CORDBG_TESTS_NATIVE_RANDOM_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline uint64_t
next_random(uint64_t *state)
{
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static inline uint32_t
below(uint64_t *random, uint32_t limit)
{
  return (uint32_t)(next_random(random) % limit);
}

/* Values at which carries, overflows and signs turn over come up often. */
static inline uint64_t
random_value(uint64_t *random)
{
  static const uint64_t edges[] = {
      0,      1,      UINT64_MAX, 0x7f,       0x80,       0xff,      0x7fff,
      0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_C(1) << 63,
      16,     15};

  switch (below(random, 4)) {
  case 0:
    return edges[below(random, sizeof(edges) / sizeof(edges[0]))];
  case 1:
    return next_random(random) & 0xff;
  default:
    return next_random(random);
  }
}

static inline uint64_t
seed_from_environment(void)
{
  const char *text = getenv("CORDBG_SEED");
  uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)getpid() * 2654435761u;

  printf("CORDBG_SEED=0x%" PRIx64 "\n", seed);
  return seed;
}

#endif
