/* SPDX-License-Identifier: MIT */
/* The AMD64 CONTEXT of Windows and the registers that the tracer hands out, each from the other. */
#ifndef CORDBG_MEMORY_CONTEXT_H
#define CORDBG_MEMORY_CONTEXT_H

#include "cordbg/tracer/protocol.h"
#include "cordbg/winbase.h"

/*
 * Fills the parts of context that context->ContextFlags asks for (CONTEXT_CONTROL, _INTEGER,
 * _SEGMENTS, _FLOATING_POINT); other parts are untouched. Debug registers are not to be had: the
 * flag is taken out of ContextFlags, and they read 0.
 */
void cordbg_context_from_registers(CONTEXT *context, const cordbg_registers *registers);

/*
 * Changes the registers that context->ContextFlags names. fs_base, gs_base and orig_rax stay:
 * CONTEXT has no place for them. Debug registers are ignored.
 */
void cordbg_context_to_registers(const CONTEXT *context, cordbg_registers *registers);

#endif
