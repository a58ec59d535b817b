/* SPDX-License-Identifier: MIT */
/*
 * The agent: a small library inside a Mono process that publishes what only the runtime knows.
 *
 * Why it exists. The shim reads the runtime's structures from outside, but it cannot know when
 * they change, and some lists begin at variables that no symbol names. The agent hooks Mono's
 * profiler interface, keeps the block (block.h) current and calls an empty function,
 * cordbg_agent_notify, where the shim's internal trap waits. It never waits for the client and
 * never allocates in a callback.
 *
 * States (block.state), all changes made in this file:
 *
 *   IDLE --start(), on a managed thread--> STARTING --service thread is up--> RUNNING
 *     ^                                                                          |
 *     +------------- callbacks removed, thread gone <-- LEAVING <-- command EXIT +
 *
 * Merely loaded (`--profile=cordbg` or dlopen) it is IDLE: no hook, no thread, nothing allocated.
 *
 * Who ends a session. The tracer writes active = 0 and command = EXIT and kicks the service
 * thread, at detach as well as after the client's death: from that write on each callback returns
 * at once, and the service thread takes them all out and ends. The next start() begins anew.
 *
 * Invariants
 *   - A callback touches only the block; the log is a ring in which a writer reserves a record by
 *     one atomic addition and publishes it by storing its sequence last. Old records are
 *     overwritten: a reader that is late sees it by the sequence, and reads everything anew.
 *   - The service thread is a "tools thread" of the runtime: no managed thread object, not
 *     suspended by collections, not waited for at exit. Its stack lies low in the address space,
 *     because Mono's list of threads is sorted by pthread_t: so it is the list's first, and a
 *     reader outside reaches every thread from it.
 *   - No symbol of glibc newer than 2.17 is referred to (tests/live/mono-agent-symbols).
 *
 * What stays behind in a target after the first session: this library, one profiler handle with
 * no callbacks, the service thread's empty stack mapping.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime-shim/mono/agent/block.h"
#include "runtime-shim/mono/agent/mono-api.h"

/* glibc 2.34 moved these into libc under a new version; the old one is there for ever. */
__asm__(".symver pthread_create,pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join,pthread_join@GLIBC_2.2.5");
__asm__(".symver pthread_attr_setstack,pthread_attr_setstack@GLIBC_2.2.5");
__asm__(".symver pthread_sigmask,pthread_sigmask@GLIBC_2.2.5");
__asm__(".symver dlsym,dlsym@GLIBC_2.2.5");
__asm__(".symver dlopen,dlopen@GLIBC_2.2.5");

#define AGENT_EXPORT __attribute__((visibility("default")))
#define SERVICE_STACK (256u << 10)

enum { CODE_OF_METHOD = 0 }; /* MONO_PROFILER_CODE_BUFFER_METHOD */

long cordbg_agent_start(const char *library, int file);
void cordbg_agent_notify(uint64_t kind, cordbg_agent_record *record);
void mono_profiler_init_cordbg(const char *description);
void mono_profiler_init(const char *description);

/* Not in the block, which is initialised data and so takes room in the file that is handed over. */
static cordbg_agent_record event_log[CORDBG_AGENT_LOG];
static cordbg_agent_wanted wanted_methods[CORDBG_AGENT_WANTED];
#define TOLD_PAIRS 1024u
static _Atomic uint64_t told_pairs[TOLD_PAIRS];

AGENT_EXPORT cordbg_agent_block cordbg_agent_block_storage __asm__(CORDBG_AGENT_SYMBOL) = {
    .magic = CORDBG_AGENT_MAGIC,
    .version = CORDBG_AGENT_VERSION,
    .size = sizeof(cordbg_agent_block),
    .log_capacity = CORDBG_AGENT_LOG,
    .wanted_capacity = CORDBG_AGENT_WANTED,
    .domain_capacity = CORDBG_AGENT_DOMAINS,
    .record_size = sizeof(cordbg_agent_record),
    .start = (uint64_t)(uintptr_t)cordbg_agent_start,
    .notify = (uint64_t)(uintptr_t)cordbg_agent_notify,
    .log = (uint64_t)(uintptr_t)event_log,
    .wanted = (uint64_t)(uintptr_t)wanted_methods,
};

