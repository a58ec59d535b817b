/* SPDX-License-Identifier: MIT */
/* Methods by name and by token, answered from the module's metadata in the target's memory
 * (image-methods.h). */
#include "config.h"

#include "runtime-shim/coreclr/coreclr-private.h"
#include "runtime-shim/image-methods.h"

/* What an emitted module has grown to; opened anew when that is not what was opened last. */
static const cordbg_image *
emitted(cordbg_runtime *runtime, cordbg_coreclr_module *module, cordbg_error *error)
{
  cordbg_rt_metadata found;
  cordbg_image *image;

  if (FAILED(cordbg_coreclr_emitted_metadata(runtime, module, &found, error)))
    return NULL;
  if (module->metadata && module->metadata_address == found.address &&
      module->metadata_size == found.size)
    return module->metadata;
  if (FAILED(cordbg_rt_open_metadata(runtime->target, found.address, found.size, &image, error)))
    return NULL;
  cordbg_image_unref(module->metadata);
  module->metadata = image;
  module->metadata_address = found.address;
  module->metadata_size = found.size;
  return image;
}

const cordbg_image *
cordbg_coreclr_metadata(cordbg_runtime *runtime, cordbg_coreclr_module *module, cordbg_error *error)
{
  cordbg_target *target = runtime->target;

  if (module->flags & CORDBG_RT_MODULE_DYNAMIC)
    return emitted(runtime, module, error);
  if (module->metadata)
    return module->metadata;
  if (module->base && module->size &&
      SUCCEEDED(
          cordbg_rt_open_image(target, module->base, module->size,
                               module->flat ? CORDBG_IMAGE_LAYOUT_FILE : CORDBG_IMAGE_LAYOUT_MEMORY,
                               &module->metadata, error)))
    return module->metadata;
  /* An image that cannot be read may have metadata that can. */
  if (module->metadata_address && module->metadata_size <= CORDBG_CORECLR_IMAGE_MAX &&
      SUCCEEDED(cordbg_rt_open_metadata(target, module->metadata_address, module->metadata_size,
                                        &module->metadata, error)))
    return module->metadata;
  module->metadata = NULL;
  cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0, "the module %.150s has no metadata",
                   module->name);
  return NULL;
}

HRESULT
cordbg_coreclr_get_metadata(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_metadata *ret,
                            cordbg_error *error)
{
  const cordbg_coreclr_module *module = cordbg_coreclr_module_by_id(runtime, id, error);

  if (!module)
    return E_INVALIDARG;
  if (module->flags & CORDBG_RT_MODULE_DYNAMIC)
    return cordbg_coreclr_emitted_metadata(runtime, module, ret, error);
  if (!module->metadata_address || module->metadata_size > CORDBG_CORECLR_IMAGE_MAX)
    return cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0,
                            "the module %.120s has no metadata in one piece", module->name);
  *ret = (cordbg_rt_metadata){.address = module->metadata_address, .size = module->metadata_size};
  return S_OK;
}

HRESULT
cordbg_coreclr_find_methods(cordbg_runtime *runtime, cordbg_rt_id id, const char *type,
                            const char *method, uint32_t **tokens, size_t *count,
                            cordbg_error *error)
{
  cordbg_coreclr_module *module = cordbg_coreclr_module_by_id(runtime, id, error);

  if (!module || !type || !method)
    return E_INVALIDARG;
  const cordbg_image *image = cordbg_coreclr_metadata(runtime, module, error);
  if (!image && !(module->flags & CORDBG_RT_MODULE_DYNAMIC))
    return CORDBG_E_MISSING_METADATA;
  return cordbg_rt_find_methods(image, type, method, tokens, count);
}

HRESULT
cordbg_coreclr_method_name(cordbg_runtime *runtime, cordbg_rt_id id, uint32_t token, char **type,
                           char **method, cordbg_error *error)
{
  cordbg_coreclr_module *module = cordbg_coreclr_module_by_id(runtime, id, error);

  if (!module)
    return E_INVALIDARG;
  const cordbg_image *image = cordbg_coreclr_metadata(runtime, module, error);
  if (!image)
    return CORDBG_E_MISSING_METADATA;
  return cordbg_rt_method_name(image, module->name, token, type, method, error);
}

HRESULT
cordbg_coreclr_get_method(cordbg_runtime *runtime, cordbg_rt_id id, uint32_t token,
                          cordbg_rt_method *ret, cordbg_error *error)
{
  cordbg_coreclr_module *module = cordbg_coreclr_module_by_id(runtime, id, error);

  if (!module)
    return E_INVALIDARG;
  const cordbg_image *image = cordbg_coreclr_metadata(runtime, module, error);
  if (!image)
    return CORDBG_E_MISSING_METADATA;
  HRESULT hr = cordbg_rt_get_method(image, module->name, module->base, token, ret, error);
  if (SUCCEEDED(hr))
    ret->module = id;
  return hr;
}
