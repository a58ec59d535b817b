/* SPDX-License-Identifier: MIT */
/*
 * Bodies of native code: what the DAC tells of them, with ids. A body keeps its id for as long as
 * the same method's code stands at the same place.
 */
#include "config.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime-shim/coreclr/coreclr-private.h"

struct cordbg_coreclr_codes {
  GHashTable *by_start; /* uint64_t * in the value -> cordbg_coreclr_code, owned */
  GHashTable *by_id;    /* id -> the same */
};

void
cordbg_coreclr_make_codes(cordbg_runtime *runtime)
{
  runtime->codes = g_new0(cordbg_coreclr_codes, 1);
  runtime->codes->by_start = g_hash_table_new(g_int64_hash, g_int64_equal);
  runtime->codes->by_id = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
}

void
cordbg_coreclr_free_codes(cordbg_runtime *runtime)
{
  g_hash_table_unref(runtime->codes->by_start);
  g_hash_table_unref(runtime->codes->by_id);
  g_free(runtime->codes);
  runtime->codes = NULL;
}

static void
forget(cordbg_runtime *runtime, cordbg_coreclr_code *code, GArray *events)
{
  cordbg_rt_event event = {.kind = CORDBG_RT_EVENT_CODE_FREED, .id = code->rt.id, .code = code->rt};

  if (events)
    g_array_append_val(events, event);
  g_hash_table_remove(runtime->codes->by_start, &code->rt.start);
  g_hash_table_remove(runtime->codes->by_id, &code->rt.id);
}

/* The body that the DAC described, with its id. S_FALSE: it is of no module's method. */
HRESULT
cordbg_coreclr_enter_code(cordbg_runtime *runtime, const cordbg_dac_code *found,
                          cordbg_rt_code *ret, cordbg_error *error)
{
  cordbg_coreclr_code *code = g_hash_table_lookup(runtime->codes->by_start, &found->start);

  if (found->kind != CORDBG_DAC_CODE_METHOD)
    return S_FALSE;
  const cordbg_coreclr_module *module =
      cordbg_coreclr_meet_module(runtime, found->module, NULL, error);
  if (!module)
    return S_FALSE;
  if (code && (code->method_desc != found->method_desc || code->rt.module != module->id ||
               code->rt.token != found->token || code->rt.size != found->size)) {
    forget(runtime, code, runtime->pending);
    code = NULL;
  }
  if (!code) {
    code = g_new0(cordbg_coreclr_code, 1);
    code->method_desc = found->method_desc;
    code->rt =
        (cordbg_rt_code){.id = runtime->next_id++,
                         .module = module->id,
                         .domain = 0,
                         .token = found->token,
                         .class_token = found->class_token,
                         .instance = found->instance,
                         .kind = found->precompiled ? CORDBG_RT_CODE_AOT : CORDBG_RT_CODE_JIT,
                         .start = found->start,
                         .size = found->size,
                         .cold_size = found->cold_size,
                         .cold_start = found->cold_start};
    g_hash_table_insert(runtime->codes->by_id, &code->rt.id, code);
    g_hash_table_insert(runtime->codes->by_start, &code->rt.start, code);
  }
  if (found->tier)
    code->rt.tier = found->tier;
  *ret = code->rt;
  return S_OK;
}

void
cordbg_coreclr_code_unlisted(cordbg_runtime *runtime, uint64_t start)
{
  cordbg_coreclr_code *code = g_hash_table_lookup(runtime->codes->by_start, &start);

  if (code)
    code->unlisted = true;
}

/* Bodies that were told before they were published, and that the DAC's list does not have. */
static void
add_unlisted(cordbg_runtime *runtime, const cordbg_coreclr_module *module, uint32_t token,
             GArray *bodies)
{
  GHashTableIter iterator;
  gpointer value;

  for (guint i = 0; i < bodies->len; i++) {
    const cordbg_rt_code *body = &g_array_index(bodies, cordbg_rt_code, i);
    cordbg_coreclr_code *code = g_hash_table_lookup(runtime->codes->by_id, &body->id);
    if (code)
      code->unlisted = false;
  }
  g_hash_table_iter_init(&iterator, runtime->codes->by_id);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) {
    const cordbg_coreclr_code *code = value;
    if (code->unlisted && code->rt.module == module->id && code->rt.token == token)
      g_array_append_val(bodies, code->rt);
  }
}

