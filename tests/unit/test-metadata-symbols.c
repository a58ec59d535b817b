/* SPDX-License-Identifier: MIT */
/*
 * Line tables and ISymUnmanaged, on symbols of tests/oracle/sample.cs. What the tests expect is in
 * that source: they search it for the text of a line.
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
#include <unistd.h>
#include <glib.h>
#include "cordbg/com/object.h"
#include "cordbg/metadata/scope.h"
#include "cordbg/metadata/constant.h"
#include "cordbg/metadata/sym-reader.h"

static const char *const formats[][2] = {{"image-roslyn.bin", "symbols-pdb.bin"},
                                         {"image-mcs.bin", "symbols-mdb.bin"}};

static char *
seed(const char *name)
{
  return g_build_filename(METADATA_SEEDS, name, NULL);
}

/* The line of the source that contains text, counted from 1. */
static uint32_t
line_of(const char *text)
{
  g_autofree char *source = NULL;
  assert_true(g_file_get_contents(METADATA_SAMPLE, &source, NULL, NULL));
  const char *at = strstr(source, text);
  assert_non_null(at);
  uint32_t line = 1;
  for (const char *p = source; p < at; p++)
    line += *p == '\n';
  return line;
}

static cordbg_image *
open_image(unsigned format)
{
  g_autofree char *path = seed(formats[format][0]);
  cordbg_image *image = NULL;
  assert_int_equal(cordbg_image_open_file(path, &image, NULL), S_OK);
  return image;
}

static cordbg_symbols *
open_symbols(unsigned format, const cordbg_image *image)
{
  g_autofree char *path = seed(formats[format][1]);
  cordbg_symbols *symbols = NULL;
  assert_int_equal(cordbg_symbols_open_file(path, image, &symbols, NULL), S_OK);
  return symbols;
}

static uint32_t
method_named(const cordbg_image *image, const char *name)
{
  const cordbg_metadata *md = cordbg_image_metadata(image);
  for (uint32_t rid = 1; rid <= cordbg_metadata_rows(md, CORDBG_TABLE_METHOD_DEF); rid++)
    if (strcmp(
            cordbg_metadata_column_string(md, CORDBG_TABLE_METHOD_DEF, rid, CORDBG_METHOD_DEF_NAME),
            name) == 0)
      return CORDBG_TABLE_METHOD_DEF << 24 | rid;
  fail_msg("no method %s", name);
  return 0;
}

static void
a_line_finds_its_method_and_the_method_its_line(void **state)
{
  (void)state;
  uint32_t line = line_of("return int.Parse(s);");
  for (unsigned f = 0; f < 2; f++) {
    cordbg_image *image = open_image(f);
    cordbg_symbols *symbols = open_symbols(f, image);
    uint32_t documents[4];
    assert_int_equal(cordbg_symbols_find_documents(symbols, "sample.cs", documents, 4), 1);

    const cordbg_line_match *matches;
    size_t count;
    assert_int_equal(cordbg_symbols_find_line(symbols, documents[0], line, &matches, &count, NULL),
                     S_OK);
    assert_true(count >= 1);
    uint32_t token = method_named(image, "Filtered");
    for (size_t i = 0; i < count; i++) {
      assert_int_equal(matches[i].method, token);
      assert_int_equal(matches[i].point.start_line, line);
    }

    cordbg_method_symbols *method;
    assert_int_equal(cordbg_symbols_method(symbols, token, &method, NULL), S_OK);
    const cordbg_sequence_point *point =
        cordbg_method_symbols_point_at(method, matches[count - 1].point.offset);
    assert_non_null(point);
    assert_int_equal(point->start_line, line);
    cordbg_method_symbols_free(method);
    cordbg_symbols_unref(symbols);
    cordbg_image_unref(image);
  }
}

static void
a_line_without_code_gives_the_next_one_that_has_some(void **state)
{
  (void)state;
  uint32_t line = line_of("static int Filtered");
  for (unsigned f = 0; f < 2; f++) {
    cordbg_symbols *symbols = open_symbols(f, NULL);
    const cordbg_line_match *matches;
    size_t count;
    assert_int_equal(cordbg_symbols_find_line(symbols, 1, line, &matches, &count, NULL), S_OK);
    assert_true(count >= 1);
    assert_true(matches[0].point.start_line > line && matches[0].point.start_line <= line + 2);
    assert_int_equal(cordbg_symbols_find_line(symbols, 1, 100000, &matches, &count, NULL), S_OK);
    assert_int_equal(count, 0);
    assert_int_equal(cordbg_symbols_find_line(symbols, 99, 1, &matches, &count, NULL),
                     E_INVALIDARG);
    cordbg_symbols_unref(symbols);
  }
}

