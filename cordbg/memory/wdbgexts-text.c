/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cordbg/memory/wdbgexts-text.h"

#include <glib.h>
#include <string.h>

char *
cordbg_wdbgexts_format(const char *format, va_list arguments)
{
  /* Microsoft's sizes become C's. Nothing grows, so that the copy is as long as the original. */
  g_autofree char *copy = g_malloc(strlen(format) + 1);
  char *out = copy;
  while (*format != '\0') {
    *out++ = *format;
    if (*format++ != '%')
      continue;
    while (*format != '\0' && strchr("-+ #0123456789.*", *format) != NULL)
      *out++ = *format++;
    if (strncmp(format, "I64", 3) == 0) {
      *out++ = 'l';
      *out++ = 'l';
      format += 3;
    } else if (strncmp(format, "I32", 3) == 0) {
      format += 3;
    } else if (format[0] == 'I' && format[1] != '\0' && strchr("diouxX", format[1]) != NULL) {
      *out++ = 'z';
      format++;
    }
    if (*format != '\0')
      *out++ = *format++;
  }
  *out = '\0';
  return g_strdup_vprintf(copy, arguments);
}
