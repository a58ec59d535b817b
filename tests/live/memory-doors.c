/* SPDX-License-Identifier: MIT */
/*
 * ICorDebug's and DbgHelp's doors against their contracts, row by row, and all five compared.
 * Runs over the real tracer, and over its double; nothing here knows which.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/live/memory-fixture.h"

/* ---- 003 ICorDebugProcess::ReadMemory, WriteMemory ---- */

static HRESULT
read_memory(fixture *made, const void *address, DWORD size, void *buffer, SIZE_T *read)
{
  return cordbg_icordebug_read_memory(made->target, at(address), size, buffer, read);
}

static void
contract_003_whole_range(void **state)
{
  fixture *made = *state;
  uint8_t *buffer = guarded_end(200);
  SIZE_T read = 0;
  assert_int_equal(read_memory(made, made->managed - 50, 200, buffer, &read), S_OK);
  assert_int_equal(read, 200);
  assert_true(is_shown(made, buffer, made->managed - 50, 200));
  guarded_free(buffer, 200);
}

static void
contract_003_traps_of_each_layer(void **state)
{
  fixture *made = *state;
  const uint8_t *sites[] = {made->managed, made->native, made->both, made->internal};
  for (size_t i = 0; i < 4; i++) {
    BYTE byte = 0;
    SIZE_T read;
    assert_int_equal(read_memory(made, sites[i], 1, &byte, &read), S_OK);
    assert_int_equal(byte, shown(made, sites[i]));
    assert_int_equal(
        cordbg_icordebug_read_view(made->target, CORDBG_VIEW_RAW, at(sites[i]), 1, &byte, &read),
        S_OK);
    assert_int_equal(byte, 0xcc);
    assert_int_equal(cordbg_icordebug_read_view(made->target, CORDBG_VIEW_PRISTINE, at(sites[i]), 1,
                                                &byte, &read),
                     S_OK);
    assert_int_equal(byte, pattern(sites[i]));
  }
}

static void
contract_003_meets_a_hole(void **state)
{
  fixture *made = *state;
  uint8_t *buffer = guarded_end(100);
  SIZE_T read = 99;
  assert_int_equal(read_memory(made, made->hole - 30, 100, buffer, &read), PARTIAL_COPY);
  assert_int_equal(read, 30);
  assert_true(is_shown(made, buffer, made->hole - 30, 30) && untouched(buffer, 30, 100));
  assert_int_equal(cordbg_error_last()->hr, PARTIAL_COPY);
  assert_int_equal(cordbg_error_last()->address, at(made->hole));
  guarded_free(buffer, 100);
}

static void
contract_003_first_byte_unreadable(void **state)
{
  fixture *made = *state;
  uint8_t *buffer = guarded_end(100);
  SIZE_T read = 99;
  assert_int_equal(read_memory(made, made->hole, 100, buffer, &read), CORDBG_E_READVIRTUAL_FAILURE);
  assert_int_equal((uint32_t)CORDBG_E_READVIRTUAL_FAILURE, 0x80131c49);
  assert_int_equal(read, 0);
  assert_true(untouched(buffer, 0, 100));
  guarded_free(buffer, 100);
}

static void
contract_003_arguments(void **state)
{
  fixture *made = *state;
  BYTE byte = 0xa5;
  SIZE_T read = 99;
  assert_int_equal(read_memory(made, made->managed, 0, &byte, &read), S_OK);
  assert_int_equal(read, 0);
  read = 99;
  assert_int_equal(read_memory(made, made->managed, 0, NULL, &read), S_OK);
  assert_int_equal(read, 0);
  const struct {
    uint64_t address;
    DWORD size;
    BYTE *buffer;
  } bad[] = {
      {0, 1, &byte},
      {UINT64_MAX, 2, &byte},
      {UINT64_MAX - 10, UINT32_MAX, &byte},
      {at(made->managed), 1, NULL},
  };
  for (size_t i = 0; i < 4; i++) {
    read = 99;
    assert_int_equal(cordbg_icordebug_read_memory(made->target, bad[i].address, bad[i].size,
                                                  bad[i].buffer, &read),
                     E_INVALIDARG);
    assert_int_equal(read, 0);
    assert_int_equal(byte, 0xa5);
  }
  assert_int_equal(read_memory(made, made->managed, 1, &byte, NULL), S_OK);
  assert_int_equal(byte, pattern(made->managed));
  assert_int_equal(read_memory(made, made->hole, 1, &byte, NULL), CORDBG_E_READVIRTUAL_FAILURE);
}

