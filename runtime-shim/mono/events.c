/* SPDX-License-Identifier: MIT */
/*
 * From the agent's log to the boundary's events.
 *
 * The log is read from a cursor on. A record that a thread reserved and has not written yet (it
 * was stopped in between) is a hole: remembered, looked at again the next time. Records that were
 * overwritten before they were read, or more holes than can be remembered, are a loss: everything
 * is read anew from the runtime's structures, and what differs is told. Records only say where to
 * look, so telling never depends on them alone.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/image-methods.h"
#include "runtime-shim/mono/mono-private.h"

typedef struct work {
  bool modules, threads, codes, all;
  GArray *unloading; /* MonoDomain */
  GArray *ended;     /* cordbg_agent_record of THREAD_STOPPED */
  GArray *met;       /* cordbg_agent_record of ASSEMBLY_LOADED with an image */
  GArray *complete;  /* cordbg_agent_record of CODE_COMPLETE */
  GArray *compiled;  /* cordbg_agent_record of CODE_COMPILED */
} work;

/* ---- Reading the log ---- */

static void
take_record(work *todo, const cordbg_agent_record *record)
{
  switch (record->kind) {
  case CORDBG_AGENT_DOMAIN_NAMED:
    todo->modules = true;
    break;
  case CORDBG_AGENT_ASSEMBLY_LOADED:
    todo->modules = true;
    if (record->c)
      g_array_append_vals(todo->met, record, 1);
    break;
  case CORDBG_AGENT_DOMAIN_UNLOADING:
    g_array_append_val(todo->unloading, record->a);
    break;
  case CORDBG_AGENT_THREAD_STARTED:
    todo->threads = true;
    break;
  case CORDBG_AGENT_THREAD_STOPPED:
    g_array_append_vals(todo->ended, record, 1);
    break;
  case CORDBG_AGENT_CODE_COMPLETE:
    g_array_append_vals(todo->complete, record, 1);
    break;
  case CORDBG_AGENT_CODE_COMPILED:
    g_array_append_vals(todo->compiled, record, 1);
    break;
  case CORDBG_AGENT_CODE_FREED:
    todo->codes = true;
    break;
  default: /* a lie or a newer agent: look at everything */
    todo->all = true;
  }
}

static HRESULT
read_records(cordbg_runtime *runtime, uint64_t first, uint64_t count, cordbg_agent_record *records,
             cordbg_error *error)
{
  uint64_t slot = first % CORDBG_AGENT_LOG;
  uint64_t before_end = MIN(count, CORDBG_AGENT_LOG - slot);
  HRESULT hr = cordbg_mono_read(runtime, runtime->block.log + slot * sizeof(*records), records,
                                before_end * sizeof(*records), error);

  if (SUCCEEDED(hr) && count > before_end)
    hr = cordbg_mono_read(runtime, runtime->block.log, records + before_end,
                          (count - before_end) * sizeof(*records), error);
  return hr;
}

static void
lose(cordbg_runtime *runtime, work *todo, uint64_t count)
{
  runtime->lost += count;
  runtime->hole_count = 0;
  todo->all = true;
}

/* Looks at one record that was reserved: published, still a hole, or overwritten. */
static void
look_at(cordbg_runtime *runtime, work *todo, uint64_t index, const cordbg_agent_record *record)
{
  uint64_t sequence = record->sequence;

  if (sequence == index + 1)
    take_record(todo, record);
  else if (sequence > index + 1 || runtime->hole_count == CORDBG_MONO_HOLES_MAX)
    lose(runtime, todo, 1);
  else
    runtime->holes[runtime->hole_count++] = index;
}

static HRESULT
look_at_holes(cordbg_runtime *runtime, work *todo, cordbg_error *error)
{
  uint64_t holes[CORDBG_MONO_HOLES_MAX];
  uint32_t count = runtime->hole_count;

  memcpy(holes, runtime->holes, sizeof(holes));
  runtime->hole_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    cordbg_agent_record record;
    HRESULT hr = read_records(runtime, holes[i], 1, &record, error);
    if (FAILED(hr))
      return hr;
    look_at(runtime, todo, holes[i], &record);
  }
  return S_OK;
}

static HRESULT
read_log(cordbg_runtime *runtime, work *todo, cordbg_error *error)
{
  uint64_t head;
  HRESULT hr = cordbg_mono_read(
      runtime, runtime->block_address + offsetof(cordbg_agent_block, log_head), &head, 8, error);

  if (SUCCEEDED(hr))
    hr = look_at_holes(runtime, todo, error);
  if (FAILED(hr) || head == runtime->cursor)
    return hr;
  uint64_t count = head - runtime->cursor;
  if (count > CORDBG_AGENT_LOG) {
    lose(runtime, todo, count);
    runtime->cursor = head;
    return S_OK;
  }
  g_autofree cordbg_agent_record *records = g_new(cordbg_agent_record, count);
  hr = read_records(runtime, runtime->cursor, count, records, error);
  for (uint64_t i = 0; SUCCEEDED(hr) && i < count; i++)
    look_at(runtime, todo, runtime->cursor + i, &records[i]);
  if (SUCCEEDED(hr))
    runtime->cursor = head;
  return hr;
}

