/* SPDX-License-Identifier: MIT */
/*
 * How many arguments and local variables a frame's method has. There are no values yet: the
 * enumerators count, and Next answers E_NOTIMPL for what would come. Adapters ask for the count
 * where they look at no value: netcoredbg does at each hit of a function's breakpoint.
 */
#include "cordbg/icordebug/frame.h"

#include "cordbg/metadata/image.h"
#include "cordbg/metadata/signature.h"

typedef struct cordbg_value_enum {
  cordbg_object object;
  CORDBG_FACE(ICorDebugValueEnum) as_enum;
  ULONG count;
  atomic_uint position; /* of the next one, at most count */
} cordbg_value_enum;

static cordbg_value_enum *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_value_enum, This);
}

static HRESULT
enum_skip(ICorDebugValueEnum *This, ULONG count)
{
  cordbg_value_enum *self = self_of(This);
  unsigned before = atomic_load(&self->position), after;
  do
    after = count < self->count - before ? before + count : self->count;
  while (!atomic_compare_exchange_weak(&self->position, &before, after));
  return S_OK;
}

static HRESULT
enum_reset(ICorDebugValueEnum *This)
{
  atomic_store(&self_of(This)->position, 0);
  return S_OK;
}

static HRESULT
enum_get_count(ICorDebugValueEnum *This, ULONG *count)
{
  if (count == NULL)
    return E_INVALIDARG;
  *count = self_of(This)->count;
  return S_OK;
}

static HRESULT
enum_next(ICorDebugValueEnum *This, ULONG count, ICorDebugValue **values, ULONG *fetched)
{
  cordbg_value_enum *self = self_of(This);
  if (values == NULL || (fetched == NULL && count != 1))
    return E_INVALIDARG;
  if (count != 0 && atomic_load(&self->position) < self->count)
    return cordbg_fail(E_NOTIMPL, "there are no values of arguments and variables yet");
  if (fetched != NULL)
    *fetched = 0;
  return count == 0 ? S_OK : S_FALSE;
}

static HRESULT enum_clone(ICorDebugValueEnum *This, ICorDebugEnum **ret);

CORDBG_VTBL(ICorDebugValueEnum, enum_vtbl, .Skip = enum_skip, .Reset = enum_reset,
            .Clone = enum_clone, .GetCount = enum_get_count, .Next = enum_next);

static const cordbg_interface enum_interfaces[] = {
    CORDBG_INTERFACE(cordbg_value_enum, as_enum, ICorDebugValueEnum, enum_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_value_enum, as_enum, ICorDebugEnum, enum_vtbl),
};

static const cordbg_class enum_class = CORDBG_CLASS(cordbg_value_enum, enum_interfaces, NULL);

static HRESULT
enum_new(ULONG count, ULONG position, ICorDebugValueEnum **ret, cordbg_error *error)
{
  cordbg_value_enum *self = cordbg_object_new(&enum_class);
  if (self == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
  self->count = count;
  atomic_init(&self->position, position);
  *ret = &self->as_enum.iface;
  return S_OK;
}

static HRESULT
enum_clone(ICorDebugValueEnum *This, ICorDebugEnum **ret)
{
  cordbg_value_enum *self = self_of(This);
  cordbg_error error;
  if (ret == NULL)
    return E_INVALIDARG;
  HRESULT hr = enum_new(self->count, atomic_load(&self->position),
                        (ICorDebugValueEnum **)(void *)ret, &error);
  return cordbg_answer(hr, &error);
}

/* ---- Counts ---- */

static HRESULT
signature_of(cordbg_function *function, cordbg_table table, unsigned column, uint32_t token,
             cordbg_signature *ret, cordbg_error *error)
{
  cordbg_module *module;
  cordbg_image *image;
  HRESULT hr = cordbg_session_module(function->session, function->method.module, &module, error);
  if (SUCCEEDED(hr))
    hr = cordbg_module_metadata(module, &image, error);
  if (FAILED(hr))
    return hr;
  *ret = cordbg_signature_of_blob(cordbg_metadata_column_blob(cordbg_image_metadata(image), table,
                                                              RidFromToken(token), column));
  return S_OK;
}

static HRESULT
bad_signature(const cordbg_function *function, cordbg_error *error)
{
  return cordbg_error_set(error, META_E_BAD_SIGNATURE, 0, 0,
                          "a signature of method 0x%08x is damaged", function->method.token);
}

HRESULT
cordbg_function_arguments(cordbg_function *function, ICorDebugValueEnum **ret, cordbg_error *error)
{
  cordbg_method_signature method;
  cordbg_signature signature;
  HRESULT hr = signature_of(function, CORDBG_TABLE_METHOD_DEF, CORDBG_METHOD_DEF_SIGNATURE,
                            function->method.token, &signature, error);
  if (FAILED(hr))
    return hr;
  if (!cordbg_signature_read_method(&signature, &method))
    return bad_signature(function, error);
  bool self = (method.convention & IMAGE_CEE_CS_CALLCONV_HASTHIS) != 0;
  return enum_new(method.param_count + self, 0, ret, error);
}

HRESULT
cordbg_function_variables(cordbg_function *function, ICorDebugValueEnum **ret, cordbg_error *error)
{
  cordbg_signature signature;
  uint32_t count = 0;
  if (RidFromToken(function->method.local_signature) != 0) {
    HRESULT hr =
        signature_of(function, CORDBG_TABLE_STAND_ALONE_SIG, CORDBG_STAND_ALONE_SIG_SIGNATURE,
                     function->method.local_signature, &signature, error);
    if (FAILED(hr))
      return hr;
    if (!cordbg_signature_read_locals(&signature, &count))
      return bad_signature(function, error);
  }
  return enum_new(count, 0, ret, error);
}
