/* SPDX-License-Identifier: MIT */
/* IMetaDataImport: finding by name. */
#include "config.h"
#include "cordbg/metadata/scope-private.h"

#include <stdlib.h>
#include <string.h>
#include "cordbg/com/utf16.h"
#include "cordbg/metadata/attribute.h"
#include "cordbg/metadata/signature.h"

enum { NESTING_MAX = 64 };

static bool
is_named(const cordbg_metadata *md, cordbg_table table, uint32_t rid, unsigned name_column,
         unsigned namespace_column, const cordbg_split_name *split)
{
  return strcmp(cordbg_metadata_column_string(md, table, rid, name_column), split->name) == 0 &&
         strcmp(cordbg_metadata_column_string(md, table, rid, namespace_column),
                split->name_space) == 0;
}

/* The TypeDef of this scope that a TypeRef to an enclosing type stands for; 0 for none. */
static uint32_t
type_ref_to_def(const cordbg_metadata *md, mdToken token, unsigned depth)
{
  if (TypeFromToken(token) == mdtTypeDef)
    return RidFromToken(token);
  if (TypeFromToken(token) != mdtTypeRef || depth > NESTING_MAX)
    return 0;
  uint32_t rid = RidFromToken(token);
  mdToken scope = MD_TOKEN(md, TYPE_REF, rid, SCOPE);
  uint32_t enclosing = 0;
  if (TypeFromToken(scope) == mdtTypeRef && !IsNilToken(scope)) {
    enclosing = type_ref_to_def(md, scope, depth + 1);
    if (!enclosing)
      return 0;
  }
  const char *name_space = MD_STRING(md, TYPE_REF, rid, NAMESPACE);
  const char *name = MD_STRING(md, TYPE_REF, rid, NAME);
  return cordbg_metadata_find_type(md, name_space, strlen(name_space), name, strlen(name),
                                   enclosing);
}

HRESULT
cordbg_import_find_type_def(IMetaDataImport2 *This, LPCWSTR name, mdToken enclosing, mdTypeDef *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!name || !ret)
    return E_INVALIDARG;
  cordbg_split_name split = cordbg_split_name_new(name);
  if (!split.text)
    return E_OUTOFMEMORY;
  *ret = mdTypeDefNil;

  uint32_t rid = 0, enclosing_rid = 0;
  bool nested = !IsNilToken(enclosing) && TypeFromToken(enclosing) != mdtModule;
  if (nested)
    enclosing_rid = type_ref_to_def(md, enclosing, 0);
  if (!nested || enclosing_rid)
    rid = cordbg_metadata_find_type(md, split.name_space, split.name_space_length, split.name,
                                    split.name_length, enclosing_rid);
  free(split.text);
  if (!rid)
    return CLDB_E_RECORD_NOTFOUND;
  *ret = MD_MAKE(TYPE_DEF, rid);
  return S_OK;
}

HRESULT
cordbg_import_find_type_ref(IMetaDataImport2 *This, mdToken scope, LPCWSTR name, mdTypeRef *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!name || !ret)
    return E_INVALIDARG;
  cordbg_split_name split = cordbg_split_name_new(name);
  if (!split.text)
    return E_OUTOFMEMORY;
  *ret = mdTypeRefNil;

  HRESULT hr = CLDB_E_RECORD_NOTFOUND;
  for (uint32_t rid = 1; rid <= MD_ROWS(md, TYPE_REF) && FAILED(hr); rid++) {
    mdToken own = MD_TOKEN(md, TYPE_REF, rid, SCOPE);
    if (IsNilToken(scope) ? !IsNilToken(own) : own != scope)
      continue;
    if (!is_named(md, CORDBG_TABLE_TYPE_REF, rid, CORDBG_TYPE_REF_NAME, CORDBG_TYPE_REF_NAMESPACE,
                  &split))
      continue;
    *ret = MD_MAKE(TYPE_REF, rid);
    hr = S_OK;
  }
  free(split.text);
  return hr;
}

/*
 * A scope does not load the assemblies that it refers to: a TypeRef resolves to a type of its own
 * module only. A TypeDef is given back as it is.
 */
