/* SPDX-License-Identifier: MIT */
/* IMetaDataImport: properties of methods, fields, properties, events and parameters. */
#include "config.h"
#include "cordbg/metadata/scope-private.h"

/* The owner as Microsoft reports it: nil for global members. */
static mdTypeDef
owner_token(uint32_t type_rid)
{
  return type_rid <= 1 ? mdTypeDefNil : MD_MAKE(TYPE_DEF, type_rid);
}

/*
 * The constant of a field, property or parameter: its type (ELEMENT_TYPE_VOID for none), its bytes,
 * and for strings their length in units, which needs the bytes to be asked for too.
 */
static void
put_constant(const cordbg_metadata *md, mdToken parent, DWORD *type, UVCP_CONSTANT *value,
             ULONG *value_cch)
{
  if (!type && !value && !value_cch)
    return;
  MD_PUT(value_cch, 0);
  uint32_t rid = cordbg_metadata_find_one(md, CORDBG_TABLE_CONSTANT, parent);
  if (!rid) {
    MD_PUT(type, ELEMENT_TYPE_VOID);
    MD_PUT(value, NULL);
    return;
  }
  uint32_t own_type = MD_COLUMN(md, CONSTANT, rid, TYPE);
  MD_PUT(type, own_type);
  if (!value)
    return;
  cordbg_blob blob = MD_BLOB(md, CONSTANT, rid, VALUE);
  *value = blob.data;
  if (own_type == ELEMENT_TYPE_STRING)
    MD_PUT(value_cch, blob.size / 2);
}

HRESULT
cordbg_import_method_props(IMetaDataImport2 *This, mdMethodDef mb, mdTypeDef *pClass, LPWSTR name,
                           ULONG cch, ULONG *pch, DWORD *attributes, PCCOR_SIGNATURE *signature,
                           ULONG *size, ULONG *rva, DWORD *impl_flags)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(mb);
  MD_CHECK(md, METHOD_DEF, rid);
  MD_PUT(pClass, owner_token(cordbg_metadata_method_type(md, rid)));
  cordbg_scope_put_blob(MD_BLOB(md, METHOD_DEF, rid, SIGNATURE), (const void **)signature, size);
  MD_PUT(attributes, MD_COLUMN(md, METHOD_DEF, rid, FLAGS));
  MD_PUT(rva, MD_COLUMN(md, METHOD_DEF, rid, RVA));
  MD_PUT(impl_flags, MD_COLUMN(md, METHOD_DEF, rid, IMPL_FLAGS));
  return cordbg_scope_put_name(MD_STRING(md, METHOD_DEF, rid, NAME), name, cch, pch);
}

HRESULT
cordbg_import_member_ref_props(IMetaDataImport2 *This, mdMemberRef mr, mdToken *parent, LPWSTR name,
                               ULONG cch, ULONG *pch, PCCOR_SIGNATURE *signature, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(mr);
  MD_CHECK(md, MEMBER_REF, rid);
  mdToken owner = MD_TOKEN(md, MEMBER_REF, rid, CLASS);
  MD_PUT(parent, owner == MD_MAKE(TYPE_DEF, 1) ? mdTypeDefNil : owner);
  cordbg_scope_put_blob(MD_BLOB(md, MEMBER_REF, rid, SIGNATURE), (const void **)signature, size);
  return cordbg_scope_put_name(MD_STRING(md, MEMBER_REF, rid, NAME), name, cch, pch);
}

/* The methods of an event or property by their role; the outputs are per role. */
typedef struct accessors {
  uint32_t roles[3];
  mdMethodDef *outputs[3];
  mdMethodDef *others;
  ULONG max;
  ULONG *count;
} accessors;

static void
put_accessors(const cordbg_metadata *md, mdToken owner, const accessors *wanted)
{
  ULONG count = 0;
  for (unsigned i = 0; i < 3; i++)
    MD_PUT(wanted->outputs[i], mdMethodDefNil);

  cordbg_match match = cordbg_metadata_find_token(md, CORDBG_TABLE_METHOD_SEMANTICS, owner);
  for (uint32_t p = match.first; p < match.end; p++) {
    uint32_t rid = cordbg_metadata_match_rid(md, &match, p);
    uint32_t role = MD_COLUMN(md, METHOD_SEMANTICS, rid, SEMANTIC);
    mdMethodDef method = MD_TOKEN(md, METHOD_SEMANTICS, rid, METHOD);
    for (unsigned i = 0; i < 3; i++)
      if (role == wanted->roles[i])
        MD_PUT(wanted->outputs[i], method);
    if (role != msOther)
      continue;
    if (count < wanted->max && wanted->others)
      wanted->others[count] = method;
    count++;
  }
  MD_PUT(wanted->count, count);
}

