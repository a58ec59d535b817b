/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/memory-model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

uint64_t
model_random(uint64_t *seed)
{
  uint64_t x = *seed;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  *seed = x;
  return x >> 11;
}

uint64_t
model_seed(void)
{
  const char *given = getenv("CORDBG_SEED");
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t seed = given != NULL ? strtoull(given, NULL, 0)
                                : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
  if (seed == 0)
    seed = 1;
  print_message("CORDBG_SEED=%llu\n", (unsigned long long)seed);
  return seed;
}

/* Bytes that provoke: many traps, few values otherwise. */
static uint8_t
program_byte(uint64_t *seed)
{
  uint64_t dice = model_random(seed);
  return dice % 4 == 0 ? CORDBG_TRAP : dice % 4 == 1 ? 0 : (uint8_t)(dice >> 8);
}

memory_model *
model_new(uint64_t base, uint64_t seed)
{
  memory_model *model = calloc(1, sizeof *model);
  model->base = base;
  model->seed = seed;
  for (size_t i = 0; i < MODEL_SIZE; i++)
    model->memory[i] = program_byte(&model->seed);
  return model;
}

void
model_free(memory_model *model)
{
  free(model);
}

/* One change at address i; false: nothing to do there. */
static bool
random_change(memory_model *model, size_t i, cordbg_patch_change *change)
{
  model_patch *live = &model->live[i];
  uint64_t dice = model_random(&model->seed);
  *change = (cordbg_patch_change){.address = model->base + i};
  if (!live->there) {
    change->original = model->memory[i];
    change->layers = (uint8_t)(1 + dice % 7);
    if (dice % 16 == 0)
      change->layers = 0; /* retiring what is not there is ignored */
    return true;
  }
  change->original = live->original;
  change->layers = live->layers;
  change->lifted = live->lifted;
  switch (dice % 5) {
  case 0:
    change->layers = (uint8_t)(1 + dice / 8 % 7);
    return true;
  case 1:
    change->original = program_byte(&model->seed);
    return true;
  case 2:
    change->lifted = !live->lifted;
    return true;
  default:
    change->layers = 0;
    return true;
  }
}

static void
apply_change(memory_model *model, size_t i, const cordbg_patch_change *change, uint64_t generation)
{
  model_patch *live = &model->live[i];
  if (change->layers == 0) {
    if (!live->there)
      return;
    model->memory[i] = live->original; /* the caller restored before it retired */
    model->retired[i] = *live;
    model->retired[i].retired = generation;
    live->there = false;
    return;
  }
  if (live->there && live->lifted && !change->lifted)
    live->settled = generation;
  else if (!live->there)
    live->settled = 0;
  live->there = true;
  live->original = change->original;
  live->layers = change->layers;
  live->lifted = change->lifted;
  model->memory[i] = live->lifted ? live->original : CORDBG_TRAP;
}

void
model_batch(memory_model *model, cordbg_patch_publisher *publisher, const cordbg_patch_table *table)
{
  static cordbg_patch_change changes[MODEL_SIZE];
  size_t count = 0;
  uint64_t density = 1 + model_random(&model->seed) % 400;
  for (size_t i = 0; i < MODEL_SIZE; i++) {
    if (model_random(&model->seed) % density == 0 && random_change(model, i, &changes[count]))
      count++;
  }
  cordbg_error error = {0};
  if (FAILED(cordbg_patch_publisher_publish(publisher, changes, count, &error)))
    fail_msg("%s", error.sentence);
  uint64_t generation = cordbg_patch_table_begin(table);
  for (size_t i = 0; i < count; i++)
    apply_change(model, changes[i].address - model->base, &changes[i], generation);
  /* The program writes, too, where no trap stands; and over one here and there. */
  for (unsigned i = 0; i < 20; i++)
    model->memory[model_random(&model->seed) % MODEL_SIZE] = program_byte(&model->seed);
}

static bool
visible(unsigned layers, cordbg_view view)
{
  return view == CORDBG_VIEW_CLIENT && (layers & CORDBG_LAYER_NATIVE) != 0;
}

void
model_overlay(const memory_model *model, cordbg_view view, uint64_t g, size_t from, uint8_t *bytes,
              size_t size)
{
  if (view == CORDBG_VIEW_RAW)
    return;
  for (size_t i = 0; i < size; i++) {
    const model_patch *live = &model->live[from + i];
    const model_patch *retired = &model->retired[from + i];
    if (live->there) {
      if (!visible(live->layers, view)) {
        if (bytes[i] == CORDBG_TRAP)
          bytes[i] = live->original;
      } else if ((live->lifted || live->settled > g) && bytes[i] == live->original) {
        bytes[i] = CORDBG_TRAP;
      }
    } else if (retired->there && retired->retired > g && !visible(retired->layers, view) &&
               bytes[i] == CORDBG_TRAP) {
      bytes[i] = retired->original;
    }
  }
}

void
model_check_find(const memory_model *model, const cordbg_patch_table *table)
{
  for (size_t i = 0; i < MODEL_SIZE; i++) {
    cordbg_patch_entry entry;
    bool found = cordbg_patch_table_find(table, model->base + i, &entry);
    assert_int_equal(found, model->live[i].there);
    if (found) {
      assert_int_equal(entry.original, model->live[i].original);
      assert_int_equal(entry.layers, model->live[i].layers);
      assert_int_equal(entry.lifted, model->live[i].lifted);
    }
  }
}
