/* SPDX-License-Identifier: MIT */
/*
 * The patches: which bytes the tracer changed, for whom, and what stood there.
 *
 * States of one address
 *
 *   none --plant--> live --last remove--> dead --(seconds)--> none
 *                    |  ^
 *               lift |  | replant        (a thread steps over it in place)
 *                    v  |
 *                   lifted
 *
 * A dead patch is kept for a while: a thread that ran into the trap just before it went must
 * still be known for one, and a fork child that copied it must be healed.
 *
 * Invariants
 *   - a live patch is in the published table before its trap is in memory, and leaves it after.
 *   - a page's patches belong to one mapping, whose identity (device, inode, offset) was taken
 *     when the first was planted. Before any restore, and at each hit, it is compared with what
 *     is mapped now: patches whose mapping is gone are dropped without writing.
 *   - a native patch counts once; managed and internal ones are counted.
 *
 * Pointers to patches hold until the next plant.
 */
#ifndef CORDBG_TRACER_PATCHES_H
#define CORDBG_TRACER_PATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cordbg/memory/patch-table.h"
#include "cordbg/tracer/protocol.h"
#include "cordbg/tracer/space.h"

typedef struct cordbg_patch {
  uint64_t address;
  uint64_t serial;     /* of this life; never used again */
  uint64_t dead_since; /* nanoseconds; only when layers == 0 */
  uint32_t managed;    /* counts */
  uint32_t internal;
  uint8_t original;
  uint8_t layers; /* 0: dead */
  uint8_t lifted;
  uint8_t seen_size; /* bytes in `seen`; 0: none */
  uint8_t seen[16];  /* memory from address on, as at the last step over it */
} cordbg_patch;

typedef struct cordbg_patch_page {
  uint64_t page; /* address of the page */
  cordbg_mapping mapping;
  uint32_t live;
  uint32_t count; /* live and dead */
  uint32_t capacity;
  cordbg_patch *patches; /* by address */
} cordbg_patch_page;

typedef struct cordbg_patches {
  cordbg_patch_publisher *publisher;
  cordbg_patch_page **pages; /* open addressing, power of two */
  size_t page_slots;
  size_t page_count;
  size_t live;
  size_t dead;
  uint64_t serial;
  size_t patrol_slot; /* where the next look for overwritten traps begins */
  uint64_t patrolled_at;
  uint64_t swept_at;
  cordbg_statistics *statistics;
} cordbg_patches;

#define CORDBG_PAGE_SIZE 4096u

HRESULT cordbg_patches_init(cordbg_patches *patches, cordbg_statistics *statistics,
                            cordbg_error *error);
void cordbg_patches_deinit(cordbg_patches *patches);

/* The live patch at address, or NULL. */
cordbg_patch *cordbg_patches_find(const cordbg_patches *patches, uint64_t address);
/* The same, a dead one included. */
cordbg_patch *cordbg_patches_find_any(const cordbg_patches *patches, uint64_t address);
cordbg_patch_page *cordbg_patches_page(const cordbg_patches *patches, uint64_t address);

/* Lays the originals over bytes that were read from memory: the pristine view. */
void cordbg_patches_strip(const cordbg_patches *patches, uint64_t address, uint8_t *bytes,
                          size_t size);

/* ---- structure, for planting.c ---- */
/* The slot for address, made if need be. NULL: no memory. It may be dead. */
cordbg_patch *cordbg_patches_slot(cordbg_patches *patches, uint64_t address);
void cordbg_patches_bury(cordbg_patches *patches, cordbg_patch_page *page, cordbg_patch *patch);
/* Forgets dead patches that died before `now` minus a few seconds, when there are many. */
void cordbg_patches_sweep(cordbg_patches *patches, uint64_t now);
/* Forgets everything (exec): one space more, nothing is written. */
void cordbg_patches_forget(cordbg_patches *patches);

/* ---- planting.c: what also touches the target ---- */

/* One batch; results in the order of addresses. still: no thread of the target runs. */
HRESULT cordbg_patches_plant(cordbg_patches *patches, cordbg_space *space, cordbg_layer layer,
                             const uint64_t *addresses, size_t count, cordbg_plant_result *results,
                             bool still, cordbg_error *error);
HRESULT cordbg_patches_remove(cordbg_patches *patches, cordbg_space *space, cordbg_layer layer,
                              const uint64_t *addresses, size_t count, cordbg_plant_result *results,
                              bool still, cordbg_error *error);
/* Writes behind the traps. 0 or an errno; *written from the start. */
int cordbg_patches_write(cordbg_patches *patches, cordbg_space *space, uint64_t address,
                         const uint8_t *data, size_t size, size_t *written);
/* Compares the page's identity with what is mapped; drops its patches if another. true: the same.
 */
bool cordbg_patches_verify(cordbg_patches *patches, cordbg_space *space, uint64_t address);
/* Takes the trap out of memory for a step in place, and puts it back. false: memory refused, or
   the trap was not there (overwritten: the byte found is the new original). */
bool cordbg_patches_lift(cordbg_patches *patches, cordbg_space *space, cordbg_patch *patch);
bool cordbg_patches_replant(cordbg_patches *patches, cordbg_space *space, uint64_t address);
/* Restores all bytes at once; nothing is published. The patches become dead. */
void cordbg_patches_restore_all(cordbg_patches *patches, cordbg_space *space);
/* Restores the bytes in a fork child's own copy. true: some traps stand in shared memory and
   could not be. mem: /proc/CHILD/mem. */
bool cordbg_patches_heal_copy(const cordbg_patches *patches, int mem);
/* true: a patch stands in a shared mapping. */
bool cordbg_patches_any_shared(const cordbg_patches *patches);
/* Looks for traps that the program overwrote, a bounded part of them; re-arms those. */
void cordbg_patches_patrol(cordbg_patches *patches, cordbg_space *space, uint64_t now);

#endif
