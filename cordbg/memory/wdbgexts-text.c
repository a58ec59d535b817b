/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cordbg/memory/wdbgexts-text.h"

#include <Zydis/Zydis.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

static const char *
skip_blanks(const char *text)
{
  while (*text == ' ' || *text == '\t')
    text++;
  return text;
}

/* Where the number ends, or NULL. */
static const char *
number(const char *text, uint64_t *ret)
{
  uint64_t base = 16;
  if (text[0] == '0' && text[1] != '\0') {
    char mark = g_ascii_tolower(text[1]);
    base = mark == 'n' ? 10 : mark == 't' ? 8 : mark == 'y' ? 2 : 16;
    if (mark == 'x' || mark == 'n' || mark == 't' || mark == 'y')
      text += 2;
  }
  uint64_t value = 0;
  bool any = false;
  for (;; text++) {
    if (*text == '`' && any)
      continue;
    int digit = g_ascii_xdigit_value(*text);
    if (digit < 0 || (uint64_t)digit >= base)
      break;
    if (value > (UINT64_MAX - (uint64_t)digit) / base)
      return NULL;
    value = value * base + (uint64_t)digit;
    any = true;
  }
  *ret = value;
  return any ? text : NULL;
}

bool
cordbg_wdbgexts_evaluate(const char *text, uint64_t *ret)
{
  uint64_t sum = 0;
  char sign = '+';
  text = skip_blanks(text);
  for (;;) {
    uint64_t value;
    text = number(text, &value);
    if (text == NULL)
      return false;
    sum = sign == '+' ? sum + value : sum - value;
    text = skip_blanks(text);
    if (*text == '\0')
      break;
    sign = *text;
    if (sign != '+' && sign != '-')
      return false;
    text = skip_blanks(text + 1);
  }
  *ret = sum;
  return true;
}

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

size_t
cordbg_wdbgexts_disassemble(uint64_t address, const uint8_t *bytes, size_t count, char *line,
                            size_t size)
{
  ZydisDisassembledInstruction instruction;
  if (!ZYAN_SUCCESS(
          ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, address, bytes, count, &instruction)))
    return 0;
  char hex[2 * ZYDIS_MAX_INSTRUCTION_LENGTH + 1];
  for (size_t i = 0; i < instruction.info.length; i++)
    snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
  snprintf(line, size, "%08x`%08x %-20s %s\n", (unsigned)(address >> 32), (unsigned)address, hex,
           instruction.text);
  return instruction.info.length;
}
