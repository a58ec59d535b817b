/* SPDX-License-Identifier: MIT */
/* The symbols of one .dynsym or .symtab, checked and indexed. Private to the native room. */
#ifndef CORDBG_NATIVE_SYMBOL_TABLE_H
#define CORDBG_NATIVE_SYMBOL_TABLE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cordbg_symbol_table cordbg_symbol_table;

typedef struct cordbg_table_symbol {
  uint64_t value; /* the file's address */
  uint64_t size;
  uint32_t name; /* offset of its name */
  uint8_t type;  /* STT_* */
  uint8_t rank;  /* of two symbols of one name or value, the higher one is meant */
} cordbg_table_symbol;

/* What a table is made of, as read; any content. versions: .gnu.version or NULL. */
typedef struct cordbg_symbol_data {
  const Elf64_Sym *symbols;
  size_t count;
  const char *strings;
  size_t strings_size;
  const uint16_t *versions;
  size_t version_count;
} cordbg_symbol_data;

/*
 * Copies what is usable: defined symbols with an address and a name of 1 to 4,095 bytes that ends
 * within the strings. NULL when memory is short. An empty table is a table.
 */
cordbg_symbol_table *cordbg_symbol_table_new(const cordbg_symbol_data *data);
void cordbg_symbol_table_free(cordbg_symbol_table *table); /* NULL allowed */

size_t cordbg_symbol_table_count(const cordbg_symbol_table *table);
const char *cordbg_symbol_table_name(const cordbg_symbol_table *table,
                                     const cordbg_table_symbol *symbol);
/* NULL: none. One thread at a time on one table: the first call makes an index. */
const cordbg_table_symbol *cordbg_symbol_table_find(cordbg_symbol_table *table, const char *name);
/* The symbol that the file's address value belongs to, or NULL. */
const cordbg_table_symbol *cordbg_symbol_table_at(const cordbg_symbol_table *table, uint64_t value);

#endif
