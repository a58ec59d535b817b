/* SPDX-License-Identifier: MIT */
/*
 * Row 36: a reader races a planter. One thread plants and removes traps in a child's memory as fast
 * as it can, in the tracer's order; others read. A managed or internal trap never shows in the
 * client view, a native one that stays planted always does, also while it is lifted for a step.
 */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/live/memory-session.h"
#ifdef MEMORY_DOUBLE
#include "tests/live/memory-tracer-double.h"
#endif

#define SPAN ((size_t)2000)
#define SELDOM ((size_t)1700)
#define READERS 2

typedef struct trap_race {
  cordbg_target *target;
  test_child *child;
  _Atomic bool stop;
  _Atomic uint64_t plantings, reads;
  _Atomic int wrong;
  _Atomic uint64_t first_wrong;
  uint64_t seed;
} trap_race;

/* Every 16th byte carries a native trap for the whole test, lifted now and then. */
static bool
is_native(size_t at)
{
  return at % 16 == 5;
}

static uint8_t
original(const trap_race *race, size_t at)
{
  return pattern(race->child->region + at);
}

#ifdef MEMORY_DOUBLE
static void *
plant_and_remove(void *data)
{
  trap_race *race = data;
  cordbg_tracer *tracer = cordbg_target_tracer(race->target);
  uint64_t seed = race->seed;
  bool planted[SPAN] = {false};
  while (!race->stop) {
    /* The last bytes are seldom touched, so that entries grow old there and are purged. */
    size_t at = test_random(&seed) % 2048 == 0 ? SELDOM + test_random(&seed) % (SPAN - SELDOM)
                                               : test_random(&seed) % SELDOM;
    uint64_t address = (uintptr_t)race->child->region + at;
    unsigned layer = at % 3 == 0 ? CORDBG_LAYER_INTERNAL : CORDBG_LAYER_MANAGED;
    if (is_native(at)) { /* a step over it */
      double_publish(tracer, address, original(race, at), CORDBG_LAYER_NATIVE, 1);
      double_poke(tracer, address, original(race, at));
      double_poke(tracer, address, CORDBG_TRAP);
      double_publish(tracer, address, original(race, at), CORDBG_LAYER_NATIVE, 0);
    } else if (planted[at]) {
      double_poke(tracer, address, original(race, at));
      double_publish(tracer, address, 0, 0, 0);
      planted[at] = false;
    } else {
      double_publish(tracer, address, original(race, at), layer, 0);
      double_poke(tracer, address, CORDBG_TRAP);
      planted[at] = true;
    }
    race->plantings++;
  }
  return NULL;
}

#else
/* The real tracer: batches of single addresses, planted all and removed all in turns. */
static void *
plant_and_remove(void *data)
{
  trap_race *race = data;
  cordbg_tracer *tracer = cordbg_target_tracer(race->target);
  uint64_t seed = race->seed;
  uint64_t addresses[50];
  cordbg_plant_result results[50];
  while (!race->stop) {
    cordbg_layer layer = test_random(&seed) % 2 == 0 ? CORDBG_LAYER_INTERNAL : CORDBG_LAYER_MANAGED;
    size_t count = 1 + test_random(&seed) % 50;
    for (size_t i = 0; i < count; i++)
      addresses[i] = (uintptr_t)race->child->region + i * (SPAN / 50) + test_random(&seed) % 40;
    if (cordbg_tracer_plant(tracer, layer, addresses, count, results, NULL) != S_OK ||
        cordbg_tracer_remove(tracer, layer, addresses, count, results, NULL) != S_OK)
      race->wrong++;
    race->plantings += 2 * count;
  }
  return NULL;
}
#endif

static void
check(trap_race *race, const uint8_t *bytes, size_t from, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    uint8_t expected = is_native(from + i) ? CORDBG_TRAP : original(race, from + i);
    if (bytes[i] != expected && race->wrong++ == 0)
      race->first_wrong = from + i;
  }
  race->reads++;
}

