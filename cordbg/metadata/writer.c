/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/writer.h"

#include <glib.h>
#include <string.h>
#include "cordbg/metadata/metadata.h"

enum {
  HEAP_MAX = 256 << 20,
  HEAPS_WIDE = 7, /* each heap's indices take four bytes */
  STREAM_COUNT = 5,
};

struct cordbg_metadata_writer {
  GByteArray *strings, *blobs, *guids;
  GHashTable *known_strings;          /* char * -> index */
  GHashTable *known_blobs;            /* GBytes -> index */
  GArray *tables[CORDBG_TABLE_COUNT]; /* of uint32_t, column_count a row; NULL: empty */
};

cordbg_metadata_writer *
cordbg_metadata_writer_new(void)
{
  cordbg_metadata_writer *writer = g_new0(cordbg_metadata_writer, 1);
  writer->strings = g_byte_array_new();
  writer->blobs = g_byte_array_new();
  writer->guids = g_byte_array_new();
  writer->known_strings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  writer->known_blobs =
      g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  g_byte_array_append(writer->strings, (const guint8 *)"", 1);
  g_byte_array_append(writer->blobs, (const guint8 *)"", 1);
  return writer;
}

void
cordbg_metadata_writer_free(cordbg_metadata_writer *writer)
{
  if (!writer)
    return;
  g_byte_array_unref(writer->strings);
  g_byte_array_unref(writer->blobs);
  g_byte_array_unref(writer->guids);
  g_hash_table_unref(writer->known_strings);
  g_hash_table_unref(writer->known_blobs);
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++)
    if (writer->tables[t])
      g_array_unref(writer->tables[t]);
  g_free(writer);
}

uint32_t
cordbg_metadata_writer_string(cordbg_metadata_writer *writer, const char *text)
{
  size_t size = text ? strlen(text) + 1 : 1;
  if (size == 1 || size > HEAP_MAX - writer->strings->len)
    return 0;
  uint32_t index = GPOINTER_TO_UINT(g_hash_table_lookup(writer->known_strings, text));
  if (!index) {
    index = writer->strings->len;
    g_byte_array_append(writer->strings, (const guint8 *)text, (guint)size);
    g_hash_table_insert(writer->known_strings, g_strdup(text), GUINT_TO_POINTER(index));
  }
  return index;
}

uint32_t
cordbg_metadata_writer_blob(cordbg_metadata_writer *writer, const void *data, size_t size)
{
  if (size == 0 || size > 0x1fffffff || size + 4 > HEAP_MAX - writer->blobs->len)
    return 0;
  GBytes *key = g_bytes_new(data, size);
  uint32_t index = GPOINTER_TO_UINT(g_hash_table_lookup(writer->known_blobs, key));
  if (index) {
    g_bytes_unref(key);
    return index;
  }
  index = writer->blobs->len;
  guint8 length[4] = {(guint8)(0xc0 | size >> 24), (guint8)(size >> 16), (guint8)(size >> 8),
                      (guint8)size};
  if (size >= 0x4000) {
    g_byte_array_append(writer->blobs, length, 4);
  } else if (size >= 0x80) {
    length[2] |= 0x80;
    g_byte_array_append(writer->blobs, length + 2, 2);
  } else {
    g_byte_array_append(writer->blobs, length + 3, 1);
  }
  g_byte_array_append(writer->blobs, data, (guint)size);
  g_hash_table_insert(writer->known_blobs, key, GUINT_TO_POINTER(index));
  return index;
}

uint32_t
cordbg_metadata_writer_guid(cordbg_metadata_writer *writer, const uint8_t guid[16])
{
  static const uint8_t none[16];
  if (memcmp(guid, none, 16) == 0 || writer->guids->len > HEAP_MAX)
    return 0;
  for (guint at = 0; at < writer->guids->len; at += 16)
    if (memcmp(writer->guids->data + at, guid, 16) == 0)
      return at / 16 + 1;
  g_byte_array_append(writer->guids, guid, 16);
  return writer->guids->len / 16;
}

uint32_t
cordbg_metadata_writer_rows(const cordbg_metadata_writer *writer, cordbg_table table)
{
  const GArray *rows = writer->tables[table];
  return rows ? rows->len / cordbg_table_schemas[table].column_count : 0;
}

