/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_SCOPE_PRIVATE_H
#define CORDBG_METADATA_SCOPE_PRIVATE_H

#include "cordbg/com/object.h"
#include "cordbg/metadata/scope.h"

typedef struct cordbg_metadata_scope {
  cordbg_object object;
  CORDBG_FACE(IMetaDataImport2) as_import;
  CORDBG_FACE(IMetaDataAssemblyImport) as_assembly;
  CORDBG_FACE(IMetaDataTables2) as_tables;
  CORDBG_FACE(IMetaDataInfo) as_info;
  cordbg_image *image;
  const cordbg_metadata *md; /* the image's */
} cordbg_metadata_scope;

extern const IMetaDataImport2Vtbl cordbg_scope_import_vtbl;
extern const IMetaDataAssemblyImportVtbl cordbg_scope_assembly_vtbl;
extern const IMetaDataTables2Vtbl cordbg_scope_tables_vtbl;
extern const IMetaDataInfoVtbl cordbg_scope_info_vtbl;

#define SCOPE(This) CORDBG_SELF(cordbg_metadata_scope, This)
#define MD_COLUMN(md, table, rid, column)                                                          \
  cordbg_metadata_column(md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column)
#define MD_TOKEN(md, table, rid, column)                                                           \
  cordbg_metadata_column_token(md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column)
#define MD_STRING(md, table, rid, column)                                                          \
  cordbg_metadata_column_string(md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column)
#define MD_BLOB(md, table, rid, column)                                                            \
  cordbg_metadata_column_blob(md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column)
#define MD_ROWS(md, table) cordbg_metadata_rows(md, CORDBG_TABLE_##table)
#define MD_MAKE(table, rid) ((mdToken)CORDBG_TABLE_##table << 24 | (rid))

