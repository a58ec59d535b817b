/* SPDX-License-Identifier: MIT */
/*
 * Images and metadata: layouts, the uncompressed format, tables that lie, and a naive model beside
 * each lookup. The fixtures are in tests/fuzz/seeds; metadata in odd shapes is built here.
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
#include "cordbg/com/object.h"
#include "cordbg/metadata/attribute.h"
#include "cordbg/metadata/method-body.h"
#include "cordbg/metadata/scope.h"
#include "tests/oracle/describe.h"

static GRand *randomness;

/* Metadata built from rows: every index is four bytes wide or two, as asked. */
typedef struct builder {
  GArray *rows[CORDBG_TABLE_COUNT]; /* uint32_t, column after column */
  GByteArray *strings, *blobs;
  bool wide, uncompressed;
} builder;

static void
builder_init(builder *b)
{
  *b = (builder){0};
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++)
    b->rows[t] = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  b->strings = g_byte_array_append(g_byte_array_new(), (const guint8 *)"", 1);
  b->blobs = g_byte_array_append(g_byte_array_new(), (const guint8 *)"", 1);
}

static void
builder_clear(builder *b)
{
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++)
    g_array_unref(b->rows[t]);
  g_byte_array_unref(b->strings);
  g_byte_array_unref(b->blobs);
}

static uint32_t
add_string(builder *b, const char *text)
{
  uint32_t at = b->strings->len;
  g_byte_array_append(b->strings, (const guint8 *)text, (guint)strlen(text) + 1);
  return at;
}

/* One row; as many values as the table has columns. */
static void
add_row(builder *b, cordbg_table table, ...)
{
  va_list values;
  va_start(values, table);
  for (unsigned c = 0; c < cordbg_table_schemas[table].column_count; c++) {
    uint32_t value = va_arg(values, uint32_t);
    g_array_append_val(b->rows[table], value);
  }
  va_end(values);
}

static void
put(GByteArray *out, uint64_t value, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i++) {
    guint8 byte = (guint8)(value >> (8 * i));
    g_byte_array_append(out, &byte, 1);
  }
}

static unsigned
width(const builder *b, uint8_t type)
{
  if (type == CORDBG_COLUMN_SHORT || type == CORDBG_COLUMN_USHORT || type == CORDBG_COLUMN_BYTE)
    return 2;
  if (type == CORDBG_COLUMN_LONG || type == CORDBG_COLUMN_ULONG)
    return 4;
  bool heap =
      type == CORDBG_COLUMN_STRING || type == CORDBG_COLUMN_GUID || type == CORDBG_COLUMN_BLOB;
  return heap && b->wide ? 4 : 2;
}

static GByteArray *
build_tables(const builder *b)
{
  GByteArray *out = g_byte_array_new();
  uint64_t valid = 0;
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++)
    if (b->rows[t]->len)
      valid |= UINT64_C(1) << t;
  put(out, 0, 4);
  put(out, 2, 1);
  put(out, 0, 1);
  put(out, b->wide ? 7 : 0, 1);
  put(out, 1, 1);
  put(out, valid, 8);
  put(out, UINT64_MAX, 8); /* "sorted", whatever it is */
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++)
    if (b->rows[t]->len)
      put(out, b->rows[t]->len / cordbg_table_schemas[t].column_count, 4);
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++)
    for (guint i = 0; i < b->rows[t]->len; i++) {
      unsigned column = i % cordbg_table_schemas[t].column_count;
      put(out, g_array_index(b->rows[t], uint32_t, i),
          width(b, cordbg_table_schemas[t].columns[column].type));
    }
  return out;
}

static GByteArray *
build(const builder *b)
{
  GByteArray *tables = build_tables(b), *out = g_byte_array_new();
  const char *names[] = {b->uncompressed ? "#-" : "#~", "#Strings", "#Blob"};
  const GByteArray *streams[] = {tables, b->strings, b->blobs};
  unsigned offset = 20 + 12;
  for (unsigned i = 0; i < 3; i++)
    offset += 8 + (((unsigned)strlen(names[i]) + 4) & ~3u);
  g_byte_array_append(out, (const guint8 *)"BSJB\1\0\1\0\0\0\0\0\14\0\0\0v4.0.30319\0\0", 28);
  put(out, 0, 2);
  put(out, 3, 2);
  for (unsigned i = 0; i < 3; i++) {
    put(out, offset, 4);
    put(out, streams[i]->len, 4);
    unsigned length = ((unsigned)strlen(names[i]) + 4) & ~3u;
    char name[12] = {0};
    strcpy(name, names[i]);
    g_byte_array_append(out, (const guint8 *)name, length);
    offset += streams[i]->len;
  }
  for (unsigned i = 0; i < 3; i++)
    g_byte_array_append(out, streams[i]->data, streams[i]->len);
  g_byte_array_unref(tables);
  return out;
}

