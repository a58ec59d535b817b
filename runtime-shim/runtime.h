/* SPDX-License-Identifier: MIT */
/*
 * The boundary between the ICorDebug objects and a runtime. Plain data only: numbers, addresses,
 * strings; no COM pointer, no pointer into another process. A shim's source of truth may thus live
 * in another process. cordbg/icordebug calls through cordbg_runtime_ops and never asks which
 * runtime it is; a shim never defines an ICorDebug object.
 *
 * Ids are the shim's: nonzero, never used twice in a session, meaningless to the caller. A caller
 * keeps ids, not pointers.
 *
 * Threads. All functions of one runtime instance are called under the session's lock, one at a
 * time. `prepare` may let the target run. All others need the target stopped.
 *
 * Strings are UTF-8, valid until the next call into the same runtime instance, unless the text
 * says otherwise; g_malloc'ed arrays are the caller's to g_free.
 *
 * Hostile input: a shim checks what it got from the target before it hands it on: tokens, sizes
 * and strings in an answer are bounded (CORDBG_RT_*_MAX), not believed.
 */
#ifndef CORDBG_RUNTIME_SHIM_RUNTIME_H
#define CORDBG_RUNTIME_SHIM_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "cordbg/com/error.h"
#include "cordbg/memory/target.h"

typedef uint64_t cordbg_rt_id;

#define CORDBG_RT_NAME_MAX 4096u
#define CORDBG_RT_MAP_MAX 65536u

typedef struct cordbg_rt_domain {
  cordbg_rt_id id;
  uint32_t number; /* the runtime's own, from 1 (ICorDebugAppDomain::GetID) */
  const char *name;
} cordbg_rt_domain;

typedef struct cordbg_rt_assembly {
  cordbg_rt_id id;
  cordbg_rt_id domain;
  const char *name; /* path of its file, or the simple name when it has none */
} cordbg_rt_assembly;

enum {
  CORDBG_RT_MODULE_DYNAMIC = 1,   /* emitted at run time: no image bytes */
  CORDBG_RT_MODULE_IN_MEMORY = 2, /* has image bytes, no file */
  CORDBG_RT_MODULE_CORE_LIBRARY = 4,
};

typedef struct cordbg_rt_module {
  cordbg_rt_id id;
  cordbg_rt_id assembly;
  cordbg_rt_id domain;
  uint32_t flags;
  const char *name; /* path, or the module's name when it has no file */
  uint64_t base;    /* of the image bytes in the target; 0: none */
  uint64_t size;    /* of them */
  uint8_t mvid[16];
} cordbg_rt_module;

typedef struct cordbg_rt_thread {
  cordbg_rt_id id;
  cordbg_rt_id domain; /* in which it is now */
  int32_t tid;
} cordbg_rt_thread;

typedef enum cordbg_rt_code_kind {
  CORDBG_RT_CODE_JIT,
  CORDBG_RT_CODE_AOT,
  CORDBG_RT_CODE_INTERPRETED, /* no native code: nothing to trap */
} cordbg_rt_code_kind;

/* One body of native code of a method: one tier, one instantiation, one domain. */
typedef struct cordbg_rt_code {
  cordbg_rt_id id;
  cordbg_rt_id module;
  cordbg_rt_id domain;   /* 0: shared by all domains */
  uint32_t token;        /* mdMethodDef of the (generic) definition */
  uint32_t class_token;  /* mdTypeDef that declares it; 0 unknown */
  uint64_t instance;     /* tells instantiations of one method apart; 0: not generic */
  cordbg_rt_code_kind kind;
  uint32_t tier;         /* runtime's own numbering, 0 where there are none */
  uint64_t start;        /* hot part, [start, start + size) */
  uint32_t size;
  uint32_t cold_size;    /* 0: none */
  uint64_t cold_start;
} cordbg_rt_code;

enum { CORDBG_RT_IL_NO_MAPPING = -1, CORDBG_RT_IL_PROLOG = -2, CORDBG_RT_IL_EPILOG = -3 };

