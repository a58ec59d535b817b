/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "runtime-shim/coreclr/coreclr-private.h"
#include "tests/live/dac-resilience.h"

cordbg_dac *
dac_of_runtime(cordbg_runtime *runtime)
{
  return runtime->dac;
}

HRESULT
dac_second(cordbg_runtime *runtime, cordbg_dac **ret, cordbg_error *error)
{
  return cordbg_dac_start(runtime->target, runtime->library, runtime->info.base, 0, ret, error);
}
