/* SPDX-License-Identifier: MIT */
/* ICorDebugAppDomain. Its controller methods are its process's (controller.c). */
#include "cordbg/icordebug/private.h"

static cordbg_domain *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_domain, This);
}

static void
domain_dispose(void *object)
{
  cordbg_domain *self = object;
  g_free(self->name);
  cordbg_session_unref(self->session);
}

static HRESULT
domain_get_process(ICorDebugAppDomain *This, ICorDebugProcess **ret)
{
  return cordbg_get_process(&self_of(This)->child, ret);
}

static HRESULT
find_assembly(cordbg_session *session, cordbg_rt_id id, void **iface, cordbg_error *error)
{
  cordbg_assembly *assembly;
  HRESULT hr = cordbg_session_assembly(session, id, &assembly, error);
  if (SUCCEEDED(hr))
    *iface = &assembly->as_assembly.iface;
  return hr;
}

static HRESULT
domain_enumerate_assemblies(ICorDebugAppDomain *This, ICorDebugAssemblyEnum **ret)
{
  cordbg_domain *self = self_of(This);
  cordbg_session *session = self->session;
  cordbg_rt_id *ids = NULL;
  size_t count = 0;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = session->ops->assemblies(session->runtime, self->id, &ids, &count, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_enumerate_ids(session, &IID_ICorDebugAssemblyEnum, ids, count, find_assembly,
                              (void **)ret, &error);
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

/* The active breakpoints whose function belongs to the domain. */
static HRESULT
domain_enumerate_breakpoints(ICorDebugAppDomain *This, ICorDebugBreakpointEnum **ret)
{
  cordbg_domain *self = self_of(This);
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  GPtrArray *found = g_ptr_array_new();
  for (guint i = 0; i < self->session->breakpoints->len; i++) {
    cordbg_breakpoint *breakpoint = self->session->breakpoints->pdata[i];
    if (breakpoint->domain == self->id)
      g_ptr_array_add(found, &breakpoint->as_breakpoint.iface);
  }
  hr = cordbg_enumerator_new_objects(&IID_ICorDebugBreakpointEnum, found->pdata, found->len,
                                     (void **)ret);
  g_ptr_array_free(found, TRUE);
  cordbg_leave(&self->child);
  return FAILED(hr) ? cordbg_fail(hr, "the enumerator could not be made") : S_OK;
}

static HRESULT
domain_module_of_metadata(ICorDebugAppDomain *This, IUnknown *metadata, ICorDebugModule **ret)
{
  cordbg_domain *self = self_of(This);
  cordbg_module *module;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, metadata != NULL && ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_session_module_of_metadata(self->session, self->id, metadata, &module, &error);
  return CORDBG_HAND_OUT(self, hr, &error, module, as_module, ret);
}

/* There are no steppers yet, hence an empty enumeration. */
static HRESULT
domain_enumerate_steppers(ICorDebugAppDomain *This, ICorDebugStepperEnum **ret)
{
  cordbg_domain *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_enumerator_new_objects(&IID_ICorDebugStepperEnum, NULL, 0, (void **)ret);
  return FAILED(hr) ? cordbg_fail(hr, "the enumerator could not be made") : S_OK;
}

static HRESULT
domain_is_attached(ICorDebugAppDomain *This, BOOL *attached)
{
  cordbg_domain *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, attached != NULL);
  if (SUCCEEDED(hr))
    *attached = TRUE;
  return hr;
}

/* All domains are attached with their process. */
static HRESULT
domain_attach(ICorDebugAppDomain *This)
{
  return cordbg_check(&self_of(This)->child, true);
}

static HRESULT
domain_get_name(ICorDebugAppDomain *This, ULONG32 room, ULONG32 *length, WCHAR *name)
{
  cordbg_domain *self = self_of(This);
  cordbg_session *session = self->session;
  HRESULT hr = cordbg_enter_attached(&self->child, true);
  if (FAILED(hr))
    return hr;
  /* A domain gets its friendly name after it was created: asked again where that is possible. */
  cordbg_rt_domain now;
  if (session->stop_count > 0 && session->runtime != NULL &&
      SUCCEEDED(session->ops->domain(session->runtime, self->id, &now, NULL)) &&
      g_strcmp0(now.name, self->name) != 0) {
    g_free(self->name);
    self->name = g_strdup(now.name);
  }
  hr = cordbg_string_out_utf8(self->name, room, length, name);
  cordbg_leave(&self->child);
  return FAILED(hr) ? cordbg_fail(hr, "there is no room for the name") : hr;
}

static HRESULT
domain_get_id(ICorDebugAppDomain *This, ULONG32 *id)
{
  cordbg_domain *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, id != NULL);
  if (SUCCEEDED(hr))
    *id = self->number;
  return hr;
}