/* ---- Telling ---- */

static void
tell_compiled(cordbg_runtime *runtime, int32_t tid, cordbg_mono_code *code, GArray *events)
{
  if (code)
    cordbg_mono_lift_entry(runtime, code->rt.start);
  if (!code || code->given || code->rt.kind == CORDBG_RT_CODE_INTERPRETED)
    return;
  cordbg_mono_give_code(runtime, code);
  cordbg_rt_event event = {
      .kind = CORDBG_RT_EVENT_CODE_COMPILED, .tid = tid, .id = code->rt.id, .code = code->rt};
  g_array_append_val(events, event);
}

/* After a loss: bodies of wanted methods that the caller does not have yet. */
static HRESULT
tell_all_wanted(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  HRESULT hr;

  runtime->codes_scanned = false;
  hr = cordbg_mono_scan_codes(runtime, events, error);
  if (FAILED(hr) || g_hash_table_size(runtime->wanted) == 0)
    return hr;
  for (guint i = 0; i < runtime->sorted->len; i++) {
    cordbg_mono_code *code = runtime->sorted->pdata[i];
    const cordbg_mono_module *module = cordbg_mono_module_by_id(runtime, code->rt.module, NULL);
    if (module && cordbg_mono_is_wanted(runtime, module->image, code->rt.token))
      tell_compiled(runtime, 0, code, events);
  }
  return S_OK;
}

static HRESULT
scan_domains_and_modules(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  HRESULT hr = cordbg_mono_scan_domains(runtime, events, error);

  return SUCCEEDED(hr) ? cordbg_mono_scan_modules(runtime, events, error) : hr;
}

/* Bodies that were told since need no trap of ours. */
static void
trap_entries(cordbg_runtime *runtime, const work *todo)
{
  for (guint i = 0; i < todo->complete->len; i++) {
    const cordbg_agent_record *record = &g_array_index(todo->complete, cordbg_agent_record, i);
    bool told = false;
    for (guint j = 0; j < todo->compiled->len; j++)
      told |= g_array_index(todo->compiled, cordbg_agent_record, j).d == record->a;
    if (!told)
      cordbg_mono_trap_entry(runtime, record->a, record->c);
  }
}

static HRESULT
do_work(cordbg_runtime *runtime, const work *todo, GArray *events, cordbg_error *error)
{
  HRESULT hr = S_OK;

  trap_entries(runtime, todo);
  for (guint i = 0; i < todo->unloading->len; i++)
    cordbg_mono_end_domain(runtime, g_array_index(todo->unloading, uint64_t, i), events);
  if (todo->modules || todo->all)
    hr = scan_domains_and_modules(runtime, events, error);
  for (guint i = 0; SUCCEEDED(hr) && i < todo->met->len; i++) {
    const cordbg_agent_record *record = &g_array_index(todo->met, cordbg_agent_record, i);
    cordbg_mono_domain *domain = cordbg_mono_domain_at(runtime, record->b);
    if (domain)
      cordbg_mono_meet_module(runtime, domain, record->c, events);
  }
  for (guint i = 0; i < todo->ended->len; i++) {
    const cordbg_agent_record *record = &g_array_index(todo->ended, cordbg_agent_record, i);
    cordbg_mono_end_thread(runtime, record->a, record->tid, events);
  }
  if (SUCCEEDED(hr) && (todo->threads || todo->all))
    hr = cordbg_mono_scan_threads(runtime, events, error);
  if (SUCCEEDED(hr) && todo->all)
    return tell_all_wanted(runtime, events, error);
  if (SUCCEEDED(hr) && todo->codes)
    hr = cordbg_mono_scan_codes(runtime, events, error);
  for (guint i = 0; SUCCEEDED(hr) && i < todo->compiled->len; i++) {
    const cordbg_agent_record *record = &g_array_index(todo->compiled, cordbg_agent_record, i);
    cordbg_mono_code *code = cordbg_mono_code_of(runtime, record->a, record->c);
    /* An assembly that enters a further domain is not told by the profiler: its image is loaded
       already. A wanted method compiled there is the first that is seen of it. */
    if (!code) {
      hr = scan_domains_and_modules(runtime, events, error);
      code = SUCCEEDED(hr) ? cordbg_mono_code_of(runtime, record->a, record->c) : NULL;
    }
    tell_compiled(runtime, record->tid, code, events);
  }
  return hr;
}

