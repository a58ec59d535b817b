/* SPDX-License-Identifier: MIT */
/* IMetaDataTables, 2 and IMetaDataInfo: the raw tables and heaps. */
#include "config.h"
#include "cordbg/metadata/scope-private.h"

#include <glib.h>
#include <string.h>

#define MD_REQUIRE(out)                                                                            \
  do {                                                                                             \
    if (!(out))                                                                                    \
      return E_INVALIDARG;                                                                         \
  } while (0)

/* The Portable PDB's tables and its kind of coded token are there only in one. */
static ULONG
table_count(const cordbg_metadata *md)
{
  return md->pdb.name ? CORDBG_TABLE_COUNT : CORDBG_TABLE_GENERIC_PARAM_CONSTRAINT + 1;
}

/*
 * Sizes as the real component reports them: a heap that is not there has its one empty entry, and
 * the string heap ends where its padding to four bytes begins.
 */
static ULONG
heap_size(const cordbg_stream *heap)
{
  return heap->size ? heap->size : 1;
}

static ULONG
string_heap_size(const cordbg_metadata *md)
{
  ULONG size = heap_size(&md->strings);
  for (unsigned i = 0; i < 3 && size >= 2 && md->strings.size; i++)
    if (md->strings.data[size - 1] == 0 && md->strings.data[size - 2] == 0)
      size--;
  return size;
}

static HRESULT
get_string_heap_size(IMetaDataTables2 *This, ULONG *ret)
{
  MD_REQUIRE(ret);
  *ret = string_heap_size(SCOPE(This)->md);
  return S_OK;
}

static HRESULT
get_blob_heap_size(IMetaDataTables2 *This, ULONG *ret)
{
  MD_REQUIRE(ret);
  *ret = heap_size(&SCOPE(This)->md->blobs);
  return S_OK;
}

static HRESULT
get_guid_heap_size(IMetaDataTables2 *This, ULONG *ret)
{
  MD_REQUIRE(ret);
  *ret = SCOPE(This)->md->guids.size;
  return S_OK;
}

static HRESULT
get_user_string_heap_size(IMetaDataTables2 *This, ULONG *ret)
{
  MD_REQUIRE(ret);
  *ret = heap_size(&SCOPE(This)->md->user_strings);
  return S_OK;
}

static HRESULT
get_num_tables(IMetaDataTables2 *This, ULONG *ret)
{
  MD_REQUIRE(ret);
  *ret = table_count(SCOPE(This)->md);
  return S_OK;
}

static HRESULT
get_table_index(IMetaDataTables2 *This, ULONG token, ULONG *ret)
{
  (void)This;
  MD_REQUIRE(ret);
  ULONG table = token >> 24;
  *ret = table < mdtString >> 24 ? table : (ULONG)-1;
  return S_OK;
}

static HRESULT
get_table_info(IMetaDataTables2 *This, ULONG table, ULONG *row_size, ULONG *rows, ULONG *columns,
               ULONG *key, const char **name)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (table >= table_count(md))
    return E_INVALIDARG;
  const cordbg_table_schema *schema = &cordbg_table_schemas[table];
  MD_PUT(row_size, md->tables[table].row_size);
  MD_PUT(rows, md->tables[table].rows);
  MD_PUT(columns, schema->column_count);
  MD_PUT(key, schema->key == CORDBG_NO_KEY ? (ULONG)-1 : schema->key);
  MD_PUT(name, schema->name);
  return S_OK;
}

static HRESULT
get_column_info(IMetaDataTables2 *This, ULONG table, ULONG column, ULONG *offset, ULONG *size,
                ULONG *type, const char **name)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (table >= table_count(md) || column >= cordbg_table_schemas[table].column_count)
    return E_INVALIDARG;
  const cordbg_column_schema *schema = &cordbg_table_schemas[table].columns[column];
  MD_PUT(offset, md->tables[table].offsets[column]);
  MD_PUT(size, md->tables[table].sizes[column]);
  MD_PUT(type, schema->type);
  MD_PUT(name, schema->name);
  return S_OK;
}