HRESULT
cordbg_import_event_props(IMetaDataImport2 *This, mdEvent ev, mdTypeDef *pClass, LPCWSTR name,
                          ULONG cch, ULONG *pch, DWORD *flags, mdToken *type, mdMethodDef *add,
                          mdMethodDef *remove, mdMethodDef *fire, mdMethodDef *others, ULONG max,
                          ULONG *count)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(ev);
  MD_CHECK(md, EVENT, rid);
  MD_PUT(pClass, MD_MAKE(TYPE_DEF, cordbg_metadata_event_type(md, rid)));
  MD_PUT(flags, MD_COLUMN(md, EVENT, rid, FLAGS));
  MD_PUT(type, MD_TOKEN(md, EVENT, rid, TYPE));
  accessors wanted = {{msAddOn, msRemoveOn, msFire}, {add, remove, fire}, others, max, count};
  put_accessors(md, MD_MAKE(EVENT, rid), &wanted);
  return cordbg_scope_put_name(MD_STRING(md, EVENT, rid, NAME), (LPWSTR)name, cch, pch);
}

HRESULT
cordbg_import_property_props(IMetaDataImport2 *This, mdProperty prop, mdTypeDef *pClass,
                             LPCWSTR name, ULONG cch, ULONG *pch, DWORD *flags,
                             PCCOR_SIGNATURE *signature, ULONG *size, DWORD *type,
                             UVCP_CONSTANT *value, ULONG *value_cch, mdMethodDef *setter,
                             mdMethodDef *getter, mdMethodDef *others, ULONG max, ULONG *count)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(prop);
  MD_CHECK(md, PROPERTY, rid);
  MD_PUT(pClass, MD_MAKE(TYPE_DEF, cordbg_metadata_property_type(md, rid)));
  MD_PUT(flags, MD_COLUMN(md, PROPERTY, rid, FLAGS));
  cordbg_scope_put_blob(MD_BLOB(md, PROPERTY, rid, TYPE), (const void **)signature, size);
  put_constant(md, MD_MAKE(PROPERTY, rid), type, value, value_cch);
  accessors wanted = {{msSetter, msGetter, 0}, {setter, getter, NULL}, others, max, count};
  put_accessors(md, MD_MAKE(PROPERTY, rid), &wanted);
  return cordbg_scope_put_name(MD_STRING(md, PROPERTY, rid, NAME), (LPWSTR)name, cch, pch);
}

HRESULT
cordbg_import_field_props(IMetaDataImport2 *This, mdFieldDef fd, mdTypeDef *pClass, LPWSTR name,
                          ULONG cch, ULONG *pch, DWORD *attributes, PCCOR_SIGNATURE *signature,
                          ULONG *size, DWORD *type, UVCP_CONSTANT *value, ULONG *value_cch)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(fd);
  MD_CHECK(md, FIELD, rid);
  MD_PUT(pClass, owner_token(cordbg_metadata_field_type(md, rid)));
  cordbg_scope_put_blob(MD_BLOB(md, FIELD, rid, SIGNATURE), (const void **)signature, size);
  MD_PUT(attributes, MD_COLUMN(md, FIELD, rid, FLAGS));
  put_constant(md, MD_MAKE(FIELD, rid), type, value, value_cch);
  return cordbg_scope_put_name(MD_STRING(md, FIELD, rid, NAME), name, cch, pch);
}

HRESULT
cordbg_import_member_props(IMetaDataImport2 *This, mdToken mb, mdTypeDef *pClass, LPWSTR name,
                           ULONG cch, ULONG *pch, DWORD *attributes, PCCOR_SIGNATURE *signature,
                           ULONG *size, ULONG *rva, DWORD *impl_flags, DWORD *type,
                           UVCP_CONSTANT *value, ULONG *value_cch)
{
  if (TypeFromToken(mb) == mdtMethodDef)
    return cordbg_import_method_props(This, mb, pClass, name, cch, pch, attributes, signature, size,
                                      rva, impl_flags);
  return cordbg_import_field_props(This, mb, pClass, name, cch, pch, attributes, signature, size,
                                   type, value, value_cch);
}

HRESULT
cordbg_import_param_props(IMetaDataImport2 *This, mdParamDef pd, mdMethodDef *method,
                          ULONG *sequence, LPWSTR name, ULONG cch, ULONG *pch, DWORD *attributes,
                          DWORD *type, UVCP_CONSTANT *value, ULONG *value_cch)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(pd);
  MD_CHECK(md, PARAM, rid);
  MD_PUT(method, MD_MAKE(METHOD_DEF, cordbg_metadata_param_method(md, rid)));
  MD_PUT(sequence, MD_COLUMN(md, PARAM, rid, SEQUENCE));
  MD_PUT(attributes, MD_COLUMN(md, PARAM, rid, FLAGS));
  put_constant(md, MD_MAKE(PARAM, rid), type, value, value_cch);
  return cordbg_scope_put_name(MD_STRING(md, PARAM, rid, NAME), name, cch, pch);
}

