/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/attribute.h"

#include <inttypes.h>
#include <string.h>
#include "cordbg/corhdr.h"

enum { VALUE_DEPTH_MAX = 32, NAMED_FIELD = 0x53, NAMED_PROPERTY = 0x54 };

typedef struct decoder {
  const cordbg_metadata *metadata;
  cordbg_attribute_resolve_fn resolve;
  cordbg_attribute_visit_fn visit;
  void *context;
  cordbg_signature value;     /* the blob */
  cordbg_signature arguments; /* of a generic attribute's type */
  uint32_t argument_count;
  bool done; /* the visitor has had enough */
  HRESULT hr;
} decoder;

/* What a value is: an element type, for enumerations with who they are. */
typedef struct value_type {
  uint8_t element;
  bool is_enum;
  uint32_t enum_token;
  cordbg_blob enum_name;
} value_type;

static bool
fail(decoder *d, HRESULT hr)
{
  d->hr = hr;
  return false;
}

static bool
report(decoder *d, const cordbg_attribute_event *event)
{
  if (!d->done && !d->visit(d->context, event))
    d->done = true;
  return !d->done;
}

static bool
read_le(decoder *d, unsigned bytes, uint64_t *ret)
{
  if ((size_t)(d->value.end - d->value.at) < bytes)
    return fail(d, META_E_CA_INVALID_BLOB);
  *ret = 0;
  for (unsigned i = 0; i < bytes; i++)
    *ret |= (uint64_t)d->value.at[i] << (8 * i);
  d->value.at += bytes;
  return true;
}

static bool
read_string(decoder *d, cordbg_blob *ret, bool *ret_null)
{
  uint32_t size;
  *ret = (cordbg_blob){(const uint8_t *)"", 0};
  *ret_null = d->value.at < d->value.end && *d->value.at == 0xff;
  if (*ret_null) {
    d->value.at++;
    return true;
  }
  if (!cordbg_signature_read_u32(&d->value, &size) || size > (size_t)(d->value.end - d->value.at))
    return fail(d, META_E_CA_INVALID_BLOB);
  *ret = (cordbg_blob){d->value.at, size};
  d->value.at += size;
  return true;
}

uint8_t
cordbg_enum_underlying_type(const cordbg_metadata *metadata, uint32_t type_rid)
{
  cordbg_run fields = cordbg_metadata_type_fields(metadata, type_rid);
  for (uint32_t p = fields.first; p < fields.end; p++) {
    uint32_t rid = cordbg_metadata_run_rid(metadata, &fields, p);
    if (cordbg_metadata_column(metadata, CORDBG_TABLE_FIELD, rid, CORDBG_FIELD_FLAGS) & fdStatic)
      continue;
    cordbg_blob blob =
        cordbg_metadata_column_blob(metadata, CORDBG_TABLE_FIELD, rid, CORDBG_FIELD_SIGNATURE);
    if (blob.size < 2 || blob.data[0] != IMAGE_CEE_CS_CALLCONV_FIELD)
      return 0;
    uint8_t element = blob.data[1];
    return element >= ELEMENT_TYPE_BOOLEAN && element <= ELEMENT_TYPE_R8 ? element : 0;
  }
  return 0;
}

/* "Ns.Outer+Inner" of this module; 0 for a name that says another assembly, or that is not here. */
static uint32_t
find_serialised(const cordbg_metadata *metadata, cordbg_blob name)
{
  const char *text = (const char *)name.data;
  uint32_t enclosing = 0;
  size_t at = 0;

  if (memchr(text, ',', name.size) || memchr(text, '\\', name.size))
    return 0;
  while (at <= name.size) {
    const char *plus = at < name.size ? memchr(text + at, '+', name.size - at) : NULL;
    size_t end = plus ? (size_t)(plus - text) : name.size;
    const char *dot = enclosing ? NULL : memrchr(text + at, '.', end - at);
    size_t name_at = dot ? (size_t)(dot - text) + 1 : at;
    enclosing = cordbg_metadata_find_type(metadata, text + at, dot ? (size_t)(dot - text) - at : 0,
                                          text + name_at, end - name_at, enclosing);
    if (!enclosing || !plus)
      return enclosing;
    at = end + 1;
  }
  return 0;
}

