/* SPDX-License-Identifier: MIT */
/*
 * The functions of Mono's embedding and profiler API that the agent calls, as a table that it
 * fills at its first start. Declared here, not included: the agent is built where no Mono is
 * installed. Looked up by name and not linked: a runtime that lacks one refuses with that name
 * instead of failing to load, and a runtime that a program loaded privately is found too.
 */
#ifndef CORDBG_RUNTIME_SHIM_MONO_AGENT_MONO_API_H
#define CORDBG_RUNTIME_SHIM_MONO_AGENT_MONO_API_H

#include <stdint.h>

typedef struct MonoDomain MonoDomain;
typedef struct MonoAssembly MonoAssembly;
typedef struct MonoImage MonoImage;
typedef struct MonoClass MonoClass;
typedef struct MonoMethod MonoMethod;
typedef struct MonoJitInfo MonoJitInfo;
typedef struct MonoProfiler MonoProfiler;
typedef void *MonoProfilerHandle;
typedef void (*MonoDomainFunc)(MonoDomain *domain, void *data);

/* type, name, arguments */
#define CORDBG_MONO_API(X)                                                                         \
  X(MonoProfilerHandle, profiler_create, (MonoProfiler * profiler))                                \
  X(void, profiler_set_jit_done_callback,                                                          \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, MonoMethod *, MonoJitInfo *)))           \
  X(void, profiler_set_jit_code_buffer_callback,                                                   \
    (MonoProfilerHandle handle,                                                                    \
     void (*f)(MonoProfiler *, const uint8_t *, uint64_t, int32_t, const void *)))                 \
  X(void, profiler_set_jit_chunk_destroyed_callback,                                               \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, const uint8_t *)))                       \
  X(void, profiler_set_domain_loaded_callback,                                                     \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, MonoDomain *)))                          \
  X(void, profiler_set_domain_name_callback,                                                       \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, MonoDomain *, const char *)))            \
  X(void, profiler_set_domain_unloading_callback,                                                  \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, MonoDomain *)))                          \
  X(void, profiler_set_domain_unloaded_callback,                                                   \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, MonoDomain *)))                          \
  X(void, profiler_set_assembly_loaded_callback,                                                   \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, MonoAssembly *)))                        \
  X(void, profiler_set_thread_started_callback,                                                    \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, uintptr_t)))                             \
  X(void, profiler_set_thread_stopped_callback,                                                    \
    (MonoProfilerHandle handle, void (*f)(MonoProfiler *, uintptr_t)))                             \
  X(MonoDomain *, domain_get, (void))                                                              \
  X(MonoDomain *, get_root_domain, (void))                                                         \
  X(int32_t, domain_get_id, (MonoDomain * domain))                                                 \
  X(const char *, domain_get_friendly_name, (MonoDomain * domain))                                 \
  X(void, domain_foreach, (MonoDomainFunc f, void *data))                                          \
  X(MonoImage *, get_corlib, (void))                                                               \
  X(MonoAssembly *, image_get_assembly, (MonoImage * image))                                       \
  X(int32_t, image_is_dynamic, (MonoImage * image))                                                \
  X(const char *, image_get_name, (MonoImage * image))                                             \
  X(const char *, image_get_guid, (MonoImage * image))                                             \
  X(MonoClass *, get_object_class, (void))                                                         \
  X(uint32_t, class_get_type_token, (MonoClass * klass))                                           \
  X(const char *, class_get_name, (MonoClass * klass))                                             \
  X(MonoImage *, class_get_image, (MonoClass * klass))                                             \
  X(MonoMethod *, class_get_methods, (MonoClass * klass, void **iterator))                         \
  X(uint32_t, method_get_token, (MonoMethod * method))                                             \
  X(MonoClass *, method_get_class, (MonoMethod * method))                                          \
  X(void *, jit_info_get_code_start, (MonoJitInfo * info))                                         \
  X(void *, thread_internal_current, (void))                                                       \
  X(void *, thread_info_current_unchecked, (void))                                                 \
  X(void, threads_attach_tools_thread, (void))

typedef struct cordbg_mono_api {
#define CORDBG_MONO_API_MEMBER(type, name, arguments) type(*name) arguments;
  CORDBG_MONO_API(CORDBG_MONO_API_MEMBER)
#undef CORDBG_MONO_API_MEMBER
  /* Optional: NULL when the runtime has none. */
  char *(*get_runtime_build_info)(void);
  int *use_interpreter;
} cordbg_mono_api;

#endif
