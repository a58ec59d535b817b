/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/signature.h"

#include "cordbg/corhdr.h"

/* Type names nest through tables that may refer to each other in circles. */
enum { NESTING_MAX = 64, TEXT_MAX = 1 << 20 };

typedef struct writer {
  const cordbg_metadata *metadata;
  GString *text;
  gsize limit; /* TypeSpecs inside type names can multiply a short signature into a long text */
} writer;

static bool format_type(writer *w, cordbg_signature *signature, unsigned depth);
static bool format_method(writer *w, cordbg_signature *signature, const char *name, unsigned depth);

static void
append_name(writer *w, cordbg_table table, uint32_t rid, unsigned name_column,
            unsigned namespace_column)
{
  const cordbg_metadata *metadata = w->metadata;
  GString *text = w->text;
  const char *name_space = cordbg_metadata_column_string(metadata, table, rid, namespace_column);
  if (name_space[0]) {
    g_string_append(text, name_space);
    g_string_append_c(text, '.');
  }
  g_string_append(text, cordbg_metadata_column_string(metadata, table, rid, name_column));
}

static uint32_t
enclosing_token(const cordbg_metadata *metadata, uint32_t token)
{
  uint32_t rid = token & CORDBG_RID_MAX;
  if (token >> 24 == CORDBG_TABLE_TYPE_DEF) {
    uint32_t enclosing = cordbg_metadata_enclosing_type(metadata, rid);
    return enclosing ? CORDBG_TABLE_TYPE_DEF << 24 | enclosing : 0;
  }
  uint32_t scope =
      cordbg_metadata_column_token(metadata, CORDBG_TABLE_TYPE_REF, rid, CORDBG_TYPE_REF_SCOPE);
  return scope >> 24 == CORDBG_TABLE_TYPE_REF && (scope & CORDBG_RID_MAX) ? scope : 0;
}

static void
format_type_name(writer *w, uint32_t token, unsigned depth)
{
  const cordbg_metadata *metadata = w->metadata;
  GString *text = w->text;
  if (!cordbg_metadata_token_valid(metadata, token)) {
    g_string_append_printf(text, "<%08x>", token);
    return;
  }
  uint32_t rid = token & CORDBG_RID_MAX;
  if (token >> 24 == CORDBG_TABLE_TYPE_SPEC) {
    cordbg_signature signature = cordbg_signature_of_blob(cordbg_metadata_column_blob(
        metadata, CORDBG_TABLE_TYPE_SPEC, rid, CORDBG_TYPE_SPEC_SIGNATURE));
    format_type(w, &signature, depth + 1);
    return;
  }

  uint32_t enclosing = enclosing_token(w->metadata, token);
  if (enclosing && depth < NESTING_MAX) {
    format_type_name(w, enclosing, depth + 1);
    g_string_append_c(text, '+');
  }
  if (token >> 24 == CORDBG_TABLE_TYPE_DEF)
    append_name(w, CORDBG_TABLE_TYPE_DEF, rid, CORDBG_TYPE_DEF_NAME, CORDBG_TYPE_DEF_NAMESPACE);
  else
    append_name(w, CORDBG_TABLE_TYPE_REF, rid, CORDBG_TYPE_REF_NAME, CORDBG_TYPE_REF_NAMESPACE);
}

void
cordbg_type_name_format(const cordbg_metadata *metadata, uint32_t token, GString *text)
{
  writer w = {metadata, text, text->len + TEXT_MAX};
  format_type_name(&w, token, 0);
}

static const char *const primitive_names[] = {
    [ELEMENT_TYPE_VOID] = "void",
    [ELEMENT_TYPE_BOOLEAN] = "bool",
    [ELEMENT_TYPE_CHAR] = "char",
    [ELEMENT_TYPE_I1] = "int8",
    [ELEMENT_TYPE_U1] = "uint8",
    [ELEMENT_TYPE_I2] = "int16",
    [ELEMENT_TYPE_U2] = "uint16",
    [ELEMENT_TYPE_I4] = "int32",
    [ELEMENT_TYPE_U4] = "uint32",
    [ELEMENT_TYPE_I8] = "int64",
    [ELEMENT_TYPE_U8] = "uint64",
    [ELEMENT_TYPE_R4] = "float32",
    [ELEMENT_TYPE_R8] = "float64",
    [ELEMENT_TYPE_STRING] = "string",
    [ELEMENT_TYPE_TYPEDBYREF] = "typedref",
    [ELEMENT_TYPE_I] = "native int",
    [ELEMENT_TYPE_U] = "native uint",
    [ELEMENT_TYPE_OBJECT] = "object",
};

