/* SPDX-License-Identifier: MIT */
/*
 * The tracer process, private declarations: everything that its files share. main.c has the page.
 *
 * One thread, no glib, no locks. `cordbg_tracing` is the whole state and is passed everywhere.
 */
#ifndef CORDBG_TRACER_TRACING_H
#define CORDBG_TRACER_TRACING_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>
#include <time.h>

#include "cordbg/memory/patch-table.h"
#include "cordbg/tracer/emulate.h"
#include "cordbg/tracer/patches.h"
#include "cordbg/tracer/protocol.h"
#include "cordbg/tracer/space.h"

typedef struct cordbg_tracing cordbg_tracing;
typedef struct cordbg_tracee cordbg_tracee;
typedef struct cordbg_tracee_process cordbg_tracee_process;

/*
 * What a thread does, as far as the tracer knows. Invariant: in each state but RUNNING and NEW
 * the thread executes no user code until the tracer resumes it.
 */
typedef enum cordbg_tracee_state {
  CORDBG_TRACEE_NEW,       /* attached by the kernel at its birth; its first stop is on the way */
  CORDBG_TRACEE_RUNNING,   /* resumed */
  CORDBG_TRACEE_STOPPED,   /* in a ptrace stop; `stop` says which */
  CORDBG_TRACEE_ASLEEP,    /* in a system call under PTRACE_SYSCALL: traps at its exit */
  CORDBG_TRACEE_VFORKING,  /* waits for its vfork child, then traps */
  CORDBG_TRACEE_LISTENING, /* in a group stop under PTRACE_LISTEN: traps at SIGCONT */
  CORDBG_TRACEE_LATE,      /* interrupted in an uninterruptible sleep: traps when that ends */
  CORDBG_TRACEE_EXITING,   /* past its last user code */
  CORDBG_TRACEE_STATES,
} cordbg_tracee_state;

/* The kind of ptrace stop that a STOPPED thread is in, which decides how it is resumed. */
typedef enum cordbg_tracee_stop {
  CORDBG_STOP_SIGNAL,        /* signal-delivery: `signal` is delivered at the resume, 0: none */
  CORDBG_STOP_INTERRUPT,     /* PTRACE_EVENT_STOP for an interrupt, a birth or a SIGCONT */
  CORDBG_STOP_GROUP,         /* PTRACE_EVENT_STOP for a group stop */
  CORDBG_STOP_SYSCALL_ENTRY, /* before the call */
  CORDBG_STOP_SYSCALL_EXIT,  /* after it */
  CORDBG_STOP_EVENT,         /* clone, fork, vfork, exec */
  CORDBG_STOP_EXIT,          /* past its last user code, held until its end was reported */
} cordbg_tracee_stop;

/* What a queued thread has to report. */
typedef enum cordbg_tracee_report {
  CORDBG_REPORT_HIT,
  CORDBG_REPORT_SIGNAL,
  CORDBG_REPORT_STEP,
  CORDBG_REPORT_BIRTH,
  CORDBG_REPORT_EXIT,
  CORDBG_REPORT_OWN_TRAP, /* `hit` is the address of the program's int3 */
} cordbg_tracee_report;

/* A process that the tracer sees: the target, or a child of it that it must not leave to itself. */
struct cordbg_tracee_process {
  int pid;
  bool target;
  bool shares_memory; /* a vfork or CLONE_VM child, until it execs */
  bool newborn;       /* a fork child whose first stop is still to come */
  int mem;            /* /proc/PID/mem, read and write; -1: not open */
  unsigned threads;
  cordbg_tracee_process *next;
};

