/* SPDX-License-Identifier: MIT */
/*
 * The writer's side of the patch table: the tracer only, one thread (patch-table.h has the
 * protocol and the order in which the caller plants and restores).
 *
 * The memory file is the truth: the publisher keeps no second copy of the patches, only which
 * blocks of the file are free. A publication merges the batch into the chunks that it touches,
 * writes these anew elsewhere, copies the references of all others into a new root, and swaps the
 * root. Chunks that were merged, and the former root, become free.
 *
 * A block's life
 *
 *   untouched --allocate--> current root --next publication--> free, tagged with the last
 *                              ^                               generation it was live in
 *                              '---- REUSE_DISTANCE generations later, or when the file is full;
 *                                    reused_generation is raised to the tag first
 *
 * A retired entry's life: it stays until its chunk is merged again at least PURGE_AGE_MS later
 * (purged_generation is raised to its retirement first), or until a newer retirement at the same
 * address takes its place.
 *
 * Invariants: those of patch-table.h. A publication that fails has changed nothing that a root
 * refers to.
 *
 * No glib here: the tracer links it.
 */
#include "config.h"

#include "cordbg/memory/patch-table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Publications between a block's last use and its next one: a reader that walks a root meanwhile
   has to be overtaken this many times before it must fetch again. */
#define REUSE_DISTANCE 64u
/* Readers whose fetch began longer ago than this may have to fetch again. */
#define PURGE_AGE_MS 125u
/* Size classes of blocks: 4 KiB (roots of few chunks), one chunk, then powers of two. */
#define SMALLEST_ROOT 4096u
#define CHUNK_BYTES (CORDBG_PATCH_CHUNK_ENTRIES * sizeof(cordbg_patch_entry))
#define CLASS_CHUNK 0u
#define CLASS_COUNT 18u
/* A merged group this small takes its neighbour in, so that chunks do not stay nearly empty. */
#define CHUNK_SMALL (CORDBG_PATCH_CHUNK_ENTRIES / 4)

typedef struct free_block {
  uint64_t offset;
  uint64_t tag; /* the last generation whose root referred to it */
} free_block;

/* A first-in first-out queue of free blocks of one class. */
typedef struct block_queue {
  free_block *blocks;
  size_t head, count, room; /* room is 0 or a power of two */
} block_queue;

struct cordbg_patch_publisher {
  int fd;
  int reader_fd;
  uint8_t *map;
  cordbg_patch_header *header;
  uint64_t end; /* nothing was allocated at or behind it */
  block_queue free[CLASS_COUNT];
  unsigned root_class; /* class of the current root's block */

  /* Entries retired up to safe_generation are older than PURGE_AGE_MS. */
  uint64_t safe_generation, next_safe_generation;
  uint64_t next_safe_since_ms;

  /* Scratch of one publication, kept for the next. */
  cordbg_patch_entry *entries;
  size_t entries_room;
  cordbg_patch_chunk_ref *refs;
  size_t refs_room, refs_count;
  free_block *taken; /* blocks allocated by this publication */
  size_t taken_room, taken_count;
  uint64_t *dropped; /* offsets of chunks that it replaces */
  size_t dropped_room, dropped_count;
};

/* ---- free blocks ---- */

static bool
grow(void **array, size_t *room, size_t wanted, size_t element)
{
  if (wanted <= *room)
    return true;
  size_t size = *room == 0 ? 64 : *room;
  while (size < wanted)
    size *= 2;
  void *bigger = realloc(*array, size * element);
  if (bigger == NULL)
    return false;
  *array = bigger;
  *room = size;
  return true;
}

static bool
queue_push(block_queue *queue, free_block block)
{
  if (queue->count == queue->room) {
    size_t room = queue->room == 0 ? 64 : queue->room * 2;
    free_block *bigger = malloc(room * sizeof *bigger);
    if (bigger == NULL)
      return false;
    for (size_t i = 0; i < queue->count; i++)
      bigger[i] = queue->blocks[(queue->head + i) & (queue->room - 1)];
    free(queue->blocks);
    queue->blocks = bigger;
    queue->room = room;
    queue->head = 0;
  }
  queue->blocks[(queue->head + queue->count) & (queue->room - 1)] = block;
  queue->count++;
  return true;
}

static size_t
class_size(unsigned class)
{
  return class == CLASS_CHUNK ? CHUNK_BYTES : (size_t)SMALLEST_ROOT << (class - 1);
}

