/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: the session and the objects over it. session.c has the page.
 */
#ifndef CORDBG_ICORDEBUG_PRIVATE_H
#define CORDBG_ICORDEBUG_PRIVATE_H

#include "config.h"

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cordbg/com/enumerator.h"
#include "cordbg/com/error.h"
#include "cordbg/com/object.h"
#include "cordbg/com/utf16.h"
#include "cordbg/cordebug.h"
#include "cordbg/icordebug/icordebug.h"
#include "cordbg/log.h"
#include "cordbg/memory/target.h"
#include "runtime-shim/runtime.h"

typedef struct cordbg_cordebug cordbg_cordebug;
typedef struct cordbg_session cordbg_session;
typedef struct cordbg_process cordbg_process;
typedef struct cordbg_dispatchers cordbg_dispatchers;

/* What every object below a session begins with. */
typedef struct cordbg_child {
  cordbg_object object;
  cordbg_session *session; /* a counted reference: the struct outlives each object */
} cordbg_child;

/* The same, so that both `x->object` and `&x->child` are the first member. */
#define CORDBG_CHILD                                                                               \
  union {                                                                                          \
    struct {                                                                                       \
      cordbg_object object;                                                                        \
      cordbg_session *session;                                                                     \
    };                                                                                             \
    cordbg_child child;                                                                            \
  }

typedef enum cordbg_life {
  CORDBG_LIFE_STARTING, /* attach in progress: no other thread knows the session */
  CORDBG_LIFE_ATTACHED,
  CORDBG_LIFE_LEAVING, /* the target is gone, ExitProcess is being dispatched */
  CORDBG_LIFE_OVER,    /* detached or exited; every object is neutered */
} cordbg_life;

typedef enum cordbg_callback_kind {
  CORDBG_CALLBACK_CREATE_PROCESS,
  CORDBG_CALLBACK_CREATE_DOMAIN,
  CORDBG_CALLBACK_EXIT_DOMAIN,
  CORDBG_CALLBACK_LOAD_ASSEMBLY,
  CORDBG_CALLBACK_UNLOAD_ASSEMBLY,
  CORDBG_CALLBACK_LOAD_MODULE,
  CORDBG_CALLBACK_UNLOAD_MODULE,
  CORDBG_CALLBACK_CREATE_THREAD,
  CORDBG_CALLBACK_EXIT_THREAD,
  CORDBG_CALLBACK_BREAKPOINT,
  CORDBG_CALLBACK_BREAKPOINT_ERROR,
  CORDBG_CALLBACK_BREAK,
} cordbg_callback_kind;

typedef struct cordbg_domain {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugAppDomain) as_domain;
  CORDBG_FACE(ICorDebugAppDomain2) as_domain2;
  cordbg_rt_id id;
  uint32_t number;
  bool told; /* its CreateAppDomain is queued or was made; likewise below */
  char *name;
} cordbg_domain;

typedef struct cordbg_assembly {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugAssembly) as_assembly;
  CORDBG_FACE(ICorDebugAssembly2) as_assembly2;
  cordbg_rt_id id;
  cordbg_rt_id domain;
  bool told;
  char *name;
} cordbg_assembly;

typedef struct cordbg_module {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugModule) as_module;
  CORDBG_FACE(ICorDebugModule2) as_module2;
  cordbg_rt_id id;
  cordbg_rt_id assembly;
  cordbg_rt_id domain;
  uint32_t flags;
  uint32_t image; /* the same number for the same image in another domain */
  bool told;
  uint64_t base;
  uint64_t size;
  char *name;
  GHashTable *functions; /* token -> cordbg_function, owned */
  GHashTable *classes;   /* token -> cordbg_type_class, owned */
} cordbg_module;

typedef struct cordbg_type_class {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugClass) as_class;
  CORDBG_FACE(ICorDebugClass2) as_class2;
  cordbg_rt_id module;
  uint32_t token;
} cordbg_type_class;

