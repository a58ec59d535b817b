/* SPDX-License-Identifier: MIT */
/*
 * The DbgEng door: IDebugDataSpaces to IDebugDataSpaces4 over a client's process.
 *
 * Reading and writing are successful when one byte or more was done, as the documents say; the
 * Uncached methods are the plain ones, since nothing is ever cached. Each of the four interfaces is
 * the beginning of the next one's table, so one table serves all. What needs a kernel target, a
 * dump's tags or Windows' handles answers E_NOTIMPL.
 *
 * Errors:
 *   nothing readable, writable   HRESULT_FROM_WIN32(ERROR_READ_FAULT, ERROR_WRITE_FAULT)
 *   no process, gone, detached   E_UNEXPECTED
 *   not found                    STATUS_NO_MORE_ENTRIES as an HRESULT, as DbgEng answers
 *   a string without an end      E_INVALIDARG, within MaxBytes or 16 MiB; READ_FAULT at a hole
 *
 * What is valid is told by the mappings: pages behind the end of a mapped file count as valid, for
 * the program may read them as soon as the file has grown.
 */
#include "config.h"

#include "cordbg/com/utf16.h"
#include "cordbg/memory/dbgeng-private.h"

#include <string.h>
#include <sys/mman.h>

#define READ_FAULT HRESULT_FROM_WIN32(ERROR_READ_FAULT)
#define WRITE_FAULT HRESULT_FROM_WIN32(ERROR_WRITE_FAULT)
#define NO_MORE_ENTRIES ((HRESULT)0x9000001au)
#define PAGE ((uint64_t)4096)
/* A string longer than this is none: MaxBytes comes from the caller, the bytes from the target. */
#define STRING_MAX (16u << 20)

#define finish cordbg_engine_finish

static HRESULT
bad_argument(const char *what)
{
  return cordbg_engine_refuse(E_INVALIDARG, what);
}

static bool
wraps(uint64_t start, uint64_t size)
{
  return size > 0 && start + (size - 1) < start;
}

/* ---- reading ---- */

static HRESULT
read_virtual(IDebugDataSpaces4 *This, ULONG64 offset, PVOID buffer, ULONG size, PULONG read)
{
  cordbg_error error = {0};
  cordbg_engine_use use;
  size_t count = 0;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_reader_read(use.reader, CORDBG_VIEW_CLIENT, offset, buffer, size, &count, &error);
    cordbg_engine_leave(&use);
  }
  if (read != NULL)
    *read = (ULONG)count;
  return finish(count > 0 ? S_OK : hr, READ_FAULT, &error);
}

/* Pointers of a 32-bit process are widened with their sign, as DbgEng does. */
static void
widen(PULONG64 pointers, ULONG count)
{
  const char *narrow = (const char *)pointers;
  for (ULONG i = count; i-- > 0;) {
    int32_t value;
    memcpy(&value, narrow + (size_t)i * sizeof value, sizeof value);
    pointers[i] = (ULONG64)(int64_t)value;
  }
}

static HRESULT
read_pointers_virtual(IDebugDataSpaces4 *This, ULONG count, ULONG64 offset, PULONG64 pointers)
{
  cordbg_error error = {0};
  cordbg_engine_use use;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    size_t size = use.engine->narrow ? 4 : 8;
    hr = cordbg_reader_read_whole(use.reader, CORDBG_VIEW_CLIENT, offset, pointers, count * size,
                                  &error);
    if (hr == S_OK && size == 4)
      widen(pointers, count);
    cordbg_engine_leave(&use);
  }
  return finish(hr, READ_FAULT, &error);
}

/* ---- writing ---- */

static HRESULT
write_virtual(IDebugDataSpaces4 *This, ULONG64 offset, PVOID buffer, ULONG size, PULONG written)
{
  cordbg_error error = {0};
  cordbg_engine_use use;
  size_t count = 0;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_engine_write(&use, offset, buffer, size, &count, &error);
    cordbg_engine_leave(&use);
  }
  if (written != NULL)
    *written = (ULONG)count;
  return finish(count > 0 ? S_OK : hr, WRITE_FAULT, &error);
}

static HRESULT
write_pointers(const cordbg_engine_use *use, ULONG count, ULONG64 offset, PULONG64 pointers,
               cordbg_error *error)
{
  size_t size = use->engine->narrow ? 4 : 8;
  size_t written = 0;
  if (size == 8 || pointers == NULL)
    return cordbg_engine_write(use, offset, pointers, count * size, &written, error);
  g_autofree uint32_t *narrow = g_try_new(uint32_t, (gsize)count + 1);
  if (narrow == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "no memory for the pointers");
  for (ULONG i = 0; i < count; i++)
    narrow[i] = (uint32_t)pointers[i];
  return cordbg_engine_write(use, offset, narrow, count * size, &written, error);
}

