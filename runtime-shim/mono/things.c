/* SPDX-License-Identifier: MIT */
/*
 * Domains, assemblies, modules and threads: the shim's picture of them, brought up to date by
 * reading the runtime's own lists. The agent's log only says that a list is worth reading, so a
 * record lost costs time and nothing else.
 *
 * An object's life: made by a scan (an event tells of it) -> gone (an event tells of that; it
 * still answers) -> retired and freed when the next events are fetched.
 *
 * Mono shares one MonoAssembly and MonoImage among the domains that loaded the same file. Here
 * each domain has its own assembly and module, as ICorDebug has them.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/mono/emitted.h"
#include "runtime-shim/mono/mono-private.h"

/* ---- Bookkeeping ---- */

static void
free_domain(void *data)
{
  cordbg_mono_domain *domain = data;

  g_free(domain->name);
  g_free(domain);
}

static void
free_module(void *data)
{
  cordbg_mono_module *module = data;

  if (module->metadata)
    cordbg_image_unref(module->metadata);
  cordbg_mono_emitted_free(module->emitted);
  g_free(module->name);
  g_free(module);
}

void
cordbg_mono_make_things(cordbg_runtime *runtime)
{
  runtime->domains = g_ptr_array_new();
  runtime->modules = g_ptr_array_new();
  runtime->threads = g_ptr_array_new();
  runtime->domain_ids = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_domain);
  runtime->module_ids = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_module);
  runtime->assembly_ids = g_hash_table_new(g_int64_hash, g_int64_equal);
  runtime->thread_ids = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  runtime->retired = g_array_new(FALSE, FALSE, sizeof(cordbg_mono_retired));
}

void
cordbg_mono_free_things(cordbg_runtime *runtime)
{
  g_ptr_array_unref(runtime->domains);
  g_ptr_array_unref(runtime->modules);
  g_ptr_array_unref(runtime->threads);
  g_hash_table_unref(runtime->assembly_ids);
  g_hash_table_unref(runtime->module_ids);
  g_hash_table_unref(runtime->domain_ids);
  g_hash_table_unref(runtime->thread_ids);
  g_array_unref(runtime->retired);
}

void
cordbg_mono_retire(cordbg_runtime *runtime, GHashTable *ids, cordbg_rt_id id)
{
  cordbg_mono_retired entry = {ids, id};

  g_array_append_val(runtime->retired, entry);
}

void
cordbg_mono_free_retired(cordbg_runtime *runtime)
{
  for (guint i = 0; i < runtime->retired->len; i++) {
    const cordbg_mono_retired *entry = &g_array_index(runtime->retired, cordbg_mono_retired, i);
    if (entry->ids == runtime->module_ids) {
      const cordbg_mono_module *module = g_hash_table_lookup(entry->ids, &entry->id);
      if (module && !module->extra)
        g_hash_table_remove(runtime->assembly_ids, &module->assembly_id);
    }
    g_hash_table_remove(entry->ids, &entry->id);
  }
  g_array_set_size(runtime->retired, 0);
}

void
cordbg_mono_add_event(GArray *events, cordbg_rt_event_kind kind, int32_t tid, cordbg_rt_id id)
{
  cordbg_rt_event event = {.kind = kind, .tid = tid, .id = id};

  if (events)
    g_array_append_val(events, event);
}

cordbg_mono_domain *
cordbg_mono_domain_at(cordbg_runtime *runtime, uint64_t address)
{
  for (guint i = 0; i < runtime->domains->len; i++) {
    cordbg_mono_domain *domain = runtime->domains->pdata[i];
    if (domain->address == address)
      return domain;
  }
  return NULL;
}

cordbg_mono_module *
cordbg_mono_module_of(cordbg_runtime *runtime, const cordbg_mono_domain *domain, uint64_t image)
{
  for (guint i = 0; i < runtime->modules->len; i++) {
    cordbg_mono_module *module = runtime->modules->pdata[i];
    if (module->image == image && module->domain == domain)
      return module;
  }
  return NULL;
}

