/* SPDX-License-Identifier: MIT */
/*
 * The mappings of a process: what stands at an address, with which protection, out of which file.
 *
 * Two routes to the same answer: the PROCMAP_QUERY ioctl (Linux 6.11 and newer), which finds one
 * mapping without formatting the others, and the text of /proc/PID/maps. The first failure of the
 * ioctl that means "not here" (an older kernel, a seccomp filter) turns a cordbg_maps to the text.
 *
 * A descriptor of /proc/PID/maps stays bound to the address space that it was opened for: after an
 * exec, or the end of the process, it shows no mapping at all. Open a new one then.
 *
 * Each answer is that of one moment: a running process maps and unmaps as it likes.
 * Linked by the tracer too: no glib, no allocation.
 */
#ifndef CORDBG_MEMORY_MAPS_H
#define CORDBG_MEMORY_MAPS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cordbg/com/error.h"

typedef struct cordbg_mapping {
  uint64_t start;
  uint64_t end;    /* exclusive */
  uint32_t prot;   /* PROT_READ | PROT_WRITE | PROT_EXEC */
  bool shared;     /* MAP_SHARED (or private by neither name: the vsyscall page counts private) */
  uint64_t offset; /* in the file, of start */
  uint64_t inode;  /* 0: no file behind it */
  dev_t device;    /* of the file, 0 without one */
} cordbg_mapping;

/* The two mappings show the same thing at `address`: same file and place in it, or both none. */
bool cordbg_mapping_same(const cordbg_mapping *a, const cordbg_mapping *b, uint64_t address);

typedef struct cordbg_maps {
  int fd;           /* of /proc/PID/maps, owned */
  bool query_fails; /* PROCMAP_QUERY was refused once: parse */
} cordbg_maps;

#define CORDBG_MAPS_NONE ((cordbg_maps){.fd = -1})

/* Opens /proc/PID/maps. Errors: the errno of the open (ENOENT: no such process; EACCES). */
HRESULT cordbg_maps_open(cordbg_maps *maps, int pid, cordbg_error *error);
/* Takes over a descriptor of a /proc/PID/maps that someone else opened. */
void cordbg_maps_adopt(cordbg_maps *maps, int fd);
void cordbg_maps_close(cordbg_maps *maps);

/*
 * The mapping that contains address. path (nullable) receives the name of what is mapped, cut to
 * path_size - 1 bytes and NUL-terminated; "" for an anonymous mapping; a file deleted meanwhile
 * ends in " (deleted)". S_OK; S_FALSE: nothing is mapped there (nothing is touched); else the
 * errno of a failed read. Threads: on one cordbg_maps at a time, unless the ioctl is known to work.
 */
HRESULT cordbg_maps_find(cordbg_maps *maps, uint64_t address, cordbg_mapping *ret, char *path,
                         size_t path_size, cordbg_error *error);

/* The same, but the next mapping above when none contains address. S_FALSE: none is above. */
HRESULT cordbg_maps_find_next(cordbg_maps *maps, uint64_t address, cordbg_mapping *ret, char *path,
                              size_t path_size, cordbg_error *error);

/*
 * Walks all mappings in the order of their addresses:
 *
 *   cordbg_maps_iterator iterator;
 *   cordbg_maps_begin(&iterator, maps);
 *   while ((hr = cordbg_maps_next(&iterator, &mapping, &path, error)) == S_OK)
 *     ...
 *
 * cordbg_maps_next: S_OK; S_FALSE after the last mapping; else the errno of a failed read. *path
 * (path nullable) points into the iterator and holds until the next step. One walk of a
 * cordbg_maps at a time; lines that the kernel cannot have written end the walk with E_FAIL.
 */
typedef struct cordbg_maps_iterator {
  cordbg_maps *maps;
  off_t position;                  /* of the text, behind what the buffer holds */
  uint64_t above;                  /* mappings that end at or below it were given already */
  size_t begin, end;               /* the unread part of the buffer */
  bool last;                       /* the text ended */
  char buffer[PATH_MAX * 2 + 256]; /* more than the longest line (names are escaped there) */
} cordbg_maps_iterator;

void cordbg_maps_begin(cordbg_maps_iterator *iterator, cordbg_maps *maps);
HRESULT cordbg_maps_next(cordbg_maps_iterator *iterator, cordbg_mapping *ret, const char **path,
                         cordbg_error *error);

#endif