static HRESULT
write_pointers_virtual(IDebugDataSpaces4 *This, ULONG count, ULONG64 offset, PULONG64 pointers)
{
  cordbg_error error = {0};
  cordbg_engine_use use;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = write_pointers(&use, count, offset, pointers, &error);
    cordbg_engine_leave(&use);
  }
  return finish(hr, WRITE_FAULT, &error);
}

static HRESULT
fill(const cordbg_engine_use *use, ULONG64 start, ULONG size, const uint8_t *pattern,
     ULONG pattern_size, ULONG *done, cordbg_error *error)
{
  uint8_t piece[4096];
  HRESULT hr = S_OK;
  while (*done < size && hr == S_OK) {
    ULONG wanted = size - *done < sizeof piece ? size - *done : (ULONG)sizeof piece;
    for (ULONG i = 0; i < wanted; i++)
      piece[i] = pattern[(*done + i) % pattern_size];
    size_t written = 0;
    hr = cordbg_engine_write(use, start + *done, piece, wanted, &written, error);
    *done += (ULONG)written;
  }
  return hr;
}

static HRESULT
fill_virtual(IDebugDataSpaces4 *This, ULONG64 start, ULONG size, PVOID pattern, ULONG pattern_size,
             PULONG filled)
{
  cordbg_error error = {0};
  cordbg_engine_use use;
  ULONG done = 0;
  if (filled != NULL)
    *filled = 0;
  if (pattern == NULL || pattern_size == 0)
    return bad_argument("there is no pattern to fill with");
  if (wraps(start, size))
    return bad_argument("the range wraps past the top of the address space");
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = fill(&use, start, size, pattern, pattern_size, &done, &error);
    cordbg_engine_leave(&use);
  }
  if (filled != NULL)
    *filled = done;
  return finish(done > 0 ? S_OK : hr, WRITE_FAULT, &error);
}

/* ---- searching ---- */

static HRESULT
search(IDebugDataSpaces4 *This, ULONG64 offset, ULONG64 length, bool writable_only, PVOID pattern,
       ULONG pattern_size, ULONG granularity, PULONG64 match)
{
  cordbg_error error = {0};
  cordbg_engine_use use;
  cordbg_search wanted = {.pattern = pattern,
                          .size = pattern_size,
                          .granularity = granularity == 0 ? 1 : granularity,
                          .writable_only = writable_only};
  uint64_t found = 0;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_reader_search(use.reader, offset, length, &wanted, &found, &error);
    cordbg_engine_leave(&use);
  }
  if (hr == S_OK && match != NULL)
    *match = found;
  return finish(hr, NO_MORE_ENTRIES, &error);
}

static HRESULT
search_virtual(IDebugDataSpaces4 *This, ULONG64 offset, ULONG64 length, PVOID pattern,
               ULONG pattern_size, ULONG granularity, PULONG64 match)
{
  return search(This, offset, length, false, pattern, pattern_size, granularity, match);
}

static HRESULT
search_virtual2(IDebugDataSpaces4 *This, ULONG64 offset, ULONG64 length, ULONG flags, PVOID pattern,
                ULONG pattern_size, ULONG granularity, PULONG64 match)
{
  if ((flags & ~DEBUG_VSEARCH_WRITABLE_ONLY) != 0)
    return bad_argument("a search flag that is not known");
  return search(This, offset, length, flags != 0, pattern, pattern_size, granularity, match);
}

/* ---- what is there ---- */

static HRESULT
query_virtual(IDebugDataSpaces4 *This, ULONG64 offset, PMEMORY_BASIC_INFORMATION64 info)
{
  if (info == NULL)
    return bad_argument("no MEMORY_BASIC_INFORMATION64 was given");
  cordbg_error error = {0};
  cordbg_engine_use use;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_reader_query(use.reader, offset, info, &error);
    cordbg_engine_leave(&use);
  }
  return finish(hr, READ_FAULT, &error);
}

/*
 * The stretch from offset on that is all readable (*valid) or all not, up to limit. S_OK with *end
 * (exclusive); by the mappings, so that no page is touched.
 */
