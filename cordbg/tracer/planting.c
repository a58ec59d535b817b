/* SPDX-License-Identifier: MIT */
/*
 * Planting, removing and writing: the part of the patches (patches.h) that touches the target.
 *
 * A batch is sorted, looked up page by page (one question a mapping), read with few vectored
 * calls, published as one generation and then written. While threads run, each trap is a write of
 * one byte, which the CPU sees whole; when they stand still, neighbours go in one write.
 */
#include "config.h"

#include "cordbg/tracer/patches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SPAN_GAP 64u /* traps that are nearer than this are written together */
#define PATROL_PATCHES 256u
#define PATROL_EVERY_NS 50000000ull

/* One address of a batch on its way. */
typedef struct batch_item {
  uint64_t address;
  uint32_t index; /* in the request */
  int32_t status;
  uint8_t original;
  bool fresh; /* plant: the trap is still to be written. remove: the byte is to be restored */
  bool publish;
  cordbg_mapping *mapping; /* of its page, in the batch's list; NULL: none */
} batch_item;

typedef struct batch {
  batch_item *items;
  size_t count;
  cordbg_mapping *mappings; /* found in this batch */
  size_t mapping_count;
  cordbg_space_piece *pieces;
  cordbg_patch_change *changes;
  size_t change_count;
} batch;

static uint64_t
now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int
compare_items(const void *a, const void *b)
{
  const batch_item *left = a, *right = b;
  if (left->address != right->address)
    return left->address < right->address ? -1 : 1;
  return left->index < right->index ? -1 : left->index > right->index;
}

static void
batch_deinit(batch *work)
{
  free(work->items);
  free(work->mappings);
  free(work->pieces);
  free(work->changes);
}

static bool
batch_init(batch *work, const uint64_t *addresses, size_t count)
{
  *work = (batch){.count = count};
  work->items = calloc(count, sizeof *work->items);
  work->mappings = calloc(count, sizeof *work->mappings);
  work->pieces = calloc(count, sizeof *work->pieces);
  work->changes = calloc(count, sizeof *work->changes);
  if (work->items == NULL || work->mappings == NULL || work->pieces == NULL ||
      work->changes == NULL) {
    batch_deinit(work);
    return false;
  }
  bool sorted = true;
  for (size_t i = 0; i < count; i++) {
    work->items[i] = (batch_item){.address = addresses[i], .index = (uint32_t)i};
    sorted = sorted && (i == 0 || addresses[i - 1] <= addresses[i]);
  }
  if (!sorted)
    qsort(work->items, count, sizeof *work->items, compare_items);
  return true;
}

/* The mapping at address, remembered for the batch. NULL with *status set: none to write to. */
static cordbg_mapping *
batch_mapping(batch *work, cordbg_space *space, uint64_t address, int *status)
{
  if (work->mapping_count > 0) {
    cordbg_mapping *last = &work->mappings[work->mapping_count - 1];
    if (address >= last->start && address < last->end)
      return last;
  }
  cordbg_mapping found;
  *status = cordbg_space_find(space, address, &found);
  if (*status == 0)
    *status = cordbg_space_check(space, &found);
  if (*status != 0)
    return NULL;
  work->mappings[work->mapping_count] = found;
  return &work->mappings[work->mapping_count++];
}

static void
batch_change(batch *work, const cordbg_patch *patch)
{
  if (work->change_count > 0 && work->changes[work->change_count - 1].address == patch->address)
    work->change_count--; /* the same address again: the later state counts */
  work->changes[work->change_count++] = (cordbg_patch_change){.address = patch->address,
                                                              .original = patch->original,
                                                              .layers = patch->layers,
                                                              .lifted = patch->lifted};
}

static int
compare_changes(const void *a, const void *b)
{
  const cordbg_patch_change *left = a, *right = b;
  return left->address < right->address ? -1 : left->address > right->address;
}

static HRESULT
publish(cordbg_patches *patches, batch *work, cordbg_error *error)
{
  HRESULT hr = S_OK;
  for (size_t i = 1; i < work->change_count; i++) {
    if (work->changes[i - 1].address > work->changes[i].address) {
      qsort(work->changes, work->change_count, sizeof *work->changes, compare_changes);
      break;
    }
  }
  if (work->change_count > 0)
    hr = cordbg_patch_publisher_publish(patches->publisher, work->changes, work->change_count,
                                        error);
  work->change_count = 0;
  return hr;
}

