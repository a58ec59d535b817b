/* SPDX-License-Identifier: MIT */
/* ICorDebugAssembly. */
#include "cordbg/icordebug/private.h"

static cordbg_assembly *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_assembly, This);
}

static void
assembly_dispose(void *object)
{
  cordbg_assembly *self = object;
  g_free(self->name);
  cordbg_session_unref(self->session);
}

static HRESULT
assembly_get_process(ICorDebugAssembly *This, ICorDebugProcess **ret)
{
  return cordbg_get_process(&self_of(This)->child, ret);
}

static HRESULT
assembly_get_domain(ICorDebugAssembly *This, ICorDebugAppDomain **ret)
{
  cordbg_assembly *self = self_of(This);
  cordbg_domain *domain;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_session_domain(self->session, self->domain, &domain, &error);
  return CORDBG_HAND_OUT(self, hr, &error, domain, as_domain, ret);
}

static HRESULT
find_module(cordbg_session *session, cordbg_rt_id id, void **iface, cordbg_error *error)
{
  cordbg_module *module;
  HRESULT hr = cordbg_session_module(session, id, &module, error);
  if (SUCCEEDED(hr))
    *iface = &module->as_module.iface;
  return hr;
}

static HRESULT
assembly_enumerate_modules(ICorDebugAssembly *This, ICorDebugModuleEnum **ret)
{
  cordbg_assembly *self = self_of(This);
  cordbg_session *session = self->session;
  cordbg_rt_id *ids = NULL;
  size_t count = 0;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = session->ops->modules(session->runtime, self->id, &ids, &count, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_enumerate_ids(session, &IID_ICorDebugModuleEnum, ids, count, find_module,
                              (void **)ret, &error);
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
assembly_get_name(ICorDebugAssembly *This, ULONG32 room, ULONG32 *length, WCHAR *name)
{
  cordbg_assembly *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, true);
  if (FAILED(hr))
    return hr;
  hr = cordbg_string_out_utf8(self->name, room, length, name);
  return FAILED(hr) ? cordbg_fail(hr, "there is no room for the name") : hr;
}

CORDBG_VTBL(ICorDebugAssembly, assembly_vtbl, .GetProcess = assembly_get_process,
            .GetAppDomain = assembly_get_domain, .EnumerateModules = assembly_enumerate_modules,
            .GetName = assembly_get_name);
CORDBG_VTBL(ICorDebugAssembly2, assembly2_vtbl);

static const cordbg_interface assembly_interfaces[] = {
    CORDBG_INTERFACE(cordbg_assembly, as_assembly, ICorDebugAssembly, assembly_vtbl),
    CORDBG_INTERFACE(cordbg_assembly, as_assembly2, ICorDebugAssembly2, assembly2_vtbl),
};

const cordbg_class cordbg_assembly_class =
    CORDBG_CLASS(cordbg_assembly, assembly_interfaces, assembly_dispose);

HRESULT
cordbg_session_assembly(cordbg_session *session, cordbg_rt_id id, cordbg_assembly **ret,
                        cordbg_error *error)
{
  cordbg_assembly *self = g_hash_table_lookup(session->assemblies, GSIZE_TO_POINTER(id));
  cordbg_rt_assembly assembly;
  if (self == NULL) {
    if (session->runtime == NULL)
      return cordbg_error_set(error, CORDBG_E_OBJECT_NEUTERED, 0, 0, "the runtime is gone");
    HRESULT hr = session->ops->assembly(session->runtime, id, &assembly, error);
    if (FAILED(hr))
      return hr;
    self = cordbg_child_new(session, &cordbg_assembly_class);
    if (self == NULL)
      return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
    self->id = id;
    self->domain = assembly.domain;
    self->name = g_strdup(assembly.name);
    g_hash_table_insert(session->assemblies, GSIZE_TO_POINTER(id), self);
  }
  *ret = self;
  return S_OK;
}

void
cordbg_assembly_neuter(cordbg_assembly *assembly, HRESULT why)
{
  cordbg_object_neuter(assembly, why);
  g_hash_table_remove(assembly->session->assemblies, GSIZE_TO_POINTER(assembly->id));
}
