/* SPDX-License-Identifier: MIT */
/* What a HANDLE stands for: for the doors that take one. doors.h has the rest of handles.c. */
#ifndef CORDBG_MEMORY_HANDLES_H
#define CORDBG_MEMORY_HANDLES_H

#include "cordbg/memory/target-private.h"
#include "cordbg/winbase.h"

typedef struct cordbg_handle {
  _Atomic int references;
  int pid;
  int tid; /* 0: a process handle */
  DWORD access;
  cordbg_reader reader; /* plain, bound by its pidfd; a process handle's */
  /* The session that was seen to debug this very process, by its serial: its pid need not be
     compared with the pidfd again. */
  _Atomic uint64_t session;
} cordbg_handle;

/* The open handle with a reference, or NULL. tid != 0: thread handles are found too. */
cordbg_handle *cordbg_handle_take(HANDLE handle);
void cordbg_handle_drop(cordbg_handle *handle);

/* The process's session with a reference, or NULL: read and write it plainly then. */
cordbg_target *cordbg_handle_target(cordbg_handle *handle);

/*
 * Writes a process that no session of this program debugs (win32-process.c). *written, which the
 * caller has set to 0, counts what was written from the start. S_OK: all; S_FALSE: less, error
 * tells where; E_ACCESSDENIED, E_INVALIDARG, CORDBG_E_PROCESS_TERMINATED.
 */
HRESULT cordbg_handle_write(cordbg_handle *handle, uint64_t address, const void *data, size_t size,
                            size_t *written, cordbg_error *error);

/*
 * The first steps of each door that takes a process handle: finds it, checks the rights (all bits
 * of `access`). NULL: *error_code is ERROR_INVALID_HANDLE or ERROR_ACCESS_DENIED, error is filled.
 */
cordbg_handle *cordbg_handle_check(HANDLE handle, DWORD access, DWORD *error_code,
                                   cordbg_error *error);

#endif
