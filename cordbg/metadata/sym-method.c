/* SPDX-License-Identifier: MIT */
/* ISymUnmanagedMethod, AsyncMethod, Scope, Variable and Constant. */
#include "config.h"
#include "cordbg/metadata/sym-private.h"

#include <glib.h>
#include <string.h>
#include "cordbg/com/utf16.h"
#include "cordbg/metadata/constant.h"
#include "cordbg/metadata/signature.h"

typedef struct cordbg_sym_method {
  cordbg_object object;
  CORDBG_FACE(ISymUnmanagedMethod) as_method;
  CORDBG_FACE(ISymUnmanagedAsyncMethod) as_async;
  cordbg_sym_reader *reader; /* a reference */
  cordbg_method_symbols *symbols;
} cordbg_sym_method;

/* A scope, variable or constant: where it stands in its method. */
typedef struct cordbg_sym_part {
  cordbg_object object;
  union {
    CORDBG_FACE(ISymUnmanagedScope2) as_scope;
    CORDBG_FACE(ISymUnmanagedVariable) as_variable;
    CORDBG_FACE(ISymUnmanagedConstant) as_constant;
  };
  cordbg_sym_method *method; /* a reference */
  uint32_t scope;
  uint32_t index; /* of the variable or constant in the method's list */
} cordbg_sym_part;

#define METHOD(This) CORDBG_SELF(cordbg_sym_method, This)
#define PART(This) CORDBG_SELF(cordbg_sym_part, This)
#define PUT(out, value)                                                                            \
  do {                                                                                             \
    if (!(out))                                                                                    \
      return E_INVALIDARG;                                                                         \
    *(out) = (value);                                                                              \
    return S_OK;                                                                                   \
  } while (0)

static void
part_dispose(void *object)
{
  cordbg_object_unref(((cordbg_sym_part *)object)->method);
}

static cordbg_sym_part *
part_new(const cordbg_class *type, cordbg_sym_method *method, uint32_t scope, uint32_t index)
{
  cordbg_sym_part *part = cordbg_object_new(type);
  if (!part)
    return NULL;
  cordbg_object_ref(method);
  part->method = method;
  part->scope = scope;
  part->index = index;
  return part;
}

static const cordbg_local_scope *
scope_of(const cordbg_sym_part *part)
{
  return &part->method->symbols->scopes[part->scope];
}

static HRESULT
constant_get_name(ISymUnmanagedConstant *This, ULONG32 cch, ULONG32 *pcch, WCHAR *name)
{
  cordbg_sym_part *self = PART(This);
  return cordbg_string_out_utf8(self->method->symbols->constants[self->index].name, cch, pcch,
                                name);
}

static HRESULT
constant_get_signature(ISymUnmanagedConstant *This, ULONG32 room, ULONG32 *count, BYTE *data)
{
  cordbg_sym_part *self = PART(This);
  g_autoptr(GByteArray) type = g_byte_array_new();
  if (!cordbg_constant_type(self->method->symbols->constants[self->index].signature, type))
    return E_FAIL;
  HRESULT hr = cordbg_sym_put_count(type->len, room, count, data);
  if (SUCCEEDED(hr) && data)
    memcpy(data, type->data, MIN(type->len, room));
  return hr;
}

static HRESULT
constant_get_value(ISymUnmanagedConstant *This, VARIANT *ret)
{
  cordbg_sym_part *self = PART(This);
  cordbg_image *image = self->method->reader->image;
  if (!ret)
    return E_INVALIDARG;
  return cordbg_constant_value(image ? cordbg_image_metadata(image) : NULL,
                               self->method->symbols->constants[self->index].signature, ret);
}

CORDBG_VTBL(ISymUnmanagedConstant, constant_vtbl, .GetName = constant_get_name,
            .GetValue = constant_get_value, .GetSignature = constant_get_signature);
