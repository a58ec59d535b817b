/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_RUNTIME_SHIM_MONO_H
#define CORDBG_RUNTIME_SHIM_MONO_H

#include "runtime-shim/runtime.h"

extern const cordbg_runtime_ops cordbg_mono_ops;

#endif
