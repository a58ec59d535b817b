/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_COM_HRESULT_H
#define CORDBG_COM_HRESULT_H

#include "cordbg/winbase.h"

/*
 * The three kinds of error number and the ways between them. No allocation, no locale, no glib:
 * the tracer process uses this too. All functions are safe on every thread and leave errno alone.
 */

/*
 * The Win32 error that a Windows program would have got where Linux says sys (an errno value).
 * 0 for 0; ERROR_GEN_FAILURE for an errno without a counterpart.
 */
DWORD cordbg_win32_from_errno(int sys);

/* HRESULT_FROM_WIN32 of that; S_OK for 0, E_OUTOFMEMORY for ENOMEM. */
HRESULT cordbg_hresult_from_errno(int sys);

/* An errno for a Win32 error: EIO where there is none. 0 for ERROR_SUCCESS. */
int cordbg_errno_from_win32(DWORD error);

/*
 * The Win32 error inside an HRESULT of FACILITY_WIN32, 0 for a success, and for others the nearest
 * (E_NOTIMPL: ERROR_CALL_NOT_IMPLEMENTED, ...; ERROR_GEN_FAILURE when nothing is near).
 */
DWORD cordbg_win32_from_hresult(HRESULT hr);

/* An errno for an HRESULT, by way of the Win32 error. */
int cordbg_errno_from_hresult(HRESULT hr);

/*
 * The name of a status code: "CORDBG_E_OBJECT_NEUTERED", or "ERROR_PARTIAL_COPY" for a wrapped
 * Win32 error. NULL when it has none here. The string is constant.
 */
const char *cordbg_hresult_name(HRESULT hr);

/* The name of a Win32 error, or NULL. */
const char *cordbg_win32_name(DWORD error);

#endif
