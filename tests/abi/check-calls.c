/* SPDX-License-Identifier: MIT */
/*
 * Every NAME_Method(This, ...) macro, called on an object whose slots note their number: the macro
 * has the table's parameters and reaches the table's slot.
 */
#include "tests/abi/abi.h"

#define SLOTS 128

static int reached = -1;

#define NOTE(n)                                                                                    \
  static HRESULT note_##n(void)                                                                    \
  {                                                                                                \
    reached = n;                                                                                   \
    return n;                                                                                      \
  }
#define EIGHT(m, d) m(d##0) m(d##1) m(d##2) m(d##3) m(d##4) m(d##5) m(d##6) m(d##7)
/* Octal would do, but decimal numbers read better in a failure: ten to a row. */
#define TEN(m, d) EIGHT(m, d) m(d##8) m(d##9)
#define ALL(m)                                                                                     \
  TEN(m, )                                                                                         \
  TEN(m, 1) TEN(m, 2) TEN(m, 3) TEN(m, 4) TEN(m, 5) TEN(m, 6) TEN(m, 7) TEN(m, 8) TEN(m, 9)        \
      TEN(m, 10) TEN(m, 11)

ALL(NOTE)

#define ENTRY(n) note_##n,
static HRESULT (*const table[])(void) = {ALL(ENTRY)};

/* Through memory that the compiler cannot see through: the types of the slots differ on purpose. */
static struct {
  const void *volatile lpVtbl;
} probe;

#define CHECK_CALL(call, what, slot)                                                               \
  do {                                                                                             \
    reached = -1;                                                                                  \
    (void)(call);                                                                                  \
    check(reached == (slot), what, "slot reached", slot, reached);                                 \
  } while (0)

static void
call_icordebug(void)
{
#include "tests/abi/icordebug-invoke.inc"
}

static void
call_metadata(void)
{
#include "tests/abi/metadata-invoke.inc"
}

static void
call_symbols(void)
{
#include "tests/abi/symbols-invoke.inc"
}

static void
call_hosting(void)
{
#include "tests/abi/hosting-invoke.inc"
}

static void
call_dbgeng(void)
{
#include "tests/abi/dbgeng-invoke.inc"
}

static void
call_dbgclient(void)
{
#include "tests/abi/dbgclient-invoke.inc"
}

int
main(void)
{
  probe.lpVtbl = table;
  call_icordebug();
  call_metadata();
  call_symbols();
  call_hosting();
  call_dbgeng();
  call_dbgclient();
  return finish("call_macros_reach_their_slots", 1600);
}
