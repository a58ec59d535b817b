/* SPDX-License-Identifier: MIT */
/*
 * The Win32 door against its contract, row by row.
 * Runs over the real tracer, and over its double; nothing here knows which.
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

#include "tests/live/memory-fixture.h"

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

int
main(void)
{
  const struct CMUnitTest tests[] = {
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
