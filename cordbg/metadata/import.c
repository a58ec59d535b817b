/* SPDX-License-Identifier: MIT */
/* IMetaDataImport and 2: the scope, types, signatures and the rest; their vtable. */
#include "config.h"
#include "cordbg/metadata/scope-private.h"

#include <string.h>

static HRESULT
get_scope_props(IMetaDataImport2 *This, LPWSTR name, ULONG cch, ULONG *pch, GUID *mvid)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  MD_CHECK(md, MODULE, 1);
  if (mvid) {
    const uint8_t *guid = cordbg_image_mvid(SCOPE(This)->image);
    if (guid)
      memcpy(mvid, guid, sizeof *mvid);
    else
      memset(mvid, 0, sizeof *mvid);
  }
  return cordbg_scope_put_name(MD_STRING(md, MODULE, 1, NAME), name, cch, pch);
}

static HRESULT
get_module_from_scope(IMetaDataImport2 *This, mdModule *ret)
{
  (void)This;
  if (!ret)
    return E_INVALIDARG;
  *ret = MD_MAKE(MODULE, 1);
  return S_OK;
}

static HRESULT
get_type_def_props(IMetaDataImport2 *This, mdTypeDef td, LPWSTR name, ULONG cch, ULONG *pch,
                   DWORD *flags, mdToken *extends)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(td);
  if (TypeFromToken(td) != mdtTypeDef)
    return S_FALSE;
  if (rid == 0) {
    MD_PUT(flags, 0);
    MD_PUT(extends, mdTypeRefNil);
    MD_PUT(pch, 1);
    if (name && cch)
      name[0] = 0;
    return S_OK;
  }
  MD_CHECK(md, TYPE_DEF, rid);
  MD_PUT(flags, MD_COLUMN(md, TYPE_DEF, rid, FLAGS));
  mdToken base = MD_TOKEN(md, TYPE_DEF, rid, EXTENDS);
  MD_PUT(extends, IsNilToken(base) ? mdTypeRefNil : base);
  return cordbg_scope_put_type_name(MD_STRING(md, TYPE_DEF, rid, NAMESPACE),
                                    MD_STRING(md, TYPE_DEF, rid, NAME), name, cch, pch);
}

static HRESULT
get_interface_impl_props(IMetaDataImport2 *This, mdInterfaceImpl ii, mdTypeDef *pClass,
                         mdToken *interface)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(ii);
  MD_CHECK(md, INTERFACE_IMPL, rid);
  MD_PUT(pClass, MD_TOKEN(md, INTERFACE_IMPL, rid, CLASS));
  MD_PUT(interface, MD_TOKEN(md, INTERFACE_IMPL, rid, INTERFACE));
  return S_OK;
}

static HRESULT
get_type_ref_props(IMetaDataImport2 *This, mdTypeRef tr, mdToken *scope, LPWSTR name, ULONG cch,
                   ULONG *pch)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tr);
  if (TypeFromToken(tr) != mdtTypeRef)
    return S_FALSE;
  if (rid == 0) {
    MD_PUT(scope, mdTokenNil);
    MD_PUT(pch, 1);
    if (name && cch)
      name[0] = 0;
    return S_OK;
  }
  MD_CHECK(md, TYPE_REF, rid);
  MD_PUT(scope, MD_TOKEN(md, TYPE_REF, rid, SCOPE));
  return cordbg_scope_put_type_name(MD_STRING(md, TYPE_REF, rid, NAMESPACE),
                                    MD_STRING(md, TYPE_REF, rid, NAME), name, cch, pch);
}

