/* SPDX-License-Identifier: MIT */
/* What the writer writes, the reader reads: rows of every table, heaps, and members out of order.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <glib.h>
#include "cordbg/metadata/metadata.h"
#include "cordbg/metadata/writer.h"

static GRand *randomness;

/* A value that the column can hold whatever the widths turn out to be. */
static uint32_t
value_for(unsigned type)
{
  switch (type) {
  case CORDBG_COLUMN_BYTE:
    return (uint32_t)g_rand_int_range(randomness, 0, 0x100);
  case CORDBG_COLUMN_LONG:
  case CORDBG_COLUMN_ULONG:
  case CORDBG_COLUMN_STRING:
  case CORDBG_COLUMN_BLOB:
  case CORDBG_COLUMN_GUID:
    return g_rand_int(randomness);
  default:
    return (uint32_t)g_rand_int_range(randomness, 0, 0x10000);
  }
}

static void
rows_of_every_table_come_back(void **state)
{
  (void)state;
  cordbg_metadata_writer *writer = cordbg_metadata_writer_new();
  GArray *written[CORDBG_TABLE_COUNT];
  cordbg_metadata md;
  cordbg_error error = {0};
  size_t size;
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++) {
    written[t] = g_array_new(FALSE, TRUE, sizeof(uint32_t));
    unsigned width = cordbg_table_schemas[t].column_count;
    uint32_t rows = width ? (uint32_t)g_rand_int_range(randomness, 0, t == 6 ? 70000 : 60) : 0;
    for (uint32_t r = 0; r < rows * width; r++) {
      uint32_t value = value_for(cordbg_table_schemas[t].columns[r % width].type);
      g_array_append_val(written[t], value);
    }
    for (uint32_t r = 0; r < rows; r++)
      assert_int_equal(
          cordbg_metadata_writer_add(writer, t, &g_array_index(written[t], uint32_t, r * width)),
          r + 1);
  }
  uint8_t *bytes = cordbg_metadata_writer_finish(writer, 0, &size);
  cordbg_metadata_writer_free(writer);
  assert_int_equal(cordbg_metadata_init(&md, bytes, size, &error), S_OK);
  assert_true(md.uncompressed);
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++) {
    unsigned width = cordbg_table_schemas[t].column_count;
    assert_int_equal(cordbg_metadata_rows(&md, t), width ? written[t]->len / width : 0);
    for (uint32_t i = 0; i < written[t]->len; i++)
      if (cordbg_metadata_column(&md, t, i / width + 1, i % width) !=
          g_array_index(written[t], uint32_t, i))
        fail_msg("table %u, row %u, column %u", t, i / width + 1, i % width);
    g_array_unref(written[t]);
  }
  cordbg_metadata_deinit(&md);
  g_free(bytes);
}

static void
heaps_hold_what_was_put_in_once(void **state)
{
  (void)state;
  static const size_t sizes[] = {0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 100000};
  static const uint8_t guid[16] = {1, 2, 3};
  static const uint8_t no_guid[16];
  uint32_t indices[G_N_ELEMENTS(sizes)];
  cordbg_metadata_writer *writer = cordbg_metadata_writer_new();
  uint8_t data[100000];
  cordbg_metadata md;
  cordbg_error error = {0};
  size_t size;
  for (size_t i = 0; i < sizeof data; i++)
    data[i] = (uint8_t)g_rand_int(randomness);
  for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
    indices[i] = cordbg_metadata_writer_blob(writer, data, sizes[i]);
    assert_int_equal(cordbg_metadata_writer_blob(writer, data, sizes[i]), indices[i]);
  }
  uint32_t text = cordbg_metadata_writer_string(writer, "Gr\xc3\xb6\xc3\x9f"
                                                        "e");
  assert_int_equal(cordbg_metadata_writer_string(writer, "Gr\xc3\xb6\xc3\x9f"
                                                         "e"),
                   text);
  assert_int_equal(cordbg_metadata_writer_string(writer, ""), 0);
  assert_int_equal(cordbg_metadata_writer_string(writer, NULL), 0);
  assert_int_equal(cordbg_metadata_writer_guid(writer, guid), 1);
  assert_int_equal(cordbg_metadata_writer_guid(writer, guid), 1);
  assert_int_equal(cordbg_metadata_writer_guid(writer, no_guid), 0);
  uint8_t *bytes = cordbg_metadata_writer_finish(writer, 0, &size);
  cordbg_metadata_writer_free(writer);
  assert_int_equal(cordbg_metadata_init(&md, bytes, size, &error), S_OK);
  for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
    cordbg_blob blob;
    assert_true(cordbg_metadata_blob_at(&md, indices[i], &blob));
    assert_int_equal(blob.size, sizes[i]);
    assert_memory_equal(blob.data, data, sizes[i]);
  }
  assert_string_equal(cordbg_metadata_string(&md, text), "Gr\xc3\xb6\xc3\x9f"
                                                         "e");
  assert_memory_equal(cordbg_metadata_guid(&md, 1), guid, 16);
  cordbg_metadata_deinit(&md);
  g_free(bytes);
}

