/* SPDX-License-Identifier: MIT */
/*
 * Opening a metadata root and reading its heaps.
 *
 * A root goes through two states: being opened (cordbg_metadata_init, which checks every extent
 * against the one that contains it) and open (nothing changes but the lazy indexes). Invariants
 * once open:
 *   - each stream lies in [data, data + size), each table's rows in the tables stream;
 *   - rows <= 0xffffff, so a rid always fits a token;
 *   - strings_valid is 0 or one past a NUL byte of the #Strings heap;
 *   - offsets and sizes of a view cover exactly row_size bytes.
 * Index widths follow ECMA-335 II.24.2.6; in a Portable PDB the row counts of the image it belongs
 * to stand in its #Pdb stream and take part in the widths.
 */
#include "config.h"
#include "cordbg/metadata/metadata.h"

#include <string.h>
#include "cordbg/metadata/indexes.h"

enum { HEAP_STRINGS_WIDE = 1, HEAP_GUID_WIDE = 2, HEAP_BLOB_WIDE = 4, HEAP_EXTRA_DATA = 0x40 };

static HRESULT
corrupt(cordbg_error *error, const char *what)
{
  return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "the metadata is not valid: %s", what);
}

/* The version's length field counts its NUL and padding; some writers leave the NUL out. */
static const char *
terminated(const uint8_t *data, uint32_t size)
{
  return memchr(data, 0, size) ? (const char *)data : "";
}

static HRESULT
read_stream_headers(cordbg_metadata *metadata, uint32_t at, unsigned count, cordbg_error *error)
{
  for (unsigned i = 0; i < count; i++) {
    if (metadata->size - at < 9)
      return corrupt(error, "a stream header is cut short");
    const uint8_t *p = metadata->data + at;
    uint32_t offset = cordbg_load_u32(p), size = cordbg_load_u32(p + 4);
    uint32_t room = metadata->size - at - 8;
    const uint8_t *end = memchr(p + 8, 0, room < 32 ? room : 32);
    if (!end)
      return corrupt(error, "a stream's name is too long");
    if (offset > metadata->size || size > metadata->size - offset)
      return corrupt(error, "a stream lies outside");

    metadata->streams[metadata->stream_count++] =
        (cordbg_stream){.name = (const char *)p + 8, .data = metadata->data + offset, .size = size};
    uint32_t used = 8 + (((uint32_t)(end - (p + 8)) + 4) & ~3u);
    at += used > metadata->size - at ? metadata->size - at : used;
  }
  return S_OK;
}

/* The first stream of a name counts, as in the runtimes. */
static void
assign_streams(cordbg_metadata *metadata)
{
  static const struct {
    const char *name;
    size_t offset;
  } known[] = {
      {"#~", offsetof(cordbg_metadata, tables_stream)},
      {"#-", offsetof(cordbg_metadata, tables_stream)},
      {"#Strings", offsetof(cordbg_metadata, strings)},
      {"#US", offsetof(cordbg_metadata, user_strings)},
      {"#GUID", offsetof(cordbg_metadata, guids)},
      {"#Blob", offsetof(cordbg_metadata, blobs)},
      {"#Pdb", offsetof(cordbg_metadata, pdb)},
  };

  for (unsigned i = 0; i < metadata->stream_count; i++) {
    const cordbg_stream *stream = &metadata->streams[i];
    if (strcmp(stream->name, "#JTD") == 0)
      metadata->minimal_delta = true;
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
      if (strcmp(stream->name, known[k].name) != 0)
        continue;
      cordbg_stream *slot = (cordbg_stream *)((char *)metadata + known[k].offset);
      if (slot->name)
        continue;
      *slot = *stream;
      if (k == 1)
        metadata->uncompressed = true;
    }
  }

  const cordbg_stream *strings = &metadata->strings;
  const uint8_t *last = strings->size ? memrchr(strings->data, 0, strings->size) : NULL;
  metadata->strings_valid = last ? (uint32_t)(last - strings->data) + 1 : 0;
}

static HRESULT
read_pdb_stream(cordbg_metadata *metadata, cordbg_error *error)
{
  const cordbg_stream *pdb = &metadata->pdb;
  if (!pdb->name)
    return S_OK;
  if (pdb->size < 32)
    return corrupt(error, "the #Pdb stream is cut short");
  uint64_t referenced = cordbg_load_u64(pdb->data + 24);
  uint32_t at = 32;
  for (unsigned t = 0; t < 64; t++) {
    if (!(referenced >> t & 1))
      continue;
    if (t >= CORDBG_TABLE_DOCUMENT || pdb->size - at < 4)
      return corrupt(error, "the #Pdb stream's row counts are wrong");
    uint32_t rows = cordbg_load_u32(pdb->data + at);
    if (rows > CORDBG_RID_MAX)
      return corrupt(error, "the #Pdb stream's row counts are too large");
    metadata->external_rows[t] = rows;
    at += 4;
  }
  return S_OK;
}

