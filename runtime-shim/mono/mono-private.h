/* SPDX-License-Identifier: MIT */
/* What the files of the Mono shim share. mono.c has the page that explains it. */
#ifndef CORDBG_RUNTIME_SHIM_MONO_PRIVATE_H
#define CORDBG_RUNTIME_SHIM_MONO_PRIVATE_H

#include <glib.h>
#include <stdatomic.h>
#include "cordbg/metadata/image.h"
#include "cordbg/native/exports.h"
#include "runtime-shim/mono/agent/block.h"
#include "runtime-shim/runtime.h"

/* Bounds on what is believed of a target. */
#define CORDBG_MONO_ASSEMBLIES_MAX 65536u
#define CORDBG_MONO_THREADS_MAX 65536u
#define CORDBG_MONO_CHUNKS_MAX 262144u
#define CORDBG_MONO_CHUNK_ENTRIES 64u
#define CORDBG_MONO_CODE_MAX (64u << 20) /* bytes of one body */
#define CORDBG_MONO_IMAGE_MAX (2ull << 30)
#define CORDBG_MONO_HOLES_MAX 16u

/* ---- detect.c ---- */

typedef struct cordbg_mono_place {
  cordbg_runtime_info info;
  uint64_t agent; /* base of an agent's library that is loaded already, 0: none */
} cordbg_mono_place;

/* Like cordbg_runtime_ops.detect, with what else the maps show. */
HRESULT cordbg_mono_detect(int pid, cordbg_mono_place *ret, cordbg_error *error);
/* The base of the first mapping whose path contains name; 0: none. */
uint64_t cordbg_mono_find_base(int pid, const char *name, char *path, size_t path_size);

/* ---- mono.c ---- */

/* Reads exactly size bytes of the target, or returns false. */
typedef cordbg_modules_read cordbg_mono_peek;
bool cordbg_mono_peek_target(void *target, uint64_t address, void *buffer, size_t size);

/* ---- layout.c ---- */

/* Offsets into the runtime's structures: discovered from fixed points, or sanity-checked. */
typedef struct cordbg_mono_layout {
  uint32_t domain_name;
  uint32_t domain_assemblies;
  uint32_t domain_jit_table;
  uint32_t assembly_image;
  uint32_t assembly_name;
  uint32_t image_raw; /* data; the length follows it */
  uint32_t image_name;
  uint32_t image_guid;
  uint32_t image_assembly;
  uint32_t class_image;
  uint32_t class_token;
  uint32_t method_class;
  uint32_t method_token;
  int32_t tls_domain; /* relative to a thread's pthread_t */
  int32_t tls_thread;
  bool has_tls;
  uint32_t pthread_tid;
} cordbg_mono_layout;

/* ---- Objects ---- */

typedef struct cordbg_mono_domain {
  cordbg_rt_id id;
  uint64_t address; /* MonoDomain */
  uint32_t number;
  char *name;
  uint64_t first_node, last_node; /* of its list of assemblies, when it was read */
  bool seen;                      /* by the reconciliation in progress */
  bool gone;                      /* its end is told; kept until the event was taken */
} cordbg_mono_domain;

/* A module in one domain; the first one of an assembly stands for the assembly too. */
typedef struct cordbg_mono_module {
  cordbg_rt_id id;
  cordbg_rt_id assembly_id;
  cordbg_mono_domain *domain; /* not to be followed once gone */
  cordbg_rt_id domain_id;
  uint64_t assembly; /* MonoAssembly */
  uint64_t image;    /* MonoImage */
  bool extra;        /* not the assembly's first: emitted, a netmodule */
  uint32_t flags;
  char *name;
  uint64_t base, size;
  uint8_t mvid[16];
  cordbg_image *metadata; /* opened at the first question; NULL until then */
  struct cordbg_mono_emitted *emitted; /* emitted.c; NULL until then, or not emitted */
  bool aot_checked;
  struct cordbg_mono_aot *aot; /* its AOT image, when aot_checked and there is one */
  bool seen, gone;
} cordbg_mono_module;

typedef struct cordbg_mono_thread {
  cordbg_rt_id id;
  uint64_t info;    /* MonoThreadInfo */
  uint64_t pthread; /* pthread_t */
  int32_t tid;
  bool seen, gone;
  bool ended; /* the runtime said so; it may stay in the list for a moment */
} cordbg_mono_thread;