/* Drops the live patches of a page whose mapping is gone: nothing is written. */
static void
drop_page(cordbg_patches *patches, cordbg_patch_page *page)
{
  cordbg_patch_change *changes = calloc(page->live, sizeof *changes);
  size_t count = 0;
  for (uint32_t i = 0; i < page->count; i++) {
    cordbg_patch *patch = &page->patches[i];
    if (patch->layers == 0)
      continue;
    if (changes != NULL)
      changes[count++] =
          (cordbg_patch_change){.address = patch->address, .original = patch->original};
    patch->dead_since = 0; /* what is there now never was a trap of ours */
    cordbg_patches_bury(patches, page, patch);
    patches->statistics->dropped++;
  }
  if (changes != NULL && count > 0)
    cordbg_patch_publisher_publish(patches->publisher, changes, count, NULL);
  free(changes);
}

bool
cordbg_patches_verify(cordbg_patches *patches, cordbg_space *space, uint64_t address)
{
  cordbg_patch_page *page = cordbg_patches_page(patches, address);
  if (page == NULL || page->live == 0)
    return false;
  cordbg_mapping now;
  int status = cordbg_space_find(space, address, &now);
  if (status == 0 && cordbg_mapping_same(&page->mapping, &now, page->page) &&
      now.shared == page->mapping.shared) {
    page->mapping = now;
    return true;
  }
  if (status == 0 || status == EFAULT)
    drop_page(patches, page);
  return false;
}

/* ---- Planting ---- */

static bool
add_layer(cordbg_patch *patch, cordbg_layer layer)
{
  uint8_t before = patch->layers;
  if (layer == CORDBG_LAYER_MANAGED && patch->managed < UINT32_MAX)
    patch->managed++;
  if (layer == CORDBG_LAYER_INTERNAL && patch->internal < UINT32_MAX)
    patch->internal++;
  patch->layers = (uint8_t)(patch->layers | (uint8_t)layer);
  return patch->layers != before;
}

/* Finds each item's mapping; checks the identity of pages that have patches already. */
static void
plant_locate(cordbg_patches *patches, cordbg_space *space, batch *work)
{
  uint64_t page_before = UINT64_MAX;
  cordbg_mapping *mapping = NULL;
  int status = 0;
  for (size_t i = 0; i < work->count; i++) {
    batch_item *item = &work->items[i];
    uint64_t page_now = item->address & ~(uint64_t)(CORDBG_PAGE_SIZE - 1);
    if (page_now != page_before) {
      page_before = page_now;
      mapping = batch_mapping(work, space, item->address, &status);
      cordbg_patch_page *page = cordbg_patches_page(patches, page_now);
      if (page != NULL && page->live > 0 &&
          (mapping == NULL || mapping->shared != page->mapping.shared ||
           !cordbg_mapping_same(&page->mapping, mapping, page_now)))
        drop_page(patches, page);
    }
    item->mapping = mapping;
    if (mapping == NULL)
      item->status = status;
  }
}

/* Reads the bytes at the items that `wanted` picks; a byte that does not come gives EFAULT. */
static void
read_bytes(cordbg_space *space, batch *work)
{
  size_t pieces = 0;
  for (size_t i = 0; i < work->count; i++) {
    batch_item *item = &work->items[i];
    if (item->fresh && item->status == 0)
      work->pieces[pieces++] =
          (cordbg_space_piece){.address = item->address, .size = 1, .buffer = &item->original};
  }
  cordbg_space_read_pieces(space, work->pieces, pieces);
  pieces = 0;
  for (size_t i = 0; i < work->count; i++) {
    batch_item *item = &work->items[i];
    if (item->fresh && item->status == 0 && work->pieces[pieces++].read != 1)
      item->status = EFAULT;
  }
}

/* Gives the items their patches; counts what was there already. */
static void
plant_enter(cordbg_patches *patches, batch *work, cordbg_layer layer)
{
  for (size_t i = 0; i < work->count; i++) {
    batch_item *item = &work->items[i];
    if (item->status != 0)
      continue;
    cordbg_patch *patch = cordbg_patches_slot(patches, item->address);
    if (patch == NULL) {
      item->status = ENOMEM;
      continue;
    }
    if (patch->layers != 0) {
      item->fresh = false;
      if (layer == CORDBG_LAYER_NATIVE && (patch->layers & CORDBG_LAYER_NATIVE) != 0) {
        item->status = EEXIST;
      } else if (add_layer(patch, layer)) {
        batch_change(work, patch);
      }
      item->original = patch->original;
      continue;
    }
    cordbg_patch_page *page = cordbg_patches_page(patches, item->address);
    if (page->live == 0)
      page->mapping = *item->mapping;
    *patch = (cordbg_patch){
        .address = item->address, .original = item->original, .serial = ++patches->serial};
    add_layer(patch, layer);
    page->live++;
    patches->live++;
    patches->dead--;
    batch_change(work, patch);
  }
}

