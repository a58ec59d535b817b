/* SPDX-License-Identifier: MIT */
/* IMetaDataImport and 2: the enumerations. */
#include "config.h"
#include "cordbg/metadata/scope-private.h"

#include <stdlib.h>
#include <string.h>

enum { HEAP_HAS_DELETE = 0x80, RT_SPECIAL_NAME_MEMBER = 0x400 };

void
cordbg_import_close_enum(IMetaDataImport2 *This, HCORENUM hEnum)
{
  (void)This;
  cordbg_enumeration_free(hEnum);
}

HRESULT
cordbg_import_count_enum(IMetaDataImport2 *This, HCORENUM hEnum, ULONG *pulCount)
{
  (void)This;
  if (!pulCount)
    return E_INVALIDARG;
  *pulCount = cordbg_enumeration_count(hEnum);
  return S_OK;
}

HRESULT
cordbg_import_reset_enum(IMetaDataImport2 *This, HCORENUM hEnum, ULONG ulPos)
{
  (void)This;
  cordbg_enumeration_reset(hEnum, ulPos);
  return S_OK;
}

/* Both nil tokens and the first TypeDef mean the type that holds global members. */
static uint32_t
type_rid(mdTypeDef td)
{
  uint32_t rid = RidFromToken(td);
  return rid == 0 ? 1 : rid;
}

/*
 * Rows that a compiler deleted after the fact stay in the tables under names that begin with
 * _Deleted; a scope that says it has such rows hides them.
 */
static bool
is_deleted(const cordbg_metadata *md, cordbg_table table, uint32_t rid, unsigned name_column,
           uint32_t flags, uint32_t special)
{
  if (!(md->heap_sizes & HEAP_HAS_DELETE) || (flags & special) != special)
    return false;
  return strncmp(cordbg_metadata_column_string(md, table, rid, name_column), "_Deleted", 8) == 0;
}

static cordbg_enumeration *
all_rows(const cordbg_metadata *md, cordbg_table table)
{
  return cordbg_enumeration_new_range(table, 1, cordbg_metadata_rows(md, table) + 1);
}

#define ENUM_BEGIN(phEnum)                                                                         \
  const cordbg_metadata *md = SCOPE(This)->md;                                                     \
  cordbg_enumeration *created = NULL;                                                              \
  if (!(phEnum))                                                                                   \
    return E_INVALIDARG;                                                                           \
  if (!*(phEnum))

