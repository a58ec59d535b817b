/* SPDX-License-Identifier: MIT */
/*
 * A managed and an unmanaged callback for small drivers: every event is taken note of and the
 * process goes on, except where a hook asks to stay stopped.
 */
#ifndef SAMPLES_CALLBACK_H
#define SAMPLES_CALLBACK_H

#include <stdbool.h>

#include "cordbg/cordbg.h"

/*
 * Hooks run on cordbg's callback threads. Each may be NULL. `true` lets the process go on; `false`
 * leaves it stopped: somebody has to call ICorDebugController::Continue later.
 */
typedef struct sample_hooks {
  void *data;
  bool (*create_process)(void *data, ICorDebugProcess *process);
  bool (*load_module)(void *data, ICorDebugModule *module);
  bool (*create_thread)(void *data, ICorDebugThread *thread);
  bool (*breakpoint)(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint);
  bool (*user_break)(void *data, ICorDebugThread *thread); /* the program's Debugger.Break */
  void (*exit_process)(void *data, ICorDebugProcess *process); /* nothing to continue */
  void (*native_event)(void *data, const DEBUG_EVENT *event);

  /* Behind exit_process: nothing is called any more. For driver.c. */
  void (*ended)(void *ended_data);
  void *ended_data;
} sample_hooks;

/* Both hold hooks by reference: it must outlive them. The caller owns one reference of each. */
ICorDebugManagedCallback *sample_managed_callback(const sample_hooks *hooks);
/* process may still be NULL when the object is made: it is looked up by pid at each event. */
ICorDebugUnmanagedCallback *sample_unmanaged_callback(const sample_hooks *hooks,
                                                      ICorDebug *cordebug);

#endif
