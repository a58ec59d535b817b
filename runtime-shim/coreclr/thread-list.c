/* SPDX-License-Identifier: MIT */
/*
 * The runtime's list of threads, read without its data access library.
 *
 * Why. Threads are looked for at each stop, and only their number in the kernel is wanted. The DAC
 * reads each Thread whole, with what changes all the time (the mode, the top Frame, the allocation
 * context), so its answers cannot be kept (dac-kept.c). The runtime's data-contract descriptor says
 * where the list begins and where each Thread has its successor and its number: those bytes alone
 * are read, for all threads that were there before by one vectored call.
 *
 * The first list is the DAC's (an attach has no time for the descriptor). At the second stop at
 * which threads are looked for the two lists are compared; when they differ, or the descriptor does
 * not tell (another runtime), the DAC is asked each time.
 *
 *   none --asked--> unknown --the two lists are equal----> trusted
 *                      '-----they differ, no descriptor--> not trusted
 *
 * While the target stands still the list is what it was.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/coreclr-private.h"

/* Of a Thread, the bytes from its link to its number are read in one piece of no more than: */
#define SPAN_MAX 1024u

struct cordbg_coreclr_thread_list {
  enum { NONE, UNKNOWN, TRUSTED, NOT_TRUSTED } trust;
  uint64_t variable; /* of the runtime: holds the address of its ThreadStore */
  uint64_t first;    /* offset there: the first Thread's link */
  uint64_t link;     /* offsets in a Thread: its link to the next one's; its number */
  uint64_t number;

  uint64_t store;     /* that address, when it was read last */
  GArray *known;      /* cordbg_coreclr_listed: the list then */
  uint64_t stillness; /* of the target then */
};

void
cordbg_coreclr_make_thread_list(cordbg_runtime *runtime)
{
  runtime->thread_list = g_new0(cordbg_coreclr_thread_list, 1);
  runtime->thread_list->known = g_array_new(FALSE, FALSE, sizeof(cordbg_coreclr_listed));
}

void
cordbg_coreclr_free_thread_list(cordbg_runtime *runtime)
{
  g_array_unref(runtime->thread_list->known);
  g_free(runtime->thread_list);
  runtime->thread_list = NULL;
}

/* ---- By the descriptor ---- */

static uint64_t
span_start(const cordbg_coreclr_thread_list *list)
{
  return MIN(list->link, list->number);
}

static uint64_t
span_size(const cordbg_coreclr_thread_list *list)
{
  return MAX(list->link, list->number) + sizeof(uint64_t) - span_start(list);
}

static bool
find_layout(cordbg_runtime *runtime)
{
  cordbg_coreclr_thread_list *list = runtime->thread_list;
  const cordbg_coreclr_descriptor *descriptor = cordbg_coreclr_get_descriptor(runtime);

  return descriptor &&
         cordbg_coreclr_find_member(descriptor->text, "ThreadStore", "FirstThreadLink",
                                    &list->first) &&
         cordbg_coreclr_find_member(descriptor->text, "Thread", "LinkNext", &list->link) &&
         cordbg_coreclr_find_member(descriptor->text, "Thread", "OSId", &list->number) &&
         cordbg_coreclr_find_global(runtime, "ThreadStore", &list->variable) &&
         span_size(list) <= SPAN_MAX;
}

/* What one look brings: the beginning of the list, and the spans of the threads known before. */
typedef struct look {
  uint64_t store, first;
  size_t size;               /* of a span */
  uint8_t *spans;            /* of known threads, in their order */
  cordbg_read_range *ranges; /* store, first, then one a known thread */
  size_t next;               /* known thread that is expected */
  GHashTable *index; /* address -> index + 1; NULL: no thread was where it was not expected */
} look;

static void
end_look(look *l)
{
  g_free(l->spans);
  g_free(l->ranges);
  if (l->index)
    g_hash_table_unref(l->index);
}

static HRESULT
begin_look(cordbg_runtime *runtime, look *l, cordbg_error *error)
{
  cordbg_coreclr_thread_list *list = runtime->thread_list;
  const cordbg_coreclr_listed *known = (const void *)list->known->data;

  *l = (look){.size = (size_t)span_size(list)};
  l->spans = g_malloc(list->known->len * l->size + 1);
  l->ranges = g_new0(cordbg_read_range, list->known->len + 2);
  l->ranges[0] =
      (cordbg_read_range){.address = list->variable, .buffer = &l->store, .size = sizeof l->store};
  l->ranges[1] = (cordbg_read_range){
      .address = list->store + list->first, .buffer = &l->first, .size = sizeof l->first};
  for (guint i = 0; i < list->known->len; i++)
    l->ranges[i + 2] = (cordbg_read_range){.address = known[i].thread + span_start(list),
                                           .buffer = l->spans + i * l->size,
                                           .size = l->size};
  HRESULT hr = cordbg_target_read_batch(runtime->target, CORDBG_VIEW_PRISTINE, l->ranges,
                                        list->known->len + 2, error);
  if (FAILED(hr))
    return hr;
  if (l->ranges[0].status != S_OK)
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, list->variable,
                            "the runtime's list of threads cannot be read");
  if (l->store == list->store && l->ranges[1].status == S_OK)
    return S_OK;
  list->store = l->store;
  return cordbg_coreclr_read(runtime, l->store + list->first, &l->first, sizeof l->first, error);
}