#define block cordbg_agent_block_storage

/* The one runtime of this process, not of a session: a process has one Mono. */
static struct {
  cordbg_mono_api mono;
  bool ready;
  MonoProfilerHandle profiler;
  pthread_t service;
  bool service_to_join;
  void *stack;
} agent;

/* ---- Waiting ---- */

static void
wake(_Atomic uint32_t *word)
{
  syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
}

/* Returns when *word may differ from value, or after milliseconds (< 0: no limit). */
static void
wait_while(_Atomic uint32_t *word, uint32_t value, long milliseconds)
{
  struct timespec limit = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
  syscall(SYS_futex, word, FUTEX_WAIT, value, milliseconds < 0 ? NULL : &limit, NULL, 0);
}

/* True when the state left `value` within about two seconds. */
static bool
await_change(uint32_t value)
{
  for (int i = 0; i < 200; i++) {
    if (atomic_load(&block.state) != value)
      return true;
    wait_while(&block.state, value, 10);
  }
  return atomic_load(&block.state) != value;
}

static void
set_state(uint32_t state)
{
  atomic_store(&block.state, state);
  wake(&block.state);
}

/* ---- The log ---- */

/*
 * Must stay empty, out of line and first reached by a call: the shim's trap stands on its first
 * instruction, with the record in rsi. Without a trap it does nothing.
 */
AGENT_EXPORT __attribute__((noinline, noclone)) void
cordbg_agent_notify(uint64_t kind, cordbg_agent_record *record)
{
  __asm__ volatile("" : : "r"(kind), "r"(record) : "memory");
}

static void
log_event(cordbg_agent_kind kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
  uint64_t index = atomic_fetch_add(&block.log_head, 1);
  cordbg_agent_record *record = &event_log[index & (CORDBG_AGENT_LOG - 1)];

  atomic_store_explicit(&record->sequence, 0, memory_order_release);
  atomic_thread_fence(memory_order_release);
  record->kind = kind;
  record->tid = (int32_t)syscall(SYS_gettid);
  record->a = a;
  record->b = b;
  record->c = c;
  record->d = d;
  atomic_store_explicit(&record->sequence, index + 1, memory_order_release);
  if (atomic_load(&block.notify_mask) & 1u << kind)
    cordbg_agent_notify(kind, record);
}

static bool
is_active(void)
{
  return atomic_load_explicit(&block.active, memory_order_relaxed) != 0;
}

/* ---- Wanted methods ---- */

static bool
is_wanted(uint64_t image, uint32_t token)
{
  uint32_t slot = cordbg_agent_wanted_slot(image, token);

  for (uint32_t i = 0; i < CORDBG_AGENT_PROBES; i++) {
    cordbg_agent_wanted *wanted = &wanted_methods[(slot + i) & (CORDBG_AGENT_WANTED - 1)];
    uint64_t there = atomic_load_explicit(&wanted->image, memory_order_relaxed);
    uint64_t there_token = atomic_load_explicit(&wanted->token, memory_order_relaxed);

    if (there == image && there_token == token)
      return true;
    if (there == 0 && there_token == 0)
      return false;
  }
  return false;
}

/* ---- Callbacks, on the threads of the program ---- */

/*
 * Mono tells of an assembly once, at its first load; a second domain that takes the same one is
 * told nowhere, nor is a module that a program emits. So the first body that is compiled of an
 * image in a domain other than the root, or of an emitted one, counts as the word of it. A table
 * of what was told; full or raced, it forgets, and a word that comes twice changes nothing.
 */
