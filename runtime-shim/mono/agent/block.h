/* SPDX-License-Identifier: MIT */
/*
 * What the agent inside the target and the Mono shim in the client share: the layout of
 * `cordbg_agent_block`, a variable that the agent's library exports. The client finds it by its
 * ELF symbol and reads it from outside; it writes single words and the wanted table through the
 * tracer. Fixed sizes, no padding left to the compiler: both ends may come from different builds.
 *
 * Nothing in it is believed: the client checks magic, version, sizes and each pointer it follows.
 */
#ifndef CORDBG_RUNTIME_SHIM_MONO_AGENT_BLOCK_H
#define CORDBG_RUNTIME_SHIM_MONO_AGENT_BLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define CORDBG_AGENT_MAGIC 0x746e65674167644dull
#define CORDBG_AGENT_VERSION 1u
#define CORDBG_AGENT_SYMBOL "cordbg_agent_block"
#define CORDBG_AGENT_LIBRARY "libmono-profiler-cordbg.so"

#define CORDBG_AGENT_LOG 1024u     /* records; a power of two */
#define CORDBG_AGENT_WANTED 32768u /* slots; a power of two */
#define CORDBG_AGENT_PROBES 128u   /* slots looked at for one method */
#define CORDBG_AGENT_DOMAINS 256u

/* cordbg_agent_record.kind, and bit numbers of notify_mask. */
typedef enum cordbg_agent_kind {
  CORDBG_AGENT_DOMAIN_NAMED = 1, /* a: MonoDomain */
  CORDBG_AGENT_DOMAIN_UNLOADING, /* a: MonoDomain; its code and images still stand */
  CORDBG_AGENT_ASSEMBLY_LOADED,  /* a: MonoAssembly, b: MonoDomain of the loading thread; or
                                    a: 0, c: MonoImage whose code is first met in domain b */
  CORDBG_AGENT_THREAD_STARTED,   /* a: pthread_t, b: MonoDomain */
  CORDBG_AGENT_THREAD_STOPPED,   /* a: pthread_t */
  CORDBG_AGENT_CODE_COMPILED,    /* of a wanted method. a: MonoJitInfo, b: MonoMethod,
                                    c: MonoDomain, d: code start */
  CORDBG_AGENT_CODE_FREED,       /* a: start of the chunk that goes; only with watch_frees */
  CORDBG_AGENT_CODE_COMPLETE,    /* of a wanted method: nobody can call it yet, no MonoJitInfo
                                    tells of it. a: code start, b: MonoMethod, c: MonoDomain. Only
                                    with its bit in notify_mask */
} cordbg_agent_kind;

/* One record of the log. sequence is its index + 1 once the rest is written, 0 meanwhile. */
typedef struct cordbg_agent_record {
  _Atomic uint64_t sequence;
  uint32_t kind;
  int32_t tid;
  uint64_t a, b, c, d;
} cordbg_agent_record;

typedef struct cordbg_agent_domain {
  _Atomic uint64_t domain; /* MonoDomain, 0: free slot */
  uint32_t number;
  _Atomic uint32_t named; /* its friendly name stands */
} cordbg_agent_domain;

/* image 0 and token 0: never used, ends a probe; image 0 and token 1: was used. */
typedef struct cordbg_agent_wanted {
  _Atomic uint64_t image; /* MonoImage */
  _Atomic uint64_t token; /* mdMethodDef */
} cordbg_agent_wanted;

/* cordbg_agent_block.state */
enum {
  CORDBG_AGENT_IDLE = 0, /* no thread, no callbacks */
  CORDBG_AGENT_STARTING,
  CORDBG_AGENT_RUNNING,
  CORDBG_AGENT_LEAVING,
};

/* cordbg_agent_block.command: the service thread waits until it is not NONE. */
enum { CORDBG_AGENT_COMMAND_NONE = 0, CORDBG_AGENT_COMMAND_EXIT = 1 };

