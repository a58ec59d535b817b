/* SPDX-License-Identifier: MIT */
/* The structure that holds the patches (patches.h): a hash of pages, each a sorted array. */
#include "config.h"

#include "cordbg/tracer/patches.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_SLOTS_MIN 64u
#define DEAD_KEPT 8192u
#define DEAD_KEPT_NS 3000000000ull

static size_t
page_hash(uint64_t page)
{
  return (size_t)((page >> 12) * 0x9e3779b97f4a7c15ull >> 20);
}

HRESULT
cordbg_patches_init(cordbg_patches *patches, cordbg_statistics *statistics, cordbg_error *error)
{
  *patches = (cordbg_patches){.statistics = statistics};
  patches->pages = calloc(PAGE_SLOTS_MIN, sizeof *patches->pages);
  if (patches->pages == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "no memory for the patches");
  patches->page_slots = PAGE_SLOTS_MIN;
  return cordbg_patch_publisher_create(0, &patches->publisher, error);
}

static void
free_pages(cordbg_patches *patches)
{
  for (size_t i = 0; i < patches->page_slots; i++) {
    if (patches->pages[i] != NULL) {
      free(patches->pages[i]->patches);
      free(patches->pages[i]);
      patches->pages[i] = NULL;
    }
  }
  patches->page_count = patches->live = patches->dead = 0;
}

void
cordbg_patches_deinit(cordbg_patches *patches)
{
  free_pages(patches);
  free(patches->pages);
  if (patches->publisher != NULL)
    cordbg_patch_publisher_destroy(patches->publisher);
  *patches = (cordbg_patches){0};
}

cordbg_patch_page *
cordbg_patches_page(const cordbg_patches *patches, uint64_t address)
{
  uint64_t page = address & ~(uint64_t)(CORDBG_PAGE_SIZE - 1);
  size_t mask = patches->page_slots - 1;
  for (size_t i = page_hash(page) & mask; patches->pages[i] != NULL; i = (i + 1) & mask) {
    if (patches->pages[i]->page == page)
      return patches->pages[i];
  }
  return NULL;
}

/* Index of the first patch of the page at or above address. */
static uint32_t
lower_bound(const cordbg_patch_page *page, uint64_t address)
{
  uint32_t low = 0, high = page->count;
  /* Batches come in order: the end is the common answer. */
  if (high > 0 && page->patches[high - 1].address < address)
    return high;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (page->patches[middle].address < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

cordbg_patch *
cordbg_patches_find_any(const cordbg_patches *patches, uint64_t address)
{
  cordbg_patch_page *page = cordbg_patches_page(patches, address);
  if (page == NULL)
    return NULL;
  uint32_t at = lower_bound(page, address);
  if (at == page->count || page->patches[at].address != address)
    return NULL;
  return &page->patches[at];
}

cordbg_patch *
cordbg_patches_find(const cordbg_patches *patches, uint64_t address)
{
  cordbg_patch *patch = cordbg_patches_find_any(patches, address);
  return patch != NULL && patch->layers != 0 ? patch : NULL;
}

void
cordbg_patches_strip(const cordbg_patches *patches, uint64_t address, uint8_t *bytes, size_t size)
{
  uint64_t end = address + size;
  for (uint64_t at = address; at < end;) {
    uint64_t page_end = (at | (CORDBG_PAGE_SIZE - 1)) + 1;
    const cordbg_patch_page *page = cordbg_patches_page(patches, at);
    if (page_end == 0 || page_end > end)
      page_end = end;
    if (page != NULL && page->live > 0) {
      for (uint32_t i = lower_bound(page, at);
           i < page->count && page->patches[i].address < page_end; i++) {
        const cordbg_patch *patch = &page->patches[i];
        if (patch->layers != 0 && bytes[patch->address - address] == CORDBG_TRAP)
          bytes[patch->address - address] = patch->original;
      }
    }
    at = page_end;
  }
}

static bool
grow_pages(cordbg_patches *patches)
{
  size_t slots = patches->page_slots * 2;
  cordbg_patch_page **pages = calloc(slots, sizeof *pages);
  if (pages == NULL)
    return false;
  for (size_t i = 0; i < patches->page_slots; i++) {
    if (patches->pages[i] == NULL)
      continue;
    size_t at = page_hash(patches->pages[i]->page) & (slots - 1);
    while (pages[at] != NULL)
      at = (at + 1) & (slots - 1);
    pages[at] = patches->pages[i];
  }
  free(patches->pages);
  patches->pages = pages;
  patches->page_slots = slots;
  return true;
}

static cordbg_patch_page *
page_make(cordbg_patches *patches, uint64_t address)
{
  cordbg_patch_page *page = cordbg_patches_page(patches, address);
  if (page != NULL)
    return page;
  if ((patches->page_count + 1) * 2 > patches->page_slots && !grow_pages(patches))
    return NULL;
  page = calloc(1, sizeof *page);
  if (page == NULL)
    return NULL;
  page->page = address & ~(uint64_t)(CORDBG_PAGE_SIZE - 1);
  size_t mask = patches->page_slots - 1;
  size_t at = page_hash(page->page) & mask;
  while (patches->pages[at] != NULL)
    at = (at + 1) & mask;
  patches->pages[at] = page;
  patches->page_count++;
  return page;
}

cordbg_patch *
cordbg_patches_slot(cordbg_patches *patches, uint64_t address)
{
  cordbg_patch_page *page = page_make(patches, address);
  if (page == NULL)
    return NULL;
  uint32_t at = lower_bound(page, address);
  if (at < page->count && page->patches[at].address == address)
    return &page->patches[at];
  if (page->count == page->capacity) {
    uint32_t capacity = page->capacity == 0 ? 4 : page->capacity * 2;
    cordbg_patch *grown = realloc(page->patches, capacity * sizeof *grown);
    if (grown == NULL)
      return NULL;
    page->patches = grown;
    page->capacity = capacity;
  }
  memmove(page->patches + at + 1, page->patches + at, (page->count - at) * sizeof *page->patches);
  page->patches[at] = (cordbg_patch){.address = address};
  page->count++;
  patches->dead++; /* until the caller gives it layers */
  return &page->patches[at];
}

void
cordbg_patches_bury(cordbg_patches *patches, cordbg_patch_page *page, cordbg_patch *patch)
{
  patch->layers = 0;
  patch->lifted = 0;
  patch->managed = patch->internal = 0;
  page->live--;
  patches->live--;
  patches->dead++;
}

void
cordbg_patches_sweep(cordbg_patches *patches, uint64_t now)
{
  if (patches->dead < DEAD_KEPT || now - patches->swept_at < DEAD_KEPT_NS)
    return;
  patches->swept_at = now;
  for (size_t i = 0; i < patches->page_slots; i++) {
    cordbg_patch_page *page = patches->pages[i];
    if (page == NULL || page->live == page->count)
      continue;
    uint32_t kept = 0;
    for (uint32_t j = 0; j < page->count; j++) {
      const cordbg_patch *patch = &page->patches[j];
      if (patch->layers != 0 || now - patch->dead_since < DEAD_KEPT_NS)
        page->patches[kept++] = *patch;
      else
        patches->dead--;
    }
    page->count = kept;
  }
}

void
cordbg_patches_forget(cordbg_patches *patches)
{
  free_pages(patches);
  cordbg_patch_publisher_drop_all(patches->publisher);
}
