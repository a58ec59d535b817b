/* SPDX-License-Identifier: MIT */
/* What a debugger tells the program Trouble to do, by writing into its variable trouble_command:
 * one of these, and its argument above the first 8 bits. */
#ifndef CORDBG_TESTS_LIVE_INTEROP_TROUBLE_H
#define CORDBG_TESTS_LIVE_INTEROP_TROUBLE_H

/* Trouble.cs has the numbers from 100 on. */
enum {
  TROUBLE_READ = 1,     /* of 0x40 */
  TROUBLE_WRITE,        /* of 0x48 */
  TROUBLE_EXECUTE,      /* of 0x1230 */
  TROUBLE_NO_ADDRESS,   /* reads what is no address of x86-64 */
  TROUBLE_PAGE,         /* reads a mapped page that its file does not reach */
  TROUBLE_DIVIDE,       /* integers, by zero */
  TROUBLE_FLOAT,        /* the same, with the exception unmasked */
  TROUBLE_ILLEGAL,      /* ud2 */
  TROUBLE_OWN_TRAP,     /* int3 */
  TROUBLE_RAISE,        /* signal argument, on the main thread */
  TROUBLE_DEFAULT,      /* sets its default action */
  TROUBLE_COUNT_SIGNAL, /* sets a handler that counts */
  TROUBLE_HANDLED,      /* a write to 0x50 that a handler of its own leaves */
  TROUBLE_EXIT,         /* with code argument */
  TROUBLE_NULL = 100,   /* managed: a NullReferenceException, caught */
  TROUBLE_TRANSIT,      /* managed -> native -> managed -> native, argument times */
  TROUBLE_CROWD,        /* four threads, each argument times: managed Work -> trouble_work */
  TROUBLE_COLLECT,      /* a thread calls trouble_work argument times, all in native code, while
                                another collects garbage */
};

/* trouble_count[] */
enum {
  TROUBLE_FINISHED,    /* commands done */
  TROUBLE_WORK,        /* calls of trouble_work */
  TROUBLE_BOTTOM,      /* calls of trouble_bottom */
  TROUBLE_SIGNALS,     /* that the counting handler got */
  TROUBLE_LAST_SIGNAL, /* that a handler got */
  TROUBLE_COUNTS,
};

#endif