/* ---- Ends ---- */

static void
forget_image_if_last(cordbg_runtime *runtime, uint64_t image)
{
  for (guint i = 0; i < runtime->modules->len; i++)
    if (((cordbg_mono_module *)runtime->modules->pdata[i])->image == image)
      return;
  cordbg_mono_forget_wanted(runtime, image);
}

static void
end_module(cordbg_runtime *runtime, cordbg_mono_module *module, GArray *events)
{
  cordbg_mono_add_event(events, CORDBG_RT_EVENT_MODULE_UNLOADED, 0, module->id);
  if (!module->extra)
    cordbg_mono_add_event(events, CORDBG_RT_EVENT_ASSEMBLY_UNLOADED, 0, module->assembly_id);
  module->gone = true;
  g_ptr_array_remove(runtime->modules, module);
  forget_image_if_last(runtime, module->image);
  cordbg_mono_retire(runtime, runtime->module_ids, module->id);
}

void
cordbg_mono_end_domain(cordbg_runtime *runtime, uint64_t address, GArray *events)
{
  cordbg_mono_domain *domain = cordbg_mono_domain_at(runtime, address);

  if (!domain)
    return;
  cordbg_mono_end_codes_of_domain(runtime, address, events);
  for (guint i = runtime->modules->len; i > 0; i--) {
    cordbg_mono_module *module = runtime->modules->pdata[i - 1];
    if (module->domain == domain)
      end_module(runtime, module, events);
  }
  cordbg_mono_add_event(events, CORDBG_RT_EVENT_DOMAIN_UNLOADED, 0, domain->id);
  domain->gone = true;
  g_ptr_array_remove(runtime->domains, domain);
  cordbg_mono_retire(runtime, runtime->domain_ids, domain->id);
}

static void
end_thread(cordbg_mono_thread *thread, GArray *events)
{
  cordbg_mono_add_event(events, CORDBG_RT_EVENT_THREAD_EXITED, thread->tid, thread->id);
  thread->gone = true;
}

void
cordbg_mono_end_thread(cordbg_runtime *runtime, uint64_t pthread, int32_t tid, GArray *events)
{
  for (guint i = 0; i < runtime->threads->len; i++) {
    cordbg_mono_thread *thread = runtime->threads->pdata[i];
    if (thread->pthread == pthread && thread->tid == tid && !thread->ended) {
      thread->ended = true;
      end_thread(thread, events);
      return;
    }
  }
}

/* ---- Scans ---- */

static void
add_domain(cordbg_runtime *runtime, uint64_t address, uint32_t number, GArray *events)
{
  uint64_t name;

  /* The name comes last in a domain's making: without it the domain is not told of yet. */
  if (!cordbg_mono_read_word(runtime, address + runtime->layout.domain_name, &name) || !name)
    return;
  cordbg_mono_domain *domain = g_new0(cordbg_mono_domain, 1);
  domain->address = address;
  domain->number = number + 1;
  domain->name = cordbg_mono_read_string(runtime, name);
  if (!domain->name)
    domain->name = g_strdup("");
  domain->seen = true;
  domain->id = runtime->next_id++;
  g_hash_table_insert(runtime->domain_ids, &domain->id, domain);
  g_ptr_array_add(runtime->domains, domain);
  cordbg_mono_add_event(events, CORDBG_RT_EVENT_DOMAIN_CREATED, 0, domain->id);
}

