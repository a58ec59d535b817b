/* SPDX-License-Identifier: MIT */
/*
 * What the client's end (cordbg/tracer/client.c) and the tracer process say to each other.
 *
 * Three SOCK_SEQPACKET pairs, made by the client, inherited by the tracer as descriptors 3, 4, 5:
 *   request    one message to the tracer, one reply (CONTINUE and PASSES have none); one at a time
 *   managed    events to the client: managed and internal traps, process life
 *   unmanaged  events to the client: native traps, signals (attached with win32Attach)
 * Descriptor 6 is a pidfd of the client. Two event sockets, so that an unmanaged event can reach
 * its thread while a managed callback is outstanding.
 *
 * Every message is one packet: a header, then a body of fixed layout, then, where the text says
 * so, an array. Both ends check lengths; the tracer trusts nothing in a request, the client
 * nothing beyond its buffers in an answer.
 *
 * Target states as the client sees them:
 *   running --STOP/event--> stopped --CONTINUE--> running, any --> gone.
 * An event with CORDBG_EVENT_STOPS set says: all threads are stopped (or asleep, design.md
 * Threads) when it is sent. Events that came up meanwhile are queued in the tracer: CONTINUE
 * delivers the next one without letting the target run, and resumes it when none is left.
 */
#ifndef CORDBG_TRACER_PROTOCOL_H
#define CORDBG_TRACER_PROTOCOL_H

#include <stdint.h>
#include <sys/user.h>

#include "cordbg/com/error.h"
#include "cordbg/memory/patch-table.h"

#define CORDBG_PROTOCOL_VERSION 4u
#define CORDBG_PROTOCOL_MAGIC 0x67626463u

/* Descriptors in the tracer process. */
enum {
  CORDBG_TRACER_FD_REQUEST = 3,
  CORDBG_TRACER_FD_MANAGED = 4,
  CORDBG_TRACER_FD_UNMANAGED = 5,
  CORDBG_TRACER_FD_CLIENT = 6,
};

/* Largest packet in either direction: header, body and array. */
#define CORDBG_PACKET_MAX (128u << 10)
/* Elements of one PLANT/REMOVE packet; the client's end splits longer batches. */
#define CORDBG_PLANT_MAX 4096u
/* Bytes of one WRITE packet. */
#define CORDBG_WRITE_MAX (64u << 10)

typedef enum cordbg_request_kind {
  CORDBG_REQUEST_HELLO = 1,    /* -> descriptor of the patch table */
  CORDBG_REQUEST_ATTACH,       /* seizes every thread; the target keeps running. -> descriptor of
                                  /proc/PID/mem, read-only */
  CORDBG_REQUEST_ATTACH_CHILD, /* seizes a child that waits before its exec; the exec comes as
                                  CORDBG_EVENT_EXEC, stopped. -> descriptor as ATTACH */
  CORDBG_REQUEST_STOP,         /* replies when all threads are stopped */
  CORDBG_REQUEST_CONTINUE,     /* no reply */
  CORDBG_REQUEST_PLANT,
  CORDBG_REQUEST_REMOVE,
  CORDBG_REQUEST_WRITE,        /* behind the traps (design.md, Writing) */
  CORDBG_REQUEST_REGISTERS,    /* get; wakes an asleep thread to the point before user code */
  CORDBG_REQUEST_SET_REGISTERS,
  CORDBG_REQUEST_THREADS,
  CORDBG_REQUEST_CALL,         /* a function of the target on one of its threads */
  CORDBG_REQUEST_KICK,         /* makes a thread blocked in a system call look again: interrupt,
                                  resume; a futex wait then compares its word anew */
  CORDBG_REQUEST_ON_CLEANUP,   /* words to write and a thread to kick when the session ends */
  CORDBG_REQUEST_EVENTS,       /* which optional events are wanted */
  /* Replies when every byte and thread is as it was. S_FALSE: but threads in an uninterruptible
     sleep are still traced, and are not when the tracer's process, which ends now, has ended. */
  CORDBG_REQUEST_DETACH,
  CORDBG_REQUEST_TERMINATE,    /* SIGKILL to the target; CORDBG_EVENT_EXITED follows */
  CORDBG_REQUEST_STATISTICS,
  CORDBG_REQUEST_SIGNAL,       /* what a thread in a reported signal stop goes on with */
  CORDBG_REQUEST_OWN_TRAPS,    /* where the program's own int3 speaks to its debugger */
  CORDBG_REQUEST_PASSES,       /* hits that need not be reported; no reply */
} cordbg_request_kind;