typedef struct cordbg_mono_code {
  cordbg_rt_code rt;
  uint64_t info;   /* MonoJitInfo; 0: AOT code that the runtime has not listed (aot.c) */
  uint64_t method; /* MonoMethod */
  uint64_t domain; /* MonoDomain */
  uint64_t seq_points;
  bool given;   /* the caller has its id */
  bool dynamic; /* a DynamicMethod: may be freed by itself */
  bool seen, gone;
} cordbg_mono_code;

/* MonoJitInfo, in 64-bit Mono 5.10 to 6.12. */
typedef struct cordbg_mono_jit_info {
  uint64_t method; /* MonoMethod; of a trampoline its MonoTrampInfo; 0: a tombstone */
  uint64_t next;
  uint64_t code_start;
  uint32_t unwind_info;
  int32_t code_size;
  uint32_t flags; /* CORDBG_MONO_JIT_* */
  uint32_t pad[3];
  uint64_t seq_points; /* at 48; clauses and optional parts follow */
} cordbg_mono_jit_info;
_Static_assert(offsetof(cordbg_mono_jit_info, seq_points) == 48, "as measured");

enum {
  CORDBG_MONO_JIT_CLAUSES = 0x7fff, /* their count */
  CORDBG_MONO_JIT_GENERIC = 1u << 16,
  CORDBG_MONO_JIT_HOLES = 1u << 17,
  CORDBG_MONO_JIT_ARCH_EH = 1u << 18,
  CORDBG_MONO_JIT_THUNK = 1u << 19,
  CORDBG_MONO_JIT_UNWIND_INLINE = 1u << 20,
  CORDBG_MONO_JIT_AOT = 1u << 21,
  CORDBG_MONO_JIT_TRAMPOLINE = 1u << 28,
  CORDBG_MONO_JIT_INTERPRETED = 1u << 29,
};

/* What of a MonoMethod never changes while its domain lives. */
typedef struct cordbg_mono_method {
  uint64_t address;
  uint64_t image;
  uint32_t token;
  uint32_t class_token;
  bool skip; /* wrapper: not a method of the program */
  bool dynamic;
  uint64_t instance;
} cordbg_mono_method;

typedef struct cordbg_mono_retired {
  GHashTable *ids;
  cordbg_rt_id id;
} cordbg_mono_retired;

struct cordbg_runtime {
  cordbg_target *target;
  cordbg_tracer *tracer;
  int pid;
  cordbg_mono_place place;
  cordbg_mono_layout layout;

  uint64_t block_address;
  cordbg_agent_block block; /* as read last */
  bool started;
  bool trap_planted;

  cordbg_rt_id next_id;
  uint64_t next_instance;
  GPtrArray *domains; /* of cordbg_mono_domain; each in order of creation */
  GPtrArray *modules;
  GPtrArray *threads;
  /* cordbg_rt_id -> object. All but assembly_ids own their objects; the arrays only show them. */
  GHashTable *domain_ids;
  GHashTable *module_ids;
  GHashTable *assembly_ids; /* -> cordbg_mono_module */
  GHashTable *thread_ids;
  GHashTable *code_ids;
  GArray *retired; /* of cordbg_mono_retired: told gone, freed when the next events are fetched */

  GHashTable *methods;   /* MonoMethod -> cordbg_mono_method */
  GHashTable *codes;     /* MonoJitInfo -> cordbg_mono_code */
  GPtrArray *sorted;     /* codes by start; valid when codes_valid */
  GHashTable *by_method; /* key of module id and token -> GPtrArray of codes; as sorted */
  GPtrArray *aot_images;
  GHashTable *unlisted; /* key of domain and start -> cordbg_mono_code without a MonoJitInfo */
  bool codes_valid;
  bool codes_scanned; /* at codes_version */
  uint64_t codes_version;
  uint32_t dynamic_given; /* live codes of dynamic methods in the caller's hands */

  GHashTable *wanted;                /* key of module image and token -> count */
  cordbg_agent_wanted *wanted_table; /* our copy of the agent's */
  bool any_wanted;                   /* as the agent knows it */
  bool interpreter;                  /* the runtime was started with --interpreter */

  uint64_t cursor; /* log records below it are done with, but for holes */
  uint64_t holes[CORDBG_MONO_HOLES_MAX];
  uint32_t hole_count;
  GArray *pending; /* of cordbg_rt_event, met by queries; told with the next events */
  uint64_t lost;   /* records that were overwritten before they were read */

  GPtrArray *strings; /* handed out, valid until the next call */

