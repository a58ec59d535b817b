/* SPDX-License-Identifier: MIT */
/*
 * ICorDebugCode: a method's IL, or one body of its native code. Bytes come from the target as the
 * program left them: GetCode shows no trap of either kind.
 */
#include "cordbg/icordebug/private.h"

static cordbg_code *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_code, This);
}

static void
code_dispose(void *object)
{
  cordbg_session_unref(((cordbg_code *)object)->session);
}

static HRESULT
code_is_il(ICorDebugCode *This, BOOL *il)
{
  cordbg_code *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, il != NULL);
  if (SUCCEEDED(hr))
    *il = self->is_il;
  return hr;
}

/* Lock held. */
static HRESULT
function_of(cordbg_code *self, cordbg_function **ret, cordbg_error *error)
{
  cordbg_module *module;
  HRESULT hr = cordbg_session_module(self->session, self->method.module, &module, error);
  return SUCCEEDED(hr) ? cordbg_module_function(module, self->method.token, ret, error) : hr;
}

static HRESULT
code_get_function(ICorDebugCode *This, ICorDebugFunction **ret)
{
  cordbg_code *self = self_of(This);
  cordbg_function *function;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = function_of(self, &function, &error);
  return CORDBG_HAND_OUT(self, hr, &error, function, as_function, ret);
}

/* The parts of the code in the target, in the order of offsets. At least one, at most two. */
static ULONG32
chunks_of(const cordbg_code *self, CodeChunkInfo chunks[2])
{
  if (self->is_il) {
    chunks[0] = (CodeChunkInfo){self->method.il_address, self->method.il_size};
    return 1;
  }
  chunks[0] = (CodeChunkInfo){self->body.start, self->body.size};
  if (self->body.cold_start == 0 || self->body.cold_size == 0)
    return 1;
  chunks[1] = (CodeChunkInfo){self->body.cold_start, self->body.cold_size};
  return 2;
}

static HRESULT
code_get_address(ICorDebugCode *This, CORDB_ADDRESS *start)
{
  cordbg_code *self = self_of(This);
  CodeChunkInfo chunks[2];
  HRESULT hr = cordbg_check(&self->child, start != NULL);
  if (FAILED(hr))
    return hr;
  chunks_of(self, chunks);
  if (chunks[0].startAddr == 0)
    return cordbg_fail(CORDBG_E_CODE_NOT_AVAILABLE,
                       "the IL of method 0x%08x is not in the target's memory", self->method.token);
  *start = chunks[0].startAddr;
  return S_OK;
}

static uint64_t
size_of(const cordbg_code *self)
{
  CodeChunkInfo chunks[2];
  uint64_t size = 0;
  ULONG32 count = chunks_of(self, chunks);
  for (ULONG32 i = 0; i < count; i++)
    size += chunks[i].length;
  return size;
}

static HRESULT
code_get_size(ICorDebugCode *This, ULONG32 *size)
{
  cordbg_code *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, size != NULL);
  if (SUCCEEDED(hr))
    *size = (ULONG32)size_of(self);
  return hr;
}