/* Tokens are given as they were made, types own theirs in any order, and gaps are empty rows. */
static void
members_belong_to_types_whatever_their_order(void **state)
{
  (void)state;
  enum { TYPES = 40, METHODS = 300 };
  uint32_t owner[METHODS + 1];
  cordbg_metadata_writer *writer = cordbg_metadata_writer_new();
  cordbg_metadata md;
  cordbg_error error = {0};
  size_t size;
  for (uint32_t m = 1; m <= METHODS; m++)
    owner[m] = (uint32_t)g_rand_int_range(randomness, 0, TYPES + 1); /* 0: nobody's */
  for (uint32_t t = 1; t <= TYPES; t++) {
    uint32_t row[CORDBG_COLUMNS_MAX] = {0};
    row[CORDBG_TYPE_DEF_METHODS] = cordbg_metadata_writer_rows(writer, CORDBG_TABLE_METHOD_PTR) + 1;
    row[CORDBG_TYPE_DEF_FIELDS] = 1;
    for (uint32_t m = METHODS; m > 0; m--)
      if (owner[m] == t) {
        uint32_t method[CORDBG_COLUMNS_MAX] = {0};
        method[CORDBG_METHOD_DEF_FLAGS] = m;
        method[CORDBG_METHOD_DEF_PARAMS] = 1;
        assert_true(cordbg_metadata_writer_set(writer, CORDBG_TABLE_METHOD_DEF, m, method));
        cordbg_metadata_writer_add(writer, CORDBG_TABLE_METHOD_PTR, &m);
      }
    cordbg_metadata_writer_set(writer, CORDBG_TABLE_TYPE_DEF, t, row);
  }
  uint32_t none[CORDBG_COLUMNS_MAX] = {0};
  assert_false(cordbg_metadata_writer_set(writer, CORDBG_TABLE_METHOD_DEF, 0, none));
  assert_false(
      cordbg_metadata_writer_set(writer, CORDBG_TABLE_METHOD_DEF, CORDBG_RID_MAX + 1, none));
  uint8_t *bytes = cordbg_metadata_writer_finish(writer, 0, &size);
  cordbg_metadata_writer_free(writer);
  assert_int_equal(cordbg_metadata_init(&md, bytes, size, &error), S_OK);
  unsigned owned = 0;
  for (uint32_t t = 1; t <= TYPES; t++) {
    cordbg_run run = cordbg_metadata_type_methods(&md, t);
    for (uint32_t p = run.first; p < run.end; p++, owned++) {
      uint32_t rid = cordbg_metadata_run_rid(&md, &run, p);
      assert_int_equal(owner[rid], t);
      assert_int_equal(cordbg_metadata_method_type(&md, rid), t);
      assert_int_equal(
          cordbg_metadata_column(&md, CORDBG_TABLE_METHOD_DEF, rid, CORDBG_METHOD_DEF_FLAGS), rid);
    }
  }
  for (uint32_t m = 1; m <= METHODS; m++)
    owned += owner[m] == 0;
  assert_int_equal(owned, METHODS);
  cordbg_metadata_deinit(&md);
  g_free(bytes);
}

int
main(void)
{
  const char *given = g_getenv("CORDBG_SEED");
  guint32 seed = given ? (guint32)g_ascii_strtoull(given, NULL, 0) : g_random_int();
  printf("seed %u\n", seed);
  randomness = g_rand_new_with_seed(seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_of_every_table_come_back),
      cmocka_unit_test(heaps_hold_what_was_put_in_once),
      cmocka_unit_test(members_belong_to_types_whatever_their_order),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  g_rand_free(randomness);
  return failed;
}
