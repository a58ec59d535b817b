/* SPDX-License-Identifier: MIT */
/*
 * From a program that runs no managed code yet to the moment at which one of the shims knows its
 * runtime. Asks the shims' `detect` only: it names no runtime.
 */
#ifndef CORDBG_RUNTIME_SHIM_AWAIT_H
#define CORDBG_RUNTIME_SHIM_AWAIT_H

#include "runtime-shim/runtime.h"

/* The shim whose runtime a process has. S_OK with *shim and *info; S_FALSE: none (yet); an error
 * is that shim's: its runtime is there and cannot be debugged. */
HRESULT cordbg_runtime_find(int pid, const cordbg_runtime_ops **shim, cordbg_runtime_info *info,
                            cordbg_error *error);

/*
 * The target is stopped, CONTINUE is owed, and no code of its runtime has run: it stands at its
 * first instruction, or anywhere before. Lets it run until a shim detects its runtime (at once, or
 * at the load of the library that is the runtime, before any of its code runs) and returns
 * with the target stopped there, CONTINUE owed: where prepare(launched) goes on from. An exec on
 * the way begins anew.
 *
 * Events of the managed channel, but the end, are handed to defer (NULL: dropped), in order, before
 * the target goes on; the stops of the dynamic linker are among them. timeout_ms < 0: no limit.
 *
 * Failures leave the target running, still attached and without traps of await's:
 *   CORDBG_E_PROCESS_TERMINATED  the program ended without having started a runtime
 *   CORDBG_E_TIMEOUT, E_ABORT    the time has passed; cordbg_tracer_interrupt was called
 *   the shim's                   its runtime is there and cannot be debugged
 */
HRESULT cordbg_runtime_await(cordbg_target *target, int timeout_ms,
                             void (*defer)(void *data, const cordbg_event *event), void *data,
                             const cordbg_runtime_ops **shim, cordbg_error *error);

#endif