HRESULT
cordbg_coreclr_codes_of(cordbg_runtime *runtime, cordbg_rt_id id, uint32_t token,
                        cordbg_rt_code **codes, size_t *count, cordbg_error *error)
{
  const cordbg_coreclr_module *module = cordbg_coreclr_module_by_id(runtime, id, error);
  cordbg_dac_code *found = NULL;
  size_t n = 0;

  if (!module)
    return E_INVALIDARG;
  HRESULT hr = cordbg_dac_codes(runtime->dac, module->module, token, &found, &n, error);
  if (FAILED(hr))
    return hr;
  GArray *bodies = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_code));
  for (size_t i = 0; i < n; i++) {
    cordbg_rt_code body;
    if (cordbg_coreclr_enter_code(runtime, &found[i], &body, NULL) != S_OK)
      continue;
    cordbg_coreclr_has_code(runtime, &body);
    g_array_append_val(bodies, body);
  }
  g_free(found);
  add_unlisted(runtime, module, token, bodies);
  *count = bodies->len;
  *codes = (cordbg_rt_code *)(void *)g_array_free(bodies, bodies->len == 0);
  return S_OK;
}

HRESULT
cordbg_coreclr_code_at(cordbg_runtime *runtime, uint64_t address, cordbg_rt_code *ret,
                       cordbg_error *error)
{
  cordbg_dac_code found;
  HRESULT hr = cordbg_dac_code_at(runtime->dac, address, &found, error);

  return hr == S_OK ? cordbg_coreclr_enter_code(runtime, &found, ret, error) : hr;
}

bool
cordbg_coreclr_was_told(const cordbg_runtime *runtime, uint64_t method_desc, uint64_t start)
{
  const cordbg_coreclr_code *code = g_hash_table_lookup(runtime->codes->by_start, &start);

  return code && code->method_desc == method_desc &&
         g_hash_table_contains(runtime->told, GSIZE_TO_POINTER(code->rt.id));
}

HRESULT
cordbg_coreclr_meet_code(cordbg_runtime *runtime, uint64_t method_desc, uint64_t address,
                         cordbg_rt_code *ret, cordbg_error *error)
{
  (void)method_desc; /* the code manager answers at the notification already (measured, 10.0) */
  return cordbg_coreclr_code_at(runtime, address, ret, error);
}

void
cordbg_coreclr_free_codes_of(cordbg_runtime *runtime, cordbg_rt_id module, GArray *events)
{
  GHashTableIter iterator;
  gpointer value;
  GPtrArray *gone = g_ptr_array_new();

  g_hash_table_iter_init(&iterator, runtime->codes->by_id);
  while (g_hash_table_iter_next(&iterator, NULL, &value))
    if (((cordbg_coreclr_code *)value)->rt.module == module)
      g_ptr_array_add(gone, value);
  for (guint i = 0; i < gone->len; i++)
    forget(runtime, gone->pdata[i], events);
  g_ptr_array_unref(gone);
}

HRESULT
cordbg_coreclr_il_map(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_map **map, size_t *count,
                      cordbg_error *error)
{
  const cordbg_coreclr_code *code = g_hash_table_lookup(runtime->codes->by_id, &id);

  if (!code)
    return cordbg_error_set(error, CORDBG_E_CODE_NOT_AVAILABLE, 0, 0,
                            "there is no body of code with this id (any more)");
  if (cordbg_coreclr_told_map(runtime, id, map, count))
    return S_OK;
  cordbg_coreclr_body body = {0};
  bool read = code->rt.kind == CORDBG_RT_CODE_JIT &&
              cordbg_coreclr_read_body(runtime, code->method_desc, code->rt.start, &body);
  if (read && cordbg_coreclr_body_proven(runtime, &body) &&
      cordbg_coreclr_body_is(runtime, &body, code)) {
    *map = body.map;
    *count = body.count;
    return S_OK;
  }
  HRESULT hr = cordbg_dac_il_map(runtime->dac, code->rt.start, map, count, error);
  if (hr == S_FALSE) {
    *map = NULL;
    *count = 0;
  }
  if (SUCCEEDED(hr) && read)
    cordbg_coreclr_prove_body(runtime, &body, code, *map, *count);
  cordbg_coreclr_clear_body(&body);
  return FAILED(hr) ? hr : S_OK;
}