typedef struct cordbg_request_header {
  uint32_t kind;
  uint32_t id; /* repeated by the reply */
} cordbg_request_header;

/* Every reply begins with this. error.hr is the request's result. */
typedef struct cordbg_reply_header {
  uint32_t kind;
  uint32_t id;
  cordbg_error error;
} cordbg_reply_header;

typedef struct cordbg_request_hello {
  cordbg_request_header header;
  uint32_t magic;
  uint32_t version;
} cordbg_request_hello;

typedef struct cordbg_reply_hello {
  cordbg_reply_header header;
  uint32_t version;
  int32_t tracer_pid;
} cordbg_reply_hello; /* + SCM_RIGHTS: patch table */

typedef struct cordbg_request_attach {
  cordbg_request_header header;
  int32_t pid;
  uint32_t flags; /* 0 */
} cordbg_request_attach;

typedef struct cordbg_reply_attach {
  cordbg_reply_header header;
  uint32_t thread_count;
  uint32_t pad;
} cordbg_reply_attach; /* + SCM_RIGHTS: /proc/PID/mem */

/* STOP, CONTINUE, DETACH, TERMINATE, THREADS, STATISTICS carry the header only. */

typedef struct cordbg_reply_stop {
  cordbg_reply_header header;
  uint32_t queued_managed; /* events that CONTINUE will deliver first */
  uint32_t queued_unmanaged;
  /* The stopping event that was sent on each channel and that no CONTINUE has answered yet, by its
     sequence; 0: none. A STOP may cross with an event: the client must not answer it unread. */
  uint64_t outstanding_managed;
  uint64_t outstanding_unmanaged;
} cordbg_reply_stop;

typedef struct cordbg_request_plant { /* PLANT and REMOVE */
  cordbg_request_header header;
  uint32_t layer; /* exactly one cordbg_layer */
  uint32_t count;
  uint64_t addresses[]; /* any order; repeated ones count */
} cordbg_request_plant;

/*
 * Result of one address. Managed and internal traps are counted per address and layer: the trap
 * goes with the last REMOVE. A native trap is single: planting twice gives status EEXIST.
 */
typedef struct cordbg_plant_result {
  int32_t status;   /* 0 or an errno: EFAULT unmapped, EEXIST native already there, ENOENT nothing
                       to remove, EPERM shared file on disk, ENOMEM table full */
  uint8_t original; /* the byte that stands behind the trap */
  uint8_t pad[3];
} cordbg_plant_result;

typedef struct cordbg_reply_plant {
  cordbg_reply_header header; /* S_OK even when single addresses failed */
  uint32_t count;
  uint32_t pad;
  cordbg_plant_result results[]; /* in the order of the request */
} cordbg_reply_plant;

typedef struct cordbg_request_write {
  cordbg_request_header header;
  uint64_t address;
  uint32_t size;
  uint32_t pad;
  uint8_t data[];
} cordbg_request_write;

typedef struct cordbg_reply_write {
  cordbg_reply_header header; /* failure with written > 0: partial */
  uint64_t written;
} cordbg_reply_write;

typedef struct cordbg_registers {
  struct user_regs_struct general;
  struct user_fpregs_struct floating;
} cordbg_registers;

typedef struct cordbg_request_registers { /* get */
  cordbg_request_header header;
  int32_t tid;
  uint32_t pad;
} cordbg_request_registers;

/*
 * The trap flag in `general.eflags` asks for one step: the thread executes one instruction when
 * the process goes on (the others run meanwhile), and CORDBG_EVENT_SIGNAL with CORDBG_SIGNAL_STEP
 * follows, on the unmanaged socket. Until then REGISTERS shows the flag. A system call is one
 * instruction. A trap or a reported signal that comes first takes the request back. When a handler
 * runs first, the step ends at its first instruction. A thread that has the trap flag set by
 * itself keeps it, and is not stepped.
 */
typedef struct cordbg_request_set_registers {
  cordbg_request_header header;
  int32_t tid;
  uint32_t pad;
  cordbg_registers registers;
} cordbg_request_set_registers;

