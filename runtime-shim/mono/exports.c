/* SPDX-License-Identifier: MIT */
/*
 * Exported symbols of an ELF image in another process's memory, through its dynamic section. The
 * image may be a memory file, deleted, or of another mount namespace: memory has it in any case.
 * Every number comes from the target: each read may fail, each loop has a bound.
 */
#include "config.h"

#include <elf.h>
#include <string.h>

#include "runtime-shim/mono/mono-private.h"

#define DYNAMIC_MAX 512u
#define CHAIN_MAX 65536u

typedef struct dynamic_tables {
  uint64_t symbols;
  uint64_t strings;
  uint64_t strings_size;
  uint64_t gnu_hash;
  uint64_t hash;
} dynamic_tables;

bool
cordbg_mono_peek_target(void *target, uint64_t address, void *buffer, size_t size)
{
  return cordbg_target_read_exact(target, CORDBG_VIEW_PRISTINE, address, buffer, size, NULL) ==
         S_OK;
}

/* The distance between addresses in the file and in memory, and the dynamic section. */
static bool
find_dynamic(cordbg_mono_peek peek, void *data, uint64_t base, uint64_t *bias, uint64_t *dynamic,
             uint64_t *size)
{
  Elf64_Ehdr header;
  bool has_load = false, has_dynamic = false;

  if (!peek(data, base, &header, sizeof(header)) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_phnum > 128)
    return false;
  for (unsigned i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr segment;
    if (!peek(data, base + header.e_phoff + i * sizeof(segment), &segment, sizeof(segment)))
      return false;
    if (segment.p_type == PT_LOAD && !has_load) {
      *bias = base - (segment.p_vaddr & ~0xfffull);
      has_load = true;
    } else if (segment.p_type == PT_DYNAMIC) {
      *dynamic = segment.p_vaddr;
      *size = segment.p_memsz;
      has_dynamic = true;
    }
  }
  *dynamic += *bias;
  return has_load && has_dynamic;
}

static bool
read_tables(cordbg_mono_peek peek, void *data, uint64_t base, dynamic_tables *ret)
{
  uint64_t bias = 0, address = 0, size = 0;

  if (!find_dynamic(peek, data, base, &bias, &address, &size))
    return false;
  *ret = (dynamic_tables){0};
  for (uint64_t i = 0; i < DYNAMIC_MAX && (i + 1) * sizeof(Elf64_Dyn) <= size; i++) {
    Elf64_Dyn entry;
    if (!peek(data, address + i * sizeof(entry), &entry, sizeof(entry)))
      return false;
    /* The dynamic linker turns these into addresses, once it has run, where it may write. */
    uint64_t pointer = entry.d_un.d_ptr < base ? entry.d_un.d_ptr + bias : entry.d_un.d_ptr;
    if (entry.d_tag == DT_NULL)
      break;
    if (entry.d_tag == DT_SYMTAB)
      ret->symbols = pointer;
    else if (entry.d_tag == DT_STRTAB)
      ret->strings = pointer;
    else if (entry.d_tag == DT_STRSZ)
      ret->strings_size = entry.d_un.d_val;
    else if (entry.d_tag == DT_GNU_HASH)
      ret->gnu_hash = pointer;
    else if (entry.d_tag == DT_HASH)
      ret->hash = pointer;
  }
  return ret->symbols && ret->strings && (ret->gnu_hash || ret->hash);
}

/* The value of symbol index when it is a definition named so; 0 otherwise. */
static uint64_t
match(cordbg_mono_peek peek, void *data, const dynamic_tables *tables, uint32_t index,
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
find_by_gnu_hash(cordbg_mono_peek peek, void *data, const dynamic_tables *tables, const char *name)
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
find_by_hash(cordbg_mono_peek peek, void *data, const dynamic_tables *tables, const char *name)
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
cordbg_mono_export(cordbg_mono_peek peek, void *data, uint64_t base, const char *name)
{
  dynamic_tables tables;
  uint64_t bias = 0, dynamic = 0, size = 0;

  if (!base || !read_tables(peek, data, base, &tables) ||
      !find_dynamic(peek, data, base, &bias, &dynamic, &size))
    return 0;
  uint64_t value = tables.gnu_hash ? find_by_gnu_hash(peek, data, &tables, name)
                                   : find_by_hash(peek, data, &tables, name);
  return value ? value + bias : 0;
}
