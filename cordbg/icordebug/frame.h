/* SPDX-License-Identifier: MIT */
/* Between frame.c, stack-walk.c and thread.c. */
#ifndef CORDBG_ICORDEBUG_FRAME_H
#define CORDBG_ICORDEBUG_FRAME_H

#include "cordbg/icordebug/private.h"
#include "cordbg/native/stack.h"

extern const cordbg_class cordbg_method_frame_class;

/*
 * The frame of a method with IL at a place of a thread's stack, with one reference; of frame,
 * registers, returns and cfa are looked at. S_FALSE: what runs there is no such method. Lock held,
 * target stopped.
 */
HRESULT cordbg_method_frame_new(cordbg_thread *thread, const cordbg_frame *frame, bool innermost,
                                ICorDebugFrame **ret, cordbg_error *error);

/* Of a method: the enumerators of EnumerateArguments (`this` counts) and EnumerateLocalVariables.
 * Lock held. */
HRESULT cordbg_function_arguments(cordbg_function *function, ICorDebugValueEnum **ret,
                                  cordbg_error *error);
HRESULT cordbg_function_variables(cordbg_function *function, ICorDebugValueEnum **ret,
                                  cordbg_error *error);

/*
 * ICorDebugThread::GetActiveFrame and ICorDebugThread3::CreateStackWalk. Lock not held: a walk asks
 * the session for managed frames.
 */
HRESULT cordbg_thread_active_frame(cordbg_thread *thread, ICorDebugFrame **ret);
HRESULT cordbg_thread_create_walk(cordbg_thread *thread, ICorDebugStackWalk **ret);

#endif