/* The tokens of a coded kind by tag, as the interface lists them. */
static HRESULT
get_coded_token_info(IMetaDataTables2 *This, ULONG kind, ULONG *count, ULONG **tokens,
                     const char **name)
{
  static ULONG lists[CORDBG_CODED_COUNT][27];
  static gsize filled;
  bool pdb = SCOPE(This)->md->pdb.name != NULL;
  if (kind >= CORDBG_CODED_COUNT - (pdb ? 0u : 1u))
    return E_INVALIDARG;
  if (g_once_init_enter(&filled)) {
    for (unsigned k = 0; k < CORDBG_CODED_COUNT; k++)
      for (unsigned t = 0; t < cordbg_coded_schemas[k].table_count; t++) {
        uint8_t table = cordbg_coded_schemas[k].tables[t];
        lists[k][t] = table == CORDBG_TABLE_COUNT ? 0 : (ULONG)table << 24;
      }
    g_once_init_leave(&filled, 1);
  }
  /* The real list of owners of attributes has two kinds of token more that were never used. */
  MD_PUT(count, cordbg_coded_schemas[kind].table_count +
                    (kind == CORDBG_CODED_HAS_CUSTOM_ATTRIBUTE ? 2u : 0u));
  MD_PUT(tokens, lists[kind]);
  MD_PUT(name, cordbg_coded_schemas[kind].name);
  return S_OK;
}

static HRESULT
get_row(IMetaDataTables2 *This, ULONG table, ULONG rid, void **ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  MD_REQUIRE(ret);
  if (table >= table_count(md) || !cordbg_metadata_row(md, table, rid))
    return E_INVALIDARG;
  *ret = (void *)cordbg_metadata_row(md, table, rid);
  return S_OK;
}

static HRESULT
get_column(IMetaDataTables2 *This, ULONG table, ULONG column, ULONG rid, ULONG *ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  MD_REQUIRE(ret);
  if (table >= table_count(md) || column >= cordbg_table_schemas[table].column_count ||
      !cordbg_metadata_row(md, table, rid))
    return E_INVALIDARG;
  if (cordbg_table_schemas[table].columns[column].type < CORDBG_COLUMN_SHORT)
    *ret = cordbg_metadata_column_token(md, table, rid, column);
  else
    *ret = cordbg_metadata_column(md, table, rid, column);
  return S_OK;
}

static HRESULT
get_string(IMetaDataTables2 *This, ULONG index, const char **ret)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  MD_REQUIRE(ret);
  *ret = NULL;
  if (index != 0 && (index >= md->strings_valid || index >= string_heap_size(md)))
    return CLDB_E_INDEX_NOTFOUND;
  *ret = cordbg_metadata_string(md, index);
  return S_OK;
}

/* A heap's entry: outside is "not found", an entry that leaves the heap is corruption. */
static HRESULT
put_entry(bool whole, uint32_t index, uint32_t heap_size, cordbg_blob blob, ULONG *size,
          const void **data)
{
  HRESULT hr = S_OK;
  if (!whole)
    hr = index >= heap_size ? CLDB_E_INDEX_NOTFOUND : HRESULT_FROM_WIN32(ERROR_BAD_FORMAT);
  *data = SUCCEEDED(hr) ? blob.data : NULL;
  *size = SUCCEEDED(hr) ? blob.size : 0;
  return hr;
}

static HRESULT
get_blob(IMetaDataTables2 *This, ULONG index, ULONG *size, const void **data)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  cordbg_blob blob;
  if (!size || !data)
    return E_INVALIDARG;
  bool whole = cordbg_metadata_blob_at(md, index, &blob);
  return put_entry(whole, index, md->blobs.size, blob, size, data);
}

static HRESULT
get_user_string(IMetaDataTables2 *This, ULONG index, ULONG *size, const void **data)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  cordbg_blob blob;
  if (!size || !data)
    return E_INVALIDARG;
  bool whole = cordbg_metadata_user_string_at(md, index, &blob);
  return put_entry(whole, index, md->user_strings.size, blob, size, data);
}

static HRESULT
get_guid(IMetaDataTables2 *This, ULONG index, const GUID **ret)
{
  static const GUID nil;
  MD_REQUIRE(ret);
  if (index == 0) {
    *ret = &nil;
    return S_OK;
  }
  const uint8_t *guid = cordbg_metadata_guid(SCOPE(This)->md, index);
  *ret = (const GUID *)(const void *)guid;
  return guid ? S_OK : CLDB_E_INDEX_NOTFOUND;
}

static HRESULT
get_next_string(IMetaDataTables2 *This, ULONG index, ULONG *next)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  MD_REQUIRE(next);
  *next = 0;
  if (index >= md->strings_valid)
    return S_FALSE;
  uint64_t after = index + strlen(cordbg_metadata_string(md, index)) + 1;
  if (after >= string_heap_size(md))
    return S_FALSE;
  *next = (ULONG)after;
  return S_OK;
}