static HRESULT
stretch(cordbg_reader *reader, uint64_t offset, uint64_t limit, bool *valid, uint64_t *end,
        cordbg_error *error)
{
  uint64_t at = offset;
  bool first = true;
  while (at < limit) {
    cordbg_mapping mapping;
    HRESULT hr = cordbg_reader_find_mapping(reader, at, true, &mapping, NULL, 0, error);
    if (FAILED(hr))
      return hr;
    bool mapped = hr == S_OK && mapping.start <= at;
    bool readable = mapped && (mapping.prot & PROT_READ) != 0;
    if (!first && readable != *valid)
      break;
    *valid = readable;
    first = false;
    at = mapped ? mapping.end : hr == S_OK ? mapping.start : limit;
  }
  *end = at < limit ? at : limit;
  return S_OK;
}

/* The first valid stretch of [base, limit). S_FALSE: none. */
static HRESULT
valid_region(cordbg_reader *reader, uint64_t base, uint64_t limit, uint64_t *start, uint64_t *end,
             cordbg_error *error)
{
  uint64_t at = base;
  while (at < limit) {
    bool valid = false;
    uint64_t behind;
    HRESULT hr = stretch(reader, at, limit, &valid, &behind, error);
    if (FAILED(hr))
      return hr;
    if (valid) {
      *start = at;
      *end = behind;
      return S_OK;
    }
    at = behind;
  }
  return cordbg_error_set(error, S_FALSE, 0, base, "nothing readable is mapped in the range");
}

static HRESULT
get_valid_region_virtual(IDebugDataSpaces4 *This, ULONG64 base, ULONG size, PULONG64 valid_base,
                         PULONG valid_size)
{
  if (valid_base == NULL || valid_size == NULL)
    return bad_argument("no place for the region was given");
  cordbg_error error = {0};
  cordbg_engine_use use;
  uint64_t limit = base + size < base ? UINT64_MAX : base + size;
  uint64_t start = 0, end = 0;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = valid_region(use.reader, base, limit, &start, &end, &error);
    cordbg_engine_leave(&use);
  }
  if (hr == S_OK) {
    *valid_base = start;
    *valid_size = (ULONG)(end - start);
  }
  return finish(hr, READ_FAULT, &error);
}

/* Microsoft's answers the next page's begin at least; ours the next address that does differ. */
static HRESULT
get_next_differently_valid(IDebugDataSpaces4 *This, ULONG64 offset, PULONG64 next)
{
  if (next == NULL)
    return bad_argument("no place for the offset was given");
  cordbg_error error = {0};
  cordbg_engine_use use;
  bool valid = false;
  uint64_t end = 0;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = stretch(use.reader, offset, UINT64_MAX, &valid, &end, &error);
    cordbg_engine_leave(&use);
  }
  if (hr == S_OK && end == UINT64_MAX)
    hr = cordbg_error_set(&error, S_FALSE, 0, offset, "nothing is mapped above");
  if (hr == S_OK)
    *next = end;
  return finish(hr, NO_MORE_ENTRIES, &error);
}

static HRESULT
get_offset_information(IDebugDataSpaces4 *This, ULONG space, ULONG which, ULONG64 offset,
                       PVOID buffer, ULONG size, PULONG info_size)
{
  if (space != DEBUG_DATA_SPACE_VIRTUAL)
    return E_NOTIMPL;
  if (which != DEBUG_OFFSINFO_VIRTUAL_SOURCE)
    return bad_argument("only DEBUG_OFFSINFO_VIRTUAL_SOURCE is known");
  cordbg_error error = {0};
  cordbg_engine_use use;
  bool valid = false;
  uint64_t end;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = stretch(use.reader, offset, offset == UINT64_MAX ? offset : offset + 1, &valid, &end,
                 &error);
    cordbg_engine_leave(&use);
  }
  if (FAILED(hr))
    return finish(hr, READ_FAULT, &error);
  ULONG source = valid ? DEBUG_VSOURCE_DEBUGGEE : DEBUG_VSOURCE_INVALID;
  if (info_size != NULL)
    *info_size = sizeof source;
  if (buffer != NULL)
    memcpy(buffer, &source, size < sizeof source ? size : sizeof source);
  return buffer == NULL || size >= sizeof source ? S_OK : S_FALSE;
}

static HRESULT
read_nt_headers(cordbg_reader *reader, uint64_t base, IMAGE_NT_HEADERS64 *ret, cordbg_error *error)
{
  uint8_t dos[64];
  HRESULT hr = cordbg_reader_read_whole(reader, CORDBG_VIEW_CLIENT, base, dos, sizeof dos, error);
  uint32_t place;
  memcpy(&place, dos + 60, sizeof place);
  if (hr == S_OK && memcmp(dos, "MZ", 2) == 0)
    hr =
        cordbg_reader_read_whole(reader, CORDBG_VIEW_CLIENT, base + place, ret, sizeof *ret, error);
  if (hr != S_OK)
    return hr;
  if (memcmp(dos, "MZ", 2) == 0 && memcmp(ret, "PE\0", 4) == 0)
    return S_OK;
  return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_BAD_EXE_FORMAT), 0, base,
                          "no PE image begins at 0x%llx", (unsigned long long)base);
}