struct cordbg_tracee {
  int tid;
  cordbg_tracee_process *process;
  cordbg_tracee_state state;
  cordbg_tracee_stop stop;
  int signal;           /* STOP_SIGNAL: what to deliver; else 0 */
  bool interrupted;     /* PTRACE_INTERRUPT was sent and not yet answered by any stop */
  bool entering;        /* resumed by PTRACE_SYSCALL towards the entry of an interrupted call */
  bool felt_interrupt;  /* an interrupt was answered by the entry of the call that it is in */
  bool restarts;        /* stands in a call that its resume starts again */
  bool stepping;        /* PTRACE_SINGLESTEP in progress */
  bool stepped;         /* the step's own SIGTRAP came */
  bool at_sigtrap;      /* the stop is the delivery of the SIGTRAP of a hit */
  bool announced;       /* THREAD_CREATED was sent */
  bool vforks;          /* its resume waits for a vfork child */
  uint8_t told_layers;  /* of the hit in the queue: layers that were reported already */
  bool in_call;         /* executes a remote call: not held */
  bool call_done;       /* it returned */
  uint64_t call_return; /* the trap that it returns to */
  uint64_t call_stack;  /* the stack pointer then */
  bool own_trap;        /* the next SIGTRAP of the trap at `over` is the program's own */
  uint64_t mended_at;   /* the PC that it was given */
  bool mended;          /* an EINTR was turned into a restart at this stop */
  bool registers_valid;
  bool registers_dirty;
  struct user_regs_struct registers;
  uint64_t over;       /* address of the trap that it reported and stands on; 0: none */
  uint64_t silent;     /* address of a trap whose next hit was reported already; 0: none */
  bool steps;          /* the client asked for one step (protocol.h, SET_REGISTERS) */
  bool step_armed;     /* resumed with the trap flag for it */
  bool went_over;      /* step_over executed the displaced instruction */
  uint8_t step_leak;   /* cordbg_step_leak of the instruction that is stepped */
  uint64_t step_from;  /* its address */
  bool unborn;         /* its birth is to be reported at its first stop */
  cordbg_tracee_report report;
  bool queued;         /* a report is in the queue of events */
  uint64_t hit;        /* its address */
  uint64_t hit_serial; /* of the patch that it hit */
  int exit_code;
  uint64_t step_target; /* mid-step: the internal trap that ends it; 0: the trap flag does */
  cordbg_tracee *next;  /* of all tracees */
  cordbg_tracee *previous;
  cordbg_tracee *next_in_bucket;
  cordbg_tracee *next_in_queue; /* of hits */
};

/* One event on its way to the client. */
typedef struct cordbg_outgoing cordbg_outgoing;
struct cordbg_outgoing {
  cordbg_outgoing *next;
  cordbg_event event;
  bool unmanaged;
  bool has_memory; /* send a fresh /proc/PID/mem along */
};

typedef enum cordbg_session_state {
  CORDBG_SESSION_IDLE,    /* nothing attached */
  CORDBG_SESSION_RUNNING, /* the target runs */
  CORDBG_SESSION_STOPPED, /* the client was told that it is stopped */
  CORDBG_SESSION_GONE,    /* exited or detached */
} cordbg_session_state;

#define CORDBG_TRACEE_BUCKETS 256u

struct cordbg_tracing {
  /* the client */
  int request_fd, managed_fd, unmanaged_fd, client_fd;
  int child_fd; /* signalfd of SIGCHLD */
  uint32_t wanted; /* CORDBG_WANT_* */
  uint64_t own_start, own_end; /* CORDBG_REQUEST_OWN_TRAPS */
  cordbg_pass passes[CORDBG_PASSES_MAX];
  uint32_t pass_count;
  uint64_t wanted_signals;
  bool ending;     /* the client is gone, or a signal asks to end */
  bool greeted;
  cordbg_outgoing *outgoing, **outgoing_tail; /* not yet accepted by a socket */
  size_t outgoing_count;
  uint64_t sequence;
  uint8_t *packet; /* CORDBG_PACKET_MAX: the request in hand */
  uint8_t *answer; /* CORDBG_PACKET_MAX: its reply */

  /* the target */
  cordbg_session_state session;
  cordbg_tracee_process *target; /* in `processes` too */
  cordbg_tracee_process *processes;
  cordbg_tracee *tracees;
  cordbg_tracee *buckets[CORDBG_TRACEE_BUCKETS];
  bool hold;               /* no thread of the target is resumed */
  bool calling;            /* a remote call lasts for which other threads run */
  unsigned moving;         /* threads of the target that may execute user code: NEW and RUNNING */
  bool launching;          /* ATTACH_CHILD: the exec is still to come */
  uint64_t outstanding[2]; /* sequence of the stopping event that was sent to the managed, the
                              unmanaged socket and not continued; 0: none */
  bool needs_still;        /* a thread waits to step in place */
  bool exec_pending;       /* EXEC is to be reported */
  int exec_tid;
  bool exited;
  int exit_status;
  cordbg_tracee *reports, **reports_tail; /* queue of threads with something to report, oldest first */
  unsigned report_count;
  cordbg_patches patches;
  cordbg_space space;
  cordbg_emulate_cache *emulate_cache;
  uint32_t emulate_flags;
  cordbg_statistics statistics;