static char *
seed(const char *name)
{
  return g_build_filename(METADATA_SEEDS, name, NULL);
}

static void
load(const char *name, char **bytes, gsize *size)
{
  g_autofree char *path = seed(name);
  assert_true(g_file_get_contents(path, bytes, size, NULL));
}

static void
uncompressed_metadata_goes_through_its_pointer_tables(void **state)
{
  (void)state;
  for (unsigned wide = 0; wide < 2; wide++) {
    builder b;
    builder_init(&b);
    b.uncompressed = true;
    b.wide = wide;
    uint32_t names[5];
    for (unsigned i = 0; i < 5; i++) {
      char name[8];
      snprintf(name, sizeof name, "f%u", i);
      names[i] = add_string(&b, name);
    }
    add_row(&b, CORDBG_TABLE_TYPE_DEF, 0, add_string(&b, "<Module>"), 0, 0, 1, 1);
    add_row(&b, CORDBG_TABLE_TYPE_DEF, 1, add_string(&b, "A"), add_string(&b, "N"), 0, 1, 1);
    add_row(&b, CORDBG_TABLE_TYPE_DEF, 1, add_string(&b, "B"), add_string(&b, "N"), 0, 3, 1);
    /* A has fields 5 and 2, B has 1, 3 and 4. */
    static const uint32_t order[] = {5, 2, 1, 3, 4};
    for (unsigned i = 0; i < 5; i++)
      add_row(&b, CORDBG_TABLE_FIELD_PTR, order[i]);
    for (unsigned i = 0; i < 5; i++)
      add_row(&b, CORDBG_TABLE_FIELD, 0, names[i], 0);

    GByteArray *bytes = build(&b);
    cordbg_metadata md;
    assert_int_equal(cordbg_metadata_init(&md, bytes->data, bytes->len, NULL), S_OK);
    assert_true(md.uncompressed);
    static const uint32_t owners[] = {0, 3, 2, 3, 3, 2};
    for (uint32_t rid = 1; rid <= 5; rid++)
      assert_int_equal(cordbg_metadata_field_type(&md, rid), owners[rid]);
    cordbg_run run = cordbg_metadata_type_fields(&md, 2);
    assert_int_equal(run.end - run.first, 2);
    assert_int_equal(cordbg_metadata_run_rid(&md, &run, run.first), 5);
    assert_int_equal(cordbg_metadata_run_rid(&md, &run, run.first + 1), 2);
    run = cordbg_metadata_type_fields(&md, 3);
    assert_int_equal(run.end - run.first, 3);
    assert_int_equal(cordbg_metadata_find_type(&md, "N", 1, "B", 1, 0), 3);
    assert_int_equal(cordbg_metadata_find_type(&md, "N", 1, "C", 1, 0), 0);
    assert_int_equal(cordbg_metadata_find_type(&md, "", 0, "B", 1, 0), 0);
    cordbg_metadata_deinit(&md);
    g_byte_array_unref(bytes);
    builder_clear(&b);
  }
}

/* Rows in any order under a header that says "sorted": all are found, in the order of the rows. */
static void
a_table_that_lies_about_its_order_is_searched_right(void **state)
{
  (void)state;
  for (unsigned round = 0; round < 60; round++) {
    builder b;
    builder_init(&b);
    b.wide = round & 1;
    unsigned rows = (unsigned)g_rand_int_range(randomness, 1, 80);
    bool sorted = round % 3 == 0;
    uint32_t keys[80], key = 0;
    for (unsigned i = 0; i < rows; i++) {
      key = sorted ? key + (uint32_t)g_rand_int_range(randomness, 0, 3)
                   : (uint32_t)g_rand_int_range(randomness, 0, 20);
      keys[i] = key;
      add_row(&b, CORDBG_TABLE_NESTED_CLASS, key, i + 1);
    }
    GByteArray *bytes = build(&b);
    cordbg_metadata md;
    assert_int_equal(cordbg_metadata_init(&md, bytes->data, bytes->len, NULL), S_OK);
    for (uint32_t wanted = 0; wanted < 70; wanted++) {
      cordbg_match match = cordbg_metadata_find(&md, CORDBG_TABLE_NESTED_CLASS, wanted);
      uint32_t position = match.first;
      for (unsigned i = 0; i < rows; i++)
        if (keys[i] == wanted) {
          assert_true(position < match.end);
          assert_int_equal(cordbg_metadata_match_rid(&md, &match, position++), i + 1);
        }
      assert_int_equal(position, match.end);
    }
    cordbg_metadata_deinit(&md);
    g_byte_array_unref(bytes);
    builder_clear(&b);
  }
}