/* "[,]" where nothing is said of bounds, else per dimension "low..." and the size. */
static bool
format_array_shape(GString *text, cordbg_signature *signature)
{
  uint32_t rank, sizes, bounds;
  if (!cordbg_signature_read_u32(signature, &rank) || rank > 1024 ||
      !cordbg_signature_read_u32(signature, &sizes))
    return false;
  cordbg_signature at_sizes = *signature, at_bounds;
  uint32_t size = 0;
  int32_t bound = 0;
  for (uint32_t i = 0; i < sizes; i++)
    if (!cordbg_signature_read_u32(signature, &size))
      return false;
  if (!cordbg_signature_read_u32(signature, &bounds))
    return false;
  at_bounds = *signature;
  for (uint32_t i = 0; i < bounds; i++)
    if (!cordbg_signature_read_i32(signature, &bound))
      return false;

  g_string_append_c(text, '[');
  if (rank == 1 && sizes == 0 && bounds == 0)
    g_string_append_c(text, '*');
  for (uint32_t i = 0; i < rank; i++) {
    if (i > 0)
      g_string_append_c(text, ',');
    bool has_bound = i < bounds && cordbg_signature_read_i32(&at_bounds, &bound);
    if (has_bound && bound != 0)
      g_string_append_printf(text, "%d...", bound);
    if (i < sizes && cordbg_signature_read_u32(&at_sizes, &size))
      g_string_append_printf(text, "%u", size);
  }
  g_string_append_c(text, ']');
  return true;
}

static bool
format_suffixed(writer *w, cordbg_signature *signature, unsigned depth, const char *suffix)
{
  if (!format_type(w, signature, depth + 1))
    return false;
  g_string_append(w->text, suffix);
  return true;
}

static bool
format_modified(writer *w, cordbg_signature *signature, unsigned depth, const char *word)
{
  GString *text = w->text;
  uint32_t token;
  if (!cordbg_signature_read_token(signature, &token) || !format_type(w, signature, depth + 1))
    return false;
  g_string_append_printf(text, " %s(", word);
  format_type_name(w, token, depth);
  g_string_append_c(text, ')');
  return true;
}

static bool
format_instance(writer *w, cordbg_signature *signature, unsigned depth)
{
  GString *text = w->text;
  uint32_t count;
  if (!format_type(w, signature, depth + 1) || !cordbg_signature_read_u32(signature, &count))
    return false;
  g_string_append_c(text, '<');
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0)
      g_string_append_c(text, ',');
    if (!format_type(w, signature, depth + 1))
      return false;
  }
  g_string_append_c(text, '>');
  return true;
}

static bool
format_numbered(GString *text, cordbg_signature *signature, const char *prefix)
{
  uint32_t number;
  if (!cordbg_signature_read_u32(signature, &number))
    return false;
  g_string_append_printf(text, "%s%u", prefix, number);
  return true;
}

static bool
format_type(writer *w, cordbg_signature *signature, unsigned depth)
{
  GString *text = w->text;
  uint8_t element;
  uint32_t token;
  if (depth > CORDBG_SIGNATURE_DEPTH_MAX || w->text->len > w->limit ||
      !cordbg_signature_read_byte(signature, &element))
    return false;

  switch (element) {
  case ELEMENT_TYPE_CLASS:
  case ELEMENT_TYPE_VALUETYPE:
    if (!cordbg_signature_read_token(signature, &token))
      return false;
    format_type_name(w, token, depth);
    return true;
  case ELEMENT_TYPE_VAR:
    return format_numbered(w->text, signature, "!");
  case ELEMENT_TYPE_MVAR:
    return format_numbered(w->text, signature, "!!");
  case ELEMENT_TYPE_CMOD_REQD:
    return format_modified(w, signature, depth, "modreq");
  case ELEMENT_TYPE_CMOD_OPT:
    return format_modified(w, signature, depth, "modopt");
  case ELEMENT_TYPE_PTR:
    return format_suffixed(w, signature, depth, "*");
  case ELEMENT_TYPE_BYREF:
    return format_suffixed(w, signature, depth, "&");
  case ELEMENT_TYPE_SZARRAY:
    return format_suffixed(w, signature, depth, "[]");
  case ELEMENT_TYPE_PINNED:
    return format_suffixed(w, signature, depth, " pinned");
  case ELEMENT_TYPE_ARRAY:
    return format_type(w, signature, depth + 1) && format_array_shape(w->text, signature);
  case ELEMENT_TYPE_GENERICINST:
    return format_instance(w, signature, depth);
  case ELEMENT_TYPE_FNPTR:
    g_string_append(text, "method ");
    return format_method(w, signature, "*", depth + 1);
  default:
    if (element >= G_N_ELEMENTS(primitive_names) || !primitive_names[element])
      return false;
    g_string_append(text, primitive_names[element]);
    return true;
  }
}

