/* SPDX-License-Identifier: MIT */
/*
 * The index from type names to TypeDefs: open addressing, rids only, names compared in the heap.
 * The hash is seeded, because the names come from the target and a client that spends minutes on
 * chosen collisions has been stopped as surely as one that crashed.
 */
#include "config.h"
#include "cordbg/metadata/indexes.h"

#include <glib.h>
#include <string.h>

/*
 * ECMA-335 ends names at 1,023 bytes. Longer ones up to this are found all the same; beyond it a
 * type has no entry, or a heap of overlapping names could make the index take hours.
 */
enum { NAME_MAX_BYTES = 4096 };

struct cordbg_name_index {
  uint64_t seed;
  uint32_t mask;
  uint32_t slots[]; /* rids, 0 is free */
};

static uint64_t
hash_bytes(uint64_t hash, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    hash = (hash ^ (uint8_t)bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
  }
  return hash;
}

static uint64_t
hash_type(uint64_t seed, const char *name_space, size_t name_space_length, const char *name,
          size_t name_length, uint32_t enclosing_rid)
{
  uint64_t hash = seed ^ enclosing_rid;
  hash = hash_bytes(hash, name_space, name_space_length);
  hash = hash_bytes(hash, "", 1);
  return hash_bytes(hash, name, name_length);
}

/* A type whose visibility says nested but that no row encloses cannot be found by name. */
static uint32_t
enclosing_for_lookup(const cordbg_metadata *metadata, uint32_t rid)
{
  uint32_t flags =
      cordbg_metadata_column(metadata, CORDBG_TABLE_TYPE_DEF, rid, CORDBG_TYPE_DEF_FLAGS);
  if ((flags & 7) < 2)
    return 0;
  uint32_t enclosing = cordbg_metadata_enclosing_type(metadata, rid);
  return enclosing ? enclosing : UINT32_MAX;
}

static bool
is_type(const cordbg_metadata *metadata, uint32_t rid, const char *name_space,
        size_t name_space_length, const char *name, size_t name_length, uint32_t enclosing_rid)
{
  const char *own =
      cordbg_metadata_column_string(metadata, CORDBG_TABLE_TYPE_DEF, rid, CORDBG_TYPE_DEF_NAME);
  if (strncmp(own, name, name_length) != 0 || own[name_length] != '\0')
    return false;
  own = cordbg_metadata_column_string(metadata, CORDBG_TABLE_TYPE_DEF, rid,
                                      CORDBG_TYPE_DEF_NAMESPACE);
  return strncmp(own, name_space, name_space_length) == 0 && own[name_space_length] == '\0' &&
         enclosing_for_lookup(metadata, rid) == enclosing_rid;
}

static void
insert(cordbg_name_index *index, const cordbg_metadata *metadata, uint32_t rid)
{
  const char *name =
      cordbg_metadata_column_string(metadata, CORDBG_TABLE_TYPE_DEF, rid, CORDBG_TYPE_DEF_NAME);
  const char *name_space = cordbg_metadata_column_string(metadata, CORDBG_TABLE_TYPE_DEF, rid,
                                                         CORDBG_TYPE_DEF_NAMESPACE);
  size_t name_length = strnlen(name, NAME_MAX_BYTES);
  size_t name_space_length = strnlen(name_space, NAME_MAX_BYTES);
  if (name_length == NAME_MAX_BYTES || name_space_length == NAME_MAX_BYTES)
    return;
  uint32_t enclosing = enclosing_for_lookup(metadata, rid);
  uint64_t at = hash_type(index->seed, name_space, name_space_length, name, name_length, enclosing);

  for (;; at++) {
    uint32_t *slot = &index->slots[at & index->mask];
    if (*slot == 0) {
      *slot = rid;
      return;
    }
    /* Of types with one name the first counts, as in a scan. */
    if (is_type(metadata, *slot, name_space, name_space_length, name, name_length, enclosing))
      return;
  }
}

cordbg_name_index *
cordbg_name_index_new(const cordbg_metadata *metadata)
{
  uint32_t rows = cordbg_metadata_rows(metadata, CORDBG_TABLE_TYPE_DEF);
  uint32_t size = 16;
  while (size < rows * 2)
    size *= 2;
  cordbg_name_index *index = g_try_malloc0(sizeof *index + size * sizeof index->slots[0]);
  if (!index)
    return NULL;
  index->seed = (uint64_t)g_random_int() << 32 | g_random_int();
  index->mask = size - 1;
  for (uint32_t rid = 1; rid <= rows; rid++)
    insert(index, metadata, rid);
  return index;
}

void
cordbg_name_index_free(cordbg_name_index *index)
{
  g_free(index);
}

/* Whether a name can be in the tables, and is no longer than what has an entry. */
static bool
can_be_found(const char *name_space, size_t name_space_length, const char *name, size_t name_length)
{
  /* Heap strings end at their NUL: a name with one inside matches nothing. */
  return name_length < NAME_MAX_BYTES && name_space_length < NAME_MAX_BYTES &&
         !memchr(name, 0, name_length) && !memchr(name_space, 0, name_space_length);
}

uint32_t
cordbg_name_scan(const cordbg_metadata *metadata, const char *name_space, size_t name_space_length,
                 const char *name, size_t name_length, uint32_t enclosing_rid)
{
  uint32_t rows = cordbg_metadata_rows(metadata, CORDBG_TABLE_TYPE_DEF);
  if (!can_be_found(name_space, name_space_length, name, name_length))
    return 0;
  for (uint32_t rid = 1; rid <= rows; rid++)
    if (is_type(metadata, rid, name_space, name_space_length, name, name_length, enclosing_rid))
      return rid;
  return 0;
}

uint32_t
cordbg_name_index_find(const cordbg_name_index *index, const cordbg_metadata *metadata,
                       const char *name_space, size_t name_space_length, const char *name,
                       size_t name_length, uint32_t enclosing_rid)
{
  if (!can_be_found(name_space, name_space_length, name, name_length))
    return 0;
  uint64_t at =
      hash_type(index->seed, name_space, name_space_length, name, name_length, enclosing_rid);
  for (;; at++) {
    uint32_t rid = index->slots[at & index->mask];
    if (rid == 0 ||
        is_type(metadata, rid, name_space, name_space_length, name, name_length, enclosing_rid))
      return rid;
  }
}
