/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_COM_ERROR_H
#define CORDBG_COM_ERROR_H

#include <stdint.h>
#include "cordbg/winbase.h"

/*
 * The one internal error value. A fallible function returns an HRESULT and fills this when the
 * caller passes one; each door converts it once, at the boundary. No allocation, no glib: the
 * tracer process uses it too, and it crosses the tracer's protocol by value.
 */
typedef struct cordbg_error {
  HRESULT hr;         /* S_OK when unset */
  int32_t sys;        /* errno, 0 when no system call failed */
  uint64_t address;   /* fault address in the target, 0 when none */
  char sentence[232]; /* what was refused, why, and what to do; NUL-terminated UTF-8 */
} cordbg_error;

_Static_assert(sizeof(cordbg_error) == 248, "crosses the tracer's protocol");

/*
 * Fills *error (when error is not NULL) and returns hr, so that `return cordbg_error_set(...)`
 * reads as one step. sys is an errno or 0; address is the fault address or 0.
 * Safe on every thread; does not change errno.
 */
HRESULT cordbg_error_set(cordbg_error *error, HRESULT hr, int sys, uint64_t address,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The HRESULT that stands for an errno (hresult.c), with the same filling as cordbg_error_set. */
HRESULT cordbg_error_set_errno(cordbg_error *error, int sys, uint64_t address, const char *format,
                               ...) __attribute__((format(printf, 4, 5)));

/*
 * The calling thread's last error, behind `cordbg_last_error` of cordbg.h. The doors store it on
 * each failure; success leaves it alone. Never NULL.
 */
const cordbg_error *cordbg_error_last(void);
void cordbg_error_remember(const cordbg_error *error);

#endif
