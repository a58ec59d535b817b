/* SPDX-License-Identifier: MIT */
/*
 * Source lines of an ELF image by its .debug_line alone: no other debug section is read, which
 * matters where they are compressed (a C library's are 8 MB unpacked, its lines 1.5). Private to
 * the native room. Follows: DWARF 5, 6.2, and its versions 2 to 4.
 *
 * Everything in it is hostile input: each program ends with its bytes, each number is bounded.
 */
#ifndef CORDBG_NATIVE_LINE_TABLE_H
#define CORDBG_NATIVE_LINE_TABLE_H

#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cordbg_line_table cordbg_line_table;

typedef struct cordbg_source_line {
  const char *file; /* until the table is freed */
  uint32_t line;    /* from 1 */
  uint32_t column;  /* from 1; 0: not known */
  uint64_t start;   /* the file's address where the line's code begins */
} cordbg_source_line;

/* elf is borrowed and outlives the table. NULL: the file has no lines. */
cordbg_line_table *cordbg_line_table_open(Elf *elf);
void cordbg_line_table_free(cordbg_line_table *table); /* NULL allowed */

/* The line of an address of the file. False: not known. */
bool cordbg_line_table_find(cordbg_line_table *table, uint64_t address, cordbg_source_line *ret);

/*
 * The path of a file by its number in the line program at an offset of .debug_line, as
 * DW_AT_call_file counts. NULL: none.
 */
const char *cordbg_line_table_file(cordbg_line_table *table, uint64_t program, uint64_t file);

/* The bytes of a section, unpacked where it is compressed. False: none, or an unsound one. */
bool cordbg_elf_section(Elf *elf, const char *name, const uint8_t **bytes, size_t *size);

#endif
