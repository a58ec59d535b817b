/* SPDX-License-Identifier: MIT */
/* What of the ICorDebug room can be tested without a process: where breakpoints go in a body, how
 * command lines and environments are taken apart. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cordbg/icordebug/private.h"

/* ---- Placement ---- */

static const cordbg_rt_map *given;
static size_t given_count;
static HRESULT given_result = S_OK;

static HRESULT
give_map(cordbg_runtime *runtime, cordbg_rt_id code, cordbg_rt_map **map, size_t *count,
         cordbg_error *error)
{
  (void)runtime;
  (void)code;
  if (FAILED(given_result))
    return cordbg_error_set(error, given_result, 0, 0, "no map");
  *map = g_memdup2(given, given_count * sizeof *given);
  *count = given_count;
  return S_OK;
}

static const cordbg_runtime_ops ops = {.name = "model", .il_map = give_map};

/* The library's list of shims: this program is linked without them. */
const cordbg_runtime_ops *const cordbg_runtime_shims[] = {&ops, NULL};

static HRESULT
place(const cordbg_rt_map *map, size_t count, uint32_t il, uint64_t *address)
{
  static cordbg_session session = {.ops = &ops};
  const cordbg_rt_code body = {
      .id = 1, .start = 0x1000, .size = 0x40, .cold_start = 0x9000, .cold_size = 0x10};
  cordbg_error error;
  g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  given = map;
  given_count = count;
  HRESULT hr = cordbg_breakpoint_places(&session, &body, il, places, &error);
  assert_int_equal(places->len, hr == S_OK);
  *address = hr == S_OK ? g_array_index(places, uint64_t, 0) : 0;
  return hr;
}

#define PLACE(map, il, address) place(map, G_N_ELEMENTS(map), il, address)

static void
placed_at_the_range_that_begins_the_offset(void **state)
{
  (void)state;
  static const cordbg_rt_map map[] = {
      {CORDBG_RT_IL_PROLOG, 0, 4},
      {0, 4, 8},
      {7, 8, 20},
      {CORDBG_RT_IL_EPILOG, 20, 24},
  };
  uint64_t address;
  assert_int_equal(PLACE(map, 0, &address), S_OK);
  assert_int_equal(address, 0x1004);
  assert_int_equal(PLACE(map, 7, &address), S_OK);
  assert_int_equal(address, 0x1008);
  /* Inside a range is not at its beginning. */
  assert_int_equal(PLACE(map, 3, &address), S_FALSE);
  assert_int_equal(address, 0);
}

/* What the pieces of a statement are and what its copies is told by how they are entered. */
static void
placed_at_each_copy_of_a_statement_and_at_no_piece(void **state)
{
  (void)state;
  static const uint8_t bytes[] = {
      0x90, 0x90,       /* 0: prolog */
      0x90, 0x74, 0x0b, /* 2: IL 0; je 16 */
      0x90, 0x74, 0x05, /* 5: IL 7; je 13, its rare piece */
      0x90, 0x90,       /* 8: IL 7 too */
      0x90, 0x90, 0xc3, /* 10: IL 9; ret */
      0x90, 0xeb, 0xf8, /* 13: IL 7: the piece; jmp 8 */
      0x90, 0x90,       /* 16: IL 7: a copy */
      0xeb, 0xf6,       /* 18: IL 9: a copy; jmp 10 */
      0x90, 0xc3,       /* 20: IL 7: nothing leads here; ret */
  };
  static const cordbg_rt_map map[] = {
      {CORDBG_RT_IL_PROLOG, 0, 2},
      {0, 2, 5},
      {7, 5, 10},
      {9, 10, 13},
      {7, 13, 16},
      {7, 16, 18},
      {9, 18, 20},
      {7, 20, 22},
  };
  static const uint32_t wanted[] = {5, 16, 20};
  const cordbg_rt_code body = {.id = 1, .start = 0x1000, .size = sizeof bytes};
  g_autoptr(GArray) natives = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  cordbg_places_pick(&body, bytes, map, G_N_ELEMENTS(map), 7, natives);
  assert_int_equal(natives->len, G_N_ELEMENTS(wanted));
  for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
    assert_int_equal(g_array_index(natives, uint32_t, i), wanted[i]);
  g_array_set_size(natives, 0);
  cordbg_places_pick(&body, bytes, map, G_N_ELEMENTS(map), 9, natives);
  assert_int_equal(natives->len, 2);
  /* Code that cannot be read: the first. */
  g_array_set_size(natives, 0);
  cordbg_places_pick(&body, NULL, map, G_N_ELEMENTS(map), 7, natives);
  assert_int_equal(natives->len, 1);
  assert_int_equal(g_array_index(natives, uint32_t, 0), 5);
}