static bool
resolve_enum(decoder *d, value_type *type)
{
  type->is_enum = true;
  type->element = 0;
  if (type->enum_token >> 24 == CORDBG_TABLE_TYPE_DEF)
    type->element = cordbg_enum_underlying_type(d->metadata, type->enum_token & CORDBG_RID_MAX);
  else if (!type->enum_token)
    type->element =
        cordbg_enum_underlying_type(d->metadata, find_serialised(d->metadata, type->enum_name));
  if (!type->element && d->resolve)
    type->element = d->resolve(d->context, type->enum_token, type->enum_name);
  return type->element ? true : fail(d, META_E_CANNOTRESOLVETYPEREF);
}

/* The type that a boxed value or a named argument says it has. */
static bool
read_serialised_type(decoder *d, value_type *type)
{
  uint64_t element;
  bool is_null;
  *type = (value_type){0};
  if (!read_le(d, 1, &element))
    return false;
  type->element = (uint8_t)element;
  if (element != SERIALIZATION_TYPE_ENUM)
    return true;
  if (!read_string(d, &type->enum_name, &is_null))
    return false;
  return resolve_enum(d, type);
}

static bool read_value(decoder *d, const value_type *type, unsigned depth);

static bool
read_elements(decoder *d, const value_type *element_type, unsigned depth)
{
  uint64_t count;
  if (!read_le(d, 4, &count))
    return false;
  cordbg_attribute_event event = {.kind = CORDBG_ATTRIBUTE_ARRAY_BEGIN};
  event.is_null = count == UINT32_MAX;
  event.count = event.is_null ? 0 : (uint32_t)count;
  /* Every element takes a byte at least: a lying count is found before anything is reported. */
  if (event.count > (size_t)(d->value.end - d->value.at))
    return fail(d, META_E_CA_INVALID_BLOB);
  if (!report(d, &event))
    return false;
  for (uint32_t i = 0; i < event.count; i++)
    if (!read_value(d, element_type, depth + 1))
      return false;
  event = (cordbg_attribute_event){.kind = CORDBG_ATTRIBUTE_ARRAY_END};
  return report(d, &event);
}

static bool
read_value(decoder *d, const value_type *type, unsigned depth)
{
  static const uint8_t widths[] = {
      [ELEMENT_TYPE_BOOLEAN] = 1, [ELEMENT_TYPE_CHAR] = 2, [ELEMENT_TYPE_I1] = 1,
      [ELEMENT_TYPE_U1] = 1,      [ELEMENT_TYPE_I2] = 2,   [ELEMENT_TYPE_U2] = 2,
      [ELEMENT_TYPE_I4] = 4,      [ELEMENT_TYPE_U4] = 4,   [ELEMENT_TYPE_I8] = 8,
      [ELEMENT_TYPE_U8] = 8,      [ELEMENT_TYPE_R4] = 4,   [ELEMENT_TYPE_R8] = 8};
  cordbg_attribute_event event = {.kind = CORDBG_ATTRIBUTE_VALUE,
                                  .type = type->element,
                                  .is_enum = type->is_enum,
                                  .enum_token = type->enum_token,
                                  .enum_name = type->enum_name};
  value_type inner;
  if (depth > VALUE_DEPTH_MAX)
    return fail(d, META_E_CA_INVALID_BLOB);

  switch (type->element) {
  case ELEMENT_TYPE_STRING:
  case SERIALIZATION_TYPE_TYPE:
    return read_string(d, &event.text, &event.is_null) && report(d, &event);
  case ELEMENT_TYPE_OBJECT:
  case SERIALIZATION_TYPE_TAGGED_OBJECT:
    return read_serialised_type(d, &inner) && read_value(d, &inner, depth + 1);
  case ELEMENT_TYPE_SZARRAY:
    return read_serialised_type(d, &inner) && read_elements(d, &inner, depth);
  default:
    if (type->element >= G_N_ELEMENTS(widths) || widths[type->element] == 0)
      return fail(d, META_E_CA_INVALID_BLOB);
    return read_le(d, widths[type->element], &event.bits) && report(d, &event);
  }
}

static bool
is_system_type(const cordbg_metadata *metadata, uint32_t token)
{
  GString *name = g_string_new(NULL);
  cordbg_type_name_format(metadata, token, name);
  bool is = strcmp(name->str, "System.Type") == 0;
  g_string_free(name, TRUE);
  return is;
}

