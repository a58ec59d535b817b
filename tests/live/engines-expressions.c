/* SPDX-License-Identifier: MIT */
/* WinDbg's expressions: the evaluator alone, with names of the test's own. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cordbg/memory/wdbgexts-expression.h"
#include "tests/live/memory-session.h"

static HRESULT
symbol(void *data, const char *name, uint64_t *ret, cordbg_error *error)
{
  (void)data, (void)error;
  if (strcmp(name, "main") == 0 || strcmp(name, "program!main") == 0)
    *ret = 0x401000;
  else if (strcmp(name, "lib-2.0!work") == 0)
    *ret = 0x7000;
  else if (strcmp(name, "program!add") == 0 || strcmp(name, "add") == 0)
    *ret = 0x5000;
  else
    return S_FALSE;
  return S_OK;
}

static bool
module(void *data, const char *name)
{
  (void)data;
  return strcmp(name, "program") == 0 || strcmp(name, "lib-2.0") == 0;
}

static HRESULT
reg(void *data, const char *name, uint64_t *ret, cordbg_error *error)
{
  (void)data, (void)error;
  if (strcmp(name, "rip") == 0 || strcmp(name, "$ip") == 0)
    *ret = 0x1111;
  else if (strcmp(name, "rsp") == 0)
    *ret = 0x2000;
  else
    return S_FALSE;
  return S_OK;
}

/* The memory at address a holds the bytes of a * 3. */
static HRESULT
read_value(void *data, uint64_t address, size_t size, uint64_t *ret, cordbg_error *error)
{
  (void)data;
  if (address == 0)
    return cordbg_error_set(error, E_FAIL, 0, 0, "Memory access error");
  uint64_t value = address * 3;
  *ret = size == 8 ? value : value & ((1ull << (8 * size)) - 1);
  return S_OK;
}

static const cordbg_expression_names names = {symbol, module, reg, read_value, NULL};

static uint64_t
value_of(const char *text, size_t *rest)
{
  cordbg_error error = {0};
  uint64_t value = 0;
  HRESULT hr = cordbg_expression_evaluate(text, 16, &names, &value, rest, &error);
  if (hr != S_OK)
    fail_msg("%s: %s", text, error.sentence);
  return value;
}

static void
numbers_names_and_operators(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    uint64_t value;
  } rows[] = {
      {"10", 0x10},
      {"0n10", 10},
      {"0t17", 15},
      {"0y101", 5},
      {"0x", 0},
      {"4aB3h", 0x4ab3},
      {"00007ff0`00401000", 0x7ff000401000},
      {"  1 + 2 * 3 ", 7},
      {"(1+2)*3", 9},
      {"[8]+1", 9},
      {"-1", UINT64_MAX},
      {"~0", UINT64_MAX},
      {"not 5", 0},
      {"!0", 1},
      {"hi(12345678)", 0x1234},
      {"low 12345678", 0x5678},
      {"7 mod 4 + 5 % 3", 5},
      {"1 << 4 + 1", 32},
      {"-8 >>> 1", (uint64_t)-4},
      {"8 >> 1", 4},
      {"1 << 40", 0},
      {"3 = 3", 1},
      {"3 == 4", 0},
      {"3 != 4", 1},
      {"-1 > 1", 1}, /* unsigned */
      {"2 <= 2", 1},
      {"f0 | f & 3 ^ 1", 0xf2},
      {"6 and 3 xor 1 or 10", 0x13},
      {"main", 0x401000},
      {"program!main+10", 0x401010},
      {"add", 0xadd}, /* reads as a number */
      {"!add", 0x5000},
      {"program!add", 0x5000},
      {"lib-2.0!work-1", 0x6fff},
      {"@rip", 0x1111},
      {"rsp", 0x2000},
      {"$ip + .", 0x2222},
      {"poi(@rsp)", 0x6000},
      {"poi @rsp + 1", 0x6001},
      {"dwo(poi(@rsp))", 0x12000},
      {"by(ff)", 0xfd},
      {"wo(@rsp+8)", 0x6018},
      {"qwo(10)", 0x30},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint64_t value = value_of(rows[i].text, NULL);
    if (value != rows[i].value)
      fail_msg("%s is %llx, not %llx", rows[i].text, (unsigned long long)rows[i].value,
               (unsigned long long)value);
  }
  size_t rest;
  assert_int_equal(value_of("401000 L5", &rest), 0x401000);
  assert_int_equal(rest, 6);
  assert_int_equal(value_of("main,2", &rest), 0x401000);
  assert_int_equal(rest, 4);
}

