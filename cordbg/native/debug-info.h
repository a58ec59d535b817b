/* SPDX-License-Identifier: MIT */
/*
 * The debug information of one image: lines, functions that were inlined, .debug_frame. Each is
 * read at the first question for it. Private to the native room.
 */
#ifndef CORDBG_NATIVE_DEBUG_INFO_H
#define CORDBG_NATIVE_DEBUG_INFO_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "cordbg/native/line-table.h"

typedef struct cordbg_debug_info cordbg_debug_info;

/* fd is taken over. NULL: the file has no DWARF. */
cordbg_debug_info *cordbg_debug_info_open(int fd);
void cordbg_debug_info_free(cordbg_debug_info *info); /* NULL allowed */

/* With call-frame information in it; NULL: it has none. */
Dwarf *cordbg_debug_info_frames(cordbg_debug_info *info);

/* The line of an address of the file. False: not known. */
bool cordbg_debug_info_line(cordbg_debug_info *info, uint64_t address, cordbg_source_line *ret);

#endif
