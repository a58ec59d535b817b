/* SPDX-License-Identifier: MIT */
/*
 * A naive model of the patch table over a small stretch of memory: for each byte what the program
 * has there, what memory holds, and the live and the newest retired patch.
 */
#ifndef TESTS_UNIT_MEMORY_MODEL_H
#define TESTS_UNIT_MEMORY_MODEL_H

#include "cordbg/memory/patch-table.h"

#define MODEL_SIZE 3000u

typedef struct model_patch {
  bool there;
  uint8_t original, layers, lifted;
  uint64_t settled, retired;
} model_patch;

typedef struct memory_model {
  uint64_t base;
  uint64_t seed;
  uint8_t memory[MODEL_SIZE]; /* what a raw fetch gives */
  model_patch live[MODEL_SIZE];
  model_patch retired[MODEL_SIZE];
} memory_model;

/* CORDBG_SEED, or one from the clock; printed, so that a failure can be repeated. */
uint64_t model_seed(void);
uint64_t model_random(uint64_t *seed);

memory_model *model_new(uint64_t base, uint64_t seed);
void model_free(memory_model *model);

/* A random batch of plantings, removals, rewrites and lifts, in the publisher and in the model. */
void model_batch(memory_model *model, cordbg_patch_publisher *publisher,
                 const cordbg_patch_table *table);

/* What overlay must make of bytes fetched at generation g. */
void model_overlay(const memory_model *model, cordbg_view view, uint64_t g, size_t from,
                   uint8_t *bytes, size_t size);

/* cordbg_patch_table_find agrees with the model at each address. */
void model_check_find(const memory_model *model, const cordbg_patch_table *table);

#endif
