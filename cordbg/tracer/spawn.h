/* SPDX-License-Identifier: MIT */
/* Starting the tracer process: the client's side. */
#ifndef CORDBG_TRACER_SPAWN_H
#define CORDBG_TRACER_SPAWN_H

#include "cordbg/com/error.h"

/*
 * Starts cordbg-tracer with the four descriptors as 3, 4, 5, 6 and nothing else open but /dev/null.
 * The tracer is no child of the caller: its parent is an intermediate process that has ended when
 * this returns, whose exit sends no signal and which only __WCLONE waits see. Any thread.
 */
HRESULT cordbg_tracer_spawn(const int descriptors[4], cordbg_error *error);

#endif