static bool
is_new_in_domain(uint64_t domain, MonoImage *image)
{
  uint64_t key = domain ^ ((uintptr_t)image >> 3) * 0x9e3779b97f4a7c15ull;
  _Atomic uint64_t *slot = &told_pairs[(key >> 40) & (TOLD_PAIRS - 1)];

  return (domain != block.root_domain || agent.mono.image_is_dynamic(image)) &&
         atomic_exchange_explicit(slot, key, memory_order_relaxed) != key;
}

/*
 * The code lies where it will be called, every byte of it, and nothing leads to it yet: the last
 * moment at which a trap can be put before its first execution, whichever thread's that is.
 */
static void
on_jit_code_buffer(MonoProfiler *profiler, const uint8_t *code, uint64_t size, int32_t type,
                   const void *data)
{
  MonoMethod *method = (MonoMethod *)(uintptr_t)data;

  (void)profiler;
  (void)size;
  if (!is_active() || type != CODE_OF_METHOD || !method ||
      atomic_load_explicit(&block.wanted_count, memory_order_relaxed) == 0 ||
      !(atomic_load(&block.notify_mask) & 1u << CORDBG_AGENT_CODE_COMPLETE))
    return;
  MonoImage *image = agent.mono.class_get_image(agent.mono.method_get_class(method));
  if (is_wanted((uintptr_t)image, agent.mono.method_get_token(method)))
    log_event(CORDBG_AGENT_CODE_COMPLETE, (uintptr_t)code, (uintptr_t)method,
              (uintptr_t)agent.mono.domain_get(), 0);
}

static void
on_jit_done(MonoProfiler *profiler, MonoMethod *method, MonoJitInfo *info)
{
  (void)profiler;
  if (!is_active())
    return;
  atomic_fetch_add_explicit(&block.code_version, 1, memory_order_relaxed);
  if (!method || !info)
    return;
  uint64_t domain = (uintptr_t)agent.mono.domain_get();
  MonoImage *image = agent.mono.class_get_image(agent.mono.method_get_class(method));
  if (is_new_in_domain(domain, image))
    log_event(CORDBG_AGENT_ASSEMBLY_LOADED, 0, domain, (uintptr_t)image, 0);
  if (atomic_load_explicit(&block.wanted_count, memory_order_relaxed) == 0)
    return;
  if (!is_wanted((uintptr_t)image, agent.mono.method_get_token(method)))
    return;
  log_event(CORDBG_AGENT_CODE_COMPILED, (uintptr_t)info, (uintptr_t)method,
            (uintptr_t)agent.mono.domain_get(),
            (uintptr_t)agent.mono.jit_info_get_code_start(info));
}

/* Comes after the method left the runtime's table and before its memory goes. */
static void
on_jit_chunk_destroyed(MonoProfiler *profiler, const uint8_t *chunk)
{
  (void)profiler;
  if (!is_active())
    return;
  atomic_fetch_add_explicit(&block.code_version, 1, memory_order_relaxed);
  if (atomic_load_explicit(&block.watch_frees, memory_order_relaxed) != 0)
    log_event(CORDBG_AGENT_CODE_FREED, (uintptr_t)chunk, 0, 0, 0);
}

static cordbg_agent_domain *
domain_slot(uint64_t domain)
{
  for (uint32_t i = 0; i < CORDBG_AGENT_DOMAINS; i++)
    if (atomic_load(&block.domains[i].domain) == domain)
      return &block.domains[i];
  return NULL;
}

/* Two threads may enter different domains at once: a slot is taken by compare-and-swap. */
static void
add_domain(MonoDomain *domain, bool named)
{
  uint64_t key = (uintptr_t)domain;

  if (domain_slot(key))
    return;
  for (uint32_t i = 0; i < CORDBG_AGENT_DOMAINS; i++) {
    uint64_t empty = 0;
    if (!atomic_compare_exchange_strong(&block.domains[i].domain, &empty, key))
      continue;
    block.domains[i].number = (uint32_t)agent.mono.domain_get_id(domain);
    atomic_store(&block.domains[i].named, named);
    return;
  }
  atomic_fetch_add(&block.domains_lost, 1);
}