static HRESULT
read_from(void *context, uint64_t offset, void *buffer, size_t size, cordbg_error *error)
{
  (void)error;
  memcpy(buffer, (const uint8_t *)context + offset, size);
  return S_OK;
}

/* The image as a loader lays it out. */
static uint8_t *
load_sections(const cordbg_image *file, const char *bytes, gsize size, size_t *ret_size)
{
  const cordbg_pe *pe = cordbg_image_pe(file);
  uint8_t *memory = g_malloc0(pe->size_of_image);
  memcpy(memory, bytes, MIN(pe->size_of_headers, size));
  for (unsigned i = 0; i < pe->section_count; i++)
    memcpy(memory + pe->sections[i].rva, bytes + pe->sections[i].file_offset,
           MIN(pe->sections[i].file_size, pe->sections[i].virtual_size));
  *ret_size = pe->size_of_image;
  return memory;
}

static char *
describe(cordbg_image *image)
{
  GString *text = g_string_new(NULL);
  describe_image(image, text);
  cordbg_image_unref(image);
  return g_string_free(text, FALSE);
}

static void
all_ways_of_opening_an_image_read_the_same(void **state)
{
  (void)state;
  static const char *const names[] = {"image-roslyn.bin", "image-mcs.bin"};
  for (unsigned n = 0; n < 2; n++) {
    g_autofree char *path = seed(names[n]), *bytes = NULL;
    gsize size;
    load(names[n], &bytes, &size);
    cordbg_image *images[4];
    assert_int_equal(cordbg_image_open_file(path, &images[0], NULL), S_OK);
    assert_int_equal(cordbg_image_open_bytes(bytes, size, CORDBG_IMAGE_LAYOUT_FILE, NULL, NULL,
                                             &images[1], NULL),
                     S_OK);
    size_t loaded_size;
    g_autofree uint8_t *loaded = load_sections(images[0], bytes, size, &loaded_size);
    assert_int_equal(cordbg_image_open_bytes(loaded, loaded_size, CORDBG_IMAGE_LAYOUT_MEMORY, NULL,
                                             NULL, &images[2], NULL),
                     S_OK);
    assert_int_equal(cordbg_image_open_reader(read_from, loaded_size, CORDBG_IMAGE_LAYOUT_MEMORY,
                                              NULL, loaded, &images[3], NULL),
                     S_OK);
    g_autofree char *first = describe(images[0]);
    assert_non_null(strstr(first, " method 0600"));
    assert_non_null(strstr(first, "  clause "));
    assert_null(strstr(first, "!bad"));
    for (unsigned i = 1; i < 4; i++) {
      g_autofree char *other = describe(images[i]);
      assert_string_equal(first, other);
    }
  }
}

static void
every_truncation_is_an_error_or_reads_within_bounds(void **state)
{
  (void)state;
  g_autofree char *bytes = NULL;
  gsize size;
  load("image-roslyn.bin", &bytes, &size);
  unsigned opened = 0;
  for (gsize cut = 0; cut < size; cut += cut < 1024 ? 1 : 37) {
    /* A block of its own, so that valgrind and sanitizers see a byte too far. */
    g_autofree char *part = g_memdup2(bytes, cut ? cut : 1);
    cordbg_image *image = NULL;
    cordbg_error error = {0};
    HRESULT hr =
        cordbg_image_open_bytes(part, cut, CORDBG_IMAGE_LAYOUT_FILE, NULL, NULL, &image, &error);
    if (SUCCEEDED(hr)) {
      g_free(describe(image));
      opened++;
    } else {
      assert_int_equal(hr, CLDB_E_FILE_CORRUPT);
      assert_true(error.sentence[0]);
    }
  }
  assert_true(opened > 0);
}

static void
native_and_foreign_files_are_told_apart(void **state)
{
  (void)state;
  cordbg_image *image = NULL;
  cordbg_error error = {0};
  assert_int_equal(cordbg_image_open_file("/nonexistent/image.dll", &image, &error),
                   HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND));
  assert_int_equal(cordbg_image_open_file("/proc/self/exe", &image, &error), CLDB_E_FILE_CORRUPT);
  assert_int_equal(cordbg_image_open_file("/", &image, &error), E_INVALIDARG);
  assert_null(image);
}

