/* SPDX-License-Identifier: MIT */
/* ICorDebugFunction: a method's definition in a module. */
#include "cordbg/icordebug/private.h"

static cordbg_function *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_function, This);
}

static void
function_dispose(void *object)
{
  cordbg_function *self = object;
  cordbg_object_unref(self->il);
  cordbg_session_unref(self->session);
}

static HRESULT
function_get_module(ICorDebugFunction *This, ICorDebugModule **ret)
{
  cordbg_function *self = self_of(This);
  cordbg_module *module;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_session_module(self->session, self->method.module, &module, &error);
  return CORDBG_HAND_OUT(self, hr, &error, module, as_module, ret);
}

static HRESULT
function_get_class(ICorDebugFunction *This, ICorDebugClass **ret)
{
  cordbg_function *self = self_of(This);
  cordbg_module *module;
  cordbg_type_class *found;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_session_module(self->session, self->method.module, &module, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_module_type(module, self->method.class_token, &found, &error);
  return CORDBG_HAND_OUT(self, hr, &error, found, as_class, ret);
}

static HRESULT
function_get_token(ICorDebugFunction *This, mdMethodDef *token)
{
  cordbg_function *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, token != NULL);
  if (SUCCEEDED(hr))
    *token = self->method.token;
  return hr;
}

static HRESULT
function_get_il_code(ICorDebugFunction *This, ICorDebugCode **ret)
{
  cordbg_function *self = self_of(This);
  cordbg_code *code;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_function_il(self, &code, &error);
  return CORDBG_HAND_OUT(self, hr, &error, code, as_code, ret);
}

/* All bodies that have native code, those of the function's own domain first. */
static HRESULT
native_bodies(cordbg_function *self, GArray **ret, cordbg_error *error)
{
  cordbg_session *session = self->session;
  cordbg_rt_code *codes = NULL;
  cordbg_module *module;
  size_t count = 0;
  HRESULT hr = cordbg_session_module(session, self->method.module, &module, error);
  if (SUCCEEDED(hr))
    hr = session->ops->codes(session->runtime, self->method.module, self->method.token, &codes,
                             &count, error);
  if (FAILED(hr))
    return hr;
  GArray *bodies = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_code));
  for (int own = 1; own >= 0; own--)
    for (size_t i = 0; i < count; i++)
      if (codes[i].kind != CORDBG_RT_CODE_INTERPRETED &&
          (codes[i].domain == module->domain) == (own != 0))
        g_array_append_val(bodies, codes[i]);
  g_free(codes);
  *ret = bodies;
  return S_OK;
}

/* One of the bodies; EnumerateNativeCode gives them all. */
static HRESULT
function_get_native_code(ICorDebugFunction *This, ICorDebugCode **ret)
{
  cordbg_function *self = self_of(This);
  cordbg_code *code;
  GArray *bodies;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = native_bodies(self, &bodies, &error);
  if (SUCCEEDED(hr)) {
    if (bodies->len == 0)
      hr = cordbg_error_set(&error, CORDBG_E_CODE_NOT_AVAILABLE, 0, 0,
                            "method 0x%08x has no native code now", self->method.token);
    else
      hr = cordbg_session_code(self->session, &g_array_index(bodies, cordbg_rt_code, 0), &code,
                               &error);
    g_array_free(bodies, TRUE);
  }
  return CORDBG_HAND_OUT(self, hr, &error, code, as_code, ret);
}

/* At the method's entry: IL offset 0. The breakpoint is active when it comes out. */
static HRESULT
function_create_breakpoint(ICorDebugFunction *This, ICorDebugFunctionBreakpoint **ret)
{
  cordbg_function *self = self_of(This);
  cordbg_breakpoint *breakpoint;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_breakpoint_new(self, NULL, 0, &breakpoint, &error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_breakpoint_activate(breakpoint, &error);
    if (SUCCEEDED(hr))
      *ret = &breakpoint->as_breakpoint.iface;
    else
      cordbg_object_unref(breakpoint);
  }
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
function_get_local_signature(ICorDebugFunction *This, mdSignature *token)
{
  cordbg_function *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, token != NULL);
  if (SUCCEEDED(hr))
    *token = self->method.local_signature != 0 ? self->method.local_signature : mdSignatureNil;
  return hr;
}

