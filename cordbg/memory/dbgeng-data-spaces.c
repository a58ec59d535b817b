/* SPDX-License-Identifier: MIT */
/*
 * The DbgEng door: IDebugDataSpaces to IDebugDataSpaces4 over a target.
 *
 * Reading and writing are successful when one byte or more was done, as the documents say; the
 * Uncached methods are the plain ones, since nothing is ever cached. Each of the four interfaces is
 * the beginning of the next one's table, so one table serves all. What needs a kernel target, a
 * dump's tags or Windows' handles answers E_NOTIMPL.
 *
 * Errors:
 *   nothing readable, writable   HRESULT_FROM_WIN32(ERROR_READ_FAULT, ERROR_WRITE_FAULT)
 *   process gone, detached       E_UNEXPECTED
 *   not found                    STATUS_NO_MORE_ENTRIES as an HRESULT, as DbgEng answers
 */
#include "config.h"

#include "cordbg/com/object.h"
#include "cordbg/com/utf16.h"
#include "cordbg/memory/doors.h"
#include "cordbg/memory/target-private.h"

#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#define READ_FAULT HRESULT_FROM_WIN32(ERROR_READ_FAULT)
#define WRITE_FAULT HRESULT_FROM_WIN32(ERROR_WRITE_FAULT)
#define NO_MORE_ENTRIES ((HRESULT)0x9000001au)
#define PAGE ((uint64_t)4096)
/* A string longer than this is none: MaxBytes comes from the caller, the bytes from the target. */
#define STRING_MAX (16u << 20)

typedef struct data_spaces {
  cordbg_object object;
  CORDBG_FACE(IDebugDataSpaces4) as_data_spaces;
  cordbg_target *target;
} data_spaces;

static cordbg_target *
target_of(const void *This)
{
  return CORDBG_SELF(data_spaces, This)->target;
}

/* What the target answered, in this door's words; remembered. */
static HRESULT
finish(HRESULT hr, HRESULT none, cordbg_error *error)
{
  if (hr == S_OK)
    return S_OK;
  if (hr == CORDBG_E_READVIRTUAL_FAILURE || hr == CORDBG_E_WRITEVIRTUAL_FAILURE || hr == S_FALSE)
    hr = none;
  else if (hr == CORDBG_E_PROCESS_TERMINATED || hr == CORDBG_E_OBJECT_NEUTERED)
    hr = E_UNEXPECTED;
  error->hr = hr;
  cordbg_error_remember(error);
  return hr;
}

static HRESULT
bad_argument(const char *what)
{
  cordbg_error error;
  cordbg_error_set(&error, E_INVALIDARG, 0, 0, "%s", what);
  cordbg_error_remember(&error);
  return E_INVALIDARG;
}

/* ---- reading ---- */

static HRESULT
read_virtual(IDebugDataSpaces4 *This, ULONG64 offset, PVOID buffer, ULONG size, PULONG read)
{
  cordbg_error error;
  size_t count = 0;
  HRESULT hr =
      cordbg_target_read(target_of(This), CORDBG_VIEW_CLIENT, offset, buffer, size, &count, &error);
  if (read != NULL)
    *read = (ULONG)count;
  return finish(count > 0 ? S_OK : hr, READ_FAULT, &error);
}

static HRESULT
read_pointers_virtual(IDebugDataSpaces4 *This, ULONG count, ULONG64 offset, PULONG64 pointers)
{
  cordbg_error error;
  HRESULT hr = cordbg_reader_read_whole(&target_of(This)->reader, CORDBG_VIEW_CLIENT, offset,
                                        pointers, (size_t)count * sizeof *pointers, &error);
  return finish(hr, READ_FAULT, &error);
}

/* ---- writing ---- */

static HRESULT
write_virtual(IDebugDataSpaces4 *This, ULONG64 offset, PVOID buffer, ULONG size, PULONG written)
{
  cordbg_error error = {0};
  size_t count = 0;
  HRESULT hr = cordbg_target_write(target_of(This), offset, buffer, size, &count, &error);
  if (written != NULL)
    *written = (ULONG)count;
  return finish(count > 0 ? S_OK : hr, WRITE_FAULT, &error);
}

