/* SPDX-License-Identifier: MIT */
/*
 * Searching a target's memory for a pattern: SearchVirtual, and WdbgExts' IG_SEARCH_MEMORY.
 *
 * Read in overlapping pieces, so that a match may lie across two; what cannot be read is skipped
 * by its mapping, so that an empty terabyte costs nothing.
 */
#include "config.h"

#include "cordbg/memory/target-private.h"

#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#define PIECE ((size_t)256 << 10)

/* The next address at or above `address` in a mapping that may be read; 0: there is none. */
static uint64_t
next_readable(cordbg_reader *reader, uint64_t address, bool writable_only)
{
  uint32_t wanted = PROT_READ | (writable_only ? PROT_WRITE : 0u);
  cordbg_mapping mapping;
  while (cordbg_reader_find_mapping(reader, address, true, &mapping, NULL, 0, NULL) == S_OK) {
    if ((mapping.prot & wanted) == wanted)
      return address > mapping.start ? address : mapping.start;
    if (mapping.end <= address)
      break;
    address = mapping.end;
  }
  return 0;
}

/* The end of the readable mappings that follow each other from address on. */
static uint64_t
readable_end(cordbg_reader *reader, uint64_t address, uint64_t limit, bool writable_only)
{
  uint32_t wanted = PROT_READ | (writable_only ? PROT_WRITE : 0u);
  cordbg_mapping mapping;
  while (address < limit &&
         cordbg_reader_find_mapping(reader, address, false, &mapping, NULL, 0, NULL) == S_OK &&
         (mapping.prot & wanted) == wanted)
    address = mapping.end;
  return address < limit ? address : limit;
}

/* The first match in bytes that stands at a multiple of granularity from origin. */
static bool
match(const uint8_t *bytes, size_t size, uint64_t address, uint64_t origin,
      const cordbg_search *search, uint64_t *ret)
{
  const uint8_t *at = bytes;
  while (size >= search->size) {
    const uint8_t *found = memmem(at, size, search->pattern, search->size);
    if (found == NULL)
      return false;
    uint64_t where = address + (uint64_t)(found - bytes);
    if ((where - origin) % search->granularity == 0) {
      *ret = where;
      return true;
    }
    size -= (size_t)(found - at) + 1;
    at = found + 1;
  }
  return false;
}

HRESULT
cordbg_reader_search(cordbg_reader *reader, uint64_t address, uint64_t length,
                     const cordbg_search *search, uint64_t *ret, cordbg_error *error)
{
  uint64_t limit = address + length < address ? UINT64_MAX : address + length;
  if (search->size == 0 || search->pattern == NULL || search->granularity == 0)
    return cordbg_error_set(error, E_INVALIDARG, 0, address, "there is no pattern to search for");
  g_autofree uint8_t *piece = g_try_malloc(PIECE + search->size);
  if (piece == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, address, "no memory to search with");
  uint64_t at = address;
  while (at < limit && limit - at >= search->size) {
    HRESULT hr = cordbg_reader_state(reader);
    if (FAILED(hr))
      return cordbg_error_set(error, hr, 0, at, "the process cannot be searched any more");
    at = next_readable(reader, at, search->writable_only);
    if (at == 0 || at >= limit)
      break;
    uint64_t end = readable_end(reader, at, limit, search->writable_only);
    while (at < end) {
      size_t wanted = end - at < PIECE + search->size ? (size_t)(end - at) : PIECE + search->size;
      size_t read = 0;
      hr = cordbg_reader_read(reader, CORDBG_VIEW_CLIENT, at, piece, wanted, &read, error);
      if (FAILED(hr) && hr != CORDBG_E_READVIRTUAL_FAILURE)
        return hr;
      if (match(piece, read, at, address, search, ret))
        return S_OK;
      if (read < wanted) /* pages that the mapping has and the file does not: behind the hole */
        at = (at + read + 4096) & ~(uint64_t)4095;
      else
        at += wanted > PIECE ? PIECE : wanted;
    }
  }
  return S_FALSE;
}
