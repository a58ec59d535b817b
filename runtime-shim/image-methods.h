/* SPDX-License-Identifier: MIT */
/*
 * Methods by name and by token from an image's metadata: what every shim answers alike. The bytes
 * are those that the runtime itself uses (the target's memory), so a file replaced on disk does not
 * mislead.
 *
 * Thread rules are those of runtime.h. *tokens, *type and *method are g_malloc'ed.
 */
#ifndef CORDBG_RUNTIME_SHIM_IMAGE_METHODS_H
#define CORDBG_RUNTIME_SHIM_IMAGE_METHODS_H

#include "cordbg/metadata/image.h"
#include "runtime-shim/runtime.h"

/* The image at [base, base + size) of the target, read in the pristine view as it is asked for.
 * *ret is touched only on success and holds a reference on the target. */
HRESULT cordbg_rt_open_image(cordbg_target *target, uint64_t base, uint64_t size,
                             cordbg_image_layout layout, cordbg_image **ret, cordbg_error *error);
/* The same for metadata without an image around it. */
HRESULT cordbg_rt_open_metadata(cordbg_target *target, uint64_t address, uint64_t size,
                                cordbg_image **ret, cordbg_error *error);

/* Like cordbg_runtime_ops.find_methods; image NULL: a module without metadata, which has none. */
HRESULT cordbg_rt_find_methods(const cordbg_image *image, const char *type, const char *method,
                               uint32_t **tokens, size_t *count);
/* Like cordbg_runtime_ops.method_name; module: its name, for the sentence of an error. */
HRESULT cordbg_rt_method_name(const cordbg_image *image, const char *module, uint32_t token,
                              char **type, char **method, cordbg_error *error);
/* Like cordbg_runtime_ops.method, but for ret->module; base: of the image in the target. */
HRESULT cordbg_rt_get_method(const cordbg_image *image, const char *module, uint64_t base,
                             uint32_t token, cordbg_rt_method *ret, cordbg_error *error);
/* IL that a runtime compiles: not abstract, not native, not the runtime's own. */
bool cordbg_rt_has_il(const cordbg_metadata *metadata, uint32_t method_rid);

#endif
