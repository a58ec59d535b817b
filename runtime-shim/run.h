/* SPDX-License-Identifier: MIT */
/*
 * Letting a stopped target run until it has come to a place: to the load of a runtime, to the end
 * of its start. What is waited for differs, the wait does not.
 *
 * Any thread ends such a wait by cordbg_tracer_interrupt.
 */
#ifndef CORDBG_RUNTIME_SHIM_RUN_H
#define CORDBG_RUNTIME_SHIM_RUN_H

#include "cordbg/memory/target.h"

typedef struct cordbg_run_goal {
  const char *what; /* that the program is to do, as in "did not ... within 5 ms" */
  /* These take the data of cordbg_run_until. S_OK: the goal is reached; S_FALSE: not yet; failures
   * end the wait. */
  HRESULT (*arm)(void *data, cordbg_error *error); /* once, at first; the target is stopped */
  /* Each event of the managed channel but the end of the process, in order. */
  HRESULT (*take)(void *data, const cordbg_event *event, cordbg_error *error);
  /* Lifts what traps are left; once, at last, also after failures, when the target may be running
   * or gone. */
  void (*lift)(void *data);
} cordbg_run_goal;

/*
 * The target is stopped, CONTINUE is owed. S_OK: the goal was reached, the target is stopped again
 * (or still), CONTINUE is owed. Failures leave it running, still attached:
 *   CORDBG_E_PROCESS_TERMINATED  it has ended
 *   CORDBG_E_TIMEOUT             timeout_ms (< 0: no limit) have passed
 *   E_ABORT                      cordbg_tracer_interrupt was called
 *   the goal's
 */
HRESULT cordbg_run_until(cordbg_target *target, int timeout_ms, const cordbg_run_goal *goal,
                         void *data, cordbg_error *error);

#endif