HRESULT
cordbg_import_enum_type_defs(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef *tokens, ULONG max,
                             ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    uint32_t rows = MD_ROWS(md, TYPE_DEF);
    if (md->heap_sizes & HEAP_HAS_DELETE) {
      created = cordbg_enumeration_new_list(1);
      for (uint32_t rid = 2; rid <= rows; rid++)
        if (!is_deleted(md, CORDBG_TABLE_TYPE_DEF, rid, CORDBG_TYPE_DEF_NAME, 0, 0))
          cordbg_enumeration_add(created, MD_MAKE(TYPE_DEF, rid));
    } else {
      /* The first row holds the global members and is not a type. */
      created = cordbg_enumeration_new_range(CORDBG_TABLE_TYPE_DEF, 2, rows + 1);
    }
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_interface_impls(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                   mdInterfaceImpl *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    cordbg_match match = cordbg_metadata_find(md, CORDBG_TABLE_INTERFACE_IMPL, RidFromToken(td));
    created = cordbg_enumeration_new_match(md, &match);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_type_refs(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeRef *tokens, ULONG max,
                             ULONG *count)
{
  ENUM_BEGIN(phEnum)
  created = all_rows(md, CORDBG_TABLE_TYPE_REF);
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

/* Adds a type's methods or fields, those named name when it is not NULL. */
static void
add_run(cordbg_enumeration *e, const cordbg_metadata *md, const cordbg_run *run,
        unsigned name_column, const char *name)
{
  for (uint32_t p = run->first; p < run->end; p++) {
    uint32_t rid = cordbg_metadata_run_rid(md, run, p);
    if (!name || strcmp(cordbg_metadata_column_string(md, run->table, rid, name_column), name) == 0)
      cordbg_enumeration_add(e, (mdToken)run->table << 24 | rid);
  }
}

/* Which members an enumeration takes. */
enum { METHODS = 1, FIELDS = 2 };

static HRESULT
enum_members(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td, unsigned kinds, LPCWSTR name,
             mdToken *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    uint32_t rid = type_rid(td);
    MD_CHECK(md, TYPE_DEF, rid);
    cordbg_split_name split = {0};
    char *text = NULL;
    if (name) {
      split = cordbg_split_name_new(name);
      if (!split.text)
        return E_OUTOFMEMORY;
      /* A member's name is not split: join what the helper took apart. */
      if (split.name_space_length)
        split.text[split.name_space_length] = '.';
      text = split.text;
    }
    created = cordbg_enumeration_new_list(1);
    if (kinds & METHODS) {
      cordbg_run run = cordbg_metadata_type_methods(md, rid);
      add_run(created, md, &run, CORDBG_METHOD_DEF_NAME, text);
    }
    if (kinds & FIELDS) {
      cordbg_run run = cordbg_metadata_type_fields(md, rid);
      add_run(created, md, &run, CORDBG_FIELD_NAME, text);
    }
    free(text);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_members(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td, mdToken *tokens,
                           ULONG max, ULONG *count)
{
  return enum_members(This, phEnum, td, METHODS | FIELDS, NULL, tokens, max, count);
}

HRESULT
cordbg_import_enum_members_named(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                 LPCWSTR name, mdToken *tokens, ULONG max, ULONG *count)
{
  return enum_members(This, phEnum, td, METHODS | FIELDS, name, tokens, max, count);
}

HRESULT
cordbg_import_enum_methods_named(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                 LPCWSTR name, mdMethodDef *tokens, ULONG max, ULONG *count)
{
  return enum_members(This, phEnum, td, METHODS, name, tokens, max, count);
}

HRESULT
cordbg_import_enum_fields_named(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                LPCWSTR name, mdFieldDef *tokens, ULONG max, ULONG *count)
{
  return enum_members(This, phEnum, td, FIELDS, name, tokens, max, count);
}

/* A run without its deleted rows. */
static cordbg_enumeration *
visible_run(const cordbg_metadata *md, const cordbg_run *run, unsigned flags_column,
            unsigned name_column, uint32_t special)
{
  if (!(md->heap_sizes & HEAP_HAS_DELETE))
    return cordbg_enumeration_new_run(md, run);
  cordbg_enumeration *e = cordbg_enumeration_new_list(1);
  for (uint32_t p = run->first; p < run->end; p++) {
    uint32_t rid = cordbg_metadata_run_rid(md, run, p);
    uint32_t flags = cordbg_metadata_column(md, run->table, rid, flags_column);
    if (!is_deleted(md, run->table, rid, name_column, flags, special))
      cordbg_enumeration_add(e, (mdToken)run->table << 24 | rid);
  }
  return e;
}

HRESULT
cordbg_import_enum_methods(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                           mdMethodDef *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    MD_CHECK(md, TYPE_DEF, type_rid(td));
    cordbg_run run = cordbg_metadata_type_methods(md, type_rid(td));
    created =
        visible_run(md, &run, CORDBG_METHOD_DEF_FLAGS, CORDBG_METHOD_DEF_NAME, mdRTSpecialName);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_fields(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                          mdFieldDef *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    MD_CHECK(md, TYPE_DEF, type_rid(td));
    cordbg_run run = cordbg_metadata_type_fields(md, type_rid(td));
    created = visible_run(md, &run, CORDBG_FIELD_FLAGS, CORDBG_FIELD_NAME, RT_SPECIAL_NAME_MEMBER);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_params(IMetaDataImport2 *This, HCORENUM *phEnum, mdMethodDef method,
                          mdParamDef *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    MD_CHECK(md, METHOD_DEF, RidFromToken(method));
    cordbg_run run = cordbg_metadata_method_params(md, RidFromToken(method));
    created = cordbg_enumeration_new_run(md, &run);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_member_refs(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken parent,
                               mdMemberRef *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    if (IsNilToken(parent))
      parent = MD_MAKE(TYPE_DEF, 1);
    created = cordbg_enumeration_new_list(1);
    for (uint32_t rid = 1; rid <= MD_ROWS(md, MEMBER_REF); rid++)
      if (MD_TOKEN(md, MEMBER_REF, rid, CLASS) == parent)
        cordbg_enumeration_add(created, MD_MAKE(MEMBER_REF, rid));
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_method_impls(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                mdToken *bodies, mdToken *declarations, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    cordbg_match match = cordbg_metadata_find(md, CORDBG_TABLE_METHOD_IMPL, RidFromToken(td));
    created = cordbg_enumeration_new_list(2);
    for (uint32_t p = match.first; p < match.end; p++) {
      uint32_t rid = cordbg_metadata_match_rid(md, &match, p);
      cordbg_enumeration_add(created, MD_TOKEN(md, METHOD_IMPL, rid, BODY));
      cordbg_enumeration_add(created, MD_TOKEN(md, METHOD_IMPL, rid, DECLARATION));
    }
  }
  return cordbg_enumeration_next(phEnum, created, bodies, declarations, max, count);
}

HRESULT
cordbg_import_enum_permission_sets(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken tk,
                                   DWORD action, mdPermission *tokens, ULONG max, ULONG *count)
{
  mdToken kind = TypeFromToken(tk);
  ENUM_BEGIN(phEnum)
  {
    if (tk != 0 && kind != mdtTypeDef && kind != mdtMethodDef && kind != mdtAssembly) {
      MD_PUT(count, 0);
      return S_FALSE;
    }
    cordbg_match match = {CORDBG_TABLE_DECL_SECURITY, 0, MD_ROWS(md, DECL_SECURITY)};
    if (!IsNilToken(tk))
      match = cordbg_metadata_find_token(md, CORDBG_TABLE_DECL_SECURITY, tk);
    created = cordbg_enumeration_new_list(1);
    for (uint32_t p = match.first; p < match.end; p++) {
      uint32_t rid = IsNilToken(tk) ? p + 1 : cordbg_metadata_match_rid(md, &match, p);
      if (action == 0 || MD_COLUMN(md, DECL_SECURITY, rid, ACTION) == action)
        cordbg_enumeration_add(created, MD_MAKE(DECL_SECURITY, rid));
    }
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_properties(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                              mdProperty *tokens, ULONG max, ULONG *count)
{
  if (IsNilToken(td)) {
    MD_PUT(count, 0);
    return S_FALSE;
  }
  ENUM_BEGIN(phEnum)
  {
    cordbg_run run = cordbg_metadata_type_properties(md, RidFromToken(td));
    created =
        visible_run(md, &run, CORDBG_PROPERTY_FLAGS, CORDBG_PROPERTY_NAME, RT_SPECIAL_NAME_MEMBER);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_events(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td, mdEvent *tokens,
                          ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    cordbg_run run = cordbg_metadata_type_events(md, RidFromToken(td));
    created = visible_run(md, &run, CORDBG_EVENT_FLAGS, CORDBG_EVENT_NAME, RT_SPECIAL_NAME_MEMBER);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_method_semantics(IMetaDataImport2 *This, HCORENUM *phEnum, mdMethodDef method,
                                    mdToken *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    created = cordbg_enumeration_new_list(1);
    for (uint32_t rid = 1; rid <= MD_ROWS(md, METHOD_SEMANTICS); rid++)
      if (MD_TOKEN(md, METHOD_SEMANTICS, rid, METHOD) == method)
        cordbg_enumeration_add(created, MD_TOKEN(md, METHOD_SEMANTICS, rid, ASSOCIATION));
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_module_refs(IMetaDataImport2 *This, HCORENUM *phEnum, mdModuleRef *tokens,
                               ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  created = all_rows(md, CORDBG_TABLE_MODULE_REF);
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

/* A method that was promised: forward reference, neither abstract nor given by the runtime. */
static bool
is_unresolved_method(const cordbg_metadata *md, uint32_t rid, bool in_interface)
{
  uint32_t flags = MD_COLUMN(md, METHOD_DEF, rid, FLAGS);
  uint32_t implementation = MD_COLUMN(md, METHOD_DEF, rid, IMPL_FLAGS);
  if (in_interface && !(flags & mdStatic))
    return false;
  return (implementation & miForwardRef) && !(flags & (mdPinvokeImpl | mdAbstract)) &&
         (implementation & miCodeTypeMask) != miRuntime && !(implementation & miInternalCall);
}

static bool
resolves_to_global(const cordbg_metadata *md, uint32_t rid)
{
  cordbg_blob signature = MD_BLOB(md, MEMBER_REF, rid, SIGNATURE);
  const char *name = MD_STRING(md, MEMBER_REF, rid, NAME);
  mdTypeDef global = MD_MAKE(TYPE_DEF, 1);
  return cordbg_scope_find_in_type(md, CORDBG_TABLE_METHOD_DEF, global, name, signature.data,
                                   signature.size) ||
         cordbg_scope_find_in_type(md, CORDBG_TABLE_FIELD, global, name, signature.data,
                                   signature.size);
}

HRESULT
cordbg_import_enum_unresolved_methods(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken *tokens,
                                      ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    created = cordbg_enumeration_new_list(1);
    for (uint32_t type = 2; type <= MD_ROWS(md, TYPE_DEF); type++) {
      bool in_interface = MD_COLUMN(md, TYPE_DEF, type, FLAGS) & tdInterface;
      cordbg_run run = cordbg_metadata_type_methods(md, type);
      for (uint32_t p = run.first; p < run.end; p++) {
        uint32_t rid = cordbg_metadata_run_rid(md, &run, p);
        if (is_unresolved_method(md, rid, in_interface))
          cordbg_enumeration_add(created, MD_MAKE(METHOD_DEF, rid));
      }
    }
    for (uint32_t rid = 1; rid <= MD_ROWS(md, MEMBER_REF); rid++)
      if (MD_TOKEN(md, MEMBER_REF, rid, CLASS) == MD_MAKE(TYPE_DEF, 1) &&
          !resolves_to_global(md, rid))
        cordbg_enumeration_add(created, MD_MAKE(MEMBER_REF, rid));
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_signatures(IMetaDataImport2 *This, HCORENUM *phEnum, mdSignature *tokens,
                              ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  created = all_rows(md, CORDBG_TABLE_STAND_ALONE_SIG);
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_type_specs(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeSpec *tokens,
                              ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  created = all_rows(md, CORDBG_TABLE_TYPE_SPEC);
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

/* Empty entries - the heap's first and its padding - are not strings. */
static HRESULT
add_user_strings(const cordbg_metadata *md, cordbg_enumeration *e)
{
  uint32_t at = 0;
  while (at < md->user_strings.size) {
    cordbg_blob blob;
    if (!cordbg_metadata_user_string_at(md, at, &blob))
      return CLDB_E_FILE_CORRUPT;
    if (blob.size > 0)
      cordbg_enumeration_add(e, (mdToken)mdtString | at);
    at = (uint32_t)(blob.data - md->user_strings.data) + blob.size;
  }
  return S_OK;
}

HRESULT
cordbg_import_enum_user_strings(IMetaDataImport2 *This, HCORENUM *phEnum, mdString *tokens,
                                ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    created = cordbg_enumeration_new_list(1);
    HRESULT hr = add_user_strings(md, created);
    if (FAILED(hr)) {
      cordbg_enumeration_free(created);
      return hr;
    }
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_custom_attributes(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken tk,
                                     mdToken type, mdCustomAttribute *tokens, ULONG max,
                                     ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    if (IsNilToken(tk)) {
      /* Without an owner the type does not narrow the list, as in the real one. */
      created = all_rows(md, CORDBG_TABLE_CUSTOM_ATTRIBUTE);
    } else {
      cordbg_match match = cordbg_metadata_find_token(md, CORDBG_TABLE_CUSTOM_ATTRIBUTE, tk);
      created = cordbg_enumeration_new_list(1);
      for (uint32_t p = match.first; p < match.end; p++) {
        uint32_t rid = cordbg_metadata_match_rid(md, &match, p);
        if (IsNilToken(type) || MD_TOKEN(md, CUSTOM_ATTRIBUTE, rid, TYPE) == type)
          cordbg_enumeration_add(created, MD_MAKE(CUSTOM_ATTRIBUTE, rid));
      }
    }
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_generic_params(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken tk,
                                  mdGenericParam *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    cordbg_match match = cordbg_metadata_find_token(md, CORDBG_TABLE_GENERIC_PARAM, tk);
    created = cordbg_enumeration_new_match(md, &match);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_constraints(IMetaDataImport2 *This, HCORENUM *phEnum, mdGenericParam tk,
                               mdGenericParamConstraint *tokens, ULONG max, ULONG *count)
{
  if (TypeFromToken(tk) != mdtGenericParam)
    return META_E_BAD_INPUT_PARAMETER;
  ENUM_BEGIN(phEnum)
  {
    cordbg_match match =
        cordbg_metadata_find(md, CORDBG_TABLE_GENERIC_PARAM_CONSTRAINT, RidFromToken(tk));
    created = cordbg_enumeration_new_match(md, &match);
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

HRESULT
cordbg_import_enum_method_specs(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken tk,
                                mdMethodSpec *tokens, ULONG max, ULONG *count)
{
  ENUM_BEGIN(phEnum)
  {
    if (IsNilToken(tk)) {
      created = all_rows(md, CORDBG_TABLE_METHOD_SPEC);
    } else {
      created = cordbg_enumeration_new_list(1);
      for (uint32_t rid = 1; rid <= MD_ROWS(md, METHOD_SPEC); rid++)
        if (MD_TOKEN(md, METHOD_SPEC, rid, METHOD) == tk)
          cordbg_enumeration_add(created, MD_MAKE(METHOD_SPEC, rid));
    }
  }
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}
