/* SPDX-License-Identifier: MIT */
/*
 * Bodies of native code, read from the runtime's own tables: each domain's table of MonoJitInfo,
 * which holds JIT and (once used) AOT code. A table is sorted chunks that the runtime replaces as
 * a whole, so a reader of a stopped target meets it consistent.
 *
 * The picture is kept until the agent's code_version says that code was made or freed. A body that
 * left the tables and was in the caller's hands is told as freed.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/mono/mono-private.h"

typedef cordbg_mono_jit_info jit_info;

/* Of MonoMethod's bit fields. */
enum {
  METHOD_BITS = 32, /* their offset */
  METHOD_BYTES = 40,
  METHOD_WRAPPER = 0x1fu << 2,
  METHOD_DYNAMIC = 1u << 9,
  METHOD_INFLATED = 1u << 12,
};

/* MonoJitInfoTableChunk. */
typedef struct jit_chunk {
  int32_t references;
  int32_t elements;
  uint64_t last_code_end;
  uint64_t next_tombstone;
  uint64_t data[CORDBG_MONO_CHUNK_ENTRIES];
} jit_chunk;

#define METHOD_TOKEN_NIL 0x06000000u

/* ---- Methods ---- */

/* Bytes of a MonoClass that hold what is read of it. */
#define CLASS_BYTES 128u

/* Makes sense of a MonoMethod's and its MonoClass' first bytes; kept while its domain lives. */
static const cordbg_mono_method *
keep_method(cordbg_runtime *runtime, uint64_t address, const uint8_t *bytes, const uint8_t *klass)
{
  const cordbg_mono_layout *layout = &runtime->layout;
  cordbg_mono_method *method = g_new0(cordbg_mono_method, 1);
  uint32_t bits;

  method->address = address;
  memcpy(&method->token, bytes + layout->method_token, 4);
  memcpy(&bits, bytes + METHOD_BITS, 4);
  memcpy(&method->image, klass + layout->class_image, 8);
  memcpy(&method->class_token, klass + layout->class_token, 4);
  if (method->class_token >> 24 != 0x02)
    method->class_token = 0;
  method->dynamic = (bits & METHOD_DYNAMIC) != 0;
  if (method->dynamic)
    method->token = METHOD_TOKEN_NIL;
  method->skip = !method->dynamic && ((bits & METHOD_WRAPPER) || method->token >> 24 != 0x06);
  method->instance = bits & METHOD_INFLATED ? runtime->next_instance++ : 0;
  g_hash_table_insert(runtime->methods, &method->address, method);
  return method;
}

/* NULL: not sound. */
static const cordbg_mono_method *
method_of(cordbg_runtime *runtime, uint64_t address)
{
  const cordbg_mono_method *method = g_hash_table_lookup(runtime->methods, &address);
  uint8_t bytes[METHOD_BYTES], klass[CLASS_BYTES];
  uint64_t class_address;

  if (method)
    return method;
  if (cordbg_mono_read(runtime, address, bytes, sizeof(bytes), NULL) != S_OK)
    return NULL;
  memcpy(&class_address, bytes + runtime->layout.method_class, 8);
  if (cordbg_mono_read(runtime, class_address, klass, sizeof(klass), NULL) != S_OK)
    return NULL;
  return keep_method(runtime, address, bytes, klass);
}

/* Reads the methods of many bodies in two batches instead of two reads each. */
static void
prefetch_methods(cordbg_runtime *runtime, const uint64_t *addresses, guint count)
{
  typedef struct slot {
    uint8_t method[METHOD_BYTES];
    uint8_t klass[CLASS_BYTES];
  } slot;
  g_autofree slot *slots = g_new(slot, count);
  g_autofree cordbg_read_range *ranges = g_new(cordbg_read_range, count);
  g_autofree cordbg_read_range *classes = g_new(cordbg_read_range, count);

  for (guint i = 0; i < count; i++)
    ranges[i] = (cordbg_read_range){
        .address = addresses[i], .buffer = slots[i].method, .size = METHOD_BYTES};
  if (FAILED(cordbg_target_read_batch(runtime->target, CORDBG_VIEW_PRISTINE, ranges, count, NULL)))
    return;
  for (guint i = 0; i < count; i++) {
    uint64_t klass = 0;
    if (ranges[i].read == METHOD_BYTES)
      memcpy(&klass, slots[i].method + runtime->layout.method_class, 8);
    classes[i] =
        (cordbg_read_range){.address = klass, .buffer = slots[i].klass, .size = CLASS_BYTES};
  }
  if (FAILED(cordbg_target_read_batch(runtime->target, CORDBG_VIEW_PRISTINE, classes, count, NULL)))
    return;
  for (guint i = 0; i < count; i++)
    if (classes[i].read == CLASS_BYTES && !g_hash_table_contains(runtime->methods, &addresses[i]))
      keep_method(runtime, addresses[i], slots[i].method, slots[i].klass);
}