static void
lines_of_other_files_and_hidden_lines(void **state)
{
  (void)state;
  for (unsigned f = 0; f < 2; f++) {
    cordbg_image *image = open_image(f);
    cordbg_symbols *symbols = open_symbols(f, image);
    uint32_t other, third;
    assert_int_equal(cordbg_symbols_find_documents(symbols, "other-file.cs", &other, 1), 1);
    assert_int_equal(cordbg_symbols_find_documents(symbols, "third.cs", &third, 1), 1);
    cordbg_method_symbols *method;
    assert_int_equal(
        cordbg_symbols_method(symbols, method_named(image, "FromElsewhere"), &method, NULL), S_OK);
    unsigned in_other = 0, in_third = 0, hidden = 0;
    for (uint32_t i = 0; i < method->point_count; i++) {
      const cordbg_sequence_point *p = &method->points[i];
      if (p->start_line == CORDBG_HIDDEN_LINE)
        hidden++;
      else if (p->document == other && p->start_line >= 1000 && p->start_line < 1010)
        in_other++;
      else if (p->document == third && p->start_line >= 2000 && p->start_line < 2010)
        in_third++;
      else
        fail_msg("line %u of document %u", p->start_line, p->document);
    }
    assert_true(in_other >= 2 && in_third >= 1);
    /* mcs writes no hidden points for "#line hidden". */
    assert_true(f == 1 || hidden >= 1);
    cordbg_method_symbols_free(method);
    cordbg_symbols_unref(symbols);
    cordbg_image_unref(image);
  }
}

static void
symbols_of_another_build_are_refused(void **state)
{
  (void)state;
  for (unsigned f = 0; f < 2; f++) {
    g_autofree char *path = seed(formats[f][1]);
    cordbg_image *image = open_image(!f);
    cordbg_symbols *symbols = NULL;
    cordbg_error error = {0};
    assert_int_equal(cordbg_symbols_open_file(path, image, &symbols, &error), CLDB_E_FILE_OLDVER);
    assert_null(symbols);
    assert_non_null(strstr(error.sentence, "another build"));
    cordbg_image_unref(image);
  }
}

static void
embedded_symbols_and_source(void **state)
{
  (void)state;
  g_autofree char *path = seed("image-embedded-pdb.bin");
  g_autofree char *text = NULL;
  gsize size;
  assert_true(g_file_get_contents(METADATA_SAMPLE, &text, &size, NULL));
  cordbg_image *image;
  cordbg_symbols *symbols;
  assert_int_equal(cordbg_image_open_file(path, &image, NULL), S_OK);
  assert_int_equal(cordbg_symbols_open(image, NULL, NULL, &symbols, NULL), S_OK);
  cordbg_image_unref(image);
  uint32_t document;
  assert_int_equal(cordbg_symbols_find_documents(symbols, "sample.cs", &document, 1), 1);
  cordbg_span source = {0};
  assert_int_equal(cordbg_symbols_embedded_source(symbols, document, &source, NULL), S_OK);
  assert_int_equal(source.size, size);
  assert_memory_equal(source.data, text, size);
  cordbg_span_deinit(&source);
  cordbg_symbols_unref(symbols);
}

static void
source_link_is_handed_out(void **state)
{
  (void)state;
  cordbg_symbols *symbols = open_symbols(0, NULL);
  cordbg_blob link = cordbg_symbols_source_link(symbols);
  assert_non_null(memmem(link.data, link.size, "https://example.org/*", 21));
  cordbg_symbols_unref(symbols);
}

static void
an_async_method_names_its_kickoff_and_its_steps(void **state)
{
  (void)state;
  cordbg_image *image = open_image(0);
  cordbg_symbols *symbols = open_symbols(0, image);
  uint32_t later = method_named(image, "Later");
  const cordbg_metadata *md = cordbg_image_metadata(image);
  bool found = false;
  for (uint32_t rid = 1; rid <= cordbg_metadata_rows(md, CORDBG_TABLE_METHOD_DEF); rid++) {
    cordbg_method_symbols *method;
    if (FAILED(cordbg_symbols_method(symbols, CORDBG_TABLE_METHOD_DEF << 24 | rid, &method, NULL)))
      continue;
    if (method->kickoff_method == later) {
      found = true;
      assert_true(method->is_async);
      /* Later awaits twice in the source. */
      assert_int_equal(method->step_count, 2);
      for (uint32_t i = 0; i < method->step_count; i++) {
        assert_true(method->steps[i].yield_offset < method->steps[i].resume_offset);
        assert_int_equal(method->steps[i].resume_method, CORDBG_TABLE_METHOD_DEF << 24 | rid);
      }
    }
    cordbg_method_symbols_free(method);
  }
  assert_true(found);
  cordbg_symbols_unref(symbols);
  cordbg_image_unref(image);
}

