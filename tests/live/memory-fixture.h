/* SPDX-License-Identifier: MIT */
/* What the tests of the doors begin with. Include after <cmocka.h>. */
#ifndef TESTS_LIVE_MEMORY_FIXTURE_H
#define TESTS_LIVE_MEMORY_FIXTURE_H

#include "cordbg/memory/doors.h"
#include "tests/live/memory-session.h"

#define PARTIAL_COPY ((HRESULT)0x8007012bu)
#define READ_FAULT ((HRESULT)0x8007001eu)
#define NO_MORE_ENTRIES ((HRESULT)0x9000001au)

/* A child in whose region page 4 cannot be read, with a trap of each layer in page 1. */
typedef struct fixture {
  test_child *child;
  cordbg_target *target;
  HANDLE handle;
  IDebugDataSpaces4 *spaces;
  WINDBG_EXTENSION_APIS apis;
  WINDBG_EXTENSION_APIS64 apis64;
  uint8_t *managed, *native, *both, *internal, *hole;
} fixture;

int setup(void **state);
int teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What the client view must show of the region. */
uint8_t shown(const fixture *made, const uint8_t *address);
bool is_shown(const fixture *made, const uint8_t *bytes, const uint8_t *address, size_t size);

static inline uint64_t
at(const void *address)
{
  return (uintptr_t)address;
}

#endif
