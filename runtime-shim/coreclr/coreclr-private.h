/* SPDX-License-Identifier: MIT */
/* What the files of the CoreCLR shim share. coreclr.c has the page that explains it. */
#ifndef CORDBG_RUNTIME_SHIM_CORECLR_PRIVATE_H
#define CORDBG_RUNTIME_SHIM_CORECLR_PRIVATE_H

#include <glib.h>
#include <stdatomic.h>

#include "cordbg/metadata/image.h"
#include "runtime-shim/coreclr/dac.h"
#include "runtime-shim/runtime.h"

/* Bounds on what is believed of a target. */
#define CORDBG_CORECLR_MODULES_MAX 65536u
#define CORDBG_CORECLR_THREADS_MAX 65536u
#define CORDBG_CORECLR_CODE_MAX (64u << 20) /* bytes of one body */
#define CORDBG_CORECLR_IMAGE_MAX (2ull << 30)

typedef void (*cordbg_coreclr_defer)(void *data, const cordbg_event *event);

/* ---- detect.c ---- */

/* Like cordbg_runtime_ops.detect. */
HRESULT cordbg_coreclr_detect(int pid, cordbg_runtime_info *ret, cordbg_error *error);
/*
 * The same; *path (nullable) is the library's whole path, g_malloc'ed. *throws (nullable): where
 * the C++ library that throws for the runtime is mapped; 0: none is, or more than one.
 */
HRESULT cordbg_coreclr_find(int pid, char **path, uint64_t *throws, cordbg_runtime_info *ret,
                            cordbg_error *error);

/* ---- expect.c ---- */

/* Like cordbg_runtime_ops.expect and .dismiss. */
uint64_t cordbg_coreclr_expect(int pid, const cordbg_runtime_info *info);
void cordbg_coreclr_dismiss(uint64_t expectation);
/* What was begun for an attach to the process, the caller's; NULL: nothing. */
cordbg_dac_begun *cordbg_coreclr_expected(int pid);

/* ---- Objects (things.c, code.c) ---- */

typedef struct cordbg_coreclr_module {
  cordbg_rt_id id;
  cordbg_rt_id assembly_id; /* one module an assembly: .NET has no other */
  uint64_t module;          /* Module of the runtime */
  uint64_t assembly;        /* Assembly of the runtime */
  uint32_t flags;           /* CORDBG_RT_MODULE_* */
  char *name;               /* path, or the simple name */
  uint64_t base, size;
  bool flat; /* the image lies as in its file */
  uint64_t metadata_address, metadata_size; /* in the target; 0: none */
  uint8_t mvid[16];
  cordbg_image *metadata; /* opened at the first question; NULL until then */
  bool seen, gone;        /* gone: its end is told; kept until the events were taken */
} cordbg_coreclr_module;

typedef struct cordbg_coreclr_thread {
  cordbg_rt_id id;
  uint64_t thread; /* Thread of the runtime; 0: not seen in a picture yet */
  int32_t tid;
  bool seen, gone;
} cordbg_coreclr_thread;

typedef struct cordbg_coreclr_code {
  cordbg_rt_code rt;
  uint64_t method_desc;
  bool dynamic; /* a DynamicMethod or IL stub: no module's token stands behind it */
  bool unlisted; /* told before it was published: the DAC may not know it yet */
  bool gone;
} cordbg_coreclr_code;

/* The tables of things.c and code.c: theirs alone. */
typedef struct cordbg_coreclr_things cordbg_coreclr_things;
typedef struct cordbg_coreclr_codes cordbg_coreclr_codes;
/* Of notify.c and want.c. */
typedef struct cordbg_coreclr_wants cordbg_coreclr_wants;
typedef struct cordbg_coreclr_publish cordbg_coreclr_publish; /* of publish.c */
typedef struct cordbg_coreclr_starts cordbg_coreclr_starts;   /* of thread-starts.c */

typedef struct cordbg_coreclr_thread_list cordbg_coreclr_thread_list; /* of thread-list.c */
typedef struct cordbg_coreclr_bodies cordbg_coreclr_bodies;   /* of bodies.c */

/* The runtime's data-contract descriptor (emitted.c). */
typedef struct cordbg_coreclr_descriptor {
  char *text;        /* NUL-terminated */
  uint64_t pointers; /* address of its array of addresses */
  uint32_t pointer_count;
} cordbg_coreclr_descriptor;