HRESULT
cordbg_import_param_for_index(IMetaDataImport2 *This, mdMethodDef method, ULONG sequence,
                              mdParamDef *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!ret)
    return E_INVALIDARG;
  MD_CHECK(md, METHOD_DEF, RidFromToken(method));
  cordbg_run run = cordbg_metadata_method_params(md, RidFromToken(method));
  for (uint32_t p = run.first; p < run.end; p++) {
    uint32_t rid = cordbg_metadata_run_rid(md, &run, p);
    if (MD_COLUMN(md, PARAM, rid, SEQUENCE) == sequence) {
      *ret = MD_MAKE(PARAM, rid);
      return S_OK;
    }
  }
  return CLDB_E_RECORD_NOTFOUND;
}

HRESULT
cordbg_import_method_semantics(IMetaDataImport2 *This, mdMethodDef method, mdToken owner,
                               DWORD *flags)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!flags)
    return E_INVALIDARG;
  *flags = 0;
  cordbg_match match = cordbg_metadata_find_token(md, CORDBG_TABLE_METHOD_SEMANTICS, owner);
  for (uint32_t p = match.first; p < match.end; p++) {
    uint32_t rid = cordbg_metadata_match_rid(md, &match, p);
    if (MD_TOKEN(md, METHOD_SEMANTICS, rid, METHOD) == method) {
      *flags = MD_COLUMN(md, METHOD_SEMANTICS, rid, SEMANTIC);
      return S_OK;
    }
  }
  return CLDB_E_RECORD_NOTFOUND;
}

HRESULT
cordbg_import_is_global(IMetaDataImport2 *This, mdToken tk, int *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk), type = 0;
  if (!ret || !cordbg_metadata_token_valid(md, tk))
    return E_INVALIDARG;
  switch ((uint32_t)TypeFromToken(tk)) {
  case mdtTypeDef:
    type = rid;
    break;
  case mdtFieldDef:
    type = cordbg_metadata_field_type(md, rid);
    break;
  case mdtMethodDef:
    type = cordbg_metadata_method_type(md, rid);
    break;
  case mdtProperty:
    type = cordbg_metadata_property_type(md, rid);
    break;
  case mdtEvent:
    type = cordbg_metadata_event_type(md, rid);
    break;
  }
  *ret = type == 1;
  return S_OK;
}

HRESULT
cordbg_import_rva(IMetaDataImport2 *This, mdToken tk, ULONG *rva, DWORD *impl_flags)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  if (TypeFromToken(tk) == mdtMethodDef) {
    if (rid)
      MD_CHECK(md, METHOD_DEF, rid);
    MD_PUT(rva, MD_COLUMN(md, METHOD_DEF, rid, RVA));
    MD_PUT(impl_flags, MD_COLUMN(md, METHOD_DEF, rid, IMPL_FLAGS));
    return S_OK;
  }
  /* The real one looks the row id up among the fields whatever the token's table. */
  cordbg_match match = cordbg_metadata_find(md, CORDBG_TABLE_FIELD_RVA, rid);
  if (match.first == match.end) {
    MD_PUT(rva, 0);
    return CLDB_E_RECORD_NOTFOUND;
  }
  MD_PUT(rva, MD_COLUMN(md, FIELD_RVA, cordbg_metadata_match_rid(md, &match, match.first), RVA));
  MD_PUT(impl_flags, 0);
  return S_OK;
}

HRESULT
cordbg_import_pinvoke_map(IMetaDataImport2 *This, mdToken tk, DWORD *flags, LPWSTR name, ULONG cch,
                          ULONG *pch, mdModuleRef *module)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = cordbg_metadata_find_one(md, CORDBG_TABLE_IMPL_MAP, tk);
  if (!rid)
    return CLDB_E_RECORD_NOTFOUND;
  MD_PUT(flags, MD_COLUMN(md, IMPL_MAP, rid, FLAGS));
  MD_PUT(module, MD_TOKEN(md, IMPL_MAP, rid, IMPORT_SCOPE));
  return cordbg_scope_put_name(MD_STRING(md, IMPL_MAP, rid, IMPORT_NAME), name, cch, pch);
}

HRESULT
cordbg_import_field_marshal(IMetaDataImport2 *This, mdToken tk, PCCOR_SIGNATURE *type, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = cordbg_metadata_find_one(md, CORDBG_TABLE_FIELD_MARSHAL, tk);
  if (!rid)
    return CLDB_E_RECORD_NOTFOUND;
  cordbg_scope_put_blob(MD_BLOB(md, FIELD_MARSHAL, rid, NATIVE_TYPE), (const void **)type, size);
  return S_OK;
}
