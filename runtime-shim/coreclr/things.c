/* SPDX-License-Identifier: MIT */
/*
 * The domain, assemblies, modules and threads: pictures of what the DAC tells, kept between stops.
 *
 * A thing gets its id when it is first seen. One that is missing from the next picture is marked
 * gone, told, and freed when the events after that are fetched.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/coreclr-private.h"

struct cordbg_coreclr_things {
  cordbg_rt_id domain;
  char *domain_name;
  GPtrArray *modules; /* cordbg_coreclr_module */
  GPtrArray *threads; /* cordbg_coreclr_thread */
};

static void
free_module(gpointer data)
{
  cordbg_coreclr_module *module = data;

  if (module->metadata)
    cordbg_image_unref(module->metadata);
  g_free(module->name);
  g_free(module);
}

void
cordbg_coreclr_make_things(cordbg_runtime *runtime)
{
  cordbg_coreclr_things *things = g_new0(cordbg_coreclr_things, 1);

  things->domain = runtime->next_id++;
  things->modules = g_ptr_array_new_with_free_func(free_module);
  things->threads = g_ptr_array_new_with_free_func(g_free);
  runtime->things = things;
}

void
cordbg_coreclr_free_things(cordbg_runtime *runtime)
{
  g_ptr_array_unref(runtime->things->modules);
  g_ptr_array_unref(runtime->things->threads);
  g_free(runtime->things->domain_name);
  g_free(runtime->things);
  runtime->things = NULL;
}

void
cordbg_coreclr_free_retired(cordbg_runtime *runtime)
{
  GPtrArray *modules = runtime->things->modules, *threads = runtime->things->threads;

  for (guint i = modules->len; i-- > 0;)
    if (((cordbg_coreclr_module *)modules->pdata[i])->gone)
      g_ptr_array_remove_index(modules, i);
  for (guint i = threads->len; i-- > 0;)
    if (((cordbg_coreclr_thread *)threads->pdata[i])->gone)
      g_ptr_array_remove_index(threads, i);
}

static void
tell(GArray *events, cordbg_rt_event_kind kind, cordbg_rt_id id, int32_t tid)
{
  cordbg_rt_event event = {.kind = kind, .id = id, .tid = tid};

  if (events)
    g_array_append_val(events, event);
}

/* ---- Modules ---- */

cordbg_coreclr_module *
cordbg_coreclr_module_at(cordbg_runtime *runtime, uint64_t address)
{
  GPtrArray *modules = runtime->things->modules;

  for (guint i = 0; i < modules->len; i++) {
    cordbg_coreclr_module *module = modules->pdata[i];
    if (module->module == address && !module->gone)
      return module;
  }
  return NULL;
}

cordbg_coreclr_module *
cordbg_coreclr_module_by_id(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_error *error)
{
  GPtrArray *modules = runtime->things->modules;

  for (guint i = 0; i < modules->len; i++)
    if (((cordbg_coreclr_module *)modules->pdata[i])->id == id)
      return modules->pdata[i];
  cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no module with this id (any more)");
  return NULL;
}

static void
end_module(cordbg_runtime *runtime, cordbg_coreclr_module *module, GArray *events)
{
  module->gone = true;
  if (!events)
    return;
  cordbg_coreclr_free_codes_of(runtime, module->id, events);
  tell(events, CORDBG_RT_EVENT_MODULE_UNLOADED, module->id, 0);
  tell(events, CORDBG_RT_EVENT_ASSEMBLY_UNLOADED, module->assembly_id, 0);
}

void
cordbg_coreclr_end_module(cordbg_runtime *runtime, uint64_t address, GArray *events)
{
  cordbg_coreclr_module *module = cordbg_coreclr_module_at(runtime, address);

  if (module)
    end_module(runtime, module, events);
}

static const char *
name_of(const cordbg_dac_module *m)
{
  return *m->path ? m->path : *m->assembly_name ? m->assembly_name : m->name;
}

static cordbg_coreclr_module *
enter(cordbg_runtime *runtime, const cordbg_dac_module *m, GArray *events)
{
  cordbg_coreclr_module *module = cordbg_coreclr_module_at(runtime, m->module);

  /* Another one may have been put where an unloaded one was. */
  if (module && (memcmp(module->mvid, m->mvid, 16) != 0 || module->assembly != m->assembly)) {
    end_module(runtime, module, events);
    module = NULL;
  }
  if (!module) {
    module = g_new0(cordbg_coreclr_module, 1);
    module->assembly_id = runtime->next_id++;
    module->id = runtime->next_id++;
    module->module = m->module;
    module->assembly = m->assembly;
    module->flags = m->flags;
    module->name = g_strdup(name_of(m));
    memcpy(module->mvid, m->mvid, 16);
    g_ptr_array_add(runtime->things->modules, module);
    tell(events, CORDBG_RT_EVENT_ASSEMBLY_LOADED, module->assembly_id, 0);
    tell(events, CORDBG_RT_EVENT_MODULE_LOADED, module->id, 0);
  }
  if (m->size <= CORDBG_CORECLR_IMAGE_MAX) {
    module->base = m->base;
    module->size = m->size;
  }
  module->flat = m->flat;
  module->metadata_address = m->metadata;
  module->metadata_size = m->metadata_size;
  module->seen = true;
  return module;
}