HRESULT
cordbg_mono_scan_domains(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  HRESULT hr = cordbg_mono_read_block(runtime, error);

  if (FAILED(hr))
    return hr;
  for (guint i = 0; i < runtime->domains->len; i++)
    ((cordbg_mono_domain *)runtime->domains->pdata[i])->seen = false;
  for (uint32_t i = 0; i < CORDBG_AGENT_DOMAINS; i++) {
    const cordbg_agent_domain *slot = &runtime->block.domains[i];
    uint64_t address = slot->domain;
    cordbg_mono_domain *known = address ? cordbg_mono_domain_at(runtime, address) : NULL;
    if (known && known->number != slot->number + 1) { /* another one at its address */
      cordbg_mono_end_domain(runtime, address, events);
      known = NULL;
    }
    if (known)
      known->seen = true;
    else if (address && slot->named)
      add_domain(runtime, address, slot->number, events);
  }
  for (guint i = runtime->domains->len; i > 0; i--) {
    cordbg_mono_domain *domain = runtime->domains->pdata[i - 1];
    if (!domain->seen)
      cordbg_mono_end_domain(runtime, domain->address, events);
  }
  return S_OK;
}

void
cordbg_mono_parse_guid(const char *text, uint8_t ret[16])
{
  static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

  for (unsigned i = 0; i < 16 && text; i++) {
    if (*text == '-')
      text++;
    int high = text[0] ? g_ascii_xdigit_value(text[0]) : -1;
    int low = high >= 0 ? g_ascii_xdigit_value(text[1]) : -1;
    if (low < 0) {
      memset(ret, 0, 16);
      return;
    }
    ret[order[i]] = (uint8_t)(high << 4 | low);
    text += 2;
  }
}

/* The file's path; the simple name of what has no file. */
static char *
module_name(cordbg_runtime *runtime, uint64_t assembly, uint64_t image)
{
  const uint64_t members[] = {image + runtime->layout.image_name,
                              assembly + runtime->layout.assembly_name};

  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    uint64_t address;
    char *name = cordbg_mono_read_word(runtime, members[i], &address)
                     ? cordbg_mono_read_string(runtime, address)
                     : NULL;
    if (name && *name)
      return name;
    g_free(name);
  }
  return g_strdup("");
}

static cordbg_mono_module *
make_module(cordbg_runtime *runtime, cordbg_mono_domain *domain, uint64_t assembly, uint64_t image)
{
  const cordbg_mono_layout *layout = &runtime->layout;
  struct {
    uint64_t data;
    uint32_t size;
  } raw = {0, 0};
  uint64_t guid = 0;

  cordbg_mono_read(runtime, image + layout->image_raw, &raw, 12, NULL);
  cordbg_mono_read_word(runtime, image + layout->image_guid, &guid);
  cordbg_mono_module *module = g_new0(cordbg_mono_module, 1);
  module->domain = domain;
  module->domain_id = domain->id;
  module->assembly = assembly;
  module->image = image;
  module->base = raw.data;
  module->size = raw.data ? raw.size : 0;
  module->name = module_name(runtime, assembly, image);
  g_autofree char *text = guid ? cordbg_mono_read_string(runtime, guid) : NULL;
  if (text)
    cordbg_mono_parse_guid(text, module->mvid);
  if (image == runtime->block.corlib_image)
    module->flags |= CORDBG_RT_MODULE_CORE_LIBRARY;
  if (!module->base)
    module->flags |= CORDBG_RT_MODULE_DYNAMIC;
  else if (!strchr(module->name, '/'))
    module->flags |= CORDBG_RT_MODULE_IN_MEMORY;
  module->seen = true;
  return module;
}

static void
add_module(cordbg_runtime *runtime, cordbg_mono_domain *domain, uint64_t assembly, uint64_t image,
           GArray *events)
{
  cordbg_mono_module *module = make_module(runtime, domain, assembly, image);

  module->assembly_id = runtime->next_id++;
  module->id = runtime->next_id++;
  g_hash_table_insert(runtime->assembly_ids, &module->assembly_id, module);
  g_hash_table_insert(runtime->module_ids, &module->id, module);
  g_ptr_array_add(runtime->modules, module);
  cordbg_mono_add_event(events, CORDBG_RT_EVENT_ASSEMBLY_LOADED, 0, module->assembly_id);
  cordbg_mono_add_event(events, CORDBG_RT_EVENT_MODULE_LOADED, 0, module->id);
}