static void
reader_gives_scopes_locals_and_constants_by_name(void **state)
{
  (void)state;
  size_t before = cordbg_object_count();
  cordbg_image *image = open_image(0);
  cordbg_symbols *symbols = open_symbols(0, image);
  ISymUnmanagedReader *reader;
  assert_int_equal(
      cordbg_sym_reader_create(symbols, image, &IID_ISymUnmanagedReader, (void **)&reader), S_OK);
  ISymUnmanagedMethod *method;
  assert_int_equal(ISymUnmanagedReader_GetMethod(reader, method_named(image, "Generic"), &method),
                   S_OK);
  ISymUnmanagedScope *root, *inner[4] = {0};
  ULONG32 count = 0;
  assert_int_equal(ISymUnmanagedMethod_GetRootScope(method, &root), S_OK);
  assert_int_equal(ISymUnmanagedScope_GetChildren(root, 0, &count, NULL), S_OK);
  assert_int_equal(count, 2);
  assert_int_equal(ISymUnmanagedScope_GetChildren(root, 4, &count, inner), S_OK);

  /* The first block of the source declares inner and answer. */
  ISymUnmanagedVariable *local;
  WCHAR name[16];
  ULONG32 length, kind;
  assert_int_equal(ISymUnmanagedScope_GetLocals(inner[0], 1, &count, &local), S_OK);
  assert_int_equal(count, 1);
  assert_int_equal(ISymUnmanagedVariable_GetName(local, 16, &length, name), S_OK);
  assert_int_equal(length, 6);
  assert_memory_equal(name, u"inner", sizeof u"inner");
  assert_int_equal(ISymUnmanagedVariable_GetAddressKind(local, &kind), S_OK);
  assert_int_equal(kind, ADDR_IL_OFFSET);
  BYTE signature[8];
  assert_int_equal(ISymUnmanagedVariable_GetSignature(local, 8, &count, signature), S_OK);
  assert_int_equal(count, 2);
  assert_int_equal(signature[0], 0x1e); /* MVAR 0: T */
  assert_int_equal(signature[1], 0);

  ISymUnmanagedScope2 *scope2;
  ISymUnmanagedConstant *constant;
  assert_int_equal(
      ISymUnmanagedScope_QueryInterface(inner[0], &IID_ISymUnmanagedScope2, (void **)&scope2),
      S_OK);
  assert_int_equal(ISymUnmanagedScope2_GetConstants(scope2, 1, &count, &constant), S_OK);
  assert_int_equal(count, 1);
  assert_int_equal(ISymUnmanagedConstant_GetName(constant, 16, &length, name), S_OK);
  assert_memory_equal(name, u"answer", sizeof u"answer");
  VARIANT value;
  assert_int_equal(ISymUnmanagedConstant_GetValue(constant, &value), S_OK);
  assert_int_equal(value.vt, VT_I4);
  assert_int_equal(value.lVal, 42);
  ISymUnmanagedConstant_Release(constant);
  ISymUnmanagedScope2_Release(scope2);
  /* The second block's is a string. */
  assert_int_equal(
      ISymUnmanagedScope_QueryInterface(inner[1], &IID_ISymUnmanagedScope2, (void **)&scope2),
      S_OK);
  assert_int_equal(ISymUnmanagedScope2_GetConstants(scope2, 1, &count, &constant), S_OK);
  assert_int_equal(ISymUnmanagedConstant_GetValue(constant, &value), S_OK);
  assert_int_equal(value.vt, VT_BSTR);
  assert_memory_equal(value.bstrVal, u"constant text", sizeof u"constant text");
  free((char *)value.bstrVal - 8);
  ULONG32 none = 7;
  assert_int_equal(ISymUnmanagedScope2_GetNamespaces(scope2, 0, &none, NULL), S_OK);
  assert_int_equal(none, 0);

  /* Objects keep what they need alive. */
  ISymUnmanagedReader_Release(reader);
  cordbg_symbols_unref(symbols);
  cordbg_image_unref(image);
  assert_int_equal(ISymUnmanagedVariable_GetName(local, 16, &length, name), S_OK);
  ISymUnmanagedConstant_Release(constant);
  ISymUnmanagedScope2_Release(scope2);
  ISymUnmanagedVariable_Release(local);
  ISymUnmanagedScope_Release(inner[0]);
  ISymUnmanagedScope_Release(inner[1]);
  ISymUnmanagedScope_Release(root);
  ISymUnmanagedMethod_Release(method);
  assert_int_equal(cordbg_object_count(), before);
}

