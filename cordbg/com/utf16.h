/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_COM_UTF16_H
#define CORDBG_COM_UTF16_H

#include <stddef.h>
#include "cordbg/winbase.h"

/*
 * UTF-8 <-> UTF-16. Any input is accepted: each maximal ill-formed piece of UTF-8 (overlong forms,
 * encoded surrogates, values beyond U+10FFFF, cut sequences; Unicode 15, table 3-7) and each
 * unpaired surrogate becomes one U+FFFD. Neither direction allocates unless it says so; no locale,
 * no glib; every thread.
 */

/* Units before the terminating NUL; looks at no more than limit units, and returns limit then. */
size_t cordbg_utf16_length(const WCHAR *text, size_t limit);

/*
 * Converts length bytes of UTF-8 (NULs included, no terminator needed) and stores up to capacity
 * units in out (NULL when capacity is 0). No terminator is added. A surrogate pair is never cut in
 * half: a pair that does not fit ends the output. Returns the units of the whole conversion, so
 * that a first call with capacity 0 measures.
 */
size_t cordbg_utf16_from_utf8(const char *text, size_t length, WCHAR *out, size_t capacity);

/* The same the other way; sequences are never cut in half. Returns the bytes of the whole. */
size_t cordbg_utf8_from_utf16(const WCHAR *text, size_t length, char *out, size_t capacity);

/*
 * A new NUL-terminated string from a NUL-terminated one, to be freed with free(). NULL for NULL,
 * and when memory is out.
 */
WCHAR *cordbg_utf16_new(const char *text);
char *cordbg_utf8_new(const WCHAR *text);

/* The same for a known length; the result has a NUL after it. */
char *cordbg_utf8_new_length(const WCHAR *text, size_t length);

/*
 * ICorDebug's way of handing a string out (GetName and its like): cch is the room of buffer in
 * units, *pcch becomes the units of the whole text with its NUL. Either may be left out: pcch NULL,
 * or buffer NULL with any cch. A text that does not fit is cut (never inside a surrogate pair) and
 * terminated.
 *
 * S_OK; E_INVALIDARG when cch is not 0 and buffer NULL and pcch NULL (nothing was asked for);
 * HRESULT_FROM_WIN32(ERROR_ARITHMETIC_OVERFLOW) when the text has 2^32 units or more. A cut text is
 * S_OK, as libmscordbi answers: the client compares *pcch with cch.
 */
HRESULT cordbg_string_out(const WCHAR *text, size_t length, ULONG32 cch, ULONG32 *pcch,
                          WCHAR *buffer);

/* The same from UTF-8; text is NUL-terminated (NULL: the empty text). */
HRESULT cordbg_string_out_utf8(const char *text, ULONG32 cch, ULONG32 *pcch, WCHAR *buffer);

#endif
