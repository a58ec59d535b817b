/* SPDX-License-Identifier: MIT */
/* Portable PDB: import scopes (the specification's ImportScope table and Imports blob). */
#include "config.h"
#include "cordbg/metadata/symbols-private.h"

#include <stdlib.h>
#include "cordbg/metadata/signature.h"

enum { IMPORTS_MAX = 1 << 16 };

/* Which parts an import of a kind has; they come in this order. */
enum { HAS_ALIAS = 1, HAS_ASSEMBLY = 2, HAS_NAMESPACE = 4, HAS_TYPE = 8 };

static const uint8_t parts_of[] = {
    [CORDBG_IMPORT_NAMESPACE] = HAS_NAMESPACE,
    [CORDBG_IMPORT_ASSEMBLY_NAMESPACE] = HAS_ASSEMBLY | HAS_NAMESPACE,
    [CORDBG_IMPORT_TYPE] = HAS_TYPE,
    [CORDBG_IMPORT_XML_NAMESPACE] = HAS_ALIAS | HAS_NAMESPACE,
    [CORDBG_IMPORT_ASSEMBLY_REFERENCE_ALIAS] = HAS_ALIAS,
    [CORDBG_ALIAS_ASSEMBLY_REFERENCE] = HAS_ALIAS | HAS_ASSEMBLY,
    [CORDBG_ALIAS_NAMESPACE] = HAS_ALIAS | HAS_NAMESPACE,
    [CORDBG_ALIAS_ASSEMBLY_NAMESPACE] = HAS_ALIAS | HAS_ASSEMBLY | HAS_NAMESPACE,
    [CORDBG_ALIAS_TYPE] = HAS_ALIAS | HAS_TYPE,
};

/* A blob that is named by its index. */
static bool
read_text(const cordbg_metadata *md, cordbg_signature *cursor, cordbg_blob *ret)
{
  uint32_t index;
  return cordbg_signature_read_u32(cursor, &index) && cordbg_metadata_blob_at(md, index, ret);
}

static bool
read_import(const cordbg_metadata *md, cordbg_signature *cursor, cordbg_import *ret)
{
  const cordbg_blob none = {(const uint8_t *)"", 0};
  uint32_t kind, rid;
  *ret = (cordbg_import){.alias = none, .name_space = none};
  if (!cordbg_signature_read_u32(cursor, &kind) || kind == 0 || kind >= G_N_ELEMENTS(parts_of))
    return false;
  ret->kind = (cordbg_import_kind)kind;
  if (parts_of[kind] & HAS_ALIAS && !read_text(md, cursor, &ret->alias))
    return false;
  if (parts_of[kind] & HAS_ASSEMBLY) {
    if (!cordbg_signature_read_u32(cursor, &rid) || rid > CORDBG_RID_MAX)
      return false;
    ret->assembly = (uint32_t)CORDBG_TABLE_ASSEMBLY_REF << 24 | rid;
  }
  if (parts_of[kind] & HAS_NAMESPACE && !read_text(md, cursor, &ret->name_space))
    return false;
  return !(parts_of[kind] & HAS_TYPE) || cordbg_signature_read_token(cursor, &ret->type);
}

uint32_t
cordbg_symbols_import_scope_count(const cordbg_symbols *symbols)
{
  return symbols->ops->format == CORDBG_SYMBOLS_PORTABLE_PDB
             ? cordbg_metadata_rows(&symbols->metadata, CORDBG_TABLE_IMPORT_SCOPE)
             : 0;
}

HRESULT
cordbg_symbols_imports(const cordbg_symbols *symbols, uint32_t import_scope, cordbg_import **ret,
                       uint32_t *ret_count, uint32_t *ret_parent, cordbg_error *error)
{
  const cordbg_metadata *md = &symbols->metadata;
  if (import_scope == 0 || import_scope > cordbg_symbols_import_scope_count(symbols))
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0, "there is no import scope %u",
                            import_scope);
  cordbg_signature cursor = cordbg_signature_of_blob(cordbg_metadata_column_blob(
      md, CORDBG_TABLE_IMPORT_SCOPE, import_scope, CORDBG_IMPORT_SCOPE_IMPORTS));
  GArray *imports = g_array_new(FALSE, FALSE, sizeof(cordbg_import));
  bool good = true;
  while (good && cursor.at < cursor.end && imports->len < IMPORTS_MAX) {
    cordbg_import import;
    good = read_import(md, &cursor, &import);
    if (good)
      g_array_append_val(imports, import);
  }
  cordbg_import *copy = good ? calloc(imports->len + 1, sizeof *copy) : NULL;
  if (copy) {
    for (guint i = 0; i < imports->len; i++)
      copy[i] = g_array_index(imports, cordbg_import, i);
    *ret = copy;
    *ret_count = imports->len;
    *ret_parent = cordbg_metadata_column(md, CORDBG_TABLE_IMPORT_SCOPE, import_scope,
                                         CORDBG_IMPORT_SCOPE_PARENT);
  }
  g_array_unref(imports);
  if (!good)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "import scope %u is damaged",
                            import_scope);
  return copy ? S_OK : cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
}