/* Nothing is edited while it runs: there is one version. */
static HRESULT
function_get_version(ICorDebugFunction *This, ULONG32 *version)
{
  HRESULT hr = cordbg_check(&self_of(This)->child, version != NULL);
  if (SUCCEEDED(hr))
    *version = 1;
  return hr;
}

static HRESULT
function2_get_version(ICorDebugFunction2 *This, ULONG32 *version)
{
  HRESULT hr = cordbg_check(&self_of(This)->child, version != NULL);
  if (SUCCEEDED(hr))
    *version = 1;
  return hr;
}

static HRESULT
function_enumerate_native(ICorDebugFunction2 *This, ICorDebugCodeEnum **ret)
{
  cordbg_function *self = self_of(This);
  GArray *bodies;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = native_bodies(self, &bodies, &error);
  if (SUCCEEDED(hr)) {
    GPtrArray *codes = g_ptr_array_new();
    for (guint i = 0; i < bodies->len && SUCCEEDED(hr); i++) {
      cordbg_code *code;
      hr = cordbg_session_code(self->session, &g_array_index(bodies, cordbg_rt_code, i), &code,
                               &error);
      if (SUCCEEDED(hr))
        g_ptr_array_add(codes, &code->as_code.iface);
    }
    if (SUCCEEDED(hr)) {
      hr = cordbg_enumerator_new_objects(&IID_ICorDebugCodeEnum, codes->pdata, codes->len,
                                         (void **)ret);
      if (FAILED(hr))
        cordbg_error_set(&error, hr, 0, 0, "the enumerator could not be made");
    }
    g_ptr_array_free(codes, TRUE);
    g_array_free(bodies, TRUE);
  }
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

CORDBG_VTBL(ICorDebugFunction, function_vtbl, .GetModule = function_get_module,
            .GetClass = function_get_class, .GetToken = function_get_token,
            .GetILCode = function_get_il_code, .GetNativeCode = function_get_native_code,
            .CreateBreakpoint = function_create_breakpoint,
            .GetLocalVarSigToken = function_get_local_signature,
            .GetCurrentVersionNumber = function_get_version);
CORDBG_VTBL(ICorDebugFunction2, function2_vtbl, .EnumerateNativeCode = function_enumerate_native,
            .GetVersionNumber = function2_get_version);

static const cordbg_interface function_interfaces[] = {
    CORDBG_INTERFACE(cordbg_function, as_function, ICorDebugFunction, function_vtbl),
    CORDBG_INTERFACE(cordbg_function, as_function2, ICorDebugFunction2, function2_vtbl),
};

const cordbg_class cordbg_function_class =
    CORDBG_CLASS(cordbg_function, function_interfaces, function_dispose);

HRESULT
cordbg_module_function(cordbg_module *module, uint32_t token, cordbg_function **ret,
                       cordbg_error *error)
{
  cordbg_session *session = module->session;
  cordbg_function *self = g_hash_table_lookup(module->functions, GUINT_TO_POINTER(token));
  cordbg_rt_method method = {0};
  if (self == NULL) {
    if (TypeFromToken(token) != mdtMethodDef || RidFromToken(token) == 0)
      return cordbg_error_set(error, E_INVALIDARG, 0, 0, "0x%08x is no mdMethodDef", token);
    HRESULT hr = session->ops->method(session->runtime, module->id, token, &method, error);
    if (FAILED(hr))
      return hr;
    self = cordbg_child_new(session, &cordbg_function_class);
    if (self == NULL)
      return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
    self->method = method;
    self->method.module = module->id;
    self->method.token = token;
    self->image = module->image;
    g_hash_table_insert(module->functions, GUINT_TO_POINTER(token), self);
  }
  *ret = self;
  return S_OK;
}