static void
add_existing_domain(MonoDomain *domain, void *data)
{
  (void)data;
  add_domain(domain, agent.mono.domain_get_friendly_name(domain) != NULL);
}

static void
on_domain_loaded(MonoProfiler *profiler, MonoDomain *domain)
{
  (void)profiler;
  if (!is_active())
    return;
  /* It may have the address of one that is gone. */
  for (size_t i = 0; i < TOLD_PAIRS; i++)
    atomic_store_explicit(&told_pairs[i], 0, memory_order_relaxed);
  add_domain(domain, false);
}

static void
on_domain_name(MonoProfiler *profiler, MonoDomain *domain, const char *name)
{
  (void)profiler;
  (void)name;
  if (!is_active())
    return;
  add_domain(domain, false);
  cordbg_agent_domain *slot = domain_slot((uintptr_t)domain);
  if (slot)
    atomic_store(&slot->named, 1);
  log_event(CORDBG_AGENT_DOMAIN_NAMED, (uintptr_t)domain, 0, 0, 0);
}

static void
on_domain_unloading(MonoProfiler *profiler, MonoDomain *domain)
{
  (void)profiler;
  if (!is_active())
    return;
  log_event(CORDBG_AGENT_DOMAIN_UNLOADING, (uintptr_t)domain, 0, 0, 0);
  cordbg_agent_domain *slot = domain_slot((uintptr_t)domain);
  if (slot) {
    atomic_store(&slot->named, 0);
    atomic_store(&slot->domain, 0);
  }
}

static void
on_domain_unloaded(MonoProfiler *profiler, MonoDomain *domain)
{
  (void)profiler;
  (void)domain;
  if (is_active())
    atomic_fetch_add(&block.code_version, 1);
}

static void
on_assembly_loaded(MonoProfiler *profiler, MonoAssembly *assembly)
{
  (void)profiler;
  if (!is_active())
    return;
  atomic_fetch_add(&block.assembly_version, 1);
  log_event(CORDBG_AGENT_ASSEMBLY_LOADED, (uintptr_t)assembly, (uintptr_t)agent.mono.domain_get(),
            0, 0);
}

static void
on_thread_started(MonoProfiler *profiler, uintptr_t thread)
{
  (void)profiler;
  if (is_active())
    log_event(CORDBG_AGENT_THREAD_STARTED, thread, (uintptr_t)agent.mono.domain_get(), 0, 0);
}

static void
on_thread_stopped(MonoProfiler *profiler, uintptr_t thread)
{
  (void)profiler;
  if (is_active())
    log_event(CORDBG_AGENT_THREAD_STOPPED, thread, 0, 0, 0);
}

/* Sets (on) or takes out all callbacks: atomic stores in the runtime, from any thread. */
static void
hook(bool on)
{
  const cordbg_mono_api *mono = &agent.mono;
  MonoProfilerHandle handle = agent.profiler;

  mono->profiler_set_domain_loaded_callback(handle, on ? on_domain_loaded : NULL);
  mono->profiler_set_domain_name_callback(handle, on ? on_domain_name : NULL);
  mono->profiler_set_domain_unloading_callback(handle, on ? on_domain_unloading : NULL);
  mono->profiler_set_domain_unloaded_callback(handle, on ? on_domain_unloaded : NULL);
  mono->profiler_set_assembly_loaded_callback(handle, on ? on_assembly_loaded : NULL);
  mono->profiler_set_thread_started_callback(handle, on ? on_thread_started : NULL);
  mono->profiler_set_thread_stopped_callback(handle, on ? on_thread_stopped : NULL);
  mono->profiler_set_jit_chunk_destroyed_callback(handle, on ? on_jit_chunk_destroyed : NULL);
  mono->profiler_set_jit_code_buffer_callback(handle, on ? on_jit_code_buffer : NULL);
  mono->profiler_set_jit_done_callback(handle, on ? on_jit_done : NULL);
}

