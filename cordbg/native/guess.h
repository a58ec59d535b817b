/* SPDX-License-Identifier: MIT */
/* Callers of frames for which nothing describes how to unwind them. Private to the native room. */
#ifndef CORDBG_NATIVE_GUESS_H
#define CORDBG_NATIVE_GUESS_H

#include "cordbg/native/unwinder-private.h"

/*
 * The kernel's signal frame, where a C library has no unwind data for its trampoline: the registers
 * of the interrupted place are on the stack. S_FALSE: the PC is not at such a trampoline.
 */
HRESULT cordbg_guess_signal(cordbg_unwinder *unwinder, const cordbg_frame *frame,
                            struct user_regs_struct *caller);

/*
 * By the instruction at the PC, by the frame pointer, by what the stack's top points to. A return
 * address is believed when it is in code and stands behind a call. S_FALSE: none is.
 */
HRESULT cordbg_guess_caller(cordbg_unwinder *unwinder, const cordbg_frame *frame,
                            struct user_regs_struct *caller, uint64_t *cfa);

#endif
