/* SPDX-License-Identifier: MIT */
/*
 * The native half of Transitions.cs: functions that call back into managed code, and keep the same
 * account of who called whom: [0] the thread, [1] the depth, [2..] numbers of functions.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default"), noinline))
#define INNER static __attribute__((noinline))

typedef long (*callback)(int depth, long value);

long *transitions_begin(void);
long transitions_first(int depth, long value, callback back);

enum { SHADOW = 1024 };

static __thread long *shadow;
static __thread unsigned chance;

INNER void
enter(int which)
{
  long depth = shadow[1];

  ((volatile long *)shadow)[2 + depth] = which;
  ((volatile long *)shadow)[1] = depth + 1;
}

INNER void
leave(void)
{
  ((volatile long *)shadow)[1]--;
}

EXPORT long *
transitions_begin(void)
{
  shadow = calloc(SHADOW, sizeof(long));
  shadow[0] = syscall(SYS_gettid);
  chance = (unsigned)shadow[0];
  return shadow;
}

INNER unsigned
next(void)
{
  chance = chance * 1664525 + 1013904223;
  return chance >> 16;
}

INNER long
transitions_leaf(long value)
{
  enter(13);
  for (int i = 0; i < 50; i++)
    value = value * 31 + i;
  leave();
  return value;
}

INNER long
transitions_second(int depth, long value, callback back)
{
  volatile char room[100];

  enter(12);
  room[depth & 15] = (char)value;
  if (depth > 0 && next() % 4 != 0)
    value += back(depth - 1, value);
  else
    value += transitions_leaf(value);
  leave();
  return value + room[depth & 15];
}

EXPORT long
transitions_first(int depth, long value, callback back)
{
  enter(11);
  switch (next() % 3) {
  case 0:
    value ^= transitions_second(depth, value, back);
    break;
  case 1:
    value ^= depth > 0 ? back(depth - 1, value) : 1;
    break;
  default:
    value ^= transitions_leaf(value);
    break;
  }
  leave();
  return value;
}