static bool read_fixed(decoder *d, cordbg_signature *signature, unsigned depth);

/* A generic attribute's parameter: the type argument in its place. */
static bool
read_fixed_argument(decoder *d, uint32_t index, unsigned depth)
{
  cordbg_signature arguments = d->arguments;
  if (index >= d->argument_count)
    return fail(d, META_E_BAD_SIGNATURE);
  for (uint32_t i = 0; i < index; i++)
    if (!cordbg_signature_skip_type(&arguments))
      return fail(d, META_E_BAD_SIGNATURE);
  return read_fixed(d, &arguments, depth + 1);
}

static bool
to_value_type(decoder *d, const cordbg_type_node *node, value_type *type)
{
  *type = (value_type){.element = node->element};
  if (node->element == ELEMENT_TYPE_CLASS) {
    if (!is_system_type(d->metadata, node->token))
      return fail(d, META_E_BAD_SIGNATURE);
    type->element = SERIALIZATION_TYPE_TYPE;
  } else if (node->element == ELEMENT_TYPE_VALUETYPE) {
    type->enum_token = node->token;
    return resolve_enum(d, type);
  } else if (node->element == ELEMENT_TYPE_SZARRAY) {
    return fail(d, META_E_BAD_SIGNATURE);
  }
  return true;
}

static bool
read_fixed(decoder *d, cordbg_signature *signature, unsigned depth)
{
  cordbg_type_node node;
  value_type type;
  if (depth > VALUE_DEPTH_MAX || !cordbg_signature_read_type(signature, &node))
    return fail(d, META_E_BAD_SIGNATURE);
  if (node.element == ELEMENT_TYPE_VAR)
    return read_fixed_argument(d, node.number, depth);
  if (node.element != ELEMENT_TYPE_SZARRAY)
    return to_value_type(d, &node, &type) && read_value(d, &type, 0);

  cordbg_type_node element;
  if (!cordbg_signature_read_type(&node.child, &element))
    return fail(d, META_E_BAD_SIGNATURE);
  if (element.element == ELEMENT_TYPE_VAR) {
    cordbg_signature arguments = d->arguments;
    for (uint32_t i = 0; i <= element.number; i++)
      if (element.number >= d->argument_count ||
          !cordbg_signature_read_type(&arguments, i == element.number ? &element : &node))
        return fail(d, META_E_BAD_SIGNATURE);
  }
  return to_value_type(d, &element, &type) && read_elements(d, &type, 0);
}

static bool
read_named(decoder *d)
{
  uint64_t kind;
  value_type type;
  cordbg_attribute_event event = {0};
  if (!read_le(d, 1, &kind))
    return false;
  if (kind != NAMED_FIELD && kind != NAMED_PROPERTY)
    return fail(d, META_E_CA_INVALID_BLOB);
  event.kind = kind == NAMED_FIELD ? CORDBG_ATTRIBUTE_FIELD : CORDBG_ATTRIBUTE_PROPERTY;

  if (!read_serialised_type(d, &type))
    return false;
  value_type element = {0};
  bool is_array = type.element == ELEMENT_TYPE_SZARRAY;
  if (is_array && !read_serialised_type(d, &element))
    return false;
  if (!read_string(d, &event.name, &event.is_null) || !report(d, &event))
    return false;
  return is_array ? read_elements(d, &element, 0) : read_value(d, &type, 0);
}

/* The constructor's signature; for a generic attribute also the arguments of its type. */
static bool
constructor_signature(decoder *d, uint32_t constructor, cordbg_signature *ret)
{
  const cordbg_metadata *metadata = d->metadata;
  uint32_t rid = constructor & CORDBG_RID_MAX;
  if (constructor >> 24 == CORDBG_TABLE_METHOD_DEF) {
    *ret = cordbg_signature_of_blob(cordbg_metadata_column_blob(metadata, CORDBG_TABLE_METHOD_DEF,
                                                                rid, CORDBG_METHOD_DEF_SIGNATURE));
    return true;
  }
  *ret = cordbg_signature_of_blob(cordbg_metadata_column_blob(metadata, CORDBG_TABLE_MEMBER_REF,
                                                              rid, CORDBG_MEMBER_REF_SIGNATURE));

  uint32_t parent =
      cordbg_metadata_column_token(metadata, CORDBG_TABLE_MEMBER_REF, rid, CORDBG_MEMBER_REF_CLASS);
  if (parent >> 24 == CORDBG_TABLE_TYPE_SPEC) {
    cordbg_type_node node;
    cordbg_signature spec = cordbg_signature_of_blob(cordbg_metadata_column_blob(
        metadata, CORDBG_TABLE_TYPE_SPEC, parent & CORDBG_RID_MAX, CORDBG_TYPE_SPEC_SIGNATURE));
    if (cordbg_signature_read_type(&spec, &node) && node.element == ELEMENT_TYPE_GENERICINST) {
      d->arguments = node.rest;
      d->argument_count = node.number;
    }
  }
  return true;
}