  GHashTable *entries; /* publish.c: code start -> domain, of bodies that were not told yet */

  bool unwind_cache_sought;
  uint64_t unwind_cache; /* the runtime's variable that points to its unwind information; 0: none */
};

/* Reads exactly; the shim looks at the pristine view. */
HRESULT cordbg_mono_read(cordbg_runtime *runtime, uint64_t address, void *buffer, size_t size,
                         cordbg_error *error);
bool cordbg_mono_read_word(cordbg_runtime *runtime, uint64_t address, uint64_t *ret);
/* NULL when it is no string of at most CORDBG_RT_NAME_MAX bytes. Valid UTF-8. */
char *cordbg_mono_read_string(cordbg_runtime *runtime, uint64_t address);
HRESULT cordbg_mono_write(cordbg_runtime *runtime, uint64_t address, const void *data, size_t size,
                          cordbg_error *error);
HRESULT cordbg_mono_write_word(cordbg_runtime *runtime, size_t offset, uint32_t value,
                               cordbg_error *error);
HRESULT cordbg_mono_read_block(cordbg_runtime *runtime, cordbg_error *error);

HRESULT cordbg_mono_discover(cordbg_runtime *runtime, cordbg_error *error);

/* ---- inject.c ---- */

/* May code be brought into the process? Checked before anything is touched. */
HRESULT cordbg_mono_may_inject(int pid, cordbg_error *error);
/*
 * Loads the agent, unless it is there, and starts its session by calls on a thread that stands at
 * a place where they are sound. The target is stopped before and after.
 */
HRESULT cordbg_mono_inject(cordbg_runtime *runtime, int tid, int timeout_ms, cordbg_error *error);
/* A thread of the running program on which cordbg_mono_inject may be called; 0: none now. */
int cordbg_mono_find_finalizer(int pid, bool *exists);

/* ---- launch.c ---- */

typedef void (*cordbg_mono_defer)(void *data, const cordbg_event *event);
/* Runs a program from its first instruction until its runtime is up; *tid stands there. */
HRESULT cordbg_mono_run_until_ready(cordbg_runtime *runtime, int timeout_ms,
                                    cordbg_mono_defer defer, void *data, int *tid,
                                    cordbg_error *error);

/* ---- things.c ---- */

/* Brings domains, modules, threads up to date; events (nullable) takes what changed. */
HRESULT cordbg_mono_scan_domains(cordbg_runtime *runtime, GArray *events, cordbg_error *error);
HRESULT cordbg_mono_scan_modules(cordbg_runtime *runtime, GArray *events, cordbg_error *error);
/* A domain's list of assemblies is not as it was read last. */
bool cordbg_mono_modules_changed(cordbg_runtime *runtime);
HRESULT cordbg_mono_scan_threads(cordbg_runtime *runtime, GArray *events, cordbg_error *error);
/* "12B418A7-818C-..." as the 16 bytes of a GUID. */
void cordbg_mono_parse_guid(const char *text, uint8_t ret[16]);
void cordbg_mono_end_domain(cordbg_runtime *runtime, uint64_t address, GArray *events);
void cordbg_mono_end_thread(cordbg_runtime *runtime, uint64_t pthread, int32_t tid, GArray *events);
cordbg_mono_domain *cordbg_mono_domain_at(cordbg_runtime *runtime, uint64_t address);
cordbg_mono_module *cordbg_mono_module_of(cordbg_runtime *runtime, const cordbg_mono_domain *domain,
                                          uint64_t image);
/* The same; a further module of an assembly in the domain is made known (events nullable). */
cordbg_mono_module *cordbg_mono_meet_module(cordbg_runtime *runtime, cordbg_mono_domain *domain,
                                            uint64_t image, GArray *events);
cordbg_mono_module *cordbg_mono_module_by_id(cordbg_runtime *runtime, cordbg_rt_id id,
                                             cordbg_error *error);
void cordbg_mono_make_things(cordbg_runtime *runtime);
/* The table is keyed by the id inside the object. */
void cordbg_mono_retire(cordbg_runtime *runtime, GHashTable *ids, cordbg_rt_id id);
void cordbg_mono_free_retired(cordbg_runtime *runtime);
void cordbg_mono_add_event(GArray *events, cordbg_rt_event_kind kind, int32_t tid, cordbg_rt_id id);
void cordbg_mono_free_things(cordbg_runtime *runtime);

HRESULT cordbg_mono_domains(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count,
                            cordbg_error *error);
