/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>

HRESULT
cordbg_tracing_call(cordbg_tracing *tracing, const cordbg_request_call *request, uint64_t *result,
                    cordbg_error *error)
{
  (void)tracing;
  (void)request;
  (void)result;
  return cordbg_error_set(error, E_NOTIMPL, ENOSYS, 0, "remote calls are not there yet");
}
