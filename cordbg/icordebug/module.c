/* SPDX-License-Identifier: MIT */
/* ICorDebugModule: an image in a domain. */
#include "cordbg/icordebug/private.h"

#include <string.h>

static cordbg_module *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_module, This);
}

void
cordbg_loaded_image_free(void *data)
{
  cordbg_loaded_image *image = data;
  cordbg_loaded_image_forget(image);
  g_free(image->name);
  g_array_free(image->modules, TRUE);
  g_free(image);
}

static void
module_dispose(void *object)
{
  cordbg_module *self = object;
  if (self->functions != NULL)
    g_hash_table_destroy(self->functions);
  if (self->classes != NULL)
    g_hash_table_destroy(self->classes);
  g_free(self->name);
  cordbg_session_unref(self->session);
}

static HRESULT
module_get_process(ICorDebugModule *This, ICorDebugProcess **ret)
{
  return cordbg_get_process(&self_of(This)->child, ret);
}

/* 0 for a module without image bytes (a dynamic one). */
static HRESULT
module_get_base(ICorDebugModule *This, CORDB_ADDRESS *address)
{
  cordbg_module *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, address != NULL);
  if (SUCCEEDED(hr))
    *address = self->base;
  return hr;
}

static HRESULT
module_get_size(ICorDebugModule *This, ULONG32 *size)
{
  cordbg_module *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, size != NULL);
  if (SUCCEEDED(hr))
    *size = self->size > UINT32_MAX ? UINT32_MAX : (ULONG32)self->size;
  return hr;
}

static HRESULT
module_get_assembly(ICorDebugModule *This, ICorDebugAssembly **ret)
{
  cordbg_module *self = self_of(This);
  cordbg_assembly *assembly;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_session_assembly(self->session, self->assembly, &assembly, &error);
  return CORDBG_HAND_OUT(self, hr, &error, assembly, as_assembly, ret);
}

static HRESULT
module_get_name(ICorDebugModule *This, ULONG32 room, ULONG32 *length, WCHAR *name)
{
  cordbg_module *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, true);
  if (FAILED(hr))
    return hr;
  hr = cordbg_string_out_utf8(self->name, room, length, name);
  return FAILED(hr) ? cordbg_fail(hr, "there is no room for the name") : hr;
}

/* Class load callbacks are not made: switching them off is what is the case. */
static HRESULT
module_enable_class_load(ICorDebugModule *This, BOOL enable)
{
  HRESULT hr = cordbg_check(&self_of(This)->child, true);
  if (FAILED(hr))
    return hr;
  return enable ? cordbg_fail(E_NOTIMPL, "LoadClass and UnloadClass are not reported") : S_OK;
}