/* Jumps to anywhere, bytes that are none: within bounds, and at least one place. */
static void
placed_in_random_code_too(void **state)
{
  (void)state;
  guint32 seed = (guint32)g_get_monotonic_time();
  if (g_getenv("CORDBG_SEED") != NULL)
    seed = (guint32)strtoul(g_getenv("CORDBG_SEED"), NULL, 10);
  print_message("CORDBG_SEED=%u\n", seed);
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  for (unsigned round = 0; round < 2000; round++) {
    uint32_t hot = (uint32_t)g_rand_int_range(random, 1, 200);
    uint32_t cold = (uint32_t)g_rand_int_range(random, 0, 100);
    g_autofree uint8_t *bytes = g_malloc(hot + cold);
    cordbg_rt_map map[16];
    bool any = false;
    for (uint32_t i = 0; i < hot + cold; i++)
      bytes[i] = g_rand_boolean(random) ? (uint8_t)g_rand_int(random) : 0x74;
    for (size_t i = 0; i < G_N_ELEMENTS(map); i++) {
      map[i] = (cordbg_rt_map){.il = g_rand_int_range(random, -3, 4),
                               .native_start = (uint32_t)g_rand_int_range(random, 0, 310)};
      map[i].native_end = map[i].native_start + (uint32_t)g_rand_int_range(random, 0, 20);
      any |= map[i].il == 2;
    }
    const cordbg_rt_code body = {
        .id = 1, .start = 0x1000, .size = hot, .cold_start = 0x9000, .cold_size = cold};
    g_autoptr(GArray) natives = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    cordbg_places_pick(&body, bytes, map, G_N_ELEMENTS(map), 2, natives);
    assert_true(any || natives->len == 0);
    assert_true(natives->len <= G_N_ELEMENTS(map));
  }
}

static void
row_44_never_placed_in_an_epilogue(void **state)
{
  (void)state;
  static const cordbg_rt_map map[] = {
      {CORDBG_RT_IL_PROLOG, 0, 4},
      {CORDBG_RT_IL_EPILOG, 20, 24},
      {9, 20, 24},
      {11, 22, 24},
      {9, 30, 34},
  };
  uint64_t address;
  assert_int_equal(PLACE(map, 11, &address), S_FALSE);
  assert_int_equal(PLACE(map, 9, &address), S_OK);
  assert_int_equal(address, 0x101e);
}

static void
offset_0_is_the_entry_when_nothing_is_mapped_to_it(void **state)
{
  (void)state;
  static const cordbg_rt_map later[] = {{CORDBG_RT_IL_PROLOG, 0, 11}, {1, 11, 15}, {6, 15, 33}};
  static const cordbg_rt_map none[] = {{CORDBG_RT_IL_PROLOG, 0, 11},
                                       {CORDBG_RT_IL_NO_MAPPING, 11, 60}};
  uint64_t address;
  assert_int_equal(PLACE(later, 0, &address), S_OK);
  assert_int_equal(address, 0x100b);
  assert_int_equal(PLACE(none, 0, &address), S_OK);
  assert_int_equal(address, 0x1000);
  assert_int_equal(PLACE(none, 5, &address), S_FALSE);
  given_result = CORDBG_E_CODE_NOT_AVAILABLE;
  assert_int_equal(PLACE(none, 0, &address), S_OK);
  assert_int_equal(address, 0x1000);
  assert_int_equal(PLACE(none, 5, &address), CORDBG_E_CODE_NOT_AVAILABLE);
  given_result = S_OK;
}