static const cordbg_interface constant_interfaces[] = {
    CORDBG_INTERFACE(cordbg_sym_part, as_constant, ISymUnmanagedConstant, constant_vtbl),
};
static const cordbg_class constant_class =
    CORDBG_CLASS(cordbg_sym_part, constant_interfaces, part_dispose);

static HRESULT
variable_get_name(ISymUnmanagedVariable *This, ULONG32 cch, ULONG32 *pcch, WCHAR *name)
{
  cordbg_sym_part *self = PART(This);
  return cordbg_string_out_utf8(self->method->symbols->variables[self->index].name, cch, pcch,
                                name);
}

static HRESULT
variable_get_attributes(ISymUnmanagedVariable *This, ULONG32 *ret)
{
  cordbg_sym_part *self = PART(This);
  PUT(ret, self->method->symbols->variables[self->index].attributes);
}

/* The slot's type in the method's local signature, which the module has. */
static HRESULT
variable_get_signature(ISymUnmanagedVariable *This, ULONG32 room, ULONG32 *count, BYTE *data)
{
  cordbg_sym_part *self = PART(This);
  cordbg_method_symbols *symbols = self->method->symbols;
  if (!self->method->reader->image || !symbols->local_signature)
    return E_FAIL;
  const cordbg_metadata *md = cordbg_image_metadata(self->method->reader->image);
  cordbg_signature cursor = cordbg_signature_of_blob(cordbg_metadata_column_blob(
      md, CORDBG_TABLE_STAND_ALONE_SIG, symbols->local_signature & CORDBG_RID_MAX,
      CORDBG_STAND_ALONE_SIG_SIGNATURE));
  uint32_t locals, slot = symbols->variables[self->index].index;
  if (!cordbg_signature_read_locals(&cursor, &locals) || slot >= locals)
    return E_FAIL;
  for (uint32_t i = 0; i < slot; i++)
    if (!cordbg_signature_skip_type(&cursor))
      return E_FAIL;
  const uint8_t *begin = cursor.at;
  if (!cordbg_signature_skip_type(&cursor))
    return E_FAIL;
  ULONG32 size = (ULONG32)(cursor.at - begin);
  HRESULT hr = cordbg_sym_put_count(size, room, count, data);
  if (SUCCEEDED(hr) && data)
    memcpy(data, begin, MIN(size, room));
  return hr;
}

static HRESULT
variable_get_address_kind(ISymUnmanagedVariable *This, ULONG32 *ret)
{
  (void)This;
  PUT(ret, ADDR_IL_OFFSET);
}

static HRESULT
variable_get_address_field1(ISymUnmanagedVariable *This, ULONG32 *ret)
{
  cordbg_sym_part *self = PART(This);
  PUT(ret, self->method->symbols->variables[self->index].index);
}

static HRESULT
variable_get_start_offset(ISymUnmanagedVariable *This, ULONG32 *ret)
{
  PUT(ret, scope_of(PART(This))->start);
}

static HRESULT
variable_get_end_offset(ISymUnmanagedVariable *This, ULONG32 *ret)
{
  PUT(ret, scope_of(PART(This))->end);
}

CORDBG_VTBL(ISymUnmanagedVariable, variable_vtbl, .GetName = variable_get_name,
            .GetAttributes = variable_get_attributes, .GetSignature = variable_get_signature,
            .GetAddressKind = variable_get_address_kind,
            .GetAddressField1 = variable_get_address_field1,
            .GetStartOffset = variable_get_start_offset, .GetEndOffset = variable_get_end_offset);
static const cordbg_interface variable_interfaces[] = {
    CORDBG_INTERFACE(cordbg_sym_part, as_variable, ISymUnmanagedVariable, variable_vtbl),
};
static const cordbg_class variable_class =
    CORDBG_CLASS(cordbg_sym_part, variable_interfaces, part_dispose);

static HRESULT scope_create(cordbg_sym_method *method, uint32_t scope, ISymUnmanagedScope **ret);

