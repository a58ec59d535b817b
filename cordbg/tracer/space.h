/* SPDX-License-Identifier: MIT */
/*
 * The target's address space as the tracer reaches it: what is mapped where, and by which route a
 * byte may be written.
 *
 * Routes to write
 *   private mappings          /proc/PID/mem, which copies the page first: the file stays clean
 *   shared, writable          /proc/PID/mem
 *   shared memory files that are mapped without PROT_WRITE (W^X: the writable alias is elsewhere)
 *                             the file itself, reopened by way of /proc/PID/map_files or the
 *                             target's own descriptors, matched by device and inode, read back
 *   shared files on disk      refused: EPERM, a trap must never reach the disk
 * Mappings that the target itself cannot read (PROT_NONE) count as unmapped: EFAULT.
 */
#ifndef CORDBG_TRACER_SPACE_H
#define CORDBG_TRACER_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cordbg/com/error.h"
#include "cordbg/memory/maps.h"

#define CORDBG_SPACE_FILES 16u

typedef struct cordbg_space_file {
  dev_t device;
  uint64_t inode;
  int fd; /* read and write */
} cordbg_space_file;

typedef struct cordbg_space {
  int tid; /* a live thread of the process: the leader may end before the others */
  int mem; /* /proc/PID/mem, read and write */
  cordbg_maps maps;
  bool vm_calls; /* process_vm_readv and _writev work */
  cordbg_space_file files[CORDBG_SPACE_FILES];
  unsigned file_count;
} cordbg_space;

#define CORDBG_SPACE_NONE ((cordbg_space){.tid = -1, .mem = -1, .maps = CORDBG_MAPS_NONE})

/* Opens the descriptors for the process of a live thread. Also after its exec, which makes the old
   ones useless. */
HRESULT cordbg_space_open(cordbg_space *space, int tid, cordbg_error *error);
void cordbg_space_close(cordbg_space *space);

/* The readable mapping that holds address. 0 or EFAULT, or the errno of the look-up. */
int cordbg_space_find(cordbg_space *space, uint64_t address, cordbg_mapping *ret);

/* Whether bytes of the mapping may be written: 0, or EPERM (shared file on disk). */
int cordbg_space_check(cordbg_space *space, const cordbg_mapping *mapping);

/* Reads up to size bytes as they stand; the count, short at a hole. Honours protections. */
size_t cordbg_space_read(cordbg_space *space, uint64_t address, void *buffer, size_t size);

/*
 * Writes within one mapping that passed cordbg_space_check, whatever its protection. *written is
 * the count. 0 or an errno. EIO: the write through a memory file did not show at the address.
 */
int cordbg_space_write(cordbg_space *space, const cordbg_mapping *mapping, uint64_t address,
                       const void *data, size_t size, size_t *written);

/* One piece of a vectored read. */
typedef struct cordbg_space_piece {
  uint64_t address;
  uint32_t size;
  uint32_t read; /* bytes that came */
  uint8_t *buffer;
} cordbg_space_piece;
void cordbg_space_read_pieces(cordbg_space *space, cordbg_space_piece *pieces, size_t count);

/* Accesses as the target's own instructions would make them: all or nothing. */
bool cordbg_space_load(cordbg_space *space, uint64_t address, void *buffer, size_t size);
bool cordbg_space_store(cordbg_space *space, uint64_t address, const void *data, size_t size);

#endif