static unsigned
root_class(size_t chunks)
{
  size_t bytes = sizeof(cordbg_patch_root) + chunks * sizeof(cordbg_patch_chunk_ref);
  unsigned class = 1;
  while (class < CLASS_COUNT && class_size(class) < bytes)
    class ++;
  return class;
}

static uint64_t
generation_now(const cordbg_patch_publisher *publisher)
{
  return atomic_load_explicit(&publisher->header->generation, memory_order_relaxed);
}

static void
raise_mark(_Atomic uint64_t *mark, uint64_t to)
{
  if (atomic_load_explicit(mark, memory_order_relaxed) < to)
    atomic_store_explicit(mark, to, memory_order_relaxed);
  /* What the mark stands for comes after it, for every reader. */
  atomic_thread_fence(memory_order_seq_cst);
}

/* 0: the file is full. */
static uint64_t
block_take(cordbg_patch_publisher *publisher, unsigned class)
{
  if (class >= CLASS_COUNT || !grow((void **)&publisher->taken, &publisher->taken_room,
                                    publisher->taken_count + 1, sizeof *publisher->taken))
    return 0;
  block_queue *queue = &publisher->free[class];
  size_t size = class_size(class);
  bool full = publisher->end + size > CORDBG_PATCH_TABLE_SIZE;
  uint64_t offset;
  if (queue->count > 0 &&
      (full || queue->blocks[queue->head].tag + REUSE_DISTANCE <= generation_now(publisher))) {
    free_block block = queue->blocks[queue->head];
    queue->head = (queue->head + 1) & (queue->room - 1);
    queue->count--;
    raise_mark(&publisher->header->reused_generation, block.tag);
    offset = block.offset;
  } else if (!full) {
    offset = publisher->end;
    publisher->end += size;
  } else {
    return 0;
  }
  publisher->taken[publisher->taken_count++] = (free_block){.offset = offset, .tag = class};
  return offset;
}

/* Gives back what a failed publication took: no root ever referred to it. */
static void
blocks_give_back(cordbg_patch_publisher *publisher)
{
  for (size_t i = 0; i < publisher->taken_count; i++) {
    free_block taken = publisher->taken[i];
    /* Without memory for the queue the block is lost to the file, not to correctness. */
    (void)queue_push(&publisher->free[taken.tag], (free_block){.offset = taken.offset, .tag = 0});
  }
}

/* ---- life ---- */

static uint64_t
now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A descriptor through which nobody can write: the client maps it. */
static int
reopen_read_only(int fd)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_RDONLY | O_CLOEXEC);
}

