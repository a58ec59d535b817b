/* SPDX-License-Identifier: MIT */
#include "runtime-shim/coreclr/coreclr.h"

static HRESULT
detect(int pid, cordbg_runtime_info *ret, cordbg_error *error)
{
  (void)pid;
  (void)ret;
  (void)error;
  return S_FALSE;
}

const cordbg_runtime_ops cordbg_coreclr_ops = {.name = ".NET", .detect = detect};
