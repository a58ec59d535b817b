/* SPDX-License-Identifier: MIT */
/*
 * Microsoft's own ICorDebug, libmscordbi.so, where a .NET runtime is installed: for comparing what
 * it says, and how long it takes, with ours. In a process of its own: it installs signal handlers
 * and threads, and is never unloaded.
 */
#ifndef CORDBG_TESTS_LIVE_MSCORDBI_H
#define CORDBG_TESTS_LIVE_MSCORDBI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cordbg/cordbg.h"

/* The path of the newest runtime's library. false: it is not there. */
bool mscordbi_find(char *path, size_t size);
/* Loads and initializes it, once a process. NULL: said why on stderr. */
void *mscordbi_open(const char *path);
/* An ICorDebug (by QueryInterface) for a process whose libcoreclr is of the library's version. */
HRESULT mscordbi_create(void *library, DWORD pid, IUnknown **ret);
/* Detaches when no callback waits: Microsoft's does it only then. For either library's process. */
HRESULT mscordbi_leave(ICorDebugProcess *process);
/* The first mapping of libcoreclr.so in the process that has size bytes; 0: none. With 0 as size
 * it is the library's base, as Microsoft's libdbgshim finds it. */
uint64_t mscordbi_runtime(DWORD pid, uint64_t size);

#endif
