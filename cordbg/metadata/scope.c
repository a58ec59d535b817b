/* SPDX-License-Identifier: MIT */
/*
 * The object behind Microsoft's metadata interfaces, and what its files share: how names are handed
 * out, and enumerations.
 *
 * The behaviour is that of the real component (libcoreclr's RegMeta, compared with it call by call
 * in tests/oracle): which outputs a failing call leaves alone, that an empty name needs 0 units but
 * an empty type name 1, that a token's table byte is not looked at where a method takes one kind of
 * token only. Where the real one would crash - outputs that must be given, wild enumeration
 * positions - ours fails or clamps.
 */
#include "config.h"
#include "cordbg/metadata/scope-private.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include "cordbg/com/utf16.h"

static void
scope_dispose(void *object)
{
  cordbg_metadata_scope *scope = object;
  cordbg_image_unref(scope->image);
}

static const cordbg_interface scope_interfaces[] = {
    CORDBG_INTERFACE(cordbg_metadata_scope, as_import, IMetaDataImport2, cordbg_scope_import_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_metadata_scope, as_import, IMetaDataImport,
                          cordbg_scope_import_vtbl),
    CORDBG_INTERFACE(cordbg_metadata_scope, as_assembly, IMetaDataAssemblyImport,
                     cordbg_scope_assembly_vtbl),
    CORDBG_INTERFACE(cordbg_metadata_scope, as_tables, IMetaDataTables2, cordbg_scope_tables_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_metadata_scope, as_tables, IMetaDataTables,
                          cordbg_scope_tables_vtbl),
    CORDBG_INTERFACE(cordbg_metadata_scope, as_info, IMetaDataInfo, cordbg_scope_info_vtbl),
};

static const cordbg_class scope_class =
    CORDBG_CLASS(cordbg_metadata_scope, scope_interfaces, scope_dispose);

HRESULT
cordbg_metadata_scope_create(cordbg_image *image, const IID *iid, void **ret)
{
  cordbg_metadata_scope *scope = cordbg_object_new(&scope_class);
  if (!scope)
    return E_OUTOFMEMORY;
  scope->image = cordbg_image_ref(image);
  scope->md = cordbg_image_metadata(image);
  HRESULT hr = cordbg_object_query(scope, iid, ret);
  cordbg_object_unref(scope);
  return hr;
}

cordbg_image *
cordbg_metadata_scope_image(IUnknown *scope)
{
  cordbg_metadata_scope *self = cordbg_object_from(scope, &scope_class);
  return self ? self->image : NULL;
}

HRESULT
cordbg_scope_put_name(const char *text, LPWSTR name, ULONG cch, ULONG *pch)
{
  if (!name && !pch)
    return S_OK;
  size_t length = strlen(text);
  if (length == 0) {
    if (name && cch)
      name[0] = 0;
    MD_PUT(pch, 0);
    return S_OK;
  }
  if (!name)
    cch = 0;
  size_t units = cordbg_utf16_from_utf8(text, length, name, cch);
  if (units >= UINT32_MAX)
    return CLDB_E_TOO_BIG;
  MD_PUT(pch, (ULONG)units + 1);
  if (units < cch) {
    name[units] = 0;
    return S_OK;
  }
  if (cch > 0)
    name[cch - 1] = 0;
  /* A buffer without room asks for the length only. */
  return cch ? CLDB_S_TRUNCATION : S_OK;
}

HRESULT
cordbg_scope_put_type_name(const char *name_space, const char *name, LPWSTR buffer, ULONG cch,
                           ULONG *pch)
{
  if (!buffer && !pch)
    return S_OK;
  g_autofree char *full = name_space[0] ? g_strconcat(name_space, ".", name, NULL) : g_strdup(name);
  if (full[0]) {
    HRESULT hr = cordbg_scope_put_name(full, buffer, cch, pch);
    return buffer && !cch ? CLDB_S_TRUNCATION : hr;
  }
  if (buffer && cch)
    buffer[0] = 0;
  MD_PUT(pch, 1);
  return buffer && !cch ? CLDB_S_TRUNCATION : S_OK;
}

void
cordbg_scope_put_blob(cordbg_blob blob, const void **data, ULONG *size)
{
  MD_PUT(data, blob.data);
  MD_PUT(size, blob.size);
}

