/* SPDX-License-Identifier: MIT */
/*
 * Exported symbols of an ELF image in another process's memory, through its dynamic section. The
 * image may be a memory file, deleted, or of another mount namespace: memory has it in any case.
 * Every number comes from the target: each read may fail, each loop has a bound.
 */
#include "config.h"

#include "cordbg/native/exports.h"

#include <elf.h>
#include <string.h>

#define DYNAMIC_MAX 512u
#define SEGMENTS_MAX 128u
#define CHAIN_MAX 65536u

typedef struct dynamic_tables {
  uint64_t bias;
  uint64_t symbols;
  uint64_t strings;
  uint64_t strings_size;
  uint64_t gnu_hash;
  uint64_t hash;
} dynamic_tables;

/* The distance between addresses in the file and in memory, and the dynamic section. */
static bool
find_dynamic(cordbg_modules_read peek, void *data, uint64_t base, dynamic_tables *ret,
             uint64_t *dynamic, uint64_t *size)
{
  Elf64_Ehdr header;
  Elf64_Phdr segments[SEGMENTS_MAX];
  bool has_load = false, has_dynamic = false;

  if (!peek(data, base, &header, sizeof(header)) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_phnum == 0 || header.e_phnum > SEGMENTS_MAX ||
      !peek(data, base + header.e_phoff, segments, header.e_phnum * sizeof(segments[0])))
    return false;
  for (unsigned i = 0; i < header.e_phnum; i++) {
    if (segments[i].p_type == PT_LOAD && !has_load) {
      ret->bias = base - (segments[i].p_vaddr & ~0xfffull);
      has_load = true;
    } else if (segments[i].p_type == PT_DYNAMIC) {
      *dynamic = segments[i].p_vaddr;
      *size = segments[i].p_memsz;
      has_dynamic = true;
    }
  }
  *dynamic += ret->bias;
  return has_load && has_dynamic;
}

static bool
read_tables(cordbg_modules_read peek, void *data, uint64_t base, dynamic_tables *ret)
{
  Elf64_Dyn entries[DYNAMIC_MAX];
  uint64_t address = 0, size = 0;

  *ret = (dynamic_tables){0};
  if (!find_dynamic(peek, data, base, ret, &address, &size))
    return false;
  size_t count = size / sizeof(entries[0]) < DYNAMIC_MAX ? size / sizeof(entries[0]) : DYNAMIC_MAX;
  if (count == 0 || !peek(data, address, entries, count * sizeof(entries[0])))
    return false;
  for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
    const Elf64_Dyn *entry = &entries[i];
    /* The dynamic linker turns these into addresses, once it has run, where it may write. */
    uint64_t pointer = entry->d_un.d_ptr < base ? entry->d_un.d_ptr + ret->bias : entry->d_un.d_ptr;
    if (entry->d_tag == DT_SYMTAB)
      ret->symbols = pointer;
    else if (entry->d_tag == DT_STRTAB)
      ret->strings = pointer;
    else if (entry->d_tag == DT_STRSZ)
      ret->strings_size = entry->d_un.d_val;
    else if (entry->d_tag == DT_GNU_HASH)
      ret->gnu_hash = pointer;
    else if (entry->d_tag == DT_HASH)
      ret->hash = pointer;
  }
  return ret->symbols && ret->strings && (ret->gnu_hash || ret->hash);
}

/* The value of symbol index when it is a definition named so; 0 otherwise. */
static uint64_t
match(cordbg_modules_read peek, void *data, const dynamic_tables *tables, uint32_t index,
      const char *name)
{
  Elf64_Sym symbol;
  char there[128];
  size_t length = strlen(name) + 1;

  if (length > sizeof(there) ||
      !peek(data, tables->symbols + (uint64_t)index * sizeof(symbol), &symbol, sizeof(symbol)) ||
      symbol.st_shndx == SHN_UNDEF || symbol.st_name > tables->strings_size ||
      length > tables->strings_size - symbol.st_name ||
      !peek(data, tables->strings + symbol.st_name, there, length))
    return 0;
  return memcmp(there, name, length) == 0 ? symbol.st_value : 0;
}

static uint64_t
find_by_gnu_hash(cordbg_modules_read peek, void *data, const dynamic_tables *tables,
                 const char *name)
{
  uint32_t head[4]; /* buckets, first symbol, bloom words, bloom shift */
  uint32_t hash = 5381, index, value;

  for (const unsigned char *c = (const unsigned char *)name; *c; c++)
    hash = hash * 33 + *c;
  if (!peek(data, tables->gnu_hash, head, sizeof(head)) || head[0] == 0)
    return 0;
  uint64_t buckets = tables->gnu_hash + sizeof(head) + (uint64_t)head[2] * 8;
  uint64_t chains = buckets + (uint64_t)head[0] * 4;
  if (!peek(data, buckets + (uint64_t)(hash % head[0]) * 4, &index, 4) || index < head[1])
    return 0;
  for (uint32_t i = 0; i < CHAIN_MAX; i++, index++) {
    if (!peek(data, chains + (uint64_t)(index - head[1]) * 4, &value, 4))
      return 0;
    if ((value | 1) == (hash | 1)) {
      uint64_t found = match(peek, data, tables, index, name);
      if (found)
        return found;
    }
    if (value & 1)
      return 0;
  }
  return 0;
}

static uint64_t
find_by_hash(cordbg_modules_read peek, void *data, const dynamic_tables *tables, const char *name)
{
  uint32_t head[2]; /* buckets, chains */
  uint32_t hash = 0, index;

  for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
    hash = (hash << 4) + *c;
    hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
  }
  if (!peek(data, tables->hash, head, sizeof(head)) || head[0] == 0 ||
      !peek(data, tables->hash + 8 + (uint64_t)(hash % head[0]) * 4, &index, 4))
    return 0;
  for (uint32_t i = 0; i < CHAIN_MAX && index != 0 && index < head[1]; i++) {
    uint64_t found = match(peek, data, tables, index, name);
    if (found)
      return found;
    if (!peek(data, tables->hash + 8 + ((uint64_t)head[0] + index) * 4, &index, 4))
      return 0;
  }
  return 0;
}

uint64_t
cordbg_export_find(cordbg_modules_read peek, void *data, uint64_t base, const char *name)
{
  dynamic_tables tables;

  if (!base || !read_tables(peek, data, base, &tables))
    return 0;
  uint64_t value = tables.gnu_hash ? find_by_gnu_hash(peek, data, &tables, name)
                                   : find_by_hash(peek, data, &tables, name);
  return value ? value + tables.bias : 0;
}
