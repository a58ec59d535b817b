/* SPDX-License-Identifier: MIT */
/* ICorDebugClass: a type's definition, by token. */
#include "cordbg/icordebug/private.h"

static void
class_dispose(void *object)
{
  cordbg_session_unref(((cordbg_type_class *)object)->session);
}

static HRESULT
class_get_module(ICorDebugClass *This, ICorDebugModule **ret)
{
  cordbg_type_class *self = CORDBG_SELF(cordbg_type_class, This);
  cordbg_module *module;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_session_module(self->session, self->module, &module, &error);
  return CORDBG_HAND_OUT(self, hr, &error, module, as_module, ret);
}

static HRESULT
class_get_token(ICorDebugClass *This, mdTypeDef *token)
{
  cordbg_type_class *self = CORDBG_SELF(cordbg_type_class, This);
  HRESULT hr = cordbg_check(&self->child, token != NULL);
  if (SUCCEEDED(hr))
    *token = self->token;
  return hr;
}

CORDBG_VTBL(ICorDebugClass, class_vtbl, .GetModule = class_get_module, .GetToken = class_get_token);
CORDBG_VTBL(ICorDebugClass2, class2_vtbl);

static const cordbg_interface class_interfaces[] = {
    CORDBG_INTERFACE(cordbg_type_class, as_class, ICorDebugClass, class_vtbl),
    CORDBG_INTERFACE(cordbg_type_class, as_class2, ICorDebugClass2, class2_vtbl),
};

const cordbg_class cordbg_type_class_class =
    CORDBG_CLASS(cordbg_type_class, class_interfaces, class_dispose);

HRESULT
cordbg_module_type(cordbg_module *module, uint32_t token, cordbg_type_class **ret,
                   cordbg_error *error)
{
  cordbg_type_class *self = g_hash_table_lookup(module->classes, GUINT_TO_POINTER(token));
  if (self == NULL) {
    if (TypeFromToken(token) != mdtTypeDef || RidFromToken(token) == 0)
      return cordbg_error_set(error, E_INVALIDARG, 0, 0, "0x%08x is no mdTypeDef", token);
    self = cordbg_child_new(module->session, &cordbg_type_class_class);
    if (self == NULL)
      return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
    self->module = module->id;
    self->token = token;
    g_hash_table_insert(module->classes, GUINT_TO_POINTER(token), self);
  }
  *ret = self;
  return S_OK;
}