cordbg_split_name
cordbg_split_name_new(LPCWSTR name)
{
  cordbg_split_name split = {.text = cordbg_utf8_new(name)};
  if (!split.text)
    return split;
  char *dot = strrchr(split.text, '.');
  /* ".ctor" has no namespace; "A..ctor" has "A". */
  if (dot && dot > split.text && dot[-1] == '.')
    dot--;
  if (dot == split.text)
    dot = NULL;
  split.name_space = split.text;
  split.name_space_length = dot ? (size_t)(dot - split.text) : 0;
  split.name = dot ? dot + 1 : split.text;
  split.name_length = strlen(split.name);
  if (dot)
    *dot = '\0';
  else
    split.name_space = "";
  return split;
}

struct cordbg_enumeration {
  unsigned unit;  /* tokens that one step takes */
  mdToken table;  /* of a range, shifted */
  uint32_t first; /* of a range */
  uint32_t count; /* tokens */
  uint32_t at;    /* tokens */
  GArray *list;   /* NULL for a range */
};

cordbg_enumeration *
cordbg_enumeration_new_range(cordbg_table table, uint32_t first, uint32_t end)
{
  cordbg_enumeration *e = g_new0(cordbg_enumeration, 1);
  e->unit = 1;
  e->table = (mdToken)table << 24;
  e->first = first;
  e->count = end > first ? end - first : 0;
  return e;
}

cordbg_enumeration *
cordbg_enumeration_new_list(unsigned unit)
{
  cordbg_enumeration *e = g_new0(cordbg_enumeration, 1);
  e->unit = unit;
  e->list = g_array_new(FALSE, FALSE, sizeof(mdToken));
  return e;
}

void
cordbg_enumeration_add(cordbg_enumeration *enumeration, mdToken token)
{
  g_array_append_val(enumeration->list, token);
  enumeration->count++;
}

cordbg_enumeration *
cordbg_enumeration_new_run(const cordbg_metadata *md, const cordbg_run *run)
{
  if (run->first == run->end || cordbg_metadata_run_rid(md, run, run->first) == run->first)
    if (!md->uncompressed)
      return cordbg_enumeration_new_range(run->table, run->first, run->end);
  cordbg_enumeration *e = cordbg_enumeration_new_list(1);
  for (uint32_t p = run->first; p < run->end; p++)
    cordbg_enumeration_add(e, (mdToken)run->table << 24 | cordbg_metadata_run_rid(md, run, p));
  return e;
}

cordbg_enumeration *
cordbg_enumeration_new_match(const cordbg_metadata *md, const cordbg_match *match)
{
  cordbg_enumeration *e = cordbg_enumeration_new_list(1);
  for (uint32_t p = match->first; p < match->end; p++)
    cordbg_enumeration_add(e,
                           (mdToken)match->table << 24 | cordbg_metadata_match_rid(md, match, p));
  return e;
}

void
cordbg_enumeration_free(cordbg_enumeration *enumeration)
{
  if (!enumeration)
    return;
  if (enumeration->list)
    g_array_unref(enumeration->list);
  g_free(enumeration);
}

ULONG
cordbg_enumeration_count(const cordbg_enumeration *enumeration)
{
  return enumeration ? enumeration->count / enumeration->unit : 0;
}

/* The position counts tokens, also where they come in pairs: so does the real one. */
void
cordbg_enumeration_reset(cordbg_enumeration *enumeration, ULONG position)
{
  if (enumeration)
    enumeration->at = MIN(position, enumeration->count);
}

static mdToken
token_at(const cordbg_enumeration *e, uint32_t index)
{
  return e->list ? g_array_index(e->list, mdToken, index) : e->table | (e->first + index);
}

HRESULT
cordbg_enumeration_next(HCORENUM *phEnum, cordbg_enumeration *created, mdToken *tokens,
                        mdToken *second, ULONG max, ULONG *count)
{
  if (created)
    *phEnum = created;
  cordbg_enumeration *e = *phEnum;
  uint32_t left = (e->count - e->at) / e->unit;
  uint32_t taken = tokens ? MIN(left, max) : 0;
  for (uint32_t i = 0; i < taken; i++) {
    tokens[i] = token_at(e, e->at);
    if (e->unit == 2 && second)
      second[i] = token_at(e, e->at + 1);
    e->at += e->unit;
  }
  MD_PUT(count, taken);
  if (e->count == 0) {
    cordbg_enumeration_free(e);
    *phEnum = NULL;
  }
  return taken > 0 ? S_OK : S_FALSE;
}
