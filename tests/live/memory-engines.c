/* SPDX-License-Identifier: MIT */
/*
 * The debugger engines' doors, WdbgExts and DbgEng, against their contracts, row by row.
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

int main(void);

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
  assert_int_equal(made->apis64.lpGetExpressionRoutine("main"), (uintptr_t)main);
  assert_string_equal(text, "");
  assert_int_equal(made->apis64.lpGetExpressionRoutine("no_such_name"), 0);
  assert_string_equal(text, "Couldn't resolve error at 'no_such_name'\n");
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
  cordbg_wdbgexts_set_output(NULL, NULL);
  made->apis.nSize = 1;
  assert_int_equal(cordbg_wdbgexts_fill(made->target, &made->apis), E_INVALIDARG);
}

#ifndef MEMORY_DOUBLE
static void
contract_001_contexts_of_a_stopped_target(void **state)
{
  fixture *made = *state;
  cordbg_tracer *tracer = cordbg_target_tracer(made->target);
  cordbg_reply_stop stopped;
  cordbg_error error = {0};
  CONTEXT context, again;
  MEMORY_BASIC_INFORMATION info;
  assert_false(made->apis64.lpGetThreadContextRoutine(0, &context, 100));
  succeeded(cordbg_tracer_stop(tracer, &stopped, &error), &error);
  assert_true(made->apis64.lpGetThreadContextRoutine(0, &context, sizeof context));
  assert_true(VirtualQueryEx(made->handle, (void *)context.Rip, &info, sizeof info));
  assert_int_equal(info.Protect, PAGE_EXECUTE_READ);
  assert_true(VirtualQueryEx(made->handle, (void *)context.Rsp, &info, sizeof info));
  assert_int_equal(info.Protect, PAGE_READWRITE);
  /* Changed, seen by its thread id, and put back. */
  context.R12 ^= 0x1234;
  context.FltSave.XmmRegisters[7].Low ^= 0x5678;
  assert_true(made->apis64.lpSetThreadContextRoutine(0, &context, sizeof context));
  assert_true(
      made->apis64.lpGetThreadContextRoutine((ULONG)made->child->pid, &again, sizeof again));
  assert_int_equal(again.R12, context.R12);
  assert_int_equal(again.Rip, context.Rip);
  assert_int_equal(again.FltSave.XmmRegisters[7].Low, context.FltSave.XmmRegisters[7].Low);
  context.R12 ^= 0x1234;
  context.FltSave.XmmRegisters[7].Low ^= 0x5678;
  assert_true(made->apis64.lpSetThreadContextRoutine(0, &context, sizeof context));
  assert_false(made->apis64.lpGetThreadContextRoutine(1, &again, sizeof again));
  succeeded(cordbg_tracer_continue(tracer, &error), &error);
  assert_true(child_run(made->child, command_increment, (long)made->child->region) >= 0);
}
#endif

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

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(contract_001_reading),
      TEST(contract_001_writing),
      TEST(contract_001_the_current_process_is_the_threads),
      TEST(contract_001_every_member_is_filled_and_answers),
#ifndef MEMORY_DOUBLE
      TEST(contract_001_contexts_of_a_stopped_target),
#endif
      TEST(contract_004_reading),
      TEST(contract_004_process_gone),
      TEST(contract_004_pointers_and_writing),
      TEST(contract_004_what_is_where),
      TEST(contract_004_searching_and_strings),
      TEST(contract_004_one_object_four_interfaces),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
