/* SPDX-License-Identifier: MIT */
/* What one walk reads of its target. Private to the native room. */
#ifndef CORDBG_NATIVE_WALK_MEMORY_H
#define CORDBG_NATIVE_WALK_MEMORY_H

#include "cordbg/native/stack.h"

#define CORDBG_WALK_PAGE 4096u
#define CORDBG_WALK_PAGES 32u

typedef struct cordbg_walk_page {
  uint64_t address; /* of the page; 1: this slot is empty */
  uint32_t count;   /* readable bytes from the page's start */
  uint8_t bytes[CORDBG_WALK_PAGE];
} cordbg_walk_page;

/*
 * Reads words of a thread that stands still, a page at a time, and remembers the pages for as long
 * as a walk lasts: a frame's registers lie side by side.
 */
typedef struct cordbg_walk_memory {
  cordbg_stack_memory source;
  uint64_t
      failures; /* reads that did not get all bytes: what was concluded from them is not kept */
  unsigned next;
  cordbg_walk_page pages[CORDBG_WALK_PAGES];
} cordbg_walk_memory;

/* Forgets what was read; from now on it comes from source. */
void cordbg_walk_memory_begin(cordbg_walk_memory *memory, const cordbg_stack_memory *source);

/*
 * Exactly size bytes, or false. The source may answer less than it was asked for, or nothing
 * because a part of the range cannot be read: then it is asked again, within page bounds.
 */
bool cordbg_walk_memory_read(cordbg_walk_memory *memory, uint64_t address, void *buffer,
                             size_t size);

#endif
