/* SPDX-License-Identifier: MIT */
/*
 * The five doors against their contracts, row by row. Runs over the real tracer, and over its
 * double; nothing here knows which.
 */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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

static int
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

static int
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

/* What the client view must show of the region. */
static uint8_t
shown(const fixture *made, const uint8_t *address)
{
  return address == made->native || address == made->both ? 0xcc : pattern(address);
}

static bool
is_shown(const fixture *made, const uint8_t *bytes, const uint8_t *address, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] != shown(made, address + i))
      return false;
  }
  return true;
}

static uint64_t
at(const void *address)
{
  return (uintptr_t)address;
}

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

/* ---- 000 ReadProcessMemory ---- */

static void
contract_000_whole_range(void **state)
{
  fixture *made = *state;
  const size_t sizes[] = {0, 1, 8, 200, 4096, 4097, 2 * PAGE};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint8_t *buffer = guarded_end(sizes[i]);
    SIZE_T read = 99;
    assert_true(ReadProcessMemory(made->handle, made->managed - 50, buffer, sizes[i], &read));
    assert_int_equal(read, sizes[i]);
    assert_true(is_shown(made, buffer, made->managed - 50, sizes[i]));
    guarded_free(buffer, sizes[i]);
  }
  BYTE byte;
  assert_true(ReadProcessMemory(made->handle, made->native, &byte, 1, NULL));
  assert_int_equal(byte, 0xcc);
}

static uint8_t *big_region;
#define BIG ((size_t)3 << 20)

static long
command_map_big(long with_hole)
{
  big_region = mmap((void *)0x300000000000, BIG, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  memset(big_region, 0x3c, BIG);
  return with_hole == 0 ? 0 : munmap(big_region + with_hole, PAGE);
}

static void
contract_000_any_byte_inaccessible(void **state)
{
  fixture *made = *state;
  const size_t sizes[] = {31, 5000, 3 * PAGE};
  for (size_t i = 0; i < 3; i++) {
    uint8_t *buffer = guarded_end(sizes[i]);
    SIZE_T read = 99;
    SetLastError(0);
    assert_false(ReadProcessMemory(made->handle, made->hole - 30, buffer, sizes[i], &read));
    assert_int_equal(GetLastError(), ERROR_PARTIAL_COPY);
    assert_int_equal(read, 0);
    assert_true(untouched(buffer, 0, sizes[i]));
    guarded_free(buffer, sizes[i]);
  }
  /* Longer than what travels through the library's buffer: settled before any transfer. */
  uint8_t *buffer = guarded_end(BIG);
  SIZE_T read = 99;
  assert_int_equal(child_run(made->child, command_map_big, (long)(BIG - 2 * PAGE)), 0);
  assert_false(ReadProcessMemory(made->handle, (void *)0x300000000000, buffer, BIG, &read));
  assert_int_equal(GetLastError(), ERROR_PARTIAL_COPY);
  assert_true(read == 0 && untouched(buffer, 0, BIG));
  assert_true(
      ReadProcessMemory(made->handle, (void *)0x300000000000, buffer, BIG - 2 * PAGE, &read));
  assert_int_equal(read, BIG - 2 * PAGE);
  assert_true(buffer[0] == 0x3c && buffer[BIG - 2 * PAGE - 1] == 0x3c);
  assert_true(untouched(buffer, BIG - 2 * PAGE, BIG));
  guarded_free(buffer, BIG);
}

static void
contract_000_rights(void **state)
{
  fixture *made = *state;
  BYTE byte = 0xa5;
  SIZE_T count = 99;
  DWORD pid = (DWORD)made->child->pid;
  HANDLE weak = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_WRITE, FALSE, pid);
  assert_non_null(weak);
  assert_false(ReadProcessMemory(weak, made->managed, &byte, 1, &count));
  assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
  assert_int_equal(count, 0);
  /* PROCESS_VM_OPERATION is missing. */
  assert_false(WriteProcessMemory(weak, made->managed, &byte, 1, &count));
  assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
  HANDLE reader = OpenProcess(PROCESS_VM_READ, FALSE, pid);
  MEMORY_BASIC_INFORMATION info;
  assert_true(ReadProcessMemory(reader, made->managed, &byte, 1, &count));
  assert_int_equal(VirtualQueryEx(reader, made->managed, &info, sizeof info), 0);
  assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
  assert_true(CloseHandle(weak) && CloseHandle(reader));
}