  /* the session's end */
  bool letting_go; /* no process is resumed any more */
  cordbg_cleanup_word cleanup_words[CORDBG_CLEANUP_WORDS_MAX];
  unsigned cleanup_count;
  int cleanup_kick;

  unsigned cpus;    /* that the tracer may use */
  bool short_turns; /* asked of the scheduler (threads.c) */
};

#define CORDBG_PTRACE_OPTIONS                                                                      \
  (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |        \
   PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT)

/* ---- main.c, events.c ---- */
uint64_t cordbg_tracing_now(void); /* monotonic, nanoseconds */

bool cordbg_tracing_end_requested(void); /* a signal asked for the end */
/* Sleeps until one of the descriptors is ready, a child changes or a signal comes; NULL: no limit.
   What ppoll answers for the descriptors, of which the last one is this function's to set. */
int cordbg_tracing_sleep(const cordbg_tracing *tracing, struct pollfd *polled, unsigned count,
                         const struct timespec *timeout);

/* ---- threads.c ---- */
cordbg_tracee *cordbg_tracee_find(const cordbg_tracing *tracing, int tid);
cordbg_tracee *cordbg_tracee_add(cordbg_tracing *tracing, int tid, cordbg_tracee_process *process);
void cordbg_tracee_remove(cordbg_tracing *tracing, cordbg_tracee *tracee);
cordbg_tracee_process *cordbg_process_add(cordbg_tracing *tracing, int pid);
void cordbg_process_unref(cordbg_tracing *tracing, cordbg_tracee_process *process);
void cordbg_tracee_set_state(cordbg_tracing *tracing, cordbg_tracee *tracee,
                             cordbg_tracee_state state);
/* Fetches the registers of a STOPPED thread. false: the thread is being killed. */
bool cordbg_tracee_fetch(cordbg_tracee *tracee);
void cordbg_tracee_flush(cordbg_tracee *tracee);
/* Resumes one STOPPED thread in the way that its stop asks for. Does not look at `hold`. */
void cordbg_tracee_resume(cordbg_tracing *tracing, cordbg_tracee *tracee);
/* A thread of the target by which its memory can be reached: a leader that ended has none. */
int cordbg_tracing_live_tid(const cordbg_tracing *tracing);
/* Stops every thread of the target; they stay so until cordbg_tracing_resume_all. */
void cordbg_tracing_stop_all(cordbg_tracing *tracing);
/* Lets the target go on, over the traps that were reported; or, when something new is to be told
   first, leaves it stopped. */
void cordbg_tracing_resume_all(cordbg_tracing *tracing);
/* With the target held: steps the threads that wait for it; those of the target only if asked. */
void cordbg_tracing_step_waiting(cordbg_tracing *tracing, bool target_too);
/* Interrupts an asleep thread of a held target and waits until it is STOPPED. */
bool cordbg_tracee_wake(cordbg_tracing *tracing, cordbg_tracee *tracee);
/* Waits until one thread is STOPPED, taking all events meanwhile. false: it is gone, or in an
   uninterruptible sleep. */
bool cordbg_tracee_await(cordbg_tracing *tracing, int tid);
/* Sends an interrupt, unless one is on its way. false: the thread is dying. */
bool cordbg_tracee_interrupt(cordbg_tracing *tracing, cordbg_tracee *tracee);
bool cordbg_tracee_is_uninterruptible(int pid, int tid);

/* ---- attach.c ---- */
HRESULT cordbg_tracing_attach(cordbg_tracing *tracing, int pid, bool child, cordbg_error *error);

/* ---- events.c ---- */
/* Takes every stop that is there. true: there was one. */
bool cordbg_tracing_take_stops(cordbg_tracing *tracing);
/* Takes every stop and exit that is there, with the fewest calls for one stop. */
bool cordbg_tracing_take_changes(cordbg_tracing *tracing);
/* Takes every exit that is there. */
bool cordbg_tracing_take_exits(cordbg_tracing *tracing);
/* Sleeps until a child of the tracer changes, at most timeout_ns. */
void cordbg_tracing_wait_child(const cordbg_tracing *tracing, uint64_t timeout_ns);
/* Queues what a thread has to report; its hit's address and patch are set by the caller. */
void cordbg_tracing_queue(cordbg_tracing *tracing, cordbg_tracee *tracee,
                          cordbg_tracee_report report);
/* Takes a thread out of the queue (it is gone or goes elsewhere). */
void cordbg_tracing_unqueue(cordbg_tracing *tracing, cordbg_tracee *tracee);

