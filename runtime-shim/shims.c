/* SPDX-License-Identifier: MIT */
/* The runtimes that this build knows, in the order in which they are asked for. */
#include "config.h"

#include "runtime-shim/coreclr/coreclr.h"
#include "runtime-shim/mono/mono.h"
#include "runtime-shim/runtime.h"

const cordbg_runtime_ops *const cordbg_runtime_shims[] = {
    &cordbg_mono_ops,
    &cordbg_coreclr_ops,
    NULL,
};
