/* SPDX-License-Identifier: MIT */
/*
 * What the files of the unmanaged dispatcher share with each other and with the session. The page
 * is in unmanaged.c.
 */
#ifndef CORDBG_ICORDEBUG_UNMANAGED_H
#define CORDBG_ICORDEBUG_UNMANAGED_H

#include "cordbg/icordebug/private.h"
#include "cordbg/icordebug/unmanaged-images.h"

typedef enum cordbg_native_exit {
  CORDBG_NATIVE_EXIT_NONE,
  CORDBG_NATIVE_EXIT_OWED,
  CORDBG_NATIVE_EXIT_TOLD,
} cordbg_native_exit;

/* Where a thread was told to have got a signal. */
typedef struct cordbg_native_place {
  int tid; /* 0: nowhere */
  int signal;
  uint64_t pc;
} cordbg_native_place;

/* Under the session's lock. */
struct cordbg_natives {
  GArray *queue; /* DEBUG_EVENT: the target is held until they are told */
  guint head;
  cordbg_native_images *images;
  uint64_t linker_trap; /* 0: the linker announces nothing */
  int signal;           /* that the thread of the outstanding event is about to get; 0: none */
  bool second_owed;     /* `second` is to be told before the target goes on */
  DEBUG_EVENT second;
  cordbg_native_place handed; /* the latest exception that a handler of the program was given */
  cordbg_native_exit exit;
  DEBUG_EVENT exit_event;
  bool over; /* the dispatcher tells nothing any more */
  pthread_cond_t changed;
};

/* Turns the events on and queues those of an attach. Lock held, target stopped. */
HRESULT cordbg_natives_begin(cordbg_session *session, cordbg_error *error);
/*
 * The same for a launch at the first instruction, before there is a runtime: the program and the
 * images that are there are queued, and the dynamic linker is watched. What it loads until
 * cordbg_natives_begin is told by cordbg_natives_launching.
 */
HRESULT cordbg_natives_launch(cordbg_session *session, cordbg_error *error);
/* An event of a launch (NULL: none), before the target goes on: has all that it means told, and
 * returns when that was continued. Lock not held; the dispatcher is at work. */
void cordbg_natives_launching(cordbg_session *session, const cordbg_event *event);
void cordbg_natives_free(cordbg_natives *natives); /* NULL allowed */
/* Whether events wait that are to be told before the target or a managed callback. Lock held. */
bool cordbg_natives_wait(const cordbg_session *session);
void cordbg_natives_clear(cordbg_session *session);
/* An internal trap: when it is the dynamic linker's, queues what it loaded and unloaded. */
void cordbg_natives_trap(cordbg_session *session, const cordbg_event *event);
/* Has EXIT_PROCESS told, and waits until its DebugEvent returned. Lock not held. */
void cordbg_natives_ended(cordbg_session *session, int status);
/* The session's life has changed. Lock held. */
void cordbg_natives_wake(cordbg_session *session);
/* ClearCurrentException. Lock held. */
HRESULT cordbg_natives_clear_exception(cordbg_session *session, int tid, cordbg_error *error);

/* unmanaged-state.c */
/* CREATE_PROCESS and LOAD_DLLs; CREATE_THREADs of all but the main one. */
void cordbg_natives_replay_images(cordbg_session *session);
void cordbg_natives_replay_threads(cordbg_session *session, const cordbg_thread_info *threads,
                                   size_t count);
/* Compares the images with what was told. */
void cordbg_natives_images(cordbg_session *session, int tid);
DEBUG_EVENT cordbg_native_event(const cordbg_session *session, DWORD code, int tid);

/* unmanaged-signals.c */

/* Bit N - 1: signal N is told before its handler runs. */
uint64_t cordbg_native_signals(void);
/* A signal that the runtime makes a managed exception of, or its own business. */
bool cordbg_native_is_the_runtimes(cordbg_session *session, const cordbg_event *event);
void cordbg_native_exception(cordbg_session *session, const cordbg_event *event, DEBUG_EVENT *ret);
/*
 * Takes note of what becomes of a signal when the client leaves it alone, and sets dwFirstChance:
 * an exception that would end the process gets its second chance before it does.
 */
void cordbg_native_chance(cordbg_session *session, const cordbg_event *event, DEBUG_EVENT *ret);

#endif