static void
append_convention(uint8_t convention, GString *text)
{
  static const char *const words[16] = {
      [IMAGE_CEE_CS_CALLCONV_C] = "cdecl ",
      [IMAGE_CEE_CS_CALLCONV_STDCALL] = "stdcall ",
      [IMAGE_CEE_CS_CALLCONV_THISCALL] = "thiscall ",
      [IMAGE_CEE_CS_CALLCONV_FASTCALL] = "fastcall ",
      [IMAGE_CEE_CS_CALLCONV_VARARG] = "vararg ",
      [IMAGE_CEE_CS_CALLCONV_UNMANAGED] = "unmanaged ",
  };
  if (convention & IMAGE_CEE_CS_CALLCONV_HASTHIS)
    g_string_append(text, "instance ");
  if (convention & IMAGE_CEE_CS_CALLCONV_EXPLICITTHIS)
    g_string_append(text, "explicit ");
  const char *word = words[convention & IMAGE_CEE_CS_CALLCONV_MASK];
  if (word)
    g_string_append(text, word);
}

static bool
format_method(writer *w, cordbg_signature *signature, const char *name, unsigned depth)
{
  GString *text = w->text;
  cordbg_method_signature method;
  if (!cordbg_signature_read_method(signature, &method))
    return false;
  append_convention(method.convention, text);
  if (!format_type(w, signature, depth + 1))
    return false;
  if (name) {
    g_string_append_c(text, ' ');
    g_string_append(text, name);
  }
  if (method.generic_count > 0)
    g_string_append_printf(text, "<%u>", method.generic_count);
  g_string_append_c(text, '(');
  for (uint32_t i = 0; i < method.param_count; i++) {
    if (i > 0)
      g_string_append_c(text, ',');
    if (signature->at < signature->end && *signature->at == ELEMENT_TYPE_SENTINEL) {
      signature->at++;
      g_string_append(text, "...,");
    }
    if (!format_type(w, signature, depth + 1))
      return false;
  }
  g_string_append_c(text, ')');
  return true;
}

bool
cordbg_signature_format_type(const cordbg_metadata *metadata, cordbg_signature *signature,
                             GString *text)
{
  writer w = {metadata, text, text->len + TEXT_MAX};
  return format_type(&w, signature, 0);
}

bool
cordbg_signature_format_method(const cordbg_metadata *metadata, cordbg_signature *signature,
                               const char *name, GString *text)
{
  writer w = {metadata, text, text->len + TEXT_MAX};
  return format_method(&w, signature, name, 0);
}

/* count types in brackets, as locals and method instantiations have them. */
static bool
format_list(writer *w, cordbg_signature *signature, const char *brackets)
{
  GString *text = w->text;
  uint32_t count;
  signature->at++;
  if (!cordbg_signature_read_u32(signature, &count))
    return false;
  g_string_append_c(text, brackets[0]);
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0)
      g_string_append_c(text, ',');
    if (!format_type(w, signature, 0))
      return false;
  }
  g_string_append_c(text, brackets[1]);
  return true;
}

bool
cordbg_signature_format(const cordbg_metadata *metadata, cordbg_blob blob, GString *text)
{
  cordbg_signature signature = cordbg_signature_of_blob(blob);
  writer w = {metadata, text, text->len + TEXT_MAX};
  if (blob.size == 0)
    return false;
  switch (blob.data[0] & IMAGE_CEE_CS_CALLCONV_MASK) {
  case IMAGE_CEE_CS_CALLCONV_FIELD:
    signature.at++;
    return format_type(&w, &signature, 0);
  case IMAGE_CEE_CS_CALLCONV_LOCAL_SIG:
    return format_list(&w, &signature, "()");
  case IMAGE_CEE_CS_CALLCONV_GENERICINST:
    return format_list(&w, &signature, "<>");
  default:
    return format_method(&w, &signature, NULL, 0);
  }
}