static void
contract_000_not_a_handle(void **state)
{
  fixture *made = *state;
  BYTE byte = 0xa5;
  HANDLE closed = OpenProcess(PROCESS_ALL_ACCESS, FALSE, (DWORD)made->child->pid);
  assert_true(CloseHandle(closed));
  HANDLE thread = NULL;
  assert_int_equal(cordbg_handle_for_thread(made->child->pid, made->child->pid, &thread, NULL),
                   S_OK);
  const HANDLE bad[] = {NULL, INVALID_HANDLE_VALUE, (HANDLE)0x1234, (HANDLE)3, closed, thread};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    SIZE_T read = 99;
    SetLastError(0);
    assert_false(ReadProcessMemory(bad[i], made->managed, &byte, 1, &read));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
    assert_int_equal(read, 0);
    if (bad[i] != thread)
      assert_false(CloseHandle(bad[i]));
  }
  assert_int_equal(cordbg_handle_process_id(thread), made->child->pid);
  assert_int_equal(cordbg_handle_thread_id(thread), made->child->pid);
  assert_int_equal(cordbg_handle_process_id(closed), 0);
  assert_true(CloseHandle(thread));
  assert_int_equal(byte, 0xa5);
}

static void
contract_000_arguments(void **state)
{
  fixture *made = *state;
  BYTE byte = 0xa5;
  SIZE_T read = 99;
  assert_false(ReadProcessMemory(made->handle, made->managed, NULL, 1, &read));
  assert_int_equal(GetLastError(), ERROR_NOACCESS);
  assert_int_equal(read, 0);
  assert_false(ReadProcessMemory(made->handle, (void *)UINTPTR_MAX, &byte, 2, &read));
  assert_int_equal(GetLastError(), ERROR_NOACCESS);
  assert_false(ReadProcessMemory(made->handle, made->managed, &byte, SIZE_MAX, &read));
  assert_int_equal(GetLastError(), ERROR_NOACCESS);
  assert_int_equal(byte, 0xa5);
  /* A success leaves the last error alone. */
  SetLastError(77);
  assert_true(ReadProcessMemory(made->handle, made->managed, &byte, 1, &read));
  assert_int_equal(GetLastError(), 77);
  assert_null(OpenProcess(PROCESS_VM_READ, FALSE, 0));
  assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
  assert_null(OpenProcess(PROCESS_VM_READ, FALSE, 0x7ffffff0));
  assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
}

static void
contract_000_process_gone(void **state)
{
  fixture *made = *state;
  BYTE byte = 0xa5;
  SIZE_T read = 99;
  child_kill(made->child);
  assert_false(ReadProcessMemory(made->handle, made->managed, &byte, 1, &read));
  assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
  assert_true(read == 0 && byte == 0xa5);
  waitpid(made->child->pid, NULL, 0);
  assert_false(ReadProcessMemory(made->handle, made->managed, &byte, 1, &read));
  assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
  assert_false(WriteProcessMemory(made->handle, made->managed, &byte, 1, &read));
  assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
}