/* A thread entered a body before the one that compiled it told of it. */
static void
enter(cordbg_runtime *runtime, const cordbg_event *event, GArray *events)
{
  cordbg_mono_code *code = cordbg_mono_read_code_at(runtime, event->address);
  const cordbg_mono_module *module =
      code ? cordbg_mono_module_by_id(runtime, code->rt.module, NULL) : NULL;

  cordbg_mono_lift_entry(runtime, event->address);
  if (module && cordbg_mono_is_wanted(runtime, module->image, code->rt.token))
    tell_compiled(runtime, event->tid, code, events);
}

HRESULT
cordbg_mono_handle_event(cordbg_runtime *runtime, const cordbg_event *event,
                         cordbg_rt_event **events, size_t *count, cordbg_error *error)
{
  if (event &&
      (event->kind != CORDBG_EVENT_TRAP ||
       (event->address != runtime->block.notify && !cordbg_mono_is_entry(runtime, event->address))))
    return S_FALSE;
  cordbg_mono_free_retired(runtime);
  work todo = {.unloading = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
               .met = g_array_new(FALSE, FALSE, sizeof(cordbg_agent_record)),
               .ended = g_array_new(FALSE, FALSE, sizeof(cordbg_agent_record)),
               .complete = g_array_new(FALSE, FALSE, sizeof(cordbg_agent_record)),
               .compiled = g_array_new(FALSE, FALSE, sizeof(cordbg_agent_record))};
  GArray *told = runtime->pending;
  HRESULT hr = read_log(runtime, &todo, error);

  runtime->pending = g_array_new(FALSE, TRUE, sizeof(cordbg_rt_event));
  if (SUCCEEDED(hr))
    hr = do_work(runtime, &todo, told, error);
  if (SUCCEEDED(hr) && event && cordbg_mono_is_entry(runtime, event->address))
    enter(runtime, event, told);
  g_array_unref(todo.unloading);
  g_array_unref(todo.ended);
  g_array_unref(todo.met);
  g_array_unref(todo.complete);
  g_array_unref(todo.compiled);
  if (FAILED(hr)) { /* what was found stays to be told */
    g_array_unref(runtime->pending);
    runtime->pending = told;
    return hr;
  }
  *count = told->len;
  *events = told->len ? (cordbg_rt_event *)(void *)told->data : NULL;
  g_array_free(told, told->len == 0);
  return S_OK;
}

HRESULT
cordbg_mono_synchronised(cordbg_runtime *runtime, cordbg_error *error)
{
  cordbg_agent_record record;

  /* A thread stopped while it writes to the log is about to tell of a change. */
  for (uint32_t i = 0; i < runtime->hole_count; i++) {
    HRESULT hr = read_records(runtime, runtime->holes[i], 1, &record, error);
    if (FAILED(hr))
      return hr;
    if (record.sequence < runtime->holes[i] + 1)
      return S_FALSE;
  }
  return S_OK;
}

/* ---- Wanted methods ---- */

uint64_t *
cordbg_mono_pair(uint64_t first, uint64_t second)
{
  uint64_t *key = g_new(uint64_t, 2);

  key[0] = first;
  key[1] = second;
  return key;
}

guint
cordbg_mono_pair_hash(gconstpointer data)
{
  const uint64_t *key = data;

  return (guint)(key[0] >> 4) * 31u + (guint)key[1];
}

gboolean
cordbg_mono_pair_equal(gconstpointer a, gconstpointer b)
{
  return memcmp(a, b, 2 * sizeof(uint64_t)) == 0;
}

bool
cordbg_mono_is_wanted(cordbg_runtime *runtime, uint64_t image, uint32_t token)
{
  uint64_t key[2] = {image, token};

  return g_hash_table_contains(runtime->wanted, key);
}

/* In one write: the target is stopped, so no reader is in the middle of a slot. */
static HRESULT
write_slot(cordbg_runtime *runtime, uint32_t slot, uint64_t image, uint64_t token,
           cordbg_error *error)
{
  uint64_t entry[2] = {image, token};
  HRESULT hr = cordbg_mono_write(runtime, runtime->block.wanted + slot * sizeof(entry), entry,
                                 sizeof(entry), error);

  if (SUCCEEDED(hr)) {
    runtime->wanted_table[slot].image = image;
    runtime->wanted_table[slot].token = token;
  }
  return hr;
}