HRESULT
cordbg_patch_publisher_create(uint32_t pid, cordbg_patch_publisher **ret, cordbg_error *error)
{
  cordbg_patch_publisher *publisher = calloc(1, sizeof *publisher);
  if (publisher == NULL)
    return cordbg_error_set_errno(error, ENOMEM, 0, "no memory for the patch table");
  publisher->map = MAP_FAILED;
  publisher->reader_fd = -1;
  publisher->fd = memfd_create("cordbg-patches", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (publisher->fd < 0 || ftruncate(publisher->fd, CORDBG_PATCH_TABLE_SIZE) < 0)
    goto failed;
  publisher->map = mmap(NULL, CORDBG_PATCH_TABLE_SIZE, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_NORESERVE, publisher->fd, 0);
  if (publisher->map == MAP_FAILED)
    goto failed;
  /* No reader meets a file that shrank; only this mapping, made before, writes. Kernels before
     5.1 do not know FUTURE_WRITE: there the read-only descriptor alone has to do. */
  if (fcntl(publisher->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
    goto failed;
  (void)fcntl(publisher->fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
  publisher->reader_fd = reopen_read_only(publisher->fd);
  if (publisher->reader_fd < 0)
    goto failed;

  publisher->header = (cordbg_patch_header *)publisher->map;
  publisher->header->magic = CORDBG_PATCH_TABLE_MAGIC;
  publisher->header->version = CORDBG_PATCH_TABLE_VERSION;
  publisher->header->pid = pid;
  /* Generation 0 is older than every mark: nobody ever begins with it. */
  atomic_store(&publisher->header->generation, 1);
  publisher->end = (sizeof *publisher->header + 4095) & ~(uint64_t)4095;
  publisher->next_safe_since_ms = now_ms();
  *ret = publisher;
  return S_OK;

failed:;
  HRESULT hr = cordbg_error_set_errno(error, errno, 0, "the patch table cannot be made");
  cordbg_patch_publisher_destroy(publisher);
  return hr;
}

void
cordbg_patch_publisher_destroy(cordbg_patch_publisher *publisher)
{
  if (publisher == NULL)
    return;
  if (publisher->map != MAP_FAILED)
    munmap(publisher->map, CORDBG_PATCH_TABLE_SIZE);
  if (publisher->reader_fd >= 0)
    close(publisher->reader_fd);
  if (publisher->fd >= 0)
    close(publisher->fd);
  for (unsigned class = 0; class < CLASS_COUNT; class ++)
    free(publisher->free[class].blocks);
  free(publisher->entries);
  free(publisher->refs);
  free(publisher->taken);
  free(publisher->dropped);
  free(publisher);
}

int
cordbg_patch_publisher_fd(const cordbg_patch_publisher *publisher)
{
  return publisher->reader_fd;
}

void
cordbg_patch_publisher_set_pid(cordbg_patch_publisher *publisher, uint32_t pid)
{
  publisher->header->pid = pid;
}

void
cordbg_patch_publisher_set_gone(cordbg_patch_publisher *publisher, uint64_t why)
{
  atomic_store_explicit(&publisher->header->gone, why, memory_order_seq_cst);
}

/* ---- merging ---- */

static const cordbg_patch_root *
current_root(const cordbg_patch_publisher *publisher)
{
  uint64_t offset = atomic_load_explicit(&publisher->header->root, memory_order_relaxed);
  return offset == 0 ? NULL : (const cordbg_patch_root *)(publisher->map + offset);
}

static uint64_t
settled_pack(const cordbg_patch_entry *entry)
{
  return entry->packed & ~(uint64_t)0xffffff;
}

/* What becomes of the entries at one address. Each of old_retired, old_live and change may be
   NULL. Writes 0 to 2 entries to out and returns their count; *purged is raised when an entry
   leaves that an old reader may still want. */
static size_t
merge_address(const cordbg_patch_entry *old_retired, const cordbg_patch_entry *old_live,
              const cordbg_patch_change *change, uint64_t generation, uint64_t safe_generation,
              cordbg_patch_entry *out, uint64_t *purged)
{
  size_t count = 0;
  bool retires = change != NULL && change->layers == 0 && old_live != NULL;
  if (old_retired != NULL && !retires) {
    /* A newer retirement at the address covers an older one; a live entry does not. */
    if (old_retired->retired > safe_generation)
      out[count++] = *old_retired;
    else if (old_retired->retired > *purged)
      *purged = old_retired->retired;
  }
  if (retires) {
    out[count] = *old_live;
    out[count++].retired = generation;
  } else if (change != NULL && change->layers != 0) {
    uint64_t settled = old_live == NULL ? 0 : settled_pack(old_live);
    if (old_live != NULL && old_live->lifted != 0 && change->lifted == 0)
      settled = generation << 24;
    out[count++] = (cordbg_patch_entry){
        .address = change->address,
        .packed = settled | change->original | (uint64_t)change->layers << 8 |
                  (uint64_t)(change->lifted != 0) << 16,
    };
  } else if (old_live != NULL) {
    out[count++] = *old_live;
  }
  return count;
}

/* Walks the entries of several chunks in a row. */
typedef struct chunk_cursor {
  const uint8_t *map;
  const cordbg_patch_chunk_ref *chunk, *end;
  uint32_t index;
} chunk_cursor;

static const cordbg_patch_entry *
cursor_peek(chunk_cursor *cursor)
{
  while (cursor->chunk < cursor->end && cursor->index >= cursor->chunk->count) {
    cursor->chunk++;
    cursor->index = 0;
  }
  if (cursor->chunk == cursor->end)
    return NULL;
  return (const cordbg_patch_entry *)(cursor->map + cursor->chunk->offset) + cursor->index;
}

/* Merges changes into the chunks [from, to) of the old root; the result goes to entries. */
static size_t
merge_group(cordbg_patch_publisher *publisher, const cordbg_patch_chunk_ref *from,
            const cordbg_patch_chunk_ref *to, const cordbg_patch_change *changes, size_t count,
            uint64_t generation, uint64_t *purged)
{
  chunk_cursor cursor = {.map = publisher->map, .chunk = from, .end = to};
  size_t made = 0;
  size_t next = 0;
  for (;;) {
    const cordbg_patch_entry *entry = cursor_peek(&cursor);
    const cordbg_patch_change *change = next < count ? &changes[next] : NULL;
    if (entry == NULL && change == NULL)
      return made;
    uint64_t address = entry == NULL || (change != NULL && change->address < entry->address)
                           ? change->address
                           : entry->address;
    const cordbg_patch_entry *retired = NULL;
    const cordbg_patch_entry *live = NULL;
    while (entry != NULL && entry->address == address) {
      if (entry->retired != 0)
        retired = entry;
      else
        live = entry;
      cursor.index++;
      entry = cursor_peek(&cursor);
    }
    if (change != NULL && change->address == address)
      next++;
    else
      change = NULL;
    made += merge_address(retired, live, change, generation, publisher->safe_generation,
                          &publisher->entries[made], purged);
  }
}

static bool
add_ref(cordbg_patch_publisher *publisher, cordbg_patch_chunk_ref ref)
{
  if (!grow((void **)&publisher->refs, &publisher->refs_room, publisher->refs_count + 1,
            sizeof *publisher->refs))
    return false;
  publisher->refs[publisher->refs_count++] = ref;
  return true;
}

/*
 * Writes count merged entries as chunks of about equal length. A retired entry and the live one
 * that took its place stay in one chunk: a reader that meets the former looks for the latter
 * behind it.
 */
static bool
write_chunks(cordbg_patch_publisher *publisher, size_t count)
{
  size_t from = 0;
  while (from < count) {
    size_t left = count - from;
    size_t chunks = (left + CORDBG_PATCH_CHUNK_ENTRIES - 1) / CORDBG_PATCH_CHUNK_ENTRIES;
    size_t length = (left + chunks - 1) / chunks;
    const cordbg_patch_entry *entries = &publisher->entries[from];
    if (length < left && entries[length - 1].address == entries[length].address)
      length--;
    uint64_t offset = block_take(publisher, CLASS_CHUNK);
    if (offset == 0)
      return false;
    memcpy(publisher->map + offset, entries, length * sizeof *entries);
    if (!add_ref(publisher, (cordbg_patch_chunk_ref){.first = entries[0].address,
                                                     .last = entries[length - 1].address,
                                                     .offset = offset,
                                                     .count = (uint32_t)length}))
      return false;
    from += length;
  }
  return true;
}

/* How many changes belong to the group that ends with chunk `last`: those before its successor. */
static size_t
changes_before(const cordbg_patch_change *changes, size_t count, uint64_t address)
{
  size_t low = 0;
  size_t high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (changes[middle].address < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/*
 * Builds the references of the new root in publisher->refs. A change belongs to the last chunk
 * that begins at its address or before (or to the first chunk); neighbouring chunks that changes
 * belong to are merged as one group.
 */
static bool
build(cordbg_patch_publisher *publisher, const cordbg_patch_chunk_ref *old, size_t old_count,
      const cordbg_patch_change *changes, size_t count, uint64_t generation, uint64_t *purged)
{
  size_t chunk = 0;
  while (chunk < old_count || count > 0) {
    size_t to = chunk;
    size_t mine = 0;
    size_t entries = 0;
    while (to < old_count) {
      size_t upto = to + 1 < old_count ? changes_before(changes, count, old[to + 1].first) : count;
      bool touched = upto > mine;
      bool small = to > chunk && entries + mine < CHUNK_SMALL && old[to].count < CHUNK_SMALL;
      if (!touched && !small)
        break;
      entries += old[to].count;
      mine = upto;
      to++;
    }
    if (to == chunk && chunk < old_count) { /* untouched: the new root refers to it as it is */
      if (!add_ref(publisher, old[chunk++]))
        return false;
      continue;
    }
    if (old_count == 0)
      mine = count;
    if (!grow((void **)&publisher->entries, &publisher->entries_room, entries + 2 * mine,
              sizeof *publisher->entries) ||
        !grow((void **)&publisher->dropped, &publisher->dropped_room,
              publisher->dropped_count + (to - chunk), sizeof *publisher->dropped))
      return false;
    for (size_t i = chunk; i < to; i++)
      publisher->dropped[publisher->dropped_count++] = old[i].offset;
    size_t made = merge_group(publisher, old + chunk, old + to, changes, mine, generation, purged);
    if (!write_chunks(publisher, made))
      return false;
    changes += mine;
    count -= mine;
    chunk = to;
  }
  return true;
}

/* ---- publishing ---- */

static void
age_retirements(cordbg_patch_publisher *publisher)
{
  uint64_t now = now_ms();
  if (now - publisher->next_safe_since_ms < PURGE_AGE_MS)
    return;
  publisher->safe_generation = publisher->next_safe_generation;
  publisher->next_safe_generation = generation_now(publisher);
  publisher->next_safe_since_ms = now;
}

/* The swap: marks, root, generation, in this order. */
static void
install(cordbg_patch_publisher *publisher, uint64_t root, unsigned class, uint64_t generation,
        uint64_t purged)
{
  uint64_t old = atomic_load_explicit(&publisher->header->root, memory_order_relaxed);
  unsigned old_class = publisher->root_class;
  raise_mark(&publisher->header->purged_generation, purged);
  atomic_store_explicit(&publisher->header->root, root, memory_order_release);
  atomic_store_explicit(&publisher->header->generation, generation, memory_order_release);
  publisher->root_class = class;
  if (old != 0)
    (void)queue_push(&publisher->free[old_class],
                     (free_block){.offset = old, .tag = generation - 1});
  for (size_t i = 0; i < publisher->dropped_count; i++)
    (void)queue_push(&publisher->free[CLASS_CHUNK],
                     (free_block){.offset = publisher->dropped[i], .tag = generation - 1});
  /* The trap is planted only after this returns: it must not pass the publication. */
  atomic_thread_fence(memory_order_seq_cst);
}

HRESULT
cordbg_patch_publisher_publish(cordbg_patch_publisher *publisher,
                               const cordbg_patch_change *changes, size_t count,
                               cordbg_error *error)
{
  if (count == 0)
    return S_OK;
  for (size_t i = 1; i < count; i++) {
    if (changes[i].address <= changes[i - 1].address)
      return cordbg_error_set(error, E_INVALIDARG, 0, changes[i].address,
                              "the changes of a publication are not in order");
  }
  age_retirements(publisher);
  publisher->refs_count = 0;
  publisher->taken_count = 0;
  publisher->dropped_count = 0;

  const cordbg_patch_root *old = current_root(publisher);
  uint64_t generation = generation_now(publisher) + 1;
  uint64_t purged = 0;
  uint64_t offset = 0;
  unsigned class = 0;
  bool built = build(publisher, old == NULL ? NULL : old->chunks,
                     old == NULL ? 0 : old->chunk_count, changes, count, generation, &purged);
  if (built && publisher->refs_count > 0) {
    class = root_class(publisher->refs_count);
    offset = block_take(publisher, class);
    built = offset != 0;
  }
  if (!built) {
    blocks_give_back(publisher);
    return cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0,
                            "the patch table is full: remove some breakpoints");
  }
  if (offset != 0) {
    cordbg_patch_root *root = (cordbg_patch_root *)(publisher->map + offset);
    uint32_t entries = 0;
    for (size_t i = 0; i < publisher->refs_count; i++)
      entries += publisher->refs[i].count;
    root->generation = generation;
    root->chunk_count = (uint32_t)publisher->refs_count;
    root->entry_count = entries;
    memcpy(root->chunks, publisher->refs, publisher->refs_count * sizeof *publisher->refs);
  }
  install(publisher, offset, class, generation, purged);
  return S_OK;
}

void
cordbg_patch_publisher_drop_all(cordbg_patch_publisher *publisher)
{
  const cordbg_patch_root *old = current_root(publisher);
  uint64_t generation = generation_now(publisher) + 1;
  publisher->dropped_count = 0;
  if (old != NULL && grow((void **)&publisher->dropped, &publisher->dropped_room, old->chunk_count,
                          sizeof *publisher->dropped)) {
    for (uint32_t i = 0; i < old->chunk_count; i++)
      publisher->dropped[publisher->dropped_count++] = old->chunks[i].offset;
  }
  atomic_fetch_add_explicit(&publisher->header->space, 1, memory_order_release);
  /* A fetch that began in the old space may hold traps whose entries are gone: again. */
  install(publisher, 0, 0, generation, generation);
}