/* ---- One body ---- */

static bool
in_aot_or_jit(const jit_info *info)
{
  return info->method && !(info->flags & CORDBG_MONO_JIT_TRAMPOLINE) && info->code_size > 0 &&
         (uint32_t)info->code_size <= CORDBG_MONO_CODE_MAX && info->code_start &&
         info->code_start + (uint32_t)info->code_size > info->code_start;
}

static void
forget_code(cordbg_runtime *runtime, cordbg_mono_code *code, GArray *events)
{
  if (code->given) {
    cordbg_rt_event event = {
        .kind = CORDBG_RT_EVENT_CODE_FREED, .id = code->rt.id, .code = code->rt};
    if (events)
      g_array_append_val(events, event);
    if (code->dynamic && runtime->dynamic_given > 0)
      runtime->dynamic_given--;
  }
  code->gone = true;
  if (code->info)
    g_hash_table_remove(runtime->codes, &code->info);
  else
    g_hash_table_remove(runtime->unlisted, (uint64_t[2]){code->domain, code->rt.start});
  cordbg_mono_retire(runtime, runtime->code_ids, code->rt.id);
  runtime->codes_valid = false;
}

static cordbg_rt_code_kind
kind_of(const jit_info *info)
{
  if (info->flags & CORDBG_MONO_JIT_INTERPRETED)
    return CORDBG_RT_CODE_INTERPRETED;
  return info->flags & CORDBG_MONO_JIT_AOT ? CORDBG_RT_CODE_AOT : CORDBG_RT_CODE_JIT;
}

/* A body known from its AOT image that the runtime lists now keeps its id. */
static cordbg_mono_code *
take_unlisted(cordbg_runtime *runtime, uint64_t domain, uint64_t start)
{
  uint64_t key[2] = {domain, start};
  cordbg_mono_code *code = g_hash_table_lookup(runtime->unlisted, key);

  if (code)
    g_hash_table_remove(runtime->unlisted, key);
  return code;
}

/* The AOT body of a method, when there is one that the runtime has not listed. */
static cordbg_mono_code *
unlisted_code(cordbg_runtime *runtime, cordbg_mono_module *module, uint32_t token)
{
  uint64_t start;
  uint32_t size;

  if (!cordbg_mono_aot_body(runtime, module, token, &start, &size))
    return NULL;
  cordbg_mono_code *code =
      g_hash_table_lookup(runtime->unlisted, (uint64_t[2]){module->domain->address, start});
  if (code)
    return code;
  code = g_new0(cordbg_mono_code, 1);
  code->domain = module->domain->address;
  code->rt = (cordbg_rt_code){.id = runtime->next_id++,
                              .module = module->id,
                              .domain = module->domain_id,
                              .token = token,
                              .kind = CORDBG_RT_CODE_AOT,
                              .start = start,
                              .size = size};
  g_hash_table_insert(runtime->code_ids, &code->rt.id, code);
  g_hash_table_insert(runtime->unlisted, cordbg_mono_pair(code->domain, start), code);
  return code;
}

