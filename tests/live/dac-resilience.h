/* SPDX-License-Identifier: MIT */
/* What tests look up inside the CoreCLR shim (its own header and Mono's do not go together). */
#ifndef CORDBG_TESTS_LIVE_DAC_RESILIENCE_H
#define CORDBG_TESTS_LIVE_DAC_RESILIENCE_H

#include "runtime-shim/coreclr/dac.h"

cordbg_dac *dac_of_runtime(cordbg_runtime *runtime);
/* A second client of the same runtime. */
HRESULT dac_second(cordbg_runtime *runtime, cordbg_dac **ret, cordbg_error *error);

#endif