static uint32_t
rows_for_width(const cordbg_metadata *metadata, unsigned table)
{
  uint32_t own = metadata->tables[table].rows, external = metadata->external_rows[table];
  return own > external ? own : external;
}

static uint8_t
column_width(const cordbg_metadata *metadata, uint8_t type)
{
  switch (type) {
  case CORDBG_COLUMN_SHORT:
  case CORDBG_COLUMN_USHORT:
    return 2;
  case CORDBG_COLUMN_LONG:
  case CORDBG_COLUMN_ULONG:
    return 4;
  case CORDBG_COLUMN_BYTE:
    return 1;
  }
  if (metadata->minimal_delta)
    return 4;
  if (type == CORDBG_COLUMN_STRING)
    return metadata->heap_sizes & HEAP_STRINGS_WIDE ? 4 : 2;
  if (type == CORDBG_COLUMN_GUID)
    return metadata->heap_sizes & HEAP_GUID_WIDE ? 4 : 2;
  if (type == CORDBG_COLUMN_BLOB)
    return metadata->heap_sizes & HEAP_BLOB_WIDE ? 4 : 2;
  if (type < CORDBG_COLUMN_CODED)
    return rows_for_width(metadata, type) > 0xffff ? 4 : 2;

  const cordbg_coded_schema *coded = &cordbg_coded_schemas[type - CORDBG_COLUMN_CODED];
  uint32_t limit = 0xffffu >> coded->tag_bits;
  for (unsigned i = 0; i < coded->table_count; i++)
    if (coded->tables[i] < CORDBG_TABLE_COUNT && rows_for_width(metadata, coded->tables[i]) > limit)
      return 4;
  return 2;
}

static void
lay_out_table(cordbg_metadata *metadata, unsigned table)
{
  const cordbg_table_schema *schema = &cordbg_table_schemas[table];
  cordbg_table_view *view = &metadata->tables[table];
  uint8_t offset = 0;

  for (unsigned c = 0; c < schema->column_count; c++) {
    uint8_t width = column_width(metadata, schema->columns[c].type);
    view->offsets[c] = offset;
    view->sizes[c] = width;
    offset = (uint8_t)(offset + (width == 1 ? 2 : width));
  }
  view->row_size = offset;
}

void
cordbg_metadata_lay_out(cordbg_metadata *metadata)
{
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++)
    lay_out_table(metadata, t);
}

static HRESULT
read_tables(cordbg_metadata *metadata, cordbg_error *error)
{
  const cordbg_stream *stream = &metadata->tables_stream;
  if (!stream->name)
    return corrupt(error, "it has no table stream");
  if (stream->size < 24)
    return corrupt(error, "the table stream is cut short");
  metadata->schema_major = stream->data[4];
  metadata->schema_minor = stream->data[5];
  metadata->heap_sizes = stream->data[6];
  metadata->valid_tables = cordbg_load_u64(stream->data + 8);
  metadata->sorted_tables = cordbg_load_u64(stream->data + 16);

  uint32_t at = 24;
  for (unsigned t = 0; t < 64; t++) {
    if (!(metadata->valid_tables >> t & 1))
      continue;
    if (t >= CORDBG_TABLE_COUNT || !cordbg_table_schemas[t].name)
      return corrupt(error, "it has a table of an unknown kind");
    if (stream->size - at < 4)
      return corrupt(error, "the table stream's row counts are cut short");
    uint32_t rows = cordbg_load_u32(stream->data + at);
    if (rows > CORDBG_RID_MAX)
      return corrupt(error, "a table has too many rows");
    metadata->tables[t].rows = rows;
    at += 4;
  }
  if (metadata->heap_sizes & HEAP_EXTRA_DATA) {
    if (stream->size - at < 4)
      return corrupt(error, "the table stream is cut short");
    at += 4;
  }

  cordbg_metadata_lay_out(metadata);
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++) {
    cordbg_table_view *view = &metadata->tables[t];
    uint64_t bytes = (uint64_t)view->rows * view->row_size;
    if (bytes > stream->size - at)
      return corrupt(error, "a table leaves the table stream");
    view->rows_data = stream->data + at;
    at += (uint32_t)bytes;
  }
  return S_OK;
}

static HRESULT
read_root(cordbg_metadata *metadata, cordbg_error *error)
{
  if (metadata->size < 20 || memcmp(metadata->data, "BSJB", 4) != 0)
    return corrupt(error, "it does not begin with BSJB");
  uint32_t length = cordbg_load_u32(metadata->data + 12);
  if (length > metadata->size - 20)
    return corrupt(error, "the version is too long");
  metadata->version = terminated(metadata->data + 16, length);
  uint32_t at = 16 + ((length + 3) & ~3u);
  if (at > metadata->size || metadata->size - at < 4)
    return corrupt(error, "the root is cut short");
  unsigned streams = cordbg_load_u16(metadata->data + at + 2);
  if (streams > CORDBG_STREAMS_MAX)
    return corrupt(error, "it has too many streams");

  HRESULT hr = read_stream_headers(metadata, at + 4, streams, error);
  if (FAILED(hr))
    return hr;
  assign_streams(metadata);
  hr = read_pdb_stream(metadata, error);
  return FAILED(hr) ? hr : read_tables(metadata, error);
}