/* The code that `info`, read at `address`, describes; made when it is new. NULL: none of ours. */
static cordbg_mono_code *
understand(cordbg_runtime *runtime, uint64_t address, const jit_info *info,
           cordbg_mono_domain *domain, GArray *events)
{
  cordbg_mono_code *code = g_hash_table_lookup(runtime->codes, &address);

  if (code) {
    if (code->method == info->method && code->rt.start == info->code_start &&
        code->rt.size == (uint32_t)info->code_size)
      return code;
    forget_code(runtime, code, events);
  }
  if (!in_aot_or_jit(info))
    return NULL;
  const cordbg_mono_method *method = method_of(runtime, info->method);
  if (!method || method->skip)
    return NULL;
  const cordbg_mono_module *module =
      cordbg_mono_meet_module(runtime, domain, method->image, events);
  if (!module)
    return NULL;
  code = take_unlisted(runtime, domain->address, info->code_start);
  if (!code) {
    code = g_new0(cordbg_mono_code, 1);
    code->rt.id = runtime->next_id++;
    g_hash_table_insert(runtime->code_ids, &code->rt.id, code);
  }
  code->info = address;
  code->method = info->method;
  code->domain = domain->address;
  code->seq_points = info->seq_points;
  code->dynamic = method->dynamic;
  code->rt = (cordbg_rt_code){.id = code->rt.id,
                              .module = module->id,
                              .domain = domain->id,
                              .token = method->token,
                              .class_token = method->class_token,
                              .instance = method->instance,
                              .kind = kind_of(info),
                              .start = info->code_start,
                              .size = (uint32_t)info->code_size};
  g_hash_table_insert(runtime->codes, &code->info, code);
  runtime->codes_valid = false;
  return code;
}

cordbg_mono_code *
cordbg_mono_code_of(cordbg_runtime *runtime, uint64_t address, uint64_t domain)
{
  cordbg_mono_domain *owner = cordbg_mono_domain_at(runtime, domain);
  jit_info info;

  if (!owner || cordbg_mono_read(runtime, address, &info, sizeof(info), NULL) != S_OK)
    return NULL;
  cordbg_mono_code *code = understand(runtime, address, &info, owner, runtime->pending);
  if (code)
    code->seen = true;
  return code;
}

void
cordbg_mono_give_code(cordbg_runtime *runtime, cordbg_mono_code *code)
{
  if (code->given)
    return;
  code->given = true;
  if (!code->dynamic)
    return;
  /* From now on the agent tells when code goes: before its memory does. */
  if (runtime->dynamic_given++ == 0)
    cordbg_mono_write_word(runtime, offsetof(cordbg_agent_block, watch_frees), 1, NULL);
}

/* ---- The tables ---- */

/* Appends the MonoJitInfo addresses of one domain's table. */
static HRESULT
read_table(cordbg_runtime *runtime, const cordbg_mono_domain *domain, GArray *addresses,
           cordbg_error *error)
{
  struct {
    uint64_t domain;
    int32_t chunks, valid;
  } head;
  uint64_t table;
  HRESULT hr = cordbg_mono_read(runtime, domain->address + runtime->layout.domain_jit_table, &table,
                                8, error);

  if (SUCCEEDED(hr))
    hr = cordbg_mono_read(runtime, table, &head, sizeof(head), error);
  if (FAILED(hr))
    return hr;
  if (head.domain != domain->address || head.chunks < 0 ||
      (uint32_t)head.chunks > CORDBG_MONO_CHUNKS_MAX)
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, table,
                            "the runtime's table of code is not sound");
  g_autofree uint64_t *chunks = g_new(uint64_t, (gsize)head.chunks + 1);
  hr = cordbg_mono_read(runtime, table + sizeof(head), chunks, (size_t)head.chunks * 8, error);
  for (int32_t i = 0; SUCCEEDED(hr) && i < head.chunks; i++) {
    jit_chunk chunk;
    hr = cordbg_mono_read(runtime, chunks[i], &chunk, sizeof(chunk), error);
    if (SUCCEEDED(hr) && chunk.elements > 0)
      g_array_append_vals(addresses, chunk.data,
                          MIN((guint)chunk.elements, CORDBG_MONO_CHUNK_ENTRIES));
  }
  return hr;
}