/* [native_start, native_end) relative to the code's start; il >= 0 or CORDBG_RT_IL_*. */
typedef struct cordbg_rt_map {
  int32_t il;
  uint32_t native_start;
  uint32_t native_end;
} cordbg_rt_map;

/* One method, by token. */
typedef struct cordbg_rt_method {
  cordbg_rt_id module;
  uint32_t token;
  uint32_t class_token;
  uint64_t il_address; /* of the IL body's code bytes in the target; 0: none or not in memory */
  uint32_t il_size;
  uint32_t local_signature; /* mdSignature or 0 */
} cordbg_rt_method;

/*
 * Metadata that is not where the module's image has it. One of the two: a place in the target, or
 * bytes that the shim made. Bare metadata (ECMA-335 II.24, it begins with BSJB) in both cases.
 */
typedef struct cordbg_rt_metadata {
  uint64_t address; /* in the target; 0: see bytes */
  uint64_t size;    /* of either */
  uint8_t *bytes;   /* g_malloc'ed, the caller's; NULL: see address */
} cordbg_rt_metadata;

typedef enum cordbg_rt_event_kind {
  CORDBG_RT_EVENT_NONE,
  CORDBG_RT_EVENT_DOMAIN_CREATED,   /* domain */
  CORDBG_RT_EVENT_DOMAIN_UNLOADED,  /* domain */
  CORDBG_RT_EVENT_ASSEMBLY_LOADED,  /* assembly */
  CORDBG_RT_EVENT_ASSEMBLY_UNLOADED,
  CORDBG_RT_EVENT_MODULE_LOADED,    /* module */
  CORDBG_RT_EVENT_MODULE_UNLOADED,
  CORDBG_RT_EVENT_THREAD_STARTED,   /* thread */
  CORDBG_RT_EVENT_THREAD_EXITED,
  CORDBG_RT_EVENT_CODE_COMPILED,    /* code: of a wanted method, before its first execution */
  CORDBG_RT_EVENT_CODE_FREED,       /* code: its patches are to be dropped without writing */
  CORDBG_RT_EVENT_BREAK,            /* tid asks for its debugger (Debugger.Break) */
} cordbg_rt_event_kind;

/* Ids stay answerable by the queries below until the caller took the UNLOADED/EXITED/FREED event. */
typedef struct cordbg_rt_event {
  cordbg_rt_event_kind kind;
  int32_t tid; /* on which it happened; 0 unknown */
  cordbg_rt_id id;
  cordbg_rt_code code; /* CODE_*: whole */
} cordbg_rt_event;

/*
 * One frame that the runtime's own unwinding serves: managed code, or a stub that the runtime made
 * (trampolines, thunks, wrappers), where no ELF image has unwind data.
 */
typedef enum cordbg_rt_frame_kind {
  CORDBG_RT_FRAME_MANAGED, /* code is filled */
  CORDBG_RT_FRAME_STUB,    /* code is zero */
} cordbg_rt_frame_kind;

typedef struct cordbg_rt_frame {
  cordbg_rt_frame_kind kind;
  cordbg_rt_code code;
  uint32_t native_offset; /* of the frame's PC in code; the PC itself, also for a return address */
  /* The caller's registers at its return address: rip, rsp and the callee-saved ones (rbx, rbp,
     r12-r15) hold; the others are as in the frame. */
  struct user_regs_struct caller;
} cordbg_rt_frame;

typedef struct cordbg_runtime cordbg_runtime; /* an instance: one a session */

typedef struct cordbg_runtime_info {
  const char *name;    /* "Mono", ".NET" */
  char version[64];
  char library[256];   /* path, in the target's root, of the file that is the runtime */
  uint64_t base;       /* where that file is mapped: [base, base + size) is "the runtime's image" */
  uint64_t size;
} cordbg_runtime_info;