static HRESULT
get_class_layout(IMetaDataImport2 *This, mdTypeDef td, DWORD *pack, COR_FIELD_OFFSET *offsets,
                 ULONG max, ULONG *count, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(td), fields = 0;
  cordbg_match match = cordbg_metadata_find(md, CORDBG_TABLE_CLASS_LAYOUT, rid);
  bool found = match.first < match.end;
  uint32_t layout = found ? cordbg_metadata_match_rid(md, &match, match.first) : 0;
  MD_PUT(pack, MD_COLUMN(md, CLASS_LAYOUT, layout, PACKING_SIZE));
  MD_PUT(size, MD_COLUMN(md, CLASS_LAYOUT, layout, CLASS_SIZE));

  if (offsets || count) {
    MD_CHECK(md, TYPE_DEF, rid);
    cordbg_run run = cordbg_metadata_type_fields(md, rid);
    for (uint32_t p = run.first; p < run.end; p++, fields++) {
      mdFieldDef field = MD_MAKE(FIELD, cordbg_metadata_run_rid(md, &run, p));
      uint32_t row = cordbg_metadata_find_one(md, CORDBG_TABLE_FIELD_LAYOUT, field);
      found = found || row;
      if (offsets && fields < max)
        offsets[fields] =
            (COR_FIELD_OFFSET){field, row ? MD_COLUMN(md, FIELD_LAYOUT, row, OFFSET) : (ULONG)-1};
    }
    if (found)
      MD_PUT(count, fields);
  }
  return found ? S_OK : CLDB_E_RECORD_NOTFOUND;
}

static HRESULT
get_permission_set_props(IMetaDataImport2 *This, mdPermission pm, DWORD *action, const void **data,
                         ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(pm);
  MD_CHECK(md, DECL_SECURITY, rid);
  MD_PUT(action, MD_COLUMN(md, DECL_SECURITY, rid, ACTION));
  if (data)
    cordbg_scope_put_blob(MD_BLOB(md, DECL_SECURITY, rid, PERMISSION_SET), data, size);
  return S_OK;
}

static HRESULT
get_sig_from_token(IMetaDataImport2 *This, mdSignature tk, PCCOR_SIGNATURE *data, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, STAND_ALONE_SIG, rid);
  cordbg_scope_put_blob(MD_BLOB(md, STAND_ALONE_SIG, rid, SIGNATURE), (const void **)data, size);
  return S_OK;
}

static HRESULT
get_type_spec_from_token(IMetaDataImport2 *This, mdTypeSpec tk, PCCOR_SIGNATURE *data, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, TYPE_SPEC, rid);
  cordbg_scope_put_blob(MD_BLOB(md, TYPE_SPEC, rid, SIGNATURE), (const void **)data, size);
  return S_OK;
}

static HRESULT
get_module_ref_props(IMetaDataImport2 *This, mdModuleRef tk, LPWSTR name, ULONG cch, ULONG *pch)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, MODULE_REF, rid);
  return cordbg_scope_put_name(MD_STRING(md, MODULE_REF, rid, NAME), name, cch, pch);
}

static HRESULT
get_name_from_token(IMetaDataImport2 *This, mdToken tk, MDUTF8CSTR *ret)
{
  static const struct {
    uint8_t table, column;
  } named[] = {
      {CORDBG_TABLE_MODULE, CORDBG_MODULE_NAME},
      {CORDBG_TABLE_TYPE_REF, CORDBG_TYPE_REF_NAME},
      {CORDBG_TABLE_TYPE_DEF, CORDBG_TYPE_DEF_NAME},
      {CORDBG_TABLE_FIELD, CORDBG_FIELD_NAME},
      {CORDBG_TABLE_METHOD_DEF, CORDBG_METHOD_DEF_NAME},
      {CORDBG_TABLE_PARAM, CORDBG_PARAM_NAME},
      {CORDBG_TABLE_MEMBER_REF, CORDBG_MEMBER_REF_NAME},
      {CORDBG_TABLE_EVENT, CORDBG_EVENT_NAME},
      {CORDBG_TABLE_PROPERTY, CORDBG_PROPERTY_NAME},
      {CORDBG_TABLE_MODULE_REF, CORDBG_MODULE_REF_NAME},
  };
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!ret)
    return E_INVALIDARG;
  for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
    if (tk >> 24 != named[i].table)
      continue;
    if (!cordbg_metadata_row(md, named[i].table, RidFromToken(tk)))
      return CLDB_E_INDEX_NOTFOUND;
    *ret = cordbg_metadata_column_string(md, named[i].table, RidFromToken(tk), named[i].column);
    return S_OK;
  }
  return E_INVALIDARG;
}