/* Takes back what plant_enter did for an address whose trap could not be written. */
static void
plant_undo(cordbg_patches *patches, batch *work, uint64_t address)
{
  cordbg_patch *patch = cordbg_patches_find(patches, address);
  if (patch == NULL)
    return;
  cordbg_patches_bury(patches, cordbg_patches_page(patches, address), patch);
  patch->dead_since = now_ns();
  batch_change(work, patch);
}

/* Items first..last (inclusive) of one page lie near each other: one write for all. */
static int
write_span(const cordbg_patches *patches, cordbg_space *space, batch_item *first, batch_item *last,
           bool trap)
{
  uint8_t span[CORDBG_PAGE_SIZE];
  size_t size = (size_t)(last->address - first->address) + 1;
  size_t written;
  (void)patches;
  if (size > 1) {
    if (cordbg_space_read(space, first->address, span, size) != size)
      return EFAULT;
  }
  for (batch_item *item = first; item <= last; item++) {
    if (item->fresh && item->status == 0)
      span[item->address - first->address] = trap ? CORDBG_TRAP : item->original;
  }
  return cordbg_space_write(space, first->mapping, first->address, span, size, &written);
}

/* Writes the fresh items: the trap, or their originals. */
static void
write_bytes(cordbg_patches *patches, cordbg_space *space, batch *work, bool trap, bool still)
{
  for (size_t i = 0; i < work->count;) {
    batch_item *first = &work->items[i];
    if (!first->fresh || first->status != 0) {
      i++;
      continue;
    }
    size_t last = i, next = i + 1;
    for (; still && next < work->count; next++) {
      batch_item *item = &work->items[next];
      if (item->address - work->items[last].address > SPAN_GAP ||
          (item->address ^ first->address) >= CORDBG_PAGE_SIZE ||
          (item->address & ~(uint64_t)(CORDBG_PAGE_SIZE - 1)) !=
              (first->address & ~(uint64_t)(CORDBG_PAGE_SIZE - 1)))
        break;
      if (item->fresh && item->status == 0)
        last = next;
    }
    int status = write_span(patches, space, first, &work->items[last], trap);
    if (status != 0 && last > i) { /* one by one, to know which of them it is */
      for (size_t j = i; j <= last; j++) {
        if (work->items[j].fresh && work->items[j].status == 0)
          work->items[j].status =
              write_span(patches, space, &work->items[j], &work->items[j], trap);
      }
    } else {
      first->status = status;
    }
    i = last + 1;
  }
}

HRESULT
cordbg_patches_plant(cordbg_patches *patches, cordbg_space *space, cordbg_layer layer,
                     const uint64_t *addresses, size_t count, cordbg_plant_result *results,
                     bool still, cordbg_error *error)
{
  batch work;
  cordbg_patches_sweep(patches, now_ns());
  if (count == 0)
    return S_OK;
  if (!batch_init(&work, addresses, count))
    return cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory for %zu traps", count);
  plant_locate(patches, space, &work);
  for (size_t i = 0; i < count; i++)
    work.items[i].fresh = cordbg_patches_find(patches, work.items[i].address) == NULL;
  read_bytes(space, &work);
  plant_enter(patches, &work, layer);
  HRESULT hr = publish(patches, &work, error);
  for (size_t i = 0; FAILED(hr) && i < count; i++) {
    if (work.items[i].fresh && work.items[i].status == 0) {
      plant_undo(patches, &work, work.items[i].address);
      work.items[i].status = ENOMEM;
    }
  }
  work.change_count = FAILED(hr) ? 0 : work.change_count;
  write_bytes(patches, space, &work, true, still);
  for (size_t i = 0; i < count; i++) {
    batch_item *item = &work.items[i];
    if (item->fresh && item->status != 0)
      plant_undo(patches, &work, item->address);
    results[item->index] =
        (cordbg_plant_result){.status = item->status, .original = item->original};
  }
  publish(patches, &work, NULL);
  batch_deinit(&work);
  return S_OK;
}

