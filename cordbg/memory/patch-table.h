/* SPDX-License-Identifier: MIT */
/*
 * The patch table: which bytes of the target are traps, and what stood there before.
 *
 * The tracer writes it in a memory file; every reader maps it read-only and lays it over what it
 * fetched. No lock and no round trip: the table is immutable sorted chunks under an atomic root.
 *
 * Publication. The writer publishes an entry, *then* plants the trap; it restores the byte, *then*
 * publishes the entry as retired at the generation that this makes. A reader
 *   1. takes the generation g (cordbg_patch_table_begin),
 *   2. fetches the target's memory,
 *   3. takes the root and overlays each entry that is live, or was retired after g, where the
 *      byte fetched is the trap (cordbg_patch_table_overlay).
 * A trap that step 2 saw was published before it was planted, so step 3 finds it, unless it was
 * purged meanwhile. (An entry retired at g or before was restored before step 2: a trap that is
 * seen there is the program's own.) Retired entries stay until a later publication purges them,
 * and blocks that left the root are used again only later: both leave a mark (purged_generation,
 * reused_generation). A reader whose generation is not newer than the mark fetches again, a
 * bounded number of times.
 *
 * Invariants
 *   - generation only grows; each publication adds one.
 *   - the entries of a root are sorted by address; an address has at most one live entry and at
 *     most one retired one (the newest); the live one comes last.
 *   - a chunk is never changed while a root refers to it.
 *   - a writer raises a mark before what the mark stands for; the root before the generation. So a
 *     reader that loads generation, root, contents, mark, in this order, is never fooled.
 *   - offsets are relative to the start of the mapping. A reader checks each one: a corrupt table
 *     gives an error, never a crash.
 *
 * This file and patch-table.c are linked by the tracer as well as by the client: no glib.
 */
#ifndef CORDBG_MEMORY_PATCH_TABLE_H
#define CORDBG_MEMORY_PATCH_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cordbg/com/error.h"

#define CORDBG_PATCH_TABLE_MAGIC 0x4c54424450415443ull
#define CORDBG_PATCH_TABLE_VERSION 1u
/* The file is sparse: what is not used costs nothing. Holds more than 1,000,000 patches. */
#define CORDBG_PATCH_TABLE_SIZE (256u << 20)
#define CORDBG_PATCH_CHUNK_ENTRIES 256u

#define CORDBG_TRAP 0xccu

/* Who asked for the trap at an address. */
typedef enum cordbg_layer {
  CORDBG_LAYER_MANAGED = 1 << 0,  /* ICorDebug breakpoints: hidden from `client` and `pristine` */
  CORDBG_LAYER_NATIVE = 1 << 1,   /* SetUnmanagedBreakpoint: hidden from `pristine` only */
  CORDBG_LAYER_INTERNAL = 1 << 2, /* cordbg's own: hidden like managed, never reported */
} cordbg_layer;

/* The three ways of seeing a byte under a trap (design.md, Views). */
typedef enum cordbg_view {
  CORDBG_VIEW_RAW,
  CORDBG_VIEW_CLIENT,
  CORDBG_VIEW_PRISTINE,
} cordbg_view;

typedef struct cordbg_patch_entry {
  uint64_t address;
  uint64_t retired; /* generation at which it was retired; 0 while live */
  union {
    struct {
      uint8_t original;   /* the byte that the program has there */
      uint8_t layers;     /* cordbg_layer bits; those it had last when retired */
      uint8_t lifted;     /* 1 while the tracer steps a thread over it in place: the original
                             stands in memory, and views that show this trap put it back */
      uint8_t settled[5]; /* generation (40 bits, little-endian) at which it was last replanted
                             after a lift, 0 never: a reader that began before may have fetched
                             the original, and puts the trap back too */
    };
    uint64_t packed; /* the same eight bytes, for one load */
  };
} cordbg_patch_entry;

_Static_assert(sizeof(cordbg_patch_entry) == 24, "the layout of the file");

/* Reference from a root to one chunk. */
typedef struct cordbg_patch_chunk_ref {
  uint64_t first;  /* address of its first entry */
  uint64_t last;   /* address of its last entry */
  uint64_t offset; /* of cordbg_patch_entry[count] in the file */
  uint32_t count;
  uint32_t pad;
} cordbg_patch_chunk_ref;

/* A root: an array of cordbg_patch_chunk_ref behind this header. */
typedef struct cordbg_patch_root {
  uint64_t generation; /* of its publication */
  uint32_t chunk_count;
  uint32_t entry_count;
  cordbg_patch_chunk_ref chunks[];
} cordbg_patch_root;