static HRESULT
read_image_nt_headers(IDebugDataSpaces4 *This, ULONG64 base, PIMAGE_NT_HEADERS64 headers)
{
  if (headers == NULL)
    return bad_argument("no place for the headers was given");
  cordbg_error error = {0};
  cordbg_engine_use use;
  IMAGE_NT_HEADERS64 found = {0};
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = read_nt_headers(use.reader, base, &found, &error);
    cordbg_engine_leave(&use);
  }
  if (hr == S_OK)
    *headers = found;
  return finish(hr, READ_FAULT, &error);
}

/* ---- strings ---- */

/*
 * Reads up to the terminator, units of `unit` bytes, at most max bytes. *length: units before the
 * terminator. The result is g_malloc'ed and ends with a NUL unit.
 */
static HRESULT
read_units(cordbg_reader *reader, uint64_t offset, ULONG max, size_t unit, char **ret,
           size_t *length, cordbg_error *error)
{
  static const char nul[2];
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  if (max > STRING_MAX)
    max = STRING_MAX;
  max -= max % (ULONG)unit;
  size_t units = 0;
  bool ended = false;
  while (!ended && bytes->len < max) {
    uint64_t at = offset + bytes->len;
    /* To the end of the page: what follows it may not be there. */
    size_t wanted = PAGE - (size_t)(at % PAGE) + (unit - 1);
    wanted -= wanted % unit;
    if (wanted > max - bytes->len)
      wanted = max - bytes->len;
    guint had = bytes->len;
    g_byte_array_set_size(bytes, had + (guint)wanted);
    size_t read;
    HRESULT hr =
        cordbg_reader_read(reader, CORDBG_VIEW_CLIENT, at, bytes->data + had, wanted, &read, error);
    if (FAILED(hr))
      return hr;
    for (size_t i = 0; i + unit <= read && !ended; i += unit) {
      ended = memcmp(bytes->data + had + i, nul, unit) == 0;
      units += !ended;
    }
    if (!ended && hr == S_FALSE)
      return S_FALSE;
  }
  if (!ended)
    return cordbg_error_set(error, E_INVALIDARG, 0, offset,
                            "no string of at most %u bytes ends behind 0x%llx", (unsigned)max,
                            (unsigned long long)offset);
  g_byte_array_set_size(bytes, (guint)(units * unit));
  g_byte_array_append(bytes, (const guint8 *)nul, 2);
  *length = units;
  *ret = (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
  return S_OK;
}

/* The same of This's process; a failure is what the method answers. */
static HRESULT
read_string(IDebugDataSpaces4 *This, uint64_t offset, ULONG max, size_t unit, char **ret,
            size_t *length)
{
  cordbg_error error = {0};
  cordbg_engine_use use;
  HRESULT hr = cordbg_engine_enter(This, &use, &error);
  if (SUCCEEDED(hr)) {
    hr = read_units(use.reader, offset, max, unit, ret, length, &error);
    cordbg_engine_leave(&use);
  }
  return finish(hr, READ_FAULT, &error);
}

/*
 * Hands `length` bytes and a NUL to a narrow buffer, as far as it goes; S_FALSE: they were cut.
 * utf8: between characters; text that is the target's own is cut at the byte.
 */
static HRESULT
narrow_out(const char *text, size_t length, bool utf8, PSTR buffer, ULONG size)
{
  if (buffer == NULL)
    return S_OK;
  if (size == 0)
    return S_FALSE;
  size_t count = length < size - 1 ? length : size - 1;
  while (utf8 && count < length && count > 0 && ((unsigned char)text[count] & 0xc0) == 0x80)
    count--;
  memcpy(buffer, text, count);
  buffer[count] = '\0';
  return count < length ? S_FALSE : S_OK;
}

/* Likewise; a pair of surrogates stays together. */
static HRESULT
wide_out(const WCHAR *text, size_t length, PWSTR buffer, ULONG size)
{
  if (buffer == NULL)
    return S_OK;
  if (size == 0)
    return S_FALSE;
  size_t count = length < size - 1 ? length : size - 1;
  if (count < length && count > 0 && (text[count] & 0xfc00) == 0xdc00 &&
      (text[count - 1] & 0xfc00) == 0xd800)
    count--;
  memcpy(buffer, text, count * sizeof *text);
  buffer[count] = 0;
  return count < length ? S_FALSE : S_OK;
}

/* Bytes of the string in the target, with its terminator. */
static void
tell_bytes(PULONG bytes, size_t units, size_t unit)
{
  if (bytes != NULL)
    *bytes = (ULONG)((units + 1) * unit);
}

static bool
known_code_page(ULONG code_page)
{
  return code_page == CP_ACP || code_page == CP_UTF8; /* this platform's text is UTF-8 */
}

static HRESULT
read_multi_byte_string(IDebugDataSpaces4 *This, ULONG64 offset, ULONG max, PSTR buffer, ULONG size,
                       PULONG string_bytes)
{
  g_autofree char *text = NULL;
  size_t length;
  HRESULT hr = read_string(This, offset, max, 1, &text, &length);
  if (FAILED(hr))
    return hr;
  tell_bytes(string_bytes, length, 1);
  return narrow_out(text, length, false, buffer, size);
}

static HRESULT
read_multi_byte_string_wide(IDebugDataSpaces4 *This, ULONG64 offset, ULONG max, ULONG code_page,
                            PWSTR buffer, ULONG size, PULONG string_bytes)
{
  if (!known_code_page(code_page))
    return bad_argument("the code page is not known: CP_ACP and CP_UTF8 are");
  g_autofree char *text = NULL;
  size_t length;
  HRESULT hr = read_string(This, offset, max, 1, &text, &length);
  if (FAILED(hr))
    return hr;
  size_t units = cordbg_utf16_from_utf8(text, length, NULL, 0);
  g_autofree WCHAR *wide = g_new(WCHAR, units + 1);
  cordbg_utf16_from_utf8(text, length, wide, units);
  tell_bytes(string_bytes, length, 1);
  return wide_out(wide, units, buffer, size);
}

static HRESULT
read_unicode_string(IDebugDataSpaces4 *This, ULONG64 offset, ULONG max, ULONG code_page,
                    PSTR buffer, ULONG size, PULONG string_bytes)
{
  if (!known_code_page(code_page))
    return bad_argument("the code page is not known: CP_ACP and CP_UTF8 are");
  g_autofree char *wide = NULL;
  size_t length;
  HRESULT hr = read_string(This, offset, max, sizeof(WCHAR), &wide, &length);
  if (FAILED(hr))
    return hr;
  size_t bytes = cordbg_utf8_from_utf16((const WCHAR *)(void *)wide, length, NULL, 0);
  g_autofree char *text = g_malloc(bytes + 1);
  cordbg_utf8_from_utf16((const WCHAR *)(void *)wide, length, text, bytes);
  tell_bytes(string_bytes, length, sizeof(WCHAR));
  return narrow_out(text, bytes, true, buffer, size);
}

static HRESULT
read_unicode_string_wide(IDebugDataSpaces4 *This, ULONG64 offset, ULONG max, PWSTR buffer,
                         ULONG size, PULONG string_bytes)
{
  g_autofree char *wide = NULL;
  size_t length;
  HRESULT hr = read_string(This, offset, max, sizeof(WCHAR), &wide, &length);
  if (FAILED(hr))
    return hr;
  tell_bytes(string_bytes, length, sizeof(WCHAR));
  return wide_out((const WCHAR *)(void *)wide, length, buffer, size);
}

CORDBG_VTBL(IDebugDataSpaces4, data_spaces_vtbl, .ReadVirtual = read_virtual,
            .WriteVirtual = write_virtual, .SearchVirtual = search_virtual,
            .ReadVirtualUncached = read_virtual, .WriteVirtualUncached = write_virtual,
            .ReadPointersVirtual = read_pointers_virtual,
            .WritePointersVirtual = write_pointers_virtual, .FillVirtual = fill_virtual,
            .QueryVirtual = query_virtual, .ReadImageNtHeaders = read_image_nt_headers,
            .GetOffsetInformation = get_offset_information,
            .GetNextDifferentlyValidOffsetVirtual = get_next_differently_valid,
            .GetValidRegionVirtual = get_valid_region_virtual, .SearchVirtual2 = search_virtual2,
            .ReadMultiByteStringVirtual = read_multi_byte_string,
            .ReadMultiByteStringVirtualWide = read_multi_byte_string_wide,
            .ReadUnicodeStringVirtual = read_unicode_string,
            .ReadUnicodeStringVirtualWide = read_unicode_string_wide);

CORDBG_ENGINE_VTBL(IDebugDataSpaces4, data_spaces_vtbl, cordbg_engine_data_spaces_vtbl);
