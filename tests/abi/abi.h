/* SPDX-License-Identifier: MIT */
/* What the programs of tests/abi share: every header, counting and reporting, GUIDs as text. */
#ifndef CORDBG_TESTS_ABI_H
#define CORDBG_TESTS_ABI_H

#include <stdio.h>
#include <string.h>
#include <cordbg/cordebug.h>
#include <cordbg/cormeta.h>
#include <cordbg/corsym.h>
#include <cordbg/dbgeng.h>
#include <cordbg/dbghelp.h>
#include <cordbg/dbgshim.h>
#include <cordbg/metahost.h>
#include <cordbg/wdbgexts-types.h>

static unsigned checked, failed;

/* Counts a check and reports it when it does not hold. */
static inline void
check(int holds, const char *what, const char *detail, long long want, long long got)
{
  checked++;
  if (holds)
    return;
  failed++;
  printf("FAIL %s: %s: want %lld, got %lld\n", what, detail, want, got);
}

static inline void
check_guid(const GUID *guid, const char *name, const char *text)
{
  char found[37];
  snprintf(found, sizeof(found), "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", guid->Data1,
           guid->Data2, guid->Data3, guid->Data4[0], guid->Data4[1], guid->Data4[2], guid->Data4[3],
           guid->Data4[4], guid->Data4[5], guid->Data4[6], guid->Data4[7]);
  checked++;
  if (strcmp(found, text) == 0)
    return;
  failed++;
  printf("FAIL %s: want %s, got %s\n", name, text, found);
}

/* The closing line of a group; 0 checks are a failure: then the table was not read. */
static inline int
finish(const char *test, unsigned at_least)
{
  if (checked < at_least) {
    printf("FAIL %s: %u checks, at least %u expected\n", test, checked, at_least);
    return 1;
  }
  if (failed) {
    printf("FAIL %s: %u of %u checks\n", test, failed, checked);
    return 1;
  }
  printf("PASS %s: %u checks\n", test, checked);
  return 0;
}

#endif
