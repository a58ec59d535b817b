/* SPDX-License-Identifier: MIT */
/*
 * A session over a child: the same calls whether the real tracer or its double is linked.
 * Include after <cmocka.h>.
 */
#ifndef TESTS_LIVE_MEMORY_SESSION_H
#define TESTS_LIVE_MEMORY_SESSION_H

#include "cordbg/memory/target.h"
#include "tests/live/memory-child.h"

static inline void
succeeded(HRESULT hr, const cordbg_error *error)
{
  if (FAILED(hr))
    fail_msg("%08x: %s", (unsigned)hr, error->sentence);
}

static inline cordbg_target *
session_open(const test_child *child)
{
  cordbg_error error = {0};
  cordbg_tracer *tracer = NULL;
  cordbg_target *target = NULL;
  succeeded(cordbg_tracer_start(&tracer, &error), &error);
  succeeded(cordbg_tracer_attach(tracer, child->pid, &error), &error);
  succeeded(cordbg_target_create(tracer, &target, &error), &error);
  return target;
}

static inline void
plant(cordbg_target *target, cordbg_layer layer, const void *address)
{
  cordbg_error error = {0};
  uint64_t at = (uintptr_t)address;
  cordbg_plant_result result = {.status = -1};
  succeeded(cordbg_tracer_plant(cordbg_target_tracer(target), layer, &at, 1, &result, &error),
            &error);
  assert_int_equal(result.status, 0);
}

static inline void
lift(cordbg_target *target, cordbg_layer layer, const void *address)
{
  cordbg_error error = {0};
  uint64_t at = (uintptr_t)address;
  cordbg_plant_result result = {.status = -1};
  succeeded(cordbg_tracer_remove(cordbg_target_tracer(target), layer, &at, 1, &result, &error),
            &error);
  assert_int_equal(result.status, 0);
}

/* A number that differs from run to run; printed, repeated by CORDBG_SEED. */
uint64_t test_seed(void);
uint64_t test_random(uint64_t *seed);

#endif
