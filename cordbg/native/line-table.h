/* SPDX-License-Identifier: MIT */
/*
 * Source lines of an ELF image by its line programs alone, which libdw runs: no other part of the
 * debug information is needed, which matters where it is compressed (a C library's is 8 MB
 * unpacked, its lines 1.5). Private to the native room.
 */
#ifndef CORDBG_NATIVE_LINE_TABLE_H
#define CORDBG_NATIVE_LINE_TABLE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cordbg_line_table cordbg_line_table;

typedef struct cordbg_source_line {
  const char *file; /* until the Dwarf is ended */
  uint32_t line;    /* from 1 */
  uint32_t column;  /* from 1; 0: not known */
  uint64_t start;   /* the file's address where the line's code begins */
} cordbg_source_line;

/* dwarf is borrowed and outlives the table. NULL: it has no lines. */
cordbg_line_table *cordbg_line_table_open(Dwarf *dwarf);
void cordbg_line_table_free(cordbg_line_table *table); /* NULL allowed */

/* The line of an address of the file. False: not known. */
bool cordbg_line_table_find(cordbg_line_table *table, uint64_t address, cordbg_source_line *ret);

#endif
