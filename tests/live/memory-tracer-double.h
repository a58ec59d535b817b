/* SPDX-License-Identifier: MIT */
/* What the tracer's double can do that the real one's client end cannot be asked for. */
#ifndef TESTS_LIVE_MEMORY_TRACER_DOUBLE_H
#define TESTS_LIVE_MEMORY_TRACER_DOUBLE_H

#include "cordbg/tracer/client.h"

/* What the tracer does before it reaps the target. */
void double_reap(cordbg_tracer *tracer);
/* One change of the patch table, without a byte of memory being touched; one byte of memory,
   without the table being touched. */
void double_publish(cordbg_tracer *tracer, uint64_t address, uint8_t original, unsigned layers,
                    unsigned lifted);
void double_poke(cordbg_tracer *tracer, uint64_t address, uint8_t byte);
uint8_t double_peek(cordbg_tracer *tracer, uint64_t address);

#endif
