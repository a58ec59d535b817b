/* SPDX-License-Identifier: MIT */
/*
 * The client's end of the DAC host (cordbg-dac, dac-host/): what the runtime's own data access
 * library says of a .NET process, in plain data. dac.c opens with the page.
 *
 * Threads: one call at a time on one cordbg_dac (the session's lock).
 * The target stands still during a call: at least, nothing of what is asked for may change.
 *
 * Addresses are the target's, ranges are [start, start + size). Arrays and structs given out are
 * one g_malloc'ed block, the caller's to g_free; strings inside them (UTF-8, at most
 * CORDBG_RT_NAME_MAX bytes) lie in the same block. Out parameters are touched on success only.
 * A count of 0 comes with a NULL array.
 *
 * Errors that each call has:
 *   E_ABORT                              cordbg_tracer_interrupt
 *   CORDBG_E_TIMEOUT                     no answer in time; the host was killed
 *   CORDBG_E_DEBUG_COMPONENT_MISSING     no cordbg-dac, or no DAC: the sentence tells where it was
 *                                        looked for
 *   CORDBG_E_INCOMPATIBLE_PLATFORMS      the DAC is not for this runtime (another version, musl)
 *   CORDBG_E_PROCESS_TERMINATED          the target is gone
 *   CORDBG_E_TARGET_INCONSISTENT         the DAC, or the checks behind it, cannot make sense of what
 *                                        stands in the target
 *   E_UNEXPECTED                         the host crashed
 * A question during which the host crashed or hung is asked once more, of another host; these two
 * errors say that the second one failed too. Nothing has to be repeated but what was in progress:
 * notification flags and wanted methods stay in the target, and a new host writes them again.
 */
#ifndef CORDBG_RUNTIME_SHIM_CORECLR_DAC_H
#define CORDBG_RUNTIME_SHIM_CORECLR_DAC_H

#include "cordbg/memory/target.h"
#include "runtime-shim/runtime.h"

/* Bounds of what is taken from a host. */
#define CORDBG_DAC_MODULES_MAX 65536u
#define CORDBG_DAC_THREADS_MAX 65536u
#define CORDBG_DAC_CODES_MAX 65536u /* versions of one method, all instances */
#define CORDBG_DAC_CODE_SIZE_MAX (64u << 20)
#define CORDBG_DAC_TOKENS_MAX 4096u /* of one cordbg_dac_want_methods */

typedef struct cordbg_dac cordbg_dac;

/*
 * Makes the client's end and starts a host. library: the path of libcoreclr.so as the target sees
 * it; base: where it is mapped. timeout_ms bounds each later call as well; 0: CORDBG_DAC_TIMEOUT of
 * the environment (milliseconds), or 5000. Holds a reference to the target.
 *
 * The runtime must have reached the entry of coreclr_execute_assembly (facts: the DAC cannot be
 * created before); earlier: CORDBG_E_NOTREADY, try again later.
 */
HRESULT cordbg_dac_start(cordbg_target *target, const char *library, uint64_t base,
                         uint32_t timeout_ms, cordbg_dac **ret, cordbg_error *error);
/*
 * The same in two steps: begin starts a host on a thread of its own, before the process is traced,
 * and does not wait (NULL: no thread). It is used up by start_begun, where NULL and a host that
 * could not be begun are as good as none, or by abandon, which ends the host. begin: any thread.
 */
typedef struct cordbg_dac_begun cordbg_dac_begun;
cordbg_dac_begun *cordbg_dac_begin(int pid, const char *library);
HRESULT cordbg_dac_start_begun(cordbg_target *target, const char *library, uint64_t base,
                               cordbg_dac_begun *begun, cordbg_dac **ret, cordbg_error *error);
void cordbg_dac_abandon(cordbg_dac_begun *begun); /* NULL is allowed */
/* Ends the host. NULL is allowed. The target is not touched. */
void cordbg_dac_destroy(cordbg_dac *dac);

/*
 * cordbg_tracer_interrupt makes the call in progress, and each later one, fail soon with E_ABORT; a
 * host that was interrupted in a call is ended. After cordbg_dac_leave calls work all the same, to
 * put the target back as it was.
 */
void cordbg_dac_leave(cordbg_dac *dac);

/*
 * What was learnt of the target's memory is forgotten, before the next call. Happens by itself when
 * the target was let run, or written to, through its tracer (cordbg_tracer_stillness).
 */
void cordbg_dac_flush(cordbg_dac *dac);

/* The host's process now, 0: none. For tests. */
int cordbg_dac_host_pid(const cordbg_dac *dac);
/* How many hosts were started so far. */
unsigned cordbg_dac_starts(const cordbg_dac *dac);

/*
 * Where the DAC of a runtime would be, and whether it can be used: as cordbg_dac_start, without
 * starting anything. For detection.
 */
HRESULT cordbg_dac_look(int pid, const char *library, cordbg_error *error);

