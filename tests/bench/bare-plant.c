/* SPDX-License-Identifier: MIT */
/* Bare planting: one byte written at each address (bare.h). */
#include "config.h"

#include "tests/bench/bare.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/bench.h"

double
bare_writes(const hit_target *target, const uint64_t *addresses, size_t count, uint8_t value)
{
  char path[64];
  uint64_t start;
  int memory;

  snprintf(path, sizeof(path), "/proc/%d/mem", (int)target->pid);
  memory = open(path, O_RDWR | O_CLOEXEC);
  if (memory < 0)
    bench_die("bare: %s cannot be opened", path);
  start = bench_now();
  for (size_t i = 0; i < count; i++)
    if (pwrite(memory, &value, 1, (off_t)addresses[i]) != 1)
      bench_die("bare: a byte cannot be written");
  start = bench_now() - start;
  close(memory);
  return (double)start / (double)count;
}