HRESULT
cordbg_metadata_init(cordbg_metadata *metadata, const uint8_t *data, size_t size,
                     cordbg_error *error)
{
  cordbg_metadata fresh = {.data = data, .size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size};
  HRESULT hr = read_root(&fresh, error);
  if (FAILED(hr))
    return hr;
  fresh.indexes = cordbg_metadata_indexes_new();
  *metadata = fresh;
  return S_OK;
}

void
cordbg_metadata_deinit(cordbg_metadata *metadata)
{
  cordbg_metadata_indexes_free(metadata->indexes);
  *metadata = (cordbg_metadata){0};
}

static bool
heap_blob(const cordbg_stream *heap, uint32_t index, cordbg_blob *ret)
{
  *ret = (cordbg_blob){(const uint8_t *)"", 0};
  if (index >= heap->size)
    return index == 0;

  const uint8_t *p = heap->data + index;
  uint32_t room = heap->size - index, header, size;
  if ((p[0] & 0x80) == 0) {
    header = 1;
    size = p[0];
  } else if ((p[0] & 0xc0) == 0x80 && room >= 2) {
    header = 2;
    size = (uint32_t)(p[0] & 0x3f) << 8 | p[1];
  } else if ((p[0] & 0xe0) == 0xc0 && room >= 4) {
    header = 4;
    size = (uint32_t)(p[0] & 0x1f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  } else {
    return false;
  }
  if (size > room - header)
    return false;
  *ret = (cordbg_blob){p + header, size};
  return true;
}

bool
cordbg_metadata_blob_at(const cordbg_metadata *metadata, uint32_t index, cordbg_blob *ret)
{
  return heap_blob(&metadata->blobs, index, ret);
}

cordbg_blob
cordbg_metadata_blob(const cordbg_metadata *metadata, uint32_t index)
{
  cordbg_blob blob;
  heap_blob(&metadata->blobs, index, &blob);
  return blob;
}

cordbg_blob
cordbg_metadata_column_blob(const cordbg_metadata *metadata, cordbg_table table, uint32_t rid,
                            unsigned column)
{
  return cordbg_metadata_blob(metadata, cordbg_metadata_column(metadata, table, rid, column));
}

bool
cordbg_metadata_user_string_at(const cordbg_metadata *metadata, uint32_t index, cordbg_blob *ret)
{
  return heap_blob(&metadata->user_strings, index, ret);
}

const uint8_t *
cordbg_metadata_guid(const cordbg_metadata *metadata, uint32_t index)
{
  if (index == 0 || index > metadata->guids.size / 16)
    return NULL;
  return metadata->guids.data + (size_t)(index - 1) * 16;
}

uint32_t
cordbg_coded_decode(cordbg_coded_kind kind, uint32_t value)
{
  const cordbg_coded_schema *coded = &cordbg_coded_schemas[kind];
  uint32_t tag = value & ((1u << coded->tag_bits) - 1);
  uint32_t rid = value >> coded->tag_bits;
  if (tag >= coded->table_count || coded->tables[tag] == CORDBG_TABLE_COUNT || rid > CORDBG_RID_MAX)
    return 0;
  return (uint32_t)coded->tables[tag] << 24 | rid;
}

uint32_t
cordbg_coded_encode(cordbg_coded_kind kind, uint32_t token)
{
  const cordbg_coded_schema *coded = &cordbg_coded_schemas[kind];
  for (uint32_t tag = 0; tag < coded->table_count; tag++)
    if (coded->tables[tag] == token >> 24)
      return (token & CORDBG_RID_MAX) << coded->tag_bits | tag;
  return UINT32_MAX;
}

uint32_t
cordbg_metadata_column_token(const cordbg_metadata *metadata, cordbg_table table, uint32_t rid,
                             unsigned column)
{
  uint8_t type = cordbg_table_schemas[table].columns[column].type;
  uint32_t value = cordbg_metadata_column(metadata, table, rid, column);
  if (type < CORDBG_COLUMN_CODED)
    return (uint32_t)type << 24 | (value & CORDBG_RID_MAX);
  return cordbg_coded_decode((cordbg_coded_kind)(type - CORDBG_COLUMN_CODED), value);
}

bool
cordbg_metadata_token_valid(const cordbg_metadata *metadata, uint32_t token)
{
  uint32_t kind = token >> 24, rid = token & CORDBG_RID_MAX;
  if (kind == 0x70) {
    cordbg_blob ignored;
    return rid < metadata->user_strings.size &&
           cordbg_metadata_user_string_at(metadata, rid, &ignored);
  }
  return kind < CORDBG_TABLE_COUNT && rid - 1 < metadata->tables[kind].rows;
}
