/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_RUNTIME_SHIM_DBGSHIM_LIBRARY_H
#define CORDBG_RUNTIME_SHIM_DBGSHIM_LIBRARY_H

#include "cordbg/export.h"
#include "cordbg/icordebug/hosting.h"

/*
 * libcordbg's table; loads the library at the first call. NULL: there is no libcordbg, or it is
 * of another version (CORDBG_E_DEBUG_COMPONENT_MISSING is the answer then). Any thread.
 */
const cordbg_hosting *cordbg_dbgshim_library(void);

/* First lines of each entry point that needs the library. */
#define CORDBG_DBGSHIM_LIBRARY(name)                                                               \
  const cordbg_hosting *name = cordbg_dbgshim_library();                                           \
  if (name == NULL)                                                                                \
  return CORDBG_E_DEBUG_COMPONENT_MISSING

#endif