/* ---- Stacks ---- */

/* Memory in which the runtime makes code at run time: no file's, or the file of its W^X mapper. */
static bool
is_made_code(cordbg_runtime *runtime, uint64_t address)
{
  cordbg_mapping mapping;
  char path[64] = "";

  return cordbg_target_find_mapping(runtime->target, address, false, &mapping, path, sizeof path,
                                    NULL) == S_OK &&
         (mapping.prot & PROT_EXEC) &&
         (mapping.inode == 0 || strncmp(path, "/memfd:doublemapper", 19) == 0);
}

static bool
is_code(cordbg_runtime *runtime, uint64_t address)
{
  cordbg_mapping mapping;

  return cordbg_target_find_mapping(runtime->target, address, false, &mapping, NULL, 0, NULL) ==
             S_OK &&
         (mapping.prot & PROT_EXEC);
}

/*
 * Stubs of the runtime's making (precodes, dispatch stubs, write barriers) jump on or return, and
 * have no frame: the return address is on top of the stack, or below one word that the stub pushed.
 */
static HRESULT
unwind_stub(cordbg_runtime *runtime, const struct user_regs_struct *registers, cordbg_rt_frame *ret,
            cordbg_error *error)
{
  uint64_t words[2] = {0};

  if (!is_made_code(runtime, registers->rip))
    return S_FALSE;
  HRESULT hr = cordbg_coreclr_read(runtime, registers->rsp, words, sizeof words, error);
  if (FAILED(hr))
    return hr;
  for (unsigned i = 0; i < 2; i++) {
    if (!is_code(runtime, words[i]))
      continue;
    *ret = (cordbg_rt_frame){.kind = CORDBG_RT_FRAME_STUB, .caller = *registers};
    ret->caller.rip = words[i];
    ret->caller.rsp = registers->rsp + (i + 1) * sizeof *words;
    return S_OK;
  }
  return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, registers->rsp,
                          "no return address on the stack of the stub at 0x%llx",
                          (unsigned long long)registers->rip);
}

HRESULT
cordbg_coreclr_unwind(cordbg_runtime *runtime, int32_t tid,
                      const struct user_regs_struct *registers, bool innermost,
                      cordbg_rt_frame *ret, cordbg_error *error)
{
  cordbg_dac_code code;
  cordbg_rt_frame frame = {0};
  HRESULT hr = cordbg_dac_unwind(runtime->dac, tid, registers, innermost, &frame.kind, &code,
                                 &frame.caller, error);

  if (hr == S_FALSE && innermost)
    return unwind_stub(runtime, registers, ret, error);
  if (hr != S_OK)
    return hr;
  /* Code of no module's method (dynamic methods, IL stubs) is walked over, not shown. */
  if (frame.kind == CORDBG_RT_FRAME_MANAGED &&
      cordbg_coreclr_enter_code(runtime, &code, &frame.code, NULL) != S_OK)
    frame.kind = CORDBG_RT_FRAME_STUB;
  if (frame.kind == CORDBG_RT_FRAME_MANAGED) {
    uint64_t offset = registers->rip - frame.code.start;
    if (offset > frame.code.size && frame.code.cold_size)
      offset = registers->rip - frame.code.cold_start + frame.code.size;
    frame.native_offset = (uint32_t)offset;
  }
  *ret = frame;
  return S_OK;
}

HRESULT
cordbg_coreclr_next_managed(cordbg_runtime *runtime, int32_t tid,
                            const struct user_regs_struct *registers, struct user_regs_struct *ret,
                            cordbg_error *error)
{
  return cordbg_dac_next_managed(runtime->dac, tid, registers, ret, error);
}
