/* SPDX-License-Identifier: MIT */
/*
 * The moment before code is published.
 *
 * Why. Mono lets others call a method's first code before it tells of it (jit_done): a thread that
 * calls the method in between would run it unseen. One step earlier, when the code lies complete
 * at its place and nothing leads to it (jit_code_buffer), the agent tells of it too. It has no
 * MonoJitInfo and no IL map then, so what is planted is an internal trap at its start:
 *
 *   CODE_COMPLETE -> trap at the start --+-- CODE_COMPILED ----------------> told, the trap goes
 *                                        '-- a thread enters it before ----> read from the
 *                                                     runtime's tables, told, the trap goes
 *
 * A body is in the runtime's tables before anybody can call it. Two threads may compile one method
 * at once: the body that is thrown away keeps its trap, which nobody meets, until the session ends.
 *
 * Invariant: an address is in `entries` exactly while the tracer has an internal trap of ours
 * there.
 */
#include "config.h"

#include "runtime-shim/mono/mono-private.h"

void
cordbg_mono_make_entries(cordbg_runtime *runtime)
{
  runtime->entries = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

void
cordbg_mono_free_entries(cordbg_runtime *runtime)
{
  g_hash_table_unref(runtime->entries);
}

bool
cordbg_mono_is_entry(cordbg_runtime *runtime, uint64_t address)
{
  return g_hash_table_contains(runtime->entries, &address);
}

void
cordbg_mono_trap_entry(cordbg_runtime *runtime, uint64_t start, uint64_t domain)
{
  cordbg_plant_result result = {0};

  /* Without it, the notification that follows still tells the body. */
  if (!start || cordbg_mono_is_entry(runtime, start) ||
      FAILED(
          cordbg_tracer_plant(runtime->tracer, CORDBG_LAYER_INTERNAL, &start, 1, &result, NULL)) ||
      result.status != 0)
    return;
  g_hash_table_insert(runtime->entries, g_memdup2(&start, sizeof start),
                      GSIZE_TO_POINTER((gsize)domain));
}

void
cordbg_mono_lift_entry(cordbg_runtime *runtime, uint64_t start)
{
  cordbg_plant_result result;

  if (g_hash_table_remove(runtime->entries, &start))
    cordbg_tracer_remove(runtime->tracer, CORDBG_LAYER_INTERNAL, &start, 1, &result, NULL);
}

void
cordbg_mono_lift_entries(cordbg_runtime *runtime, uint64_t domain)
{
  g_autoptr(GArray) starts = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  GHashTableIter iterator;
  gpointer key, value;

  g_hash_table_iter_init(&iterator, runtime->entries);
  while (g_hash_table_iter_next(&iterator, &key, &value)) {
    if (domain && GPOINTER_TO_SIZE(value) != domain)
      continue;
    g_array_append_vals(starts, key, 1);
    g_hash_table_iter_remove(&iterator);
  }
  g_autofree cordbg_plant_result *results = g_new(cordbg_plant_result, starts->len + 1);
  if (starts->len)
    cordbg_tracer_remove(runtime->tracer, CORDBG_LAYER_INTERNAL,
                         (const uint64_t *)(const void *)starts->data, starts->len, results, NULL);
}
