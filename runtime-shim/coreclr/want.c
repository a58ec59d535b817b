/* SPDX-License-Identifier: MIT */
/*
 * Methods whose code is waited for: counted here, and in the runtime's notification table, which
 * makes the runtime tell of each body that it makes of them.
 *
 * The table holds 1,000 methods. Those beyond (spilled), and those that have no code yet (waiting),
 * are told by publish.c, which sees all bodies there are; only that route sees a body before
 * another thread can run it.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/coreclr-private.h"
#include "runtime-shim/image-methods.h"

struct cordbg_coreclr_wants {
  GHashTable *counts;  /* {module id, token} -> times wanted */
  GHashTable *waiting; /* set: those of which no body was seen */
  GHashTable *spilled; /* set: those for which the runtime's table had no room */
  bool full;           /* the table had none, and nothing was taken out of it since */
};

typedef struct wanted_key {
  cordbg_rt_id module;
  uint64_t token;
} wanted_key;

static guint
hash_key(gconstpointer data)
{
  const wanted_key *key = data;

  return (guint)key->module * 2654435761u + (guint)key->token;
}

static gboolean
equal_keys(gconstpointer a, gconstpointer b)
{
  return memcmp(a, b, sizeof(wanted_key)) == 0;
}

void
cordbg_coreclr_make_wants(cordbg_runtime *runtime)
{
  runtime->wants = g_new0(cordbg_coreclr_wants, 1);
  runtime->wants->counts = g_hash_table_new_full(hash_key, equal_keys, g_free, NULL);
  runtime->wants->waiting = g_hash_table_new_full(hash_key, equal_keys, g_free, NULL);
  runtime->wants->spilled = g_hash_table_new_full(hash_key, equal_keys, g_free, NULL);
}

void
cordbg_coreclr_free_wants(cordbg_runtime *runtime)
{
  g_hash_table_unref(runtime->wants->counts);
  g_hash_table_unref(runtime->wants->waiting);
  g_hash_table_unref(runtime->wants->spilled);
  g_free(runtime->wants);
  runtime->wants = NULL;
}

bool
cordbg_coreclr_is_wanted(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token)
{
  wanted_key key = {module, token};

  return g_hash_table_contains(runtime->wants->counts, &key);
}

bool
cordbg_coreclr_publish_needed(const cordbg_runtime *runtime)
{
  return g_hash_table_size(runtime->wants->waiting) > 0 ||
         g_hash_table_size(runtime->wants->spilled) > 0;
}

void
cordbg_coreclr_has_code(cordbg_runtime *runtime, const cordbg_rt_code *code)
{
  wanted_key key = {code->module, code->token};

  if (code->instance == 0)
    g_hash_table_remove(runtime->wants->waiting, &key);
}

static gboolean
is_of_module(gpointer key, gpointer value, gpointer module)
{
  (void)value;
  return ((const wanted_key *)key)->module == *(const cordbg_rt_id *)module;
}

void
cordbg_coreclr_forget_wanted(cordbg_runtime *runtime, cordbg_rt_id module)
{
  g_hash_table_foreach_remove(runtime->wants->counts, is_of_module, &module);
  g_hash_table_foreach_remove(runtime->wants->waiting, is_of_module, &module);
  g_hash_table_foreach_remove(runtime->wants->spilled, is_of_module, &module);
}

void
cordbg_coreclr_unwant_all(cordbg_runtime *runtime)
{
  GHashTableIter iterator;
  gpointer key;

  g_hash_table_iter_init(&iterator, runtime->wants->counts);
  while (g_hash_table_iter_next(&iterator, &key, NULL)) {
    const wanted_key *wanted = key;
    const cordbg_coreclr_module *module =
        cordbg_coreclr_module_by_id(runtime, wanted->module, NULL);
    uint32_t token = (uint32_t)wanted->token;
    if (module && !g_hash_table_contains(runtime->wants->spilled, wanted))
      cordbg_dac_want_methods(runtime->dac, module->module, &token, 1, false, NULL);
    g_hash_table_iter_remove(&iterator);
  }
  g_hash_table_remove_all(runtime->wants->waiting);
  g_hash_table_remove_all(runtime->wants->spilled);
}