HRESULT cordbg_mono_assemblies(cordbg_runtime *runtime, cordbg_rt_id domain, cordbg_rt_id **ids,
                               size_t *count, cordbg_error *error);
HRESULT cordbg_mono_modules(cordbg_runtime *runtime, cordbg_rt_id assembly, cordbg_rt_id **ids,
                            size_t *count, cordbg_error *error);
HRESULT cordbg_mono_threads(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count,
                            cordbg_error *error);
HRESULT cordbg_mono_get_domain(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_domain *ret,
                               cordbg_error *error);
HRESULT cordbg_mono_get_assembly(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_assembly *ret,
                                 cordbg_error *error);
HRESULT cordbg_mono_get_module(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_module *ret,
                               cordbg_error *error);
HRESULT cordbg_mono_get_thread(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_thread *ret,
                               cordbg_error *error);

/* ---- code.c ---- */

/* Reads the runtime's tables of code anew if they changed; freed bodies that were given out come
 * as events (nullable). */
HRESULT cordbg_mono_scan_codes(cordbg_runtime *runtime, GArray *events, cordbg_error *error);
/* The code of one MonoJitInfo, told by the log; NULL when it cannot be understood. */
cordbg_mono_code *cordbg_mono_code_of(cordbg_runtime *runtime, uint64_t info, uint64_t domain);
void cordbg_mono_give_code(cordbg_runtime *runtime, cordbg_mono_code *code);
void cordbg_mono_end_codes_of_domain(cordbg_runtime *runtime, uint64_t domain, GArray *events);
void cordbg_mono_make_codes(cordbg_runtime *runtime);
void cordbg_mono_free_codes(cordbg_runtime *runtime);
bool cordbg_mono_is_wanted(cordbg_runtime *runtime, uint64_t image, uint32_t token);

/* The body that holds address; all tables are read anew. NULL: none that was listed. */
cordbg_mono_code *cordbg_mono_read_code_at(cordbg_runtime *runtime, uint64_t address);

HRESULT cordbg_mono_codes(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                          cordbg_rt_code **codes, size_t *count, cordbg_error *error);
HRESULT cordbg_mono_code_at(cordbg_runtime *runtime, uint64_t address, cordbg_rt_code *ret,
                            cordbg_error *error);
HRESULT cordbg_mono_il_map(cordbg_runtime *runtime, cordbg_rt_id code, cordbg_rt_map **map,
                           size_t *count, cordbg_error *error);

/* ---- aot.c ---- */

/* The AOT body of a method that is not generic; *size is an upper bound. */
bool cordbg_mono_aot_body(cordbg_runtime *runtime, cordbg_mono_module *module, uint32_t token,
                          uint64_t *start, uint32_t *size);
/* The method of the module whose AOT body holds address. */
bool cordbg_mono_aot_at(cordbg_runtime *runtime, cordbg_mono_module *module, uint64_t address,
                        uint32_t *token);
void cordbg_mono_make_aot(cordbg_runtime *runtime);
void cordbg_mono_free_aot(cordbg_runtime *runtime);

/* Is address in the compiled code or the PLT of an AOT image? */
bool cordbg_mono_aot_holds(cordbg_runtime *runtime, uint64_t address);
/* Where the unwind information of the AOT image whose code holds address begins; 0: none. */
uint64_t cordbg_mono_aot_unwind_base(cordbg_runtime *runtime, uint64_t address);
/*
 * The AOT body, wrappers and instances too, that holds address: its start, its exact size and its
 * place in the image's unwind information. Read from the image, whether listed or not.
 */
bool cordbg_mono_aot_unwind(cordbg_runtime *runtime, uint64_t address, uint64_t *start,
                            uint32_t *size, uint32_t *unwind_info);
/* A number as AOT images encode it; false when it leaves [*at, size). */
bool cordbg_mono_aot_number(const uint8_t *data, size_t size, size_t *at, uint32_t *ret);

/* ---- unwind-ops.c ---- */

/*
 * Applies Mono's encoded unwind information to a frame whose PC is `offset` bytes into its code.
 * epilog: where the epilogue begins; 0: not known, instructions in it are not described then.
 * E_INVALIDARG: the information is not sound, or the frame is not.
 */
HRESULT cordbg_mono_apply_unwind_ops(const uint8_t *ops, size_t size, uint32_t offset,
                                     uint32_t epilog, cordbg_mono_peek peek, void *data,
                                     const struct user_regs_struct *registers,
                                     struct user_regs_struct *ret);