static HRESULT
write_pointers_virtual(IDebugDataSpaces4 *This, ULONG count, ULONG64 offset, PULONG64 pointers)
{
  cordbg_error error = {0};
  size_t written;
  HRESULT hr = cordbg_target_write(target_of(This), offset, pointers,
                                   (size_t)count * sizeof *pointers, &written, &error);
  return finish(hr, WRITE_FAULT, &error);
}

static HRESULT
fill_virtual(IDebugDataSpaces4 *This, ULONG64 start, ULONG size, PVOID pattern, ULONG pattern_size,
             PULONG filled)
{
  if (pattern == NULL || pattern_size == 0)
    return bad_argument("there is no pattern to fill with");
  cordbg_error error = {0};
  HRESULT hr = S_OK;
  uint8_t piece[4096];
  ULONG done = 0;
  while (done < size && hr == S_OK) {
    ULONG wanted = size - done < sizeof piece ? size - done : (ULONG)sizeof piece;
    for (ULONG i = 0; i < wanted; i++)
      piece[i] = ((const uint8_t *)pattern)[(done + i) % pattern_size];
    size_t written;
    hr = cordbg_target_write(target_of(This), start + done, piece, wanted, &written, &error);
    done += (ULONG)written;
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
  cordbg_search wanted = {.pattern = pattern,
                          .size = pattern_size,
                          .granularity = granularity == 0 ? 1 : granularity,
                          .writable_only = writable_only};
  uint64_t found;
  HRESULT hr = cordbg_target_search(target_of(This), offset, length, &wanted, &found, &error);
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
  HRESULT hr = cordbg_reader_query(&target_of(This)->reader, offset, info, &error);
  return finish(hr, READ_FAULT, &error);
}

/*
 * The stretch from offset on that is all readable (*valid) or all not, up to limit. S_OK with *end
 * (exclusive); by the mappings, so that no page is touched.
 */
static HRESULT
stretch(cordbg_target *target, uint64_t offset, uint64_t limit, bool *valid, uint64_t *end,
        cordbg_error *error)
{
  uint64_t at = offset;
  bool first = true;
  while (at < limit) {
    cordbg_mapping mapping;
    HRESULT hr = cordbg_target_find_mapping(target, at, true, &mapping, NULL, 0, error);
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

static HRESULT
get_valid_region_virtual(IDebugDataSpaces4 *This, ULONG64 base, ULONG size, PULONG64 valid_base,
                         PULONG valid_size)
{
  if (valid_base == NULL || valid_size == NULL)
    return bad_argument("no place for the region was given");
  cordbg_error error = {0};
  uint64_t limit = base + size < base ? UINT64_MAX : base + size;
  uint64_t at = base;
  while (at < limit) {
    bool valid = false;
    uint64_t end;
    HRESULT hr = stretch(target_of(This), at, limit, &valid, &end, &error);
    if (FAILED(hr))
      return finish(hr, READ_FAULT, &error);
    if (valid) {
      *valid_base = at;
      *valid_size = (ULONG)(end - at);
      return S_OK;
    }
    at = end;
  }
  cordbg_error_set(&error, READ_FAULT, 0, base, "nothing readable is mapped in the range");
  return finish(S_FALSE, READ_FAULT, &error);
}

static HRESULT
get_next_differently_valid(IDebugDataSpaces4 *This, ULONG64 offset, PULONG64 next)
{
  if (next == NULL)
    return bad_argument("no place for the offset was given");
  cordbg_error error = {0};
  bool valid = false;
  uint64_t end;
  HRESULT hr = stretch(target_of(This), offset, UINT64_MAX, &valid, &end, &error);
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
  bool valid = false;
  uint64_t end;
  HRESULT hr = stretch(target_of(This), offset, offset == UINT64_MAX ? offset : offset + 1, &valid,
                       &end, &error);
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
read_image_nt_headers(IDebugDataSpaces4 *This, ULONG64 base, PIMAGE_NT_HEADERS64 headers)
{
  if (headers == NULL)
    return bad_argument("no place for the headers was given");
  cordbg_error error = {0};
  uint8_t dos[64];
  HRESULT hr =
      cordbg_target_read_exact(target_of(This), CORDBG_VIEW_CLIENT, base, dos, sizeof dos, &error);
  if (FAILED(hr))
    return finish(hr, READ_FAULT, &error);
  uint32_t place;
  memcpy(&place, dos + 60, sizeof place);
  IMAGE_NT_HEADERS64 found;
  if (memcmp(dos, "MZ", 2) == 0) {
    hr = cordbg_target_read_exact(target_of(This), CORDBG_VIEW_CLIENT, base + place, &found,
                                  sizeof found, &error);
    if (FAILED(hr))
      return finish(hr, READ_FAULT, &error);
  }
  if (memcmp(dos, "MZ", 2) != 0 || memcmp(&found, "PE\0", 4) != 0) {
    hr = cordbg_error_set(&error, HRESULT_FROM_WIN32(ERROR_BAD_EXE_FORMAT), 0, base,
                          "no PE image begins at 0x%llx", (unsigned long long)base);
    return finish(hr, READ_FAULT, &error);
  }
  *headers = found;
  return S_OK;
}

/* ---- strings ---- */

/*
 * Reads up to the terminator, units of `unit` bytes, at most max bytes. *length: units before the
 * terminator. S_FALSE: max bytes held none. The result is g_malloc'ed and ends with a NUL unit.
 */
static HRESULT
read_string(cordbg_target *target, uint64_t offset, ULONG max, size_t unit, char **ret,
            size_t *length, cordbg_error *error)
{
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
        cordbg_target_read(target, CORDBG_VIEW_CLIENT, at, bytes->data + had, wanted, &read, error);
    if (FAILED(hr))
      return hr;
    static const char nul[2];
    for (size_t i = 0; i + unit <= read && !ended; i += unit) {
      ended = memcmp(bytes->data + had + i, nul, unit) == 0;
      units += !ended;
    }
    if (!ended && hr == S_FALSE)
      return CORDBG_E_READVIRTUAL_FAILURE;
  }
  g_byte_array_set_size(bytes, (guint)(units * unit));
  g_byte_array_append(bytes, (const guint8 *)"\0", 2);
  *length = units;
  *ret = (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
  return ended ? S_OK : S_FALSE;
}

/* Hands `length` bytes (and a NUL) to a narrow buffer; S_FALSE when they were cut. */
static HRESULT
narrow_out(const char *text, size_t length, PSTR buffer, ULONG size)
{
  if (buffer == NULL || size == 0)
    return S_OK;
  size_t count = length < size - 1 ? length : size - 1;
  memcpy(buffer, text, count);
  buffer[count] = '\0';
  return count < length ? S_FALSE : S_OK;
}

static HRESULT
wide_out(const WCHAR *text, size_t length, PWSTR buffer, ULONG size)
{
  if (buffer == NULL || size == 0)
    return S_OK;
  size_t count = length < size - 1 ? length : size - 1;
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

static HRESULT
string_result(HRESULT read, HRESULT out, cordbg_error *error)
{
  if (FAILED(read))
    return finish(read, READ_FAULT, error);
  return read == S_FALSE ? S_FALSE : out;
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
  cordbg_error error = {0};
  g_autofree char *text = NULL;
  size_t length;
  HRESULT hr = read_string(target_of(This), offset, max, 1, &text, &length, &error);
  if (FAILED(hr))
    return string_result(hr, hr, &error);
  tell_bytes(string_bytes, length, 1);
  return string_result(hr, narrow_out(text, length, buffer, size), &error);
}

static HRESULT
read_multi_byte_string_wide(IDebugDataSpaces4 *This, ULONG64 offset, ULONG max, ULONG code_page,
                            PWSTR buffer, ULONG size, PULONG string_bytes)
{
  if (!known_code_page(code_page))
    return bad_argument("the code page is not known: CP_ACP and CP_UTF8 are");
  cordbg_error error = {0};
  g_autofree char *text = NULL;
  size_t length;
  HRESULT hr = read_string(target_of(This), offset, max, 1, &text, &length, &error);
  if (FAILED(hr))
    return string_result(hr, hr, &error);
  size_t units = cordbg_utf16_from_utf8(text, length, NULL, 0);
  g_autofree WCHAR *wide = g_new(WCHAR, units + 1);
  cordbg_utf16_from_utf8(text, length, wide, units);
  tell_bytes(string_bytes, length, 1);
  return string_result(hr, wide_out(wide, units, buffer, size), &error);
}

static HRESULT
read_unicode_string(IDebugDataSpaces4 *This, ULONG64 offset, ULONG max, ULONG code_page,
                    PSTR buffer, ULONG size, PULONG string_bytes)
{
  if (!known_code_page(code_page))
    return bad_argument("the code page is not known: CP_ACP and CP_UTF8 are");
  cordbg_error error = {0};
  g_autofree char *wide = NULL;
  size_t length;
  HRESULT hr = read_string(target_of(This), offset, max, sizeof(WCHAR), &wide, &length, &error);
  if (FAILED(hr))
    return string_result(hr, hr, &error);
  size_t bytes = cordbg_utf8_from_utf16((const WCHAR *)(void *)wide, length, NULL, 0);
  g_autofree char *text = g_malloc(bytes + 1);
  cordbg_utf8_from_utf16((const WCHAR *)(void *)wide, length, text, bytes);
  tell_bytes(string_bytes, length, sizeof(WCHAR));
  return string_result(hr, narrow_out(text, bytes, buffer, size), &error);
}

static HRESULT
read_unicode_string_wide(IDebugDataSpaces4 *This, ULONG64 offset, ULONG max, PWSTR buffer,
                         ULONG size, PULONG string_bytes)
{
  cordbg_error error = {0};
  g_autofree char *wide = NULL;
  size_t length;
  HRESULT hr = read_string(target_of(This), offset, max, sizeof(WCHAR), &wide, &length, &error);
  if (FAILED(hr))
    return string_result(hr, hr, &error);
  tell_bytes(string_bytes, length, sizeof(WCHAR));
  return string_result(hr, wide_out((const WCHAR *)(void *)wide, length, buffer, size), &error);
}

/* ---- the object ---- */

static void
dispose(void *object)
{
  cordbg_target_unref(((data_spaces *)object)->target);
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

static const cordbg_interface data_spaces_interfaces[] = {
    CORDBG_INTERFACE(data_spaces, as_data_spaces, IDebugDataSpaces4, data_spaces_vtbl),
    CORDBG_INTERFACE_BASE(data_spaces, as_data_spaces, IDebugDataSpaces3, data_spaces_vtbl),
    CORDBG_INTERFACE_BASE(data_spaces, as_data_spaces, IDebugDataSpaces2, data_spaces_vtbl),
    CORDBG_INTERFACE_BASE(data_spaces, as_data_spaces, IDebugDataSpaces, data_spaces_vtbl),
};

static const cordbg_class data_spaces_class =
    CORDBG_CLASS(data_spaces, data_spaces_interfaces, dispose);

HRESULT
cordbg_data_spaces_create(cordbg_target *target, REFIID iid, void **ret)
{
  if (ret == NULL)
    return E_POINTER;
  *ret = NULL;
  if (target == NULL || iid == NULL)
    return E_INVALIDARG;
  data_spaces *made = cordbg_object_new(&data_spaces_class);
  if (made == NULL)
    return E_OUTOFMEMORY;
  made->target = cordbg_target_ref(target);
  HRESULT hr = cordbg_object_query(made, iid, ret);
  cordbg_object_unref(made);
  return hr;
}