/* Each kind of constant, whole and cut at every length: a value or an error, and nothing untouched.
 */
static void
constants_that_are_cut_short_are_refused(void **state)
{
  (void)state;
  static const struct {
    VARTYPE type;
    uint8_t size;
    uint8_t bytes[16];
  } whole[] = {
      {VT_I2, 2, {0x02, 1}},
      {VT_UI2, 3, {0x03, 'x', 0}},
      {VT_I4, 5, {0x08, 0xfe, 0xff, 0xff, 0xff}},
      {VT_I8, 9, {0x0a, 1}},
      {VT_R8, 9, {0x0d, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f}},
      {VT_I4, 2, {0x0e, 0xff}},
      {VT_I4, 1, {0x1c}},
      {VT_I4, 4, {0x20, 0x05, 0x12, 0x09}}, /* a modifier, then a class's null */
  };
  VARIANT value;
  g_autoptr(GByteArray) type = g_byte_array_new();
  for (size_t i = 0; i < G_N_ELEMENTS(whole); i++)
    for (uint32_t size = 0; size <= whole[i].size; size++) {
      g_autofree uint8_t *exact = g_memdup2(whole[i].bytes, size); /* a sanitizer sees the end */
      memset(&value, 0x77, sizeof value);
      HRESULT hr =
          cordbg_constant_value(NULL, (cordbg_blob){exact ? exact : whole[i].bytes, size}, &value);
      if (size == whole[i].size || hr == S_OK) {
        assert_int_equal(hr, S_OK);
        if (value.vt == VT_BSTR)
          free((char *)value.bstrVal - 8);
        else
          assert_int_equal(value.vt, whole[i].type);
      } else {
        assert_int_equal(hr, E_FAIL);
        assert_int_equal(value.vt, 0x7777);
      }
      g_byte_array_set_size(type, 0);
      cordbg_constant_type((cordbg_blob){exact ? exact : whole[i].bytes, size}, type);
    }
  /* An odd number of bytes is no text. */
  static const uint8_t odd[] = {0x0e, 'a', 0, 'b'};
  assert_int_equal(cordbg_constant_value(NULL, (cordbg_blob){odd, sizeof odd}, &value), E_FAIL);
}

/* Attributes by name: none but custom debug information, by its kind. */
static void
custom_debug_information_is_an_attribute(void **state)
{
  (void)state;
  cordbg_image *image = open_image(0);
  cordbg_symbols *symbols = open_symbols(0, image);
  ISymUnmanagedReader *reader;
  ULONG32 count = 7;
  BYTE data[512];
  static const uint8_t async_kind[16] = {0xc5, 0x2a, 0xfd, 0x54, 0x25, 0xe9, 0x1a, 0x40,
                                         0x9c, 0x2a, 0xf9, 0x4f, 0x17, 0x10, 0x72, 0xf8};
  assert_int_equal(
      cordbg_sym_reader_create(symbols, image, &IID_ISymUnmanagedReader, (void **)&reader), S_OK);
  uint32_t token = 0;
  for (uint32_t rid = 1; rid < 200 && !token; rid++)
    if (cordbg_symbols_custom(symbols, 0x06000000 | rid, async_kind).size)
      token = 0x06000000 | rid;
  assert_true(token != 0);
  cordbg_blob blob = cordbg_symbols_custom(symbols, token, async_kind);
  WCHAR kind[] = u"{54FD2AC5-E925-401A-9C2A-F94F171072F8}";
  assert_int_equal(ISymUnmanagedReader_GetSymAttribute(reader, token, kind, 0, &count, NULL), S_OK);
  assert_int_equal(count, blob.size);
  assert_int_equal(
      ISymUnmanagedReader_GetSymAttribute(reader, token, kind, sizeof data, &count, data), S_OK);
  assert_memory_equal(data, blob.data, blob.size);
  WCHAR md2[] = u"MD2", bad[] = u"{54FD2AC5-E925-401A-9C2A-F94F171072F8";
  assert_int_equal(ISymUnmanagedReader_GetSymAttribute(reader, token, md2, 0, &count, NULL),
                   S_FALSE);
  assert_int_equal(count, 0);
  assert_int_equal(ISymUnmanagedReader_GetSymAttribute(reader, token, bad, 0, &count, NULL),
                   S_FALSE);
  assert_int_equal(ISymUnmanagedReader_GetSymAttribute(reader, token, kind, 4, &count, NULL),
                   E_INVALIDARG);
  assert_int_equal(ISymUnmanagedReader_GetSymAttribute(reader, token, NULL, 0, &count, NULL),
                   E_INVALIDARG);
  ISymUnmanagedReader_Release(reader);
  cordbg_symbols_unref(symbols);
  cordbg_image_unref(image);
}

