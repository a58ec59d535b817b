/* SPDX-License-Identifier: MIT */
/*
 * What cordbg is measured against: the least that ptrace and system calls allow for the same job
 * under the same stop policy. Running threads are stopped at each hit, threads asleep in a system
 * call are left there (resumed with PTRACE_SYSCALL), nobody is told, nothing is checked.
 */
#ifndef CORDBG_TESTS_BARE_H
#define CORDBG_TESTS_BARE_H

#include "tests/bench/hit-target.h"

typedef struct bare_session {
  const hit_target *target;
  int memory; /* /proc/PID/mem */
} bare_session;

/*
 * The next thread that stops, with its wait status: looks for 20 us, then sleeps. Sleeping at once
 * would add a wake-up across processors to each row, of which neither side could be the cause.
 */
pid_t bare_wait(int *status);

/* Seizes every thread; they run on, the sleepers are made to stop at their call's exit only. */
void bare_attach(bare_session *session, const hit_target *target);
void bare_detach(bare_session *session);

/* Stops, and resumes, every busy thread but `except` (0: none). */
void bare_stop_busy(bare_session *session, pid_t except);
void bare_resume_busy(bare_session *session, pid_t except);

/*
 * Plants a trap at address and lets the main thread run into it count times; nanoseconds a hit.
 * emulated: the displaced `push rbp` is carried out on the registers; else it is stepped in place.
 */
double bare_hits(bare_session *session, uint64_t address, bool emulated, unsigned int count);

/* Nanoseconds of one stop and continue of all busy threads. */
double bare_stops(bare_session *session, unsigned int count);

/* Nanoseconds of one raw write of a byte at each address, through /proc/PID/mem. */
double bare_writes(const hit_target *target, const uint64_t *addresses, size_t count,
                   uint8_t value);

#endif