/* ---- Modules, domain, threads ---- */

typedef struct cordbg_dac_module {
  uint64_t module;   /* Module */
  uint64_t assembly; /* Assembly */
  uint64_t domain;   /* AppDomain */
  uint64_t base;     /* of the image bytes, in whatever layout; 0: none */
  uint64_t size;     /* of them; 0: unknown */
  bool flat;         /* the layout is the file's (in memory); else mapped by sections */
  uint64_t metadata; /* address of the metadata root; 0: none (dynamic) */
  uint64_t metadata_size;
  uint32_t flags; /* CORDBG_RT_MODULE_* */
  uint8_t mvid[16];
  const char *path;          /* "" when there is no file */
  const char *name;          /* the module's own, "" unknown */
  const char *assembly_name; /* path of its file or simple name, "" unknown */
} cordbg_dac_module;

/* All modules of the process that are loaded far enough to be looked at, in the runtime's order. */
HRESULT cordbg_dac_modules(cordbg_dac *dac, cordbg_dac_module **ret, size_t *count,
                           cordbg_error *error);
/* One by its Module address. S_FALSE: there is none there (nothing is touched). */
HRESULT cordbg_dac_module_at(cordbg_dac *dac, uint64_t module, cordbg_dac_module **ret,
                             cordbg_error *error);

typedef struct cordbg_dac_domain {
  uint64_t domain;  /* AppDomain */
  uint32_t number;  /* from 1 */
  const char *name; /* "" when it has none yet */
} cordbg_dac_domain;
HRESULT cordbg_dac_get_domain(cordbg_dac *dac, cordbg_dac_domain **ret, cordbg_error *error);

typedef struct cordbg_dac_thread {
  uint64_t thread; /* Thread */
  uint32_t tid;    /* 0: not started or dead */
  uint32_t number; /* managed thread id */
  uint32_t state;  /* Thread::ThreadState of the runtime */
  uint32_t flags;  /* CORDBG_DAC_THREAD_* */
  uint64_t frame;  /* top of its chain of Frames; FRAME_TOP is ~0 */
} cordbg_dac_thread;
enum {
  CORDBG_DAC_THREAD_COOPERATIVE = 1, /* may touch the heap: a collection waits for it */
  CORDBG_DAC_THREAD_FINALIZER = 2,
  CORDBG_DAC_THREAD_COLLECTOR = 4, /* suspends the others, or is the GC's special thread */
};
HRESULT cordbg_dac_threads(cordbg_dac *dac, cordbg_dac_thread **ret, size_t *count,
                           cordbg_error *error);

/* What tells whether the runtime's structures can be walked. */
typedef struct cordbg_dac_state {
  uint8_t heap_valid; /* GC structures; 0 during a collection, 1 else */
  uint8_t server_gc;
  uint32_t max_generation;
  uint32_t thread_count; /* of the thread store */
  uint32_t unstarted, background, pending, dead;
  uint64_t first_thread, finalizer_thread, collector_thread;
} cordbg_dac_state;
HRESULT cordbg_dac_get_state(cordbg_dac *dac, cordbg_dac_state *ret, cordbg_error *error);

/* Only whether a collection is in progress: false while it is, and the structures cannot be walked. */
HRESULT cordbg_dac_is_sound(cordbg_dac *dac, bool *ret, cordbg_error *error);

/* ---- Code ---- */

typedef enum cordbg_dac_code_kind {
  CORDBG_DAC_CODE_METHOD,  /* of a module's method */
  CORDBG_DAC_CODE_DYNAMIC, /* of a DynamicMethod: module and token are 0 */
  CORDBG_DAC_CODE_STUB,    /* IL stub made by the runtime: module and token are 0 */
} cordbg_dac_code_kind;

/* Tier: CORDBG_DAC_TIER_*, DacpTieredVersionData's numbers. */
enum {
  CORDBG_DAC_TIER_UNKNOWN = 0,
  CORDBG_DAC_TIER_MIN_OPT = 1,
  CORDBG_DAC_TIER_OPTIMIZED = 2,
  CORDBG_DAC_TIER_QUICK = 3,
  CORDBG_DAC_TIER_1 = 4,
  CORDBG_DAC_TIER_READY_TO_RUN = 5,
  CORDBG_DAC_TIER_OSR = 6,
  CORDBG_DAC_TIER_QUICK_INSTRUMENTED = 7,
  CORDBG_DAC_TIER_1_INSTRUMENTED = 8,
};

typedef struct cordbg_dac_code {
  cordbg_dac_code_kind kind;
  uint8_t precompiled; /* 1: ReadyToRun */
  uint64_t method_desc;
  uint64_t module;      /* Module */
  uint32_t token;       /* mdMethodDef */
  uint32_t class_token; /* mdTypeDef; 0 unknown */
  uint64_t instance;    /* tells instantiations apart; 0: the method is not generic */
  uint32_t tier;
  uint64_t start;
  uint32_t size; /* of the hot part */
  uint32_t cold_size;
  uint64_t cold_start;
} cordbg_dac_code;