static cordbg_mono_module *
first_module_of(cordbg_runtime *runtime, const cordbg_mono_domain *domain, uint64_t assembly)
{
  for (guint i = 0; i < runtime->modules->len; i++) {
    cordbg_mono_module *module = runtime->modules->pdata[i];
    if (module->assembly == assembly && module->domain == domain && !module->extra)
      return module;
  }
  return NULL;
}

cordbg_mono_module *
cordbg_mono_meet_module(cordbg_runtime *runtime, cordbg_mono_domain *domain, uint64_t image,
                        GArray *events)
{
  cordbg_mono_module *module = cordbg_mono_module_of(runtime, domain, image);
  uint64_t assembly;

  if (module || !image ||
      !cordbg_mono_read_word(runtime, image + runtime->layout.image_assembly, &assembly))
    return module;
  const cordbg_mono_module *first = first_module_of(runtime, domain, assembly);
  if (!first)
    return NULL;
  module = make_module(runtime, domain, assembly, image);
  module->extra = true;
  module->assembly_id = first->assembly_id;
  module->id = runtime->next_id++;
  g_hash_table_insert(runtime->module_ids, &module->id, module);
  g_ptr_array_add(runtime->modules, module);
  cordbg_mono_add_event(events, CORDBG_RT_EVENT_MODULE_LOADED, 0, module->id);
  return module;
}

/* Follows MonoDomain.domain_assemblies. A list that cannot be read leaves the modules as known. */
static HRESULT
scan_modules_of(cordbg_runtime *runtime, cordbg_mono_domain *domain, GArray *events,
                cordbg_error *error)
{
  uint64_t link[2] = {0, 0};
  HRESULT hr = cordbg_mono_read(runtime, domain->address + runtime->layout.domain_assemblies,
                                &link[1], 8, error);

  domain->first_node = link[1];
  domain->last_node = 0;
  for (unsigned i = 0; SUCCEEDED(hr) && link[1] && i < CORDBG_MONO_ASSEMBLIES_MAX; i++) {
    uint64_t image;
    domain->last_node = link[1];
    hr = cordbg_mono_read(runtime, link[1], link, sizeof(link), error);
    if (SUCCEEDED(hr))
      hr = cordbg_mono_read(runtime, link[0] + runtime->layout.assembly_image, &image, 8, error);
    if (FAILED(hr) || !image)
      continue;
    cordbg_mono_module *known = cordbg_mono_module_of(runtime, domain, image);
    if (known)
      known->seen = true;
    else
      add_module(runtime, domain, link[0], image, events);
  }
  return hr;
}

bool
cordbg_mono_modules_changed(cordbg_runtime *runtime)
{
  for (guint i = 0; i < runtime->domains->len; i++) {
    const cordbg_mono_domain *domain = runtime->domains->pdata[i];
    uint64_t first, next = 0;
    if (!cordbg_mono_read_word(runtime, domain->address + runtime->layout.domain_assemblies,
                               &first) ||
        first != domain->first_node)
      return true;
    if (domain->last_node &&
        (!cordbg_mono_read_word(runtime, domain->last_node + 8, &next) || next))
      return true;
  }
  return false;
}

HRESULT
cordbg_mono_scan_modules(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  HRESULT hr = S_OK;

  for (guint i = 0; i < runtime->modules->len; i++)
    ((cordbg_mono_module *)runtime->modules->pdata[i])->seen = false;
  for (guint i = 0; SUCCEEDED(hr) && i < runtime->domains->len; i++)
    hr = scan_modules_of(runtime, runtime->domains->pdata[i], events, error);
  for (guint i = runtime->modules->len; SUCCEEDED(hr) && i > 0; i--) {
    cordbg_mono_module *module = runtime->modules->pdata[i - 1];
    const cordbg_mono_module *first =
        module->extra ? g_hash_table_lookup(runtime->assembly_ids, &module->assembly_id) : module;
    if (!first || !first->seen)
      end_module(runtime, module, events);
  }
  return hr;
}