typedef struct cordbg_reply_registers {
  cordbg_reply_header header;
  cordbg_registers registers; /* the PC at a trap is the trap's own address */
} cordbg_reply_registers;

typedef enum cordbg_thread_state {
  CORDBG_THREAD_RUNNING,
  CORDBG_THREAD_STOPPED,
  CORDBG_THREAD_ASLEEP,
} cordbg_thread_state;

typedef struct cordbg_thread_info {
  int32_t tid;
  uint32_t state;
} cordbg_thread_info;

typedef struct cordbg_reply_threads {
  cordbg_reply_header header;
  uint32_t count;
  uint32_t pad;
  cordbg_thread_info threads[];
} cordbg_reply_threads;

/*
 * CALL. The thread must be at a place where a call is sound (the caller's knowledge: blocked in a
 * system call, or at the entry of a function). All registers are saved; the stack pointer goes
 * below the red zone, aligned; the return lands on an internal trap. With RUN_OTHERS every other
 * thread runs meanwhile, and runs or is stopped afterwards as it was before. A signal that arrives
 * meanwhile is delivered. On time-out, or when the client dies in between, the thread's registers
 * are put back and the call abandoned.
 */
enum { CORDBG_CALL_RUN_OTHERS = 1 };

typedef struct cordbg_request_call {
  cordbg_request_header header;
  int32_t tid;
  uint32_t flags;
  uint64_t function;
  uint64_t arguments[6];
  uint32_t timeout_ms; /* 1..60000 */
  uint32_t data_size;  /* copied below the stack pointer first; an argument that equals
                          CORDBG_CALL_DATA becomes its address */
  uint8_t data[];      /* at most 4,096 bytes */
} cordbg_request_call;
#define CORDBG_CALL_DATA 0xc0debebe00000000ull /* + offset into data, below 4,096 */

typedef struct cordbg_reply_call {
  cordbg_reply_header header;
  uint64_t result; /* rax */
} cordbg_reply_call;

typedef struct cordbg_request_kick {
  cordbg_request_header header;
  int32_t tid;
  uint32_t pad;
} cordbg_request_kick;

/*
 * What the tracer does at the session's end, after the bytes are restored and before it detaches:
 * 32-bit words to write into the target, then a thread to kick. Replaces the former list. Dropped
 * by an exec.
 */
typedef struct cordbg_cleanup_word {
  uint64_t address;
  uint32_t value;
  uint32_t pad;
} cordbg_cleanup_word;
#define CORDBG_CLEANUP_WORDS_MAX 8u

typedef struct cordbg_request_on_cleanup {
  cordbg_request_header header;
  int32_t kick_tid; /* 0: none */
  uint32_t count;
  cordbg_cleanup_word words[CORDBG_CLEANUP_WORDS_MAX];
} cordbg_request_on_cleanup;

enum {
  CORDBG_WANT_UNMANAGED = 1,     /* native traps go to the unmanaged socket (else to managed) */
  CORDBG_WANT_THREADS = 2,       /* CORDBG_EVENT_THREAD_CREATED / _EXITED, not stopping */
  CORDBG_WANT_THREAD_STOPS = 4,  /* the same, stopping, on the unmanaged socket: before the first
                                    and behind the last instruction of each thread but the last */
  CORDBG_WANT_FATAL_SIGNALS = 8, /* CORDBG_EVENT_SIGNAL for every signal below SIGRTMIN whose
                                    default action would end the process, whatever the mask says */
  CORDBG_WANT_THREAD_ENDS = 16,  /* CORDBG_EVENT_THREAD_EXITED on the managed socket, not stopping,
                                    when a thread other than the first is gone */
};

typedef struct cordbg_request_events {
  cordbg_request_header header;
  uint32_t wanted;
  uint32_t pad;
  uint64_t signals; /* with WANT_UNMANAGED: CORDBG_EVENT_SIGNAL for these; bit N - 1 is signal N */
} cordbg_request_events;

/*
 * SIGNAL: what the thread that stands in a signal stop (its CORDBG_EVENT_SIGNAL was sent, its
 * CONTINUE was not) goes on with. The number that the event named passes the signal on unchanged,
 * which is also what happens without this request, to the end of the session; 0 suppresses it;
 * another replaces it (its siginfo is then the kernel's: SI_USER, from the tracer).
 */
typedef struct cordbg_request_signal {
  cordbg_request_header header;
  int32_t tid;
  int32_t number; /* 0..64 */
} cordbg_request_signal;