HRESULT
cordbg_import_resolve_type_ref(IMetaDataImport2 *This, mdTypeRef tr, REFIID riid, IUnknown **scope,
                               mdTypeDef *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!scope || !ret)
    return E_INVALIDARG;
  *scope = NULL;
  *ret = mdTypeDefNil;
  if (IsNilToken(tr))
    return E_INVALIDARG;
  if (TypeFromToken(tr) == mdtTypeDef) {
    *ret = tr;
    return cordbg_object_query(SCOPE(This), riid, (void **)scope);
  }

  *ret = mdTokenNil;
  MD_CHECK(md, TYPE_REF, RidFromToken(tr));
  mdToken outermost = tr;
  for (unsigned depth = 0;
       depth < NESTING_MAX && TypeFromToken(outermost) == mdtTypeRef && !IsNilToken(outermost);
       depth++)
    outermost = MD_TOKEN(md, TYPE_REF, RidFromToken(outermost), SCOPE);
  uint32_t rid = TypeFromToken(outermost) == mdtModule ? type_ref_to_def(md, tr, 0) : 0;
  if (!rid)
    return META_E_CANNOTRESOLVETYPEREF;
  *ret = MD_MAKE(TYPE_DEF, rid);
  return cordbg_object_query(SCOPE(This), riid, (void **)scope);
}

mdToken
cordbg_scope_find_in_type(const cordbg_metadata *md, cordbg_table table, mdTypeDef td,
                          const char *name, PCCOR_SIGNATURE signature, ULONG size)
{
  bool methods = table == CORDBG_TABLE_METHOD_DEF;
  cordbg_run run = methods ? cordbg_metadata_type_methods(md, RidFromToken(td))
                           : cordbg_metadata_type_fields(md, RidFromToken(td));
  unsigned name_column = methods ? CORDBG_METHOD_DEF_NAME : CORDBG_FIELD_NAME;
  unsigned signature_column = methods ? CORDBG_METHOD_DEF_SIGNATURE : CORDBG_FIELD_SIGNATURE;

  for (uint32_t p = run.first; p < run.end; p++) {
    uint32_t rid = cordbg_metadata_run_rid(md, &run, p);
    if (strcmp(cordbg_metadata_column_string(md, table, rid, name_column), name) != 0)
      continue;
    /* Compiler-controlled members cannot be named from outside. */
    if (methods && (MD_COLUMN(md, METHOD_DEF, rid, FLAGS) & mdMemberAccessMask) == mdPrivateScope)
      continue;
    if (!methods && (MD_COLUMN(md, FIELD, rid, FLAGS) & fdFieldAccessMask) == fdPrivateScope)
      continue;
    cordbg_blob own = cordbg_metadata_column_blob(md, table, rid, signature_column);
    if (signature && size && (own.size != size || memcmp(own.data, signature, size) != 0))
      continue;
    return (mdToken)table << 24 | rid;
  }
  return 0;
}

static HRESULT
find_in_type(IMetaDataImport2 *This, cordbg_table table, mdTypeDef td, LPCWSTR name,
             PCCOR_SIGNATURE signature, ULONG size, mdToken *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!name || !ret)
    return E_INVALIDARG;
  if (IsNilToken(td))
    td = MD_MAKE(TYPE_DEF, 1);
  MD_CHECK(md, TYPE_DEF, RidFromToken(td));
  char *text = cordbg_utf8_new(name);
  if (!text)
    return E_OUTOFMEMORY;
  mdToken found = cordbg_scope_find_in_type(md, table, td, text, signature, size);
  free(text);
  /* Set also when nothing is found: clients look at it. */
  *ret = found ? found : (mdToken)table << 24;
  return found ? S_OK : CLDB_E_RECORD_NOTFOUND;
}

HRESULT
cordbg_import_find_method(IMetaDataImport2 *This, mdTypeDef td, LPCWSTR name,
                          PCCOR_SIGNATURE signature, ULONG size, mdMethodDef *ret)
{
  return find_in_type(This, CORDBG_TABLE_METHOD_DEF, td, name, signature, size, ret);
}

HRESULT
cordbg_import_find_field(IMetaDataImport2 *This, mdTypeDef td, LPCWSTR name,
                         PCCOR_SIGNATURE signature, ULONG size, mdFieldDef *ret)
{
  return find_in_type(This, CORDBG_TABLE_FIELD, td, name, signature, size, ret);
}

HRESULT
cordbg_import_find_member(IMetaDataImport2 *This, mdTypeDef td, LPCWSTR name,
                          PCCOR_SIGNATURE signature, ULONG size, mdToken *ret)
{
  HRESULT hr = cordbg_import_find_method(This, td, name, signature, size, ret);
  if (hr == CLDB_E_RECORD_NOTFOUND)
    hr = cordbg_import_find_field(This, td, name, signature, size, ret);
  return hr;
}