typedef struct cordbg_code cordbg_code;

typedef struct cordbg_function {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugFunction) as_function;
  CORDBG_FACE(ICorDebugFunction2) as_function2;
  cordbg_rt_method method;
  uint32_t image;
  cordbg_code *il; /* owned; NULL until it is asked for */
} cordbg_function;

struct cordbg_code {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugCode) as_code;
  CORDBG_FACE(ICorDebugCode2) as_code2;
  cordbg_rt_method method; /* whose code it is */
  bool is_il;
  cordbg_rt_code body; /* native code */
};

typedef struct cordbg_thread {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugThread) as_thread;
  CORDBG_FACE(ICorDebugThread2) as_thread2;
  CORDBG_FACE(ICorDebugThread3) as_thread3;
  cordbg_rt_id id; /* 0: a thread that the runtime has not told of */
  cordbg_rt_id domain;
  int tid;
  bool told;
} cordbg_thread;

/* One trap that a breakpoint asked for. */
typedef struct cordbg_binding {
  uint64_t address;
  cordbg_rt_id code;
  cordbg_rt_id module;
} cordbg_binding;

/* One image, loaded in one domain or in several. */
typedef struct cordbg_loaded_image {
  uint8_t mvid[16];
  char *name;
  GArray *modules; /* cordbg_rt_id */
  /* metadata.c: NULL until they are asked for. */
  struct cordbg_image *metadata;
  IUnknown *scope; /* behind the metadata interfaces */
  struct cordbg_symbols *symbols;
  cordbg_error *no_symbols; /* why there are none */
} cordbg_loaded_image;

typedef struct cordbg_breakpoint {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugFunctionBreakpoint) as_breakpoint;
  cordbg_function *function; /* owned */
  cordbg_rt_id domain;       /* of the function's module */
  uint32_t offset;           /* IL or native, from the body's start */
  cordbg_rt_code native;     /* the body of a native breakpoint; id 0: an IL offset */
  /* Under the session's lock. */
  bool active;
  bool told;        /* BreakpointSetError was queued: once is enough */
  GArray *bindings; /* cordbg_binding */
  GArray *wanted;   /* cordbg_rt_id: modules in which want_method is on */
} cordbg_breakpoint;

/* An address with a managed trap, and who asked for it. */
typedef struct cordbg_site {
  uint64_t address;
  cordbg_rt_id domain;    /* of the body; 0: shared */
  cordbg_rt_id module;    /* of the body */
  GPtrArray *breakpoints; /* borrowed: an active breakpoint is owned by the session */
} cordbg_site;

/* One managed callback that waits for its turn. The objects are counted references. */
typedef struct cordbg_callback {
  cordbg_callback_kind kind;
  HRESULT status; /* BREAKPOINT_ERROR */
  cordbg_domain *domain;
  cordbg_thread
      *thread;   /* CREATE_THREAD, EXIT_THREAD, BREAKPOINT, BREAKPOINT_ERROR (may be NULL) */
  void *subject; /* the assembly, module or breakpoint */
} cordbg_callback;

/* unmanaged.c: what an interop client is told. */
typedef struct cordbg_natives cordbg_natives;

struct cordbg_session {
  atomic_uint references;

  /* Set before the session is known to a second thread, and constant from then on. */
  int pid;
  bool launched; /* the program is our child: we collect its exit status */
  bool early;    /* no code of its runtime had run when the session began */
  bool held;     /* taken over from hold.c: what ended before us does not end it */
  bool interop;
  cordbg_target *target;
  cordbg_tracer *tracer; /* the target's */
  const cordbg_runtime_ops *ops;
  cordbg_runtime_info info;
  ICorDebugManagedCallback *callback;
  ICorDebugManagedCallback2 *callback2;
  ICorDebugUnmanagedCallback *unmanaged; /* NULL unless interop */

