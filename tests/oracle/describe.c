/* SPDX-License-Identifier: MIT */
/* cordbg's side of the comparison with dump.cs: the same lines from cordbg's own reading. */
#include "config.h"
#include "tests/oracle/describe.h"

#include <string.h>
#include "cordbg/corhdr.h"
#include "cordbg/metadata/attribute.h"
#include "cordbg/metadata/method-body.h"
#include "cordbg/metadata/signature.h"

typedef struct describer {
  const cordbg_image *image;
  const cordbg_metadata *md;
  GString *text;
} describer;

#define COLUMN(table, rid, column)                                                                 \
  cordbg_metadata_column(d->md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column)
#define TOKEN(table, rid, column)                                                                  \
  nil_to_zero(                                                                                     \
      cordbg_metadata_column_token(d->md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column))
#define STRING(table, rid, column)                                                                 \
  cordbg_metadata_column_string(d->md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column)
#define BLOB(table, rid, column)                                                                   \
  cordbg_metadata_column_blob(d->md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column)
#define ROWS(table) cordbg_metadata_rows(d->md, CORDBG_TABLE_##table)
#define MAKE(table, rid) ((uint32_t)CORDBG_TABLE_##table << 24 | (rid))

/* A nil row shows as 0 whatever its table, as a nil handle does. */
static uint32_t
nil_to_zero(uint32_t token)
{
  return token & CORDBG_RID_MAX ? token : 0;
}

static uint64_t
fnv(const uint8_t *bytes, size_t size)
{
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
  return hash;
}