static bool
decode(decoder *d, uint32_t attribute_rid)
{
  uint32_t constructor = cordbg_metadata_column_token(d->metadata, CORDBG_TABLE_CUSTOM_ATTRIBUTE,
                                                      attribute_rid, CORDBG_CUSTOM_ATTRIBUTE_TYPE);
  cordbg_signature signature;
  cordbg_method_signature method;
  uint64_t prolog, named;

  constructor_signature(d, constructor, &signature);
  if (!cordbg_signature_read_method(&signature, &method) || !cordbg_signature_skip_type(&signature))
    return fail(d, META_E_BAD_SIGNATURE);
  if (!read_le(d, 2, &prolog))
    return false;
  if (prolog != 1)
    return fail(d, META_E_CA_INVALID_BLOB);
  for (uint32_t i = 0; i < method.param_count; i++) {
    cordbg_attribute_event event = {.kind = CORDBG_ATTRIBUTE_FIXED, .index = i};
    if (!report(d, &event) || !read_fixed(d, &signature, 0))
      return false;
  }
  if (!read_le(d, 2, &named))
    return false;
  for (uint64_t i = 0; i < named; i++)
    if (!read_named(d))
      return false;
  return true;
}

HRESULT
cordbg_attribute_decode(const cordbg_metadata *metadata, uint32_t attribute_rid,
                        cordbg_attribute_resolve_fn resolve, cordbg_attribute_visit_fn visit,
                        void *context, cordbg_error *error)
{
  decoder d = {.metadata = metadata, .resolve = resolve, .visit = visit, .context = context};
  cordbg_blob blob = cordbg_metadata_column_blob(metadata, CORDBG_TABLE_CUSTOM_ATTRIBUTE,
                                                 attribute_rid, CORDBG_CUSTOM_ATTRIBUTE_VALUE);
  d.value = cordbg_signature_of_blob(blob);
  if (decode(&d, attribute_rid) || d.done)
    return S_OK;
  return cordbg_error_set(error, d.hr, 0, 0, "custom attribute %u cannot be decoded",
                          attribute_rid);
}

typedef struct formatter {
  GString *text;
  bool separate; /* a comma is due */
  cordbg_attribute_resolve_fn resolve;
  void *context;
} formatter;

static void
append_quoted(GString *text, cordbg_blob blob)
{
  g_string_append_c(text, '"');
  for (uint32_t i = 0; i < blob.size; i++) {
    uint8_t c = blob.data[i];
    if (c == '"' || c == '\\')
      g_string_append_c(text, '\\');
    if (c < 0x20)
      g_string_append_printf(text, "\\x%02x", c);
    else
      g_string_append_c(text, (char)c);
  }
  g_string_append_c(text, '"');
}

static void
append_scalar(GString *text, const cordbg_attribute_event *event)
{
  switch (event->type) {
  case ELEMENT_TYPE_STRING:
  case SERIALIZATION_TYPE_TYPE:
    if (event->is_null) {
      g_string_append(text, "null");
      return;
    }
    if (event->type == SERIALIZATION_TYPE_TYPE)
      g_string_append(text, "typeof(");
    append_quoted(text, event->text);
    if (event->type == SERIALIZATION_TYPE_TYPE)
      g_string_append_c(text, ')');
    return;
  case ELEMENT_TYPE_BOOLEAN:
    g_string_append(text, event->bits ? "true" : "false");
    return;
  case ELEMENT_TYPE_CHAR:
    g_string_append_printf(text, "'\\u%04x'", (unsigned)event->bits);
    return;
  case ELEMENT_TYPE_I1:
    g_string_append_printf(text, "%d", (int8_t)event->bits);
    return;
  case ELEMENT_TYPE_I2:
    g_string_append_printf(text, "%d", (int16_t)event->bits);
    return;
  case ELEMENT_TYPE_I4:
    g_string_append_printf(text, "%d", (int32_t)event->bits);
    return;
  case ELEMENT_TYPE_I8:
    g_string_append_printf(text, "%" PRId64, (int64_t)event->bits);
    return;
  case ELEMENT_TYPE_R4:
    g_string_append_printf(text, "float32(0x%08x)", (uint32_t)event->bits);
    return;
  case ELEMENT_TYPE_R8:
    g_string_append_printf(text, "float64(0x%016" PRIx64 ")", event->bits);
    return;
  default:
    g_string_append_printf(text, "%" PRIu64, event->bits);
  }
}