static HRESULT
scope_get_method(ISymUnmanagedScope2 *This, ISymUnmanagedMethod **ret)
{
  cordbg_sym_method *method = PART(This)->method;
  if (!ret)
    return E_INVALIDARG;
  cordbg_object_ref(method);
  *ret = &method->as_method.iface;
  return S_OK;
}

static HRESULT
scope_get_parent(ISymUnmanagedScope2 *This, ISymUnmanagedScope **ret)
{
  cordbg_sym_part *self = PART(This);
  if (!ret)
    return E_INVALIDARG;
  if (scope_of(self)->parent >= 0)
    return scope_create(self->method, (uint32_t)scope_of(self)->parent, ret);
  *ret = NULL;
  return S_OK;
}

static HRESULT
scope_get_children(ISymUnmanagedScope2 *This, ULONG32 room, ULONG32 *count,
                   ISymUnmanagedScope **children)
{
  cordbg_sym_part *self = PART(This);
  const cordbg_method_symbols *symbols = self->method->symbols;
  HRESULT hr = S_OK;
  ULONG32 all = 0;
  for (uint32_t s = 0; SUCCEEDED(hr) && s < symbols->scope_count; s++) {
    if (symbols->scopes[s].parent != (int32_t)self->scope)
      continue;
    if (children && all < room)
      hr = scope_create(self->method, s, &children[all]);
    all++;
  }
  return FAILED(hr) ? hr : cordbg_sym_put_count(all, room, count, children);
}

static HRESULT
scope_get_start_offset(ISymUnmanagedScope2 *This, ULONG32 *ret)
{
  PUT(ret, scope_of(PART(This))->start);
}

static HRESULT
scope_get_end_offset(ISymUnmanagedScope2 *This, ULONG32 *ret)
{
  PUT(ret, scope_of(PART(This))->end);
}

static HRESULT
scope_get_local_count(ISymUnmanagedScope2 *This, ULONG32 *ret)
{
  PUT(ret, scope_of(PART(This))->variable_count);
}

static HRESULT
scope_get_locals(ISymUnmanagedScope2 *This, ULONG32 room, ULONG32 *count,
                 ISymUnmanagedVariable **locals)
{
  cordbg_sym_part *self = PART(This);
  const cordbg_local_scope *scope = scope_of(self);
  HRESULT hr = cordbg_sym_put_count(scope->variable_count, room, count, locals);
  for (uint32_t i = 0; SUCCEEDED(hr) && locals && i < MIN(scope->variable_count, room); i++) {
    cordbg_sym_part *part =
        part_new(&variable_class, self->method, self->scope, scope->first_variable + i);
    if (!part)
      return E_OUTOFMEMORY;
    locals[i] = &part->as_variable.iface;
  }
  return hr;
}

static HRESULT
scope_get_constant_count(ISymUnmanagedScope2 *This, ULONG32 *ret)
{
  PUT(ret, scope_of(PART(This))->constant_count);
}

static HRESULT
scope_get_constants(ISymUnmanagedScope2 *This, ULONG32 room, ULONG32 *count,
                    ISymUnmanagedConstant **constants)
{
  cordbg_sym_part *self = PART(This);
  const cordbg_local_scope *scope = scope_of(self);
  HRESULT hr = cordbg_sym_put_count(scope->constant_count, room, count, constants);
  for (uint32_t i = 0; SUCCEEDED(hr) && constants && i < MIN(scope->constant_count, room); i++) {
    cordbg_sym_part *part =
        part_new(&constant_class, self->method, self->scope, scope->first_constant + i);
    if (!part)
      return E_OUTOFMEMORY;
    constants[i] = &part->as_constant.iface;
  }
  return hr;
}

/* As Microsoft's reader of Portable PDBs: what is imported means something to a language only. */
static HRESULT
scope_get_namespaces(ISymUnmanagedScope2 *This, ULONG32 room, ULONG32 *count,
                     ISymUnmanagedNamespace **namespaces)
{
  (void)This;
  return cordbg_sym_put_count(0, room, count, namespaces);
}

