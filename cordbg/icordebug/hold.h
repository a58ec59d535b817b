/* SPDX-License-Identifier: MIT */
/*
 * A process that is held before its runtime runs, until somebody debugs it: what stands between
 * libdbgshim's CreateProcessForLaunch or RegisterForRuntimeStartup and the DebugActiveProcess that
 * follows. hold.c has the page.
 *
 * Counted references; any thread, except that one thread at a time may await.
 */
#ifndef CORDBG_ICORDEBUG_HOLD_H
#define CORDBG_ICORDEBUG_HOLD_H

#include <glib.h>

#include "cordbg/com/error.h"
#include "cordbg/memory/target.h"
#include "runtime-shim/runtime.h"

typedef struct cordbg_hold cordbg_hold;

/* Starts a program as a child of the caller; it stands at its first instruction. Errors: those of
 * cordbg_tracer_launch. */
HRESULT cordbg_hold_launch(const cordbg_launch *launch, cordbg_hold **ret, cordbg_error *error);

/*
 * Stops a running process whose runtime has not started. S_FALSE: it has one already; the process
 * was let go. Errors: those of cordbg_tracer_attach.
 */
HRESULT cordbg_hold_attach(int pid, cordbg_hold **ret, cordbg_error *error);

cordbg_hold *cordbg_hold_ref(cordbg_hold *hold);
/* The last reference of a process that is still held lets it go. NULL allowed. */
void cordbg_hold_unref(cordbg_hold *hold);
int cordbg_hold_pid(const cordbg_hold *hold);

/*
 * Lets the process run until its runtime is there; it stands still when this returns S_OK, and
 * DebugActiveProcess takes it over. No time limit. After a failure it is not held any more: it runs
 * on, untraced, or it has ended (CORDBG_E_PROCESS_TERMINATED; a child's exit status was collected
 * by waitpid). E_ABORT: cancelled.
 */
HRESULT cordbg_hold_await(cordbg_hold *hold, cordbg_error *error);
/* Makes the await in progress, or the next one, fail with E_ABORT. */
void cordbg_hold_cancel(cordbg_hold *hold);

/* Lets the process run on untraced, unless somebody took it. */
void cordbg_hold_let_go(cordbg_hold *hold);

/* What a session takes over: all of it is the caller's. */
typedef struct cordbg_held {
  cordbg_target *target; /* stopped, CONTINUE owed */
  const cordbg_runtime_ops *shim;
  GArray *events; /* cordbg_event of the managed channel, not yet told, in order */
  bool child;
} cordbg_held;

/*
 * S_OK: process pid stood still at its runtime's start, and is the caller's from now on. S_FALSE:
 * it is not held. CORDBG_E_NOT_CLR: it is, and its runtime has not started.
 */
HRESULT cordbg_hold_take(int pid, cordbg_held *ret, cordbg_error *error);

#endif
