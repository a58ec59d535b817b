/* SPDX-License-Identifier: MIT */
/*
 * Reading for a walk. A page is asked for whole: it is readable as a whole or not at all as far as
 * the kernel goes, so a source that reads all or nothing gives it as well. A source that has less
 * (a snapshot of a part of the stack) is then asked for exactly what is needed.
 */
#include "config.h"

#include "cordbg/native/walk-memory.h"

#include <string.h>

#define IN_PAGE ((uint64_t)CORDBG_WALK_PAGE - 1)
#define NO_PAGE 1u

void
cordbg_walk_memory_begin(cordbg_walk_memory *memory, const cordbg_stack_memory *source)
{
  memory->source = *source;
  memory->failures = 0;
  for (size_t i = 0; i < sizeof(memory->pages) / sizeof(memory->pages[0]); i++)
    memory->pages[i].address = NO_PAGE;
}

/* As many bytes from address on as the source gives when it is asked until it stops giving. */
static size_t
fetch(const cordbg_walk_memory *memory, uint64_t address, uint8_t *buffer, size_t size)
{
  size_t done = 0;

  while (done < size) {
    size_t n = memory->source.read(memory->source.data, address + done, buffer + done, size - done);

    if (n == 0 || n > size - done)
      break;
    done += n;
  }
  return done;
}

/* The page of an address, with what the source had of it. */
static const cordbg_walk_page *
page_at(cordbg_walk_memory *memory, uint64_t address)
{
  size_t count = sizeof(memory->pages) / sizeof(memory->pages[0]);
  cordbg_walk_page *page;

  for (size_t i = 0; i < count; i++)
    if (memory->pages[i].address == address)
      return &memory->pages[i];
  page = &memory->pages[memory->next++ % count];
  page->address = address;
  page->count = (uint32_t)fetch(memory, address, page->bytes, CORDBG_WALK_PAGE);
  return page;
}

static bool
read_within_page(cordbg_walk_memory *memory, uint64_t address, void *buffer, size_t size)
{
  uint64_t offset = address & IN_PAGE;
  const cordbg_walk_page *page = page_at(memory, address - offset);

  if (offset + size <= page->count) {
    memcpy(buffer, page->bytes + offset, size);
    return true;
  }
  return fetch(memory, address, buffer, size) == size;
}

bool
cordbg_walk_memory_read(cordbg_walk_memory *memory, uint64_t address, void *buffer, size_t size)
{
  size_t done = 0;

  if (size == 0)
    return true;
  if (address + (size - 1) < address) {
    memory->failures++;
    return false;
  }
  if (size > 2 * CORDBG_WALK_PAGE) /* not of a stack: nothing to remember */
    done = fetch(memory, address, buffer, size);
  while (done < size) {
    uint64_t at = address + done;
    size_t left = CORDBG_WALK_PAGE - (size_t)(at & IN_PAGE);

    if (left > size - done)
      left = size - done;
    if (!read_within_page(memory, at, (uint8_t *)buffer + done, left)) {
      memory->failures++;
      return false;
    }
    done += left;
  }
  return true;
}
