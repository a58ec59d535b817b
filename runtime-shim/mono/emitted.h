/* SPDX-License-Identifier: MIT */
/*
 * What an emitted module's types are, as metadata (emitted.c has the page). All with the target
 * stopped; thread rules are those of runtime.h.
 */
#ifndef CORDBG_RUNTIME_SHIM_MONO_EMITTED_H
#define CORDBG_RUNTIME_SHIM_MONO_EMITTED_H

#include "cordbg/metadata/writer.h"
#include "runtime-shim/mono/mono-private.h"

/* Kept with the module; made anew when the runtime's types are not what they were. */
typedef struct cordbg_mono_emitted cordbg_mono_emitted;

/* NULL and the reason when there is no type yet, or the runtime's structures are unknown. Borrowed
 * from the module; good until the next call for it. */
const cordbg_image *cordbg_mono_emitted_image(cordbg_runtime *runtime, cordbg_mono_module *module,
                                              cordbg_error *error);
/* Like cordbg_runtime_ops.metadata. */
HRESULT cordbg_mono_get_metadata(cordbg_runtime *runtime, cordbg_rt_id module,
                                 cordbg_rt_metadata *ret, cordbg_error *error);
/* Fills in where a method's IL lies; nothing when it has none. */
void cordbg_mono_emitted_il(cordbg_runtime *runtime, const cordbg_mono_module *module,
                            uint32_t token, cordbg_rt_method *ret);
void cordbg_mono_emitted_free(cordbg_mono_emitted *emitted);

#endif