/* ---- Removing ---- */

static bool
has_layer(const cordbg_patch *patch, cordbg_layer layer)
{
  return patch != NULL && (patch->layers & (uint8_t)layer) != 0;
}

/* Counts down. true: the layer went. */
static bool
drop_layer(cordbg_patch *patch, cordbg_layer layer)
{
  if (layer == CORDBG_LAYER_MANAGED && --patch->managed > 0)
    return false;
  if (layer == CORDBG_LAYER_INTERNAL && --patch->internal > 0)
    return false;
  patch->layers = (uint8_t)(patch->layers & ~(uint8_t)layer);
  return true;
}

/* Decides what goes; items whose byte must be restored are left fresh. */
static void
remove_enter(cordbg_patches *patches, cordbg_space *space, batch *work, cordbg_layer layer)
{
  uint64_t verified = UINT64_MAX;
  for (size_t i = 0; i < work->count; i++) {
    batch_item *item = &work->items[i];
    cordbg_patch *patch = cordbg_patches_find(patches, item->address);
    uint64_t page_address = item->address & ~(uint64_t)(CORDBG_PAGE_SIZE - 1);
    if (has_layer(patch, layer) && page_address != verified) {
      verified = page_address;
      item->original = patch->original;
      int status = 0;
      cordbg_patch_page *page = cordbg_patches_page(patches, item->address);
      cordbg_mapping *mapping = batch_mapping(work, space, item->address, &status);
      if (mapping != NULL && mapping->shared == page->mapping.shared &&
          cordbg_mapping_same(&page->mapping, mapping, page_address))
        page->mapping = *mapping;
      else
        drop_page(patches, page); /* nothing to restore: what was there is gone */
      if (page->live == 0)
        continue;
    }
    if (!has_layer(patch, layer)) {
      item->status = ENOENT;
      continue;
    }
    item->original = patch->original;
    if (!drop_layer(patch, layer))
      continue;
    if (patch->layers != 0) {
      batch_change(work, patch);
      continue;
    }
    item->fresh = true;
    item->mapping = &cordbg_patches_page(patches, item->address)->mapping;
  }
}

HRESULT
cordbg_patches_remove(cordbg_patches *patches, cordbg_space *space, cordbg_layer layer,
                      const uint64_t *addresses, size_t count, cordbg_plant_result *results,
                      bool still, cordbg_error *error)
{
  batch work;
  if (count == 0)
    return S_OK;
  if (!batch_init(&work, addresses, count))
    return cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory for %zu traps", count);
  remove_enter(patches, space, &work, layer);
  /* What stands there now: a trap that the program wrote over must not be "restored". */
  for (size_t i = 0; i < count; i++)
    results[work.items[i].index].original = work.items[i].original;
  read_bytes(space, &work);
  for (size_t i = 0; i < count; i++) {
    batch_item *item = &work.items[i];
    if (!item->fresh)
      continue;
    uint8_t found = item->original;
    item->original = results[item->index].original;
    if (item->status == 0 && found != CORDBG_TRAP) {
      patches->statistics->lost++;
      results[item->index].original = found;
      item->status = -1; /* not to be written */
    }
  }
  write_bytes(patches, space, &work, false, still);
  uint64_t now = now_ns();
  for (size_t i = 0; i < count; i++) {
    batch_item *item = &work.items[i];
    if (item->fresh) {
      cordbg_patch *patch = cordbg_patches_find_any(patches, item->address);
      cordbg_patches_bury(patches, cordbg_patches_page(patches, item->address), patch);
      patch->dead_since = now;
      batch_change(&work, patch);
    }
    results[item->index].status = item->fresh ? 0 : item->status;
  }
  HRESULT hr = publish(patches, &work, error);
  batch_deinit(&work);
  return hr;
}

/* ---- Writing behind the traps ---- */

