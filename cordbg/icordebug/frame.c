/* SPDX-License-Identifier: MIT */
/*
 * ICorDebugFrame: one call of a method on a thread's stack, as ICorDebugILFrame and as
 * ICorDebugNativeFrame. One object has both faces; ICorDebugFrame is the former's.
 *
 * A frame is of one stop. When the target has run since, every method answers
 * CORDBG_E_OBJECT_NEUTERED; what was handed out by it (function, code) lives on.
 */
#include "cordbg/icordebug/frame.h"

typedef struct cordbg_method_frame {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugILFrame) as_il;
  CORDBG_FACE(ICorDebugNativeFrame) as_native;
  cordbg_thread *thread; /* owned */
  uint64_t runs;         /* the session's when it was made */
  cordbg_rt_code code;
  uint32_t native_offset; /* of the PC, from the code's start */
  bool innermost;
  ULONG32 il_offset;
  CorDebugMappingResult mapping;
  uint64_t start; /* [start, end) of the stack is the frame's; end 0: not known */
  uint64_t end;
} cordbg_method_frame;

static cordbg_method_frame *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_method_frame, This);
}

static void
frame_dispose(void *object)
{
  cordbg_method_frame *self = object;
  cordbg_object_unref(self->thread);
  cordbg_session_unref(self->session);
}

static HRESULT
enter(const cordbg_method_frame *self, bool arguments)
{
  return cordbg_enter_stop(&self->thread->child, self->runs, arguments);
}

static void
leave(const cordbg_method_frame *self)
{
  cordbg_leave(&self->thread->child);
}

/* ---- Where a frame stands ---- */

/* Offsets go on from the hot part into the cold one. */
static uint32_t
offset_in(const cordbg_rt_code *code, uint64_t address)
{
  if (code->cold_size != 0 && address - code->cold_start < code->cold_size)
    return code->size + (uint32_t)(address - code->cold_start);
  return (uint32_t)(address - code->start);
}

/* The IL offset of the instruction at a native offset, in the way of Microsoft's debugger. */
static ULONG32
il_offset_at(const cordbg_rt_map *map, size_t count, uint32_t offset,
             CorDebugMappingResult *mapping)
{
  int32_t last = 0;
  for (size_t i = 0; i < count; i++)
    last = MAX(last, map[i].il);
  for (size_t i = 0; i < count; i++) {
    if (map[i].native_start > offset || map[i].native_end <= offset)
      continue;
    *mapping = map[i].il == CORDBG_RT_IL_PROLOG   ? MAPPING_PROLOG
               : map[i].il == CORDBG_RT_IL_EPILOG ? MAPPING_EPILOG
               : map[i].il < 0                    ? MAPPING_UNMAPPED_ADDRESS
               : map[i].native_start == offset    ? MAPPING_EXACT
                                                  : MAPPING_APPROXIMATE;
    return map[i].il >= 0 ? (ULONG32)map[i].il : *mapping == MAPPING_EPILOG ? (ULONG32)last : 0;
  }
  *mapping = MAPPING_NO_INFO;
  return 0;
}

/*
 * Where several IL offsets begin at one instruction, or 0 has none of its own, a thread that stands
 * at a breakpoint stands at the breakpoint's offset.
 */
static void
prefer_breakpoint(cordbg_method_frame *self, const cordbg_rt_map *map, size_t count, uint64_t pc)
{
  const cordbg_site *site = g_hash_table_lookup(self->session->sites, GSIZE_TO_POINTER(pc));
  for (guint i = 0; site != NULL && i < site->breakpoints->len; i++) {
    const cordbg_breakpoint *breakpoint = site->breakpoints->pdata[i];
    bool here = breakpoint->offset == 0;
    if (breakpoint->native.id != 0 || breakpoint->function->method.token != self->code.token)
      continue;
    for (size_t m = 0; m < count && !here; m++)
      here = map[m].native_start == self->native_offset && map[m].il >= 0 &&
             (uint32_t)map[m].il == breakpoint->offset;
    if (here) {
      self->il_offset = breakpoint->offset;
      self->mapping = MAPPING_EXACT;
      return;
    }
  }
}

