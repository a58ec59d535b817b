/* SPDX-License-Identifier: MIT */
/*
 * Contract 004 beyond its rows: searches, regions and strings of a process with traps and holes,
 * compared with naive models over what the test knows of the process.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/live/memory-fixture.h"

#define TEXT(text) ((void *)(uintptr_t)(text))

/* What the doors must show of the region; pages that cannot be read, or not be written. */
typedef struct model {
  uint8_t bytes[REGION_SIZE];
  bool hidden[REGION_PAGES], fixed[REGION_PAGES];
} model;

/*
 * A region of two letters only, so that patterns abound, with traps of each layer and pages that
 * cannot be read or written. The model is what an honest door shows.
 */
static model *
scatter(fixture *made, uint64_t *seed)
{
  model *m = g_new0(model, 1);
  uint8_t *region = made->child->region;
  for (size_t i = 0; i < REGION_SIZE; i++)
    m->bytes[i] = (uint8_t)('a' + test_random(seed) % 2);
  m->hidden[4] = true; /* the fixture's hole */
  for (size_t page = 0; page < REGION_PAGES; page++) {
    if (page != 4)
      assert_true(WriteProcessMemory(made->handle, region + page * PAGE, m->bytes + page * PAGE,
                                     PAGE, NULL));
  }
  /* The fixture's own, in page 1. */
  m->bytes[made->native - region] = m->bytes[made->both - region] = 0xcc;
  for (int i = 0; i < 60; i++) {
    size_t place = test_random(seed) % REGION_SIZE;
    uint64_t which = test_random(seed) % 3;
    if (place / PAGE == 4 || place / PAGE == 1)
      continue;
    if (m->bytes[place] == 0xcc)
      continue;
    plant(made->target,
          which == 0   ? CORDBG_LAYER_MANAGED
          : which == 1 ? CORDBG_LAYER_NATIVE
                       : CORDBG_LAYER_INTERNAL,
          region + place);
    if (which == 1)
      m->bytes[place] = 0xcc;
  }
  for (int i = 0; i < 6; i++) {
    size_t page = test_random(seed) % REGION_PAGES;
    assert_int_equal(child_run(made->child, command_protect_none, (long)(region + page * PAGE)), 0);
    m->hidden[page] = true;
  }
  for (int i = 0; i < 6; i++) {
    size_t page = test_random(seed) % REGION_PAGES;
    if (m->hidden[page])
      continue;
    assert_int_equal(child_run(made->child, command_protect_read, (long)(region + page * PAGE)), 0);
    m->fixed[page] = true;
  }
  return m;
}

/* The first match, byte by byte; REGION_SIZE: none. */
static size_t
find(const model *m, size_t from, size_t length, const uint8_t *wanted, size_t size,
     size_t granularity, bool writable)
{
  for (size_t at_ = from; at_ + size <= from + length; at_ += granularity) {
    size_t i = 0;
    while (i < size && m->bytes[at_ + i] == wanted[i] && !m->hidden[(at_ + i) / PAGE] &&
           !(writable && m->fixed[(at_ + i) / PAGE]))
      i++;
    if (i == size)
      return at_;
  }
  return REGION_SIZE;
}