HRESULT
cordbg_import_find_member_ref(IMetaDataImport2 *This, mdToken parent, LPCWSTR name,
                              PCCOR_SIGNATURE signature, ULONG size, mdMemberRef *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!name || !ret)
    return E_INVALIDARG;
  if (IsNilToken(parent))
    parent = MD_MAKE(TYPE_DEF, 1);
  char *text = cordbg_utf8_new(name);
  if (!text)
    return E_OUTOFMEMORY;

  HRESULT hr = CLDB_E_RECORD_NOTFOUND;
  for (uint32_t rid = 1; rid <= MD_ROWS(md, MEMBER_REF) && FAILED(hr); rid++) {
    if (MD_TOKEN(md, MEMBER_REF, rid, CLASS) != parent ||
        strcmp(MD_STRING(md, MEMBER_REF, rid, NAME), text) != 0)
      continue;
    cordbg_blob own = MD_BLOB(md, MEMBER_REF, rid, SIGNATURE);
    if (signature && size && (own.size != size || memcmp(own.data, signature, size) != 0))
      continue;
    *ret = MD_MAKE(MEMBER_REF, rid);
    hr = S_OK;
  }
  free(text);
  return hr;
}

HRESULT
cordbg_import_attribute_by_name(IMetaDataImport2 *This, mdToken owner, LPCWSTR name,
                                const void **data, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!name)
    return E_INVALIDARG;
  char *text = cordbg_utf8_new(name);
  if (!text)
    return E_OUTOFMEMORY;
  uint32_t rid = cordbg_attribute_find(md, owner, text);
  free(text);
  if (!rid)
    return S_FALSE;
  cordbg_scope_put_blob(MD_BLOB(md, CUSTOM_ATTRIBUTE, rid, VALUE), data, size);
  return S_OK;
}

/* pmCallConv* for a modifier that names a calling convention, else 0. */
static ULONG
convention_of(const cordbg_metadata *md, mdToken token)
{
  static const struct {
    const char *name;
    ULONG value;
  } known[] = {
      {"CallConvCdecl", pmCallConvCdecl},
      {"CallConvStdcall", pmCallConvStdcall},
      {"CallConvThiscall", pmCallConvThiscall},
      {"CallConvFastcall", pmCallConvFastcall},
  };
  const char *name_space, *name;
  uint32_t rid = RidFromToken(token);
  if (TypeFromToken(token) == mdtTypeRef) {
    name_space = MD_STRING(md, TYPE_REF, rid, NAMESPACE);
    name = MD_STRING(md, TYPE_REF, rid, NAME);
  } else if (TypeFromToken(token) == mdtTypeDef) {
    name_space = MD_STRING(md, TYPE_DEF, rid, NAMESPACE);
    name = MD_STRING(md, TYPE_DEF, rid, NAME);
  } else {
    return 0;
  }
  if (strcmp(name_space, "System.Runtime.CompilerServices") != 0 &&
      strcmp(name_space, "System.Runtime.InteropServices") != 0)
    return 0;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp(name, known[i].name) == 0)
      return known[i].value;
  return 0;
}

/* The first convention in a type, looking under modifiers and elements. */
static ULONG
search_type(const cordbg_metadata *md, cordbg_signature type, unsigned depth)
{
  cordbg_type_node node;
  if (depth > CORDBG_SIGNATURE_DEPTH_MAX || !cordbg_signature_read_type(&type, &node))
    return 0;
  switch (node.element) {
  case ELEMENT_TYPE_CMOD_REQD:
  case ELEMENT_TYPE_CMOD_OPT: {
    ULONG found = convention_of(md, node.token);
    return found ? found : search_type(md, node.child, depth + 1);
  }
  case ELEMENT_TYPE_SZARRAY:
  case ELEMENT_TYPE_ARRAY:
  case ELEMENT_TYPE_PTR:
  case ELEMENT_TYPE_BYREF:
  case ELEMENT_TYPE_PINNED:
    return search_type(md, node.child, depth + 1);
  default:
    return 0;
  }
}

HRESULT
cordbg_import_native_call_conv(IMetaDataImport2 *This, const void *bytes, ULONG size, ULONG *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!ret || !bytes)
    return E_INVALIDARG;
  *ret = pmCallConvWinapi;
  cordbg_signature signature = {bytes, (const uint8_t *)bytes + size};
  cordbg_method_signature method;
  if (!cordbg_signature_read_method(&signature, &method))
    return META_E_BAD_SIGNATURE;
  for (uint64_t i = 0; i <= method.param_count; i++) {
    ULONG found = search_type(md, signature, 0);
    if (found) {
      *ret = found;
      return S_OK;
    }
    if (signature.at < signature.end && *signature.at == ELEMENT_TYPE_SENTINEL)
      signature.at++;
    if (!cordbg_signature_skip_type(&signature))
      return META_E_BAD_SIGNATURE;
  }
  return S_OK;
}
