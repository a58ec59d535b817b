/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_LOG_H
#define CORDBG_LOG_H

/* Levels of cordbg_set_log (cordbg.h). */
enum { CORDBG_LOG_ERROR, CORDBG_LOG_WARNING, CORDBG_LOG_STEP, CORDBG_LOG_DETAIL };

/*
 * Says what the library does, to the client's log callback or, under CORDBG_LOG=LEVEL, to stderr.
 * Formats nothing when nobody listens at that level. Any thread; no lock is held during the
 * callback. errno is kept.
 */
void cordbg_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