static cordbg_mono_thread *
known_thread(cordbg_runtime *runtime, uint64_t pthread, int32_t tid)
{
  for (guint i = 0; i < runtime->threads->len; i++) {
    cordbg_mono_thread *thread = runtime->threads->pdata[i];
    if (thread->pthread == pthread && thread->tid == tid)
      return thread;
  }
  return NULL;
}

static void
see_thread(cordbg_runtime *runtime, uint64_t info, uint64_t pthread, GArray *events)
{
  uint64_t internal = 1;
  int32_t tid = 0;

  if (runtime->layout.has_tls &&
      !cordbg_mono_read_word(runtime, pthread + (int64_t)runtime->layout.tls_thread, &internal))
    return;
  /* Without a managed thread object: a thread of the runtime's own, or the agent's. */
  if (!internal ||
      cordbg_mono_read(runtime, pthread + runtime->layout.pthread_tid, &tid, 4, NULL) != S_OK ||
      tid <= 0 || tid == runtime->block.service_tid)
    return;
  cordbg_mono_thread *thread = known_thread(runtime, pthread, tid);
  if (!thread) {
    thread = g_new0(cordbg_mono_thread, 1);
    thread->info = info;
    thread->pthread = pthread;
    thread->tid = tid;
    thread->id = runtime->next_id++;
    g_hash_table_insert(runtime->thread_ids, &thread->id, thread);
    g_ptr_array_add(runtime->threads, thread);
    cordbg_mono_add_event(events, CORDBG_RT_EVENT_THREAD_STARTED, tid, thread->id);
  }
  thread->seen = true;
}

/* The runtime's list of threads: lock-free, {next, pthread_t}, marks in next's low bits. */
HRESULT
cordbg_mono_scan_threads(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  uint64_t node = runtime->block.service_info;

  for (guint i = 0; i < runtime->threads->len; i++)
    ((cordbg_mono_thread *)runtime->threads->pdata[i])->seen = false;
  for (unsigned i = 0; node && i < CORDBG_MONO_THREADS_MAX; i++) {
    uint64_t link[2];
    HRESULT hr = cordbg_mono_read(runtime, node, link, sizeof(link), error);
    if (FAILED(hr))
      return hr;
    see_thread(runtime, node, link[1], events);
    node = link[0] & ~3ull;
  }
  for (guint i = runtime->threads->len; i > 0; i--) {
    cordbg_mono_thread *thread = runtime->threads->pdata[i - 1];
    if (thread->seen)
      continue;
    if (!thread->ended)
      end_thread(thread, events);
    g_ptr_array_remove(runtime->threads, thread);
    cordbg_mono_retire(runtime, runtime->thread_ids, thread->id);
  }
  return S_OK;
}

/* ---- Queries ---- */

static HRESULT
no_such(cordbg_error *error, const char *what, cordbg_rt_id id)
{
  return cordbg_error_set(error, E_INVALIDARG, 0, 0, "no %s has the id %" G_GUINT64_FORMAT, what,
                          (guint64)id);
}

static void
give_ids(GArray *ids, cordbg_rt_id **ret, size_t *count)
{
  *count = ids->len;
  *ret = (cordbg_rt_id *)(void *)g_array_free(ids, FALSE);
}

HRESULT
cordbg_mono_domains(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count, cordbg_error *error)
{
  GArray *found = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));

  (void)error;
  for (guint i = 0; i < runtime->domains->len; i++)
    g_array_append_val(found, ((cordbg_mono_domain *)runtime->domains->pdata[i])->id);
  give_ids(found, ids, count);
  return S_OK;
}

HRESULT
cordbg_mono_assemblies(cordbg_runtime *runtime, cordbg_rt_id domain, cordbg_rt_id **ids,
                       size_t *count, cordbg_error *error)
{
  const cordbg_mono_domain *owner = g_hash_table_lookup(runtime->domain_ids, &domain);

  if (!owner)
    return no_such(error, "application domain", domain);
  GArray *found = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));
  for (guint i = 0; i < runtime->modules->len; i++) {
    cordbg_mono_module *module = runtime->modules->pdata[i];
    if (module->domain == owner)
      g_array_append_val(found, module->assembly_id);
  }
  give_ids(found, ids, count);
  return S_OK;
}