static HRESULT
module_get_function(ICorDebugModule *This, mdMethodDef token, ICorDebugFunction **ret)
{
  cordbg_module *self = self_of(This);
  cordbg_function *function;
  cordbg_error error;
  HRESULT hr = cordbg_enter_stopping(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_module_function(self, token, &function, &error);
  return CORDBG_HAND_OUT(self, hr, &error, function, as_function, ret);
}

static HRESULT
module_get_class(ICorDebugModule *This, mdTypeDef token, ICorDebugClass **ret)
{
  cordbg_module *self = self_of(This);
  cordbg_type_class *found;
  cordbg_error error;
  HRESULT hr = cordbg_enter_stopping(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_module_type(self, token, &found, &error);
  return CORDBG_HAND_OUT(self, hr, &error, found, as_class, ret);
}

static HRESULT
module_get_metadata(ICorDebugModule *This, REFIID iid, IUnknown **ret)
{
  cordbg_module *self = self_of(This);
  IUnknown *scope;
  cordbg_error error;
  if (ret != NULL)
    *ret = NULL;
  HRESULT hr = cordbg_enter_attached(&self->child, iid != NULL && ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_module_scope(self, &scope, &error);
  if (SUCCEEDED(hr)) {
    hr = IUnknown_QueryInterface(scope, iid, (void **)ret);
    if (FAILED(hr))
      cordbg_error_set(&error, hr, 0, 0,
                       "a module's metadata has IMetaDataImport, 2, AssemblyImport, Tables, 2 and "
                       "Info: it can be read only");
  }
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

/* Each image has one module, and its token is 1. */
static HRESULT
module_get_token(ICorDebugModule *This, mdModule *token)
{
  HRESULT hr = cordbg_check(&self_of(This)->child, token != NULL);
  if (SUCCEEDED(hr))
    *token = TokenFromRid(1, mdtModule);
  return hr;
}

static HRESULT
module_is_dynamic(ICorDebugModule *This, BOOL *dynamic)
{
  cordbg_module *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, dynamic != NULL);
  if (SUCCEEDED(hr))
    *dynamic = (self->flags & CORDBG_RT_MODULE_DYNAMIC) != 0;
  return hr;
}

static HRESULT
module_is_in_memory(ICorDebugModule *This, BOOL *in_memory)
{
  cordbg_module *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, in_memory != NULL);
  if (SUCCEEDED(hr))
    *in_memory = (self->flags & CORDBG_RT_MODULE_IN_MEMORY) != 0;
  return hr;
}

CORDBG_VTBL(ICorDebugModule, module_vtbl, .GetProcess = module_get_process,
            .GetBaseAddress = module_get_base, .GetAssembly = module_get_assembly,
            .GetName = module_get_name, .EnableClassLoadCallbacks = module_enable_class_load,
            .GetFunctionFromToken = module_get_function, .GetClassFromToken = module_get_class,
            .GetMetaDataInterface = module_get_metadata, .GetToken = module_get_token,
            .IsDynamic = module_is_dynamic, .GetSize = module_get_size,
            .IsInMemory = module_is_in_memory);
CORDBG_VTBL(ICorDebugModule2, module2_vtbl);

static const cordbg_interface module_interfaces[] = {
    CORDBG_INTERFACE(cordbg_module, as_module, ICorDebugModule, module_vtbl),
    CORDBG_INTERFACE(cordbg_module, as_module2, ICorDebugModule2, module2_vtbl),
};

const cordbg_class cordbg_module_class =
    CORDBG_CLASS(cordbg_module, module_interfaces, module_dispose);

/* ---- Identity ---- */

/* The number of the module's image: that of a module with the same identity in another domain, or a
 * new one. An image without an mvid (a dynamic one) is nobody's twin. */
static uint32_t
image_of(cordbg_session *session, const cordbg_rt_module *module)
{
  static const uint8_t none[16];
  cordbg_loaded_image *image = NULL;
  uint32_t number = 0;
  for (; number < session->images->len && image == NULL; number++) {
    cordbg_loaded_image *other = session->images->pdata[number];
    if (memcmp(module->mvid, none, sizeof none) != 0 &&
        memcmp(other->mvid, module->mvid, sizeof none) == 0 &&
        g_strcmp0(other->name, module->name) == 0)
      image = other;
  }
  if (image != NULL)
    number--;
  else {
    image = g_new0(cordbg_loaded_image, 1);
    memcpy(image->mvid, module->mvid, sizeof image->mvid);
    image->name = g_strdup(module->name);
    image->modules = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));
    g_ptr_array_add(session->images, image);
  }
  g_array_append_val(image->modules, module->id);
  return number;
}

static void
free_object(void *object)
{
  cordbg_object_unref(object);
}