typedef struct cordbg_patch_header {
  uint64_t magic;
  uint32_t version;
  uint32_t pid;          /* the target's, in the tracer's pid namespace */
  _Atomic uint64_t gone; /* nonzero: the target was reaped, exec'd away or detached */
  _Atomic uint64_t generation;
  _Atomic uint64_t root; /* offset of the current cordbg_patch_root; 0: no patch at all */
  _Atomic uint64_t purged_generation; /* newest retirement among entries dropped from roots */
  _Atomic uint64_t reused_generation; /* newest generation at which a reused chunk was still live */
  _Atomic uint64_t space;             /* address-space generation: +1 at each exec */
} cordbg_patch_header;

/* Values of cordbg_patch_header.gone. */
enum { CORDBG_GONE_NO = 0, CORDBG_GONE_EXITED = 1, CORDBG_GONE_DETACHED = 2 };

/* A mapping of the table, the reader's side. */
typedef struct cordbg_patch_table {
  const cordbg_patch_header *header;
  size_t size;
} cordbg_patch_table;

/*
 * Maps the table behind fd read-only. [out] table is filled on success. The descriptor is not
 * kept. Errors: E_INVALIDARG for a file that is not a patch table of this version; errno's
 * HRESULT for a failed system call.
 */
HRESULT cordbg_patch_table_map(cordbg_patch_table *table, int fd, cordbg_error *error);
void cordbg_patch_table_unmap(cordbg_patch_table *table);

/* Step 1 of a read: the generation to pass to overlay. Any thread, wait-free. */
uint64_t cordbg_patch_table_begin(const cordbg_patch_table *table);

typedef enum cordbg_overlay_result {
  CORDBG_OVERLAY_DONE,
  CORDBG_OVERLAY_AGAIN, /* the table moved on too far: fetch again; the buffer is unspecified */
  CORDBG_OVERLAY_CORRUPT,
} cordbg_overlay_result;

/*
 * Step 3: lays the table over buffer, which holds size bytes fetched from address on. Only these
 * size bytes are touched. The raw view changes nothing. Any thread, lock-free.
 */
cordbg_overlay_result cordbg_patch_table_overlay(const cordbg_patch_table *table, cordbg_view view,
                                                 uint64_t generation, uint64_t address,
                                                 void *buffer, size_t size);

/*
 * The live entry at address, copied to *entry. false when there is none. Any thread. The answer
 * is that of one moment.
 */
bool cordbg_patch_table_find(const cordbg_patch_table *table, uint64_t address,
                             cordbg_patch_entry *entry);

/* Why the target cannot be read any more: one of CORDBG_GONE_*. Any thread, wait-free. */
uint64_t cordbg_patch_table_gone(const cordbg_patch_table *table);

/*
 * ---- The writer's side: the tracer only, one thread. patch-publisher.c. ----
 *
 * The publisher keeps the live patches in order and builds the roots. It does not touch the
 * target: the caller publishes, plants, restores, retires, in the order above.
 */
typedef struct cordbg_patch_publisher cordbg_patch_publisher;

/* One change of the table. layers == 0 retires the live entry at address. */
typedef struct cordbg_patch_change {
  uint64_t address;
  uint8_t original;
  uint8_t layers;
  uint8_t lifted;
} cordbg_patch_change;

/*
 * Makes the memory file. [out] ret is the publisher; cordbg_patch_publisher_fd gives a read-only
 * descriptor of the file for the client (the publisher keeps owning it).
 */
HRESULT cordbg_patch_publisher_create(uint32_t pid, cordbg_patch_publisher **ret,
                                      cordbg_error *error);
void cordbg_patch_publisher_destroy(cordbg_patch_publisher *publisher);
int cordbg_patch_publisher_fd(const cordbg_patch_publisher *publisher);
void cordbg_patch_publisher_set_pid(cordbg_patch_publisher *publisher, uint32_t pid);

/*
 * Publishes a batch as one generation. changes are sorted by address, each address once. An
 * address that is live gets the new original and layers in place; layers == 0 retires it (no
 * live entry there: ignored). Cost: the chunks touched plus the root. Fails with E_OUTOFMEMORY
 * when the file is full, and then changed nothing.
 */
HRESULT cordbg_patch_publisher_publish(cordbg_patch_publisher *publisher,
                                       const cordbg_patch_change *changes, size_t count,
                                       cordbg_error *error);

/* Drops all live and retired entries at once (exec): one generation, one space more. */
void cordbg_patch_publisher_drop_all(cordbg_patch_publisher *publisher);

/* Sets the gone flag (CORDBG_GONE_*): before the target is reaped, so no reader meets its pid
 * again. */
void cordbg_patch_publisher_set_gone(cordbg_patch_publisher *publisher, uint64_t why);

#endif
