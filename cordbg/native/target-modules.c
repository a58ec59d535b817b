/* SPDX-License-Identifier: MIT */
/* The modules of a target under debug: its memory is read through the reader, as pristine. */
#include "config.h"

#include "cordbg/native/modules-private.h"

static bool
read_target(void *data, uint64_t address, void *buffer, size_t size)
{
  return SUCCEEDED(
      cordbg_target_read_exact(data, CORDBG_VIEW_PRISTINE, address, buffer, size, NULL));
}

static void
release_target(void *data)
{
  cordbg_target_unref(data);
}

HRESULT
cordbg_modules_create_for_target(cordbg_target *target, cordbg_modules **ret, cordbg_error *error)
{
  HRESULT hr = cordbg_modules_create_owning(cordbg_target_pid(target), read_target, target,
                                            release_target, ret, error);

  if (SUCCEEDED(hr))
    cordbg_target_ref(target);
  return hr;
}
