/* SPDX-License-Identifier: MIT */
/*
 * The client's end of the tracer: starts the process, speaks the protocol. Everything above this
 * line sees a target through it; nobody else opens the sockets.
 *
 * Threads: requests may be made from any thread (a lock orders them, since the protocol has one
 * request outstanding; a CALL holds it until it returns). Each event socket is read by one thread.
 */
#ifndef CORDBG_TRACER_CLIENT_H
#define CORDBG_TRACER_CLIENT_H

#include <stdbool.h>

#include "cordbg/tracer/protocol.h"

typedef struct cordbg_tracer cordbg_tracer;

typedef enum cordbg_event_channel {
  CORDBG_CHANNEL_MANAGED,
  CORDBG_CHANNEL_UNMANAGED,
} cordbg_event_channel;

/*
 * Starts a tracer process (search order: $CORDBG_LIBEXEC, the folder of this library, the
 * installed libexec folder), checks its protocol version and maps its patch table. The tracer is
 * nobody's visible child: waitpid(-1) of the client never sees it.
 */
HRESULT cordbg_tracer_start(cordbg_tracer **ret, cordbg_error *error);

/*
 * Ends the session: detaches if still attached, closes the sockets, frees. Blocked readers of
 * events must have returned (cordbg_tracer_interrupt).
 */
void cordbg_tracer_destroy(cordbg_tracer *tracer);

/* Valid until destroy. */
const cordbg_patch_table *cordbg_tracer_patch_table(const cordbg_tracer *tracer);
/* Read-only descriptor of /proc/PID/mem, -1 before attach; replaced at exec. */
int cordbg_tracer_mem_fd(const cordbg_tracer *tracer);
/* The patch table's file, to be handed to helper processes. Read-only, valid until destroy. */
int cordbg_tracer_table_fd(const cordbg_tracer *tracer);
/*
 * Since when the target stands as it does; 0: it may run. The number changes whenever the target was
 * let run, also for a call, and whenever this client wrote to its memory or registers; traps do not
 * count, since they are not seen in the view that conclusions are drawn from. So what was learnt of
 * the target holds as long as the number is the same and not 0. Any thread.
 */
uint64_t cordbg_tracer_stillness(const cordbg_tracer *tracer);
int cordbg_tracer_pid(const cordbg_tracer *tracer);        /* the target's */
int cordbg_tracer_tracer_pid(const cordbg_tracer *tracer); /* the tracer process's */

/*
 * Attaches to a running process; it keeps running. Errors say what to do:
 *   CORDBG_E_DEBUGGER_ALREADY_ATTACHED  traced already; the sentence names the tracer's pid
 *   HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED)  a 32-bit program
 *   E_ACCESSDENIED  yama, uid or namespace forbid; the sentence names the setting
 *   HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER)  no such process
 */
HRESULT cordbg_tracer_attach(cordbg_tracer *tracer, int pid, cordbg_error *error);

/*
 * Launches a program. The caller's process is its parent, and collects its exit status with a
 * plain waitpid. argv and envp end with NULL (envp NULL: the caller's); folder NULL: the caller's;
 * stdio[i] < 0: inherited. Returns when the program is stopped at the first instruction of its
 * image (before the dynamic linker ran): CONTINUE is owed, no event is sent. Fails with the errno
 * of the exec when that fails.
 */
typedef struct cordbg_launch {
  const char *path; /* searched in PATH when it has no slash */
  char *const *argv;
  char *const *envp;
  const char *folder;
  int stdio[3];
} cordbg_launch;
HRESULT cordbg_tracer_launch(cordbg_tracer *tracer, const cordbg_launch *launch, int *pid,
                             cordbg_error *error);

HRESULT cordbg_tracer_stop(cordbg_tracer *tracer, cordbg_reply_stop *state, cordbg_error *error);
/* One way: returns when the request is on its way. */
HRESULT cordbg_tracer_continue(cordbg_tracer *tracer, cordbg_error *error);
/* Returns when no thread of the target is traced any more, also one in an uninterruptible sleep. */
HRESULT cordbg_tracer_detach(cordbg_tracer *tracer, cordbg_error *error);
HRESULT cordbg_tracer_terminate(cordbg_tracer *tracer, cordbg_error *error);

/*
 * Plants or removes traps of one layer, running or stopped. results has count elements, in the
 * order of addresses; S_OK when every one was tried. Long batches are split.
 */
HRESULT cordbg_tracer_plant(cordbg_tracer *tracer, cordbg_layer layer, const uint64_t *addresses,
                            size_t count, cordbg_plant_result *results, cordbg_error *error);
