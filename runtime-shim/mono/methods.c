/* SPDX-License-Identifier: MIT */
/*
 * Methods by name and by token, answered from the image's own metadata (image-methods.h). Emitted
 * modules have no image: their metadata is made (emitted.c).
 */
#include "config.h"

#include "runtime-shim/image-methods.h"
#include "runtime-shim/mono/emitted.h"
#include "runtime-shim/mono/mono-private.h"

const cordbg_image *
cordbg_mono_metadata(cordbg_runtime *runtime, cordbg_mono_module *module, cordbg_error *error)
{
  if (module->flags & CORDBG_RT_MODULE_DYNAMIC)
    return cordbg_mono_emitted_image(runtime, module, error);
  if (module->metadata)
    return module->metadata;
  if (!module->base || !module->size || module->size > CORDBG_MONO_IMAGE_MAX) {
    cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0, "the module %s has no image",
                     module->name);
    return NULL;
  }
  /* The same image in another domain has been read already, perhaps. */
  for (guint i = 0; i < runtime->modules->len; i++) {
    const cordbg_mono_module *other = runtime->modules->pdata[i];
    if (other->image == module->image && other->metadata) {
      module->metadata = cordbg_image_ref(other->metadata);
      return module->metadata;
    }
  }
  if (FAILED(cordbg_rt_open_image(runtime->target, module->base, module->size,
                                  CORDBG_IMAGE_LAYOUT_FILE, &module->metadata, error)))
    module->metadata = NULL;
  return module->metadata;
}

HRESULT
cordbg_mono_find_methods(cordbg_runtime *runtime, cordbg_rt_id id, const char *type,
                         const char *method, uint32_t **tokens, size_t *count, cordbg_error *error)
{
  cordbg_mono_module *module = cordbg_mono_module_by_id(runtime, id, error);

  if (!module || !type || !method)
    return E_INVALIDARG;
  const cordbg_image *image = cordbg_mono_metadata(runtime, module, error);
  if (!image && !(module->flags & CORDBG_RT_MODULE_DYNAMIC))
    return CORDBG_E_MISSING_METADATA;
  return cordbg_rt_find_methods(image, type, method, tokens, count);
}

HRESULT
cordbg_mono_method_name(cordbg_runtime *runtime, cordbg_rt_id id, uint32_t token, char **type,
                        char **method, cordbg_error *error)
{
  cordbg_mono_module *module = cordbg_mono_module_by_id(runtime, id, error);

  if (!module)
    return E_INVALIDARG;
  const cordbg_image *image = cordbg_mono_metadata(runtime, module, error);
  if (!image)
    return CORDBG_E_MISSING_METADATA;
  return cordbg_rt_method_name(image, module->name, token, type, method, error);
}

HRESULT
cordbg_mono_get_method(cordbg_runtime *runtime, cordbg_rt_id id, uint32_t token,
                       cordbg_rt_method *ret, cordbg_error *error)
{
  cordbg_mono_module *module = cordbg_mono_module_by_id(runtime, id, error);

  if (!module)
    return E_INVALIDARG;
  const cordbg_image *image = cordbg_mono_metadata(runtime, module, error);
  if (!image)
    return CORDBG_E_MISSING_METADATA;
  HRESULT hr = cordbg_rt_get_method(image, module->name, module->base, token, ret, error);
  if (FAILED(hr))
    return hr;
  ret->module = id;
  if (module->flags & CORDBG_RT_MODULE_DYNAMIC)
    cordbg_mono_emitted_il(runtime, module, token, ret);
  return hr;
}