bool
cordbg_metadata_writer_set(cordbg_metadata_writer *writer, cordbg_table table, uint32_t rid,
                           const uint32_t *columns)
{
  unsigned width = cordbg_table_schemas[table].column_count;
  if (rid == 0 || rid > CORDBG_RID_MAX || !width)
    return false;
  if (!writer->tables[table])
    writer->tables[table] = g_array_new(FALSE, TRUE, sizeof(uint32_t));
  GArray *rows = writer->tables[table];
  if (rows->len < rid * width)
    g_array_set_size(rows, rid * width);
  memcpy(&g_array_index(rows, uint32_t, (rid - 1) * width), columns, width * sizeof *columns);
  return true;
}

uint32_t
cordbg_metadata_writer_add(cordbg_metadata_writer *writer, cordbg_table table,
                           const uint32_t *columns)
{
  uint32_t rid = cordbg_metadata_writer_rows(writer, table) + 1;
  return cordbg_metadata_writer_set(writer, table, rid, columns) ? rid : 0;
}

/* ---- The bytes ---- */

static void
put(GByteArray *to, uint64_t value, unsigned size)
{
  guint8 bytes[8];
  for (unsigned i = 0; i < size; i++)
    bytes[i] = (guint8)(value >> (8 * i));
  g_byte_array_append(to, bytes, size);
}

static void
align(GByteArray *to)
{
  static const guint8 zeros[4];
  g_byte_array_append(to, zeros, -to->len & 3);
}

static GByteArray *
table_stream(const cordbg_metadata_writer *writer, uint64_t sorted)
{
  GByteArray *stream = g_byte_array_new();
  cordbg_metadata shape = {.heap_sizes = HEAPS_WIDE};
  uint64_t valid = 0;
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++) {
    shape.tables[t].rows = cordbg_metadata_writer_rows(writer, t);
    valid |= (uint64_t)(shape.tables[t].rows != 0) << t;
  }
  cordbg_metadata_lay_out(&shape);
  put(stream, 0, 4);
  put(stream, 2, 1); /* the schema's version */
  put(stream, 0, 1);
  put(stream, HEAPS_WIDE, 1);
  put(stream, 1, 1);
  put(stream, valid, 8);
  put(stream, sorted, 8);
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++)
    if (shape.tables[t].rows)
      put(stream, shape.tables[t].rows, 4);
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++) {
    unsigned width = cordbg_table_schemas[t].column_count;
    for (uint32_t i = 0; i < shape.tables[t].rows * width; i++) {
      unsigned size = shape.tables[t].sizes[i % width];
      put(stream, g_array_index(writer->tables[t], uint32_t, i), size == 1 ? 2 : size);
    }
  }
  align(stream);
  return stream;
}

uint8_t *
cordbg_metadata_writer_finish(const cordbg_metadata_writer *writer, uint64_t sorted,
                              size_t *ret_size)
{
  static const char version[12] = "v4.0.30319";
  static const char *const names[STREAM_COUNT] = {"#-", "#Strings", "#US", "#GUID", "#Blob"};
  GByteArray *tables = table_stream(writer, sorted);
  GByteArray *none = g_byte_array_new();
  g_byte_array_append(none, (const guint8 *)"", 1);
  const GByteArray *const streams[STREAM_COUNT] = {tables, writer->strings, none, writer->guids,
                                                   writer->blobs};
  GByteArray *root = g_byte_array_new();
  g_byte_array_append(root, (const guint8 *)"BSJB", 4);
  put(root, 1, 2);
  put(root, 1, 2);
  put(root, 0, 4);
  put(root, sizeof version, 4);
  g_byte_array_append(root, (const guint8 *)version, sizeof version);
  put(root, 0, 2);
  put(root, STREAM_COUNT, 2);
  size_t at = root->len;
  for (unsigned i = 0; i < STREAM_COUNT; i++)
    at += 8 + ((strlen(names[i]) + 4) & ~(size_t)3);
  for (unsigned i = 0; i < STREAM_COUNT; i++) {
    put(root, at, 4);
    put(root, (streams[i]->len + 3u) & ~3u, 4);
    g_byte_array_append(root, (const guint8 *)names[i], (guint)strlen(names[i]) + 1);
    align(root);
    at += (streams[i]->len + 3u) & ~3u;
  }
  for (unsigned i = 0; i < STREAM_COUNT; i++) {
    g_byte_array_append(root, streams[i]->data, streams[i]->len);
    align(root);
  }
  g_byte_array_unref(tables);
  g_byte_array_unref(none);
  *ret_size = root->len;
  return g_byte_array_free(root, FALSE);
}
