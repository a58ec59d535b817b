/* SPDX-License-Identifier: MIT */
/* Enumerators, status codes and class identifiers against the tables. */
#include "tests/abi/abi.h"

#include "cordbg/com/hresult.h"

#define CHECK_ENUM(type, name, value)                                                              \
  do {                                                                                             \
    check((uint32_t)(name) == (uint32_t)(value), #name, "value", (long long)(value),               \
          (long long)(name));                                                                      \
    check(sizeof(type) == 4, #type, "size", 4, (long long)sizeof(type));                           \
  } while (0)

#define CHECK_HRESULT(name, value)                                                                 \
  do {                                                                                             \
    check((uint32_t)(name) == (uint32_t)(value), #name, "value", (long long)(value),               \
          (long long)(uint32_t)(name));                                                            \
    const char *text = cordbg_hresult_name((HRESULT)(uint32_t)(value));                            \
    check(text &&strcmp(text, #name) == 0, #name, "cordbg_hresult_name", 1, 0);                    \
  } while (0)

#define CHECK_CLSID(name, text) check_guid(&(name), #name, text)

static void
check_enums(void)
{
#include "tests/abi/enums-checks.inc"
}

static void
check_hresults(void)
{
#include "tests/abi/hresults-checks.inc"
}

static void
check_clsids(void)
{
#include "tests/abi/clsids-checks.inc"
}

static int
group(const char *name, void (*function)(void), unsigned at_least)
{
  checked = failed = 0;
  function();
  return finish(name, at_least);
}

int
main(void)
{
  int status = 0;
  status |= group("enumerators_have_the_values_of_the_table", check_enums, 1900);
  status |= group("status_codes_have_the_values_and_names_of_the_table", check_hresults, 690);
  status |= group("class_identifiers_are_the_table_s", check_clsids, 13);
  return status;
}