  /*
   * Guards all that follows, and orders the calls into the runtime's shim, which asks for that.
   * Never held while a callback of the client runs, so that a callback may call anything.
   */
  pthread_mutex_t lock;
  cordbg_life life;
  HRESULT over;              /* why, when life is OVER */
  cordbg_runtime *runtime;   /* NULL once it was destroyed */
  cordbg_cordebug *cordebug; /* not counted; NULL when over */
  cordbg_process *process;   /* not counted: the client's references alone keep it */

  /* The stop. */
  unsigned stop_count;   /* managed stops owed by the client: Stop and callbacks */
  bool owed;             /* the tracer holds the target and waits for CONTINUE */
  bool brief;            /* one of stop_count is that of the method which has the lock */
  uint64_t runs;         /* how often the target was let run: frames are of one number */
  bool out_of_band;      /* an out-of-band event waits for Continue(TRUE) */
  bool terminating;      /* Terminate was called */
  bool muted;            /* nobody is left to hear of anything */
  int unmanaged_tid;     /* thread of the unmanaged event that waits for Continue; 0: none */
  uint64_t in_flight[2]; /* by channel: sent by the tracer, not yet read by us; 0: none */
  cordbg_natives *natives; /* NULL unless an interop client listens; freed with the session */
  pthread_t dispatcher;  /* the managed callbacks' thread */
  unsigned thread_count; /* dispatchers: the last one to end releases the handlers */
  cordbg_dispatchers *dispatchers; /* counted; constant */

  GArray *queue; /* cordbg_callback */
  guint queue_head;
  GPtrArray *dying; /* objects whose unload was told: neutered when the client goes on */

  GHashTable *domains, *assemblies, *modules, *threads; /* cordbg_rt_id -> object, owned */
  GHashTable *tids;       /* tid -> cordbg_thread, borrowed from threads or strangers */
  GPtrArray *strangers;   /* threads with id 0, owned */
  GHashTable *codes;      /* cordbg_rt_id -> native cordbg_code, owned */
  GPtrArray *images;      /* cordbg_loaded_image, by cordbg_module.image */
  GHashTable *methods;    /* image and token -> GPtrArray of active breakpoints, borrowed */
  GHashTable *sites;      /* address -> cordbg_site, owned */
  GPtrArray *breakpoints; /* active ones, owned */
};

/* ---- session.c ---- */

cordbg_session *cordbg_session_ref(cordbg_session *session);
void cordbg_session_unref(cordbg_session *session);

/* Attach or launch (launch not NULL). On success two things know the session: the caller, who owns
 * a reference, and its dispatchers. */
HRESULT cordbg_session_attach(cordbg_cordebug *cordebug, int pid, bool interop,
                              cordbg_session **ret, cordbg_error *error);
HRESULT cordbg_session_launch(cordbg_cordebug *cordebug, const cordbg_launch *launch, bool interop,
                              cordbg_session **ret, cordbg_error *error);

/* Detaches in any state. Lock not held. S_OK also when it was over already. */
HRESULT cordbg_session_detach(cordbg_session *session, cordbg_error *error);
/* Neuters everything with `why` and lets the dispatchers end; the tracer has let go already. */
void cordbg_session_over(cordbg_session *session, HRESULT why);
/* The process object with a reference, or NULL when the session is over. Lock not held. */
cordbg_process *cordbg_session_process(cordbg_session *session);
/* A dispatcher's last step: consumes its reference, and the handlers when it is the last. */
void cordbg_session_thread_ends(cordbg_session *session);
/* Destroys the runtime's instance, if there is one. Lock held. */
void cordbg_session_drop_runtime(cordbg_session *session, bool alive);

/* ---- controller.c: how a session stops and goes on; the methods of ICorDebugController ---- */

