/* SPDX-License-Identifier: MIT */
/* The text that goes in and out of WdbgExts' routines, without the target. */
#ifndef CORDBG_MEMORY_WDBGEXTS_TEXT_H
#define CORDBG_MEMORY_WDBGEXTS_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A sum or difference of numbers in WinDbg's notation: hexadecimal by default and with 0x, decimal
 * with 0n, octal with 0t, binary with 0y, 00000000`00401000 with a grave accent. Blanks are
 * skipped. false: it is more than that (a symbol, a register, another operator).
 */
bool cordbg_wdbgexts_evaluate(const char *text, uint64_t *ret);

/*
 * Formats as WinDbg's dprintf: printf's conversions, and Microsoft's I64, I32 and I as sizes.
 * Allocated with g_malloc; never NULL.
 */
char *cordbg_wdbgexts_format(const char *format, va_list arguments);

/*
 * The instruction in bytes as a line of text: address, bytes, instruction, a newline. Returns its
 * length, 0 when the bytes are no instruction. At most size bytes are written to line, NUL
 * included; 256 are enough.
 */
size_t cordbg_wdbgexts_disassemble(uint64_t address, const uint8_t *bytes, size_t count, char *line,
                                   size_t size);

#endif