/* Where the runtime keeps an emitted module's metadata (emitted.c). */
typedef struct cordbg_coreclr_emitted {
  bool looked, found;
  uint64_t pointer, size, data; /* offsets */
} cordbg_coreclr_emitted;

struct cordbg_runtime {
  cordbg_target *target;
  cordbg_tracer *tracer;
  int pid;
  cordbg_runtime_info info;
  char *library; /* whole path of libcoreclr.so, as the maps show it */
  cordbg_dac_begun *begun; /* until dac is made of it; NULL: nothing was begun */
  cordbg_dac *dac; /* started by prepare; its host may die and be started anew underneath */

  cordbg_rt_id next_id; /* of every kind of thing; from 1 */
  cordbg_coreclr_things *things;
  cordbg_coreclr_codes *codes;
  cordbg_coreclr_wants *wants;
  cordbg_coreclr_publish *publish;
  cordbg_coreclr_thread_list *thread_list;
  cordbg_coreclr_starts *starts;
  cordbg_coreclr_bodies *bodies;
  GArray *pending; /* of cordbg_rt_event, met by queries; told with the next events */

  bool sound_known; /* no collection was in progress when the target stood like this: */
  uint64_t sound_at; /* cordbg_tracer_stillness */

  uint64_t throw_library; /* as cordbg_coreclr_find tells */
  uint64_t throw_address; /* __cxa_throw of the target's libstdc++; 0: not found */
  bool throw_planted;
  bool flags_set;   /* notification flags in the runtime */
  bool arguments_looked;
  uint64_t arguments; /* where it says what a notification is about; 0: unknown */
  bool descriptor_looked;
  cordbg_coreclr_descriptor descriptor; /* text NULL: it has none */
  cordbg_coreclr_emitted emitted;
  GHashTable *told; /* ids of the bodies that a CODE_COMPILED told */
};

/* ---- coreclr.c ---- */

/* Reads exactly; the shim looks at the pristine view. */
HRESULT cordbg_coreclr_read(cordbg_runtime *runtime, uint64_t address, void *buffer, size_t size,
                            cordbg_error *error);
/* What the library mapped at that address exports under name; 0: nothing. */
uint64_t cordbg_coreclr_export(cordbg_runtime *runtime, uint64_t library, const char *name);
/* One internal trap. */
HRESULT cordbg_coreclr_plant(cordbg_runtime *runtime, uint64_t address, cordbg_error *error);
void cordbg_coreclr_lift(cordbg_runtime *runtime, uint64_t address); /* 0: nothing */

/* ---- things.c ---- */

void cordbg_coreclr_make_things(cordbg_runtime *runtime);
void cordbg_coreclr_free_things(cordbg_runtime *runtime);
/* Frees what was told gone: called when the next events are fetched. */
void cordbg_coreclr_free_retired(cordbg_runtime *runtime);
/*
 * Read everything anew from the DAC and compare: what is new gets an id, what is missing is marked
 * gone. events (nullable) gets ASSEMBLY_LOADED and MODULE_LOADED, MODULE_UNLOADED and
 * ASSEMBLY_UNLOADED, THREAD_STARTED and THREAD_EXITED for the differences.
 */
HRESULT cordbg_coreclr_scan_modules(cordbg_runtime *runtime, GArray *events, cordbg_error *error);
HRESULT cordbg_coreclr_scan_threads(cordbg_runtime *runtime, GArray *events, cordbg_error *error);
/* Only what is new. */
HRESULT cordbg_coreclr_meet_threads(cordbg_runtime *runtime, GArray *events, cordbg_error *error);
/* One thread that is the runtime's and was not known; one that ended, if it was known. */
void cordbg_coreclr_meet_thread(cordbg_runtime *runtime, int32_t tid, GArray *events);
void cordbg_coreclr_end_thread(cordbg_runtime *runtime, int32_t tid, GArray *events);
bool cordbg_coreclr_knows_thread(const cordbg_runtime *runtime, int32_t tid);
/* One module by the runtime's address, entering it (events as above) when it is new; NULL: the DAC
 * does not know it (yet). */
cordbg_coreclr_module *cordbg_coreclr_meet_module(cordbg_runtime *runtime, uint64_t module,
                                                  GArray *events, cordbg_error *error);