/* Sets and remembers an error. */
HRESULT cordbg_fail(HRESULT hr, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Remembers *error when hr is a failure; returns hr. */
HRESULT cordbg_answer(HRESULT hr, const cordbg_error *error);

/* First line of a method that needs no stop: alive, and the arguments are good. */
HRESULT cordbg_check(const cordbg_child *self, bool arguments);
/* First line of a method that needs the synchronised stop: on S_OK the session's lock is held, and
 * cordbg_leave drops it. */
HRESULT cordbg_enter(const cordbg_child *self, bool arguments);
/* The same for a method that may be called on a running process too: it is stopped, and goes on when
 * the method leaves, as Microsoft's does for its breakpoints. */
HRESULT cordbg_enter_stopping(const cordbg_child *self, bool arguments);
/* The same without the need to be stopped: the session is merely attached. */
HRESULT cordbg_enter_attached(const cordbg_child *self, bool arguments);
/* The same for what belongs to one stop, that at which session->runs was `runs`: afterwards
 * CORDBG_E_OBJECT_NEUTERED. */
HRESULT cordbg_enter_stop(const cordbg_child *self, uint64_t runs, bool arguments);
void cordbg_leave(const cordbg_child *self);
/*
 * Last line of a getter between cordbg_enter and cordbg_leave: on success a reference of the
 * object, which is borrowed so far, goes out by the named face; leaves; remembers a failure.
 */
#define CORDBG_HAND_OUT(self, hr, error, found, as, ret)                                           \
  (SUCCEEDED(hr) ? (cordbg_object_ref(found), (void)(*(ret) = &(found)->as.iface)) : (void)0,      \
   cordbg_leave(&(self)->child), cordbg_answer(hr, error))
/* GetProcess of every object below a session. */
HRESULT cordbg_get_process(const cordbg_child *self, ICorDebugProcess **ret);

/* Lets the target run, or the next callback come, when nothing holds the session. Lock held. */
HRESULT cordbg_session_go_on(cordbg_session *session, cordbg_error *error);
/*
 * Stops the target at a consistent moment of its runtime; the caller owes one from stop_count. look:
 * what the runtime has not told of is looked for. Lock held; dropped while the target has to run on.
 */
HRESULT cordbg_session_stop(cordbg_session *session, bool look, cordbg_error *error);
/* Which of the tracer's events the session's runtime needs (CORDBG_WANT_*). */
uint32_t cordbg_session_wants(const cordbg_session *session);
/* Neuters what was unloaded. Lock held. */
void cordbg_session_flush_dying(cordbg_session *session);

HRESULT cordbg_controller_stop(ICorDebugController *This, DWORD timeout);
HRESULT cordbg_controller_continue(ICorDebugController *This, BOOL out_of_band);
HRESULT cordbg_controller_is_running(ICorDebugController *This, BOOL *running);
HRESULT cordbg_controller_has_queued(ICorDebugController *This, ICorDebugThread *thread,
                                     BOOL *queued);
HRESULT cordbg_controller_enumerate_threads(ICorDebugController *This,
                                            ICorDebugThreadEnum **threads);
HRESULT cordbg_controller_detach(ICorDebugController *This);
HRESULT cordbg_controller_terminate(ICorDebugController *This, UINT exit_code);

/* ICorDebugController's slots in the vtable of an interface that inherits from it. */
#define CORDBG_CONTROLLER_SLOTS(I)                                                                 \
  CORDBG_SLOT_AS(I, Stop, cordbg_controller_stop),                                                 \
      CORDBG_SLOT_AS(I, Continue, cordbg_controller_continue),                                     \
      CORDBG_SLOT_AS(I, IsRunning, cordbg_controller_is_running),                                  \
      CORDBG_SLOT_AS(I, HasQueuedCallbacks, cordbg_controller_has_queued),                         \
      CORDBG_SLOT_AS(I, EnumerateThreads, cordbg_controller_enumerate_threads),                    \
      CORDBG_SLOT_AS(I, Detach, cordbg_controller_detach),                                         \
      CORDBG_SLOT_AS(I, Terminate, cordbg_controller_terminate)

/* ---- dispatch.c: from events to managed callbacks ---- */

/* Queues what an attach replays. Lock held or session starting. */
HRESULT cordbg_dispatch_replay(cordbg_session *session, cordbg_error *error);
/* Queues what one event of the managed channel means. Lock held. */
void cordbg_dispatch_event(cordbg_session *session, const cordbg_event *event);
/* Asks the shim what has accumulated, after a stop without an event. Lock held. */
HRESULT cordbg_dispatch_accumulated(cordbg_session *session, cordbg_error *error);
void cordbg_dispatch_clear(cordbg_session *session);
/*
 * Queue that the thing is there, after that what it belongs to is; nothing when that was told
 * before. Lock held.
 */
HRESULT cordbg_tell_domain(cordbg_session *session, cordbg_rt_id id, cordbg_domain **ret,
                           cordbg_error *error);
HRESULT cordbg_tell_module(cordbg_session *session, cordbg_rt_id id, cordbg_module **ret,
                           cordbg_error *error);
HRESULT cordbg_tell_thread(cordbg_session *session, cordbg_thread *thread, cordbg_error *error);
/* References to the objects are taken. */
void cordbg_dispatch_queue(cordbg_session *session, cordbg_callback_kind kind,
                           cordbg_domain *domain, cordbg_thread *thread, void *subject,
                           HRESULT status);
void *cordbg_dispatch_thread(void *session); /* a thread's body; owns a reference */
/* ---- unmanaged.c ---- */
void *cordbg_unmanaged_thread(void *session);

/*
 * ---- One object family a file. The functions that look an id up make the object when it is new;
 * what comes out is borrowed from the session. Lock held, target stopped. ----
 */
HRESULT cordbg_session_domain(cordbg_session *session, cordbg_rt_id id, cordbg_domain **ret,
                              cordbg_error *error);
HRESULT cordbg_session_assembly(cordbg_session *session, cordbg_rt_id id, cordbg_assembly **ret,
                                cordbg_error *error);
HRESULT cordbg_session_module(cordbg_session *session, cordbg_rt_id id, cordbg_module **ret,
                              cordbg_error *error);
HRESULT cordbg_session_thread(cordbg_session *session, cordbg_rt_id id, cordbg_thread **ret,
                              cordbg_error *error);
/* By operating-system id; a thread that the runtime does not know is made for `domain`. */
HRESULT cordbg_session_thread_at(cordbg_session *session, int tid, cordbg_rt_id domain,
                                 cordbg_thread **ret, cordbg_error *error);
HRESULT cordbg_module_function(cordbg_module *module, uint32_t token, cordbg_function **ret,
                               cordbg_error *error);
HRESULT cordbg_module_type(cordbg_module *module, uint32_t token, cordbg_type_class **ret,
                           cordbg_error *error);
HRESULT cordbg_session_code(cordbg_session *session, const cordbg_rt_code *body, cordbg_code **ret,
                            cordbg_error *error);
HRESULT cordbg_function_il(cordbg_function *function, cordbg_code **ret, cordbg_error *error);

/* A new object below the session: it holds a reference on it. NULL: no memory. */
void *cordbg_child_new(cordbg_session *session, const cordbg_class *type);

/* Mark an object and what hangs on it as gone, and take it out of the session. Lock held. */
void cordbg_domain_neuter(cordbg_domain *domain, HRESULT why);
void cordbg_assembly_neuter(cordbg_assembly *assembly, HRESULT why);
void cordbg_module_neuter(cordbg_module *module, HRESULT why);
void cordbg_thread_neuter(cordbg_thread *thread, HRESULT why);
void cordbg_code_neuter(cordbg_code *code, HRESULT why);

extern const cordbg_class cordbg_process_class, cordbg_domain_class, cordbg_assembly_class,
    cordbg_module_class, cordbg_type_class_class, cordbg_function_class, cordbg_code_class,
    cordbg_thread_class, cordbg_breakpoint_class, cordbg_cordebug_class;

/* ---- enumerations ---- */

typedef HRESULT (*cordbg_find_function)(cordbg_session *session, cordbg_rt_id id, void **iface,
                                        cordbg_error *error);
/* An enumerator over the objects of ids, which it frees. Lock held. */
HRESULT cordbg_enumerate_ids(cordbg_session *session, const IID *iid, cordbg_rt_id *ids,
                             size_t count, cordbg_find_function find, void **out,
                             cordbg_error *error);

/* ---- breakpoint.c ---- */

/* A breakpoint that is not yet active. native: the body, NULL: an IL offset. */
HRESULT cordbg_breakpoint_new(cordbg_function *function, const cordbg_rt_code *native,
                              uint32_t offset, cordbg_breakpoint **ret, cordbg_error *error);
HRESULT cordbg_breakpoint_activate(cordbg_breakpoint *breakpoint, cordbg_error *error);
void cordbg_breakpoint_deactivate(cordbg_breakpoint *breakpoint);
/* Where a breakpoint at an IL offset of a body goes (places.c): addresses (uint64_t) are appended.
 * S_FALSE: no instruction begins there. */
HRESULT cordbg_breakpoint_places(cordbg_session *session, const cordbg_rt_code *body,
                                 uint32_t il_offset, GArray *addresses, cordbg_error *error);
/* The same as native offsets (uint32_t), of the map and the code: the hot part's bytes, then the
 * cold one's; NULL: not readable. */
void cordbg_places_pick(const cordbg_rt_code *body, const uint8_t *code, const cordbg_rt_map *map,
                        size_t count, uint32_t il_offset, GArray *natives);
/* The address of a native offset; the cold part follows the hot one. false: beyond the body. */
bool cordbg_native_address(const cordbg_rt_code *body, uint32_t offset, uint64_t *address);
/* A body appeared, is about to go; a module appeared, goes. */
void cordbg_breakpoints_code_compiled(cordbg_session *session, const cordbg_rt_code *body, int tid);
void cordbg_breakpoints_code_freed(cordbg_session *session, const cordbg_rt_code *body);
void cordbg_breakpoints_module_loaded(cordbg_session *session, cordbg_module *module);
void cordbg_breakpoints_module_gone(cordbg_session *session, cordbg_module *module, HRESULT why);
/* Queues the callbacks of a hit. */
void cordbg_breakpoints_hit(cordbg_session *session, const cordbg_event *event);
void cordbg_site_free(void *site);
void cordbg_loaded_image_free(void *image);

/*
 * ---- metadata.c, lines.c: what a module's image and its symbols say. What comes out is borrowed
 * from the session, valid while its lock is held. ----
 */
HRESULT cordbg_module_metadata(cordbg_module *module, struct cordbg_image **ret,
                               cordbg_error *error);
/* The object behind the metadata interfaces: its IUnknown. */
HRESULT cordbg_module_scope(cordbg_module *module, IUnknown **ret, cordbg_error *error);
/* The domain's module that this metadata was handed out for. */
HRESULT cordbg_session_module_of_metadata(cordbg_session *session, cordbg_rt_id domain,
                                          IUnknown *metadata, cordbg_module **ret,
                                          cordbg_error *error);
/* CORDBG_E_SYMBOLS_NOT_AVAILABLE and the reason: none, damaged, or of another build. */
HRESULT cordbg_module_symbols(cordbg_module *module, struct cordbg_symbols **ret,
                              cordbg_error *error);
/* Lets go of what was opened for an image: nobody has it any more. */
void cordbg_loaded_image_forget(cordbg_loaded_image *loaded);

/*
 * The method whose code holds an address, and with_line its source line; for a return address pass
 * the address before it. S_FALSE: no method's code. Lock held, target stopped.
 */
struct cordbg_managed_place;
HRESULT cordbg_session_describe_code(cordbg_session *session, uint64_t address, bool with_line,
                                     struct cordbg_managed_place *ret, cordbg_error *error);

/* ---- frames.c ---- */

/* Lets walks of the target's stacks see managed frames, or no more. The lock may be held. */
void cordbg_session_provide_frames(cordbg_session *session, bool provide);

/* ---- process.c ---- */

struct cordbg_process {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugProcess) as_process;
  CORDBG_FACE(ICorDebugProcess2) as_process2;
  CORDBG_FACE(ICorDebugProcess3) as_process3;
  CORDBG_FACE(ICorDebugProcess4) as_process4;
  CORDBG_FACE(ICorDebugProcess5) as_process5;
  CORDBG_FACE(ICorDebugProcess8) as_process8;
  cordbg_cordebug *cordebug; /* owned: who holds the process may drop ICorDebug */
};

