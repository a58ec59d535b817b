/* SPDX-License-Identifier: MIT */
/* Finding and starting the helper processes: the client's side. */
#ifndef CORDBG_TRACER_SPAWN_H
#define CORDBG_TRACER_SPAWN_H

#include <stddef.h>

#include "cordbg/com/error.h"

#define CORDBG_HELPER_DESCRIPTORS_MAX 8

/*
 * Where a helper program or library of this name lies. Search order: CORDBG_LIBEXEC, which must
 * have it when it is set; beside this library, or in libexec of the build tree that it lies in; the
 * installed libexec folder. CORDBG_E_DEBUG_COMPONENT_MISSING: nowhere. Any thread.
 */
HRESULT cordbg_helper_path(const char *name, char *path, size_t size, cordbg_error *error);

/*
 * Starts a helper with the count (at most CORDBG_HELPER_DESCRIPTORS_MAX) descriptors as 3, 4, ...
 * and nothing else open but /dev/null. It is no child of the caller: its parent is an intermediate
 * process that has ended when this returns, whose exit sends no signal and which only __WCLONE
 * waits see. Any thread.
 */
HRESULT cordbg_helper_start(const char *name, const int *descriptors, size_t count,
                            char *const *environment, cordbg_error *error);

/*
 * Waits for a child that the client knows of and collects its exit status, by a waitpid that does
 * not block and wants the status, through the dynamic symbol. Adapters put a waitpid of their own
 * in front to learn the exit code; they are made for the calls of Microsoft's library, which are
 * all of this kind, and others may end them (netcoredbg's writes through a status that is NULL and
 * refuses a wait that blocks when it was built for interop). Any thread.
 */
void cordbg_child_collect(int pid);

/* cordbg-tracer with its four descriptors and the caller's environment. */
HRESULT cordbg_tracer_spawn(const int descriptors[4], cordbg_error *error);

#endif
