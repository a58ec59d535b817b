/* SPDX-License-Identifier: MIT */
/*
 * The reader's side of the patch table (patch-table.h has the protocol).
 *
 * Why this file looks the way it does: the writer is another process, which may replace and use
 * again any block at any moment. So every word is loaded once, atomically, into a local variable,
 * checked there, and used from there; and what a walk found counts only if the marks, read after
 * the walk, say that no block of it was used again meanwhile.
 *
 * Linked by the tracer too: no glib, no allocation.
 */
#include "config.h"

#include "cordbg/memory/patch-table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Room for more than 5,000,000 full chunks' entries; a larger count is a corrupt root. */
#define CHUNKS_MAX (CORDBG_PATCH_TABLE_SIZE / sizeof(cordbg_patch_chunk_ref))

static inline uint64_t
load64(const uint64_t *word)
{
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint32_t
load32(const uint32_t *word)
{
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

HRESULT
cordbg_patch_table_map(cordbg_patch_table *table, int fd, cordbg_error *error)
{
  off_t length = lseek(fd, 0, SEEK_END); /* fstat is a call that the DAC host may not make */
  if (length < 0)
    return cordbg_error_set_errno(error, errno, 0, "the patch table cannot be looked at");
  if (length < (off_t)sizeof(cordbg_patch_header) || length > (off_t)CORDBG_PATCH_TABLE_SIZE)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "a file of %lld bytes is not a patch table",
                            (long long)length);

  size_t size = (size_t)length;
  void *start = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (start == MAP_FAILED)
    return cordbg_error_set_errno(error, errno, 0, "the patch table cannot be mapped");

  const cordbg_patch_header *header = start;
  if (header->magic != CORDBG_PATCH_TABLE_MAGIC || header->version != CORDBG_PATCH_TABLE_VERSION) {
    munmap(start, size);
    return cordbg_error_set(error, E_INVALIDARG, 0, 0,
                            "the file is not a patch table of version %u: tracer and library are "
                            "of different builds",
                            CORDBG_PATCH_TABLE_VERSION);
  }
  table->header = header;
  table->size = size;
  return S_OK;
}

void
cordbg_patch_table_unmap(cordbg_patch_table *table)
{
  if (table->header != NULL)
    munmap((void *)(uintptr_t)table->header, table->size);
  table->header = NULL;
  table->size = 0;
}

uint64_t
cordbg_patch_table_begin(const cordbg_patch_table *table)
{
  return atomic_load_explicit(&table->header->generation, memory_order_acquire);
}

uint64_t
cordbg_patch_table_gone(const cordbg_patch_table *table)
{
  return atomic_load_explicit(&table->header->gone, memory_order_acquire);
}

/* [offset, offset + count * size) lies inside the file, behind the header, aligned. */
static inline bool
inside(const cordbg_patch_table *table, uint64_t offset, uint64_t count, uint64_t size)
{
  return offset >= sizeof(cordbg_patch_header) && offset <= table->size && offset % 8 == 0 &&
         count <= (table->size - offset) / size;
}

/* The chunk references of one root, as loaded at one moment. */
typedef struct table_snapshot {
  uint64_t generation; /* the root is of this generation or a newer one */
  const cordbg_patch_chunk_ref *chunks;
  size_t count;
} table_snapshot;

/* false: the root is corrupt, or was used again meanwhile (still_good tells which). */
static inline bool
snapshot_take(const cordbg_patch_table *table, table_snapshot *ret)
{
  ret->generation = cordbg_patch_table_begin(table);
  ret->chunks = NULL;
  ret->count = 0;
  uint64_t offset = atomic_load_explicit(&table->header->root, memory_order_acquire);
  if (offset == 0)
    return true;
  if (!inside(table, offset, 1, sizeof(cordbg_patch_root)))
    return false;
  const cordbg_patch_root *root = (const cordbg_patch_root *)((const char *)table->header + offset);
  size_t count = load32(&root->chunk_count);
  if (count > CHUNKS_MAX ||
      !inside(table, offset + sizeof *root, count, sizeof(cordbg_patch_chunk_ref)))
    return false;
  ret->chunks = root->chunks;
  ret->count = count;
  return true;
}

/* No block of the snapshot was used again up to now: all that was loaded from it holds. */
static inline bool
snapshot_still_good(const cordbg_patch_table *table, const table_snapshot *snapshot)
{
  atomic_thread_fence(memory_order_acquire);
  return atomic_load_explicit(&table->header->reused_generation, memory_order_relaxed) <
         snapshot->generation;
}

/* Index of the first chunk that ends at address or later; snapshot->count when there is none. */
static inline size_t
first_chunk(const table_snapshot *snapshot, uint64_t address)
{
  size_t low = 0;
  size_t high = snapshot->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (load64(&snapshot->chunks[middle].last) < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Index of the first entry at address or later. */
static inline size_t
first_entry(const cordbg_patch_entry *entries, size_t count, uint64_t address)
{
  size_t low = 0;
  size_t high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (load64(&entries[middle].address) < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static inline const cordbg_patch_entry *
chunk_entries(const cordbg_patch_table *table, const cordbg_patch_chunk_ref *chunk, size_t *count)
{
  uint64_t offset = load64(&chunk->offset);
  size_t entries = load32(&chunk->count);
  if (entries > CORDBG_PATCH_CHUNK_ENTRIES ||
      !inside(table, offset, entries, sizeof(cordbg_patch_entry)))
    return NULL;
  *count = entries;
  return (const cordbg_patch_entry *)((const char *)table->header + offset);
}

/* One read's constants. */
typedef struct overlay_job {
  uint64_t generation; /* of the fetch */
  uint64_t address;    /* of bytes[0] */
  uint64_t last;       /* of the last byte: inclusive, so that the top of the space is no case */
  uint8_t *bytes;
  unsigned hidden; /* layers that this view takes away */
  unsigned shown;  /* layers that it shows, whatever else is planted there */
} overlay_job;

/* settled (40 bits) is newer than the fetch's generation; the counters wrap together. */
static inline bool
settled_after(uint64_t packed, uint64_t generation)
{
  uint64_t settled = packed >> 24;
  return settled != 0 && ((settled - generation) << 24) != 0 &&
         (int64_t)((settled - generation) << 24) > 0;
}

/*
 * A live entry. A layer that is shown wins: a native trap stays visible also where a managed one
 * stands too. While (or shortly after) the tracer stepped over it, memory had the original there:
 * a view that shows the trap puts it back.
 */
static inline void
apply_live(const overlay_job *overlay, uint8_t *byte, uint64_t packed)
{
  unsigned layers = (uint8_t)(packed >> 8);
  if ((layers & overlay->shown) == 0) {
    if ((layers & overlay->hidden) != 0 && *byte == CORDBG_TRAP)
      *byte = (uint8_t)packed;
  } else if (packed >> 16 != 0 && *byte == (uint8_t)packed &&
             ((uint8_t)(packed >> 16) != 0 || settled_after(packed, overlay->generation))) {
    *byte = CORDBG_TRAP;
  }
}

/* Lays count entries, the first of which is at overlay->address or later. */
static inline void
apply_entries(const overlay_job *overlay, const cordbg_patch_entry *entries, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    uint64_t address = load64(&entries[i].address);
    /* An address below the range can only come from a block in reuse. */
    if (address > overlay->last || address < overlay->address)
      return;
    uint64_t retired = load64(&entries[i].retired);
    uint64_t packed = load64(&entries[i].packed);
    uint8_t *byte = &overlay->bytes[address - overlay->address];
    if (retired == 0) {
      apply_live(overlay, byte, packed);
      continue;
    }
    /* The entry that took its place decides alone. */
    bool replaced = i + 1 < count && load64(&entries[i + 1].address) == address;
    unsigned layers = (uint8_t)(packed >> 8);
    if (retired > overlay->generation && !replaced && (layers & overlay->shown) == 0 &&
        *byte == CORDBG_TRAP)
      *byte = (uint8_t)packed;
  }
}

cordbg_overlay_result
cordbg_patch_table_overlay(const cordbg_patch_table *table, cordbg_view view, uint64_t generation,
                           uint64_t address, void *buffer, size_t size)
{
  if (view == CORDBG_VIEW_RAW || size == 0)
    return CORDBG_OVERLAY_DONE;

  overlay_job overlay = {
      .generation = generation,
      .address = address,
      .last = address + (size - 1),
      .bytes = buffer,
      .hidden = CORDBG_LAYER_MANAGED | CORDBG_LAYER_INTERNAL,
  };
  if (view == CORDBG_VIEW_CLIENT)
    overlay.shown = CORDBG_LAYER_NATIVE;
  else
    overlay.hidden |= CORDBG_LAYER_NATIVE;
  if (overlay.last < address) /* the range wraps: nothing can have been fetched from it */
    return CORDBG_OVERLAY_DONE;

  table_snapshot snapshot;
  bool sound = snapshot_take(table, &snapshot);
  size_t first = sound && snapshot.count > 0 ? first_chunk(&snapshot, address) : 0;
  for (size_t i = first; sound && i < snapshot.count; i++) {
    if (load64(&snapshot.chunks[i].first) > overlay.last)
      break;
    size_t count;
    const cordbg_patch_entry *entries = chunk_entries(table, &snapshot.chunks[i], &count);
    if (entries == NULL) {
      sound = false;
      break;
    }
    size_t skip = i == first ? first_entry(entries, count, address) : 0;
    apply_entries(&overlay, entries + skip, count - skip);
  }

  if (!snapshot_still_good(table, &snapshot))
    return CORDBG_OVERLAY_AGAIN;
  if (!sound)
    return CORDBG_OVERLAY_CORRUPT;
  if (atomic_load_explicit(&table->header->purged_generation, memory_order_relaxed) > generation)
    return CORDBG_OVERLAY_AGAIN;
  return CORDBG_OVERLAY_DONE;
}

typedef enum lookup {
  LOOKUP_FOUND,
  LOOKUP_NONE,
  LOOKUP_AGAIN,
} lookup;

static lookup
find_once(const cordbg_patch_table *table, uint64_t address, cordbg_patch_entry *ret)
{
  table_snapshot snapshot;
  bool found = false;
  bool sound = snapshot_take(table, &snapshot);
  size_t chunk = sound && snapshot.count > 0 ? first_chunk(&snapshot, address) : snapshot.count;
  size_t count = 0;
  const cordbg_patch_entry *entries = sound && chunk < snapshot.count
                                          ? chunk_entries(table, &snapshot.chunks[chunk], &count)
                                          : NULL;
  if (entries != NULL) {
    for (size_t j = first_entry(entries, count, address); j < count; j++) {
      ret->address = load64(&entries[j].address);
      ret->retired = load64(&entries[j].retired);
      ret->packed = load64(&entries[j].packed);
      if (ret->address != address)
        break;
      if (ret->retired == 0) {
        found = true;
        break;
      }
    }
  }
  if (!snapshot_still_good(table, &snapshot))
    return LOOKUP_AGAIN;
  return found ? LOOKUP_FOUND : LOOKUP_NONE;
}

bool
cordbg_patch_table_find(const cordbg_patch_table *table, uint64_t address,
                        cordbg_patch_entry *entry)
{
  /* Each further turn needs a writer that outran the walk by many publications: the bound is met
     only by a corrupt table. */
  for (int i = 0; i < 1000; i++) {
    cordbg_patch_entry found;
    lookup result = find_once(table, address, &found);
    if (result == LOOKUP_AGAIN)
      continue;
    if (result == LOOKUP_FOUND)
      *entry = found;
    return result == LOOKUP_FOUND;
  }
  return false;
}
