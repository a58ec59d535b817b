/* SPDX-License-Identifier: MIT */
/* IMetaDataAssemblyImport: the manifest. */
#include "config.h"
#include "cordbg/metadata/scope-private.h"

#include <stdlib.h>
#include <string.h>
#include "cordbg/com/utf16.h"

static void
put_version(const cordbg_metadata *md, cordbg_table table, uint32_t rid, unsigned major,
            ASSEMBLYMETADATA *ret)
{
  ret->usMajorVersion = (USHORT)cordbg_metadata_column(md, table, rid, major);
  ret->usMinorVersion = (USHORT)cordbg_metadata_column(md, table, rid, major + 1);
  ret->usBuildNumber = (USHORT)cordbg_metadata_column(md, table, rid, major + 2);
  ret->usRevisionNumber = (USHORT)cordbg_metadata_column(md, table, rid, major + 3);
  ret->ulProcessor = 0;
  ret->ulOS = 0;
}

static HRESULT
get_assembly_props(IMetaDataAssemblyImport *This, mdAssembly tk, const void **key, ULONG *key_size,
                   ULONG *hash_algorithm, LPWSTR name, ULONG cch, ULONG *pch,
                   ASSEMBLYMETADATA *version, DWORD *flags)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, ASSEMBLY, rid);
  cordbg_blob own_key = MD_BLOB(md, ASSEMBLY, rid, PUBLIC_KEY);
  if (key)
    cordbg_scope_put_blob(own_key, key, key_size);
  MD_PUT(hash_algorithm, MD_COLUMN(md, ASSEMBLY, rid, HASH_ALG_ID));
  if (version) {
    put_version(md, CORDBG_TABLE_ASSEMBLY, rid, CORDBG_ASSEMBLY_MAJOR_VERSION, version);
    cordbg_scope_put_name(MD_STRING(md, ASSEMBLY, rid, LOCALE), version->szLocale,
                          version->cbLocale, &version->cbLocale);
  }
  MD_PUT(flags, MD_COLUMN(md, ASSEMBLY, rid, FLAGS) | (own_key.size ? (DWORD)afPublicKey : 0));
  return cordbg_scope_put_name(MD_STRING(md, ASSEMBLY, rid, NAME), name, cch, pch);
}

static HRESULT
get_assembly_ref_props(IMetaDataAssemblyImport *This, mdAssemblyRef tk, const void **key,
                       ULONG *key_size, LPWSTR name, ULONG cch, ULONG *pch,
                       ASSEMBLYMETADATA *version, const void **hash, ULONG *hash_size, DWORD *flags)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, ASSEMBLY_REF, rid);
  if (key)
    cordbg_scope_put_blob(MD_BLOB(md, ASSEMBLY_REF, rid, PUBLIC_KEY_OR_TOKEN), key, key_size);
  if (version) {
    put_version(md, CORDBG_TABLE_ASSEMBLY_REF, rid, CORDBG_ASSEMBLY_REF_MAJOR_VERSION, version);
    cordbg_scope_put_name(MD_STRING(md, ASSEMBLY_REF, rid, LOCALE), version->szLocale,
                          version->cbLocale, &version->cbLocale);
  }
  if (hash)
    cordbg_scope_put_blob(MD_BLOB(md, ASSEMBLY_REF, rid, HASH_VALUE), hash, hash_size);
  MD_PUT(flags, MD_COLUMN(md, ASSEMBLY_REF, rid, FLAGS));
  return cordbg_scope_put_name(MD_STRING(md, ASSEMBLY_REF, rid, NAME), name, cch, pch);
}

static HRESULT
get_file_props(IMetaDataAssemblyImport *This, mdFile tk, LPWSTR name, ULONG cch, ULONG *pch,
               const void **hash, ULONG *hash_size, DWORD *flags)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, FILE, rid);
  if (hash)
    cordbg_scope_put_blob(MD_BLOB(md, FILE, rid, HASH_VALUE), hash, hash_size);
  MD_PUT(flags, MD_COLUMN(md, FILE, rid, FLAGS));
  return cordbg_scope_put_name(MD_STRING(md, FILE, rid, NAME), name, cch, pch);
}