/*
 * Every body of native code that the method has now: all instances, all versions. module: Module;
 * token: mdMethodDef. None: S_OK, count 0.
 */
HRESULT cordbg_dac_codes(cordbg_dac *dac, uint64_t module, uint32_t token, cordbg_dac_code **ret,
                         size_t *count, cordbg_error *error);
/* The body that holds address. S_FALSE: none. */
HRESULT cordbg_dac_code_at(cordbg_dac *dac, uint64_t address, cordbg_dac_code *ret,
                           cordbg_error *error);
/*
 * The IL map of the body that begins at start. Sorted by native_start, no overlaps, relative to
 * start; the cold part follows the hot one as if it were adjacent. S_FALSE: the runtime keeps none
 * (count 0). CORDBG_E_CODE_NOT_AVAILABLE: no body begins there.
 */
HRESULT cordbg_dac_il_map(cordbg_dac *dac, uint64_t start, cordbg_rt_map **ret, size_t *count,
                          cordbg_error *error);

typedef struct cordbg_dac_method {
  cordbg_dac_code_kind kind;
  uint64_t module;
  uint32_t token;
  uint32_t class_token;
  uint64_t instance;
} cordbg_dac_method;
HRESULT cordbg_dac_method_at(cordbg_dac *dac, uint64_t method_desc, cordbg_dac_method *ret,
                             cordbg_error *error);

/* ---- Notifications ---- */

enum { /* CLRDATA_NOTIFY_ON_* */
       CORDBG_DAC_ON_MODULE_LOAD = 1,
       CORDBG_DAC_ON_MODULE_UNLOAD = 2,
       CORDBG_DAC_ON_EXCEPTION = 4,
       CORDBG_DAC_ON_CATCH_ENTER = 8,
};
/* Which notifications the runtime raises; 0: none. Writes to the runtime's data. */
HRESULT cordbg_dac_set_notifications(cordbg_dac *dac, uint32_t flags, cordbg_error *error);

/*
 * Turns the notification of code being made on or off for methods of one module, at most
 * CORDBG_DAC_TOKENS_MAX in one call. HRESULT_FROM_WIN32(ERROR_NOT_ENOUGH_MEMORY) or E_OUTOFMEMORY:
 * the runtime's table (1,000 methods) is full; which of these are in it is then unknown.
 */
HRESULT cordbg_dac_want_methods(cordbg_dac *dac, uint64_t module, const uint32_t *tokens,
                                size_t count, bool wanted, cordbg_error *error);

typedef enum cordbg_dac_notification_kind {
  CORDBG_DAC_MODULE_LOADED = 1,
  CORDBG_DAC_MODULE_UNLOADED,
  CORDBG_DAC_CODE_GENERATED, /* address: of the code; the method is filled */
  CORDBG_DAC_CODE_DISCARDED,
  CORDBG_DAC_CATCH_ENTERED, /* address: method_desc's code, native_offset into it */
  CORDBG_DAC_OTHER,         /* one that cordbg has no use for */
} cordbg_dac_notification_kind;

typedef struct cordbg_dac_notification {
  cordbg_dac_notification_kind kind;
  uint32_t native_offset;
  uint64_t module;  /* Module: of the load, or of the method */
  uint64_t address; /* where the new code begins: a trap there is hit by its first execution */
  uint64_t method_desc;
  cordbg_dac_method method; /* CODE_* and CATCH_ENTERED */
} cordbg_dac_notification;

/*
 * To be called while a thread stands at the throw that carries a notification, after
 * cordbg_dac_flush. S_FALSE: it is no notification (somebody else's exception).
 */
HRESULT cordbg_dac_decode(cordbg_dac *dac, cordbg_dac_notification **ret, size_t *count,
                          cordbg_error *error);

/* ---- Stacks ---- */

/*
 * The caller of the frame that registers describe, as cordbg_runtime_ops.unwind has it, for managed
 * code: methods, dynamic methods, IL stubs; *code tells which. S_FALSE: PC is in none of them.
 */
HRESULT cordbg_dac_unwind(cordbg_dac *dac, int32_t tid, const struct user_regs_struct *registers,
                          bool innermost, cordbg_rt_frame_kind *kind, cordbg_dac_code *code,
                          struct user_regs_struct *caller, cordbg_error *error);
/*
 * The registers of the first managed frame outwards of registers->rsp on the thread's chain of
 * Frames. S_FALSE: none, or no managed thread.
 */
HRESULT cordbg_dac_next_managed(cordbg_dac *dac, int32_t tid,
                                const struct user_regs_struct *registers,
                                struct user_regs_struct *ret, cordbg_error *error);

#endif