static void
compressed_numbers_round_trip(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 20000; i++) {
    uint32_t bits = g_rand_int(randomness) >> g_rand_int_range(randomness, 3, 31), got;
    uint8_t bytes[4];
    unsigned length = bits < 0x80 ? 1 : bits < 0x4000 ? 2 : 4;
    uint32_t encoded = length == 1 ? bits : length == 2 ? bits | 0x8000 : bits | 0xc0000000u;
    for (unsigned b = 0; b < length; b++)
      bytes[b] = (uint8_t)(encoded >> (8 * (length - 1 - b)));
    cordbg_signature cursor = {bytes, bytes + length};
    assert_true(cordbg_signature_read_u32(&cursor, &got));
    assert_int_equal(got, bits);
    assert_ptr_equal(cursor.at, cursor.end);
    if (length > 1) {
      cursor = (cordbg_signature){bytes, bytes + length - 1};
      assert_false(cordbg_signature_read_u32(&cursor, &got));
    }
  }
  /* The examples of ECMA-335 II.23.2. */
  static const struct {
    uint8_t bytes[4];
    unsigned length;
    int32_t value;
  } examples[] = {{{0x06}, 1, 3},
                  {{0x7b}, 1, -3},
                  {{0x80, 0x80}, 2, 64},
                  {{0x01}, 1, -64},
                  {{0xc0, 0, 0x40, 0}, 4, 8192},
                  {{0x80, 0x01}, 2, -8192},
                  {{0xdf, 0xff, 0xff, 0xfe}, 4, 268435455},
                  {{0xc0, 0, 0, 1}, 4, -268435456}};
  for (unsigned i = 0; i < G_N_ELEMENTS(examples); i++) {
    cordbg_signature cursor = {examples[i].bytes, examples[i].bytes + examples[i].length};
    int32_t got;
    assert_true(cordbg_signature_read_i32(&cursor, &got));
    assert_int_equal(got, examples[i].value);
  }
}

static void
a_signature_that_nests_without_end_is_refused(void **state)
{
  (void)state;
  uint8_t deep[4096];
  memset(deep, 0x0f, sizeof deep); /* PTR PTR PTR ... */
  deep[sizeof deep - 1] = 0x08;
  cordbg_signature cursor = {deep, deep + sizeof deep};
  assert_false(cordbg_signature_skip_type(&cursor));
  cursor.at = deep + sizeof deep - 50;
  assert_true(cordbg_signature_skip_type(&cursor));
}

static uint8_t
as_int32(void *context, uint32_t token, cordbg_blob name)
{
  (void)token, (void)name;
  ++*(unsigned *)context;
  return 0x08;
}

static void
an_enumeration_of_another_module_needs_a_resolver(void **state)
{
  (void)state;
  g_autofree char *path = seed("image-roslyn.bin");
  cordbg_image *image;
  assert_int_equal(cordbg_image_open_file(path, &image, NULL), S_OK);
  const cordbg_metadata *md = cordbg_image_metadata(image);
  uint32_t rid = cordbg_attribute_find(md, CORDBG_TABLE_ASSEMBLY << 24 | 1,
                                       "System.Diagnostics.DebuggableAttribute");
  assert_int_not_equal(rid, 0);
  GString *text = g_string_new(NULL);
  unsigned asked = 0;
  assert_int_equal(cordbg_attribute_format(md, rid, NULL, NULL, text, NULL),
                   META_E_CANNOTRESOLVETYPEREF);
  g_string_truncate(text, 0);
  assert_int_equal(cordbg_attribute_format(md, rid, as_int32, &asked, text, NULL), S_OK);
  assert_int_equal(asked, 1);
  assert_string_equal(text->str, "(263)");
  g_string_free(text, TRUE);
  cordbg_image_unref(image);
}

