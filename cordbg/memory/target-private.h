/* SPDX-License-Identifier: MIT */
/* The target's insides: for the memory room alone. */
#ifndef CORDBG_MEMORY_TARGET_PRIVATE_H
#define CORDBG_MEMORY_TARGET_PRIVATE_H

#include "cordbg/memory/reader.h"

struct cordbg_target {
  _Atomic int references;
  cordbg_reader reader;
  cordbg_tracer *tracer; /* owned */
};

/* A further reference, unless the last one is gone already. Under the registry's lock. */
bool cordbg_target_try_ref(cordbg_target *target);

/*
 * The registry (registry.c): pid -> target, the library's one global. It holds no references: a
 * target takes itself out before it is freed.
 */
HRESULT cordbg_registry_enter(cordbg_target *target, cordbg_error *error);
void cordbg_registry_leave(cordbg_target *target);

#endif