static HRESULT
scan_domain(cordbg_runtime *runtime, cordbg_mono_domain *domain, GArray *events,
            cordbg_error *error)
{
  g_autoptr(GArray) addresses = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  HRESULT hr = read_table(runtime, domain, addresses, error);

  if (FAILED(hr) || addresses->len == 0)
    return hr;
  g_autofree jit_info *infos = g_new(jit_info, addresses->len);
  g_autofree cordbg_read_range *ranges = g_new(cordbg_read_range, addresses->len);
  for (guint i = 0; i < addresses->len; i++)
    ranges[i] = (cordbg_read_range){.address = g_array_index(addresses, uint64_t, i),
                                    .buffer = &infos[i],
                                    .size = sizeof(jit_info)};
  hr = cordbg_target_read_batch(runtime->target, CORDBG_VIEW_PRISTINE, ranges, addresses->len,
                                error);
  if (FAILED(hr))
    return hr;
  g_autoptr(GArray) unknown = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  for (guint i = 0; i < addresses->len; i++)
    if (ranges[i].read == sizeof(jit_info) && in_aot_or_jit(&infos[i]) &&
        !g_hash_table_contains(runtime->methods, &infos[i].method))
      g_array_append_val(unknown, infos[i].method);
  prefetch_methods(runtime, (const uint64_t *)(void *)unknown->data, unknown->len);
  for (guint i = 0; i < addresses->len; i++) {
    if (ranges[i].read != sizeof(jit_info))
      continue;
    cordbg_mono_code *code = understand(runtime, ranges[i].address, &infos[i], domain, events);
    if (code)
      code->seen = true;
  }
  return S_OK;
}

static gint
by_start(gconstpointer a, gconstpointer b)
{
  const cordbg_mono_code *left = *(cordbg_mono_code *const *)a;
  const cordbg_mono_code *right = *(cordbg_mono_code *const *)b;

  if (left->rt.start != right->rt.start)
    return left->rt.start < right->rt.start ? -1 : 1;
  return left->rt.id < right->rt.id ? -1 : 1;
}

static void
sort_codes(cordbg_runtime *runtime)
{
  GHashTableIter iterator;
  gpointer value;

  g_ptr_array_set_size(runtime->sorted, 0);
  g_hash_table_iter_init(&iterator, runtime->codes);
  while (g_hash_table_iter_next(&iterator, NULL, &value))
    g_ptr_array_add(runtime->sorted, value);
  g_ptr_array_sort(runtime->sorted, by_start);
  g_hash_table_remove_all(runtime->by_method);
  for (guint i = 0; i < runtime->sorted->len; i++) {
    const cordbg_mono_code *code = runtime->sorted->pdata[i];
    uint64_t key[2] = {code->rt.module, code->rt.token};
    GPtrArray *same = g_hash_table_lookup(runtime->by_method, key);
    if (!same) {
      same = g_ptr_array_new();
      g_hash_table_insert(runtime->by_method, cordbg_mono_pair(key[0], key[1]), same);
    }
    g_ptr_array_add(same, runtime->sorted->pdata[i]);
  }
  runtime->codes_valid = true;
}

/* Drops the codes that the scan did not meet (domain 0), or those of a domain. */
static void
drop(cordbg_runtime *runtime, uint64_t domain, GArray *events)
{
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  GHashTableIter iterator;
  gpointer value;

  g_hash_table_iter_init(&iterator, runtime->codes);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) {
    cordbg_mono_code *code = value;
    if (domain ? code->domain == domain : !code->seen)
      g_ptr_array_add(all, code);
  }
  g_hash_table_iter_init(&iterator, runtime->unlisted);
  while (domain && g_hash_table_iter_next(&iterator, NULL, &value))
    if (((cordbg_mono_code *)value)->domain == domain)
      g_ptr_array_add(all, value);
  for (guint i = 0; i < all->len; i++)
    forget_code(runtime, all->pdata[i], events);
}

