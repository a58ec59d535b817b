/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/live/memory-fixture.h"

int
setup(void **state)
{
  fixture *made = calloc(1, sizeof *made);
  made->child = child_start(NULL);
  made->target = session_open(made->child);
  uint8_t *page = made->child->region + PAGE;
  made->managed = page + 100;
  made->native = page + 101;
  made->both = page + 102;
  made->internal = page + 103;
  made->hole = made->child->region + 4 * PAGE;
  plant(made->target, CORDBG_LAYER_MANAGED, made->managed);
  plant(made->target, CORDBG_LAYER_NATIVE, made->native);
  plant(made->target, CORDBG_LAYER_MANAGED, made->both);
  plant(made->target, CORDBG_LAYER_NATIVE, made->both);
  plant(made->target, CORDBG_LAYER_INTERNAL, made->internal);
  assert_int_equal(child_run(made->child, command_protect_none, (long)made->hole), 0);
  made->handle = OpenProcess(PROCESS_ALL_ACCESS, FALSE, (DWORD)made->child->pid);
  assert_non_null(made->handle);
  assert_int_equal(
      cordbg_data_spaces_create(made->target, &IID_IDebugDataSpaces4, (void **)&made->spaces),
      S_OK);
  made->apis.nSize = sizeof made->apis;
  made->apis64.nSize = sizeof made->apis64;
  assert_int_equal(cordbg_wdbgexts_fill(made->target, &made->apis), S_OK);
  assert_int_equal(cordbg_wdbgexts_fill64(made->target, &made->apis64), S_OK);
  *state = made;
  return 0;
}

int
teardown(void **state)
{
  fixture *made = *state;
  cordbg_wdbgexts_set_current(NULL, 0);
  made->spaces->lpVtbl->Release(made->spaces);
  CloseHandle(made->handle);
  cordbg_target_unref(made->target);
  child_end(made->child);
  free(made);
  return 0;
}

uint8_t
shown(const fixture *made, const uint8_t *address)
{
  return address == made->native || address == made->both ? 0xcc : pattern(address);
}

bool
is_shown(const fixture *made, const uint8_t *bytes, const uint8_t *address, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] != shown(made, address + i))
      return false;
  }
  return true;
}