/* process-memory.c */
HRESULT cordbg_process_read_memory(ICorDebugProcess *This, CORDB_ADDRESS address, DWORD size,
                                   BYTE *buffer, SIZE_T *read);
HRESULT cordbg_process_write_memory(ICorDebugProcess *This, CORDB_ADDRESS address, DWORD size,
                                    BYTE *buffer, SIZE_T *written);
HRESULT cordbg_process_set_unmanaged(ICorDebugProcess2 *This, CORDB_ADDRESS address,
                                     ULONG32 bufsize, BYTE *buffer, ULONG32 *length);
HRESULT cordbg_process_clear_unmanaged(ICorDebugProcess2 *This, CORDB_ADDRESS address);

/* ---- registers.c ---- */

/* Whose stop suffices is the caller's to know. contextSize: at least sizeof(CONTEXT). */
HRESULT cordbg_context_get(cordbg_session *session, int tid, ULONG32 size, BYTE *context,
                           cordbg_error *error);
HRESULT cordbg_context_set(cordbg_session *session, int tid, ULONG32 size, const BYTE *context,
                           cordbg_error *error);
HRESULT cordbg_register_set_new(cordbg_thread *thread, ICorDebugRegisterSet **ret,
                                cordbg_error *error);

/* ---- cordebug.c ---- */