/* The bytes of a Thread: those that the look brought, else read now into room. NULL: unreadable. */
static const uint8_t *
span_of(cordbg_runtime *runtime, look *l, uint64_t thread, uint8_t *room, cordbg_error *error)
{
  const cordbg_coreclr_thread_list *list = runtime->thread_list;
  const cordbg_coreclr_listed *known = (const void *)list->known->data;
  size_t count = list->known->len, i = l->next;

  if (i >= count || known[i].thread != thread) {
    if (!l->index) {
      l->index = g_hash_table_new(g_direct_hash, g_direct_equal);
      for (size_t j = 0; j < count; j++)
        g_hash_table_insert(l->index, GSIZE_TO_POINTER(known[j].thread), GSIZE_TO_POINTER(j + 1));
    }
    size_t found = GPOINTER_TO_SIZE(g_hash_table_lookup(l->index, GSIZE_TO_POINTER(thread)));
    i = found ? found - 1 : count;
  }
  if (i < count && l->ranges[i + 2].status == S_OK) {
    l->next = i + 1;
    return l->spans + i * l->size;
  }
  return SUCCEEDED(cordbg_coreclr_read(runtime, thread + span_start(list), room, l->size, error))
             ? room
             : NULL;
}

static HRESULT
walk(cordbg_runtime *runtime, look *l, GArray *found, cordbg_error *error)
{
  const cordbg_coreclr_thread_list *list = runtime->thread_list;
  uint8_t room[SPAN_MAX];
  uint64_t at = l->first;

  while (at) {
    uint64_t thread = at - list->link, number;
    if (found->len == CORDBG_CORECLR_THREADS_MAX)
      return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, at,
                              "the runtime's list of threads has no end");
    const uint8_t *span = span_of(runtime, l, thread, room, error);
    if (!span)
      return CORDBG_E_TARGET_INCONSISTENT;
    memcpy(&number, span + (list->number - span_start(list)), sizeof number);
    memcpy(&at, span + (list->link - span_start(list)), sizeof at);
    cordbg_coreclr_listed one = {.thread = thread, .tid = (uint32_t)number};
    g_array_append_val(found, one);
  }
  return S_OK;
}

static HRESULT
read_list(cordbg_runtime *runtime, GArray **ret, cordbg_error *error)
{
  GArray *found = g_array_new(FALSE, FALSE, sizeof(cordbg_coreclr_listed));
  look l;
  HRESULT hr = begin_look(runtime, &l, error);

  if (SUCCEEDED(hr))
    hr = walk(runtime, &l, found, error);
  end_look(&l);
  if (FAILED(hr)) {
    g_array_unref(found);
    return hr;
  }
  *ret = found;
  return S_OK;
}

/* ---- By the DAC ---- */

static HRESULT
ask_list(cordbg_runtime *runtime, GArray **ret, cordbg_error *error)
{
  cordbg_dac_thread *threads = NULL;
  size_t count = 0;
  HRESULT hr = cordbg_dac_threads(runtime->dac, &threads, &count, error);

  if (FAILED(hr))
    return hr;
  *ret = g_array_sized_new(FALSE, FALSE, sizeof(cordbg_coreclr_listed), (guint)count);
  for (size_t i = 0; i < count; i++) {
    cordbg_coreclr_listed one = {.thread = threads[i].thread, .tid = threads[i].tid};
    g_array_append_val(*ret, one);
  }
  g_free(threads);
  return S_OK;
}

static bool
are_equal(const GArray *a, const GArray *b)
{
  const cordbg_coreclr_listed *left = (const void *)a->data, *right = (const void *)b->data;

  if (a->len != b->len)
    return false;
  for (guint i = 0; i < a->len; i++)
    if (left[i].thread != right[i].thread || left[i].tid != right[i].tid)
      return false;
  return true;
}

/* The DAC's list, and whether ours would have been the same. One thread proves no link. */
static HRESULT
compare(cordbg_runtime *runtime, GArray **ret, cordbg_error *error)
{
  cordbg_coreclr_thread_list *list = runtime->thread_list;
  GArray *ours = NULL;
  HRESULT hr = ask_list(runtime, ret, error);

  if (FAILED(hr) || (*ret)->len < 2)
    return hr;
  bool equal =
      find_layout(runtime) && SUCCEEDED(read_list(runtime, &ours, NULL)) && are_equal(ours, *ret);
  list->trust = equal ? TRUSTED : NOT_TRUSTED;
  if (ours)
    g_array_unref(ours);
  return S_OK;
}

HRESULT
cordbg_coreclr_list_threads(cordbg_runtime *runtime, GArray **ret, cordbg_error *error)
{
  cordbg_coreclr_thread_list *list = runtime->thread_list;
  uint64_t stillness = cordbg_tracer_stillness(runtime->tracer);

  if (list->trust == NONE || stillness == 0 || list->stillness != stillness) {
    GArray *found = NULL;
    HRESULT hr = list->trust == TRUSTED   ? read_list(runtime, &found, error)
                 : list->trust == UNKNOWN ? compare(runtime, &found, error)
                                          : ask_list(runtime, &found, error);
    if (FAILED(hr))
      return hr;
    g_array_unref(list->known);
    list->known = found;
    list->stillness = stillness;
    if (list->trust == NONE)
      list->trust = UNKNOWN;
  }
  *ret = g_array_ref(list->known);
  return S_OK;
}
