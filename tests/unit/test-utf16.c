/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 and UTF-16 against a model that knows no ranges: it enumerates all 1,112,064 code points
 * once, encodes them, and calls well formed what came out of that.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cordbg/com/utf16.h"
#include "tests/unit/com-random.h"

#define UNTOUCHED 0x5a5a
#define CASES 100000u

/* --- The model ------------------------------------------------------------------------------- */

/* Bit sets of the byte strings of length 1, 2, 3 that well-formed sequences begin with. */
static uint8_t *prefixes[4];

static size_t
model_encode(uint32_t value, unsigned char bytes[4])
{
  size_t count = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
  for (size_t i = count; i-- > 1; value /= 64)
    bytes[i] = (unsigned char)(0x80 + value % 64);
  static const unsigned marks[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
  bytes[0] = (unsigned char)(marks[count] + value);
  return count;
}

static uint32_t
key(const unsigned char *bytes, size_t count)
{
  uint32_t made = 0;
  for (size_t i = 0; i < count; i++)
    made = made * 256 + bytes[i];
  return made;
}

static int
model_setup(void **state)
{
  (void)state;
  for (size_t length = 1; length <= 3; length++)
    prefixes[length] = calloc(((size_t)1 << (8 * length)) / 8, 1);
  for (uint32_t value = 0; value <= 0x10ffff; value++) {
    unsigned char bytes[4];
    if (value >= 0xd800 && value <= 0xdfff)
      continue;
    size_t count = model_encode(value, bytes);
    for (size_t length = 1; length < count; length++) {
      uint32_t at = key(bytes, length);
      prefixes[length][at / 8] |= (uint8_t)(1u << (at % 8));
    }
  }
  return 0;
}

static int
model_teardown(void **state)
{
  (void)state;
  for (size_t length = 1; length <= 3; length++)
    free(prefixes[length]);
  return 0;
}

static bool
is_prefix(const unsigned char *bytes, size_t length)
{
  uint32_t at = key(bytes, length);
  return (prefixes[length][at / 8] >> (at % 8)) & 1;
}

/* One code point, or U+FFFD for the longest piece that could have become one. */
static uint32_t
model_decode(const unsigned char *text, size_t length, size_t *at)
{
  const unsigned char *from = text + *at;
  size_t left = length - *at;
  if (from[0] < 0x80) {
    *at += 1;
    return from[0];
  }
  size_t piece = 0;
  while (piece < 3 && piece < left && is_prefix(from, piece + 1))
    piece++;
  /* Does one more byte finish a sequence? Ask every code point of that first byte's family. */
  if (piece > 0 && piece < left) {
    uint32_t guess = from[0] & (piece == 1 ? 0x1fu : piece == 2 ? 0x0fu : 0x07u);
    for (size_t i = 1; i <= piece; i++)
      guess = guess * 64 + (from[i] & 0x3fu);
    unsigned char again[4];
    if (guess <= 0x10ffff && !(guess >= 0xd800 && guess <= 0xdfff) &&
        model_encode(guess, again) == piece + 1 && memcmp(again, from, piece + 1) == 0) {
      *at += piece + 1;
      return guess;
    }
  }
  *at += piece > 0 ? piece : 1;
  return 0xfffd;
}

static size_t
model_from_utf8(const unsigned char *text, size_t length, WCHAR *out)
{
  size_t total = 0;
  for (size_t at = 0; at < length;) {
    uint32_t value = model_decode(text, length, &at);
    if (value >= 0x10000) {
      out[total++] = (WCHAR)(0xd800 + (value - 0x10000) / 0x400);
      out[total++] = (WCHAR)(0xdc00 + (value - 0x10000) % 0x400);
    } else {
      out[total++] = (WCHAR)value;
    }
  }
  return total;
}

static bool
well_formed(const WCHAR *text, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    bool high = text[i] >= 0xd800 && text[i] <= 0xdbff;
    bool low = text[i] >= 0xdc00 && text[i] <= 0xdfff;
    if (low || (high && (i + 1 == length || text[i + 1] < 0xdc00 || text[i + 1] > 0xdfff)))
      return false;
    i += high;
  }
  return true;
}