/* The agent looks only at whether there are any. */
static HRESULT
set_wanted_count(cordbg_runtime *runtime, cordbg_error *error)
{
  bool any = g_hash_table_size(runtime->wanted) != 0;
  HRESULT hr = S_OK;

  if (any != runtime->any_wanted)
    hr = cordbg_mono_write_word(runtime, offsetof(cordbg_agent_block, wanted_count), any, error);
  if (SUCCEEDED(hr))
    runtime->any_wanted = any;
  return hr;
}

static HRESULT
add_wanted(cordbg_runtime *runtime, uint64_t image, uint32_t token, cordbg_error *error)
{
  uint32_t first = cordbg_agent_wanted_slot(image, token);

  for (uint32_t i = 0; i < CORDBG_AGENT_PROBES; i++) {
    uint32_t slot = (first + i) & (CORDBG_AGENT_WANTED - 1);
    if (runtime->wanted_table[slot].image == 0)
      return write_slot(runtime, slot, image, token, error);
  }
  return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0,
                          "too many methods wait for their compilation: the agent's table is full");
}

static HRESULT
remove_wanted(cordbg_runtime *runtime, uint64_t image, uint32_t token, cordbg_error *error)
{
  uint32_t first = cordbg_agent_wanted_slot(image, token);

  for (uint32_t i = 0; i < CORDBG_AGENT_PROBES; i++) {
    uint32_t slot = (first + i) & (CORDBG_AGENT_WANTED - 1);
    const cordbg_agent_wanted *there = &runtime->wanted_table[slot];
    if (there->image == image && there->token == token) {
      /* The end of a probe stays one when the next slot is one too. */
      bool ends = runtime->wanted_table[(slot + 1) & (CORDBG_AGENT_WANTED - 1)].token == 0;
      return write_slot(runtime, slot, 0, ends ? 0 : 1, error);
    }
  }
  return S_OK;
}

static cordbg_rt_want_status
want_status(cordbg_runtime *runtime, cordbg_mono_module *module, uint32_t token)
{
  /* What is emitted has its IL elsewhere than where metadata points to. */
  bool emitted = module->flags & CORDBG_RT_MODULE_DYNAMIC;
  const cordbg_image *image = emitted ? NULL : cordbg_mono_metadata(runtime, module, NULL);

  if (image && !cordbg_rt_has_il(cordbg_image_metadata(image), token & CORDBG_RID_MAX))
    return CORDBG_RT_WANT_NO_BODY;
  return runtime->interpreter ? CORDBG_RT_WANT_INTERPRETED : CORDBG_RT_WANT_OK;
}

HRESULT
cordbg_mono_want_method(cordbg_runtime *runtime, cordbg_rt_id id, uint32_t token, bool wanted,
                        cordbg_rt_want_status *status, cordbg_error *error)
{
  cordbg_mono_module *module = cordbg_mono_module_by_id(runtime, id, error);
  uint64_t key[2];
  HRESULT hr = S_OK;

  if (!module || token >> 24 != 0x06 || (token & CORDBG_RID_MAX) == 0)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "no such method");
  key[0] = module->image;
  key[1] = token;
  guint count = GPOINTER_TO_UINT(g_hash_table_lookup(runtime->wanted, key));
  if (wanted) {
    if (count == 0)
      hr = add_wanted(runtime, key[0], token, error);
    if (FAILED(hr))
      return hr;
    g_hash_table_insert(runtime->wanted, cordbg_mono_pair(key[0], token),
                        GUINT_TO_POINTER(count + 1));
  } else if (count > 1) {
    g_hash_table_insert(runtime->wanted, cordbg_mono_pair(key[0], token),
                        GUINT_TO_POINTER(count - 1));
  } else if (count == 1) {
    g_hash_table_remove(runtime->wanted, key);
    hr = remove_wanted(runtime, key[0], token, error);
  }
  if (SUCCEEDED(hr))
    hr = set_wanted_count(runtime, error);
  if (SUCCEEDED(hr) && status)
    *status = want_status(runtime, module, token);
  return hr;
}

void
cordbg_mono_forget_wanted(cordbg_runtime *runtime, uint64_t image)
{
  g_autoptr(GArray) tokens = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  GHashTableIter iterator;
  gpointer key;

  g_hash_table_iter_init(&iterator, runtime->wanted);
  while (g_hash_table_iter_next(&iterator, &key, NULL)) {
    const uint64_t *pair = key;
    uint32_t token = (uint32_t)pair[1];
    if (pair[0] != image)
      continue;
    g_array_append_val(tokens, token);
    g_hash_table_iter_remove(&iterator);
  }
  for (guint i = 0; i < tokens->len; i++)
    remove_wanted(runtime, image, g_array_index(tokens, uint32_t, i), NULL);
  if (tokens->len)
    set_wanted_count(runtime, NULL);
}