/* The threads that make callbacks for one ICorDebug, which they may outlive. */
struct cordbg_dispatchers {
  atomic_uint references;
  pthread_mutex_t lock; /* a leaf, as the next one is */
  pthread_cond_t ended;
  unsigned alive;
};
cordbg_dispatchers *cordbg_dispatchers_ref(cordbg_dispatchers *dispatchers);
void cordbg_dispatchers_unref(cordbg_dispatchers *dispatchers);
/* One is about to be started; the calling thread is one; one has released what it had. */
void cordbg_dispatchers_add(cordbg_dispatchers *dispatchers);
void cordbg_dispatchers_enter(cordbg_dispatchers *dispatchers);
void cordbg_dispatchers_leave(cordbg_dispatchers *dispatchers);

struct cordbg_cordebug {
  cordbg_object object;
  CORDBG_FACE(ICorDebug) as_cordebug;
  /* Guards what follows. A leaf: nothing is called while it is held. */
  pthread_mutex_t lock;
  bool initialized;
  bool terminated;
  ICorDebugManagedCallback *managed;
  ICorDebugManagedCallback2 *managed2;
  ICorDebugUnmanagedCallback *unmanaged;
  cordbg_dispatchers *dispatchers; /* counted; constant */
  GPtrArray *sessions; /* owned references */
  GPtrArray *starting; /* borrowed: those in an attach or a launch, until they are in sessions */
};

/* The session is over: takes it out of the list. */
void cordbg_cordebug_forget(cordbg_cordebug *cordebug, cordbg_session *session);

/* ---- launch.c ---- */

/* A Windows command line as an argument vector (g_strfreev); NULL and an error when it is empty. */
HRESULT cordbg_command_line_split(const char *line, char ***ret, cordbg_error *error);
/* An environment block: strings that end with an empty one. UTF-16 when wide. */
char **cordbg_environment_split(const void *block, bool wide);

#endif
