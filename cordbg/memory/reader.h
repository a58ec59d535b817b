/* SPDX-License-Identifier: MIT */
/*
 * Reads a process's memory: fetches it, then lays the patch table over what came. Serves sessions
 * (target.c) and processes without one (win32-process.c).
 *
 * Internal to the memory room. Any thread; nothing is cached.
 */
#ifndef CORDBG_MEMORY_READER_H
#define CORDBG_MEMORY_READER_H

#include <pthread.h>

#include "cordbg/memory/maps.h"
#include "cordbg/memory/target.h"

typedef struct cordbg_reader {
  int pid;
  /* A session: its table is laid over, its gone flag tells when the pid may be another's, its
     tracer has the descriptor of /proc/PID/mem. All NULL for a process without a session. */
  const cordbg_patch_table *table;
  cordbg_tracer *tracer;
  /* Polled after each fetch where no gone flag can be trusted; -1: none. */
  int pidfd;
  _Atomic int check_pidfd;

  pthread_mutex_t lock; /* of what follows: opened when first needed, again after an exec */
  cordbg_maps maps;
  uint64_t maps_space;
  int mem_fd; /* without a session only */
} cordbg_reader;

/* pidfd is taken over. Nothing is opened yet. */
void cordbg_reader_init(cordbg_reader *reader, int pid, int pidfd, cordbg_tracer *tracer);
void cordbg_reader_deinit(cordbg_reader *reader);

/* S_OK, or why the process cannot be read any more: CORDBG_E_PROCESS_TERMINATED, _OBJECT_NEUTERED.
 */
HRESULT cordbg_reader_state(const cordbg_reader *reader);

/* As cordbg_target_read. E_ACCESSDENIED: the kernel refuses each route. */
HRESULT cordbg_reader_read(cordbg_reader *reader, cordbg_view view, uint64_t address, void *buffer,
                           size_t size, size_t *read, cordbg_error *error);

/* As cordbg_target_read_batch. */
HRESULT cordbg_reader_read_batch(cordbg_reader *reader, cordbg_view view, cordbg_read_range *ranges,
                                 size_t count, cordbg_error *error);

/*
 * Settles whether every byte of [address, address + size) can be read now, without keeping any:
 * S_OK; S_FALSE: it cannot, *hole is an address in the first page that cannot; or an error as
 * cordbg_reader_read. The range must not wrap.
 */
HRESULT cordbg_reader_probe(cordbg_reader *reader, uint64_t address, size_t size, uint64_t *hole,
                            cordbg_error *error);

/* As cordbg_maps_find and cordbg_maps_find_next, for the process's present address space. */
HRESULT cordbg_reader_find_mapping(cordbg_reader *reader, uint64_t address, bool or_next,
                                   cordbg_mapping *ret, char *path, size_t path_size,
                                   cordbg_error *error);

#endif