static void
contract_004_search_virtual_agrees_with_a_naive_search(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  uint64_t seed = test_seed(), base = at(made->child->region);
  model *m = scatter(made, &seed);
  unsigned found = 0, none = 0;
  for (int i = 0; i < 3000; i++) {
    uint8_t wanted[16];
    size_t size = 1 + test_random(&seed) % 14, from = test_random(&seed) % REGION_SIZE;
    size_t length = test_random(&seed) % (REGION_SIZE - from + 1);
    ULONG granularity = 1u << (test_random(&seed) % 4);
    bool writable = test_random(&seed) % 2;
    size_t sample = test_random(&seed) % (REGION_SIZE - sizeof wanted);
    memcpy(wanted, m->bytes + sample, sizeof wanted);
    if (test_random(&seed) % 2) { /* near it, so that a trap or a hole often lies within */
      from = sample > 500 ? sample - 500 : 0;
      length = MIN((size_t)1000, REGION_SIZE - from);
    }
    size_t expected = find(m, from, length, wanted, size, granularity, writable);
    ULONG64 match = 77;
    HRESULT hr = IDebugDataSpaces4_SearchVirtual2(spaces, base + from, length,
                                                  writable ? DEBUG_VSEARCH_WRITABLE_ONLY : 0,
                                                  wanted, (ULONG)size, granularity, &match);
    if (expected == REGION_SIZE ? hr != NO_MORE_ENTRIES || match != 77
                                : hr != S_OK || match != base + expected)
      fail_msg("round %d: %08x at %llx, expected at %llx", i, (unsigned)hr,
               (unsigned long long)(match - base), (unsigned long long)expected);
    *(expected == REGION_SIZE ? &none : &found) += 1;
    if (!writable) {
      match = 77;
      assert_int_equal(IDebugDataSpaces4_SearchVirtual(spaces, base + from, length, wanted,
                                                       (ULONG)size, granularity, &match),
                       hr);
      assert_int_equal(match, expected == REGION_SIZE ? 77 : base + expected);
    }
  }
  assert_true(found > 300 && none > 100);
  g_free(m);
}

/* A pattern over a managed trap is found as the program's bytes, over a native one as 0xCC. */
static void
contract_004_search_virtual_across_traps_and_holes(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  uint64_t region = at(made->child->region);
  uint8_t wanted[8], shown_bytes[8];
  ULONG64 match;
  for (int i = 0; i < 8; i++) { /* managed at 2, native at 3, both at 4, internal at 5 */
    wanted[i] = pattern(made->managed - 2 + i);
    shown_bytes[i] = shown(made, made->managed - 2 + i);
  }
  assert_true(shown_bytes[3] == 0xcc && shown_bytes[4] == 0xcc && shown_bytes[2] == wanted[2]);
  assert_int_equal(
      IDebugDataSpaces4_SearchVirtual(spaces, region + PAGE, PAGE, shown_bytes, 8, 1, &match),
      S_OK);
  assert_int_equal(match, at(made->managed - 2));
  /* As the CPU sees it, or as the program left it under the user's own trap: nowhere. */
  memset(shown_bytes + 2, 0xcc, 4);
  assert_int_equal(
      IDebugDataSpaces4_SearchVirtual(spaces, at(made->managed - 2), 8, shown_bytes, 8, 1, &match),
      NO_MORE_ENTRIES);
  assert_int_equal(
      IDebugDataSpaces4_SearchVirtual(spaces, at(made->managed - 2), 8, wanted, 8, 1, &match),
      NO_MORE_ENTRIES);
  /* The whole address space: terabytes of nothing cost nothing. */
  static const uint8_t rare[] = {0x9e, 0x11, 0xf3, 0x5a, 0xc4, 0x77, 0x0d, 0xe8,
                                 0x21, 0x96, 0x3b, 0xd2, 0x68, 0xaf, 0x04, 0x59};
  uint8_t *place = made->hole + 3 * PAGE - 8;
  assert_true(WriteProcessMemory(made->handle, place, rare, sizeof rare, NULL));
  assert_int_equal(IDebugDataSpaces4_SearchVirtual(spaces, at(made->hole) - 9, UINT64_MAX,
                                                   TEXT(rare), sizeof rare, 1, &match),
                   S_OK);
  assert_int_equal(match, at(place));
  match = 77;
  assert_int_equal(IDebugDataSpaces4_SearchVirtual(spaces, region, 99, TEXT(rare), 0, 1, &match),
                   E_INVALIDARG);
  assert_int_equal(IDebugDataSpaces4_SearchVirtual(spaces, region, 99, NULL, 4, 1, &match),
                   E_INVALIDARG);
  assert_int_equal(
      IDebugDataSpaces4_SearchVirtual2(spaces, region, 99, 2, TEXT(rare), 4, 1, &match),
      E_INVALIDARG);
  assert_int_equal(IDebugDataSpaces4_SearchVirtual(spaces, region, 3, TEXT(rare), 4, 1, &match),
                   NO_MORE_ENTRIES);
  assert_int_equal(match, 77);
}