/*
 * OWN_TRAPS: an int3 of the program's own in [start, end) is meant for its debugger: it is reported
 * as CORDBG_EVENT_TRAP of the internal layer, with the PC behind it, and raises no SIGTRAP. Holds
 * until an exec or another request; start == end: nowhere.
 */
typedef struct cordbg_request_own_traps {
  cordbg_request_header header;
  uint64_t start, end;
} cordbg_request_own_traps;

/*
 * PASSES: a hit of the trap at `trap`, which has the internal layer only, is not reported while the
 * 8 bytes of the target at each of `words` are the value beside it: the thread goes on over it. A
 * word 0 is none. All that hold until an exec or another request, which replaces them; none: every
 * hit is reported.
 */
#define CORDBG_PASSES_MAX 8u
typedef struct cordbg_pass {
  uint64_t trap;
  uint64_t words[2], values[2];
} cordbg_pass;
typedef struct cordbg_request_passes {
  cordbg_request_header header;
  uint32_t count;
  uint32_t pad;
  cordbg_pass passes[CORDBG_PASSES_MAX];
} cordbg_request_passes;

typedef struct cordbg_statistics {
  uint64_t hits;             /* traps that a thread ran into */
  uint64_t emulated;         /* of these, gone on by emulation */
  uint64_t stepped;          /* of these, by a step in place */
  uint64_t interrupts;       /* threads interrupted by stops */
  uint64_t signals_passed;   /* the target's own signals */
  uint64_t signals_swallowed;/* SIGTRAPs of ours */
  uint64_t lost;             /* patches that the program overwrote, re-armed */
  uint64_t dropped;          /* patches whose mapping went away */
} cordbg_statistics;

typedef struct cordbg_reply_statistics {
  cordbg_reply_header header;
  cordbg_statistics statistics;
} cordbg_reply_statistics;

typedef enum cordbg_event_kind {
  CORDBG_EVENT_TRAP = 1,       /* a thread stands at a trap; layers says whose */
  CORDBG_EVENT_EXEC,           /* new image, stopped at its first instruction; patches dropped */
  CORDBG_EVENT_EXITED,         /* code: the wait status; the last event of a session */
  CORDBG_EVENT_THREAD_CREATED, /* stopping only with WANT_THREAD_STOPS */
  CORDBG_EVENT_THREAD_EXITED,  /* likewise; code: the wait status */
  CORDBG_EVENT_FORK,           /* not stopping; code: the child's pid */
  CORDBG_EVENT_SIGNAL,         /* `signal` is about to be delivered to the thread; or, with
                                  CORDBG_SIGNAL_STEP, the step that SET_REGISTERS asked for ended */
} cordbg_event_kind;

enum {
  CORDBG_EVENT_STOPS = 1, /* all threads are stopped; CONTINUE is owed */
};

enum {
  CORDBG_SIGNAL_ENDS = 1, /* no handler: its default action would end the process */
  CORDBG_SIGNAL_STEP = 2, /* the end of a step, number SIGTRAP: nothing will be delivered */
};

/* What the kernel says of a signal (siginfo_t), in the parts that its code gives meaning to. */
typedef struct cordbg_signal {
  int32_t number; /* 0: none */
  int32_t code;   /* si_code */
  int32_t pid;    /* code <= 0: of the sender */
  uint32_t uid;
  uint64_t address; /* code > 0: si_addr; SIGSYS: si_call_addr */
  uint64_t value;   /* si_value; SIGSYS: si_syscall */
  uint32_t flags;   /* CORDBG_SIGNAL_* */
  uint32_t pad;
} cordbg_signal;

/* One event, one packet, on the managed or the unmanaged socket. */
typedef struct cordbg_event {
  uint32_t kind;
  uint32_t flags;
  int32_t tid;
  uint32_t layers;    /* TRAP: the layers planted at address */
  uint64_t address;   /* TRAP: of the trap, or of the program's own (OWN_TRAPS) */
  uint64_t sequence;  /* grows by one with each event of the session */
  int64_t code;
  struct user_regs_struct registers; /* TRAP: PC at the trap's address (OWN_TRAPS: behind it);
                                        SIGNAL, THREAD_CREATED */
  cordbg_signal signal;              /* SIGNAL */
} cordbg_event;

#endif
