/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 and UTF-16.
 *
 * Why: COM speaks UTF-16 and Linux UTF-8, and the text comes from the target: names in metadata,
 * paths, string objects. It may be cut anywhere or be no text at all, and it must come out as valid
 * text of bounded length.
 *
 * Invariants: what is stored is always well formed; the length returned does not depend on the
 * capacity; converting well-formed text there and back gives the same text.
 */
#include "cordbg/com/utf16.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT 0xfffdu

size_t
cordbg_utf16_length(const WCHAR *text, size_t limit)
{
  size_t length = 0;
  while (length < limit && text[length] != 0)
    length++;
  return length;
}

/*
 * Takes one code point, or one maximal ill-formed piece as U+FFFD, from text[*at...]. The second
 * byte's range depends on the first (Unicode 15, table 3-7): that excludes overlong forms,
 * surrogates and values beyond U+10FFFF.
 */
static uint32_t
utf8_take(const unsigned char *text, size_t length, size_t *at)
{
  unsigned char lead = text[(*at)++];
  if (lead < 0x80)
    return lead;

  unsigned more;
  unsigned char low = 0x80, high = 0xbf;
  uint32_t value;
  if (lead >= 0xc2 && lead <= 0xdf) {
    more = 1;
    value = lead & 0x1fu;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    more = 2;
    value = lead & 0x0fu;
    if (lead == 0xe0)
      low = 0xa0;
    if (lead == 0xed)
      high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    more = 3;
    value = lead & 0x07u;
    if (lead == 0xf0)
      low = 0x90;
    if (lead == 0xf4)
      high = 0x8f;
  } else {
    return REPLACEMENT;
  }

  for (; more > 0; more--) {
    if (*at >= length || text[*at] < low || text[*at] > high)
      return REPLACEMENT;
    value = (value << 6) | (text[(*at)++] & 0x3fu);
    low = 0x80;
    high = 0xbf;
  }
  return value;
}

/* Takes one code point, or an unpaired surrogate as U+FFFD. */
static uint32_t
utf16_take(const WCHAR *text, size_t length, size_t *at)
{
  uint32_t unit = text[(*at)++];
  if (unit < 0xd800 || unit > 0xdfff)
    return unit;
  if (unit > 0xdbff || *at >= length || text[*at] < 0xdc00 || text[*at] > 0xdfff)
    return REPLACEMENT;
  uint32_t low = text[(*at)++];
  return 0x10000u + ((unit - 0xd800u) << 10) + (low - 0xdc00u);
}

size_t
cordbg_utf16_from_utf8(const char *text, size_t length, WCHAR *out, size_t capacity)
{
  size_t total = 0;
  for (size_t at = 0; at < length;) {
    uint32_t value = utf8_take((const unsigned char *)text, length, &at);
    WCHAR units[2] = {(WCHAR)value, 0};
    size_t count = 1;
    if (value > 0xffff) {
      units[0] = (WCHAR)(0xd800u + ((value - 0x10000u) >> 10));
      units[1] = (WCHAR)(0xdc00u + ((value - 0x10000u) & 0x3ffu));
      count = 2;
    }
    /* What did not fit takes the total past the capacity, so nothing shorter can follow it. */
    if (total + count <= capacity)
      memcpy(out + total, units, count * sizeof(WCHAR));
    total += count;
  }
  return total;
}

static size_t
utf8_put(uint32_t value, char bytes[4])
{
  if (value < 0x80) {
    bytes[0] = (char)value;
    return 1;
  }
  if (value < 0x800) {
    bytes[0] = (char)(0xc0u | (value >> 6));
    bytes[1] = (char)(0x80u | (value & 0x3fu));
    return 2;
  }
  if (value < 0x10000) {
    bytes[0] = (char)(0xe0u | (value >> 12));
    bytes[1] = (char)(0x80u | ((value >> 6) & 0x3fu));
    bytes[2] = (char)(0x80u | (value & 0x3fu));
    return 3;
  }
  bytes[0] = (char)(0xf0u | (value >> 18));
  bytes[1] = (char)(0x80u | ((value >> 12) & 0x3fu));
  bytes[2] = (char)(0x80u | ((value >> 6) & 0x3fu));
  bytes[3] = (char)(0x80u | (value & 0x3fu));
  return 4;
}

size_t
cordbg_utf8_from_utf16(const WCHAR *text, size_t length, char *out, size_t capacity)
{
  size_t total = 0;
  for (size_t at = 0; at < length;) {
    char bytes[4];
    size_t count = utf8_put(utf16_take(text, length, &at), bytes);
    if (total + count <= capacity)
      memcpy(out + total, bytes, count);
    total += count;
  }
  return total;
}

WCHAR *
cordbg_utf16_new(const char *text)
{
  if (!text)
    return NULL;
  size_t length = strlen(text);
  size_t units = cordbg_utf16_from_utf8(text, length, NULL, 0);
  WCHAR *out = calloc(units + 1, sizeof(WCHAR));
  if (out)
    cordbg_utf16_from_utf8(text, length, out, units);
  return out;
}

char *
cordbg_utf8_new_length(const WCHAR *text, size_t length)
{
  if (!text)
    return NULL;
  size_t bytes = cordbg_utf8_from_utf16(text, length, NULL, 0);
  char *out = calloc(bytes + 1, 1);
  if (out)
    cordbg_utf8_from_utf16(text, length, out, bytes);
  return out;
}

char *
cordbg_utf8_new(const WCHAR *text)
{
  return text ? cordbg_utf8_new_length(text, cordbg_utf16_length(text, SIZE_MAX)) : NULL;
}

/* Checks the arguments that both forms share, and *pcch. */
static HRESULT
string_out_begin(size_t length, ULONG32 cch, ULONG32 *pcch, const WCHAR *buffer)
{
  if (cch > 0 && !buffer && !pcch)
    return E_INVALIDARG;
  if (length >= UINT32_MAX)
    return HRESULT_FROM_WIN32(ERROR_ARITHMETIC_OVERFLOW);
  if (pcch)
    *pcch = (ULONG32)length + 1;
  return S_OK;
}

HRESULT
cordbg_string_out(const WCHAR *text, size_t length, ULONG32 cch, ULONG32 *pcch, WCHAR *buffer)
{
  HRESULT hr = string_out_begin(length, cch, pcch, buffer);
  if (FAILED(hr) || !buffer || cch == 0)
    return hr;
  size_t fits = length < cch ? length : cch - 1;
  bool cut = fits < length;
  if (cut && fits > 0 && text[fits - 1] >= 0xd800 && text[fits - 1] <= 0xdbff &&
      text[fits] >= 0xdc00 && text[fits] <= 0xdfff)
    fits--;
  if (fits > 0)
    memcpy(buffer, text, fits * sizeof(WCHAR));
  buffer[fits] = 0;
  return S_OK;
}

HRESULT
cordbg_string_out_utf8(const char *text, ULONG32 cch, ULONG32 *pcch, WCHAR *buffer)
{
  size_t bytes = text ? strlen(text) : 0;
  size_t units = cordbg_utf16_from_utf8(text, bytes, NULL, 0);
  HRESULT hr = string_out_begin(units, cch, pcch, buffer);
  if (FAILED(hr) || !buffer || cch == 0)
    return hr;
  /* The units stored end where the next code point would not fit; they are found by their end. */
  memset(buffer, 0, (size_t)(units < cch ? units + 1 : cch) * sizeof(WCHAR));
  cordbg_utf16_from_utf8(text, bytes, buffer, cch - 1);
  return S_OK;
}