HRESULT
cordbg_mono_scan_codes(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  uint64_t version;
  GHashTableIter iterator;
  gpointer value;
  HRESULT hr =
      cordbg_mono_read(runtime, runtime->block_address + offsetof(cordbg_agent_block, code_version),
                       &version, 8, error);

  if (FAILED(hr))
    return hr;
  if (runtime->codes_scanned && version == runtime->codes_version) {
    if (!runtime->codes_valid)
      sort_codes(runtime);
    return S_OK;
  }
  g_hash_table_iter_init(&iterator, runtime->codes);
  while (g_hash_table_iter_next(&iterator, NULL, &value))
    ((cordbg_mono_code *)value)->seen = false;
  for (guint i = 0; SUCCEEDED(hr) && i < runtime->domains->len; i++)
    hr = scan_domain(runtime, runtime->domains->pdata[i], events, error);
  if (FAILED(hr))
    return hr;
  drop(runtime, 0, events);
  runtime->codes_scanned = true;
  runtime->codes_version = version;
  sort_codes(runtime);
  return S_OK;
}

void
cordbg_mono_end_codes_of_domain(cordbg_runtime *runtime, uint64_t domain, GArray *events)
{
  drop(runtime, domain, events);
  cordbg_mono_lift_entries(runtime, domain);
  /* Methods of the domain are gone, and their addresses may come again. */
  g_hash_table_remove_all(runtime->methods);
  runtime->codes_scanned = false;
}

/* ---- Queries ---- */

static HRESULT
no_code(cordbg_rt_code **codes, size_t *count)
{
  *codes = NULL;
  *count = 0;
  return S_OK;
}

HRESULT
cordbg_mono_codes(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                  cordbg_rt_code **codes, size_t *count, cordbg_error *error)
{
  cordbg_mono_module *owner = cordbg_mono_module_by_id(runtime, module, error);
  bool has_aot = false;

  if (!owner)
    return E_INVALIDARG;
  if (owner->gone)
    return no_code(codes, count);
  /* Whatever is freed meanwhile is told with the next events. */
  HRESULT hr = cordbg_mono_scan_codes(runtime, runtime->pending, error);
  if (FAILED(hr))
    return hr;
  GArray *found = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_code));
  const GPtrArray *same = g_hash_table_lookup(runtime->by_method, (uint64_t[2]){module, token});
  for (guint i = 0; same && i < same->len; i++) {
    cordbg_mono_code *code = same->pdata[i];
    cordbg_mono_give_code(runtime, code);
    g_array_append_val(found, code->rt);
    has_aot |= code->rt.kind == CORDBG_RT_CODE_AOT;
  }
  cordbg_mono_code *unlisted = has_aot ? NULL : unlisted_code(runtime, owner, token);
  if (unlisted) {
    cordbg_mono_give_code(runtime, unlisted);
    g_array_append_val(found, unlisted->rt);
  }
  *count = found->len;
  *codes = (cordbg_rt_code *)(void *)g_array_free(found, FALSE);
  return S_OK;
}

static cordbg_mono_code *
unlisted_at(cordbg_runtime *runtime, uint64_t address)
{
  for (guint i = 0; i < runtime->modules->len; i++) {
    cordbg_mono_module *module = runtime->modules->pdata[i];
    uint32_t token;
    if (cordbg_mono_aot_at(runtime, module, address, &token))
      return unlisted_code(runtime, module, token);
  }
  return NULL;
}

static cordbg_mono_code *
listed_at(cordbg_runtime *runtime, uint64_t address)
{
  guint low = 0, high = runtime->sorted->len;

  while (low < high) { /* the last code that starts at or below address */
    guint middle = low + (high - low) / 2;
    if (((cordbg_mono_code *)runtime->sorted->pdata[middle])->rt.start <= address)
      low = middle + 1;
    else
      high = middle;
  }
  cordbg_mono_code *code = low ? runtime->sorted->pdata[low - 1] : NULL;
  return code && address - code->rt.start < code->rt.size ? code : NULL;
}

cordbg_mono_code *
cordbg_mono_read_code_at(cordbg_runtime *runtime, uint64_t address)
{
  runtime->codes_scanned = false;
  if (FAILED(cordbg_mono_scan_codes(runtime, runtime->pending, NULL)))
    return NULL;
  return listed_at(runtime, address);
}

