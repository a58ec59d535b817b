// SPDX-License-Identifier: MIT
//
// Every interface as a C++ class sees it: a class that implements it (so that each method's name
// and parameters are the table's) is called by slot number, as C would, and must find the right
// method.
#include "tests/abi/abi.h"

namespace {

int reached = -1;

HRESULT
note(int slot)
{
  reached = slot;
  return slot;
}

// All methods of a probe ignore their arguments, so that one type serves to call any of them.
typedef HRESULT (*any_method)(void *, void *, void *, void *, void *, void *);

void
check_slots(const char *name, void *object, int total)
{
  any_method *table;
  memcpy(&table, object, sizeof(table));
  for (int slot = 0; slot < total; slot++) {
    reached = -1;
    table[slot](object, nullptr, nullptr, nullptr, nullptr, nullptr);
    check(reached == slot, name, "slot reached in C++", slot, reached);
  }
}

namespace icordebug {
#include "tests/abi/icordebug-cxx.inc"
}
namespace metadata {
#include "tests/abi/metadata-cxx.inc"
}
namespace symbols {
#include "tests/abi/symbols-cxx.inc"
}
namespace hosting {
#include "tests/abi/hosting-cxx.inc"
}
namespace dbgeng {
#include "tests/abi/dbgeng-cxx.inc"
}
namespace dbgclient {
#include "tests/abi/dbgclient-cxx.inc"
}

} // namespace

int
main()
{
  icordebug::check_all_slots();
  metadata::check_all_slots();
  symbols::check_all_slots();
  hosting::check_all_slots();
  dbgeng::check_all_slots();
  dbgclient::check_all_slots();
  return finish("cxx_classes_have_the_slots_of_the_tables", 1600);
}