/* ---- outgoing.c ---- */
void cordbg_tracing_send(cordbg_tracing *tracing, const cordbg_event *event, bool unmanaged,
                         bool with_memory);
void cordbg_tracing_flush(cordbg_tracing *tracing);
/* Sends the next stopping event, if one is queued. true: the target must stay stopped for it. */
bool cordbg_tracing_report(cordbg_tracing *tracing);
bool cordbg_tracing_has_report(const cordbg_tracing *tracing);

/* ---- step.c ---- */
/*
 * Brings a STOPPED thread that stands on the trap `over` behind the displaced instruction. true:
 * it may be resumed as its stop asks. false: it is gone, or it waits: for a moment when no thread
 * of the target runs (`needs_still` is set then) or for the end of a group stop.
 */
bool cordbg_tracee_step_over(cordbg_tracing *tracing, cordbg_tracee *tracee);

/* The flags that a stepped pushf left on the stack show the trap flag: takes it out. */
void cordbg_tracee_mend_pushed_flags(cordbg_tracee *tracee, cordbg_space *space);

/* ---- signals.c ---- */
/* Whether the thread's process has a handler for the signal. */
bool cordbg_tracee_has_handler(const cordbg_tracee *tracee, int signal);
/* Whether the signal that the thread is about to get is one that the client wants to know of. */
bool cordbg_tracing_tells_signal(const cordbg_tracing *tracing, const cordbg_tracee *tracee);
/* Whether births and ends of threads are reported by stopping. */
bool cordbg_tracing_tells_threads(const cordbg_tracing *tracing);
/* Reports what is no hit. false: it came to nothing; the thread is out of the queue in any case. */
bool cordbg_tracing_report_other(cordbg_tracing *tracing, cordbg_tracee *tracee);
/* How a thread with `steps` is to be resumed instead of by PTRACE_CONT. */
int cordbg_tracee_step_request(cordbg_tracing *tracing, cordbg_tracee *tracee);
/* The step was made: the thread, whose `stop` is set, is STOPPED and queued. */
void cordbg_tracee_step_done(cordbg_tracing *tracing, cordbg_tracee *tracee);
HRESULT cordbg_tracing_set_signal(cordbg_tracing *tracing, int tid, int number,
                                  cordbg_error *error);

/* ---- forks.c ---- */
void cordbg_tracing_on_birth(cordbg_tracing *tracing, cordbg_tracee *parent, int event, int tid);
void cordbg_tracing_on_exec(cordbg_tracing *tracing, cordbg_tracee *tracee, int former);
/* The first stop of a fork child: its copies of the traps go, then it does. */
void cordbg_tracing_on_newborn(cordbg_tracing *tracing, cordbg_tracee *tracee);

/* The target ended: no trap stays in children that it leaves behind. */
void cordbg_tracing_heal_survivors(cordbg_tracing *tracing);

/* ---- syscalls.c ---- */
/* At a stop in a system call: true when the resume starts the call again; mends EINTR. */
bool cordbg_tracee_in_restart(cordbg_tracing *tracing, cordbg_tracee *tracee, bool ours);
/* The registers are those that mending made. */
bool cordbg_tracee_begins_again(const cordbg_tracee *tracee);
/* At a signal-delivery stop: what an interrupted call answers. mended: its EINTR was turned into a
   restart at the stop before. */
void cordbg_tracee_on_signal(cordbg_tracing *tracing, cordbg_tracee *tracee, bool mended);

/* ---- calls.c ---- */
HRESULT cordbg_tracing_call(cordbg_tracing *tracing, const cordbg_request_call *request,
                            uint64_t *result, cordbg_error *error);

/* ---- cleanup.c ---- */
/* Ends the tracing: bytes, threads, words, detach. `reason` is a CORDBG_GONE_*. */
void cordbg_tracing_cleanup(cordbg_tracing *tracing);
/* The part of it that needs no thread of the target to stop: memory only. */
void cordbg_tracing_put_bytes_back(cordbg_tracing *tracing);

/* ---- guard.c ---- */
void cordbg_guard_start(cordbg_tracing *tracing);
/* Until it watches, or will not. */
void cordbg_guard_await(void);
/* The session has ended in good order. */
void cordbg_guard_end(void);

/* ---- requests.c ---- */
/* Takes one request if there is one. true: there was. */
bool cordbg_tracing_take_request(cordbg_tracing *tracing);

#endif