/* ---- regions ---- */

typedef struct stretch {
  uint64_t start, end;
  bool read, write, execute, shared, file;
} stretch;

/* /proc/PID/maps, parsed by the test alone. */
static GArray *
read_maps(pid_t pid)
{
  char path[64], line[4096];
  snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  GArray *maps = g_array_new(FALSE, FALSE, sizeof(stretch));
  while (fgets(line, sizeof line, file) != NULL) {
    unsigned long long start, end, inode;
    char rights[8];
    assert_int_equal(sscanf(line, "%llx-%llx %7s %*s %*s %llu", &start, &end, rights, &inode), 4);
    stretch found = {
        start,     end, rights[0] == 'r', rights[1] == 'w', rights[2] == 'x', rights[3] == 's',
        inode != 0};
    g_array_append_val(maps, found);
  }
  fclose(file);
  assert_true(maps->len > 10);
  return maps;
}

static bool
is_valid(const GArray *maps, uint64_t address)
{
  for (guint i = 0; i < maps->len; i++) {
    const stretch *s = &g_array_index(maps, stretch, i);
    if (address >= s->start && address < s->end)
      return s->read;
  }
  return false;
}

/* The first border above address at which validity is another; 0: none. */
static uint64_t
next_different(const GArray *maps, uint64_t address)
{
  bool valid = is_valid(maps, address);
  uint64_t best = 0;
  for (guint i = 0; i < maps->len; i++) {
    const stretch *s = &g_array_index(maps, stretch, i);
    const uint64_t borders[] = {s->start, s->end};
    for (int j = 0; j < 2; j++) {
      if (borders[j] > address && is_valid(maps, borders[j]) != valid &&
          (best == 0 || borders[j] < best))
        best = borders[j];
    }
  }
  return best;
}

/* An address near a border of a mapping, or anywhere. */
static uint64_t
some_address(const GArray *maps, uint64_t *seed)
{
  const stretch *s = &g_array_index(maps, stretch, test_random(seed) % maps->len);
  uint64_t border = test_random(seed) % 2 ? s->start : s->end;
  switch (test_random(seed) % 4) {
  case 0:
    return test_random(seed) << 11;
  case 1:
    return border;
  default:
    return border + test_random(seed) % (4 * PAGE) - 2 * PAGE;
  }
}

static void
contract_004_regions_agree_with_the_kernel_s_list(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  uint64_t seed = test_seed();
  g_free(scatter(made, &seed));
  GArray *maps = read_maps(made->child->pid);
  unsigned regions = 0;
  for (int i = 0; i < 4000; i++) {
    uint64_t address = some_address(maps, &seed), next = 77, base = 77;
    ULONG size = (ULONG)(test_random(&seed) % (1u << (1 + test_random(&seed) % 24)));
    ULONG source = 99, valid_size = 77;
    bool valid = is_valid(maps, address);
    uint64_t border = next_different(maps, address);
    HRESULT hr = IDebugDataSpaces4_GetNextDifferentlyValidOffsetVirtual(spaces, address, &next);
    assert_int_equal(hr, border == 0 ? NO_MORE_ENTRIES : S_OK);
    assert_int_equal(next, border == 0 ? 77 : border);
    assert_int_equal(IDebugDataSpaces4_GetOffsetInformation(spaces, DEBUG_DATA_SPACE_VIRTUAL,
                                                            DEBUG_OFFSINFO_VIRTUAL_SOURCE, address,
                                                            &source, sizeof source, NULL),
                     S_OK);
    assert_int_equal(source, valid ? DEBUG_VSOURCE_DEBUGGEE : DEBUG_VSOURCE_INVALID);
    uint64_t first = valid ? address : border;
    uint64_t limit = address + size < address ? UINT64_MAX : address + size;
    bool there = size > 0 && first != 0 && first < limit;
    hr = IDebugDataSpaces4_GetValidRegionVirtual(spaces, address, size, &base, &valid_size);
    assert_int_equal(hr, there ? S_OK : READ_FAULT);
    if (there) {
      uint64_t end = next_different(maps, first);
      assert_int_equal(base, first);
      assert_int_equal(valid_size, MIN(end, limit) - first);
      regions++;
    } else {
      assert_true(base == 77 && valid_size == 77);
    }
  }
  assert_true(regions > 500);
  g_array_free(maps, TRUE);
}