HRESULT
cordbg_mono_code_at(cordbg_runtime *runtime, uint64_t address, cordbg_rt_code *ret,
                    cordbg_error *error)
{
  HRESULT hr = cordbg_mono_scan_codes(runtime, runtime->pending, error);

  if (FAILED(hr))
    return hr;
  cordbg_mono_code *code = listed_at(runtime, address);
  if (!code)
    code = unlisted_at(runtime, address);
  if (!code)
    return S_FALSE;
  cordbg_mono_give_code(runtime, code);
  *ret = code->rt;
  return S_OK;
}

/* MonoSeqPointInfo: a header (bit 0 debug data, bit 1 data inline, length above), then the data or
 * a pointer to it. */
static HRESULT
read_seq_points(cordbg_runtime *runtime, const cordbg_mono_code *code, uint8_t **data, size_t *size,
                bool *has_debug_data, cordbg_error *error)
{
  uint8_t header[16] = {0};
  size_t got = 0, at = 0;
  uint32_t value;
  uint64_t address;

  cordbg_target_read(runtime->target, CORDBG_VIEW_PRISTINE, code->seq_points, header,
                     sizeof(header), &got, NULL);
  if (!cordbg_mono_leb128(header, got, &at, &value) || value >> 2 > CORDBG_RT_MAP_MAX * 8)
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, code->seq_points,
                            "the sequence points of a method are not sound");
  *has_debug_data = value & 1;
  *size = value >> 2;
  address = code->seq_points + at;
  if (!(value & 2)) {
    HRESULT hr = cordbg_mono_read(runtime, address, &address, 8, error);
    if (FAILED(hr))
      return hr;
  }
  *data = g_malloc(*size + 1);
  return cordbg_mono_read(runtime, address, *data, *size, error);
}

/* Unlisted AOT code: IL 0 is at the start, more is not known. Else there is no IL (wrappers). */
static HRESULT
map_without_points(const cordbg_mono_code *code, cordbg_rt_map **map, size_t *count)
{
  *count = code->info ? 0 : 1;
  *map = code->info ? NULL : g_new(cordbg_rt_map, 1);
  if (*map)
    **map = (cordbg_rt_map){.il = 0, .native_start = 0, .native_end = code->rt.size};
  return S_OK;
}

HRESULT
cordbg_mono_il_map(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_map **map, size_t *count,
                   cordbg_error *error)
{
  const cordbg_mono_code *code = g_hash_table_lookup(runtime->code_ids, &id);
  g_autofree uint8_t *data = NULL;
  size_t size = 0;
  bool has_debug_data = false;

  if (!code)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "no code has the id %" G_GUINT64_FORMAT,
                            (guint64)id);
  if (code->gone)
    return cordbg_error_set(error, CORDBG_E_CODE_NOT_AVAILABLE, 0, code->rt.start,
                            "the code was freed");
  if (!code->seq_points)
    return map_without_points(code, map, count);
  HRESULT hr = read_seq_points(runtime, code, &data, &size, &has_debug_data, error);
  if (SUCCEEDED(hr) && FAILED(hr = cordbg_mono_decode_seq_points(data, size, has_debug_data,
                                                                 code->rt.size, map, count)))
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, code->seq_points,
                            "the sequence points of a method are not sound");
  return hr;
}

static void
unref_array(void *array)
{
  g_ptr_array_unref(array);
}

void
cordbg_mono_make_codes(cordbg_runtime *runtime)
{
  runtime->methods = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  runtime->codes = g_hash_table_new(g_int64_hash, g_int64_equal);
  runtime->code_ids = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  runtime->unlisted =
      g_hash_table_new_full(cordbg_mono_pair_hash, cordbg_mono_pair_equal, g_free, NULL);
  runtime->by_method =
      g_hash_table_new_full(cordbg_mono_pair_hash, cordbg_mono_pair_equal, g_free, unref_array);
  runtime->sorted = g_ptr_array_new();
}

void
cordbg_mono_free_codes(cordbg_runtime *runtime)
{
  g_hash_table_unref(runtime->codes);
  g_hash_table_unref(runtime->unlisted);
  g_hash_table_unref(runtime->code_ids);
  g_hash_table_unref(runtime->methods);
  g_hash_table_unref(runtime->by_method);
  g_ptr_array_unref(runtime->sorted);
}
