/* SPDX-License-Identifier: MIT */
/* What the files of the DbgEng door share: the client object, and how a method gets at its process.
 */
#ifndef CORDBG_MEMORY_DBGENG_PRIVATE_H
#define CORDBG_MEMORY_DBGENG_PRIVATE_H

#include "cordbg/com/object.h"
#include "cordbg/dbgeng.h"
#include "cordbg/memory/doors.h"
#include "cordbg/memory/handles.h"

#include <glib.h>

/* How a client has its process; dbgeng.c's page tells what each means. */
typedef enum cordbg_engine_state {
  CORDBG_ENGINE_EMPTY,
  CORDBG_ENGINE_LOOKING,
  CORDBG_ENGINE_STOPPING,
  CORDBG_ENGINE_JOINED,
} cordbg_engine_state;

typedef struct cordbg_engine {
  cordbg_object object;
  CORDBG_FACE(IDebugClient) as_client;
  CORDBG_FACE(IDebugControl) as_control;
  CORDBG_FACE(IDebugSystemObjects) as_system;
  CORDBG_FACE(IDebugDataSpaces4) as_data_spaces;

  GMutex lock; /* of what follows, up to complete; held for moments only */
  GCond changed;
  unsigned users; /* methods between enter and leave */
  bool changing;  /* attaching or parting is in progress: nobody enters */
  cordbg_engine_state state;
  cordbg_target *target; /* STOPPING, JOINED */
  HANDLE handle;         /* of the process, but for EMPTY; opened by the client, closed by it */
  cordbg_handle *opened; /* what handle stands for, with a reference */
  bool narrow;           /* a 32-bit process: one that is looked at only */
  GMutex waiting;        /* one WaitForEvent at a time */
  _Atomic bool complete; /* it was there */

  GMutex threads_lock;
  GArray *threads; /* dbgeng-system.c: of int, a thread's system id at its engine id; 0: ended */
  ULONG current;   /* the current thread's engine id */
} cordbg_engine;

/*
 * What a method works with between enter and leave. session: whose session the process is in, NULL
 * when it is none of this program's; reader: reads it in either case.
 */
typedef struct cordbg_engine_use {
  cordbg_engine *engine;
  cordbg_target *session;
  cordbg_reader *reader;
} cordbg_engine_use;

/* This: any of the client's faces. E_UNEXPECTED: it has no process, nothing is to be left. */
HRESULT cordbg_engine_enter(const void *This, cordbg_engine_use *use, cordbg_error *error);
void cordbg_engine_leave(cordbg_engine_use *use);
/* As cordbg_target_write, for a process with or without a session. */
HRESULT cordbg_engine_write(const cordbg_engine_use *use, uint64_t address, const void *data,
                            size_t size, size_t *written, cordbg_error *error);
/*
 * hr in this door's words, remembered: none for what could not be read, written or found;
 * E_UNEXPECTED for a process that is gone. Successes pass.
 */
HRESULT cordbg_engine_finish(HRESULT hr, HRESULT none, cordbg_error *error);
/* E_INVALIDARG with a sentence, remembered; and any other. */
HRESULT cordbg_engine_refuse(HRESULT hr, const char *sentence);

/* dbgeng-client.c calls these; they return what the method does. */
HRESULT cordbg_engine_attach(cordbg_engine *engine, int pid, ULONG flags);
HRESULT cordbg_engine_wait(cordbg_engine *engine);
HRESULT cordbg_engine_part(cordbg_engine *engine, bool terminate);

/* The engine's threads are forgotten: the process changed. */
void cordbg_engine_forget_threads(cordbg_engine *engine);
/* The system id of the current thread, 0: it ended. */
int cordbg_engine_current_thread(const cordbg_engine_use *use);

extern const IDebugClientVtbl cordbg_engine_client_vtbl;
extern const IDebugControlVtbl cordbg_engine_control_vtbl;
extern const IDebugSystemObjectsVtbl cordbg_engine_system_vtbl;
extern const IDebugDataSpaces4Vtbl cordbg_engine_data_spaces_vtbl;
/* CORDBG_VTBL's tables are static: gives one its name of above. */
#define CORDBG_ENGINE_VTBL(I, table, name)                                                         \
  extern const I##Vtbl name __attribute__((alias(#table), visibility("hidden")))

#endif