CORDBG_VTBL(ISymUnmanagedScope2, scope_vtbl, .GetMethod = scope_get_method,
            .GetParent = scope_get_parent, .GetChildren = scope_get_children,
            .GetStartOffset = scope_get_start_offset, .GetEndOffset = scope_get_end_offset,
            .GetLocalCount = scope_get_local_count, .GetLocals = scope_get_locals,
            .GetNamespaces = scope_get_namespaces, .GetConstantCount = scope_get_constant_count,
            .GetConstants = scope_get_constants);
static const cordbg_interface scope_interfaces[] = {
    CORDBG_INTERFACE(cordbg_sym_part, as_scope, ISymUnmanagedScope2, scope_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_sym_part, as_scope, ISymUnmanagedScope, scope_vtbl),
};
static const cordbg_class scope_class =
    CORDBG_CLASS(cordbg_sym_part, scope_interfaces, part_dispose);

static HRESULT
scope_create(cordbg_sym_method *method, uint32_t scope, ISymUnmanagedScope **ret)
{
  cordbg_sym_part *part = part_new(&scope_class, method, scope, 0);
  if (!part)
    return E_OUTOFMEMORY;
  *ret = (ISymUnmanagedScope *)(void *)&part->as_scope.iface;
  return S_OK;
}

static HRESULT
method_get_token(ISymUnmanagedMethod *This, mdMethodDef *ret)
{
  PUT(ret, METHOD(This)->symbols->method);
}

static HRESULT
method_get_point_count(ISymUnmanagedMethod *This, ULONG32 *ret)
{
  PUT(ret, METHOD(This)->symbols->point_count);
}

static HRESULT
method_get_root_scope(ISymUnmanagedMethod *This, ISymUnmanagedScope **ret)
{
  if (!ret)
    return E_INVALIDARG;
  if (METHOD(This)->symbols->scope_count == 0) {
    *ret = NULL;
    return S_OK;
  }
  return scope_create(METHOD(This), 0, ret);
}

/* The innermost: children stand behind their parents, so the last that contains the offset. */
static HRESULT
method_get_scope_from_offset(ISymUnmanagedMethod *This, ULONG32 offset, ISymUnmanagedScope **ret)
{
  const cordbg_method_symbols *symbols = METHOD(This)->symbols;
  if (!ret)
    return E_INVALIDARG;
  for (uint32_t s = symbols->scope_count; s-- > 0;)
    if (offset >= symbols->scopes[s].start && offset < symbols->scopes[s].end)
      return scope_create(METHOD(This), s, ret);
  return E_FAIL;
}

/* Whether a point takes in a position; column 0 asks for the line alone. */
static bool
covers(const cordbg_sequence_point *point, uint32_t document, ULONG32 line, ULONG32 column)
{
  if (point->document != document || point->start_line == CORDBG_HIDDEN_LINE ||
      line < point->start_line || line > point->end_line)
    return false;
  if (column == 0)
    return true;
  return !(line == point->start_line && column < point->start_column) &&
         !(line == point->end_line && column >= point->end_column);
}

static HRESULT
method_get_offset(ISymUnmanagedMethod *This, ISymUnmanagedDocument *document, ULONG32 line,
                  ULONG32 column, ULONG32 *ret)
{
  cordbg_sym_method *self = METHOD(This);
  uint32_t number = cordbg_sym_document_number(document, self->reader);
  if (!ret || !number)
    return E_INVALIDARG;
  for (uint32_t i = 0; i < self->symbols->point_count; i++)
    if (covers(&self->symbols->points[i], number, line, column))
      PUT(ret, self->symbols->points[i].offset);
  return E_FAIL;
}