static void
contract_003_write_behind_the_traps(void **state)
{
  fixture *made = *state;
  const BYTE data[4] = {0x11, 0xcc, 0xcc, 0x44};
  SIZE_T written = 99;
  BYTE bytes[4];
  SIZE_T read;
  assert_int_equal(
      cordbg_icordebug_write_memory(made->target, at(made->managed), 4, data, &written), S_OK);
  assert_int_equal(written, 4);
  /* Rows 17, 19: the new bytes are the originals now; a trap's byte at a native patch changed
     nothing; every trap still stands. */
  assert_int_equal(cordbg_icordebug_read_view(made->target, CORDBG_VIEW_PRISTINE, at(made->managed),
                                              4, bytes, &read),
                   S_OK);
  const BYTE pristine[4] = {0x11, pattern(made->native), pattern(made->both), 0x44};
  assert_memory_equal(bytes, pristine, 4);
  assert_int_equal(
      cordbg_icordebug_read_view(made->target, CORDBG_VIEW_RAW, at(made->managed), 4, bytes, &read),
      S_OK);
  assert_memory_equal(bytes, ((BYTE[4]){0xcc, 0xcc, 0xcc, 0xcc}), 4);
  lift(made->target, CORDBG_LAYER_MANAGED, made->managed);
  lift(made->target, CORDBG_LAYER_NATIVE, made->native);
  assert_int_equal(
      cordbg_icordebug_read_view(made->target, CORDBG_VIEW_RAW, at(made->managed), 2, bytes, &read),
      S_OK);
  assert_memory_equal(bytes, pristine, 2);
}

static void
row_19_a_block_read_and_written_back_changes_nothing(void **state)
{
  fixture *made = *state;
  BYTE before[300], after[300], block[300];
  SIZE_T count;
  const uint8_t *from = made->managed - 100;
  assert_int_equal(
      cordbg_icordebug_read_view(made->target, CORDBG_VIEW_PRISTINE, at(from), 300, before, &count),
      S_OK);
  assert_int_equal(read_memory(made, from, 300, block, &count), S_OK);
  assert_int_equal(cordbg_icordebug_write_memory(made->target, at(from), 300, block, &count), S_OK);
  assert_int_equal(
      cordbg_icordebug_read_view(made->target, CORDBG_VIEW_PRISTINE, at(from), 300, after, &count),
      S_OK);
  assert_memory_equal(before, after, 300);
  assert_int_equal(read_memory(made, from, 300, after, &count), S_OK);
  assert_memory_equal(block, after, 300);
}

static void
contract_003_write_errors(void **state)
{
  fixture *made = *state;
  BYTE data[4 * PAGE];
  memset(data, 0x42, sizeof data);
  SIZE_T written = 99;
  uint8_t *end = made->child->region + 10 * PAGE;
  assert_int_equal(child_run(made->child, command_unmap, (long)end), 0);
  assert_int_equal(cordbg_icordebug_write_memory(made->target, at(end - 20), 100, data, &written),
                   PARTIAL_COPY);
  assert_int_equal(written, 20);
  assert_int_equal(cordbg_icordebug_write_memory(made->target, at(end), 100, data, &written),
                   CORDBG_E_WRITEVIRTUAL_FAILURE);
  assert_int_equal(written, 0);
  assert_int_equal(cordbg_icordebug_write_memory(made->target, at(end), 0, NULL, &written), S_OK);
  written = 99;
  assert_int_equal(cordbg_icordebug_write_memory(made->target, 0, 1, data, &written), E_INVALIDARG);
  assert_int_equal(written, 0);
  assert_int_equal(cordbg_icordebug_write_memory(made->target, at(end), 1, NULL, NULL),
                   E_INVALIDARG);
  assert_int_equal(cordbg_icordebug_write_memory(made->target, UINT64_MAX, 2, data, NULL),
                   E_INVALIDARG);
}

/* ---- 002 DbgHelp's callback ---- */