static DWORD
protection(const stretch *s)
{
  bool copies = s->write && s->file && !s->shared;
  if (s->execute && s->write)
    return copies ? PAGE_EXECUTE_WRITECOPY : PAGE_EXECUTE_READWRITE;
  if (s->execute)
    return s->read ? PAGE_EXECUTE_READ : PAGE_EXECUTE;
  if (s->write)
    return copies ? PAGE_WRITECOPY : PAGE_READWRITE;
  return s->read ? PAGE_READONLY : PAGE_NOACCESS;
}

static void
contract_004_query_virtual_agrees_with_the_kernel_s_list(void **state)
{
  fixture *made = *state;
  uint64_t seed = test_seed();
  GArray *maps = read_maps(made->child->pid);
  for (int i = 0; i < 3000; i++) {
    uint64_t address = some_address(maps, &seed) & ((1ull << 47) - 1), next = 0;
    MEMORY_BASIC_INFORMATION64 info;
    const stretch *in = NULL;
    if (address >= 0x7ffffffff000)
      continue;
    for (guint j = 0; j < maps->len; j++) {
      const stretch *s = &g_array_index(maps, stretch, j);
      if (address >= s->start && address < s->end)
        in = s;
      else if (s->start > address && next == 0)
        next = s->start;
    }
    assert_int_equal(IDebugDataSpaces4_QueryVirtual(made->spaces, address, &info), S_OK);
    assert_int_equal(info.BaseAddress, address & ~(uint64_t)(PAGE - 1));
    if (in != NULL) {
      assert_int_equal(info.RegionSize, in->end - info.BaseAddress);
      assert_int_equal(info.State, MEM_COMMIT);
      assert_int_equal(info.Protect, protection(in));
      assert_int_equal(info.Type, !in->file ? MEM_PRIVATE : in->shared ? MEM_MAPPED : MEM_IMAGE);
    } else {
      if (next == 0 || next > 0x7ffffffff000)
        next = 0x7ffffffff000;
      assert_int_equal(info.State, MEM_FREE);
      assert_int_equal(info.RegionSize, next - info.BaseAddress);
    }
  }
  g_array_free(maps, TRUE);
  assert_int_equal(IDebugDataSpaces4_QueryVirtual(made->spaces, at(made->hole), NULL),
                   E_INVALIDARG);
}

/* ---- strings ---- */

/* Text of one to four bytes a character, in both encodings; at most `most` characters. */
static char *
some_text(uint64_t *seed, size_t most)
{
  GString *text = g_string_new(NULL);
  for (size_t count = test_random(seed) % (most + 1); count > 0; count--) {
    static const gunichar lowest[] = {0x20, 0xa1, 0x4e00, 0x1f300};
    g_string_append_unichar(text,
                            lowest[test_random(seed) % 4] + (gunichar)(test_random(seed) % 80));
  }
  return g_string_free(text, FALSE);
}