/* Pairs of start and end, of each point that takes in the position; the last ends with the code. */
static HRESULT
method_get_ranges(ISymUnmanagedMethod *This, ISymUnmanagedDocument *document, ULONG32 line,
                  ULONG32 column, ULONG32 room, ULONG32 *count, ULONG32 *ranges)
{
  cordbg_sym_method *self = METHOD(This);
  const cordbg_method_symbols *symbols = self->symbols;
  uint32_t number = cordbg_sym_document_number(document, self->reader);
  uint32_t end_of_code = symbols->scope_count ? symbols->scopes[0].end : UINT32_MAX;
  ULONG32 all = 0;
  if (!number)
    return E_INVALIDARG;
  for (uint32_t i = 0; i < symbols->point_count; i++) {
    if (!covers(&symbols->points[i], number, line, column))
      continue;
    if (ranges && all + 1 < room) {
      ranges[all] = symbols->points[i].offset;
      ranges[all + 1] = i + 1 < symbols->point_count ? symbols->points[i + 1].offset : end_of_code;
    }
    all += 2;
  }
  return cordbg_sym_put_count(all, room & ~1u, count, ranges);
}

static HRESULT
method_get_source_start_end(ISymUnmanagedMethod *This, ISymUnmanagedDocument **documents,
                            ULONG32 *lines, ULONG32 *columns, BOOL *ret)
{
  cordbg_sym_method *self = METHOD(This);
  const cordbg_sequence_point *first = NULL, *last = NULL;
  for (uint32_t i = 0; i < self->symbols->point_count; i++) {
    const cordbg_sequence_point *point = &self->symbols->points[i];
    if (point->start_line == CORDBG_HIDDEN_LINE)
      continue;
    if (!first || point->start_line < first->start_line)
      first = point;
    if (!last || point->end_line > last->end_line)
      last = point;
  }
  if (!ret)
    return E_INVALIDARG;
  *ret = first != NULL;
  if (!first)
    return S_OK;
  if (lines) {
    lines[0] = first->start_line;
    lines[1] = last->end_line;
  }
  if (columns) {
    columns[0] = first->start_column;
    columns[1] = last->end_column;
  }
  if (!documents)
    return S_OK;
  HRESULT hr = cordbg_sym_document_create(self->reader, first->document, &documents[0]);
  return FAILED(hr) ? hr : cordbg_sym_document_create(self->reader, last->document, &documents[1]);
}

static HRESULT
method_get_points(ISymUnmanagedMethod *This, ULONG32 room, ULONG32 *count, ULONG32 *offsets,
                  ISymUnmanagedDocument **documents, ULONG32 *lines, ULONG32 *columns,
                  ULONG32 *end_lines, ULONG32 *end_columns)
{
  cordbg_sym_method *self = METHOD(This);
  const cordbg_method_symbols *symbols = self->symbols;
  const void *any = offsets     ? (void *)offsets
                    : documents ? (void *)documents
                    : lines     ? (void *)lines
                    : columns   ? (void *)columns
                    : end_lines ? (void *)end_lines
                                : (void *)end_columns;
  for (uint32_t i = 0; any && i < MIN(symbols->point_count, room); i++) {
    const cordbg_sequence_point *point = &symbols->points[i];
    if (offsets)
      offsets[i] = point->offset;
    if (lines)
      lines[i] = point->start_line;
    if (columns)
      columns[i] = point->start_column;
    if (end_lines)
      end_lines[i] = point->end_line;
    if (end_columns)
      end_columns[i] = point->end_column;
    if (documents &&
        FAILED(cordbg_sym_document_create(self->reader, point->document, &documents[i])))
      documents[i] = NULL;
  }
  return cordbg_sym_put_count(symbols->point_count, room, count, any);
}

CORDBG_VTBL(ISymUnmanagedMethod, method_vtbl, .GetToken = method_get_token,
            .GetSequencePointCount = method_get_point_count, .GetRootScope = method_get_root_scope,
            .GetScopeFromOffset = method_get_scope_from_offset, .GetOffset = method_get_offset,
            .GetRanges = method_get_ranges, .GetSourceStartEnd = method_get_source_start_end,
            .GetSequencePoints = method_get_points);