static void
contract_002_as_much_as_possible(void **state)
{
  fixture *made = *state;
  PREAD_PROCESS_MEMORY_ROUTINE64 read_routine = cordbg_ReadProcessMemoryProc64;
  uint8_t *buffer = guarded_end(200);
  DWORD read = 99;
  assert_true(read_routine(made->handle, at(made->managed), buffer, 200, &read));
  assert_true(read == 200 && is_shown(made, buffer, made->managed, 200));
  memset(buffer, 0xa5, 200);
  assert_true(read_routine(made->handle, at(made->hole - 30), buffer, 200, &read));
  assert_true(read == 30 && is_shown(made, buffer, made->hole - 30, 30));
  assert_true(untouched(buffer, 30, 200));
  assert_false(read_routine(made->handle, at(made->hole), buffer, 200, &read));
  assert_int_equal(read, 0);
  assert_int_equal(GetLastError(), ERROR_PARTIAL_COPY);
  assert_false(read_routine(made->handle, at(made->managed), buffer, 0, &read));
  assert_false(read_routine(made->handle, at(made->managed), NULL, 1, &read));
  assert_false(read_routine(made->handle, UINT64_MAX, buffer, 2, &read));
  assert_false(read_routine(NULL, at(made->managed), buffer, 1, &read));
  assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
  assert_true(read_routine(made->handle, at(made->managed), buffer, 1, NULL));
  guarded_free(buffer, 200);
}

/* ---- all five ---- */

static void
row_43_all_doors_show_the_same_bytes(void **state)
{
  fixture *made = *state;
  uint64_t seed = test_seed();
  for (int i = 0; i < 2000; i++) {
    uint8_t *from = made->child->region + test_random(&seed) % (6 * PAGE);
    if (i % 3 == 0)
      from = made->managed - test_random(&seed) % 20;
    DWORD size = (DWORD)(1 + test_random(&seed) % 300);
    uint8_t bytes[5][300];
    memset(bytes, 0xa5, sizeof bytes);
    SIZE_T memory = 0, process = 0;
    ULONG extension = 0, spaces = 0;
    DWORD helper = 0;
    HRESULT hr = read_memory(made, from, size, bytes[0], &memory);
    BOOL rpm = ReadProcessMemory(made->handle, from, bytes[1], size, &process);
    ULONG ext = made->apis64.lpReadProcessMemoryRoutine(at(from), bytes[2], size, &extension);
    BOOL help = cordbg_ReadProcessMemoryProc64(made->handle, at(from), bytes[3], size, &helper);
    HRESULT data =
        made->spaces->lpVtbl->ReadVirtual(made->spaces, at(from), bytes[4], size, &spaces);
    assert_true(is_shown(made, bytes[0], from, memory) && untouched(bytes[0], memory, 300));
    assert_memory_equal(bytes[3], bytes[0], 300);
    assert_memory_equal(bytes[4], bytes[0], 300);
    assert_true(helper == memory && spaces == memory);
    assert_int_equal(help, memory > 0);
    assert_int_equal(data, memory > 0 ? S_OK : READ_FAULT);
    assert_int_equal(hr, memory == size ? S_OK
                         : memory > 0   ? PARTIAL_COPY
                                        : CORDBG_E_READVIRTUAL_FAILURE);
    assert_true(rpm == (memory == size) && ext == (ULONG)(memory == size));
    assert_true(process == (rpm ? size : 0) && extension == (rpm ? size : 0));
    assert_true(rpm ? memcmp(bytes[1], bytes[0], 300) == 0 : untouched(bytes[1], 0, 300));
    assert_memory_equal(bytes[2], bytes[1], 300);
  }
}

static void
row_42_each_door_shows_a_byte_changed_from_outside(void **state)
{
  fixture *made = *state;
  uint8_t *place = made->child->region + 2 * PAGE;
  for (int i = 0; i < 20; i++) {
    long now = child_run(made->child, command_increment, (long)place);
    BYTE bytes[5] = {0};
    assert_int_equal(read_memory(made, place, 1, &bytes[0], NULL), S_OK);
    assert_true(ReadProcessMemory(made->handle, place, &bytes[1], 1, NULL));
    assert_true(made->apis.lpReadProcessMemoryRoutine(at(place), &bytes[2], 1, NULL));
    assert_true(cordbg_ReadProcessMemoryProc64(made->handle, at(place), &bytes[3], 1, NULL));
    assert_int_equal(made->spaces->lpVtbl->ReadVirtual(made->spaces, at(place), &bytes[4], 1, NULL),
                     S_OK);
    for (int door = 0; door < 5; door++)
      assert_int_equal(bytes[door], now);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(contract_003_whole_range),
      TEST(contract_003_traps_of_each_layer),
      TEST(contract_003_meets_a_hole),
      TEST(contract_003_first_byte_unreadable),
      TEST(contract_003_arguments),
      TEST(contract_003_write_behind_the_traps),
      TEST(row_19_a_block_read_and_written_back_changes_nothing),
      TEST(contract_003_write_errors),
      TEST(contract_002_as_much_as_possible),
      TEST(row_43_all_doors_show_the_same_bytes),
      TEST(row_42_each_door_shows_a_byte_changed_from_outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