static void
contract_004_strings_in_utf8_and_utf16(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  uint64_t seed = test_seed();
  for (int i = 0; i < 1500; i++) {
    char *text = some_text(&seed, 40), narrow[600];
    glong units = 0;
    gunichar2 *wide = g_utf8_to_utf16(text, -1, NULL, &units, NULL);
    WCHAR wide_out[600];
    size_t length = strlen(text);
    /* Often at the end of a page, with a hole behind it. */
    uint8_t *place = made->hole - (length + 1);
    uint8_t *place16 = made->hole - 2 * ((size_t)units + 1);
    if (test_random(&seed) % 2)
      place = place16 = made->child->region + 2 * PAGE - test_random(&seed) % 100;
    ULONG bytes = 0, size = (ULONG)(test_random(&seed) % 60);
    bool cut = length + 1 > size;
    assert_true(WriteProcessMemory(made->handle, place, text, length + 1, NULL));
    memset(narrow, 0x55, sizeof narrow);
    assert_int_equal(
        IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(place), 500, narrow, size, &bytes),
        cut ? S_FALSE : S_OK);
    assert_int_equal(bytes, length + 1);
    if (size > 0) {
      size_t kept = cut ? size - 1 : length;
      assert_memory_equal(narrow, text, kept);
      assert_int_equal(narrow[kept], 0);
    }
    assert_int_equal(narrow[size], 0x55); /* nothing is touched behind the buffer */
    memset(wide_out, 0x55, sizeof wide_out);
    cut = (ULONG)units + 1 > size;
    assert_int_equal(IDebugDataSpaces4_ReadMultiByteStringVirtualWide(
                         spaces, at(place), 500, CP_UTF8, wide_out, size, &bytes),
                     cut ? S_FALSE : S_OK);
    assert_int_equal(bytes, length + 1);
    assert_int_equal(wide_out[size], 0x5555);
    if (!cut)
      assert_memory_equal(wide_out, wide, 2 * ((size_t)units + 1));
    /* The other way. */
    assert_true(WriteProcessMemory(made->handle, place16, wide, 2 * ((size_t)units + 1), NULL));
    memset(narrow, 0x55, sizeof narrow);
    cut = length + 1 > size;
    assert_int_equal(IDebugDataSpaces4_ReadUnicodeStringVirtual(spaces, at(place16), 500, CP_ACP,
                                                                narrow, size, &bytes),
                     cut ? S_FALSE : S_OK);
    assert_int_equal(bytes, 2 * (units + 1));
    assert_int_equal(narrow[size], 0x55);
    if (size > 0) /* what was cut is still text */
      assert_true(g_utf8_validate(narrow, -1, NULL) && g_str_has_prefix(text, narrow));
    if (!cut)
      assert_string_equal(narrow, text);
    assert_int_equal(IDebugDataSpaces4_ReadUnicodeStringVirtualWide(spaces, at(place16), 500,
                                                                    wide_out, 600, &bytes),
                     S_OK);
    assert_memory_equal(wide_out, wide, 2 * ((size_t)units + 1));
    assert_int_equal(bytes, 2 * (units + 1));
    g_free(wide);
    g_free(text);
  }
}

static void
contract_004_strings_without_an_end(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  char text[100] = "untouched";
  WCHAR wide[100] = {7};
  ULONG bytes = 77;
  uint8_t letters[200];
  memset(letters, 'x', sizeof letters);
  uint8_t *place = made->hole - 100;
  assert_true(WriteProcessMemory(made->handle, place, letters, 100, NULL));
  /* MaxBytes end before the string does: documented. */
  assert_int_equal(
      IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(place), 50, text, 100, &bytes),
      E_INVALIDARG);
  assert_int_equal(
      IDebugDataSpaces4_ReadUnicodeStringVirtualWide(spaces, at(place), 51, wide, 100, &bytes),
      E_INVALIDARG);
  assert_int_equal(
      IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(place), 0, text, 100, &bytes),
      E_INVALIDARG);
  /* A hole comes first. */
  assert_int_equal(
      IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(place), 500, text, 100, &bytes),
      READ_FAULT);
  assert_int_equal(cordbg_error_last()->address, at(made->hole));
  assert_int_equal(IDebugDataSpaces4_ReadUnicodeStringVirtual(spaces, at(place) + 1, 500, CP_UTF8,
                                                              text, 100, &bytes),
                   READ_FAULT);
  assert_int_equal(
      IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(made->hole), 9, text, 100, &bytes),
      READ_FAULT);
  /* The last byte that may be read is the end. */
  assert_true(WriteProcessMemory(made->handle, made->hole - 1, "", 1, NULL));
  assert_int_equal(
      IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(place), 99, text, 100, &bytes),
      E_INVALIDARG);
  assert_true(strcmp(text, "untouched") == 0 && wide[0] == 7 && bytes == 77);
  assert_int_equal(
      IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(place), 100, text, 100, &bytes),
      S_OK);
  assert_true(strlen(text) == 99 && bytes == 100);
  assert_int_equal(
      IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(place), 100, NULL, 0, &bytes), S_OK);
  assert_int_equal(
      IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(place), 100, text, 100, NULL), S_OK);
  assert_int_equal(
      IDebugDataSpaces4_ReadUnicodeStringVirtual(spaces, at(place), 100, 1252, text, 100, &bytes),
      E_INVALIDARG);
  /* A managed trap in a string does not show, a native one does. */
  char around[16];
  static const char word[] = "abcdefgh";
  assert_true(WriteProcessMemory(made->handle, made->managed - 2, word, sizeof word, NULL));
  assert_int_equal(IDebugDataSpaces4_ReadMultiByteStringVirtual(spaces, at(made->managed - 2), 16,
                                                                around, 16, &bytes),
                   S_OK);
  assert_string_equal(around, "abc\xcc\xcc"
                              "fgh");
}