/* A module of the runtime is unloaded: tells it, and CODE_FREED for its known bodies. */
void cordbg_coreclr_end_module(cordbg_runtime *runtime, uint64_t module, GArray *events);
cordbg_coreclr_module *cordbg_coreclr_module_by_id(cordbg_runtime *runtime, cordbg_rt_id id,
                                                   cordbg_error *error); /* E_INVALIDARG: NULL */
cordbg_coreclr_module *cordbg_coreclr_module_at(cordbg_runtime *runtime, uint64_t module);
cordbg_rt_id cordbg_coreclr_domain_id(cordbg_runtime *runtime); /* of the only one */

HRESULT cordbg_coreclr_domains(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count,
                               cordbg_error *error);
HRESULT cordbg_coreclr_assemblies(cordbg_runtime *runtime, cordbg_rt_id domain, cordbg_rt_id **ids,
                                  size_t *count, cordbg_error *error);
HRESULT cordbg_coreclr_modules(cordbg_runtime *runtime, cordbg_rt_id assembly, cordbg_rt_id **ids,
                               size_t *count, cordbg_error *error);
HRESULT cordbg_coreclr_threads(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count,
                               cordbg_error *error);
HRESULT cordbg_coreclr_get_domain(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_domain *ret,
                                  cordbg_error *error);
HRESULT cordbg_coreclr_get_assembly(cordbg_runtime *runtime, cordbg_rt_id id,
                                    cordbg_rt_assembly *ret, cordbg_error *error);
HRESULT cordbg_coreclr_get_module(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_module *ret,
                                  cordbg_error *error);
HRESULT cordbg_coreclr_get_thread(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_thread *ret,
                                  cordbg_error *error);

/* ---- thread-list.c ---- */

typedef struct cordbg_coreclr_listed {
  uint64_t thread; /* Thread of the runtime */
  uint32_t tid;    /* 0: not started, or dead */
} cordbg_coreclr_listed;

void cordbg_coreclr_make_thread_list(cordbg_runtime *runtime);
void cordbg_coreclr_free_thread_list(cordbg_runtime *runtime);
/* All Threads of the runtime now, in its order: cordbg_coreclr_listed, the caller's to unref. */
HRESULT cordbg_coreclr_list_threads(cordbg_runtime *runtime, GArray **ret, cordbg_error *error);

/* ---- code.c ---- */

void cordbg_coreclr_make_codes(cordbg_runtime *runtime);
void cordbg_coreclr_free_codes(cordbg_runtime *runtime);
HRESULT cordbg_coreclr_codes_of(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                                cordbg_rt_code **codes, size_t *count, cordbg_error *error);
/*
 * The body that begins at (or holds) address, entered into the tables. [out] *ret is a copy whose id
 * is known from then on. S_FALSE: no body, or one of no module's method. A body just published is
 * answered too (at the notification of its compilation, before its first execution).
 */
HRESULT cordbg_coreclr_code_at(cordbg_runtime *runtime, uint64_t address, cordbg_rt_code *ret,
                               cordbg_error *error);
/* Enters a body that was described; *ret as above. S_FALSE: it is of no module's method. */
HRESULT cordbg_coreclr_enter_code(cordbg_runtime *runtime, const cordbg_dac_code *found,
                                  cordbg_rt_code *ret, cordbg_error *error);
/* The body at start is complete and not published: a list of the method's bodies has it all the
 * same. */
void cordbg_coreclr_code_unlisted(cordbg_runtime *runtime, uint64_t start);
/* Was the body of that method at start told already? */
bool cordbg_coreclr_was_told(const cordbg_runtime *runtime, uint64_t method_desc, uint64_t start);
/*
 * The same at a notification: method_desc and code are what it gave; used when the runtime's code
 * manager does not yet answer by address.
 */
HRESULT cordbg_coreclr_meet_code(cordbg_runtime *runtime, uint64_t method_desc, uint64_t code,
                                 cordbg_rt_code *ret, cordbg_error *error);
/* Codes of a module that ends: CODE_FREED for each known one. */
void cordbg_coreclr_free_codes_of(cordbg_runtime *runtime, cordbg_rt_id module, GArray *events);
HRESULT cordbg_coreclr_il_map(cordbg_runtime *runtime, cordbg_rt_id code, cordbg_rt_map **map,
                              size_t *count, cordbg_error *error);