static bool
format_event(void *context, const cordbg_attribute_event *event)
{
  formatter *f = context;
  if (f->separate && event->kind != CORDBG_ATTRIBUTE_ARRAY_END)
    g_string_append(f->text, ", ");
  f->separate = false;
  switch (event->kind) {
  case CORDBG_ATTRIBUTE_FIXED:
    break;
  case CORDBG_ATTRIBUTE_FIELD:
  case CORDBG_ATTRIBUTE_PROPERTY:
    g_string_append_len(f->text, (const char *)event->name.data, event->name.size);
    g_string_append(f->text, " = ");
    break;
  case CORDBG_ATTRIBUTE_ARRAY_BEGIN:
    g_string_append(f->text, event->is_null ? "null[" : "[");
    break;
  case CORDBG_ATTRIBUTE_ARRAY_END:
    g_string_append_c(f->text, ']');
    f->separate = true;
    break;
  case CORDBG_ATTRIBUTE_VALUE:
    append_scalar(f->text, event);
    f->separate = true;
    break;
  }
  return true;
}

static uint8_t
format_resolve(void *context, uint32_t token, cordbg_blob name)
{
  formatter *f = context;
  return f->resolve ? f->resolve(f->context, token, name) : 0;
}

HRESULT
cordbg_attribute_format(const cordbg_metadata *metadata, uint32_t attribute_rid,
                        cordbg_attribute_resolve_fn resolve, void *context, GString *text,
                        cordbg_error *error)
{
  formatter f = {.text = text, .resolve = resolve, .context = context};
  g_string_append_c(text, '(');
  HRESULT hr =
      cordbg_attribute_decode(metadata, attribute_rid, format_resolve, format_event, &f, error);
  g_string_append_c(text, ')');
  return hr;
}

uint32_t
cordbg_attribute_type(const cordbg_metadata *metadata, uint32_t attribute_rid)
{
  uint32_t constructor = cordbg_metadata_column_token(metadata, CORDBG_TABLE_CUSTOM_ATTRIBUTE,
                                                      attribute_rid, CORDBG_CUSTOM_ATTRIBUTE_TYPE);
  uint32_t rid = constructor & CORDBG_RID_MAX;
  if (constructor >> 24 == CORDBG_TABLE_MEMBER_REF)
    return cordbg_metadata_column_token(metadata, CORDBG_TABLE_MEMBER_REF, rid,
                                        CORDBG_MEMBER_REF_CLASS);
  uint32_t type = cordbg_metadata_method_type(metadata, rid);
  return type ? CORDBG_TABLE_TYPE_DEF << 24 | type : 0;
}

uint32_t
cordbg_attribute_find(const cordbg_metadata *metadata, uint32_t owner, const char *full_name)
{
  cordbg_match match = cordbg_metadata_find_token(metadata, CORDBG_TABLE_CUSTOM_ATTRIBUTE, owner);
  GString *name = g_string_new(NULL);
  uint32_t found = 0;
  for (uint32_t p = match.first; p < match.end && !found; p++) {
    uint32_t rid = cordbg_metadata_match_rid(metadata, &match, p);
    uint32_t type = cordbg_attribute_type(metadata, rid);
    if (type >> 24 != CORDBG_TABLE_TYPE_DEF && type >> 24 != CORDBG_TABLE_TYPE_REF)
      continue;
    g_string_truncate(name, 0);
    cordbg_type_name_format(metadata, type, name);
    if (strcmp(name->str, full_name) == 0)
      found = rid;
  }
  g_string_free(name, TRUE);
  return found;
}
