/* SPDX-License-Identifier: MIT */
/* The DWARF of one image, for its lines and its .debug_frame. Private to the native room. */
#ifndef CORDBG_NATIVE_DEBUG_INFO_H
#define CORDBG_NATIVE_DEBUG_INFO_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cordbg_debug_info cordbg_debug_info;

/* fd is taken over. NULL: the file has no DWARF. */
cordbg_debug_info *cordbg_debug_info_open(int fd);
void cordbg_debug_info_free(cordbg_debug_info *info); /* NULL allowed */

Dwarf *cordbg_debug_info_dwarf(cordbg_debug_info *info);

typedef struct cordbg_source_line {
  const char *file; /* until the info is freed */
  uint32_t line;    /* from 1 */
  uint32_t column;  /* from 1; 0: not known */
  uint64_t start;   /* the file's address where the line's code begins */
} cordbg_source_line;

/* The line of an address of the file. False: not known. */
bool cordbg_debug_info_line(cordbg_debug_info *info, uint64_t address, cordbg_source_line *ret);

#endif