/* Writes one page's part. Patches there take the new bytes as their originals. */
static int
write_page(cordbg_patches *patches, cordbg_space *space, uint64_t address, const uint8_t *data,
           size_t size, size_t *written, cordbg_patch_change *changes, size_t *change_count)
{
  cordbg_mapping mapping;
  uint8_t bytes[CORDBG_PAGE_SIZE];
  *written = 0;
  int status = cordbg_space_find(space, address, &mapping);
  if (status == 0)
    status = cordbg_space_check(space, &mapping);
  if (status != 0)
    return status;
  cordbg_patch_page *page = cordbg_patches_page(patches, address);
  if (page != NULL && page->live > 0 && !cordbg_patches_verify(patches, space, address))
    page = NULL;
  if (page == NULL || page->live == 0)
    return cordbg_space_write(space, &mapping, address, data, size, written);
  memcpy(bytes, data, size);
  for (uint32_t i = 0; i < page->count; i++) {
    const cordbg_patch *patch = &page->patches[i];
    if (patch->layers != 0 && patch->address >= address && patch->address < address + size)
      bytes[patch->address - address] = CORDBG_TRAP;
  }
  status = cordbg_space_write(space, &mapping, address, bytes, size, written);
  for (uint32_t i = 0; i < page->count; i++) {
    cordbg_patch *patch = &page->patches[i];
    if (patch->layers == 0 || patch->address < address || patch->address >= address + *written)
      continue;
    uint8_t value = data[patch->address - address];
    /* A block that was read through the client view and is written back shows native traps. */
    if (value == CORDBG_TRAP && (patch->layers & CORDBG_LAYER_NATIVE) != 0)
      continue;
    if (value == patch->original)
      continue;
    patch->original = value;
    changes[(*change_count)++] = (cordbg_patch_change){.address = patch->address,
                                                       .original = value,
                                                       .layers = patch->layers,
                                                       .lifted = patch->lifted};
  }
  return status;
}

int
cordbg_patches_write(cordbg_patches *patches, cordbg_space *space, uint64_t address,
                     const uint8_t *data, size_t size, size_t *written)
{
  *written = 0;
  cordbg_patch_change *changes = malloc(CORDBG_PAGE_SIZE * sizeof *changes);
  if (changes == NULL)
    return ENOMEM;
  int status = 0;
  while (status == 0 && *written < size) {
    uint64_t at = address + *written;
    size_t part = CORDBG_PAGE_SIZE - (size_t)(at & (CORDBG_PAGE_SIZE - 1));
    size_t done = 0, change_count = 0;
    if (part > size - *written)
      part = size - *written;
    status = write_page(patches, space, at, data + *written, part, &done, changes, &change_count);
    if (change_count > 0)
      cordbg_patch_publisher_publish(patches->publisher, changes, change_count, NULL);
    *written += done;
  }
  free(changes);
  return status;
}

/* ---- Steps in place ---- */

static void
publish_one(cordbg_patches *patches, const cordbg_patch *patch)
{
  cordbg_patch_change change = {.address = patch->address,
                                .original = patch->original,
                                .layers = patch->layers,
                                .lifted = patch->lifted};
  cordbg_patch_publisher_publish(patches->publisher, &change, 1, NULL);
}

bool
cordbg_patches_lift(cordbg_patches *patches, cordbg_space *space, cordbg_patch *patch)
{
  cordbg_patch_page *page = cordbg_patches_page(patches, patch->address);
  uint8_t byte;
  size_t written;
  if (cordbg_space_read(space, patch->address, &byte, 1) != 1)
    return false;
  if (byte != CORDBG_TRAP) { /* the program wrote over it: its byte is the original now */
    patches->statistics->lost++;
    patch->original = byte;
  }
  patch->lifted = 1;
  /* Only views that show this trap need to know: the others see the original in any case. */
  if ((patch->layers & CORDBG_LAYER_NATIVE) != 0 || byte != CORDBG_TRAP)
    publish_one(patches, patch);
  if (byte != CORDBG_TRAP)
    return true;
  if (cordbg_space_write(space, &page->mapping, patch->address, &patch->original, 1, &written) == 0)
    return true;
  patch->lifted = 0;
  if ((patch->layers & CORDBG_LAYER_NATIVE) != 0)
    publish_one(patches, patch);
  return false;
}