static HRESULT
get_exported_type_props(IMetaDataAssemblyImport *This, mdExportedType tk, LPWSTR name, ULONG cch,
                        ULONG *pch, mdToken *implementation, mdTypeDef *type, DWORD *flags)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, EXPORTED_TYPE, rid);
  MD_PUT(implementation, MD_TOKEN(md, EXPORTED_TYPE, rid, IMPLEMENTATION));
  MD_PUT(type, MD_COLUMN(md, EXPORTED_TYPE, rid, TYPE_DEF_ID));
  MD_PUT(flags, MD_COLUMN(md, EXPORTED_TYPE, rid, FLAGS));
  return cordbg_scope_put_type_name(MD_STRING(md, EXPORTED_TYPE, rid, NAMESPACE),
                                    MD_STRING(md, EXPORTED_TYPE, rid, NAME), name, cch, pch);
}

static HRESULT
get_manifest_resource_props(IMetaDataAssemblyImport *This, mdManifestResource tk, LPWSTR name,
                            ULONG cch, ULONG *pch, mdToken *implementation, DWORD *offset,
                            DWORD *flags)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  uint32_t rid = RidFromToken(tk);
  MD_CHECK(md, MANIFEST_RESOURCE, rid);
  MD_PUT(implementation, MD_TOKEN(md, MANIFEST_RESOURCE, rid, IMPLEMENTATION));
  MD_PUT(offset, MD_COLUMN(md, MANIFEST_RESOURCE, rid, OFFSET));
  MD_PUT(flags, MD_COLUMN(md, MANIFEST_RESOURCE, rid, FLAGS));
  return cordbg_scope_put_name(MD_STRING(md, MANIFEST_RESOURCE, rid, NAME), name, cch, pch);
}

static HRESULT
enum_rows(IMetaDataAssemblyImport *This, HCORENUM *phEnum, cordbg_table table, mdToken *tokens,
          ULONG max, ULONG *count)
{
  cordbg_enumeration *created = NULL;
  if (!phEnum)
    return E_INVALIDARG;
  if (!*phEnum)
    created =
        cordbg_enumeration_new_range(table, 1, cordbg_metadata_rows(SCOPE(This)->md, table) + 1);
  return cordbg_enumeration_next(phEnum, created, tokens, NULL, max, count);
}

static HRESULT
enum_assembly_refs(IMetaDataAssemblyImport *This, HCORENUM *phEnum, mdAssemblyRef *tokens,
                   ULONG max, ULONG *count)
{
  return enum_rows(This, phEnum, CORDBG_TABLE_ASSEMBLY_REF, tokens, max, count);
}

static HRESULT
enum_files(IMetaDataAssemblyImport *This, HCORENUM *phEnum, mdFile *tokens, ULONG max, ULONG *count)
{
  return enum_rows(This, phEnum, CORDBG_TABLE_FILE, tokens, max, count);
}

static HRESULT
enum_exported_types(IMetaDataAssemblyImport *This, HCORENUM *phEnum, mdExportedType *tokens,
                    ULONG max, ULONG *count)
{
  return enum_rows(This, phEnum, CORDBG_TABLE_EXPORTED_TYPE, tokens, max, count);
}

static HRESULT
enum_manifest_resources(IMetaDataAssemblyImport *This, HCORENUM *phEnum, mdManifestResource *tokens,
                        ULONG max, ULONG *count)
{
  return enum_rows(This, phEnum, CORDBG_TABLE_MANIFEST_RESOURCE, tokens, max, count);
}

