/* SPDX-License-Identifier: MIT */
/* The decoder of Mono's sequence points: known data, a naive encoder, and noise. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime-shim/mono/mono-private.h"

static unsigned seed;

static void
known_points_of_a_jitted_method_are_decoded(void **state)
{
  /* As Mono 6.8 wrote them for `return value + AppDomain.CurrentDomain.Id`, 90 bytes of code. */
  static const uint8_t data[] = {0x02, 0x40, 0x0c, 0x26, 0x0a, 0x36, 0x10, 0x0e};
  static const cordbg_rt_map expected[] = {
      {CORDBG_RT_IL_PROLOG, 0, 32}, {1, 32, 51}, {7, 51, 78}, {12, 78, 85}, {20, 85, 90}};
  cordbg_rt_map *map = NULL;
  size_t count = 0;

  (void)state;
  assert_int_equal(cordbg_mono_decode_seq_points(data, sizeof(data), false, 90, &map, &count),
                   S_OK);
  assert_int_equal(count, G_N_ELEMENTS(expected));
  assert_memory_equal(map, expected, sizeof(expected));
  g_free(map);
}

static void
no_points_give_one_prolog(void **state)
{
  cordbg_rt_map *map = NULL;
  size_t count = 0;

  (void)state;
  assert_int_equal(cordbg_mono_decode_seq_points(NULL, 0, false, 10, &map, &count), S_OK);
  assert_int_equal(count, 1);
  assert_int_equal(map[0].il, CORDBG_RT_IL_PROLOG);
  assert_int_equal(map[0].native_end, 10);
  g_free(map);
}

static void
unsound_points_are_refused(void **state)
{
  static const struct {
    uint8_t data[8];
    size_t size;
  } cases[] = {
      {{0x02}, 1},                                     /* half a pair */
      {{0x02, 0x80}, 2},                               /* a number without its end */
      {{0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 7}, /* a number of more than 32 bits */
      {{0x02, 0x41}, 2},                               /* a native offset below the code */
      {{0x02, 0xf0, 0x01}, 3},                         /* above it */
      {{0x05, 0x02}, 2},                               /* IL -3 */
  };
  cordbg_rt_map *map = NULL;
  size_t count = 0;

  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_int_equal(
        cordbg_mono_decode_seq_points(cases[i].data, cases[i].size, false, 90, &map, &count),
        E_INVALIDARG);
  assert_null(map);
}

static void
put(uint8_t *data, size_t *at, uint32_t value)
{
  for (; value > 0x7f; value >>= 7)
    data[(*at)++] = (uint8_t)(value | 0x80);
  data[(*at)++] = (uint8_t)value;
}

static void
put_zigzag(uint8_t *data, size_t *at, int32_t value)
{
  put(data, at, value < 0 ? (uint32_t)-value * 2 - 1 : (uint32_t)value * 2);
}

static void
random_points_survive_encoding_and_decoding(void **state)
{
  (void)state;
  for (unsigned round = 0; round < 20000; round++) {
    bool debug = rand_r(&seed) % 2;
    uint8_t data[2048];
    int32_t il[32], native[32], last_il = 0, last_native = 0;
    size_t at = 0, points = (size_t)rand_r(&seed) % 32;
    uint32_t size = 1;
    for (size_t i = 0; i < points; i++) {
      il[i] = rand_r(&seed) % 5000;
      native[i] = last_native + 1 + rand_r(&seed) % 300;
      put_zigzag(data, &at, il[i] - last_il);
      put_zigzag(data, &at, native[i] - last_native);
      if (debug) {
        uint32_t next = (uint32_t)rand_r(&seed) % 4;
        put(data, &at, 0);
        put(data, &at, next);
        while (next-- > 0)
          put(data, &at, (uint32_t)rand_r(&seed) % 1000);
      }
      last_il = il[i];
      last_native = native[i];
      size = (uint32_t)native[i] + 1 + (uint32_t)rand_r(&seed) % 20;
    }
    cordbg_rt_map *map = NULL;
    size_t count = 0;
    assert_int_equal(cordbg_mono_decode_seq_points(data, at, debug, size, &map, &count), S_OK);
    assert_int_equal(count, points + 1); /* the prolog comes first: native offsets begin at 1 */
    for (size_t i = 0; i < points; i++) {
      assert_int_equal(map[i + 1].il, il[i]);
      assert_int_equal(map[i + 1].native_start, native[i]);
      assert_int_equal(map[i].native_end, native[i]);
    }
    assert_int_equal(map[points].native_end, size);
    g_free(map);
  }
}

static void
noise_gives_a_sound_map_or_an_error(void **state)
{
  (void)state;
  for (unsigned round = 0; round < 100000; round++) {
    uint8_t data[64];
    size_t size = (size_t)rand_r(&seed) % sizeof(data), count = 0;
    uint32_t code_size = 1 + (uint32_t)rand_r(&seed) % 4096;
    cordbg_rt_map *map = NULL;
    for (size_t i = 0; i < size; i++)
      data[i] = (uint8_t)(rand_r(&seed) % (round % 2 ? 256 : 64));
    if (cordbg_mono_decode_seq_points(data, size, rand_r(&seed) % 2, code_size, &map, &count) !=
        S_OK)
      continue;
    assert_true(count > 0);
    assert_int_equal(map[0].native_start, 0);
    assert_int_equal(map[count - 1].native_end, code_size);
    for (size_t i = 0; i < count; i++) {
      assert_true(map[i].native_start < map[i].native_end);
      assert_true(map[i].il >= CORDBG_RT_IL_EPILOG);
      if (i)
        assert_int_equal(map[i].native_start, map[i - 1].native_end);
    }
    g_free(map);
  }
}

int
main(void)
{
  const char *text = getenv("CORDBG_SEED");
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_points_of_a_jitted_method_are_decoded),
      cmocka_unit_test(no_points_give_one_prolog),
      cmocka_unit_test(unsound_points_are_refused),
      cmocka_unit_test(random_points_survive_encoding_and_decoding),
      cmocka_unit_test(noise_gives_a_sound_map_or_an_error),
  };

  seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)time(NULL);
  printf("CORDBG_SEED=%u\n", seed);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