static HRESULT
function_of(const cordbg_method_frame *self, cordbg_function **ret, cordbg_error *error)
{
  cordbg_module *module;
  HRESULT hr = cordbg_session_module(self->session, self->code.module, &module, error);
  return SUCCEEDED(hr) ? cordbg_module_function(module, self->code.token, ret, error) : hr;
}

/* Code of a method that has IL: no stub, no wrapper, no DynamicMethod. */
static bool
is_method(const cordbg_method_frame *self)
{
  cordbg_function *function;
  return self->code.module != 0 && RidFromToken(self->code.token) != 0 &&
         SUCCEEDED(function_of(self, &function, NULL)) && function->method.il_size != 0;
}

HRESULT
cordbg_method_frame_new(cordbg_thread *thread, const cordbg_frame *frame, bool innermost,
                        ICorDebugFrame **ret, cordbg_error *error)
{
  cordbg_session *session = thread->session;
  cordbg_rt_map *map = NULL;
  size_t count = 0;
  cordbg_rt_code code;
  uint64_t pc = frame->registers.rip;
  /* A return address stands behind its call, which is what runs. */
  HRESULT hr = session->ops->code_at(session->runtime, pc - frame->returns, &code, error);
  if (hr != S_OK)
    return hr;
  cordbg_method_frame *self = cordbg_child_new(session, &cordbg_method_frame_class);
  if (self == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
  cordbg_object_ref(thread);
  self->thread = thread;
  self->runs = session->runs;
  self->code = code;
  self->native_offset = offset_in(&code, pc - frame->returns) + frame->returns;
  self->innermost = innermost;
  self->mapping = MAPPING_NO_INFO;
  self->start = frame->registers.rsp;
  self->end = frame->cfa;
  if (!is_method(self)) {
    cordbg_object_unref(self);
    return S_FALSE;
  }
  if (SUCCEEDED(session->ops->il_map(session->runtime, code.id, &map, &count, NULL))) {
    self->il_offset =
        il_offset_at(map, count, self->native_offset - frame->returns, &self->mapping);
    if (innermost)
      prefer_breakpoint(self, map, count, pc);
  }
  g_free(map);
  *ret = (ICorDebugFrame *)(void *)&self->as_il.iface;
  return S_OK;
}

/* ---- Of both faces ---- */

static HRESULT
frame_get_function(ICorDebugFrame *This, ICorDebugFunction **ret)
{
  cordbg_method_frame *self = self_of(This);
  cordbg_function *function;
  cordbg_error error;
  HRESULT hr = enter(self, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = function_of(self, &function, &error);
  return CORDBG_HAND_OUT(self->thread, hr, &error, function, as_function, ret);
}

static HRESULT
frame_get_token(ICorDebugFrame *This, mdMethodDef *token)
{
  cordbg_method_frame *self = self_of(This);
  HRESULT hr = enter(self, token != NULL);
  if (FAILED(hr))
    return hr;
  *token = self->code.token;
  leave(self);
  return S_OK;
}

static HRESULT
frame_get_range(ICorDebugFrame *This, CORDB_ADDRESS *start, CORDB_ADDRESS *end)
{
  cordbg_method_frame *self = self_of(This);
  HRESULT hr = enter(self, true);
  if (FAILED(hr))
    return hr;
  leave(self);
  if (end != NULL && self->end == 0)
    return cordbg_fail(CORDBG_E_TARGET_INCONSISTENT, "the end of the frame could not be found");
  if (start != NULL)
    *start = self->start;
  if (end != NULL)
    *end = self->end;
  return S_OK;
}

/* ---- ICorDebugILFrame ---- */

static HRESULT
il_get_code(ICorDebugILFrame *This, ICorDebugCode **ret)
{
  cordbg_method_frame *self = self_of(This);
  cordbg_function *function;
  cordbg_code *code;
  cordbg_error error;
  HRESULT hr = enter(self, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = function_of(self, &function, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_function_il(function, &code, &error);
  return CORDBG_HAND_OUT(self->thread, hr, &error, code, as_code, ret);
}

static HRESULT
il_get_ip(ICorDebugILFrame *This, ULONG32 *offset, CorDebugMappingResult *mapping)
{
  cordbg_method_frame *self = self_of(This);
  HRESULT hr = enter(self, offset != NULL && mapping != NULL);
  if (FAILED(hr))
    return hr;
  *offset = self->il_offset;
  *mapping = self->mapping;
  leave(self);
  return S_OK;
}

static HRESULT
il_enumerate(cordbg_method_frame *self, ICorDebugValueEnum **ret,
             HRESULT (*make)(cordbg_function *function, ICorDebugValueEnum **ret,
                             cordbg_error *error))
{
  cordbg_function *function;
  cordbg_error error;
  HRESULT hr = enter(self, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = function_of(self, &function, &error);
  if (SUCCEEDED(hr))
    hr = make(function, ret, &error);
  leave(self);
  return cordbg_answer(hr, &error);
}

static HRESULT
il_enumerate_arguments(ICorDebugILFrame *This, ICorDebugValueEnum **ret)
{
  return il_enumerate(self_of(This), ret, cordbg_function_arguments);
}

static HRESULT
il_enumerate_variables(ICorDebugILFrame *This, ICorDebugValueEnum **ret)
{
  return il_enumerate(self_of(This), ret, cordbg_function_variables);
}

/* ---- ICorDebugNativeFrame ---- */

static HRESULT
native_get_code(ICorDebugNativeFrame *This, ICorDebugCode **ret)
{
  cordbg_method_frame *self = self_of(This);
  cordbg_code *code;
  cordbg_error error;
  HRESULT hr = enter(self, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_session_code(self->session, &self->code, &code, &error);
  return CORDBG_HAND_OUT(self->thread, hr, &error, code, as_code, ret);
}

static HRESULT
native_get_ip(ICorDebugNativeFrame *This, ULONG32 *offset)
{
  cordbg_method_frame *self = self_of(This);
  HRESULT hr = enter(self, offset != NULL);
  if (FAILED(hr))
    return hr;
  *offset = self->native_offset;
  leave(self);
  return S_OK;
}

static HRESULT
native_get_register_set(ICorDebugNativeFrame *This, ICorDebugRegisterSet **ret)
{
  cordbg_method_frame *self = self_of(This);
  cordbg_error error;
  HRESULT hr = enter(self, ret != NULL);
  if (FAILED(hr))
    return hr;
  if (self->innermost)
    hr = cordbg_register_set_new(self->thread, ret, &error);
  else
    hr = cordbg_error_set(&error, E_NOTIMPL, 0, 0, "only the innermost frame has a register set");
  leave(self);
  return cordbg_answer(hr, &error);
}

#define FRAME_SLOTS(I)                                                                             \
  CORDBG_SLOT_AS(I, GetFunction, frame_get_function),                                              \
      CORDBG_SLOT_AS(I, GetFunctionToken, frame_get_token),                                        \
      CORDBG_SLOT_AS(I, GetStackRange, frame_get_range)

CORDBG_VTBL(ICorDebugILFrame, il_vtbl, FRAME_SLOTS(ICorDebugILFrame), .GetCode = il_get_code,
            .GetIP = il_get_ip, .EnumerateArguments = il_enumerate_arguments,
            .EnumerateLocalVariables = il_enumerate_variables);
CORDBG_VTBL(ICorDebugNativeFrame, native_vtbl, FRAME_SLOTS(ICorDebugNativeFrame),
            .GetCode = native_get_code, .GetIP = native_get_ip,
            .GetRegisterSet = native_get_register_set);

static const cordbg_interface frame_interfaces[] = {
    CORDBG_INTERFACE(cordbg_method_frame, as_il, ICorDebugILFrame, il_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_method_frame, as_il, ICorDebugFrame, il_vtbl),
    CORDBG_INTERFACE(cordbg_method_frame, as_native, ICorDebugNativeFrame, native_vtbl),
};

const cordbg_class cordbg_method_frame_class =
    CORDBG_CLASS(cordbg_method_frame, frame_interfaces, frame_dispose);