static void
what_is_wrong_is_an_error_and_touches_nothing(void **state)
{
  (void)state;
  static const char *const rows[] = {"",
                                     "   ",
                                     "1 +",
                                     "(1",
                                     "[1)",
                                     "1)",
                                     "nothing",
                                     "program!x",
                                     "x!main",
                                     "@nope",
                                     "1 / 0",
                                     "1 mod 0",
                                     "poi(0)",
                                     "!nothing",
                                     "0n12ab",
                                     "12xyz",
                                     "1 ** 2",
                                     "@",
                                     "10000000000000000",
                                     "0n99999999999999999999",
                                     "0y2",
                                     "program!",
                                     "=",
                                     "\"text\"",
                                     "$"};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    cordbg_error error = {0};
    uint64_t value = 77;
    size_t rest = 99;
    HRESULT hr = cordbg_expression_evaluate(rows[i], 16, &names, &value, &rest, &error);
    if (hr != E_FAIL || value != 77 || error.sentence[0] == '\0' || rest > strlen(rows[i]))
      fail_msg("'%s': %08x, value %llx", rows[i], (unsigned)hr, (unsigned long long)value);
  }
  char deep[10001];
  memset(deep, '(', sizeof deep - 1);
  deep[sizeof deep - 1] = '\0';
  assert_int_equal(cordbg_expression_evaluate(deep, 16, &names, &(uint64_t){0}, NULL, NULL),
                   E_FAIL);
  memset(deep, 'q', sizeof deep - 1);
  assert_int_equal(cordbg_expression_evaluate(deep, 16, &names, &(uint64_t){0}, NULL, NULL),
                   E_FAIL);
}

/* An expression with every part in parentheses, and its value computed beside it. */
static uint64_t
random_expression(uint64_t *seed, int depth, char **at, const char *end)
{
  static const char *const spelled[] = {"+", "-", "*", "&", "|", "^", "<", "=", ">>", "%"};
  if (depth == 0 || end - *at < 200) {
    uint64_t number = test_random(seed) >> (test_random(seed) % 50);
    *at += sprintf(*at, "%llx", (unsigned long long)number);
    return number;
  }
  *at += sprintf(*at, "(");
  uint64_t left = random_expression(seed, depth - 1, at, end);
  size_t which = test_random(seed) % 10;
  *at += sprintf(*at, test_random(seed) % 2 ? " %s " : "%s", spelled[which]);
  uint64_t right;
  if (which == 8) {
    right = test_random(seed) % 64;
    *at += sprintf(*at, "%llx", (unsigned long long)right);
  } else if (which == 9) {
    right = test_random(seed) % 1000 + 1;
    *at += sprintf(*at, "%llx", (unsigned long long)right);
  } else {
    right = random_expression(seed, depth - 1, at, end);
  }
  *at += sprintf(*at, ")");
  const uint64_t results[] = {left + right,
                              left - right,
                              left * right,
                              left & right,
                              left | right,
                              left ^ right,
                              left < right,
                              left == right,
                              which == 8 ? left >> right : 0,
                              which == 9 ? left % right : 0};
  return results[which];
}

static void
random_expressions_agree_with_c(void **state)
{
  (void)state;
  uint64_t seed = test_seed();
  for (int i = 0; i < 20000; i++) {
    char text[4096], *at = text;
    uint64_t expected =
        random_expression(&seed, (int)(test_random(&seed) % 5), &at, text + sizeof text);
    if (value_of(text, NULL) != expected)
      fail_msg("%s", text);
  }
}

/* Any bytes: a result or an error, within the text. */
static void
random_texts_do_no_harm(void **state)
{
  (void)state;
  static const char letters[] = "0123456789abfhnxyt!@$.()[]+-*/%&|^<>=~` \tpoimdwg_:";
  uint64_t seed = test_seed();
  for (int i = 0; i < 50000; i++) {
    char text[64];
    size_t length = test_random(&seed) % (sizeof text - 1), rest;
    for (size_t j = 0; j < length; j++)
      text[j] = letters[test_random(&seed) % (sizeof letters - 1)];
    text[length] = '\0';
    uint64_t value;
    cordbg_error error;
    (void)cordbg_expression_evaluate(text, 16, &names, &value, &rest, &error);
    assert_true(rest <= length);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_names_and_operators),
      cmocka_unit_test(what_is_wrong_is_an_error_and_touches_nothing),
      cmocka_unit_test(random_expressions_agree_with_c),
      cmocka_unit_test(random_texts_do_no_harm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
