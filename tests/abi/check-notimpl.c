/* SPDX-License-Identifier: MIT */
/*
 * A vtable that CORDBG_VTBL declares with nothing implemented, for every interface: no slot is
 * NULL, each answers E_NOTIMPL (a BOOL slot: FALSE) and leaves its outputs untouched.
 */
#include "tests/abi/abi.h"

#include "cordbg/com/object.h"

typedef HRESULT (*any_method)(void *, void *, void *, void *, void *, void *);

static void
check_notimpl(const char *name, const void *vtbl, size_t slots, int returns_bool)
{
  const any_method *table = vtbl;
  for (size_t slot = 3; slot < slots; slot++) {
    check(table[slot] != NULL, name, "slot is filled", 1, 0);
    if (!table[slot])
      continue;
    unsigned char output[4 * 64];
    memset(output, 0x5a, sizeof(output));
    HRESULT hr = table[slot](NULL, output, output + 64, output + 128, output + 192, NULL);
    HRESULT want = (int)slot == returns_bool ? FALSE : E_NOTIMPL;
    check(hr == want, name, "answer of an empty slot", want, hr);
    int touched = 0;
    for (size_t i = 0; i < sizeof(output); i++)
      touched |= output[i] != 0x5a;
    check(!touched, name, "outputs untouched", 0, touched);
  }
  check(table[0] == (any_method)(void (*)(void))cordbg_unknown_query_interface, name,
        "QueryInterface", 1, 0);
  check(table[1] == (any_method)(void (*)(void))cordbg_unknown_add_ref, name, "AddRef", 1, 0);
  check(table[2] == (any_method)(void (*)(void))cordbg_unknown_release, name, "Release", 1, 0);
}

int
main(void)
{
#include "tests/abi/dbgclient-notimpl.inc"
#include "tests/abi/dbgeng-notimpl.inc"
#include "tests/abi/hosting-notimpl.inc"
#include "tests/abi/icordebug-notimpl.inc"
#include "tests/abi/metadata-notimpl.inc"
#include "tests/abi/symbols-notimpl.inc"
  {
    CORDBG_VTBL(IEnumUnknown, vtbl);
    check_notimpl("IEnumUnknown", &vtbl, sizeof(vtbl) / sizeof(void *), -1);
  }
  {
    CORDBG_VTBL(IStream, vtbl);
    check_notimpl("IStream", &vtbl, sizeof(vtbl) / sizeof(void *), -1);
  }
  return finish("empty_slots_answer_e_notimpl_and_touch_nothing", 4000);
}