typedef bool (*entry_fn)(const cordbg_metadata *md, uint32_t index, cordbg_blob *ret);

/* The entry behind the one at index, when both are whole. */
static HRESULT
next_entry(const cordbg_metadata *md, const cordbg_stream *heap, entry_fn entry, uint32_t index,
           ULONG *next)
{
  cordbg_blob blob, following;
  MD_REQUIRE(next);
  *next = 0;
  if (index >= heap->size || !entry(md, index, &blob))
    return S_FALSE;
  uint32_t after = (uint32_t)(blob.data - heap->data) + blob.size;
  if (after >= heap->size || !entry(md, after, &following))
    return S_FALSE;
  *next = after;
  return S_OK;
}

static HRESULT
get_next_blob(IMetaDataTables2 *This, ULONG index, ULONG *next)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  return next_entry(md, &md->blobs, cordbg_metadata_blob_at, index, next);
}

static HRESULT
get_next_user_string(IMetaDataTables2 *This, ULONG index, ULONG *next)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  return next_entry(md, &md->user_strings, cordbg_metadata_user_string_at, index, next);
}

static HRESULT
get_next_guid(IMetaDataTables2 *This, ULONG index, ULONG *next)
{
  MD_REQUIRE(next);
  bool there = index != UINT32_MAX && cordbg_metadata_guid(SCOPE(This)->md, index + 1);
  *next = there ? index + 1 : 0;
  return there ? S_OK : S_FALSE;
}

static HRESULT
get_meta_data_storage(IMetaDataTables2 *This, const void **data, ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  MD_PUT(data, md->data);
  MD_PUT(size, md->size);
  return S_OK;
}

static HRESULT
get_meta_data_stream_info(IMetaDataTables2 *This, ULONG index, const char **name, const void **data,
                          ULONG *size)
{
  const cordbg_metadata *md = SCOPE(This)->md;
  if (index >= md->stream_count)
    return S_FALSE;
  MD_PUT(name, md->streams[index].name);
  MD_PUT(data, md->streams[index].data);
  MD_PUT(size, md->streams[index].size);
  return S_OK;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
const IMetaDataTables2Vtbl cordbg_scope_tables_vtbl = {
    IMetaDataTables2_NOTIMPL_SLOTS,
    .GetStringHeapSize = get_string_heap_size,
    .GetBlobHeapSize = get_blob_heap_size,
    .GetGuidHeapSize = get_guid_heap_size,
    .GetUserStringHeapSize = get_user_string_heap_size,
    .GetNumTables = get_num_tables,
    .GetTableIndex = get_table_index,
    .GetTableInfo = get_table_info,
    .GetColumnInfo = get_column_info,
    .GetCodedTokenInfo = get_coded_token_info,
    .GetRow = get_row,
    .GetColumn = get_column,
    .GetString = get_string,
    .GetBlob = get_blob,
    .GetGuid = get_guid,
    .GetUserString = get_user_string,
    .GetNextString = get_next_string,
    .GetNextBlob = get_next_blob,
    .GetNextGuid = get_next_guid,
    .GetNextUserString = get_next_user_string,
    .GetMetaDataStorage = get_meta_data_storage,
    .GetMetaDataStreamInfo = get_meta_data_stream_info,
};
#pragma GCC diagnostic pop

/* The whole image, where it lies in memory as a file would. */
static HRESULT
get_file_mapping(IMetaDataInfo *This, const void **data, ULONGLONG *size, DWORD *type)
{
  const cordbg_image *image = SCOPE(This)->image;
  const cordbg_source *source = cordbg_image_source(image);
  const cordbg_pe *pe = cordbg_image_pe(image);
  if (!data || !size || !type)
    return E_INVALIDARG;
  if (!source->bytes || !pe)
    return COR_E_NOTSUPPORTED;
  *data = source->bytes;
  *size = source->size;
  *type = pe->layout == CORDBG_IMAGE_LAYOUT_FILE ? fmFlat : fmExecutableImage;
  return S_OK;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
const IMetaDataInfoVtbl cordbg_scope_info_vtbl = {
    IMetaDataInfo_NOTIMPL_SLOTS,
    .GetFileMapping = get_file_mapping,
};
#pragma GCC diagnostic pop