/* Fails as Microsoft's does for a row that is not there. */
#define MD_CHECK(md, table, rid)                                                                   \
  do {                                                                                             \
    if (!cordbg_metadata_row(md, CORDBG_TABLE_##table, rid))                                       \
      return CLDB_E_INDEX_NOTFOUND;                                                                \
  } while (0)

/* Optional outputs. */
#define MD_PUT(out, value)                                                                         \
  do {                                                                                             \
    if (out)                                                                                       \
      *(out) = (value);                                                                            \
  } while (0)

/*
 * The name of a member: cch is the room of name, *pch the units needed with the NUL - but 0 for an
 * empty name. CLDB_S_TRUNCATION when it was cut; S_OK when neither output is asked for.
 */
HRESULT cordbg_scope_put_name(const char *text, LPWSTR name, ULONG cch, ULONG *pch);
/* The name of a type, "Namespace.Name": like the above, but 1 unit for an empty one. */
HRESULT cordbg_scope_put_type_name(const char *name_space, const char *name, LPWSTR buffer,
                                   ULONG cch, ULONG *pch);
void cordbg_scope_put_blob(cordbg_blob blob, const void **data, ULONG *size);

/* A client's name as UTF-8, split at the last '.' unless that begins the name. Free with free(). */
typedef struct cordbg_split_name {
  char *text; /* owned; NULL when memory is out */
  const char *name_space;
  size_t name_space_length;
  const char *name;
  size_t name_length;
} cordbg_split_name;

cordbg_split_name cordbg_split_name_new(LPCWSTR name);

/*
 * Enumerations: HCORENUM is one of these. An enumeration that turns out empty is closed at once
 * and *phEnum stays NULL, as in Microsoft's.
 */
typedef struct cordbg_enumeration cordbg_enumeration;

/* rids first .. end-1 of a table. */
cordbg_enumeration *cordbg_enumeration_new_range(cordbg_table table, uint32_t first, uint32_t end);
/* A list to be filled; unit is 2 for method implementations, which come in pairs. */
cordbg_enumeration *cordbg_enumeration_new_list(unsigned unit);
void cordbg_enumeration_add(cordbg_enumeration *enumeration, mdToken token);
cordbg_enumeration *cordbg_enumeration_new_run(const cordbg_metadata *md, const cordbg_run *run);
cordbg_enumeration *cordbg_enumeration_new_match(const cordbg_metadata *md,
                                                 const cordbg_match *match);
void cordbg_enumeration_free(cordbg_enumeration *enumeration);
ULONG cordbg_enumeration_count(const cordbg_enumeration *enumeration);
void cordbg_enumeration_reset(cordbg_enumeration *enumeration, ULONG position);

/*
 * The common end of each Enum method. created is the enumeration just made, or NULL to go on with
 * *phEnum. Stores up to max tokens (second: the other halves of pairs, or NULL). S_OK when it
 * stored any, else S_FALSE.
 */
HRESULT cordbg_enumeration_next(HCORENUM *phEnum, cordbg_enumeration *created, mdToken *tokens,
                                mdToken *second, ULONG max, ULONG *count);

/* import-enum.c */
void cordbg_import_close_enum(IMetaDataImport2 *This, HCORENUM hEnum);
HRESULT cordbg_import_count_enum(IMetaDataImport2 *This, HCORENUM hEnum, ULONG *pulCount);
HRESULT cordbg_import_reset_enum(IMetaDataImport2 *This, HCORENUM hEnum, ULONG ulPos);
HRESULT cordbg_import_enum_type_defs(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef *tokens,
                                     ULONG max, ULONG *count);
HRESULT cordbg_import_enum_interface_impls(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                           mdInterfaceImpl *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_type_refs(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeRef *tokens,
                                     ULONG max, ULONG *count);
HRESULT cordbg_import_enum_members(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                   mdToken *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_members_named(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                         LPCWSTR name, mdToken *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_methods(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                   mdMethodDef *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_methods_named(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                         LPCWSTR name, mdMethodDef *tokens, ULONG max,
                                         ULONG *count);
HRESULT cordbg_import_enum_fields(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                  mdFieldDef *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_fields_named(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                        LPCWSTR name, mdFieldDef *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_params(IMetaDataImport2 *This, HCORENUM *phEnum, mdMethodDef method,
                                  mdParamDef *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_member_refs(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken parent,
                                       mdMemberRef *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_method_impls(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                        mdToken *bodies, mdToken *declarations, ULONG max,
                                        ULONG *count);
HRESULT cordbg_import_enum_permission_sets(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken tk,
                                           DWORD action, mdPermission *tokens, ULONG max,
                                           ULONG *count);
HRESULT cordbg_import_enum_properties(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                      mdProperty *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_events(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeDef td,
                                  mdEvent *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_method_semantics(IMetaDataImport2 *This, HCORENUM *phEnum,
                                            mdMethodDef method, mdToken *tokens, ULONG max,
                                            ULONG *count);
HRESULT cordbg_import_enum_module_refs(IMetaDataImport2 *This, HCORENUM *phEnum,
                                       mdModuleRef *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_unresolved_methods(IMetaDataImport2 *This, HCORENUM *phEnum,
                                              mdToken *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_signatures(IMetaDataImport2 *This, HCORENUM *phEnum, mdSignature *tokens,
                                      ULONG max, ULONG *count);
HRESULT cordbg_import_enum_type_specs(IMetaDataImport2 *This, HCORENUM *phEnum, mdTypeSpec *tokens,
                                      ULONG max, ULONG *count);
HRESULT cordbg_import_enum_user_strings(IMetaDataImport2 *This, HCORENUM *phEnum, mdString *tokens,
                                        ULONG max, ULONG *count);
HRESULT cordbg_import_enum_custom_attributes(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken tk,
                                             mdToken type, mdCustomAttribute *tokens, ULONG max,
                                             ULONG *count);
HRESULT cordbg_import_enum_generic_params(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken tk,
                                          mdGenericParam *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_constraints(IMetaDataImport2 *This, HCORENUM *phEnum, mdGenericParam tk,
                                       mdGenericParamConstraint *tokens, ULONG max, ULONG *count);
HRESULT cordbg_import_enum_method_specs(IMetaDataImport2 *This, HCORENUM *phEnum, mdToken tk,
                                        mdMethodSpec *tokens, ULONG max, ULONG *count);

/* import-find.c */
HRESULT cordbg_import_find_type_def(IMetaDataImport2 *This, LPCWSTR name, mdToken enclosing,
                                    mdTypeDef *ret);
HRESULT cordbg_import_find_type_ref(IMetaDataImport2 *This, mdToken scope, LPCWSTR name,
                                    mdTypeRef *ret);
HRESULT cordbg_import_resolve_type_ref(IMetaDataImport2 *This, mdTypeRef tr, REFIID riid,
                                       IUnknown **scope, mdTypeDef *ret);
HRESULT cordbg_import_find_member(IMetaDataImport2 *This, mdTypeDef td, LPCWSTR name,
                                  PCCOR_SIGNATURE signature, ULONG size, mdToken *ret);
HRESULT cordbg_import_find_method(IMetaDataImport2 *This, mdTypeDef td, LPCWSTR name,
                                  PCCOR_SIGNATURE signature, ULONG size, mdMethodDef *ret);
HRESULT cordbg_import_find_field(IMetaDataImport2 *This, mdTypeDef td, LPCWSTR name,
                                 PCCOR_SIGNATURE signature, ULONG size, mdFieldDef *ret);
HRESULT cordbg_import_find_member_ref(IMetaDataImport2 *This, mdToken parent, LPCWSTR name,
                                      PCCOR_SIGNATURE signature, ULONG size, mdMemberRef *ret);
HRESULT cordbg_import_attribute_by_name(IMetaDataImport2 *This, mdToken owner, LPCWSTR name,
                                        const void **data, ULONG *size);
HRESULT cordbg_import_native_call_conv(IMetaDataImport2 *This, const void *signature, ULONG size,
                                       ULONG *ret);
/* The method or field of a type with this name and signature (size 0: any); 0 for none. */
mdToken cordbg_scope_find_in_type(const cordbg_metadata *md, cordbg_table table, mdTypeDef td,
                                  const char *name, PCCOR_SIGNATURE signature, ULONG size);

/* import-members.c */
HRESULT cordbg_import_method_props(IMetaDataImport2 *This, mdMethodDef mb, mdTypeDef *pClass,
                                   LPWSTR name, ULONG cch, ULONG *pch, DWORD *attributes,
                                   PCCOR_SIGNATURE *signature, ULONG *size, ULONG *rva,
                                   DWORD *impl_flags);
HRESULT cordbg_import_member_ref_props(IMetaDataImport2 *This, mdMemberRef mr, mdToken *parent,
                                       LPWSTR name, ULONG cch, ULONG *pch,
                                       PCCOR_SIGNATURE *signature, ULONG *size);
HRESULT cordbg_import_event_props(IMetaDataImport2 *This, mdEvent ev, mdTypeDef *pClass,
                                  LPCWSTR name, ULONG cch, ULONG *pch, DWORD *flags, mdToken *type,
                                  mdMethodDef *add, mdMethodDef *remove, mdMethodDef *fire,
                                  mdMethodDef *others, ULONG max, ULONG *count);
HRESULT cordbg_import_property_props(IMetaDataImport2 *This, mdProperty prop, mdTypeDef *pClass,
                                     LPCWSTR name, ULONG cch, ULONG *pch, DWORD *flags,
                                     PCCOR_SIGNATURE *signature, ULONG *size, DWORD *type,
                                     UVCP_CONSTANT *value, ULONG *value_cch, mdMethodDef *setter,
                                     mdMethodDef *getter, mdMethodDef *others, ULONG max,
                                     ULONG *count);
HRESULT cordbg_import_field_props(IMetaDataImport2 *This, mdFieldDef fd, mdTypeDef *pClass,
                                  LPWSTR name, ULONG cch, ULONG *pch, DWORD *attributes,
                                  PCCOR_SIGNATURE *signature, ULONG *size, DWORD *type,
                                  UVCP_CONSTANT *value, ULONG *value_cch);
HRESULT cordbg_import_member_props(IMetaDataImport2 *This, mdToken mb, mdTypeDef *pClass,
                                   LPWSTR name, ULONG cch, ULONG *pch, DWORD *attributes,
                                   PCCOR_SIGNATURE *signature, ULONG *size, ULONG *rva,
                                   DWORD *impl_flags, DWORD *type, UVCP_CONSTANT *value,
                                   ULONG *value_cch);
HRESULT cordbg_import_param_props(IMetaDataImport2 *This, mdParamDef pd, mdMethodDef *method,
                                  ULONG *sequence, LPWSTR name, ULONG cch, ULONG *pch,
                                  DWORD *attributes, DWORD *type, UVCP_CONSTANT *value,
                                  ULONG *value_cch);
HRESULT cordbg_import_param_for_index(IMetaDataImport2 *This, mdMethodDef md, ULONG sequence,
                                      mdParamDef *ret);
HRESULT cordbg_import_method_semantics(IMetaDataImport2 *This, mdMethodDef method, mdToken owner,
                                       DWORD *flags);
HRESULT cordbg_import_is_global(IMetaDataImport2 *This, mdToken tk, int *ret);
HRESULT cordbg_import_rva(IMetaDataImport2 *This, mdToken tk, ULONG *rva, DWORD *impl_flags);
HRESULT cordbg_import_pinvoke_map(IMetaDataImport2 *This, mdToken tk, DWORD *flags, LPWSTR name,
                                  ULONG cch, ULONG *pch, mdModuleRef *module);
HRESULT cordbg_import_field_marshal(IMetaDataImport2 *This, mdToken tk, PCCOR_SIGNATURE *type,
                                    ULONG *size);

#endif