/* ---- The service thread ---- */

static void *
serve(void *data)
{
  (void)data;
  prctl(PR_SET_NAME, "cordbg");
  agent.mono.threads_attach_tools_thread();
  block.service_pthread = (uintptr_t)pthread_self();
  block.service_info = (uintptr_t)agent.mono.thread_info_current_unchecked();
  block.service_tid = (int32_t)syscall(SYS_gettid);
  set_state(CORDBG_AGENT_RUNNING);

  while (atomic_load(&block.command) != CORDBG_AGENT_COMMAND_EXIT)
    wait_while(&block.command, CORDBG_AGENT_COMMAND_NONE, -1);

  set_state(CORDBG_AGENT_LEAVING);
  atomic_store(&block.active, 0);
  hook(false);
  block.service_info = 0;
  set_state(CORDBG_AGENT_IDLE);
  return NULL;
}

/* The program's signals are for the program's threads; faults of our own stay deliverable. */
static void
signals_of_service(sigset_t *set)
{
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

  sigfillset(set);
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
    sigdelset(set, faults[i]);
}

static long
start_service(void)
{
  pthread_attr_t attributes;
  sigset_t blocked, before;

  if (!agent.stack) {
    void *low = mmap(NULL, SERVICE_STACK, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_NORESERVE, -1, 0);
    if (low == MAP_FAILED) {
      block.start_detail = errno;
      return CORDBG_AGENT_E_THREAD;
    }
    agent.stack = low;
  }
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, agent.stack, SERVICE_STACK);
  signals_of_service(&blocked);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int failed = pthread_create(&agent.service, &attributes, serve, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (failed) {
    block.start_detail = failed;
    return CORDBG_AGENT_E_THREAD;
  }
  agent.service_to_join = true;
  return await_change(CORDBG_AGENT_STARTING) ? CORDBG_AGENT_STARTED : CORDBG_AGENT_E_THREAD;
}

/* The thread of the last session, if it is there still. */
static bool
end_last_service(void)
{
  if (block.pid != (int32_t)getpid()) { /* a fork child: only the forking thread came along */
    agent.service_to_join = false;
    agent.stack = NULL;
    set_state(CORDBG_AGENT_IDLE);
    return true;
  }
  for (int i = 0; i < 4 && atomic_load(&block.state) != CORDBG_AGENT_IDLE; i++) {
    atomic_store(&block.command, CORDBG_AGENT_COMMAND_EXIT);
    wake(&block.command);
    await_change(atomic_load(&block.state));
  }
  if (atomic_load(&block.state) != CORDBG_AGENT_IDLE)
    return false;
  if (agent.service_to_join)
    pthread_join(agent.service, NULL);
  agent.service_to_join = false;
  return true;
}

/* ---- Start ---- */

static void *
find(void *library, const char *name)
{
  void *symbol = dlsym(RTLD_DEFAULT, name);

  return symbol || !library ? symbol : dlsym(library, name);
}

