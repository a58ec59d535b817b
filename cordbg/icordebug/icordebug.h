/* SPDX-License-Identifier: MIT */
/*
 * The ICorDebug objects as the rest of the library sees them: how to make the first one, and what
 * stands behind the interface pointers that cordbg.h's functions take.
 */
#ifndef CORDBG_ICORDEBUG_ICORDEBUG_H
#define CORDBG_ICORDEBUG_ICORDEBUG_H

#include "cordbg/com/error.h"
#include "cordbg/cordbg.h"
#include "cordbg/cordebug.h"
#include "cordbg/memory/target.h"

HRESULT cordbg_cordebug_create(const IID *iid, void **object);

/*
 * The target behind a process object of ours, with a reference of the caller's. E_INVALIDARG for
 * NULL or an object of somebody else's; after exit or detach the target still comes, and answers
 * by itself why nothing can be read.
 */
HRESULT cordbg_process_target(ICorDebugProcess *process, cordbg_target **ret, cordbg_error *error);

/* S_OK while the process can be worked with, else why the object was neutered. */
HRESULT cordbg_process_alive(ICorDebugProcess *process, cordbg_error *error);

/* cordbg_find_methods of cordbg.h, errors not yet remembered. */
HRESULT cordbg_module_find_methods(ICorDebugModule *module, const char *type, const char *method,
                                   ULONG32 capacity, mdMethodDef *tokens, ULONG32 *count,
                                   cordbg_error *error);

/* cordbg_find_line and cordbg_symbol_reader of cordbg.h, errors not yet remembered. */
HRESULT cordbg_module_find_line(ICorDebugModule *module, const char *file, ULONG32 line,
                                ULONG32 capacity, CordbgLine *lines, ULONG32 *count,
                                cordbg_error *error);
HRESULT cordbg_module_symbol_reader(ICorDebugModule *module, const IID *iid, void **reader,
                                    cordbg_error *error);

/* cordbg_force_unmanaged_breakpoint of cordbg.h, errors not yet remembered. */
HRESULT cordbg_process_force_unmanaged(ICorDebugProcess *process, CORDB_ADDRESS address,
                                       BYTE *original, cordbg_error *error);

#endif
