/* SPDX-License-Identifier: MIT */
/*
 * What the sample drivers share: starting a session, and breakpoints by name.
 */
#ifndef SAMPLES_DRIVER_H
#define SAMPLES_DRIVER_H

#include <glib.h>
#include <pthread.h>

#include "callback.h"

/* Exit codes of every sample. */
enum {
  DRIVER_OK = 0,
  DRIVER_FAILED = 1, /* it was tried and did not work out */
  DRIVER_USAGE = 2,  /* a mistake in the arguments, or a process that cannot be debugged */
};

/* Prints "PROGRAM: message" as one line on stderr and ends with code. */
void driver_fail(int code, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/*
 * "Namespace.Class:Method", "Namespace.Class:Method@IL" or "file.cs:LINE". The file is its path as
 * the compiler saw it, or the end of that.
 */
typedef struct driver_break {
  const char *text; /* as it was given */
  char *type;       /* type and method, or file and line */
  char *method;
  char *file;
  ULONG32 line;
  ULONG32 il_offset;
  unsigned bound;   /* in how many functions it is set so far */
  char *problem;    /* why it cannot be set in a module that should have it; NULL: nothing known */
  GPtrArray *blind; /* char *: modules without symbols; NULL for a method */
} driver_break;

/* Ends the program with DRIVER_USAGE when the text is none. */
void driver_parse_break(const char *text, driver_break *ret);
void driver_break_clear(driver_break *parsed);

/*
 * Sets the breakpoint on every overload that the module has, or on every method that the line
 * belongs to, and appends the breakpoints to breakpoints. The process is stopped (call it in
 * LoadModule). 0: the module has no such method or line.
 */
unsigned driver_set_break(driver_break *wanted, ICorDebugModule *module, GPtrArray *breakpoints);

/*
 * Why a breakpoint that is set nowhere will not be: a sentence, to be freed. NULL: none is known.
 * complete: every module was asked.
 */
char *driver_break_problem(const driver_break *wanted, bool complete);

typedef struct driver {
  ICorDebug *cordebug;
  ICorDebugProcess *process;
  DWORD pid;
  bool launched;
  sample_hooks own;     /* the sample's, and the process' end */
  pthread_mutex_t lock; /* guards exited: a callback thread sets it */
  pthread_cond_t changed;
  bool exited;
} driver;

/*
 * Starts a session: attaches to pid, or launches arguments (NULL-terminated; a managed program is
 * run by `mono`, or `dotnet` when it is a .dll). Ends the program with DRIVER_USAGE when that cannot
 * be.
 */
void driver_start(driver *session, const sample_hooks *hooks, DWORD pid, char **arguments);

/*
 * Ends the session: a program that was launched ends with it, any other runs on. No hook is called
 * any more when it returns.
 */
void driver_end(driver *session);

/* A pid in decimal; ends the program with DRIVER_USAGE when the text is none. */
DWORD driver_parse_pid(const char *text);

#endif
