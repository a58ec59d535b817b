/* SPDX-License-Identifier: MIT */
/* Microsoft's printf, for dprintf. */
#ifndef CORDBG_MEMORY_WDBGEXTS_TEXT_H
#define CORDBG_MEMORY_WDBGEXTS_TEXT_H

#include <stdarg.h>

/*
 * Formats as WinDbg's dprintf: printf's conversions, and Microsoft's I64, I32 and I as sizes.
 * Allocated with g_malloc; never NULL.
 */
char *cordbg_wdbgexts_format(const char *format, va_list arguments);

#endif