static void
offsets_of_the_cold_part_follow_those_of_the_hot_one(void **state)
{
  (void)state;
  static const cordbg_rt_map map[] = {{0, 0, 8}, {3, 0x3f, 0x40}, {4, 0x40, 0x48}, {5, 0x50, 0x58}};
  uint64_t address;
  assert_int_equal(PLACE(map, 3, &address), S_OK);
  assert_int_equal(address, 0x103f);
  assert_int_equal(PLACE(map, 4, &address), S_OK);
  assert_int_equal(address, 0x9000);
  /* A map that points beyond the body is not believed. */
  assert_int_equal(PLACE(map, 5, &address), S_FALSE);
}

/* ---- Command lines ---- */

static void
check_line(const char *line, ...)
{
  char **arguments = NULL;
  cordbg_error error;
  va_list list;
  size_t i = 0;
  assert_int_equal(cordbg_command_line_split(line, &arguments, &error), S_OK);
  va_start(list, line);
  for (const char *wanted; (wanted = va_arg(list, const char *)) != NULL; i++) {
    assert_non_null(arguments[i]);
    assert_string_equal(arguments[i], wanted);
  }
  va_end(list);
  assert_null(arguments[i]);
  g_strfreev(arguments);
}

static void
command_lines_are_split_as_windows_does(void **state)
{
  (void)state;
  char **arguments = NULL;
  cordbg_error error;
  check_line("mono prog.exe 1", "mono", "prog.exe", "1", NULL);
  check_line("  a\t b  ", "a", "b", NULL);
  check_line("\"a b\" c", "a b", "c", NULL);
  check_line("a\"b c\"d", "ab cd", NULL);
  check_line("\"\" x", "", "x", NULL);
  /* Microsoft's own table of examples. */
  check_line("\"abc\" d e", "abc", "d", "e", NULL);
  check_line("a\\\\b d\"e f\"g h", "a\\\\b", "de fg", "h", NULL);
  check_line("a\\\\\\\"b c d", "a\\\"b", "c", "d", NULL);
  check_line("a\\\\\\\\\"b c\" d e", "a\\\\b c", "d", "e", NULL);
  check_line("\"a\"\"b\"", "a\"b", NULL);
  check_line("a\\", "a\\", NULL);
  check_line("\"a\\\\\"", "a\\", NULL);
  check_line("\"open end", "open end", NULL);
  assert_int_equal(cordbg_command_line_split("", &arguments, &error), E_INVALIDARG);
  assert_int_equal(cordbg_command_line_split(" \t ", &arguments, &error), E_INVALIDARG);
  assert_null(arguments);
}

static void
environments_are_split(void **state)
{
  (void)state;
  static const WCHAR wide[] = {'A', '=', '1', 0, 0xe4, '=', 0xd83d, 0xde00, 0, 0};
  char **variables = cordbg_environment_split("A=1\0B=two\0", false);
  assert_string_equal(variables[0], "A=1");
  assert_string_equal(variables[1], "B=two");
  assert_null(variables[2]);
  g_strfreev(variables);
  variables = cordbg_environment_split(wide, true);
  assert_string_equal(variables[0], "A=1");
  assert_string_equal(variables[1], "\xc3\xa4=\xf0\x9f\x98\x80");
  assert_null(variables[2]);
  g_strfreev(variables);
  variables = cordbg_environment_split("", false);
  assert_null(variables[0]);
  g_strfreev(variables);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(placed_at_the_range_that_begins_the_offset),
      cmocka_unit_test(placed_at_each_copy_of_a_statement_and_at_no_piece),
      cmocka_unit_test(placed_in_random_code_too),
      cmocka_unit_test(row_44_never_placed_in_an_epilogue),
      cmocka_unit_test(offset_0_is_the_entry_when_nothing_is_mapped_to_it),
      cmocka_unit_test(offsets_of_the_cold_part_follow_those_of_the_hot_one),
      cmocka_unit_test(command_lines_are_split_as_windows_does),
      cmocka_unit_test(environments_are_split),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