static void
insert(GHashTable *set, const wanted_key *key)
{
  g_hash_table_add(set, g_memdup2(key, sizeof *key));
}

/* The first wish for a method. */
static HRESULT
begin(cordbg_runtime *runtime, const cordbg_coreclr_module *module, const wanted_key *key,
      cordbg_error *error)
{
  cordbg_coreclr_wants *wants = runtime->wants;
  uint32_t token = (uint32_t)key->token;
  bool trapped = cordbg_coreclr_publish_trap(runtime);
  HRESULT hr = E_OUTOFMEMORY;

  if (!wants->full || !trapped)
    hr = cordbg_dac_want_methods(runtime->dac, module->module, &token, 1, true, error);
  /* The DAC fails without saying why when the table is full (measured: E_FAIL, 10.0). */
  if ((hr == E_OUTOFMEMORY || hr == CORDBG_E_TARGET_INCONSISTENT) && trapped) {
    wants->full = true;
    insert(wants->spilled, key);
  } else if (FAILED(hr)) {
    return hr;
  }
  if (trapped)
    insert(wants->waiting, key);
  return S_OK;
}

/* The last wish for it is gone. The trap goes with the next hit. */
static HRESULT
end(cordbg_runtime *runtime, const cordbg_coreclr_module *module, const wanted_key *key,
    cordbg_error *error)
{
  cordbg_coreclr_wants *wants = runtime->wants;
  uint32_t token = (uint32_t)key->token;

  g_hash_table_remove(wants->waiting, key);
  if (g_hash_table_remove(wants->spilled, key))
    return S_OK;
  wants->full = false;
  return cordbg_dac_want_methods(runtime->dac, module->module, &token, 1, false, error);
}

static cordbg_rt_want_status
want_status(cordbg_runtime *runtime, cordbg_coreclr_module *module, uint32_t token)
{
  /* What is emitted has its IL elsewhere than where metadata points to. */
  bool emitted = module->flags & CORDBG_RT_MODULE_DYNAMIC;
  const cordbg_image *image = emitted ? NULL : cordbg_coreclr_metadata(runtime, module, NULL);

  if (image && !cordbg_rt_has_il(cordbg_image_metadata(image), token & CORDBG_RID_MAX))
    return CORDBG_RT_WANT_NO_BODY;
  return CORDBG_RT_WANT_OK;
}

HRESULT
cordbg_coreclr_want_method(cordbg_runtime *runtime, cordbg_rt_id id, uint32_t token, bool wanted,
                           cordbg_rt_want_status *status, cordbg_error *error)
{
  cordbg_coreclr_module *module = cordbg_coreclr_module_by_id(runtime, id, error);
  wanted_key key = {id, token};
  HRESULT hr = S_OK;

  if (!module || token >> 24 != 0x06 || (token & CORDBG_RID_MAX) == 0)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "no such method");
  GHashTable *counts = runtime->wants->counts;
  guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, &key));
  if (wanted) {
    if (count == 0)
      hr = begin(runtime, module, &key, error);
    if (FAILED(hr))
      return hr;
    g_hash_table_insert(counts, g_memdup2(&key, sizeof(key)), GUINT_TO_POINTER(count + 1));
  } else if (count > 1) {
    g_hash_table_insert(counts, g_memdup2(&key, sizeof(key)), GUINT_TO_POINTER(count - 1));
  } else if (count == 1) {
    g_hash_table_remove(counts, &key);
    hr = end(runtime, module, &key, error);
  }
  if (SUCCEEDED(hr) && status)
    *status = want_status(runtime, module, token);
  return hr;
}