HRESULT cordbg_coreclr_unwind(cordbg_runtime *runtime, int32_t tid,
                              const struct user_regs_struct *registers, bool innermost,
                              cordbg_rt_frame *ret, cordbg_error *error);
HRESULT cordbg_coreclr_next_managed(cordbg_runtime *runtime, int32_t tid,
                                    const struct user_regs_struct *registers,
                                    struct user_regs_struct *ret, cordbg_error *error);

/* ---- bodies.c ---- */

/* A body of code as the runtime's own structures have it. */
typedef struct cordbg_coreclr_body {
  cordbg_dac_code code;
  cordbg_rt_map *map; /* owned; as dac.h has it; NULL: empty */
  size_t count;
  unsigned shape; /* of its debug information */
} cordbg_coreclr_body;

void cordbg_coreclr_make_bodies(cordbg_runtime *runtime);
void cordbg_coreclr_free_bodies(cordbg_runtime *runtime);
/* Is the layout of this runtime's structures known? */
bool cordbg_coreclr_bodies_readable(cordbg_runtime *runtime);
/* The MethodDesc of the NativeCodeVersion at address. false: it cannot be. */
bool cordbg_coreclr_version_method(cordbg_runtime *runtime, uint64_t address,
                                   uint64_t *method_desc);
/* Whose method a MethodDesc is: module, token, class_token; instance stays 0. Not checked further. */
bool cordbg_coreclr_method_token(cordbg_runtime *runtime, uint64_t method_desc,
                                 cordbg_dac_method *ret);
/*
 * The compiled body that begins at start, published or not. false: none of that method is there as
 * far as can be seen, or it is not understood. To be believed only when it is proven.
 */
bool cordbg_coreclr_read_body(cordbg_runtime *runtime, uint64_t method_desc, uint64_t start,
                              cordbg_coreclr_body *ret);
void cordbg_coreclr_clear_body(cordbg_coreclr_body *body);
/* Did a body of this shape come out as the DAC had it, and none otherwise? */
bool cordbg_coreclr_body_proven(const cordbg_runtime *runtime, const cordbg_coreclr_body *body);
/*
 * Tells the body that begins at start by CODE_COMPILED, once, without asking the DAC. S_FALSE: it
 * is not to be read, or not to be believed.
 */
HRESULT cordbg_coreclr_tell_body(cordbg_runtime *runtime, uint64_t method_desc, uint64_t start,
                                 int32_t tid, GArray *events, cordbg_error *error);
/* The map of the body that was told last, g_malloc'ed. false: it was another. */
bool cordbg_coreclr_told_map(const cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_map **map,
                             size_t *count);
/* The same body as code has it? */
bool cordbg_coreclr_body_is(cordbg_runtime *runtime, const cordbg_coreclr_body *body,
                            const cordbg_coreclr_code *code);
/* The DAC's answers for that body. */
void cordbg_coreclr_prove_body(cordbg_runtime *runtime, const cordbg_coreclr_body *body,
                               const cordbg_coreclr_code *code, const cordbg_rt_map *map,
                               size_t count);

/* ---- emitted.c: the runtime's own description of its structures ---- */

/* Its data-contract descriptor, read once; NULL: it has none. */
const cordbg_coreclr_descriptor *cordbg_coreclr_get_descriptor(cordbg_runtime *runtime);
/* The address that it gives for a global variable. false: none. */
bool cordbg_coreclr_find_global(cordbg_runtime *runtime, const char *name, uint64_t *ret);
/* The offset of a type's member in that text; member "!": the type's size. false: not there. */
bool cordbg_coreclr_find_member(const char *text, const char *type, const char *member,
                                uint64_t *ret);

/* ---- methods.c ---- */

/* NULL and the reason when the module has no readable metadata. */
const cordbg_image *cordbg_coreclr_metadata(cordbg_runtime *runtime, cordbg_coreclr_module *module,
                                            cordbg_error *error);
HRESULT cordbg_coreclr_find_methods(cordbg_runtime *runtime, cordbg_rt_id module, const char *type,
                                    const char *method, uint32_t **tokens, size_t *count,
                                    cordbg_error *error);
HRESULT cordbg_coreclr_get_method(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                                  cordbg_rt_method *ret, cordbg_error *error);
HRESULT cordbg_coreclr_get_metadata(cordbg_runtime *runtime, cordbg_rt_id module,
                                    cordbg_rt_metadata *ret, cordbg_error *error);
