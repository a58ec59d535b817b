/* SPDX-License-Identifier: MIT */
/*
 * The internal error value: filled where something fails, converted once at a door.
 *
 * The last error is the thread's own copy, so that what cordbg_error_last points to stays readable
 * until the next failure on the same thread.
 */
#include "cordbg/com/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "cordbg/com/hresult.h"

static _Thread_local cordbg_error last_error;

static HRESULT __attribute__((format(printf, 5, 0)))
error_fill(cordbg_error *error, HRESULT hr, int sys, uint64_t address, const char *format,
           va_list arguments)
{
  if (!error)
    return hr;
  int saved = errno;
  error->hr = hr;
  error->sys = sys;
  error->address = address;
  /* Formatted aside: an argument may be the sentence that is about to be overwritten. */
  char sentence[sizeof(error->sentence)];
  if (vsnprintf(sentence, sizeof(sentence), format, arguments) < 0)
    sentence[0] = '\0';
  size_t used = 0;
  while (used < sizeof(sentence) - 1 && sentence[used] != '\0')
    used++;
  /* A cut in the middle of a UTF-8 sequence takes the sequence away. */
  if (used == sizeof(sentence) - 1) {
    size_t start = used;
    while (start > 0 && used - start < 4 && ((unsigned char)sentence[start - 1] & 0xc0) == 0x80)
      start--;
    if (start > 0 && (unsigned char)sentence[start - 1] >= 0xc0) {
      unsigned char lead = (unsigned char)sentence[start - 1];
      size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
      if (used - (start - 1) < length)
        used = start - 1;
    }
  }
  for (size_t i = 0; i < used; i++)
    error->sentence[i] = sentence[i];
  error->sentence[used] = '\0';
  errno = saved;
  return hr;
}

HRESULT
cordbg_error_set(cordbg_error *error, HRESULT hr, int sys, uint64_t address, const char *format,
                 ...)
{
  va_list arguments;
  va_start(arguments, format);
  error_fill(error, hr, sys, address, format, arguments);
  va_end(arguments);
  return hr;
}

HRESULT
cordbg_error_set_errno(cordbg_error *error, int sys, uint64_t address, const char *format, ...)
{
  HRESULT hr = cordbg_hresult_from_errno(sys);
  va_list arguments;
  va_start(arguments, format);
  error_fill(error, hr, sys, address, format, arguments);
  va_end(arguments);
  return hr;
}

const cordbg_error *
cordbg_error_last(void)
{
  return &last_error;
}

void
cordbg_error_remember(const cordbg_error *error)
{
  if (error && error != &last_error)
    last_error = *error;
}
