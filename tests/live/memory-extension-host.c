/* SPDX-License-Identifier: MIT */
/* Contract 001's proof: an extension library is loaded, gets a filled table, and runs. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cordbg/memory/doors.h"
#include "tests/live/memory-session.h"

static void
keep_text(void *data, const char *text)
{
  strcat(data, text);
}

static void
contract_001_an_extension_library_is_loaded_and_runs(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  char text[500] = "", expected[100], arguments[32];
  cordbg_extension *extension = NULL;
  cordbg_error error = {0};
  assert_int_equal(cordbg_wdbgexts_load(EXTENSION, &extension, &error), E_UNEXPECTED);
  cordbg_wdbgexts_set_current(target, 0);
  cordbg_wdbgexts_set_output(keep_text, text);
  assert_int_equal(cordbg_wdbgexts_load("/nonexistent.so", &extension, &error),
                   HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND));
  assert_int_equal(cordbg_wdbgexts_load("libc.so.6", &extension, &error),
                   HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND));
  assert_null(extension);
  succeeded(cordbg_wdbgexts_load(EXTENSION, &extension, &error), &error);
  assert_int_equal(cordbg_wdbgexts_call(extension, "nothing", "", &error),
                   HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND));
  assert_int_equal(cordbg_wdbgexts_call(extension, "ExtensionApiVersion", "", &error),
                   HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND));
  const uint8_t *place = child->region + 40;
  plant(target, CORDBG_LAYER_MANAGED, place);
  plant(target, CORDBG_LAYER_NATIVE, place + 1);
  snprintf(arguments, sizeof arguments, "%lx", (unsigned long)place);
  succeeded(cordbg_wdbgexts_call(extension, "peek", arguments, &error), &error);
  snprintf(expected, sizeof expected, "%02x cc %02x %02x %02x %02x %02x %02x ptr64=1\n",
           pattern(place), pattern(place + 2), pattern(place + 3), pattern(place + 4),
           pattern(place + 5), pattern(place + 6), pattern(place + 7));
  assert_string_equal(text, expected);
  text[0] = '\0';
  succeeded(cordbg_wdbgexts_call(extension, "poke", arguments, &error), &error);
  succeeded(cordbg_wdbgexts_call(extension, "peek", arguments, &error), &error);
  assert_memory_equal(text, "done\n5a cc ", 11);
  text[0] = '\0';
  succeeded(cordbg_wdbgexts_call(extension, "peek", "0x10", &error), &error);
  assert_string_equal(text, "10 cannot be read\n");

  cordbg_wdbgexts_set_output(NULL, NULL);
  cordbg_wdbgexts_set_current(NULL, 0);
  cordbg_wdbgexts_unload(extension);
  cordbg_target_unref(target);
  child_end(child);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(contract_001_an_extension_library_is_loaded_and_runs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