static void add(describer *d, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void
add(describer *d, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_string_append_vprintf(d->text, format, args);
  va_end(args);
}

static void
add_hex(describer *d, cordbg_blob blob)
{
  static const char digits[] = "0123456789abcdef";
  for (uint32_t i = 0; i < blob.size; i++) {
    g_string_append_c(d->text, digits[blob.data[i] >> 4]);
    g_string_append_c(d->text, digits[blob.data[i] & 15]);
  }
}

static void
add_signature(describer *d, cordbg_blob blob)
{
  gsize before = d->text->len;
  if (!cordbg_signature_format(d->md, blob, d->text)) {
    g_string_truncate(d->text, before);
    g_string_append(d->text, "!bad");
  }
}

static void
add_constant(describer *d, uint32_t parent)
{
  uint32_t rid = cordbg_metadata_find_one(d->md, CORDBG_TABLE_CONSTANT, parent);
  if (!rid) {
    g_string_append_c(d->text, '-');
    return;
  }
  add(d, "%x:", COLUMN(CONSTANT, rid, TYPE));
  add_hex(d, BLOB(CONSTANT, rid, VALUE));
}

static void
add_marshal(describer *d, uint32_t parent)
{
  uint32_t rid = cordbg_metadata_find_one(d->md, CORDBG_TABLE_FIELD_MARSHAL, parent);
  if (rid)
    add_hex(d, BLOB(FIELD_MARSHAL, rid, NATIVE_TYPE));
}

static void
add_generics(describer *d, uint32_t owner)
{
  cordbg_match params = cordbg_metadata_find_token(d->md, CORDBG_TABLE_GENERIC_PARAM, owner);
  for (uint32_t p = params.first; p < params.end; p++) {
    uint32_t rid = cordbg_metadata_match_rid(d->md, &params, p);
    add(d, " %u:%s:%x", COLUMN(GENERIC_PARAM, rid, NUMBER), STRING(GENERIC_PARAM, rid, NAME),
        COLUMN(GENERIC_PARAM, rid, FLAGS));
    cordbg_match constraints =
        cordbg_metadata_find(d->md, CORDBG_TABLE_GENERIC_PARAM_CONSTRAINT, rid);
    for (uint32_t c = constraints.first; c < constraints.end; c++)
      add(d, "/%08x",
          TOKEN(GENERIC_PARAM_CONSTRAINT, cordbg_metadata_match_rid(d->md, &constraints, c),
                CONSTRAINT));
  }
}

static void
add_security(describer *d, uint32_t owner)
{
  cordbg_match match = cordbg_metadata_find_token(d->md, CORDBG_TABLE_DECL_SECURITY, owner);
  for (uint32_t p = match.first; p < match.end; p++) {
    uint32_t rid = cordbg_metadata_match_rid(d->md, &match, p);
    add(d, " %d:", (int)COLUMN(DECL_SECURITY, rid, ACTION));
    add_hex(d, BLOB(DECL_SECURITY, rid, PERMISSION_SET));
  }
}

static void
describe_guid(describer *d, const uint8_t *guid)
{
  static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  for (unsigned i = 0; i < 16; i++)
    add(d, "%02x", guid ? guid[order[i]] : 0);
}

static void
describe_resource(describer *d, uint32_t rid)
{
  add(d, "resource %s %u %x %08x ", STRING(MANIFEST_RESOURCE, rid, NAME),
      COLUMN(MANIFEST_RESOURCE, rid, OFFSET), COLUMN(MANIFEST_RESOURCE, rid, FLAGS),
      TOKEN(MANIFEST_RESOURCE, rid, IMPLEMENTATION));
  cordbg_span span = {0};
  if (TOKEN(MANIFEST_RESOURCE, rid, IMPLEMENTATION))
    add(d, "-\n");
  else if (SUCCEEDED(cordbg_image_resource(d->image, rid, &span, NULL)))
    add(d, "%zu:%" G_GINT64_MODIFIER "x\n", span.size, fnv(span.data, span.size));
  else
    add(d, "!bad\n");
  cordbg_span_deinit(&span);
}

static void
describe_manifest(describer *d)
{
  add(d, "module %s ", STRING(MODULE, 1, NAME));
  describe_guid(d, cordbg_image_mvid(d->image));
  add(d, " %u %s\n", COLUMN(MODULE, 1, GENERATION), d->md->version);
  if (ROWS(ASSEMBLY)) {
    add(d, "assembly %s %u.%u.%u.%u %s %x %x ", STRING(ASSEMBLY, 1, NAME),
        COLUMN(ASSEMBLY, 1, MAJOR_VERSION), COLUMN(ASSEMBLY, 1, MINOR_VERSION),
        COLUMN(ASSEMBLY, 1, BUILD_NUMBER), COLUMN(ASSEMBLY, 1, REVISION_NUMBER),
        STRING(ASSEMBLY, 1, LOCALE), COLUMN(ASSEMBLY, 1, FLAGS), COLUMN(ASSEMBLY, 1, HASH_ALG_ID));
    add_hex(d, BLOB(ASSEMBLY, 1, PUBLIC_KEY));
    add_security(d, MAKE(ASSEMBLY, 1));
    add(d, "\n");
  }
  for (uint32_t r = 1; r <= ROWS(ASSEMBLY_REF); r++) {
    add(d, "assemblyref %s %u.%u.%u.%u %s %x ", STRING(ASSEMBLY_REF, r, NAME),
        COLUMN(ASSEMBLY_REF, r, MAJOR_VERSION), COLUMN(ASSEMBLY_REF, r, MINOR_VERSION),
        COLUMN(ASSEMBLY_REF, r, BUILD_NUMBER), COLUMN(ASSEMBLY_REF, r, REVISION_NUMBER),
        STRING(ASSEMBLY_REF, r, LOCALE), COLUMN(ASSEMBLY_REF, r, FLAGS));
    add_hex(d, BLOB(ASSEMBLY_REF, r, PUBLIC_KEY_OR_TOKEN));
    add(d, " ");
    add_hex(d, BLOB(ASSEMBLY_REF, r, HASH_VALUE));
    add(d, "\n");
  }
  for (uint32_t r = 1; r <= ROWS(MODULE_REF); r++)
    add(d, "moduleref %s\n", STRING(MODULE_REF, r, NAME));
  for (uint32_t r = 1; r <= ROWS(FILE); r++) {
    add(d, "file %s %s ", STRING(FILE, r, NAME), COLUMN(FILE, r, FLAGS) == 0 ? "True" : "False");
    add_hex(d, BLOB(FILE, r, HASH_VALUE));
    add(d, "\n");
  }
  for (uint32_t r = 1; r <= ROWS(EXPORTED_TYPE); r++)
    add(d, "exported %s %s %x %08x\n", STRING(EXPORTED_TYPE, r, NAMESPACE),
        STRING(EXPORTED_TYPE, r, NAME), COLUMN(EXPORTED_TYPE, r, FLAGS),
        TOKEN(EXPORTED_TYPE, r, IMPLEMENTATION));
  for (uint32_t r = 1; r <= ROWS(MANIFEST_RESOURCE); r++)
    describe_resource(d, r);
}

static void
describe_references(describer *d)
{
  for (uint32_t r = 1; r <= ROWS(TYPE_REF); r++)
    add(d, "typeref %08x %08x %s %s\n", MAKE(TYPE_REF, r), TOKEN(TYPE_REF, r, SCOPE),
        STRING(TYPE_REF, r, NAMESPACE), STRING(TYPE_REF, r, NAME));
  for (uint32_t r = 1; r <= ROWS(MEMBER_REF); r++) {
    add(d, "memberref %08x %08x %s ", MAKE(MEMBER_REF, r), TOKEN(MEMBER_REF, r, CLASS),
        STRING(MEMBER_REF, r, NAME));
    add_signature(d, BLOB(MEMBER_REF, r, SIGNATURE));
    add(d, "\n");
  }
  for (uint32_t r = 1; r <= ROWS(TYPE_SPEC); r++) {
    cordbg_signature signature = cordbg_signature_of_blob(BLOB(TYPE_SPEC, r, SIGNATURE));
    add(d, "typespec %u ", r);
    gsize before = d->text->len;
    if (!cordbg_signature_format_type(d->md, &signature, d->text)) {
      g_string_truncate(d->text, before);
      add(d, "!bad");
    }
    add(d, "\n");
  }
  for (uint32_t r = 1; r <= ROWS(METHOD_SPEC); r++) {
    add(d, "methodspec %u %08x ", r, TOKEN(METHOD_SPEC, r, METHOD));
    add_signature(d, BLOB(METHOD_SPEC, r, INSTANTIATION));
    add(d, "\n");
  }
  for (uint32_t r = 1; r <= ROWS(STAND_ALONE_SIG); r++) {
    cordbg_blob blob = BLOB(STAND_ALONE_SIG, r, SIGNATURE);
    if (blob.size && (blob.data[0] & 15) == IMAGE_CEE_CS_CALLCONV_FIELD)
      continue;
    add(d, "sig %u ", r);
    add_signature(d, blob);
    add(d, "\n");
  }
}

static void
describe_field(describer *d, uint32_t rid)
{
  uint32_t token = MAKE(FIELD, rid);
  add(d, " field %08x %s %x ", token, STRING(FIELD, rid, NAME), COLUMN(FIELD, rid, FLAGS));
  add_signature(d, BLOB(FIELD, rid, SIGNATURE));
  uint32_t layout = cordbg_metadata_find_one(d->md, CORDBG_TABLE_FIELD_LAYOUT, token);
  uint32_t rva = cordbg_metadata_find_one(d->md, CORDBG_TABLE_FIELD_RVA, token);
  add(d, " %d %x ", layout ? (int)COLUMN(FIELD_LAYOUT, layout, OFFSET) : -1,
      COLUMN(FIELD_RVA, rva, RVA));
  add_marshal(d, token);
  add(d, " ");
  add_constant(d, token);
  add(d, "\n");
}

static void
describe_body(describer *d, uint32_t rid)
{
  if (COLUMN(METHOD_DEF, rid, RVA) == 0 || (COLUMN(METHOD_DEF, rid, IMPL_FLAGS) & 3) != 0)
    return;
  cordbg_method_body body;
  if (FAILED(cordbg_method_body_init(&body, d->image, rid, NULL))) {
    add(d, "  body !bad\n");
    return;
  }
  add(d, "  body %u %" G_GINT64_MODIFIER "x %u %d %08x\n", body.code_size,
      fnv(body.code, body.code_size), body.max_stack, body.init_locals,
      nil_to_zero(body.local_signature));
  for (uint32_t i = 0; i < body.clause_count; i++) {
    cordbg_exception_clause clause = cordbg_method_body_clause(&body, i);
    add(d, "  clause %u %u %u %u %u %x\n", clause.flags, clause.try_offset, clause.try_length,
        clause.handler_offset, clause.handler_length,
        clause.flags <= 1 ? clause.token_or_filter : 0);
  }
  cordbg_method_body_deinit(&body);
}

static void
describe_method(describer *d, uint32_t rid)
{
  uint32_t token = MAKE(METHOD_DEF, rid);
  add(d, " method %08x %s %x %x %x ", token, STRING(METHOD_DEF, rid, NAME),
      COLUMN(METHOD_DEF, rid, FLAGS), COLUMN(METHOD_DEF, rid, IMPL_FLAGS),
      COLUMN(METHOD_DEF, rid, RVA));
  add_signature(d, BLOB(METHOD_DEF, rid, SIGNATURE));
  add_generics(d, token);
  add_security(d, token);
  add(d, "\n");

  cordbg_run params = cordbg_metadata_method_params(d->md, rid);
  for (uint32_t p = params.first; p < params.end; p++) {
    uint32_t param = cordbg_metadata_run_rid(d->md, &params, p);
    add(d, "  param %08x %u %s %x ", MAKE(PARAM, param), COLUMN(PARAM, param, SEQUENCE),
        STRING(PARAM, param, NAME), COLUMN(PARAM, param, FLAGS));
    add_marshal(d, MAKE(PARAM, param));
    add(d, " ");
    add_constant(d, MAKE(PARAM, param));
    add(d, "\n");
    if (cordbg_metadata_param_method(d->md, param) != rid)
      add(d, "  param has another owner\n");
  }
  uint32_t import = cordbg_metadata_find_one(d->md, CORDBG_TABLE_IMPL_MAP, token);
  if (import && COLUMN(IMPL_MAP, import, IMPORT_SCOPE))
    add(d, "  import %s %08x %x\n", STRING(IMPL_MAP, import, IMPORT_NAME),
        TOKEN(IMPL_MAP, import, IMPORT_SCOPE), COLUMN(IMPL_MAP, import, FLAGS));
  describe_body(d, rid);
}

/* The method with one of the semantics; the others are listed for msOther. */
static uint32_t
accessor(describer *d, uint32_t owner, uint32_t semantic)
{
  cordbg_match match = cordbg_metadata_find_token(d->md, CORDBG_TABLE_METHOD_SEMANTICS, owner);
  uint32_t found = 0;
  for (uint32_t p = match.first; p < match.end; p++) {
    uint32_t rid = cordbg_metadata_match_rid(d->md, &match, p);
    if (COLUMN(METHOD_SEMANTICS, rid, SEMANTIC) == semantic)
      found = TOKEN(METHOD_SEMANTICS, rid, METHOD);
  }
  return found;
}

static void
add_other_accessors(describer *d, uint32_t owner)
{
  cordbg_match match = cordbg_metadata_find_token(d->md, CORDBG_TABLE_METHOD_SEMANTICS, owner);
  const char *comma = "";
  add(d, "[");
  for (uint32_t p = match.first; p < match.end; p++) {
    uint32_t rid = cordbg_metadata_match_rid(d->md, &match, p);
    if (COLUMN(METHOD_SEMANTICS, rid, SEMANTIC) != msOther)
      continue;
    add(d, "%s%08x", comma, TOKEN(METHOD_SEMANTICS, rid, METHOD));
    comma = ",";
  }
  add(d, "]");
}

static void
describe_properties_and_events(describer *d, uint32_t type_rid)
{
  cordbg_run properties = cordbg_metadata_type_properties(d->md, type_rid);
  for (uint32_t p = properties.first; p < properties.end; p++) {
    uint32_t rid = cordbg_metadata_run_rid(d->md, &properties, p), token = MAKE(PROPERTY, rid);
    add(d, " property %08x %s %x ", token, STRING(PROPERTY, rid, NAME),
        COLUMN(PROPERTY, rid, FLAGS));
    add_signature(d, BLOB(PROPERTY, rid, TYPE));
    add(d, " %08x %08x ", accessor(d, token, msGetter), accessor(d, token, msSetter));
    add_other_accessors(d, token);
    add(d, " ");
    add_constant(d, token);
    add(d, "\n");
    if (cordbg_metadata_property_type(d->md, rid) != type_rid)
      add(d, " property has another owner\n");
  }
  cordbg_run events = cordbg_metadata_type_events(d->md, type_rid);
  for (uint32_t p = events.first; p < events.end; p++) {
    uint32_t rid = cordbg_metadata_run_rid(d->md, &events, p), token = MAKE(EVENT, rid);
    add(d, " event %08x %s %x %08x %08x %08x %08x ", token, STRING(EVENT, rid, NAME),
        COLUMN(EVENT, rid, FLAGS), TOKEN(EVENT, rid, TYPE), accessor(d, token, msAddOn),
        accessor(d, token, msRemoveOn), accessor(d, token, msFire));
    add_other_accessors(d, token);
    add(d, "\n");
    if (cordbg_metadata_event_type(d->md, rid) != type_rid)
      add(d, " event has another owner\n");
  }
}

static void
describe_type(describer *d, uint32_t rid)
{
  uint32_t token = MAKE(TYPE_DEF, rid);
  uint32_t layout = cordbg_metadata_find_one(d->md, CORDBG_TABLE_CLASS_LAYOUT, token);
  uint32_t enclosing = cordbg_metadata_enclosing_type(d->md, rid);
  add(d, "type %08x %s %s %x %08x %08x %u %u", token, STRING(TYPE_DEF, rid, NAMESPACE),
      STRING(TYPE_DEF, rid, NAME), COLUMN(TYPE_DEF, rid, FLAGS), TOKEN(TYPE_DEF, rid, EXTENDS),
      enclosing ? MAKE(TYPE_DEF, enclosing) : 0, COLUMN(CLASS_LAYOUT, layout, PACKING_SIZE),
      COLUMN(CLASS_LAYOUT, layout, CLASS_SIZE));
  add_security(d, token);

  add(d, "\n implements ");
  cordbg_match match = cordbg_metadata_find(d->md, CORDBG_TABLE_INTERFACE_IMPL, rid);
  for (uint32_t p = match.first; p < match.end; p++)
    add(d, "%s%08x", p > match.first ? "," : "",
        TOKEN(INTERFACE_IMPL, cordbg_metadata_match_rid(d->md, &match, p), INTERFACE));
  add(d, "\n");
  match = cordbg_metadata_find(d->md, CORDBG_TABLE_METHOD_IMPL, rid);
  for (uint32_t p = match.first; p < match.end; p++) {
    uint32_t row = cordbg_metadata_match_rid(d->md, &match, p);
    add(d, " override %08x %08x\n", TOKEN(METHOD_IMPL, row, BODY),
        TOKEN(METHOD_IMPL, row, DECLARATION));
  }
  add(d, " generic");
  add_generics(d, token);
  add(d, "\n");

  cordbg_run run = cordbg_metadata_type_fields(d->md, rid);
  for (uint32_t p = run.first; p < run.end; p++) {
    uint32_t field = cordbg_metadata_run_rid(d->md, &run, p);
    describe_field(d, field);
    if (cordbg_metadata_field_type(d->md, field) != rid)
      add(d, " field has another owner\n");
  }
  run = cordbg_metadata_type_methods(d->md, rid);
  for (uint32_t p = run.first; p < run.end; p++) {
    uint32_t method = cordbg_metadata_run_rid(d->md, &run, p);
    describe_method(d, method);
    if (cordbg_metadata_method_type(d->md, method) != rid)
      add(d, " method has another owner\n");
  }
  describe_properties_and_events(d, rid);
}

static void
check_name_index(describer *d, uint32_t rid)
{
  const char *name_space = STRING(TYPE_DEF, rid, NAMESPACE), *name = STRING(TYPE_DEF, rid, NAME);
  uint32_t enclosing = cordbg_metadata_enclosing_type(d->md, rid);
  uint32_t found = cordbg_metadata_find_type(d->md, name_space, strlen(name_space), name,
                                             strlen(name), enclosing);
  if (found == rid)
    return;
  /* Types of one name: the first answers. */
  if (found && found < rid && strcmp(STRING(TYPE_DEF, found, NAME), name) == 0 &&
      strcmp(STRING(TYPE_DEF, found, NAMESPACE), name_space) == 0 &&
      cordbg_metadata_enclosing_type(d->md, found) == enclosing)
    return;
  add(d, "type %08x is not found by its name\n", MAKE(TYPE_DEF, rid));
}

/* An enumeration of another assembly: both sides take it for 32 bits. */
static uint8_t
resolve_as_int32(void *context, uint32_t token, cordbg_blob name)
{
  (void)context, (void)token, (void)name;
  return ELEMENT_TYPE_I4;
}

static void
describe_attributes(describer *d)
{
  for (uint32_t r = 1; r <= ROWS(CUSTOM_ATTRIBUTE); r++) {
    add(d, "attribute %08x %08x ", TOKEN(CUSTOM_ATTRIBUTE, r, PARENT),
        TOKEN(CUSTOM_ATTRIBUTE, r, TYPE));
    add_hex(d, BLOB(CUSTOM_ATTRIBUTE, r, VALUE));
    add(d, " ");
    gsize before = d->text->len;
    HRESULT hr = cordbg_attribute_format(d->md, r, resolve_as_int32, NULL, d->text, NULL);
    if (FAILED(hr)) {
      g_string_truncate(d->text, before);
      add(d, "!bad");
    }
    add(d, "\n");
  }
}

static void
describe_user_strings(describer *d)
{
  uint32_t at = 0;
  while (at < d->md->user_strings.size) {
    cordbg_blob blob;
    if (!cordbg_metadata_user_string_at(d->md, at, &blob))
      return;
    if (blob.size > 1)
      add(d, "us %x %" G_GINT64_MODIFIER "x\n", at, fnv(blob.data, (blob.size - 1) & ~1u));
    at = (uint32_t)(blob.data - d->md->user_strings.data) + blob.size;
    if (blob.size == 0)
      at = at ? at : 1;
  }
}

void
describe_image(const cordbg_image *image, GString *text)
{
  describer describing = {image, cordbg_image_metadata(image), text}, *d = &describing;
  describe_manifest(d);
  describe_references(d);
  for (uint32_t r = 1; r <= ROWS(TYPE_DEF); r++) {
    describe_type(d, r);
    check_name_index(d, r);
  }
  describe_attributes(d);
  describe_user_strings(d);
  add(d, "counts %u %u %u\n", ROWS(TYPE_DEF), ROWS(METHOD_DEF), ROWS(FIELD));
}
