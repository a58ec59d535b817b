/* SPDX-License-Identifier: MIT */
/* The target's insides: for the memory room alone. */
#ifndef CORDBG_MEMORY_TARGET_PRIVATE_H
#define CORDBG_MEMORY_TARGET_PRIVATE_H

#include "cordbg/memory/reader.h"

struct cordbg_target {
  _Atomic int references;
  cordbg_reader reader;
  cordbg_tracer *tracer; /* owned */
  uint64_t serial;       /* differs from that of every other target of this process, never 0 */
  _Atomic int control_c; /* what lpCheckControlCRoutine answers next */
  _Atomic(void *) companion;
  void (*companion_destroy)(void *companion);
};

/* A further reference, unless the last one is gone already. Under the registry's lock. */
bool cordbg_target_try_ref(cordbg_target *target);

/*
 * The registry (registry.c): pid -> target, the library's one global. It holds no references: a
 * target takes itself out before it is freed.
 */
HRESULT cordbg_registry_enter(cordbg_target *target, cordbg_error *error);
void cordbg_registry_leave(cordbg_target *target);

/*
 * All of [address, address + size) or nothing (whole.c): accessibility is settled before a byte of
 * buffer is touched. S_OK; S_FALSE: a byte cannot be read, error tells where; or an error as
 * cordbg_reader_read. Up to 1 MiB the bytes travel through a buffer of the library's, so that
 * buffer is untouched after every failure. Longer ranges are settled page by page first, then read
 * in place: there, a mapping that vanishes in between leaves buffer partly written (S_FALSE).
 */
HRESULT cordbg_reader_read_whole(cordbg_reader *reader, cordbg_view view, uint64_t address,
                                 void *buffer, size_t size, cordbg_error *error);

/*
 * Describes the stretch of like pages from the page of address on (virtual-query.c), mapped or
 * free. HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER): address lies beyond user space.
 */
HRESULT cordbg_reader_query(cordbg_reader *reader, uint64_t address,
                            MEMORY_BASIC_INFORMATION64 *ret, cordbg_error *error);

/*
 * Searches [address, address + length) (cut at the top of the address space) for a pattern, in the
 * client view (search.c). Memory that cannot be read is skipped. S_OK; S_FALSE: not found, nothing
 * is touched; or an error as cordbg_reader_read.
 */
typedef struct cordbg_search {
  const void *pattern;
  size_t size;
  uint64_t granularity; /* a match stands at a multiple of it from the beginning */
  bool writable_only;
} cordbg_search;
HRESULT cordbg_reader_search(cordbg_reader *reader, uint64_t address, uint64_t length,
                             const cordbg_search *search, uint64_t *ret, cordbg_error *error);

#endif