/* The distance from the epilogue's start to its `ret`; false: no epilogue is described. */
bool cordbg_mono_unwind_epilog_length(const uint8_t *ops, size_t size, uint32_t *ret);

/* ---- stub.c ---- */

/*
 * The caller of code without unwind information, found by reading on to its end. leaves (nullable)
 * tells whether a call to `target` never comes back into the stub, as those of specific
 * trampolines. False: the code was not understood.
 */
bool cordbg_mono_follow_stub(cordbg_mono_peek peek, bool (*leaves)(void *data, uint64_t target),
                             void *data, const struct user_regs_struct *registers,
                             struct user_regs_struct *ret);
/* The start of the epilogue that ends, length bytes on, with the last such `ret`; 0: none. */
uint32_t cordbg_mono_find_epilog(const uint8_t *code, uint32_t size, uint32_t length);

/* ---- unwind.c ---- */

HRESULT cordbg_mono_unwind(cordbg_runtime *runtime, int32_t tid,
                           const struct user_regs_struct *registers, bool innermost,
                           cordbg_rt_frame *ret, cordbg_error *error);
/* Is address in a body of which the runtime or an AOT image has a record? */
bool cordbg_mono_is_code(cordbg_runtime *runtime, uint64_t address);

/* ---- transitions.c ---- */

HRESULT cordbg_mono_next_managed(cordbg_runtime *runtime, int32_t tid,
                                 const struct user_regs_struct *registers,
                                 struct user_regs_struct *ret, cordbg_error *error);

/* ---- seq-points.c ---- */

/*
 * Decodes sequence points: data[0, size) is the part behind the header. has_debug_data: each point
 * carries flags and successors. The map covers [0, code_size), sorted. E_INVALIDARG: not sound.
 */
HRESULT cordbg_mono_decode_seq_points(const uint8_t *data, size_t size, bool has_debug_data,
                                      uint32_t code_size, cordbg_rt_map **map, size_t *count);
/* A LEB128 number of at most 5 bytes; false when it leaves [*at, size). */
bool cordbg_mono_leb128(const uint8_t *data, size_t size, size_t *at, uint32_t *ret);

/* ---- methods.c ---- */

/* NULL and the reason when the module has no readable metadata. */
const cordbg_image *cordbg_mono_metadata(cordbg_runtime *runtime, cordbg_mono_module *module,
                                         cordbg_error *error);
HRESULT cordbg_mono_find_methods(cordbg_runtime *runtime, cordbg_rt_id module, const char *type,
                                 const char *method, uint32_t **tokens, size_t *count,
                                 cordbg_error *error);
HRESULT cordbg_mono_get_method(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                               cordbg_rt_method *ret, cordbg_error *error);
HRESULT cordbg_mono_method_name(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                                char **type, char **method, cordbg_error *error);

/* ---- publish.c ---- */

void cordbg_mono_make_entries(cordbg_runtime *runtime);
void cordbg_mono_free_entries(cordbg_runtime *runtime);
/* Puts a trap at the start of a body that nobody can call yet. */
void cordbg_mono_trap_entry(cordbg_runtime *runtime, uint64_t start, uint64_t domain);
bool cordbg_mono_is_entry(cordbg_runtime *runtime, uint64_t address);
/* The body was told, or never will be. */
void cordbg_mono_lift_entry(cordbg_runtime *runtime, uint64_t start);
/* Those of a domain that goes; 0: all. */
void cordbg_mono_lift_entries(cordbg_runtime *runtime, uint64_t domain);

/* ---- events.c ---- */

HRESULT cordbg_mono_handle_event(cordbg_runtime *runtime, const cordbg_event *event,
                                 cordbg_rt_event **events, size_t *count, cordbg_error *error);
HRESULT cordbg_mono_want_method(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                                bool wanted, cordbg_rt_want_status *status, cordbg_error *error);
HRESULT cordbg_mono_synchronised(cordbg_runtime *runtime, cordbg_error *error);
/* Drops the wanted methods of an image that no domain has any more. */
void cordbg_mono_forget_wanted(cordbg_runtime *runtime, uint64_t image);
/* Keys of two 64-bit numbers. */
guint cordbg_mono_pair_hash(gconstpointer key);
gboolean cordbg_mono_pair_equal(gconstpointer a, gconstpointer b);
uint64_t *cordbg_mono_pair(uint64_t first, uint64_t second);

#endif