static HRESULT
get_user_string(IMetaDataImport2 *This, mdString tk, LPWSTR text, ULONG cch, ULONG *pch)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  cordbg_blob blob;
  if (RidFromToken(tk) >= md->user_strings.size)
    return CLDB_E_INDEX_NOTFOUND;
  if (!cordbg_metadata_user_string_at(md, RidFromToken(tk), &blob) || blob.size % 2 == 0)
    return CLDB_E_FILE_CORRUPT;
  ULONG units = blob.size / 2;
  MD_PUT(pch, units);
  if (!text || cch == 0)
    return S_OK;
  memcpy(text, blob.data, (size_t)(units < cch ? units : cch) * 2);
  if (units <= cch)
    return S_OK;
  text[cch - 1] = 0;
  return CLDB_S_TRUNCATION;
}

static HRESULT
get_custom_attribute_props(IMetaDataImport2 *This, mdCustomAttribute tk, mdToken *owner,
                           mdToken *type, const void **data, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, CUSTOM_ATTRIBUTE, rid);
  MD_PUT(owner, MD_TOKEN(md, CUSTOM_ATTRIBUTE, rid, PARENT));
  MD_PUT(type, MD_TOKEN(md, CUSTOM_ATTRIBUTE, rid, TYPE));
  if (data)
    cordbg_scope_put_blob(MD_BLOB(md, CUSTOM_ATTRIBUTE, rid, VALUE), data, size);
  return S_OK;
}

static BOOL
is_valid_token(IMetaDataImport2 *This, mdToken tk)
{
  /* Rows of these tables have no tokens, though the tables exist. */
  static const uint64_t without_tokens =
      UINT64_C(1) << CORDBG_TABLE_CONSTANT | UINT64_C(1) << CORDBG_TABLE_FIELD_MARSHAL |
      UINT64_C(1) << CORDBG_TABLE_CLASS_LAYOUT | UINT64_C(1) << CORDBG_TABLE_FIELD_LAYOUT |
      UINT64_C(1) << CORDBG_TABLE_EVENT_MAP | UINT64_C(1) << CORDBG_TABLE_PROPERTY_MAP |
      UINT64_C(1) << CORDBG_TABLE_METHOD_SEMANTICS | UINT64_C(1) << CORDBG_TABLE_METHOD_IMPL |
      UINT64_C(1) << CORDBG_TABLE_IMPL_MAP | UINT64_C(1) << CORDBG_TABLE_FIELD_RVA |
      UINT64_C(1) << CORDBG_TABLE_NESTED_CLASS | UINT64_C(1) << CORDBG_TABLE_FIELD_PTR |
      UINT64_C(1) << CORDBG_TABLE_METHOD_PTR | UINT64_C(1) << CORDBG_TABLE_PARAM_PTR |
      UINT64_C(1) << CORDBG_TABLE_EVENT_PTR | UINT64_C(1) << CORDBG_TABLE_PROPERTY_PTR;
  if (tk >> 24 < CORDBG_TABLE_COUNT && (without_tokens >> (tk >> 24) & 1))
    return FALSE;
  return cordbg_metadata_token_valid(SCOPE(This)->md, tk);
}

static HRESULT
get_nested_class_props(IMetaDataImport2 *This, mdTypeDef td, mdTypeDef *enclosing)
{
  if (TypeFromToken(td) != mdtTypeDef)
    return META_E_INVALID_TOKEN_TYPE;
  if (!enclosing)
    return E_INVALIDARG;
  uint32_t rid = cordbg_metadata_enclosing_type(SCOPE(This)->md, RidFromToken(td));
  if (!rid)
    return CLDB_E_RECORD_NOTFOUND;
  *enclosing = MD_MAKE(TYPE_DEF, rid);
  return S_OK;
}