static void *
read_and_check(void *data)
{
  trap_race *race = data;
  uint64_t seed = race->seed ^ (uintptr_t)&seed;
  uint8_t bytes[8][256];
  while (!race->stop) {
    size_t from = test_random(&seed) % (SPAN - 256);
    size_t size = 1 + test_random(&seed) % 256;
    uint64_t address = (uintptr_t)race->child->region + from;
    size_t read;
    if (test_random(&seed) % 4 != 0) {
      if (cordbg_target_read(race->target, CORDBG_VIEW_CLIENT, address, bytes[0], size, &read,
                             NULL) != S_OK)
        race->wrong++;
      check(race, bytes[0], from, size);
      continue;
    }
    cordbg_read_range ranges[8];
    for (size_t i = 0; i < 8; i++)
      ranges[i] = (cordbg_read_range){.address = address + i, .buffer = bytes[i], .size = 200};
    if (cordbg_target_read_batch(race->target, CORDBG_VIEW_CLIENT, ranges, 8, NULL) != S_OK)
      race->wrong++;
    for (size_t i = 0; i < 8; i++)
      check(race, bytes[i], from + i, 200);
  }
  return NULL;
}

static void
row_36_a_managed_trap_never_shows_while_traps_come_and_go(void **state)
{
  (void)state;
  static trap_race race;
  race.child = child_start(NULL);
  race.target = session_open(race.child);
  race.seed = test_seed();
  for (size_t at = 0; at < SPAN; at++) {
    if (is_native(at))
      plant(race.target, CORDBG_LAYER_NATIVE, race.child->region + at);
  }
  pthread_t planter, readers[READERS];
  assert_int_equal(pthread_create(&planter, NULL, plant_and_remove, &race), 0);
  for (int i = 0; i < READERS; i++)
    assert_int_equal(pthread_create(&readers[i], NULL, read_and_check, &race), 0);
  /* Until both sides did enough, and old entries were purged under way. */
  const cordbg_patch_table *table = cordbg_tracer_patch_table(cordbg_target_tracer(race.target));
  const char *given = getenv("CORDBG_RACE_SECONDS");
  time_t limit = time(NULL) + (given == NULL ? 3 : atoi(given));
  while (race.wrong == 0 && (time(NULL) < limit || race.reads < 20000 || race.plantings < 20000 ||
                             (table->header->purged_generation == 0 && time(NULL) < limit + 20)))
    sched_yield();
  race.stop = true;
  pthread_join(planter, NULL);
  for (int i = 0; i < READERS; i++)
    pthread_join(readers[i], NULL);
  print_message("%llu plantings and removals, %llu reads, purged up to %llu of %llu\n",
                (unsigned long long)race.plantings, (unsigned long long)race.reads,
                (unsigned long long)table->header->purged_generation,
                (unsigned long long)table->header->generation);
  if (race.wrong != 0)
    fail_msg("%d bytes were wrong, the first at %llu", race.wrong,
             (unsigned long long)race.first_wrong);
#ifdef MEMORY_DOUBLE /* which publishes fast enough for it */
  assert_true(table->header->purged_generation > 0 && table->header->reused_generation > 0);
#endif
  /* All of it can be taken away again, and then the program's bytes stand there. */
  uint8_t bytes[SPAN];
  size_t read;
  for (size_t at = 0; at < SPAN; at++) {
    if (is_native(at))
      lift(race.target, CORDBG_LAYER_NATIVE, race.child->region + at);
  }
#ifndef MEMORY_DOUBLE /* whose planter stops in the middle */
  assert_int_equal(cordbg_target_read(race.target, CORDBG_VIEW_RAW, (uintptr_t)race.child->region,
                                      bytes, SPAN, &read, NULL),
                   S_OK);
  assert_true(is_pattern(bytes, race.child->region, SPAN));
#endif
  assert_int_equal(cordbg_target_read(race.target, CORDBG_VIEW_CLIENT,
                                      (uintptr_t)race.child->region, bytes, SPAN, &read, NULL),
                   S_OK);
  assert_true(is_pattern(bytes, race.child->region, SPAN));
  cordbg_target_unref(race.target);
  child_end(race.child);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_36_a_managed_trap_never_shows_while_traps_come_and_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