HRESULT cordbg_coreclr_method_name(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                                   char **type, char **method, cordbg_error *error);

/* ---- emitted.c ---- */

/* Like cordbg_runtime_ops.metadata, for a module with CORDBG_RT_MODULE_DYNAMIC. */
HRESULT cordbg_coreclr_emitted_metadata(cordbg_runtime *runtime,
                                        const cordbg_coreclr_module *module,
                                        cordbg_rt_metadata *ret, cordbg_error *error);

/* ---- launch.c ---- */

/* From the load of libcoreclr to the moment at which the DAC works and no user code has run. */
HRESULT cordbg_coreclr_run_until_ready(cordbg_runtime *runtime, int timeout_ms,
                                       cordbg_coreclr_defer defer, void *data,
                                       cordbg_error *error);

/* ---- notify.c ---- */

HRESULT cordbg_coreclr_handle_event(cordbg_runtime *runtime, const cordbg_event *event,
                                    cordbg_rt_event **events, size_t *count, cordbg_error *error);
HRESULT cordbg_coreclr_synchronised(cordbg_runtime *runtime, cordbg_error *error);

/*
 * The notification of the body at start, which is told already, stops nobody: its throw passes in
 * the tracer. 0: each notification stops. Exceptions that are no notification pass either way.
 */
void cordbg_coreclr_pass_notification(cordbg_runtime *runtime, uint64_t start);

/* ---- publish.c ---- */

void cordbg_coreclr_make_publish(cordbg_runtime *runtime);
void cordbg_coreclr_free_publish(cordbg_runtime *runtime);
/* Has each body of code told before it is published, as long as want.c needs it; false: this runtime
 * offers no place for that. */
bool cordbg_coreclr_publish_trap(cordbg_runtime *runtime);
/* The end of the session: all traps of publish.c are lifted. */
void cordbg_coreclr_publish_leave(cordbg_runtime *runtime);
/* The body at address was told. */
void cordbg_coreclr_publish_told(cordbg_runtime *runtime, uint64_t address);
bool cordbg_coreclr_publish_is(const cordbg_runtime *runtime, const cordbg_event *event);
/* Such a trap was hit: CODE_COMPILED when the method is wanted. */
HRESULT cordbg_coreclr_publish_take(cordbg_runtime *runtime, const cordbg_event *event,
                                    GArray *events, cordbg_error *error);

/* ---- thread-starts.c ---- */

void cordbg_coreclr_make_starts(cordbg_runtime *runtime);
void cordbg_coreclr_free_starts(cordbg_runtime *runtime);
/* Where threads begin (0: not found), and a trap there. What fails leaves them to be met at stops. */
void cordbg_coreclr_starts_at(cordbg_runtime *runtime, uint64_t address);
void cordbg_coreclr_starts_trap(cordbg_runtime *runtime);
void cordbg_coreclr_starts_leave(cordbg_runtime *runtime);
bool cordbg_coreclr_starts_is(const cordbg_runtime *runtime, const cordbg_event *event);
/* A thread begins, or has ended. */
HRESULT cordbg_coreclr_starts_take(cordbg_runtime *runtime, const cordbg_event *event,
                                   GArray *events, cordbg_error *error);
/* The runtime lists it; does the kernel? */
bool cordbg_coreclr_starts_lives(const cordbg_runtime *runtime, int32_t tid);

/* ---- want.c ---- */

/* Must bodies be told before they are published? */
bool cordbg_coreclr_publish_needed(const cordbg_runtime *runtime);
/* A body of a method is known: it is not waited for any more (but generic ones). */
void cordbg_coreclr_has_code(cordbg_runtime *runtime, const cordbg_rt_code *code);

void cordbg_coreclr_make_wants(cordbg_runtime *runtime);
void cordbg_coreclr_free_wants(cordbg_runtime *runtime);
bool cordbg_coreclr_is_wanted(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token);
/* The module is gone: its wanted methods are forgotten. */
void cordbg_coreclr_forget_wanted(cordbg_runtime *runtime, cordbg_rt_id module);
/* The end of the session: no method is wanted any more, in the runtime either. */
void cordbg_coreclr_unwant_all(cordbg_runtime *runtime);
HRESULT cordbg_coreclr_want_method(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                                   bool wanted, cordbg_rt_want_status *status,
                                   cordbg_error *error);

#endif