static HRESULT
get_generic_param_props(IMetaDataImport2 *This, mdGenericParam tk, ULONG *sequence, DWORD *flags,
                        mdToken *owner, DWORD *reserved, LPWSTR name, ULONG cch, ULONG *pch)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  (void)reserved;
  if (TypeFromToken(tk) != mdtGenericParam || rid == 0)
    return META_E_BAD_INPUT_PARAMETER;
  MD_CHECK(md, GENERIC_PARAM, rid);
  MD_PUT(sequence, MD_COLUMN(md, GENERIC_PARAM, rid, NUMBER));
  MD_PUT(flags, MD_COLUMN(md, GENERIC_PARAM, rid, FLAGS));
  MD_PUT(owner, MD_TOKEN(md, GENERIC_PARAM, rid, OWNER));
  return cordbg_scope_put_name(MD_STRING(md, GENERIC_PARAM, rid, NAME), name, cch, pch);
}

static HRESULT
get_method_spec_props(IMetaDataImport2 *This, mdMethodSpec tk, mdToken *parent,
                      PCCOR_SIGNATURE *data, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, METHOD_SPEC, rid);
  MD_PUT(parent, MD_TOKEN(md, METHOD_SPEC, rid, METHOD));
  cordbg_scope_put_blob(MD_BLOB(md, METHOD_SPEC, rid, INSTANTIATION), (const void **)data, size);
  return S_OK;
}

static HRESULT
get_constraint_props(IMetaDataImport2 *This, mdGenericParamConstraint tk, mdGenericParam *param,
                     mdToken *type)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  if (TypeFromToken(tk) != mdtGenericParamConstraint || rid == 0)
    return META_E_BAD_INPUT_PARAMETER;
  MD_CHECK(md, GENERIC_PARAM_CONSTRAINT, rid);
  MD_PUT(param, MD_TOKEN(md, GENERIC_PARAM_CONSTRAINT, rid, OWNER));
  MD_PUT(type, MD_TOKEN(md, GENERIC_PARAM_CONSTRAINT, rid, CONSTRAINT));
  return S_OK;
}

static HRESULT
get_pe_kind(IMetaDataImport2 *This, DWORD *kind, DWORD *machine)
{
  const cordbg_pe *pe = cordbg_image_pe(SCOPE(This)->image);
  DWORD flags = peNot;
  if (pe) {
    if (pe->is_pe32_plus)
      flags |= pe32Plus;
    if (pe->cli_flags & COMIMAGE_FLAGS_ILONLY)
      flags |= peILonly;
    if ((pe->cli_flags & (COMIMAGE_FLAGS_32BITREQUIRED | COMIMAGE_FLAGS_32BITPREFERRED)) ==
        (COMIMAGE_FLAGS_32BITREQUIRED | COMIMAGE_FLAGS_32BITPREFERRED))
      flags |= pe32BitPreferred;
    else if (pe->cli_flags & COMIMAGE_FLAGS_32BITREQUIRED)
      flags |= pe32BitRequired;
  }
  DWORD own_machine = pe ? pe->machine : 0;
  /* Code compiled ahead of time is an addition: the assembly is reported as it was before. */
  if (pe && pe->ready_to_run_neutral) {
    flags = peILonly;
    own_machine = IMAGE_FILE_MACHINE_I386;
  }
  MD_PUT(kind, flags);
  MD_PUT(machine, own_machine);
  return S_OK;
}