static long
find_runtime(const char *path)
{
  cordbg_mono_api *mono = &agent.mono;
  void *library = path && path[0] ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;

#define FIND(type, member, arguments)                                                              \
  if (!(*(void **)&mono->member = find(library, "mono_" #member))) {                               \
    block.start_detail = (int64_t)(uintptr_t) "mono_" #member;                                     \
    return CORDBG_AGENT_E_SYMBOL;                                                                  \
  }
  CORDBG_MONO_API(FIND)
#undef FIND
  *(void **)&mono->get_runtime_build_info = find(library, "mono_get_runtime_build_info");
  mono->use_interpreter = find(library, "mono_use_interpreter");
  return CORDBG_AGENT_STARTED;
}

static void
publish_fixed_points(void)
{
  const cordbg_mono_api *mono = &agent.mono;
  MonoImage *corlib = mono->get_corlib();
  MonoClass *object = mono->get_object_class();
  void *iterator = NULL;
  MonoMethod *method = mono->class_get_methods(object, &iterator);

  if (!block.runtime_version && mono->get_runtime_build_info)
    block.runtime_version = (uintptr_t)mono->get_runtime_build_info();
  block.use_interpreter = (uintptr_t)mono->use_interpreter;
  block.root_domain = (uintptr_t)mono->get_root_domain();
  block.root_name = (uintptr_t)mono->domain_get_friendly_name(mono->get_root_domain());
  block.corlib_image = (uintptr_t)corlib;
  block.corlib_assembly = (uintptr_t)mono->image_get_assembly(corlib);
  block.corlib_image_name = (uintptr_t)mono->image_get_name(corlib);
  block.corlib_guid = (uintptr_t)mono->image_get_guid(corlib);
  block.object_class = (uintptr_t)object;
  block.object_class_token = mono->class_get_type_token(object);
  block.object_class_name = (uintptr_t)mono->class_get_name(object);
  block.method = (uintptr_t)method;
  block.method_token = method ? mono->method_get_token(method) : 0;
  block.start_pthread = (uintptr_t)pthread_self();
  block.start_internal = (uintptr_t)mono->thread_internal_current();
  block.start_domain = (uintptr_t)mono->domain_get();
  block.start_tid = (int32_t)syscall(SYS_gettid);
}

static void
clear_tables(void)
{
  memset(block.domains, 0, sizeof(block.domains));
  memset(event_log, 0, sizeof(event_log));
  memset((void *)told_pairs, 0, sizeof(told_pairs));
  /* Untouched pages of the wanted table stay untouched. */
  if (atomic_load(&block.wanted_count) != 0)
    memset(wanted_methods, 0, sizeof(wanted_methods));
  atomic_store(&block.wanted_count, 0);
  atomic_store(&block.notify_mask, 0);
  atomic_store(&block.watch_frees, 0);
  atomic_store(&block.log_head, 0);
  atomic_store(&block.domains_lost, 0);
}

/*
 * Begins a session. Called by the shim on a thread that the runtime knows and that is blocked in
 * a system call outside of managed code, or at an entry of the embedding API. Other threads run.
 * library: path of the runtime's library, for programs that loaded it privately, or NULL.
 * file: the memory file out of which this library was loaded, to be closed; -1: none.
 */
AGENT_EXPORT long
cordbg_agent_start(const char *library, int file)
{
  long result;

  if (file >= 0) /* here, because a remote call more stops every thread once more */
    close(file);
  block.start_detail = 0;
  if (!agent.ready) {
    if ((result = find_runtime(library)) < 0)
      return result;
    agent.ready = true;
  }
  if (!agent.mono.get_root_domain() || !agent.mono.get_corlib())
    return CORDBG_AGENT_E_RUNTIME;
  if (!agent.mono.thread_internal_current())
    return CORDBG_AGENT_E_CALLER;
  if (!end_last_service())
    return CORDBG_AGENT_E_BUSY;
  if (!agent.profiler)
    agent.profiler = agent.mono.profiler_create(NULL);
  clear_tables();
  block.pid = (int32_t)getpid();
  block.sessions++;
  publish_fixed_points();
  atomic_store(&block.command, CORDBG_AGENT_COMMAND_NONE);
  set_state(CORDBG_AGENT_STARTING);
  if ((result = start_service()) < 0) {
    set_state(CORDBG_AGENT_IDLE);
    return result;
  }
  /* Hooked before the enumeration: what comes in between is seen twice, never missed. */
  atomic_store(&block.active, 1);
  hook(true);
  agent.mono.domain_foreach(add_existing_domain, NULL);
  return CORDBG_AGENT_STARTED;
}

/* `--profile=cordbg`: Mono calls this at start-up. The agent waits for a session. */
AGENT_EXPORT void
mono_profiler_init_cordbg(const char *description)
{
  (void)description;
}

/* The name that older runtimes look for. */
AGENT_EXPORT void
mono_profiler_init(const char *description)
{
  (void)description;
}