bool
cordbg_patches_replant(cordbg_patches *patches, cordbg_space *space, uint64_t address)
{
  cordbg_patch *patch = cordbg_patches_find(patches, address);
  if (patch == NULL || !patch->lifted)
    return false;
  if (!cordbg_patches_verify(patches, space, address))
    return false; /* the stepped instruction unmapped it */
  patch = cordbg_patches_find(patches, address);
  uint8_t byte;
  size_t written;
  if (patch == NULL || cordbg_space_read(space, address, &byte, 1) != 1)
    return false;
  bool rewritten = byte != patch->original;
  const uint8_t trap = CORDBG_TRAP;
  if (rewritten)
    patch->original = byte;
  if (rewritten) /* the new original must be known before the trap hides it */
    publish_one(patches, patch);
  bool planted = cordbg_space_write(space, &cordbg_patches_page(patches, address)->mapping, address,
                                    &trap, 1, &written) == 0;
  patch->lifted = 0;
  if ((patch->layers & CORDBG_LAYER_NATIVE) != 0 || rewritten)
    publish_one(patches, patch);
  return planted;
}

/* ---- All at once ---- */

void
cordbg_patches_restore_all(cordbg_patches *patches, cordbg_space *space)
{
  for (size_t i = 0; i < patches->page_slots; i++) {
    cordbg_patch_page *page = patches->pages[i];
    /* Identity first: verify drops what is not ours any more. */
    if (page == NULL || page->live == 0 || !cordbg_patches_verify(patches, space, page->page))
      continue;
    uint8_t bytes[CORDBG_PAGE_SIZE];
    size_t got = cordbg_space_read(space, page->page, bytes, sizeof bytes);
    for (uint32_t j = 0; j < page->count; j++) {
      cordbg_patch *patch = &page->patches[j];
      size_t at = (size_t)(patch->address - page->page), written;
      if (patch->layers == 0)
        continue;
      if (at < got && bytes[at] == CORDBG_TRAP && !patch->lifted)
        cordbg_space_write(space, &page->mapping, patch->address, &patch->original, 1, &written);
      cordbg_patches_bury(patches, page, patch);
      patch->dead_since = now_ns();
    }
  }
}

bool
cordbg_patches_any_shared(const cordbg_patches *patches)
{
  for (size_t i = 0; i < patches->page_slots; i++) {
    const cordbg_patch_page *page = patches->pages[i];
    if (page != NULL && page->live > 0 && page->mapping.shared)
      return true;
  }
  return false;
}

bool
cordbg_patches_heal_copy(const cordbg_patches *patches, int mem)
{
  bool shared = false;
  for (size_t i = 0; i < patches->page_slots; i++) {
    const cordbg_patch_page *page = patches->pages[i];
    if (page == NULL || page->count == 0)
      continue;
    if (page->mapping.shared) {
      shared = shared || page->live > 0;
      continue;
    }
    uint8_t bytes[CORDBG_PAGE_SIZE];
    ssize_t got = pread(mem, bytes, sizeof bytes, (off_t)page->page);
    for (uint32_t j = 0; j < page->count; j++) {
      const cordbg_patch *patch = &page->patches[j];
      ssize_t at = (ssize_t)(patch->address - page->page);
      if (patch->layers == 0 && patch->dead_since == 0)
        continue;
      if (at < got && bytes[at] == CORDBG_TRAP && patch->original != CORDBG_TRAP &&
          pwrite(mem, &patch->original, 1, (off_t)patch->address) != 1)
        continue; /* not mapped writable in the copy: then it cannot be executed either */
    }
  }
  return shared;
}

void
cordbg_patches_patrol(cordbg_patches *patches, cordbg_space *space, uint64_t now)
{
  if (patches->live == 0 || now - patches->patrolled_at < PATROL_EVERY_NS)
    return;
  patches->patrolled_at = now;
  size_t looked = 0;
  for (size_t i = 0; i < patches->page_slots && looked < PATROL_PATCHES; i++) {
    cordbg_patch_page *page = patches->pages[patches->patrol_slot++ & (patches->page_slots - 1)];
    if (page == NULL || page->live == 0)
      continue;
    looked += page->live;
    if (!cordbg_patches_verify(patches, space, page->page))
      continue;
    uint8_t bytes[CORDBG_PAGE_SIZE];
    size_t got = cordbg_space_read(space, page->page, bytes, sizeof bytes);
    for (uint32_t j = 0; j < page->count; j++) {
      cordbg_patch *patch = &page->patches[j];
      size_t at = (size_t)(patch->address - page->page), written;
      const uint8_t trap = CORDBG_TRAP;
      if (patch->layers == 0 || patch->lifted || at >= got || bytes[at] == CORDBG_TRAP)
        continue;
      patches->statistics->lost++;
      patch->original = bytes[at];
      publish_one(patches, patch);
      cordbg_space_write(space, &page->mapping, patch->address, &trap, 1, &written);
    }
  }
}