/* What a method's wanted breakpoint can expect (want_method). */
typedef enum cordbg_rt_want_status {
  CORDBG_RT_WANT_OK,
  CORDBG_RT_WANT_INTERPRETED, /* runs in the interpreter: there will be no code to trap */
  CORDBG_RT_WANT_NO_BODY,     /* abstract, extern, icall */
} cordbg_rt_want_status;

typedef struct cordbg_runtime_ops {
  const char *name;

  /*
   * Looks at a process without touching it (its maps and files). S_OK: this runtime is there;
   * S_FALSE: it is not (yet); an error: it is there and cannot be debugged, the sentence says why.
   */
  HRESULT (*detect)(int pid, cordbg_runtime_info *ret, cordbg_error *error);

  /*
   * Attach: the target is seized and running; prepare makes the shim ready and returns with the
   * target stopped at a synchronised stop, its state enumerable; CONTINUE is owed. Events that
   * reach the managed channel meanwhile and are not the shim's are handed to `defer`, in order.
   * Launch (launched != 0): the target is stopped at its first instruction, CONTINUE is owed;
   * prepare lets it run until the runtime is up and no user code has run, and returns stopped as
   * above.
   * timeout_ms bounds it; after cordbg_tracer_interrupt on the target's tracer it fails soon with
   * E_ABORT. On failure the target is left running, unharmed, and still attached.
   */
  HRESULT (*prepare)(cordbg_target *target, int launched, int timeout_ms,
                     void (*defer)(void *data, const cordbg_event *event), void *data,
                     cordbg_runtime **ret, cordbg_error *error);

  /*
   * Both optional. expect: a prepare(launched == 0) of this process, as detect just saw it, is about
   * to come; what takes time and needs neither the tracer nor a stop is begun, and the call returns
   * at once. What comes is the same without it. dismiss, once, after the prepare or instead of it:
   * ends what no prepare made use of; takes what expect gave, 0 is allowed. Any thread, no lock.
   */
  uint64_t (*expect)(int pid, const cordbg_runtime_info *info);
  void (*dismiss)(uint64_t expectation);

  /*
   * Ends the session in the target: it is inert afterwards (no callbacks, no traps, no thread).
   * alive == 0: the target is gone, only free. The tracer still has to detach.
   */
  void (*destroy)(cordbg_runtime *runtime, int alive);

  /*
   * An event of the managed channel whose trap has the internal layer; with thread_ends also the
   * end of a thread that was told (CORDBG_EVENT_THREAD_EXITED). *count events (g_malloc'ed,
   * the caller's) come out in order; 0: nothing to tell, go on. S_FALSE: the address is not the
   * shim's. Also to be called with event == NULL after any other stop: what has accumulated (the
   * log is bounded: a shim reconciles by itself what it lost).
   */
  HRESULT (*handle_event)(cordbg_runtime *runtime, const cordbg_event *event,
                          cordbg_rt_event **events, size_t *count, cordbg_error *error);

  /* Enumerations: *ids is a g_malloc'ed array of *count ids, in order of creation. */
  HRESULT (*domains)(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count,
                     cordbg_error *error);
  HRESULT (*assemblies)(cordbg_runtime *runtime, cordbg_rt_id domain, cordbg_rt_id **ids,
                        size_t *count, cordbg_error *error);
  HRESULT (*modules)(cordbg_runtime *runtime, cordbg_rt_id assembly, cordbg_rt_id **ids,
                     size_t *count, cordbg_error *error);
  /* Managed threads, cordbg's own excluded. */
  HRESULT (*threads)(cordbg_runtime *runtime, cordbg_rt_id **ids, size_t *count,
                     cordbg_error *error);

  /* One thing by id. E_INVALIDARG for an id that is not known (any more). */
  HRESULT (*domain)(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_domain *ret,
                    cordbg_error *error);
  HRESULT (*assembly)(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_assembly *ret,
                      cordbg_error *error);
  HRESULT (*module)(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_module *ret,
                    cordbg_error *error);
  HRESULT (*thread)(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_thread *ret,
                    cordbg_error *error);

  /*
   * Methods by name. type: Namespace.Class, nested types as Outer+Inner or Outer/Inner, generic
   * ones with their `N. method: name without parameters. *tokens: g_malloc'ed, overloads in
   * metadata order. S_FALSE with count 0: no such type or method.
   */
  HRESULT (*find_methods)(cordbg_runtime *runtime, cordbg_rt_id module, const char *type,
                          const char *method, uint32_t **tokens, size_t *count,
                          cordbg_error *error);
  /* E_INVALIDARG: no such method. */
  HRESULT (*method)(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                    cordbg_rt_method *ret, cordbg_error *error);
  /* "Namespace.Class" and "Method", g_malloc'ed. Either may be NULL. */
  HRESULT (*method_name)(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token, char **type,
                         char **method, cordbg_error *error);
  /*
   * The metadata of a module whose image bytes (base, size) do not have it: of a dynamic module,
   * as it is now, or of one whose metadata the runtime keeps apart. S_FALSE: the image has it.
   * CORDBG_E_MISSING_METADATA: there is none to be had, the sentence says why. The slot may be
   * NULL: S_FALSE for modules with an image, that error for others.
   */
  HRESULT (*metadata)(cordbg_runtime *runtime, cordbg_rt_id module, cordbg_rt_metadata *ret,
                      cordbg_error *error);

  /* All bodies of native code of a method that exist now: *codes g_malloc'ed, may be empty. */
  HRESULT (*codes)(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token,
                   cordbg_rt_code **codes, size_t *count, cordbg_error *error);
  /* The body that holds address. S_FALSE: none. */
  HRESULT (*code_at)(cordbg_runtime *runtime, uint64_t address, cordbg_rt_code *ret,
                     cordbg_error *error);
  /* Sorted by native_start; *map g_malloc'ed. CORDBG_E_CODE_NOT_AVAILABLE: freed. */
  HRESULT (*il_map)(cordbg_runtime *runtime, cordbg_rt_id code, cordbg_rt_map **map, size_t *count,
                    cordbg_error *error);

  /*
   * Turns CODE_COMPILED events on or off for a method (counted). A body compiled between this
   * call and the next continue is reported. [out] status tells whether there will be any.
   */
  HRESULT (*want_method)(cordbg_runtime *runtime, cordbg_rt_id module, uint32_t token, bool wanted,
                         cordbg_rt_want_status *status, cordbg_error *error);

  /*
   * Is this stop a synchronised one? S_OK: yes. S_FALSE: no, run on a little and ask again.
   */
  HRESULT (*synchronised)(cordbg_runtime *runtime, cordbg_error *error);

  /*
   * Stacks. The walk itself is above this boundary: it asks the shim first at each frame, then the
   * ELF image that holds the PC, then the shim's chain of transitions. Any raw stop will do.
   *
   * unwind: one frame, whose registers (PC, SP, callee-saved) are given. innermost: the thread
   * itself stands there (any instruction, prologues and epilogues too); otherwise the PC is a
   * return address and stands behind its call. S_FALSE: the PC is not in code of the runtime's making.
   * An error: it is, and the frame cannot be unwound.
   */
  HRESULT (*unwind)(cordbg_runtime *runtime, int32_t tid, const struct user_regs_struct *registers,
                    bool innermost, cordbg_rt_frame *ret, cordbg_error *error);
  /*
   * The next managed frame outwards of registers->rsp that the runtime itself has on record for the
   * thread (its chain of transitions into native code): for when native frames cannot be unwound.
   * *ret: that frame's registers, its PC being a return address. S_FALSE: none.
   */
  HRESULT (*next_managed)(cordbg_runtime *runtime, int32_t tid,
                          const struct user_regs_struct *registers, struct user_regs_struct *ret,
                          cordbg_error *error);

  /* The runtime notifies of no thread's end: the tracer's word for it goes to handle_event. */
  bool thread_ends;
} cordbg_runtime_ops;

/* The shims that this build has; NULL at the end. Order: that of detection. */
extern const cordbg_runtime_ops *const cordbg_runtime_shims[];

#endif