/* ---- pointers, filling ---- */

static void
contract_004_pointers_are_all_or_nothing(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  uint64_t seed = test_seed();
  ULONG64 values[64], back[64];
  for (int i = 0; i < 500; i++) {
    ULONG count = (ULONG)(test_random(&seed) % 64);
    uint8_t *place = made->hole - test_random(&seed) % 600;
    bool fits = place + count * 8 <= made->hole || count == 0;
    for (int j = 0; j < 64; j++) {
      values[j] = test_random(&seed) << 20;
      back[j] = 77;
    }
    if (fits)
      assert_int_equal(IDebugDataSpaces4_WritePointersVirtual(spaces, count, at(place), values),
                       S_OK);
    assert_int_equal(IDebugDataSpaces4_ReadPointersVirtual(spaces, count, at(place), back),
                     fits ? S_OK : READ_FAULT);
    for (ULONG j = 0; j < 64; j++)
      assert_int_equal(back[j], fits && j < count ? values[j] : 77);
  }
  assert_int_equal(IDebugDataSpaces4_ReadPointersVirtual(spaces, 2, UINT64_MAX - 7, back),
                   E_INVALIDARG);
}

static void
contract_004_fill_virtual(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *spaces = made->spaces;
  uint64_t seed = test_seed();
  uint8_t *region = made->child->region;
  uint8_t *bytes = g_malloc(4 * PAGE);
  assert_int_equal(child_run(made->child, command_unmap, (long)(region + 20 * PAGE)), 0);
  for (int i = 0; i < 200; i++) {
    uint8_t wanted[7];
    ULONG filled = 77, size = (ULONG)(test_random(&seed) % (3 * PAGE));
    size_t length = 1 + test_random(&seed) % sizeof wanted;
    uint8_t *place = region + 20 * PAGE - test_random(&seed) % (4 * PAGE) - 1;
    for (size_t j = 0; j < sizeof wanted; j++)
      wanted[j] = (uint8_t)(1 + test_random(&seed) % 200);
    ULONG room = (ULONG)MIN((size_t)size, (size_t)(region + 20 * PAGE - place));
    assert_int_equal(
        IDebugDataSpaces4_FillVirtual(spaces, at(place), size, wanted, (ULONG)length, &filled),
        S_OK);
    assert_int_equal(filled, room);
    assert_int_equal(IDebugDataSpaces4_ReadVirtual(spaces, at(place), bytes, room, NULL), S_OK);
    for (ULONG j = 0; j < room; j++)
      assert_int_equal(bytes[j], wanted[j % length]);
  }
  ULONG filled = 77;
  assert_int_equal(
      IDebugDataSpaces4_FillVirtual(spaces, at(region + 20 * PAGE), 9, TEXT("a"), 1, &filled),
      HRESULT_FROM_WIN32(ERROR_WRITE_FAULT));
  assert_int_equal(filled, 0);
  assert_int_equal(IDebugDataSpaces4_FillVirtual(spaces, at(region), 9, TEXT("a"), 0, &filled),
                   E_INVALIDARG);
  assert_int_equal(
      IDebugDataSpaces4_FillVirtual(spaces, UINT64_MAX - 5000, 9000, TEXT("a"), 1, &filled),
      E_INVALIDARG);
  /* Behind the traps: they stay, and what was filled is the program's. */
  assert_int_equal(
      IDebugDataSpaces4_FillVirtual(spaces, at(made->managed), 4, TEXT("z"), 1, &filled), S_OK);
  assert_int_equal(IDebugDataSpaces4_ReadVirtual(spaces, at(made->managed), bytes, 4, NULL), S_OK);
  assert_memory_equal(bytes, ((uint8_t[]){'z', 0xcc, 0xcc, 'z'}), 4);
  SIZE_T count;
  assert_int_equal(cordbg_icordebug_read_view(made->target, CORDBG_VIEW_PRISTINE, at(made->managed),
                                              4, bytes, &count),
                   S_OK);
  assert_memory_equal(bytes, "zzzz", 4);
  g_free(bytes);
}

