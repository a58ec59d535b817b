/* SPDX-License-Identifier: MIT */
/* Contract 001's proof: an extension library is loaded, gets a filled table, and runs. */
#include "config.h"

#include <dlfcn.h>
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
  WINDBG_EXTENSION_APIS64 apis = {.nSize = sizeof apis};
  char text[500] = "", expected[100], arguments[32];
  void *library = dlopen(EXTENSION, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    fail_msg("%s", dlerror());
  PWINDBG_EXTENSION_DLL_INIT64 init;
  PWINDBG_EXTENSION_API_VERSION version;
  PWINDBG_EXTENSION_ROUTINE64 peek, poke;
  *(void **)&init = dlsym(library, "WinDbgExtensionDllInit");
  *(void **)&version = dlsym(library, "ExtensionApiVersion");
  *(void **)&peek = dlsym(library, "peek");
  *(void **)&poke = dlsym(library, "poke");
  assert_true(init != NULL && version != NULL && peek != NULL && poke != NULL);
  assert_int_equal(version()->Revision, EXT_API_VERSION_NUMBER64);

  assert_int_equal(cordbg_wdbgexts_fill64(target, &apis), S_OK);
  cordbg_wdbgexts_set_output(keep_text, text);
  init(&apis, 1, 0);
  const uint8_t *place = child->region + 40;
  plant(target, CORDBG_LAYER_MANAGED, place);
  plant(target, CORDBG_LAYER_NATIVE, place + 1);
  snprintf(arguments, sizeof arguments, "%lx", (unsigned long)place);
  peek(NULL, NULL, 0, 0, arguments);
  snprintf(expected, sizeof expected, "%02x cc %02x %02x %02x %02x %02x %02x ptr64=1\n",
           pattern(place), pattern(place + 2), pattern(place + 3), pattern(place + 4),
           pattern(place + 5), pattern(place + 6), pattern(place + 7));
  assert_string_equal(text, expected);
  text[0] = '\0';
  poke(NULL, NULL, 0, 0, arguments);
  peek(NULL, NULL, 0, 0, arguments);
  assert_memory_equal(text, "done\n5a cc ", 11);
  text[0] = '\0';
  peek(NULL, NULL, 0, 0, "0x10");
  assert_string_equal(text, "10 cannot be read\n");

  cordbg_wdbgexts_set_output(NULL, NULL);
  cordbg_wdbgexts_set_current(NULL, 0);
  dlclose(library);
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