static HRESULT
code_create_breakpoint(ICorDebugCode *This, ULONG32 offset, ICorDebugFunctionBreakpoint **ret)
{
  cordbg_code *self = self_of(This);
  cordbg_function *function;
  cordbg_breakpoint *breakpoint;
  cordbg_error error;
  HRESULT hr = cordbg_enter_stopping(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = function_of(self, &function, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_breakpoint_new(function, self->is_il ? NULL : &self->body, offset, &breakpoint,
                               &error);
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

/* [start, end) of the code's offsets; more than fits the buffer is left out. */
static HRESULT
read_code(const cordbg_code *self, uint32_t start, uint32_t end, BYTE *buffer, uint32_t *read,
          cordbg_error *error)
{
  CodeChunkInfo chunks[2];
  ULONG32 count = chunks_of(self, chunks);
  uint64_t offset = 0;
  *read = 0;
  for (ULONG32 i = 0; i < count; i++) {
    uint64_t from = MAX(start, offset), to = MIN(end, offset + chunks[i].length);
    if (from < to) {
      HRESULT hr = cordbg_target_read_exact(self->session->target, CORDBG_VIEW_PRISTINE,
                                            chunks[i].startAddr + (from - offset), buffer + *read,
                                            (size_t)(to - from), error);
      if (FAILED(hr))
        return hr;
      *read += (uint32_t)(to - from);
    }
    offset += chunks[i].length;
  }
  return S_OK;
}

static HRESULT
code_get_code(ICorDebugCode *This, ULONG32 start, ULONG32 end, ULONG32 room, BYTE *buffer,
              ULONG32 *size)
{
  cordbg_code *self = self_of(This);
  CodeChunkInfo chunks[2];
  cordbg_error error;
  uint32_t read = 0;
  HRESULT hr = cordbg_enter(&self->child, size != NULL && (buffer != NULL || room == 0));
  if (FAILED(hr))
    return hr;
  uint64_t whole = size_of(self);
  chunks_of(self, chunks);
  if (start > end || start > whole)
    hr = cordbg_error_set(&error, E_INVALIDARG, 0, 0, "offsets 0x%x to 0x%x lie outside the code",
                          start, end);
  else if (chunks[0].startAddr == 0)
    hr = cordbg_error_set(&error, CORDBG_E_CODE_NOT_AVAILABLE, 0, 0,
                          "the IL of method 0x%08x is not in the target's memory",
                          self->method.token);
  else {
    uint64_t last = MIN(MIN((uint64_t)end, whole), (uint64_t)start + room);
    hr = read_code(self, start, (uint32_t)last, buffer, &read, &error);
  }
  if (SUCCEEDED(hr))
    *size = read;
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
code_get_version(ICorDebugCode *This, ULONG32 *version)
{
  HRESULT hr = cordbg_check(&self_of(This)->child, version != NULL);
  if (SUCCEEDED(hr))
    *version = 1;
  return hr;
}

/* *needed is the number of entries there are; at most room of them are stored. */
static HRESULT
code_get_map(ICorDebugCode *This, ULONG32 room, ULONG32 *needed, COR_DEBUG_IL_TO_NATIVE_MAP *map)
{
  cordbg_code *self = self_of(This);
  cordbg_session *session = self->session;
  cordbg_rt_map *entries = NULL;
  size_t count = 0;
  cordbg_error error;
  if (self->is_il)
    return E_NOTIMPL; /* a map belongs to a body of native code */
  HRESULT hr =
      cordbg_enter(&self->child, (map != NULL || room == 0) && (map != NULL || needed != NULL));
  if (FAILED(hr))
    return hr;
  hr = session->ops->il_map(session->runtime, self->body.id, &entries, &count, &error);
  if (SUCCEEDED(hr)) {
    for (size_t i = 0; i < count && i < room; i++)
      map[i] = (COR_DEBUG_IL_TO_NATIVE_MAP){(ULONG32)entries[i].il, entries[i].native_start,
                                            entries[i].native_end};
    if (needed != NULL)
      *needed = (ULONG32)count;
    g_free(entries);
  }
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
code_get_chunks(ICorDebugCode2 *This, ULONG32 room, ULONG32 *needed, CodeChunkInfo *ret)
{
  cordbg_code *self = self_of(This);
  CodeChunkInfo chunks[2];
  HRESULT hr =
      cordbg_check(&self->child, (ret != NULL || room == 0) && (ret != NULL || needed != NULL));
  if (FAILED(hr))
    return hr;
  ULONG32 count = chunks_of(self, chunks);
  if (chunks[0].startAddr == 0)
    return cordbg_fail(CORDBG_E_CODE_NOT_AVAILABLE,
                       "the IL of method 0x%08x is not in the target's memory", self->method.token);
  for (ULONG32 i = 0; i < count && i < room; i++)
    ret[i] = chunks[i];
  if (needed != NULL)
    *needed = count;
  return S_OK;
}

CORDBG_VTBL(ICorDebugCode, code_vtbl, .IsIL = code_is_il, .GetFunction = code_get_function,
            .GetAddress = code_get_address, .GetSize = code_get_size,
            .CreateBreakpoint = code_create_breakpoint, .GetCode = code_get_code,
            .GetVersionNumber = code_get_version, .GetILToNativeMapping = code_get_map);
CORDBG_VTBL(ICorDebugCode2, code2_vtbl, .GetCodeChunks = code_get_chunks);

static const cordbg_interface code_interfaces[] = {
    CORDBG_INTERFACE(cordbg_code, as_code, ICorDebugCode, code_vtbl),
    CORDBG_INTERFACE(cordbg_code, as_code2, ICorDebugCode2, code2_vtbl),
};

const cordbg_class cordbg_code_class = CORDBG_CLASS(cordbg_code, code_interfaces, code_dispose);

HRESULT
cordbg_session_code(cordbg_session *session, const cordbg_rt_code *body, cordbg_code **ret,
                    cordbg_error *error)
{
  cordbg_code *self = g_hash_table_lookup(session->codes, GSIZE_TO_POINTER(body->id));
  if (self == NULL) {
    self = cordbg_child_new(session, &cordbg_code_class);
    if (self == NULL)
      return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
    self->body = *body;
    self->method.module = body->module;
    self->method.token = body->token;
    g_hash_table_insert(session->codes, GSIZE_TO_POINTER(body->id), self);
  }
  *ret = self;
  return S_OK;
}

HRESULT
cordbg_function_il(cordbg_function *function, cordbg_code **ret, cordbg_error *error)
{
  if (function->il == NULL) {
    if (function->method.il_size == 0)
      return cordbg_error_set(error, CORDBG_E_FUNCTION_NOT_IL, 0, 0, "method 0x%08x has no IL",
                              function->method.token);
    cordbg_code *self = cordbg_child_new(function->session, &cordbg_code_class);
    if (self == NULL)
      return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
    self->is_il = true;
    self->method = function->method;
    function->il = self;
  }
  *ret = function->il;
  return S_OK;
}

void
cordbg_code_neuter(cordbg_code *code, HRESULT why)
{
  cordbg_object_neuter(code, why);
  g_hash_table_remove(code->session->codes, GSIZE_TO_POINTER(code->body.id));
}
