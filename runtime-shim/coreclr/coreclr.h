/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_RUNTIME_SHIM_CORECLR_H
#define CORDBG_RUNTIME_SHIM_CORECLR_H

#include "runtime-shim/runtime.h"

extern const cordbg_runtime_ops cordbg_coreclr_ops;

#endif