HRESULT cordbg_tracer_remove(cordbg_tracer *tracer, cordbg_layer layer, const uint64_t *addresses,
                             size_t count, cordbg_plant_result *results, cordbg_error *error);

/*
 * Writes behind the traps. *written (never NULL) is the count of bytes written from the start, on
 * failure too; the error's address is the first byte not written.
 */
HRESULT cordbg_tracer_write(cordbg_tracer *tracer, uint64_t address, const void *data, size_t size,
                            size_t *written, cordbg_error *error);

/* Stopped threads only; an asleep one is woken up to the point before it runs user code. */
HRESULT cordbg_tracer_get_registers(cordbg_tracer *tracer, int tid, cordbg_registers *ret,
                                    cordbg_error *error);
HRESULT cordbg_tracer_set_registers(cordbg_tracer *tracer, int tid,
                                    const cordbg_registers *registers, cordbg_error *error);

/* [out] *ret: an array of *count elements, to be freed with free(). */
HRESULT cordbg_tracer_threads(cordbg_tracer *tracer, cordbg_thread_info **ret, size_t *count,
                              cordbg_error *error);

typedef struct cordbg_call {
  int tid;
  uint32_t flags; /* CORDBG_CALL_* */
  uint64_t function;
  uint64_t arguments[6];
  uint32_t timeout_ms;
  const void *data; /* see CORDBG_CALL_DATA */
  uint32_t data_size;
} cordbg_call;
HRESULT cordbg_tracer_call(cordbg_tracer *tracer, const cordbg_call *call, uint64_t *result,
                           cordbg_error *error);
HRESULT cordbg_tracer_kick(cordbg_tracer *tracer, int tid, cordbg_error *error);
/* Where the target's own int3 speaks to its debugger (protocol.h, OWN_TRAPS). */
HRESULT cordbg_tracer_own_traps(cordbg_tracer *tracer, uint64_t start, uint64_t end,
                                cordbg_error *error);
/* Hits of internal traps that are not reported (protocol.h, PASSES); replaces what held before.
   Nobody waits for the tracer: it holds for what is asked of it afterwards, a CONTINUE first. */
HRESULT cordbg_tracer_set_passes(cordbg_tracer *tracer, const cordbg_pass *passes, size_t count,
                                 cordbg_error *error);
HRESULT cordbg_tracer_on_cleanup(cordbg_tracer *tracer, const cordbg_cleanup_word *words,
                                 size_t count, int kick_tid, cordbg_error *error);
HRESULT cordbg_tracer_want_events(cordbg_tracer *tracer, uint32_t wanted, cordbg_error *error);
/* The same, with the signals that are told before they are delivered (bit N - 1: signal N). */
HRESULT cordbg_tracer_want_signals(cordbg_tracer *tracer, uint32_t wanted, uint64_t signals,
                                   cordbg_error *error);
/* What a thread in a reported signal stop goes on with: 0 suppresses (protocol.h, SIGNAL). */
HRESULT cordbg_tracer_set_signal(cordbg_tracer *tracer, int tid, int number, cordbg_error *error);
HRESULT cordbg_tracer_statistics(cordbg_tracer *tracer, cordbg_statistics *ret,
                                 cordbg_error *error);

/*
 * Waits for the next event of a channel. S_OK with *event filled; S_FALSE when interrupted; CORDBG_E_PROCESS_TERMINATED when the
 * tracer is gone (after its last event was read). timeout_ms < 0: no limit; S_FALSE also when it
 * passed.
 */
HRESULT cordbg_tracer_next_event(cordbg_tracer *tracer, cordbg_event_channel channel,
                                 int timeout_ms, cordbg_event *event, cordbg_error *error);
/*
 * The session is over, or given up while it begins: both readers return S_FALSE, now and on each
 * later call, and whoever waits for something else of this target ceases to (a shim's prepare fails
 * with E_ABORT). Requests still work. Any thread.
 */
void cordbg_tracer_interrupt(cordbg_tracer *tracer);
/* Was it called? Any thread. */
bool cordbg_tracer_interrupted(const cordbg_tracer *tracer);
/* Readable from then on, for those who wait in poll. Valid until destroy; nobody reads it. */
int cordbg_tracer_interrupt_fd(const cordbg_tracer *tracer);
/* Makes the reader of one channel return S_FALSE once, now or at its next call; wakes that come
   before it looks are one. Any thread. */
void cordbg_tracer_wake(cordbg_tracer *tracer, cordbg_event_channel channel);

#endif