static HRESULT
get_assembly_from_scope(IMetaDataAssemblyImport *This, mdAssembly *ret)
{
  if (!ret)
    return E_INVALIDARG;
  if (MD_ROWS(SCOPE(This)->md, ASSEMBLY) == 0)
    return CLDB_E_RECORD_NOTFOUND;
  *ret = MD_MAKE(ASSEMBLY, 1);
  return S_OK;
}

/* Whether a row is nested in the type asked for, or is not nested when none was. */
static bool
is_enclosed(const cordbg_metadata *md, uint32_t rid, mdToken enclosing)
{
  mdToken implementation = MD_TOKEN(md, EXPORTED_TYPE, rid, IMPLEMENTATION);
  if (TypeFromToken(implementation) == mdtExportedType && !IsNilToken(implementation))
    return implementation == enclosing;
  return TypeFromToken(enclosing) != mdtExportedType || IsNilToken(enclosing);
}

static HRESULT
find_exported_type_by_name(IMetaDataAssemblyImport *This, LPCWSTR name, mdToken enclosing,
                           mdExportedType *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!name || !ret)
    return E_INVALIDARG;
  cordbg_split_name split = cordbg_split_name_new(name);
  if (!split.text)
    return E_OUTOFMEMORY;
  HRESULT hr = CLDB_E_RECORD_NOTFOUND;
  for (uint32_t rid = 1; rid <= MD_ROWS(md, EXPORTED_TYPE) && FAILED(hr); rid++) {
    if (!is_enclosed(md, rid, enclosing) ||
        strcmp(MD_STRING(md, EXPORTED_TYPE, rid, NAME), split.name) != 0 ||
        strcmp(MD_STRING(md, EXPORTED_TYPE, rid, NAMESPACE), split.name_space) != 0)
      continue;
    *ret = MD_MAKE(EXPORTED_TYPE, rid);
    hr = S_OK;
  }
  free(split.text);
  return hr;
}

static HRESULT
find_manifest_resource_by_name(IMetaDataAssemblyImport *This, LPCWSTR name, mdManifestResource *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (!name || !ret)
    return E_INVALIDARG;
  char *text = cordbg_utf8_new(name);
  if (!text)
    return E_OUTOFMEMORY;
  *ret = mdManifestResourceNil;
  HRESULT hr = CLDB_E_RECORD_NOTFOUND;
  for (uint32_t rid = 1; rid <= MD_ROWS(md, MANIFEST_RESOURCE) && FAILED(hr); rid++) {
    if (strcmp(MD_STRING(md, MANIFEST_RESOURCE, rid, NAME), text) != 0)
      continue;
    *ret = MD_MAKE(MANIFEST_RESOURCE, rid);
    hr = S_OK;
  }
  free(text);
  return hr;
}

static void
close_enum(IMetaDataAssemblyImport *This, HCORENUM hEnum)
{
  (void)This;
  cordbg_enumeration_free(hEnum);
}

/* FindAssembliesByName asks for the assembly cache of Windows: E_NOTIMPL, as outside a runtime. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
const IMetaDataAssemblyImportVtbl cordbg_scope_assembly_vtbl = {
    IMetaDataAssemblyImport_NOTIMPL_SLOTS,
    .GetAssemblyProps = get_assembly_props,
    .GetAssemblyRefProps = get_assembly_ref_props,
    .GetFileProps = get_file_props,
    .GetExportedTypeProps = get_exported_type_props,
    .GetManifestResourceProps = get_manifest_resource_props,
    .EnumAssemblyRefs = enum_assembly_refs,
    .EnumFiles = enum_files,
    .EnumExportedTypes = enum_exported_types,
    .EnumManifestResources = enum_manifest_resources,
    .GetAssemblyFromScope = get_assembly_from_scope,
    .FindExportedTypeByName = find_exported_type_by_name,
    .FindManifestResourceByName = find_manifest_resource_by_name,
    .CloseEnum = close_enum,
};
#pragma GCC diagnostic pop