/* What cordbg_agent_start returns, as a signed 64-bit number; negative ones are failures. */
enum {
  CORDBG_AGENT_STARTED = 0,
  CORDBG_AGENT_E_SYMBOL = -1,  /* a function of the runtime is missing; start_detail names it */
  CORDBG_AGENT_E_BUSY = -2,    /* the service thread of the last session does not end */
  CORDBG_AGENT_E_THREAD = -3,  /* pthread_create failed; start_detail is its errno */
  CORDBG_AGENT_E_RUNTIME = -4, /* no root domain (yet) */
  CORDBG_AGENT_E_CALLER = -5,  /* called on a thread that the runtime does not know */
};

typedef struct cordbg_agent_block {
  uint64_t magic;
  uint32_t version;
  uint32_t size; /* of this structure */
  uint32_t log_capacity;
  uint32_t wanted_capacity;
  uint32_t domain_capacity;
  uint32_t record_size;
  uint64_t start;  /* long cordbg_agent_start(const char *runtime_library, int file) */
  uint64_t notify; /* void cordbg_agent_notify(uint64_t kind, record *): a trap's place */
  uint64_t log;    /* cordbg_agent_record[log_capacity] */
  uint64_t wanted; /* cordbg_agent_wanted[wanted_capacity] */

  /* Written by the client (through the tracer) or by the tracer's clean-up. */
  _Atomic uint32_t active;       /* 0: every callback returns at once */
  _Atomic uint32_t command;      /* futex */
  _Atomic uint32_t notify_mask;  /* 1 << cordbg_agent_kind: call notify for these */
  _Atomic uint32_t watch_frees;  /* nonzero: freed code is logged */
  _Atomic uint32_t wanted_count; /* nonzero: there are entries in wanted */
  uint32_t client_word;          /* the client's own, not looked at by the agent */

  /* Written by the agent. */
  _Atomic uint32_t state;
  int32_t service_tid;
  int32_t pid; /* in which the service thread was made: a fork child has none */
  uint32_t sessions;
  int64_t start_detail;
  _Atomic uint64_t log_head;     /* records ever reserved */
  _Atomic uint64_t code_version; /* +1 for each body of code made or freed */
  _Atomic uint64_t assembly_version;
  _Atomic uint64_t domains_lost; /* domains that found no slot */

  /* Fixed points for the client's discovery of layouts: what the API says about known things. */
  uint64_t runtime_version; /* const char * */
  uint64_t use_interpreter; /* const int *, or 0 */
  uint64_t root_domain;
  uint64_t root_name; /* const char * */
  uint64_t corlib_image;
  uint64_t corlib_assembly;
  uint64_t corlib_image_name; /* const char * */
  uint64_t corlib_guid;       /* const char * */
  uint64_t object_class;
  uint64_t object_class_token;
  uint64_t object_class_name; /* const char * */
  uint64_t method;            /* a method of object_class, 0: none found */
  uint64_t method_token;
  uint64_t start_pthread; /* of the thread that ran start */
  uint64_t start_internal;
  uint64_t start_domain;
  uint64_t service_pthread;
  uint64_t service_info; /* MonoThreadInfo: first of the runtime's list of threads */
  int32_t start_tid;
  uint32_t pad;

  cordbg_agent_domain domains[CORDBG_AGENT_DOMAINS];
} cordbg_agent_block;

_Static_assert(sizeof(cordbg_agent_record) == 48, "shared with other builds");
_Static_assert(offsetof(cordbg_agent_block, active) == 64, "shared with other builds");
_Static_assert(offsetof(cordbg_agent_block, domains) % 8 == 0, "shared with other builds");

/* The slot at which the search for a method begins. */
static inline uint32_t
cordbg_agent_wanted_slot(uint64_t image, uint32_t token)
{
  uint64_t mixed = ((image >> 4) + token) * 0x9e3779b97f4a7c15ull;
  return (uint32_t)(mixed >> 40) & (CORDBG_AGENT_WANTED - 1u);
}

#endif