static HRESULT
get_version_string(IMetaDataImport2 *This, LPWSTR text, DWORD cch, DWORD *pch)
{
  const char *version = SCOPE(This)->md->version;
  HRESULT hr = cordbg_scope_put_name(version, text, cch, pch);
  if (version[0] == '\0')
    MD_PUT(pch, 1);
  return hr;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
const IMetaDataImport2Vtbl cordbg_scope_import_vtbl = {
    IMetaDataImport2_NOTIMPL_SLOTS,
    .CloseEnum = cordbg_import_close_enum,
    .CountEnum = cordbg_import_count_enum,
    .ResetEnum = cordbg_import_reset_enum,
    .EnumTypeDefs = cordbg_import_enum_type_defs,
    .EnumInterfaceImpls = cordbg_import_enum_interface_impls,
    .EnumTypeRefs = cordbg_import_enum_type_refs,
    .FindTypeDefByName = cordbg_import_find_type_def,
    .GetScopeProps = get_scope_props,
    .GetModuleFromScope = get_module_from_scope,
    .GetTypeDefProps = get_type_def_props,
    .GetInterfaceImplProps = get_interface_impl_props,
    .GetTypeRefProps = get_type_ref_props,
    .ResolveTypeRef = cordbg_import_resolve_type_ref,
    .EnumMembers = cordbg_import_enum_members,
    .EnumMembersWithName = cordbg_import_enum_members_named,
    .EnumMethods = cordbg_import_enum_methods,
    .EnumMethodsWithName = cordbg_import_enum_methods_named,
    .EnumFields = cordbg_import_enum_fields,
    .EnumFieldsWithName = cordbg_import_enum_fields_named,
    .EnumParams = cordbg_import_enum_params,
    .EnumMemberRefs = cordbg_import_enum_member_refs,
    .EnumMethodImpls = cordbg_import_enum_method_impls,
    .EnumPermissionSets = cordbg_import_enum_permission_sets,
    .FindMember = cordbg_import_find_member,
    .FindMethod = cordbg_import_find_method,
    .FindField = cordbg_import_find_field,
    .FindMemberRef = cordbg_import_find_member_ref,
    .GetMethodProps = cordbg_import_method_props,
    .GetMemberRefProps = cordbg_import_member_ref_props,
    .EnumProperties = cordbg_import_enum_properties,
    .EnumEvents = cordbg_import_enum_events,
    .GetEventProps = cordbg_import_event_props,
    .EnumMethodSemantics = cordbg_import_enum_method_semantics,
    .GetMethodSemantics = cordbg_import_method_semantics,
    .GetClassLayout = get_class_layout,
    .GetFieldMarshal = cordbg_import_field_marshal,
    .GetRVA = cordbg_import_rva,
    .GetPermissionSetProps = get_permission_set_props,
    .GetSigFromToken = get_sig_from_token,
    .GetModuleRefProps = get_module_ref_props,
    .EnumModuleRefs = cordbg_import_enum_module_refs,
    .GetTypeSpecFromToken = get_type_spec_from_token,
    .GetNameFromToken = get_name_from_token,
    .EnumUnresolvedMethods = cordbg_import_enum_unresolved_methods,
    .GetUserString = get_user_string,
    .GetPinvokeMap = cordbg_import_pinvoke_map,
    .EnumSignatures = cordbg_import_enum_signatures,
    .EnumTypeSpecs = cordbg_import_enum_type_specs,
    .EnumUserStrings = cordbg_import_enum_user_strings,
    .GetParamForMethodIndex = cordbg_import_param_for_index,
    .EnumCustomAttributes = cordbg_import_enum_custom_attributes,
    .GetCustomAttributeProps = get_custom_attribute_props,
    .FindTypeRef = cordbg_import_find_type_ref,
    .GetMemberProps = cordbg_import_member_props,
    .GetFieldProps = cordbg_import_field_props,
    .GetPropertyProps = cordbg_import_property_props,
    .GetParamProps = cordbg_import_param_props,
    .GetCustomAttributeByName = cordbg_import_attribute_by_name,
    .IsValidToken = is_valid_token,
    .GetNestedClassProps = get_nested_class_props,
    .GetNativeCallConvFromSig = cordbg_import_native_call_conv,
    .IsGlobal = cordbg_import_is_global,
    .EnumGenericParams = cordbg_import_enum_generic_params,
    .GetGenericParamProps = get_generic_param_props,
    .GetMethodSpecProps = get_method_spec_props,
    .EnumGenericParamConstraints = cordbg_import_enum_constraints,
    .GetGenericParamConstraintProps = get_constraint_props,
    .GetPEKind = get_pe_kind,
    .GetVersionString = get_version_string,
    .EnumMethodSpecs = cordbg_import_enum_method_specs,
};
#pragma GCC diagnostic pop