CORDBG_VTBL(ICorDebugAppDomain, domain_vtbl, CORDBG_CONTROLLER_SLOTS(ICorDebugAppDomain),
            .GetProcess = domain_get_process,
            .GetModuleFromMetaDataInterface = domain_module_of_metadata,
            .EnumerateAssemblies = domain_enumerate_assemblies,
            .EnumerateBreakpoints = domain_enumerate_breakpoints,
            .EnumerateSteppers = domain_enumerate_steppers, .IsAttached = domain_is_attached,
            .GetName = domain_get_name, .Attach = domain_attach, .GetID = domain_get_id);
CORDBG_VTBL(ICorDebugAppDomain2, domain2_vtbl);

static const cordbg_interface domain_interfaces[] = {
    CORDBG_INTERFACE(cordbg_domain, as_domain, ICorDebugAppDomain, domain_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_domain, as_domain, ICorDebugController, domain_vtbl),
    CORDBG_INTERFACE(cordbg_domain, as_domain2, ICorDebugAppDomain2, domain2_vtbl),
};

const cordbg_class cordbg_domain_class =
    CORDBG_CLASS(cordbg_domain, domain_interfaces, domain_dispose);

HRESULT
cordbg_session_domain(cordbg_session *session, cordbg_rt_id id, cordbg_domain **ret,
                      cordbg_error *error)
{
  cordbg_domain *self = g_hash_table_lookup(session->domains, GSIZE_TO_POINTER(id));
  cordbg_rt_domain domain;
  if (self == NULL) {
    if (session->runtime == NULL)
      return cordbg_error_set(error, CORDBG_E_OBJECT_NEUTERED, 0, 0, "the runtime is gone");
    HRESULT hr = session->ops->domain(session->runtime, id, &domain, error);
    if (FAILED(hr))
      return hr;
    self = cordbg_child_new(session, &cordbg_domain_class);
    if (self == NULL)
      return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
    self->id = id;
    self->number = domain.number;
    self->name = g_strdup(domain.name);
    g_hash_table_insert(session->domains, GSIZE_TO_POINTER(id), self);
  }
  *ret = self;
  return S_OK;
}

/* Neuters the objects of a table for which belongs says so. */
static void
neuter_where(GHashTable *table, bool (*belongs)(const void *object, cordbg_rt_id domain),
             cordbg_rt_id domain, void (*neuter)(void *object, HRESULT why), HRESULT why)
{
  GPtrArray *found = g_ptr_array_new();
  GHashTableIter iterator;
  void *object;
  g_hash_table_iter_init(&iterator, table);
  while (g_hash_table_iter_next(&iterator, NULL, &object))
    if (belongs(object, domain))
      g_ptr_array_add(found, object);
  for (guint i = 0; i < found->len; i++)
    neuter(found->pdata[i], why);
  g_ptr_array_free(found, TRUE);
}

static bool
module_belongs(const void *object, cordbg_rt_id domain)
{
  return ((const cordbg_module *)object)->domain == domain;
}

static bool
assembly_belongs(const void *object, cordbg_rt_id domain)
{
  return ((const cordbg_assembly *)object)->domain == domain;
}

static void
neuter_module(void *object, HRESULT why)
{
  cordbg_module_neuter(object, why);
}

static void
neuter_assembly(void *object, HRESULT why)
{
  cordbg_assembly_neuter(object, why);
}

void
cordbg_domain_neuter(cordbg_domain *domain, HRESULT why)
{
  cordbg_session *session = domain->session;
  cordbg_object_neuter(domain, why);
  /* What the runtime did not say was unloaded with it. */
  neuter_where(session->modules, module_belongs, domain->id, neuter_module, why);
  neuter_where(session->assemblies, assembly_belongs, domain->id, neuter_assembly, why);
  g_hash_table_remove(session->domains, GSIZE_TO_POINTER(domain->id));
}
