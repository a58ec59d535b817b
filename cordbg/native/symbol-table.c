/* SPDX-License-Identifier: MIT */
/*
 * Two sorted indexes over the symbols of a file: by hash of the name, by address.
 *
 * Sorted arrays and not a hash table, because the names come from the target: whatever they are,
 * building costs n log n and a question at worst one walk.
 */
#include "config.h"

#include "cordbg/native/symbol-table.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 4096u
/* How many symbols before an address are asked whether they reach it (nested and aliased ones). */
#define LOOK_BACK 64u
#define VERSION_HIDDEN 0x8000u

typedef struct name_key {
  uint32_t hash;
  uint32_t index;
} name_key;

struct cordbg_symbol_table {
  cordbg_table_symbol *symbols; /* by value, then rank */
  bool indexed;                 /* names is filled */
  name_key *names;              /* by hash, then rank, the highest first */
  size_t count;
  char *strings;
};

static uint32_t
hash_name(const char *name)
{
  uint32_t hash = 5381;

  for (const unsigned char *c = (const unsigned char *)name; *c; c++)
    hash = hash * 33 + *c;
  return hash;
}

static int
compare_values(const void *a, const void *b)
{
  const cordbg_table_symbol *x = a, *y = b;

  if (x->value != y->value)
    return x->value < y->value ? -1 : 1;
  return (int)x->rank - (int)y->rank;
}

static int
compare_names(const void *a, const void *b, void *data)
{
  const name_key *x = a, *y = b;
  const cordbg_table_symbol *symbols = data;

  if (x->hash != y->hash)
    return x->hash < y->hash ? -1 : 1;
  return (int)symbols[y->index].rank - (int)symbols[x->index].rank;
}

static bool
is_usable(const cordbg_symbol_data *data, const Elf64_Sym *symbol)
{
  unsigned int type = ELF64_ST_TYPE(symbol->st_info);
  size_t left;
  const char *name;

  if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS ||
      symbol->st_shndx == SHN_COMMON || symbol->st_name >= data->strings_size)
    return false;
  if (type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE && type != STT_GNU_IFUNC)
    return false;
  name = data->strings + symbol->st_name;
  left = data->strings_size - symbol->st_name;
  left = left < NAME_MAX_BYTES ? left : NAME_MAX_BYTES;
  return *name && memchr(name, 0, left) != NULL;
}

static uint8_t
rank_of(const cordbg_symbol_data *data, size_t index)
{
  const Elf64_Sym *symbol = &data->symbols[index];
  unsigned int bind = ELF64_ST_BIND(symbol->st_info);
  unsigned int rank = bind == STB_GLOBAL ? 4 : bind == STB_WEAK ? 2 : 0;

  if (!data->versions || index >= data->version_count || !(data->versions[index] & VERSION_HIDDEN))
    rank += 8;
  if (ELF64_ST_TYPE(symbol->st_info) != STT_NOTYPE)
    rank += 1;
  return (uint8_t)rank;
}

cordbg_symbol_table *
cordbg_symbol_table_new(const cordbg_symbol_data *data)
{
  cordbg_symbol_table *table = g_new0(cordbg_symbol_table, 1);
  size_t count = 0;

  for (size_t i = 0; i < data->count && i < UINT32_MAX; i++)
    count += is_usable(data, &data->symbols[i]);
  table->symbols = g_try_new(cordbg_table_symbol, count + 1);
  table->names = g_try_new(name_key, count + 1);
  table->strings = g_try_malloc(data->strings_size + 1);
  if (!table->symbols || !table->names || !table->strings) {
    cordbg_symbol_table_free(table);
    return NULL;
  }
  if (data->strings_size > 0)
    memcpy(table->strings, data->strings, data->strings_size);
  table->strings[data->strings_size] = 0;
  for (size_t i = 0; i < data->count && table->count < count; i++) {
    const Elf64_Sym *from = &data->symbols[i];

    if (is_usable(data, from))
      table->symbols[table->count++] = (cordbg_table_symbol){
          .value = from->st_value,
          .size = from->st_size,
          .name = from->st_name,
          .type = (uint8_t)ELF64_ST_TYPE(from->st_info),
          .rank = rank_of(data, i),
      };
  }
  qsort(table->symbols, table->count, sizeof(table->symbols[0]), compare_values);
  return table;
}

/* At the first question by name: a stack asks by address only. */
static void
index_names(cordbg_symbol_table *table)
{
  for (size_t i = 0; i < table->count; i++)
    table->names[i] = (name_key){hash_name(table->strings + table->symbols[i].name), (uint32_t)i};
  qsort_r(table->names, table->count, sizeof(table->names[0]), compare_names, table->symbols);
  table->indexed = true;
}

void
cordbg_symbol_table_free(cordbg_symbol_table *table)
{
  if (!table)
    return;
  g_free(table->symbols);
  g_free(table->names);
  g_free(table->strings);
  g_free(table);
}

size_t
cordbg_symbol_table_count(const cordbg_symbol_table *table)
{
  return table->count;
}

const char *
cordbg_symbol_table_name(const cordbg_symbol_table *table, const cordbg_table_symbol *symbol)
{
  return table->strings + symbol->name;
}

const cordbg_table_symbol *
cordbg_symbol_table_find(cordbg_symbol_table *table, const char *name)
{
  uint32_t hash = hash_name(name);
  size_t low = 0, high = table->count;

  if (!table->indexed)
    index_names(table);

  while (low < high) {
    size_t middle = low + (high - low) / 2;

    if (table->names[middle].hash < hash)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < table->count && table->names[low].hash == hash; low++) {
    const cordbg_table_symbol *symbol = &table->symbols[table->names[low].index];

    if (strcmp(table->strings + symbol->name, name) == 0)
      return symbol;
  }
  return NULL;
}

const cordbg_table_symbol *
cordbg_symbol_table_at(const cordbg_symbol_table *table, uint64_t value)
{
  size_t low = 0, high = table->count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;

    if (table->symbols[middle].value <= value)
      low = middle + 1;
    else
      high = middle;
  }
  for (size_t i = 0; i < LOOK_BACK && low > i; i++) {
    const cordbg_table_symbol *symbol = &table->symbols[low - 1 - i];

    if (value - symbol->value < symbol->size)
      return symbol;
    /* one without a size reaches up to its successor only */
    if (symbol->size == 0 && (i == 0 || symbol->value == table->symbols[low - 1].value))
      return symbol;
  }
  return NULL;
}