static HRESULT
async_is_async(ISymUnmanagedAsyncMethod *This, BOOL *ret)
{
  PUT(ret, METHOD(This)->symbols->is_async);
}

static HRESULT
async_get_kickoff(ISymUnmanagedAsyncMethod *This, mdToken *ret)
{
  if (!METHOD(This)->symbols->is_async)
    return E_UNEXPECTED;
  PUT(ret, METHOD(This)->symbols->kickoff_method);
}

static HRESULT
async_has_catch(ISymUnmanagedAsyncMethod *This, BOOL *ret)
{
  if (!METHOD(This)->symbols->is_async)
    return E_UNEXPECTED;
  PUT(ret, METHOD(This)->symbols->has_catch_handler);
}

static HRESULT
async_get_catch(ISymUnmanagedAsyncMethod *This, ULONG32 *ret)
{
  if (!METHOD(This)->symbols->is_async || !METHOD(This)->symbols->has_catch_handler)
    return E_UNEXPECTED;
  PUT(ret, METHOD(This)->symbols->catch_handler);
}

static HRESULT
async_get_step_count(ISymUnmanagedAsyncMethod *This, ULONG32 *ret)
{
  if (!METHOD(This)->symbols->is_async)
    return E_UNEXPECTED;
  PUT(ret, METHOD(This)->symbols->step_count);
}

static HRESULT
async_get_steps(ISymUnmanagedAsyncMethod *This, ULONG32 room, ULONG32 *count, ULONG32 *yields,
                ULONG32 *resumes, mdToken *methods)
{
  const cordbg_method_symbols *symbols = METHOD(This)->symbols;
  if (!symbols->is_async)
    return E_UNEXPECTED;
  if (!yields || !resumes || !methods)
    return E_INVALIDARG;
  for (uint32_t i = 0; i < MIN(symbols->step_count, room); i++) {
    yields[i] = symbols->steps[i].yield_offset;
    resumes[i] = symbols->steps[i].resume_offset;
    methods[i] = symbols->steps[i].resume_method;
  }
  return cordbg_sym_put_count(symbols->step_count, room, count, yields);
}

CORDBG_VTBL(ISymUnmanagedAsyncMethod, async_vtbl, .IsAsyncMethod = async_is_async,
            .GetKickoffMethod = async_get_kickoff, .HasCatchHandlerILOffset = async_has_catch,
            .GetCatchHandlerILOffset = async_get_catch,
            .GetAsyncStepInfoCount = async_get_step_count, .GetAsyncStepInfo = async_get_steps);

static void
method_dispose(void *object)
{
  cordbg_sym_method *self = object;
  cordbg_method_symbols_free(self->symbols);
  cordbg_object_unref(self->reader);
}

static const cordbg_interface method_interfaces[] = {
    CORDBG_INTERFACE(cordbg_sym_method, as_method, ISymUnmanagedMethod, method_vtbl),
    CORDBG_INTERFACE(cordbg_sym_method, as_async, ISymUnmanagedAsyncMethod, async_vtbl),
};
static const cordbg_class method_class =
    CORDBG_CLASS(cordbg_sym_method, method_interfaces, method_dispose);

HRESULT
cordbg_sym_method_create(cordbg_sym_reader *reader, mdMethodDef token, ISymUnmanagedMethod **ret)
{
  cordbg_method_symbols *symbols = NULL;
  HRESULT hr = cordbg_symbols_method(reader->symbols, token, &symbols, NULL);
  if (FAILED(hr))
    return hr == CLDB_E_RECORD_NOTFOUND ? E_FAIL : hr;
  cordbg_sym_method *method = cordbg_object_new(&method_class);
  if (!method) {
    cordbg_method_symbols_free(symbols);
    return E_OUTOFMEMORY;
  }
  cordbg_object_ref(reader);
  method->reader = reader;
  method->symbols = symbols;
  *ret = &method->as_method.iface;
  return S_OK;
}
