/* SPDX-License-Identifier: MIT */
/* Between the two DbgHelp files. */
#ifndef CORDBG_NATIVE_DBGHELP_PRIVATE_H
#define CORDBG_NATIVE_DBGHELP_PRIVATE_H

#include "cordbg/memory/doors.h"
#include "cordbg/native/stack.h"

/* What a process handle stands for in a call. */
typedef struct cordbg_dbghelp {
  cordbg_unwinder *unwinder;
  cordbg_target *target; /* its session, with a reference; NULL: none */
  struct cordbg_dbghelp_entry *entry;
} cordbg_dbghelp;

/* False: the last error is set. _end follows in any other case. */
bool cordbg_dbghelp_begin(HANDLE process, cordbg_dbghelp *ret);
void cordbg_dbghelp_end(cordbg_dbghelp *process);

/* Sets the last error and remembers the sentence; FALSE. */
BOOL cordbg_dbghelp_fail(DWORD code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