cordbg_coreclr_module *
cordbg_coreclr_meet_module(cordbg_runtime *runtime, uint64_t address, GArray *events,
                           cordbg_error *error)
{
  cordbg_dac_module *m = NULL;
  cordbg_coreclr_module *module = cordbg_coreclr_module_at(runtime, address);

  if (module || cordbg_dac_module_at(runtime->dac, address, &m, error) != S_OK)
    return module;
  module = enter(runtime, m, events ? events : runtime->pending);
  g_free(m);
  return module;
}

HRESULT
cordbg_coreclr_scan_modules(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  GPtrArray *modules = runtime->things->modules;
  cordbg_dac_module *found = NULL;
  size_t count = 0;
  HRESULT hr = cordbg_dac_modules(runtime->dac, &found, &count, error);

  if (FAILED(hr))
    return hr;
  for (guint i = 0; i < modules->len; i++)
    ((cordbg_coreclr_module *)modules->pdata[i])->seen = false;
  for (size_t i = 0; i < count; i++)
    enter(runtime, &found[i], events);
  for (guint i = 0; i < modules->len; i++) {
    cordbg_coreclr_module *module = modules->pdata[i];
    if (!module->seen && !module->gone)
      end_module(runtime, module, events);
  }
  g_free(found);
  return S_OK;
}

/* ---- Threads ---- */

static cordbg_coreclr_thread *
add_thread(cordbg_runtime *runtime, uint64_t address, int32_t tid, GArray *events)
{
  cordbg_coreclr_thread *thread = g_new0(cordbg_coreclr_thread, 1);

  thread->id = runtime->next_id++;
  thread->thread = address;
  thread->tid = tid;
  g_ptr_array_add(runtime->things->threads, thread);
  tell(events, CORDBG_RT_EVENT_THREAD_STARTED, thread->id, tid);
  return thread;
}

static void
end_thread(cordbg_coreclr_thread *thread, GArray *events)
{
  thread->gone = true;
  tell(events, CORDBG_RT_EVENT_THREAD_EXITED, thread->id, thread->tid);
}

static cordbg_coreclr_thread *
thread_by_tid(const cordbg_runtime *runtime, int32_t tid)
{
  GPtrArray *threads = runtime->things->threads;

  for (guint i = 0; i < threads->len; i++) {
    cordbg_coreclr_thread *thread = threads->pdata[i];
    if (thread->tid == tid && !thread->gone)
      return thread;
  }
  return NULL;
}

bool
cordbg_coreclr_knows_thread(const cordbg_runtime *runtime, int32_t tid)
{
  return thread_by_tid(runtime, tid) != NULL;
}

void
cordbg_coreclr_meet_thread(cordbg_runtime *runtime, int32_t tid, GArray *events)
{
  add_thread(runtime, 0, tid, events);
}

void
cordbg_coreclr_end_thread(cordbg_runtime *runtime, int32_t tid, GArray *events)
{
  cordbg_coreclr_thread *thread = thread_by_tid(runtime, tid);

  if (thread)
    end_thread(thread, events);
}

/* Marks those that are there as seen, and meets new ones. */
HRESULT
cordbg_coreclr_meet_threads(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  GPtrArray *threads = runtime->things->threads;
  GArray *list = NULL;
  HRESULT hr = cordbg_coreclr_list_threads(runtime, &list, error);

  if (FAILED(hr))
    return hr;
  const cordbg_coreclr_listed *found = (const cordbg_coreclr_listed *)(const void *)list->data;
  for (guint i = 0; i < threads->len; i++)
    ((cordbg_coreclr_thread *)threads->pdata[i])->seen = false;
  for (guint i = 0; i < list->len; i++) {
    cordbg_coreclr_thread *thread = NULL;
    if (found[i].tid == 0 || found[i].tid > INT32_MAX)
      continue; /* not started, or dead */
    for (guint j = 0; j < threads->len && !thread; j++) {
      cordbg_coreclr_thread *known = threads->pdata[j];
      /* Told when it began: its Thread is seen only now. */
      if (!known->gone && known->thread == 0 && known->tid == (int32_t)found[i].tid)
        known->thread = found[i].thread;
      if (!known->gone && known->thread == found[i].thread && known->tid == (int32_t)found[i].tid)
        thread = known;
    }
    if (!thread && !cordbg_coreclr_starts_lives(runtime, (int32_t)found[i].tid))
      continue;
    if (!thread)
      thread = add_thread(runtime, found[i].thread, (int32_t)found[i].tid, events);
    thread->seen = true;
  }
  g_array_unref(list);
  return S_OK;
}

HRESULT
cordbg_coreclr_scan_threads(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  GPtrArray *threads = runtime->things->threads;
  HRESULT hr = cordbg_coreclr_meet_threads(runtime, events, error);

  for (guint i = 0; i < threads->len && SUCCEEDED(hr); i++) {
    cordbg_coreclr_thread *thread = threads->pdata[i];
    if (!thread->seen && !thread->gone)
      end_thread(thread, events);
  }
  return hr;
}