HRESULT
cordbg_mono_modules(cordbg_runtime *runtime, cordbg_rt_id assembly, cordbg_rt_id **ids,
                    size_t *count, cordbg_error *error)
{
  const cordbg_mono_module *first = g_hash_table_lookup(runtime->assembly_ids, &assembly);

  if (!first)
    return no_such(error, "assembly", assembly);
  GArray *found = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));
  for (guint i = 0; i < runtime->modules->len; i++) {
    const cordbg_mono_module *module = runtime->modules->pdata[i];
    if (module->assembly_id == assembly)
      g_array_append_val(found, module->id);
  }
  give_ids(found, ids, count);
  return S_OK;
}

HRESULT
cordbg_mono_threads(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count, cordbg_error *error)
{
  GArray *found = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));

  (void)error;
  for (guint i = 0; i < runtime->threads->len; i++) {
    cordbg_mono_thread *thread = runtime->threads->pdata[i];
    if (!thread->gone)
      g_array_append_val(found, thread->id);
  }
  give_ids(found, ids, count);
  return S_OK;
}

HRESULT
cordbg_mono_get_domain(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_domain *ret,
                       cordbg_error *error)
{
  const cordbg_mono_domain *domain = g_hash_table_lookup(runtime->domain_ids, &id);

  if (!domain)
    return no_such(error, "application domain", id);
  *ret = (cordbg_rt_domain){.id = id, .number = domain->number, .name = domain->name};
  return S_OK;
}

HRESULT
cordbg_mono_get_assembly(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_assembly *ret,
                         cordbg_error *error)
{
  const cordbg_mono_module *module = g_hash_table_lookup(runtime->assembly_ids, &id);

  if (!module)
    return no_such(error, "assembly", id);
  *ret = (cordbg_rt_assembly){.id = id, .domain = module->domain_id, .name = module->name};
  return S_OK;
}

cordbg_mono_module *
cordbg_mono_module_by_id(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_error *error)
{
  cordbg_mono_module *module = g_hash_table_lookup(runtime->module_ids, &id);

  if (!module)
    no_such(error, "module", id);
  return module;
}

HRESULT
cordbg_mono_get_module(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_module *ret,
                       cordbg_error *error)
{
  const cordbg_mono_module *module = cordbg_mono_module_by_id(runtime, id, error);

  if (!module)
    return E_INVALIDARG;
  *ret = (cordbg_rt_module){.id = id,
                            .assembly = module->assembly_id,
                            .domain = module->domain_id,
                            .flags = module->flags,
                            .name = module->name,
                            .base = module->base,
                            .size = module->size};
  memcpy(ret->mvid, module->mvid, sizeof(ret->mvid));
  return S_OK;
}

HRESULT
cordbg_mono_get_thread(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_thread *ret,
                       cordbg_error *error)
{
  const cordbg_mono_thread *thread = g_hash_table_lookup(runtime->thread_ids, &id);
  const cordbg_mono_domain *domain = NULL;
  uint64_t address = 0;

  if (!thread)
    return no_such(error, "thread", id);
  if (runtime->layout.has_tls && !thread->gone &&
      cordbg_mono_read_word(runtime, thread->pthread + (int64_t)runtime->layout.tls_domain,
                            &address))
    domain = cordbg_mono_domain_at(runtime, address);
  /* A thread on its way out, or in a domain that is: the root domain's, which is never unloaded. */
  if (!domain)
    domain = cordbg_mono_domain_at(runtime, runtime->block.root_domain);
  *ret = (cordbg_rt_thread){.id = id, .domain = domain ? domain->id : 0, .tid = thread->tid};
  return S_OK;
}