/* Bytes of all kinds, with those that begin and continue sequences more often than chance. */
static size_t
random_bytes(unsigned char *text, size_t capacity)
{
  static const unsigned char likely[] = {0x00, 'a',  0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                         0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed,
                                         0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
  size_t length = random_below(capacity + 1);
  for (size_t i = 0; i < length;) {
    unsigned char bytes[4];
    switch (random_below(3)) {
    case 0:
      text[i++] = (unsigned char)random_next();
      break;
    case 1:
      text[i++] = likely[random_below(sizeof(likely))];
      break;
    default: {
      size_t count = model_encode((uint32_t)random_below(0x110000), bytes);
      for (size_t j = 0; j < count && i < length; j++)
        text[i++] = bytes[j];
    }
    }
  }
  return length;
}

/* --- Tests ----------------------------------------------------------------------------------- */

static void
every_code_point_goes_there_and_back(void **state)
{
  (void)state;
  for (uint32_t value = 0; value <= 0x10ffff; value++) {
    if (value >= 0xd800 && value <= 0xdfff)
      continue;
    unsigned char bytes[4];
    size_t count = model_encode(value, bytes);
    WCHAR units[4] = {0};
    size_t made = cordbg_utf16_from_utf8((char *)bytes, count, units, 4);
    if (made != (value > 0xffff ? 2u : 1u))
      fail_msg("U+%04X: %zu units", value, made);
    char back[8] = {0};
    if (cordbg_utf8_from_utf16(units, made, back, sizeof(back)) != count ||
        memcmp(back, bytes, count) != 0)
      fail_msg("U+%04X does not come back", value);
  }
}

static void
any_bytes_give_what_the_model_gives(void **state)
{
  (void)state;
  random_begin(__func__);
  for (unsigned n = 0; n < CASES; n++) {
    unsigned char text[24];
    WCHAR want[48], got[48];
    size_t length = random_bytes(text, sizeof(text));
    size_t expected = model_from_utf8(text, length, want);
    size_t measured = cordbg_utf16_from_utf8((char *)text, length, NULL, 0);
    size_t made = cordbg_utf16_from_utf8((char *)text, length, got, 48);
    if (measured != expected || made != expected ||
        memcmp(want, got, expected * sizeof(WCHAR)) != 0)
      fail_msg("case %u: %zu units, the model has %zu", n, made, expected);
    assert_true(well_formed(got, made));
  }
}

static void
a_short_buffer_gets_whole_code_points_and_nothing_beyond_is_touched(void **state)
{
  (void)state;
  random_begin(__func__);
  for (unsigned n = 0; n < CASES / 4; n++) {
    unsigned char text[24];
    WCHAR whole[48];
    size_t length = random_bytes(text, sizeof(text));
    size_t total = cordbg_utf16_from_utf8((char *)text, length, whole, 48);
    size_t capacity = random_below(total + 2);
    WCHAR part[64];
    for (size_t i = 0; i < 64; i++)
      part[i] = UNTOUCHED;
    assert_int_equal(cordbg_utf16_from_utf8((char *)text, length, part, capacity), total);
    size_t stored = capacity < total ? capacity : total;
    if (stored > 0 && stored < total && whole[stored] >= 0xdc00 && whole[stored] <= 0xdfff)
      stored--; /* the other half of a pair */
    assert_memory_equal(part, whole, stored * sizeof(WCHAR));
    for (size_t i = stored; i < 64; i++)
      assert_int_equal(part[i], UNTOUCHED);

    char bytes[160], cut[160];
    size_t size = cordbg_utf8_from_utf16(whole, total, bytes, sizeof(bytes));
    size_t room = random_below(size + 2);
    memset(cut, 0x5a, sizeof(cut));
    assert_int_equal(cordbg_utf8_from_utf16(whole, total, cut, room), size);
    size_t kept = room < size ? room : size;
    while (kept > 0 && kept < size && ((unsigned char)bytes[kept] & 0xc0) == 0x80)
      kept--;
    assert_memory_equal(cut, bytes, kept);
    for (size_t i = kept; i < sizeof(cut); i++)
      assert_int_equal(cut[i], 0x5a);
  }
}

static void
unpaired_surrogates_become_replacement_characters(void **state)
{
  (void)state;
  static const WCHAR text[] = {0xd800, 'a', 0xdc00, 0xd83d, 0xde00, 0xdbff, 0xdbff, 0xdfff, 0xd800};
  char out[64] = {0};
  size_t made = cordbg_utf8_from_utf16(text, 9, out, sizeof(out));
  assert_string_equal(out, "\xef\xbf\xbd"
                           "a\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd\xf4\x8f\xbf\xbf\xef\xbf\xbd");
  assert_int_equal(made, strlen(out));
}

static void
any_units_give_well_formed_text(void **state)
{
  (void)state;
  random_begin(__func__);
  for (unsigned n = 0; n < CASES; n++) {
    WCHAR text[16], back[64];
    char bytes[64];
    size_t length = random_below(17);
    for (size_t i = 0; i < length; i++)
      text[i] = (WCHAR)(random_below(2) ? random_next() : 0xd800 + random_below(0x800));
    size_t size = cordbg_utf8_from_utf16(text, length, bytes, sizeof(bytes));
    assert_true(size <= sizeof(bytes));
    size_t units = cordbg_utf16_from_utf8(bytes, size, back, 64);
    assert_int_equal(units, length); /* each unit that is replaced is replaced by one */
    for (size_t i = 0; i < length; i++) {
      bool surrogate = text[i] >= 0xd800 && text[i] <= 0xdfff;
      if (back[i] != text[i] && !(surrogate && back[i] == 0xfffd))
        fail_msg("unit %zu: %04x became %04x", i, text[i], back[i]);
    }
    if (well_formed(text, length))
      assert_memory_equal(back, text, length * sizeof(WCHAR));
  }
}

static void
new_strings_are_terminated(void **state)
{
  (void)state;
  WCHAR *wide = cordbg_utf16_new("h\xc3\xa9");
  static const WCHAR expected[] = {'h', 0xe9, 0};
  assert_memory_equal(wide, expected, sizeof(expected));
  char *narrow = cordbg_utf8_new(wide);
  assert_string_equal(narrow, "h\xc3\xa9");
  char *first = cordbg_utf8_new_length(wide, 1);
  assert_string_equal(first, "h");
  assert_int_equal(cordbg_utf16_length(wide, 99), 2);
  assert_int_equal(cordbg_utf16_length(wide, 1), 1);
  assert_null(cordbg_utf16_new(NULL));
  assert_null(cordbg_utf8_new(NULL));
  assert_null(cordbg_utf8_new_length(NULL, 0));
  free(first);
  free(narrow);
  free(wide);
}

/* --- ICorDebug's string convention -------------------------------------------------------------
 */

static const WCHAR face[] = {'o', 'k', 0xd83d, 0xde00}; /* "ok" and one code point of two units */
static const char face_utf8[] = "ok\xf0\x9f\x98\x80";

static void
string_out_counts_the_nul_and_fills_what_fits(void **state)
{
  (void)state;
  for (int utf8 = 0; utf8 < 2; utf8++) {
    for (ULONG32 room = 0; room <= 7; room++) {
      WCHAR buffer[9];
      for (size_t i = 0; i < 9; i++)
        buffer[i] = UNTOUCHED;
      ULONG32 count = 99;
      HRESULT hr = utf8 ? cordbg_string_out_utf8(face_utf8, room, &count, buffer)
                        : cordbg_string_out(face, 4, room, &count, buffer);
      assert_int_equal(hr, S_OK);
      assert_int_equal(count, 5);
      size_t stored = room >= 5 ? 4 : room == 4 || room == 3 ? 2 : room > 0 ? room - 1 : 0;
      assert_memory_equal(buffer, face, stored * sizeof(WCHAR));
      if (room > 0)
        assert_int_equal(buffer[stored], 0);
      for (size_t i = room < 5 ? room : 5; i < 9; i++)
        assert_int_equal(buffer[i], UNTOUCHED);
    }
  }
}

static void
string_out_takes_null_for_either_output(void **state)
{
  (void)state;
  ULONG32 count = 0;
  WCHAR buffer[8] = {0};
  assert_int_equal(cordbg_string_out(face, 4, 0, &count, NULL), S_OK);
  assert_int_equal(count, 5);
  count = 0;
  assert_int_equal(cordbg_string_out(face, 4, 8, &count, NULL), S_OK);
  assert_int_equal(count, 5);
  assert_int_equal(cordbg_string_out(face, 4, 8, NULL, buffer), S_OK);
  assert_memory_equal(buffer, face, sizeof(face));
  assert_int_equal(cordbg_string_out(face, 4, 0, NULL, NULL), S_OK);
  assert_int_equal(cordbg_string_out(face, 4, 8, NULL, NULL), E_INVALIDARG);
  assert_int_equal(cordbg_string_out_utf8(face_utf8, 8, NULL, NULL), E_INVALIDARG);
}

static void
string_out_of_nothing_is_the_empty_text(void **state)
{
  (void)state;
  ULONG32 count = 0;
  WCHAR buffer[2] = {UNTOUCHED, UNTOUCHED};
  assert_int_equal(cordbg_string_out(NULL, 0, 2, &count, buffer), S_OK);
  assert_int_equal(count, 1);
  assert_int_equal(buffer[0], 0);
  buffer[0] = UNTOUCHED;
  assert_int_equal(cordbg_string_out_utf8(NULL, 2, &count, buffer), S_OK);
  assert_int_equal(count, 1);
  assert_int_equal(buffer[0], 0);
}

static void
string_out_refuses_a_text_whose_length_does_not_fit(void **state)
{
  (void)state;
  ULONG32 count = 77;
  assert_int_equal(cordbg_string_out(face, UINT32_MAX, 0, &count, NULL),
                   HRESULT_FROM_WIN32(ERROR_ARITHMETIC_OVERFLOW));
  assert_int_equal(count, 77);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_code_point_goes_there_and_back),
      cmocka_unit_test(any_bytes_give_what_the_model_gives),
      cmocka_unit_test(a_short_buffer_gets_whole_code_points_and_nothing_beyond_is_touched),
      cmocka_unit_test(unpaired_surrogates_become_replacement_characters),
      cmocka_unit_test(any_units_give_well_formed_text),
      cmocka_unit_test(new_strings_are_terminated),
      cmocka_unit_test(string_out_counts_the_nul_and_fills_what_fits),
      cmocka_unit_test(string_out_takes_null_for_either_output),
      cmocka_unit_test(string_out_of_nothing_is_the_empty_text),
      cmocka_unit_test(string_out_refuses_a_text_whose_length_does_not_fit),
  };
  return cmocka_run_group_tests_name("utf16", tests, model_setup, model_teardown);
}