HRESULT
cordbg_session_module(cordbg_session *session, cordbg_rt_id id, cordbg_module **ret,
                      cordbg_error *error)
{
  cordbg_module *self = g_hash_table_lookup(session->modules, GSIZE_TO_POINTER(id));
  cordbg_rt_module module;
  if (self == NULL) {
    if (session->runtime == NULL)
      return cordbg_error_set(error, CORDBG_E_OBJECT_NEUTERED, 0, 0, "the runtime is gone");
    HRESULT hr = session->ops->module(session->runtime, id, &module, error);
    if (FAILED(hr))
      return hr;
    self = cordbg_child_new(session, &cordbg_module_class);
    if (self == NULL)
      return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
    module.id = id;
    self->id = id;
    self->assembly = module.assembly;
    self->domain = module.domain;
    self->flags = module.flags;
    self->base = module.base;
    self->size = module.size;
    self->name = g_strdup(module.name);
    self->image = image_of(session, &module);
    self->functions = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free_object);
    self->classes = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free_object);
    g_hash_table_insert(session->modules, GSIZE_TO_POINTER(id), self);
  }
  *ret = self;
  return S_OK;
}

static void
neuter_children(GHashTable *table, HRESULT why)
{
  GHashTableIter iterator;
  void *object;
  g_hash_table_iter_init(&iterator, table);
  while (g_hash_table_iter_next(&iterator, NULL, &object)) {
    cordbg_object_neuter(object, why);
    if (((cordbg_object *)object)->type == &cordbg_function_class &&
        ((cordbg_function *)object)->il != NULL)
      cordbg_object_neuter(((cordbg_function *)object)->il, why);
  }
  g_hash_table_remove_all(table);
}

static void
neuter_codes(cordbg_session *session, cordbg_rt_id module, HRESULT why)
{
  GHashTableIter iterator;
  void *object;
  g_hash_table_iter_init(&iterator, session->codes);
  while (g_hash_table_iter_next(&iterator, NULL, &object))
    if (((cordbg_code *)object)->method.module == module) {
      cordbg_object_neuter(object, why);
      g_hash_table_iter_remove(&iterator);
    }
}

void
cordbg_module_neuter(cordbg_module *module, HRESULT why)
{
  cordbg_session *session = module->session;
  cordbg_loaded_image *image = session->images->pdata[module->image];
  cordbg_object_neuter(module, why);
  cordbg_breakpoints_module_gone(session, module, why);
  neuter_codes(session, module->id, why);
  neuter_children(module->functions, why);
  neuter_children(module->classes, why);
  for (guint i = image->modules->len; i > 0; i--)
    if (g_array_index(image->modules, cordbg_rt_id, i - 1) == module->id)
      g_array_remove_index(image->modules, i - 1);
  if (image->modules->len == 0)
    cordbg_loaded_image_forget(image);
  g_hash_table_remove(session->modules, GSIZE_TO_POINTER(module->id));
}

/* ---- cordbg_find_methods ---- */

HRESULT
cordbg_module_find_methods(ICorDebugModule *iface, const char *type, const char *method,
                           ULONG32 capacity, mdMethodDef *tokens, ULONG32 *count,
                           cordbg_error *error)
{
  cordbg_module *self = cordbg_object_from(iface, &cordbg_module_class);
  uint32_t *found = NULL;
  size_t found_count = 0;
  if (self == NULL || type == NULL || method == NULL || count == NULL ||
      (capacity > 0 && tokens == NULL))
    return cordbg_error_set(error, E_INVALIDARG, 0, 0,
                            "a module of cordbg's, a type, a method and room for the answer are "
                            "needed");
  HRESULT hr = cordbg_enter(&self->child, true);
  if (FAILED(hr)) {
    *error = *cordbg_error_last();
    return hr;
  }
  hr = self->session->ops->find_methods(self->session->runtime, self->id, type, method, &found,
                                        &found_count, error);
  cordbg_leave(&self->child);
  if (FAILED(hr))
    return hr;
  for (size_t i = 0; i < found_count && i < capacity; i++)
    tokens[i] = found[i];
  *count = (ULONG32)MIN(found_count, UINT32_MAX);
  g_free(found);
  return found_count > 0 ? S_OK : S_FALSE;
}