/* ---- Enumerations ---- */

static void
give(GArray *list, cordbg_rt_id **ids, size_t *count)
{
  *count = list->len;
  *ids = (cordbg_rt_id *)(void *)g_array_free(list, FALSE);
}

HRESULT
cordbg_coreclr_domains(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count,
                       cordbg_error *error)
{
  GArray *list = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));

  (void)error;
  g_array_append_val(list, runtime->things->domain);
  give(list, ids, count);
  return S_OK;
}

HRESULT
cordbg_coreclr_assemblies(cordbg_runtime *runtime, cordbg_rt_id domain, cordbg_rt_id **ids,
                          size_t *count, cordbg_error *error)
{
  GPtrArray *modules = runtime->things->modules;

  if (domain != runtime->things->domain)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no such domain");
  GArray *list = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));
  for (guint i = 0; i < modules->len; i++) {
    const cordbg_coreclr_module *module = modules->pdata[i];
    if (!module->gone)
      g_array_append_val(list, module->assembly_id);
  }
  give(list, ids, count);
  return S_OK;
}

static const cordbg_coreclr_module *
by_assembly(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_error *error)
{
  GPtrArray *modules = runtime->things->modules;

  for (guint i = 0; i < modules->len; i++)
    if (((cordbg_coreclr_module *)modules->pdata[i])->assembly_id == id)
      return modules->pdata[i];
  cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no assembly with this id (any more)");
  return NULL;
}

HRESULT
cordbg_coreclr_modules(cordbg_runtime *runtime, cordbg_rt_id assembly, cordbg_rt_id **ids,
                       size_t *count, cordbg_error *error)
{
  const cordbg_coreclr_module *module = by_assembly(runtime, assembly, error);

  if (!module)
    return E_INVALIDARG;
  GArray *list = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));
  g_array_append_val(list, module->id);
  give(list, ids, count);
  return S_OK;
}

/* Nothing notifies of a thread: a hit may be the first that is heard of one, so this looks anew. In
 * the middle of a change of the runtime's list the threads known before are the answer. */
HRESULT
cordbg_coreclr_threads(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count,
                       cordbg_error *error)
{
  GPtrArray *threads = runtime->things->threads;
  GArray *list = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));

  (void)error;
  bool anew = SUCCEEDED(cordbg_coreclr_meet_threads(runtime, runtime->pending, NULL));
  for (guint i = 0; i < threads->len; i++) {
    const cordbg_coreclr_thread *thread = threads->pdata[i];
    if (!thread->gone && (thread->seen || !anew))
      g_array_append_val(list, thread->id);
  }
  give(list, ids, count);
  return S_OK;
}

/* ---- One of them ---- */

cordbg_rt_id
cordbg_coreclr_domain_id(cordbg_runtime *runtime)
{
  return runtime->things->domain;
}

HRESULT
cordbg_coreclr_get_domain(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_domain *ret,
                          cordbg_error *error)
{
  cordbg_coreclr_things *things = runtime->things;
  cordbg_dac_domain *domain = NULL;

  if (id != things->domain)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no such domain");
  if (!things->domain_name && SUCCEEDED(cordbg_dac_get_domain(runtime->dac, &domain, NULL)) &&
      *domain->name)
    things->domain_name = g_strdup(domain->name);
  g_free(domain);
  *ret = (cordbg_rt_domain){
      .id = id, .number = 1, .name = things->domain_name ? things->domain_name : ""};
  return S_OK;
}

HRESULT
cordbg_coreclr_get_assembly(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_assembly *ret,
                            cordbg_error *error)
{
  const cordbg_coreclr_module *module = by_assembly(runtime, id, error);

  if (!module)
    return E_INVALIDARG;
  *ret = (cordbg_rt_assembly){.id = id, .domain = runtime->things->domain, .name = module->name};
  return S_OK;
}

HRESULT
cordbg_coreclr_get_module(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_module *ret,
                          cordbg_error *error)
{
  const cordbg_coreclr_module *module = cordbg_coreclr_module_by_id(runtime, id, error);

  if (!module)
    return E_INVALIDARG;
  *ret = (cordbg_rt_module){.id = id,
                            .assembly = module->assembly_id,
                            .domain = runtime->things->domain,
                            .flags = module->flags,
                            .name = module->name,
                            .base = module->base,
                            .size = module->size};
  memcpy(ret->mvid, module->mvid, sizeof(ret->mvid));
  return S_OK;
}

HRESULT
cordbg_coreclr_get_thread(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_thread *ret,
                          cordbg_error *error)
{
  GPtrArray *threads = runtime->things->threads;

  for (guint i = 0; i < threads->len; i++) {
    const cordbg_coreclr_thread *thread = threads->pdata[i];
    if (thread->id == id) {
      *ret = (cordbg_rt_thread){.id = id, .domain = runtime->things->domain, .tid = thread->tid};
      return S_OK;
    }
  }
  return cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no thread with this id (any more)");
}