static void
binder_finds_the_symbols_beside_an_image(void **state)
{
  (void)state;
  g_autofree char *directory = g_dir_make_tmp("cordbg-XXXXXX", NULL);
  g_autofree char *image_path = g_build_filename(directory, "sample.exe", NULL);
  g_autofree char *mdb_path = g_strconcat(image_path, ".mdb", NULL);
  static const char *const names[] = {"image-mcs.bin", "symbols-mdb.bin"};
  const char *const paths[] = {image_path, mdb_path};
  for (unsigned i = 0; i < 2; i++) {
    g_autofree char *from = seed(names[i]);
    g_autofree char *bytes = NULL;
    gsize size;
    assert_true(g_file_get_contents(from, &bytes, &size, NULL));
    assert_true(g_file_set_contents(paths[i], bytes, (gssize)size, NULL));
  }
  ISymUnmanagedBinder *binder;
  ISymUnmanagedReader *reader;
  assert_int_equal(cordbg_sym_binder_create(&IID_ISymUnmanagedBinder, (void **)&binder), S_OK);
  g_autofree gunichar2 *wide = g_utf8_to_utf16(image_path, -1, NULL, NULL, NULL);
  assert_int_equal(ISymUnmanagedBinder_GetReaderForFile(binder, NULL, wide, NULL, &reader), S_OK);
  ULONG32 count;
  assert_int_equal(ISymUnmanagedReader_GetDocuments(reader, 0, &count, NULL), S_OK);
  assert_int_equal(count, 3);
  ISymUnmanagedMethod *method;
  assert_int_equal(ISymUnmanagedReader_GetMethod(reader, 0x06ffffff, &method), E_FAIL);
  ISymUnmanagedReader_Release(reader);
  remove(mdb_path);
  assert_int_equal(ISymUnmanagedBinder_GetReaderForFile(binder, NULL, wide, NULL, &reader),
                   CLDB_E_RECORD_NOTFOUND);
  ISymUnmanagedBinder_Release(binder);
  remove(image_path);
  rmdir(directory);
}

static void
inflate_refuses_lies(void **state)
{
  (void)state;
  static const uint8_t stored[] = {0x01, 0x03, 0x00, 0xfc, 0xff, 'a', 'b', 'c'};
  uint8_t *out;
  assert_int_equal(cordbg_inflate(stored, sizeof stored, 3, &out, NULL), S_OK);
  assert_memory_equal(out, "abc", 3);
  free(out);
  assert_int_equal(cordbg_inflate(stored, sizeof stored, 2, &out, NULL), CLDB_E_FILE_CORRUPT);
  assert_int_equal(cordbg_inflate(stored, sizeof stored, 4, &out, NULL), CLDB_E_FILE_CORRUPT);
  assert_int_equal(cordbg_inflate(stored, sizeof stored - 1, 3, &out, NULL), CLDB_E_FILE_CORRUPT);
  assert_int_equal(cordbg_inflate(stored, sizeof stored, 1u << 30, &out, NULL),
                   CLDB_E_FILE_CORRUPT);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_finds_its_method_and_the_method_its_line),
      cmocka_unit_test(a_line_without_code_gives_the_next_one_that_has_some),
      cmocka_unit_test(lines_of_other_files_and_hidden_lines),
      cmocka_unit_test(symbols_of_another_build_are_refused),
      cmocka_unit_test(embedded_symbols_and_source),
      cmocka_unit_test(source_link_is_handed_out),
      cmocka_unit_test(an_async_method_names_its_kickoff_and_its_steps),
      cmocka_unit_test(reader_gives_scopes_locals_and_constants_by_name),
      cmocka_unit_test(constants_that_are_cut_short_are_refused),
      cmocka_unit_test(custom_debug_information_is_an_attribute),
      cmocka_unit_test(binder_finds_the_symbols_beside_an_image),
      cmocka_unit_test(inflate_refuses_lies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