static void
contract_000_the_kernel_refuses(void **state)
{
  fixture *made = *state;
  if (geteuid() != 0) {
    print_message("SKIP: only root can become another user\n");
    skip();
  }
  cordbg_target_retire(made->target); /* the child's own look at a process without a session */
  pid_t user = fork();
  if (user == 0) {
    BYTE byte = 0xa5;
    SIZE_T read = 99;
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
      _exit(2);
    HANDLE handle = OpenProcess(PROCESS_ALL_ACCESS, FALSE, (DWORD)made->child->pid);
    bool refused = handle != NULL && !ReadProcessMemory(handle, made->managed, &byte, 1, &read) &&
                   GetLastError() == ERROR_ACCESS_DENIED && read == 0 && byte == 0xa5 &&
                   !WriteProcessMemory(handle, made->managed, &byte, 1, &read) &&
                   GetLastError() == ERROR_ACCESS_DENIED;
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  waitpid(user, &status, 0);
  assert_int_equal(status, 0);
}

static void
contract_000_a_process_without_a_session(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  HANDLE handle = OpenProcess(PROCESS_ALL_ACCESS, FALSE, (DWORD)child->pid);
  uint8_t *buffer = guarded_end(300);
  SIZE_T count = 99;
  assert_true(ReadProcessMemory(handle, child->region, buffer, 300, &count));
  assert_true(count == 300 && is_pattern(buffer, child->region, 300));
  /* Read-only pages, too. */
  assert_int_equal(child_run(child, command_protect_read, (long)child->region), 0);
  assert_true(WriteProcessMemory(handle, child->region + 10, "\x01\x02\xcc", 3, &count));
  assert_int_equal(count, 3);
  assert_true(ReadProcessMemory(handle, child->region + 10, buffer, 3, &count));
  assert_memory_equal(buffer, "\x01\x02\xcc", 3);
  assert_int_equal(child_run(child, command_unmap, (long)(child->region + PAGE)), 0);
  assert_false(WriteProcessMemory(handle, child->region + PAGE - 2, buffer, 4, &count));
  assert_int_equal(GetLastError(), ERROR_PARTIAL_COPY);
  assert_int_equal(count, 0);
  guarded_free(buffer, 300);
  assert_true(CloseHandle(handle));
  child_end(child);
}

static void
contract_000_write_behind_the_traps(void **state)
{
  fixture *made = *state;
  SIZE_T count = 99;
  BYTE bytes[2];
  assert_true(WriteProcessMemory(made->handle, made->managed, "\x21\x22", 2, &count));
  assert_int_equal(count, 2);
  assert_true(ReadProcessMemory(made->handle, made->managed, bytes, 2, NULL));
  assert_memory_equal(bytes, "\x21\xcc", 2);
  cordbg_error error = {0};
  succeeded(cordbg_target_read_exact(made->target, CORDBG_VIEW_PRISTINE, at(made->managed), bytes,
                                     2, &error),
            &error);
  assert_memory_equal(bytes, "\x21\x22", 2);
  succeeded(
      cordbg_target_read_exact(made->target, CORDBG_VIEW_RAW, at(made->managed), bytes, 2, &error),
      &error);
  assert_memory_equal(bytes, "\xcc\xcc", 2);
  /* Nothing is written of a range that is not writable as a whole. */
  assert_false(WriteProcessMemory(made->handle, made->hole - 1, "\x21\x22", 2, &count));
  assert_int_equal(GetLastError(), ERROR_PARTIAL_COPY);
  assert_int_equal(count, 0);
  assert_true(ReadProcessMemory(made->handle, made->hole - 1, bytes, 1, NULL));
  assert_int_equal(bytes[0], pattern(made->hole - 1));
}

static void
contract_000_virtual_query(void **state)
{
  fixture *made = *state;
  MEMORY_BASIC_INFORMATION info;
  assert_int_equal(sizeof info, 48);
  assert_int_equal(VirtualQueryEx(made->handle, made->hole - PAGE + 5, &info, sizeof info), 48);
  assert_ptr_equal(info.BaseAddress, made->hole - PAGE);
  assert_int_equal(info.RegionSize, PAGE);
  assert_int_equal(info.State, MEM_COMMIT);
  assert_int_equal(info.Protect, PAGE_READWRITE);
  assert_int_equal(info.Type, MEM_PRIVATE);
  assert_int_equal(VirtualQueryEx(made->handle, made->hole, &info, sizeof info), 48);
  assert_int_equal(info.Protect, PAGE_NOACCESS);
  assert_int_equal(info.State, MEM_COMMIT);
  assert_int_equal(VirtualQueryEx(made->handle, (void *)0x1000, &info, sizeof info), 48);
  assert_int_equal(info.State, MEM_FREE);
  assert_ptr_equal(info.BaseAddress, 0x1000);
  assert_int_equal(VirtualQueryEx(made->handle, (void *)(uintptr_t)contract_000_virtual_query,
                                  &info, sizeof info),
                   48);
  assert_int_equal(info.Protect, PAGE_EXECUTE_READ);
  assert_int_equal(info.Type, MEM_IMAGE);
  assert_true((uintptr_t)info.AllocationBase < (uintptr_t)info.BaseAddress);
  BYTE magic[4];
  assert_true(ReadProcessMemory(made->handle, info.AllocationBase, magic, 4, NULL));
  assert_memory_equal(magic, "\177ELF", 4);
  assert_int_equal(VirtualQueryEx(made->handle, (void *)0x8000000000000000, &info, sizeof info), 0);
  assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
  assert_int_equal(VirtualQueryEx(made->handle, made->hole, &info, 47), 0);
  assert_int_equal(GetLastError(), ERROR_BAD_LENGTH);
  /* The whole space can be walked. */
  uint8_t *next = NULL;
  int regions = 0;
  while (VirtualQueryEx(made->handle, next, &info, sizeof info) != 0) {
    assert_true(info.RegionSize > 0);
    next = (uint8_t *)info.BaseAddress + info.RegionSize;
    regions++;
  }
  assert_true(regions > 20);
}

/* Written out by hand, since a 32-bit compiler is seldom there: writes its first byte, then pauses.
 */
static const uint8_t program32[] = {
    /* ELF header */
    0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0x80,
    0x04, 0x08, 52, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    /* one segment, all of the file at 0x08048000 */
    1, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x80, 0x04, 0x08, 0x00, 0x80, 0x04, 0x08, 118, 0, 0, 0, 118, 0, 0,
    0, 5, 0, 0, 0, 0, 0x10, 0, 0,
    /* write(1, 0x08048000, 1); for (;;) pause(); */
    0xb8, 4, 0, 0, 0, 0xbb, 1, 0, 0, 0, 0xb9, 0x00, 0x80, 0x04, 0x08, 0xba, 1, 0, 0, 0, 0xcd, 0x80,
    0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7, 0, 0, 0};
_Static_assert(sizeof program32 == 118, "the segment's size");

static void
contract_000_a_32_bit_process_is_read(void **state)
{
  (void)state;
  int ready[2];
  assert_int_equal(pipe(ready), 0);
  pid_t pid = fork();
  if (pid == 0) {
    int fd = memfd_create("program32", MFD_CLOEXEC);
    char *const none[] = {NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ready[1], 1);
    close(ready[0]);
    close(ready[1]);
    alarm(60);
    if (write(fd, program32, sizeof program32) == sizeof program32)
      fexecve(fd, none, none);
    _exit(1);
  }
  close(ready[1]);
  char byte;
  ssize_t got = read(ready[0], &byte, 1);
  close(ready[0]);
  if (got != 1) {
    waitpid(pid, NULL, 0);
    print_message("SKIP: this kernel runs no 32-bit programs\n");
    skip();
  }
  uint8_t bytes[sizeof program32];
  SIZE_T read = 0;
  HANDLE handle = OpenProcess(PROCESS_ALL_ACCESS, FALSE, (DWORD)pid);
  assert_true(ReadProcessMemory(handle, (void *)0x08048000, bytes, sizeof bytes, &read));
  assert_int_equal(read, sizeof bytes);
  assert_memory_equal(bytes, program32, sizeof bytes);
  assert_true(CloseHandle(handle));
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

/* Starts a child under a pid that has just become free, or gives NULL. */
static test_child *
child_with_pid(pid_t wanted)
{
  for (int turn = 0; turn < 200; turn++) {
    FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
    if (last == NULL)
      return NULL;
    fprintf(last, "%d", wanted - 1);
    if (fclose(last) != 0)
      return NULL;
    test_child *child = child_start(NULL);
    if (child->pid == wanted)
      return child;
    child_end(child);
  }
  return NULL;
}

static void
contract_000_a_handle_stays_with_its_process_when_the_pid_is_used_again(void **state)
{
  (void)state;
  test_child *first = child_start(NULL);
  pid_t pid = first->pid;
  uint8_t *region = first->region;
  HANDLE old = OpenProcess(PROCESS_ALL_ACCESS, FALSE, (DWORD)pid);
  BYTE byte = 0;
  assert_true(ReadProcessMemory(old, region, &byte, 1, NULL));
  child_end(first);
  test_child *second = child_with_pid(pid);
  if (second == NULL) {
    CloseHandle(old);
    print_message("SKIP: the next pid cannot be chosen here (ns_last_pid)\n");
    skip();
  }
  cordbg_target *target = session_open(second);
  byte = 0xa5;
  assert_false(ReadProcessMemory(old, second->region, &byte, 1, NULL));
  assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
  assert_false(WriteProcessMemory(old, second->region, &byte, 1, NULL));
  assert_int_equal(GetLastError(), ERROR_ACCESS_DENIED);
  assert_int_equal(byte, 0xa5);
  HANDLE young = OpenProcess(PROCESS_ALL_ACCESS, FALSE, (DWORD)pid);
  assert_true(ReadProcessMemory(young, second->region, &byte, 1, NULL));
  assert_int_equal(byte, pattern(second->region));
  assert_true(CloseHandle(old) && CloseHandle(young));
  cordbg_target_unref(target);
  child_end(second);
}

/* ---- 001 WdbgExts ---- */

static void
contract_001_reading(void **state)
{
  fixture *made = *state;
  uint8_t *buffer = guarded_end(200);
  ULONG read = 99;
  assert_true(made->apis.lpReadProcessMemoryRoutine(at(made->managed), buffer, 200, &read));
  assert_true(read == 200 && is_shown(made, buffer, made->managed, 200));
  assert_true(made->apis64.lpReadProcessMemoryRoutine(at(made->managed), buffer, 8, NULL));
  memset(buffer, 0xa5, 200);
  assert_false(made->apis64.lpReadProcessMemoryRoutine(at(made->hole - 10), buffer, 20, &read));
  assert_true(read == 0 && untouched(buffer, 0, 200));
  assert_false(made->apis.lpReadProcessMemoryRoutine(at(made->hole), buffer, 1, NULL));
  assert_false(made->apis.lpReadProcessMemoryRoutine(at(made->managed), NULL, 1, NULL));
  assert_false(made->apis.lpReadProcessMemoryRoutine(UINT64_MAX, buffer, 2, NULL));
  guarded_free(buffer, 200);
}

static void
contract_001_writing(void **state)
{
  fixture *made = *state;
  ULONG written = 99;
  BYTE byte;
  assert_true(made->apis64.lpWriteProcessMemoryRoutine(at(made->managed), "\x31", 1, &written));
  assert_int_equal(written, 1);
  assert_true(made->apis64.lpReadProcessMemoryRoutine(at(made->managed), &byte, 1, NULL));
  assert_int_equal(byte, 0x31);
  cordbg_error error = {0};
  succeeded(
      cordbg_target_read_exact(made->target, CORDBG_VIEW_RAW, at(made->managed), &byte, 1, &error),
      &error);
  assert_int_equal(byte, 0xcc);
}

static void
contract_001_the_current_process_is_the_threads(void **state)
{
  fixture *made = *state;
  test_child *other = child_start(NULL);
  cordbg_target *target = session_open(other);
  BYTE byte;
  child_run(other, command_increment, (long)other->region);
  cordbg_wdbgexts_set_current(target, 0);
  assert_true(made->apis.lpReadProcessMemoryRoutine(at(other->region), &byte, 1, NULL));
  assert_int_equal(byte, (uint8_t)(pattern(other->region) + 1));
  cordbg_wdbgexts_set_current(NULL, 0);
  assert_false(made->apis.lpReadProcessMemoryRoutine(at(other->region), &byte, 1, NULL));
  cordbg_wdbgexts_set_current(made->target, 0);
  assert_true(made->apis.lpReadProcessMemoryRoutine(at(made->managed), &byte, 1, NULL));
  cordbg_target_unref(target);
  child_end(other);
}

static void
keep_text(void *data, const char *text)
{
  strcat(data, text);
}

static void
contract_001_every_member_is_filled_and_answers(void **state)
{
  fixture *made = *state;
  WINDBG_EXTENSION_APIS32 apis32 = {.nSize = sizeof apis32};
  char text[1000] = "";
  assert_int_equal(cordbg_wdbgexts_fill32(made->target, &apis32), S_OK);
  const void *const *members[] = {(const void *const *)&made->apis + 1,
                                  (const void *const *)&made->apis64 + 1,
                                  (const void *const *)&apis32 + 1};
  assert_true(sizeof made->apis == 12 * sizeof(void *) && sizeof apis32 == 12 * sizeof(void *));
  for (size_t i = 0; i < 3; i++) {
    for (size_t j = 0; j < 11; j++)
      assert_non_null(members[i][j]);
  }
  cordbg_wdbgexts_set_output(keep_text, text);
  made->apis.lpOutputRoutine("%d %s %I64x\n", 5, "five", (ULONG64)0x123456789a);
  assert_string_equal(text, "5 five 123456789a\n");
  text[0] = '\0';
  assert_int_equal(made->apis64.lpGetExpressionRoutine("0x1000 + 20 - 0n16"), 0x1010);
  assert_int_equal(made->apis64.lpGetExpressionRoutine("00007ff0`00001000"), 0x7ff000001000);
  assert_string_equal(text, "");
  assert_int_equal(made->apis64.lpGetExpressionRoutine("main"), 0);
  assert_non_null(strstr(text, "main"));
  char name[2000] = "x";
  ULONG64 displacement = 1;
  made->apis64.lpGetSymbolRoutine(at(made->managed), name, &displacement);
  assert_string_equal(name, "");
  assert_int_equal(displacement, at(made->managed));
  ULONG64 offset = (uintptr_t)contract_001_every_member_is_filled_and_answers;
  assert_true(made->apis64.lpDisasmRoutine(&offset, name, FALSE));
  assert_true(offset > (uintptr_t)contract_001_every_member_is_filled_and_answers);
  assert_true(strlen(name) > 20 && name[strlen(name) - 1] == '\n');
  assert_false(made->apis64.lpCheckControlCRoutine());
  cordbg_wdbgexts_interrupt(made->target);
  assert_true(made->apis64.lpCheckControlCRoutine());
  assert_false(made->apis64.lpCheckControlCRoutine());
  ULONG wide = 0;
  assert_true(made->apis64.lpIoctlRoutine(IG_IS_PTR64, &wide, sizeof wide));
  assert_int_equal(wide, 1);
  HANDLE handle = NULL;
  BYTE byte;
  assert_true(made->apis64.lpIoctlRoutine(IG_GET_CURRENT_PROCESS_HANDLE, &handle, sizeof handle));
  assert_true(ReadProcessMemory(handle, made->managed, &byte, 1, NULL));
  SEARCHMEMORY search = {.SearchAddress = at(made->child->region),
                         .SearchLength = REGION_SIZE,
                         .Pattern = (void *)(uintptr_t) "\x41\x42\x43\x44\x45",
                         .PatternLength = 5};
  assert_true(WriteProcessMemory(made->handle, made->hole + PAGE + 7, search.Pattern, 5, NULL));
  assert_true(made->apis64.lpIoctlRoutine(IG_SEARCH_MEMORY, &search, sizeof search));
  assert_int_equal(search.FoundAddress, at(made->hole + PAGE + 7));
  assert_false(made->apis64.lpIoctlRoutine(IG_READ_PHYSICAL, &search, sizeof search));
  EXTSTACKTRACE64 frame;
  assert_int_equal(made->apis64.lpStackTraceRoutine(0, 0, 0, &frame, 1), 0);
  cordbg_wdbgexts_set_output(NULL, NULL);
  made->apis.nSize = 1;
  assert_int_equal(cordbg_wdbgexts_fill(made->target, &made->apis), E_INVALIDARG);
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

/* ---- 004 IDebugDataSpaces4 ---- */

static void
contract_004_reading(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  uint8_t *buffer = guarded_end(200);
  ULONG read = 99;
  for (int uncached = 0; uncached < 2; uncached++) {
    HRESULT(*read_virtual)
    (IDebugDataSpaces4 *, ULONG64, PVOID, ULONG, PULONG) =
        uncached ? spaces->lpVtbl->ReadVirtualUncached : spaces->lpVtbl->ReadVirtual;
    memset(buffer, 0xa5, 200);
    assert_int_equal(read_virtual(spaces, at(made->managed), buffer, 200, &read), S_OK);
    assert_true(read == 200 && is_shown(made, buffer, made->managed, 200));
    memset(buffer, 0xa5, 200);
    assert_int_equal(read_virtual(spaces, at(made->hole - 30), buffer, 200, &read), S_OK);
    assert_true(read == 30 && untouched(buffer, 30, 200));
    memset(buffer, 0xa5, 200);
    assert_int_equal(read_virtual(spaces, at(made->hole), buffer, 200, &read), READ_FAULT);
    assert_true(read == 0 && untouched(buffer, 0, 200));
    read = 99;
    assert_int_equal(read_virtual(spaces, at(made->managed), buffer, 0, &read), S_OK);
    assert_int_equal(read, 0);
    assert_int_equal(read_virtual(spaces, at(made->managed), buffer, 1, NULL), S_OK);
    assert_int_equal(read_virtual(spaces, UINT64_MAX, buffer, 2, &read), E_INVALIDARG);
    assert_int_equal(read_virtual(spaces, at(made->managed), NULL, 1, &read), E_INVALIDARG);
  }
  guarded_free(buffer, 200);
}

static void
contract_004_process_gone(void **state)
{
  fixture *made = *state;
  BYTE byte;
  ULONG count = 99;
  child_kill(made->child);
  assert_int_equal(
      made->spaces->lpVtbl->ReadVirtual(made->spaces, at(made->managed), &byte, 1, &count),
      E_UNEXPECTED);
  assert_int_equal(count, 0);
}

static void
contract_004_pointers_and_writing(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  ULONG64 pointers[3] = {1, 2, 3}, back[3] = {0};
  ULONG count = 99;
  uint8_t *place = made->child->region + 2 * PAGE;
  assert_int_equal(spaces->lpVtbl->WritePointersVirtual(spaces, 3, at(place), pointers), S_OK);
  assert_int_equal(spaces->lpVtbl->ReadPointersVirtual(spaces, 3, at(place), back), S_OK);
  assert_memory_equal(pointers, back, sizeof back);
  back[0] = 77;
  assert_int_equal(spaces->lpVtbl->ReadPointersVirtual(spaces, 3, at(made->hole - 8), back),
                   READ_FAULT);
  assert_int_equal(back[0], 77);
  assert_int_equal(spaces->lpVtbl->WriteVirtual(spaces, at(made->managed),
                                                (void *)(uintptr_t) "\x51", 1, &count),
                   S_OK);
  assert_int_equal(count, 1);
  BYTE byte;
  assert_int_equal(spaces->lpVtbl->ReadVirtual(spaces, at(made->managed), &byte, 1, NULL), S_OK);
  assert_int_equal(byte, 0x51);
  assert_int_equal(child_run(made->child, command_unmap, (long)made->hole), 0);
  assert_int_equal(
      spaces->lpVtbl->WriteVirtualUncached(spaces, at(made->hole - 1), pointers, 8, &count), S_OK);
  assert_int_equal(count, 1);
  assert_int_equal(spaces->lpVtbl->WriteVirtual(spaces, at(made->hole), pointers, 8, &count),
                   HRESULT_FROM_WIN32(ERROR_WRITE_FAULT));
  assert_int_equal(count, 0);
  assert_int_equal(
      spaces->lpVtbl->FillVirtual(spaces, at(place), 10, (void *)(uintptr_t) "abc", 3, &count),
      S_OK);
  assert_int_equal(count, 10);
  char text[11] = "";
  assert_int_equal(spaces->lpVtbl->ReadVirtual(spaces, at(place), text, 10, NULL), S_OK);
  assert_string_equal(text, "abcabcabca");
}

static void
contract_004_what_is_where(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  MEMORY_BASIC_INFORMATION64 info;
  assert_int_equal(sizeof info, 48);
  assert_int_equal(spaces->lpVtbl->QueryVirtual(spaces, at(made->hole), &info), S_OK);
  assert_true(info.BaseAddress == at(made->hole) && info.Protect == PAGE_NOACCESS);
  ULONG64 base = 0, next = 0;
  ULONG size = 0, source = 99;
  assert_int_equal(
      spaces->lpVtbl->GetValidRegionVirtual(spaces, at(made->hole - 100), 200, &base, &size), S_OK);
  assert_true(base == at(made->hole - 100) && size == 100);
  assert_int_equal(
      spaces->lpVtbl->GetValidRegionVirtual(spaces, at(made->hole), 2 * PAGE, &base, &size), S_OK);
  assert_true(base == at(made->hole + PAGE) && size == PAGE);
  assert_int_equal(
      spaces->lpVtbl->GetValidRegionVirtual(spaces, at(made->hole), PAGE, &base, &size),
      READ_FAULT);
  assert_int_equal(
      spaces->lpVtbl->GetNextDifferentlyValidOffsetVirtual(spaces, at(made->hole - 1), &next),
      S_OK);
  assert_int_equal(next, at(made->hole));
  assert_int_equal(
      spaces->lpVtbl->GetNextDifferentlyValidOffsetVirtual(spaces, at(made->hole), &next), S_OK);
  assert_int_equal(next, at(made->hole + PAGE));
  assert_int_equal(spaces->lpVtbl->GetOffsetInformation(spaces, DEBUG_DATA_SPACE_VIRTUAL,
                                                        DEBUG_OFFSINFO_VIRTUAL_SOURCE,
                                                        at(made->managed), &source, 4, &size),
                   S_OK);
  assert_true(source == DEBUG_VSOURCE_DEBUGGEE && size == 4);
  assert_int_equal(spaces->lpVtbl->GetOffsetInformation(spaces, DEBUG_DATA_SPACE_VIRTUAL,
                                                        DEBUG_OFFSINFO_VIRTUAL_SOURCE,
                                                        at(made->hole), &source, 4, NULL),
                   S_OK);
  assert_int_equal(source, DEBUG_VSOURCE_INVALID);
}

static void
contract_004_searching_and_strings(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  const struct IDebugDataSpaces4Vtbl *vtbl = spaces->lpVtbl;
  uint8_t *place = made->hole + 3 * PAGE - 3; /* across two pages, behind a hole */
  static char needle[] = "a n\xc3\xa9"
                         "edle";
  ULONG64 match = 0;
  assert_int_equal(vtbl->WriteVirtual(spaces, at(place), needle, sizeof needle, NULL), S_OK);
  assert_int_equal(
      vtbl->SearchVirtual(spaces, at(made->child->region), REGION_SIZE, needle, 6, 1, &match),
      S_OK);
  assert_int_equal(match, at(place));
  assert_int_equal(vtbl->SearchVirtual2(spaces, at(place) - 8, 100, DEBUG_VSEARCH_WRITABLE_ONLY,
                                        needle, 6, 8, &match),
                   S_OK);
  assert_int_equal(vtbl->SearchVirtual(spaces, at(place) - 7, 100, needle, 6, 8, &match),
                   NO_MORE_ENTRIES);
  char text[32];
  WCHAR wide[32];
  ULONG bytes = 0;
  assert_int_equal(vtbl->ReadMultiByteStringVirtual(spaces, at(place), 100, text, 32, &bytes),
                   S_OK);
  assert_string_equal(text, needle);
  assert_int_equal(bytes, sizeof needle);
  assert_int_equal(vtbl->ReadMultiByteStringVirtual(spaces, at(place), 100, text, 4, &bytes),
                   S_FALSE);
  assert_string_equal(text, "a n");
  assert_int_equal(
      vtbl->ReadMultiByteStringVirtualWide(spaces, at(place), 100, CP_UTF8, wide, 32, &bytes),
      S_OK);
  assert_int_equal(wide[3], 0xe9);
  assert_int_equal(vtbl->WriteVirtual(spaces, at(place), wide, sizeof wide, NULL), S_OK);
  assert_int_equal(
      vtbl->ReadUnicodeStringVirtual(spaces, at(place), 100, CP_UTF8, text, 32, &bytes), S_OK);
  assert_string_equal(text, needle);
  WCHAR again[32];
  assert_int_equal(vtbl->ReadUnicodeStringVirtualWide(spaces, at(place), 100, again, 32, &bytes),
                   S_OK);
  assert_memory_equal(again, wide, 2 * (sizeof needle - 1));
  assert_int_equal(vtbl->ReadMultiByteStringVirtual(spaces, at(made->hole), 9, text, 32, NULL),
                   READ_FAULT);
}

static void
contract_004_one_object_four_interfaces(void **state)
{
  fixture *made = *state;
  const IID *iids[] = {&IID_IDebugDataSpaces, &IID_IDebugDataSpaces2, &IID_IDebugDataSpaces3,
                       &IID_IDebugDataSpaces4, &IID_IUnknown};
  for (size_t i = 0; i < 5; i++) {
    IDebugDataSpaces *face = NULL;
    BYTE byte;
    assert_int_equal(made->spaces->lpVtbl->QueryInterface(made->spaces, iids[i], (void **)&face),
                     S_OK);
    if (i < 4)
      assert_int_equal(face->lpVtbl->ReadVirtual(face, at(made->managed), &byte, 1, NULL), S_OK);
    face->lpVtbl->Release(face);
  }
  void *none = (void *)1;
  assert_int_equal(cordbg_data_spaces_create(made->target, &IID_IStream, &none), E_NOINTERFACE);
  assert_null(none);
  ULONG read = 99;
  BYTE byte = 0xa5;
  assert_int_equal(made->spaces->lpVtbl->ReadPhysical(made->spaces, 0, &byte, 1, &read), E_NOTIMPL);
  assert_true(read == 99 && byte == 0xa5);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(contract_003_whole_range),
      TEST(contract_003_traps_of_each_layer),
      TEST(contract_003_meets_a_hole),
      TEST(contract_003_first_byte_unreadable),
      TEST(contract_003_arguments),
      TEST(contract_003_write_behind_the_traps),
      TEST(row_19_a_block_read_and_written_back_changes_nothing),
      TEST(contract_003_write_errors),
      TEST(contract_000_whole_range),
      TEST(contract_000_any_byte_inaccessible),
      TEST(contract_000_rights),
      TEST(contract_000_not_a_handle),
      TEST(contract_000_arguments),
      TEST(contract_000_process_gone),
      TEST(contract_000_the_kernel_refuses),
      cmocka_unit_test(contract_000_a_process_without_a_session),
      TEST(contract_000_write_behind_the_traps),
      TEST(contract_000_virtual_query),
      cmocka_unit_test(contract_000_a_32_bit_process_is_read),
      cmocka_unit_test(contract_000_a_handle_stays_with_its_process_when_the_pid_is_used_again),
      TEST(contract_001_reading),
      TEST(contract_001_writing),
      TEST(contract_001_the_current_process_is_the_threads),
      TEST(contract_001_every_member_is_filled_and_answers),
      TEST(contract_002_as_much_as_possible),
      TEST(contract_004_reading),
      TEST(contract_004_process_gone),
      TEST(contract_004_pointers_and_writing),
      TEST(contract_004_what_is_where),
      TEST(contract_004_searching_and_strings),
      TEST(contract_004_one_object_four_interfaces),
      TEST(row_43_all_doors_show_the_same_bytes),
      TEST(row_42_each_door_shows_a_byte_changed_from_outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
