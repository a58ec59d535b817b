/* SPDX-License-Identifier: MIT */
/*
 * What libdbgshim.so asks of libcordbg.so, which it loads: one versioned table, so that a shim that
 * was copied somewhere and a library of another build find each other out.
 *
 * Any thread. Failures are remembered: cordbg_last_error has the sentence.
 */
#ifndef CORDBG_ICORDEBUG_HOSTING_H
#define CORDBG_ICORDEBUG_HOSTING_H

#include "cordbg/winbase.h"

#define CORDBG_HOSTING_VERSION 1u

typedef struct cordbg_hold cordbg_hold;

typedef struct cordbg_hosting_runtime {
  char library[256]; /* path of the file that is the runtime, in the target's root */
  ULONG64 base;      /* where it is mapped */
} cordbg_hosting_runtime;

typedef struct cordbg_hosting {
  ULONG32 version;
  ULONG32 size; /* of this struct */

  /* A new ICorDebug. */
  HRESULT (*create)(const IID *iid, void **object);

  /* S_FALSE: none. HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER): no such process. An error of the
     shim's: there is one, which cannot be debugged. */
  HRESULT (*find)(int pid, cordbg_hosting_runtime *ret);

  /* hold.h. The command line as CreateProcessW's, the environment as strings of UTF-8 that end with
     an empty one (NULL: the caller's). */
  HRESULT (*launch)
  (const WCHAR *command_line, const void *environment, const WCHAR *folder, cordbg_hold **ret);
  HRESULT (*attach)(int pid, cordbg_hold **ret);
  HRESULT (*await)(cordbg_hold *hold);
  void (*cancel)(cordbg_hold *hold);
  void (*let_go)(cordbg_hold *hold);
  cordbg_hold *(*ref)(cordbg_hold *hold);
  void (*unref)(cordbg_hold *hold);
  int (*pid)(const cordbg_hold *hold);

  /* Remembers an error; returns hr. */
  HRESULT (*fail)(HRESULT hr, const char *sentence);
} cordbg_hosting;

/* Exported. NULL: this library does not speak that version. */
const cordbg_hosting *cordbg_hosting_table(ULONG32 version);

#endif
