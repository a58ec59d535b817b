/* SPDX-License-Identifier: MIT */
/*
 * Every interface of the tables against the headers: its IID, each method's slot, and each method's
 * whole type (result, number and types of parameters, in order), by asking the compiler.
 */
#include "tests/abi/abi.h"

static unsigned interfaces, methods, parameters;

#define check_iid(guid, name, text)                                                                \
  do {                                                                                             \
    check_guid(guid, "IID_" name, text);                                                           \
    interfaces++;                                                                                  \
  } while (0)

#define CHECK_SLOT(I, method, slot)                                                                \
  do {                                                                                             \
    check(offsetof(I##Vtbl, method) == (slot) * sizeof(void *), #I "::" #method, "slot", slot,     \
          (long long)(offsetof(I##Vtbl, method) / sizeof(void *)));                                \
    methods++;                                                                                     \
  } while (0)

#define CHECK_TYPE(I, method, type, count, ...)                                                    \
  do {                                                                                             \
    int same = _Generic(((I##Vtbl *)0)->method, type(*)(I *, __VA_ARGS__) : 1, default : 0);       \
    check(same, #I "::" #method, "declared as in the table: " #type " (" #__VA_ARGS__ ")", 1,      \
          same);                                                                                   \
    parameters += count;                                                                           \
  } while (0)

#define CHECK_TYPE0(I, method, type)                                                               \
  do {                                                                                             \
    int same = _Generic(((I##Vtbl *)0)->method, type(*)(I *) : 1, default : 0);                    \
    check(same, #I "::" #method, "declared as in the table: " #type " (void)", 1, same);           \
  } while (0)

#define CHECK_TOTAL(I, total)                                                                      \
  check(sizeof(I##Vtbl) == (total) * sizeof(void *), #I, "number of slots", total,                 \
        (long long)(sizeof(I##Vtbl) / sizeof(void *)));                                            \
  check(sizeof(I) == sizeof(void *), #I, "size of the interface", 8, (long long)sizeof(I))

/* One function a table: a single one of all would keep the compiler busy for long. */
static void
check_icordebug(void)
{
#include "tests/abi/icordebug-checks.inc"
}

static void
check_metadata(void)
{
#include "tests/abi/metadata-checks.inc"
}

static void
check_symbols(void)
{
#include "tests/abi/symbols-checks.inc"
}

static void
check_hosting(void)
{
#include "tests/abi/hosting-checks.inc"
}

static void
check_dbgeng(void)
{
#include "tests/abi/dbgeng-checks.inc"
}

static void
check_dbgclient(void)
{
#include "tests/abi/dbgclient-checks.inc"
}

static int
group(const char *name, void (*function)(void), unsigned at_least)
{
  interfaces = methods = parameters = checked = failed = 0;
  function();
  printf("%s: %u interfaces, %u slots, %u parameters\n", name, interfaces, methods, parameters);
  return finish(name, at_least);
}

int
main(void)
{
  int status = 0;
  status |=
      group("interfaces_of_icordebug_have_their_iids_slots_and_parameters", check_icordebug, 2000);
  status |=
      group("interfaces_of_metadata_have_their_iids_slots_and_parameters", check_metadata, 600);
  status |= group("interfaces_of_symbols_have_their_iids_slots_and_parameters", check_symbols, 500);
  status |= group("interfaces_of_hosting_have_their_iids_slots_and_parameters", check_hosting, 200);
  status |= group("interfaces_of_dbgeng_have_their_iids_slots_and_parameters", check_dbgeng, 200);
  status |=
      group("interfaces_of_dbgclient_have_their_iids_slots_and_parameters", check_dbgclient, 300);
  return status;
}