static void
contract_004_kernel_only_methods_answer_e_notimpl(void **state)
{
  fixture *made = *state;
  IDebugDataSpaces4 *s = made->spaces;
  uint8_t room[64];
  ULONG count = 77;
  ULONG64 wide = 77;
  memset(room, 0xa5, sizeof room);
  const HRESULT answers[] = {
      IDebugDataSpaces4_ReadPhysical(s, 0, room, 1, &count),
      IDebugDataSpaces4_WritePhysical(s, 0, room, 1, &count),
      IDebugDataSpaces4_ReadControl(s, 0, 0, room, 1, &count),
      IDebugDataSpaces4_WriteControl(s, 0, 0, room, 1, &count),
      IDebugDataSpaces4_ReadIo(s, 0, 0, 0, 0, room, 1, &count),
      IDebugDataSpaces4_WriteIo(s, 0, 0, 0, 0, room, 1, &count),
      IDebugDataSpaces4_ReadMsr(s, 0, &wide),
      IDebugDataSpaces4_WriteMsr(s, 0, 0),
      IDebugDataSpaces4_ReadBusData(s, 0, 0, 0, 0, room, 1, &count),
      IDebugDataSpaces4_WriteBusData(s, 0, 0, 0, 0, room, 1, &count),
      IDebugDataSpaces4_CheckLowMemory(s),
      IDebugDataSpaces4_ReadDebuggerData(s, 0, room, 1, &count),
      IDebugDataSpaces4_ReadProcessorSystemData(s, 0, 0, room, 1, &count),
      IDebugDataSpaces4_VirtualToPhysical(s, 0, &wide),
      IDebugDataSpaces4_GetVirtualTranslationPhysicalOffsets(s, 0, &wide, 1, &count),
      IDebugDataSpaces4_ReadHandleData(s, 0, DEBUG_HANDLE_DATA_TYPE_BASIC, room, 1, &count),
      IDebugDataSpaces4_FillPhysical(s, 0, 1, room, 1, &count),
      IDebugDataSpaces4_ReadTagged(s, (LPGUID)(void *)room, 0, room, 1, &count),
      IDebugDataSpaces4_StartEnumTagged(s, &wide),
      IDebugDataSpaces4_GetNextTagged(s, 0, (LPGUID)(void *)room, &count),
      IDebugDataSpaces4_EndEnumTagged(s, 0),
      IDebugDataSpaces4_ReadPhysical2(s, 0, 0, room, 1, &count),
      IDebugDataSpaces4_WritePhysical2(s, 0, 0, room, 1, &count),
      IDebugDataSpaces4_GetOffsetInformation(s, DEBUG_DATA_SPACE_PHYSICAL, 1, 0, room, 4, &count),
  };
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
    assert_int_equal(answers[i], E_NOTIMPL);
  assert_true(untouched(room, 0, sizeof room) && count == 77 && wide == 77);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(contract_004_search_virtual_agrees_with_a_naive_search),
      TEST(contract_004_search_virtual_across_traps_and_holes),
      TEST(contract_004_regions_agree_with_the_kernel_s_list),
      TEST(contract_004_query_virtual_agrees_with_the_kernel_s_list),
      TEST(contract_004_strings_in_utf8_and_utf16),
      TEST(contract_004_strings_without_an_end),
      TEST(contract_004_pointers_are_all_or_nothing),
      TEST(contract_004_fill_virtual),
      TEST(contract_004_kernel_only_methods_answer_e_notimpl),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