static void
scope_truncates_and_counts_as_documented(void **state)
{
  (void)state;
  size_t before = cordbg_object_count();
  g_autofree char *bytes = NULL;
  gsize size;
  load("image-roslyn.bin", &bytes, &size);
  IMetaDataDispenser *dispenser;
  IMetaDataImport2 *import;
  assert_int_equal(cordbg_metadata_dispenser_create(&IID_IMetaDataDispenser, (void **)&dispenser),
                   S_OK);
  assert_int_equal(IMetaDataDispenser_OpenScopeOnMemory(dispenser, bytes, (ULONG)size, ofCopyMemory,
                                                        &IID_IMetaDataImport2,
                                                        (IUnknown **)&import),
                   S_OK);
  memset(bytes, 0xcc, size); /* it has a copy */
  IUnknown *other = (IUnknown *)(void *)1;
  assert_int_equal(IMetaDataImport2_QueryInterface(import, &IID_IMetaDataEmit, (void **)&other),
                   E_NOINTERFACE);
  assert_null(other);

  mdTypeDef program;
  assert_int_equal(IMetaDataImport2_FindTypeDefByName(import, u"Sample.Program", 0, &program),
                   S_OK);
  assert_int_equal(IMetaDataImport2_FindTypeDefByName(import, u"Sample.Nothing", 0, &program),
                   CLDB_E_RECORD_NOTFOUND);
  assert_int_equal(program, mdTypeDefNil);
  assert_int_equal(IMetaDataImport2_FindTypeDefByName(import, u"Sample.Program", 0, &program),
                   S_OK);

  WCHAR name[32];
  ULONG length = 0;
  assert_int_equal(IMetaDataImport2_GetTypeDefProps(import, program, name, 32, &length, NULL, NULL),
                   S_OK);
  assert_int_equal(length, 15);
  assert_memory_equal(name, u"Sample.Program", 30);
  assert_int_equal(IMetaDataImport2_GetTypeDefProps(import, program, name, 7, &length, NULL, NULL),
                   CLDB_S_TRUNCATION);
  assert_int_equal(length, 15);
  assert_memory_equal(name, u"Sample", 14);
  assert_int_equal(
      IMetaDataImport2_GetTypeDefProps(import, 0x0200ffff, name, 32, &length, NULL, NULL),
      CLDB_E_INDEX_NOTFOUND);
  assert_int_equal(
      IMetaDataImport2_GetTypeDefProps(import, mdTypeDefNil, name, 32, &length, NULL, NULL), S_OK);
  assert_int_equal(length, 1);

  /* One at a time: each member once, then S_FALSE; then from the second again. */
  HCORENUM e = NULL;
  mdToken token;
  ULONG count, total = 0, members = 0;
  assert_int_equal(IMetaDataImport2_EnumMembers(import, &e, program, &token, 0, &count), S_FALSE);
  assert_int_equal(IMetaDataImport2_CountEnum(import, e, &total), S_OK);
  while (IMetaDataImport2_EnumMembers(import, &e, program, &token, 1, &count) == S_OK)
    members++;
  assert_true(total > 5);
  assert_int_equal(members, total);
  assert_int_equal(count, 0);
  assert_int_equal(IMetaDataImport2_ResetEnum(import, e, total - 1), S_OK);
  assert_int_equal(IMetaDataImport2_EnumMembers(import, &e, program, &token, 1, NULL), S_OK);
  assert_int_equal(IMetaDataImport2_ResetEnum(import, e, 0xffffffff), S_OK);
  assert_int_equal(IMetaDataImport2_EnumMembers(import, &e, program, &token, 1, NULL), S_FALSE);
  IMetaDataImport2_CloseEnum(import, e);

  IMetaDataImport2_Release(import);
  assert_int_equal(
      IMetaDataDispenser_OpenScope(dispenser, u"/x", ofWrite, &IID_IMetaDataImport2, &other),
      E_NOTIMPL);
  IMetaDataDispenser_Release(dispenser);
  assert_int_equal(cordbg_object_count(), before);
}

int
main(void)
{
  const char *given = getenv("CORDBG_SEED");
  guint32 seed_value = given ? (guint32)strtoul(given, NULL, 0) : g_random_int();
  printf("CORDBG_SEED=%u\n", seed_value);
  randomness = g_rand_new_with_seed(seed_value);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(uncompressed_metadata_goes_through_its_pointer_tables),
      cmocka_unit_test(a_table_that_lies_about_its_order_is_searched_right),
      cmocka_unit_test(all_ways_of_opening_an_image_read_the_same),
      cmocka_unit_test(every_truncation_is_an_error_or_reads_within_bounds),
      cmocka_unit_test(native_and_foreign_files_are_told_apart),
      cmocka_unit_test(compressed_numbers_round_trip),
      cmocka_unit_test(a_signature_that_nests_without_end_is_refused),
      cmocka_unit_test(an_enumeration_of_another_module_needs_a_resolver),
      cmocka_unit_test(scope_truncates_and_counts_as_documented),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  g_rand_free(randomness);
  return failed;
}
