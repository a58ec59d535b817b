/* SPDX-License-Identifier: MIT */
/*
 * Finding rows: runs that list columns delimit, the owner of a member, rows by key.
 *
 * A table that is to be sorted by a key column is checked for it once, at its first lookup, and
 * not taken at its word: the sorted bits of the header are set by whoever wrote the file, and the
 * uncompressed format (#-) need not sort. A table out of order gets an index of its own. So each
 * table is in one of three states - unknown, in order, indexed - and leaves the first one under
 * the lock.
 */
#include "config.h"
#include "cordbg/metadata/indexes.h"

#include <glib.h>
#include <stdlib.h>

enum { ORDER_UNKNOWN, ORDER_SORTED, ORDER_INDEXED };

/* So many names are looked for row by row: an index takes the time of four such walks. */
enum { SCANS = 4 };

struct cordbg_metadata_indexes {
  GMutex lock;
  gint state[CORDBG_TABLE_COUNT];
  uint32_t *order[CORDBG_TABLE_COUNT];   /* rids by (key, rid) */
  uint32_t *inverse[CORDBG_TABLE_COUNT]; /* of pointer tables: target rid -> position */
  cordbg_name_index *names;
  gint scans;
};

cordbg_metadata_indexes *
cordbg_metadata_indexes_new(void)
{
  cordbg_metadata_indexes *indexes = g_new0(cordbg_metadata_indexes, 1);
  g_mutex_init(&indexes->lock);
  return indexes;
}

void
cordbg_metadata_indexes_free(cordbg_metadata_indexes *indexes)
{
  if (!indexes)
    return;
  for (unsigned t = 0; t < CORDBG_TABLE_COUNT; t++) {
    g_free(indexes->order[t]);
    g_free(indexes->inverse[t]);
  }
  if (indexes->names)
    cordbg_name_index_free(indexes->names);
  g_mutex_clear(&indexes->lock);
  g_free(indexes);
}

/* The maps from types to events and properties are looked up by type though no rule sorts them. */
static unsigned
key_column(cordbg_table table)
{
  return cordbg_table_schemas[table].key == CORDBG_NO_KEY ? 0 : cordbg_table_schemas[table].key;
}

typedef struct sort_context {
  const cordbg_metadata *metadata;
  cordbg_table table;
  unsigned column;
} sort_context;

static int
compare_rows(const void *a, const void *b, void *data)
{
  const sort_context *context = data;
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  uint32_t x = cordbg_metadata_column(context->metadata, context->table, left, context->column);
  uint32_t y = cordbg_metadata_column(context->metadata, context->table, right, context->column);
  if (x != y)
    return x < y ? -1 : 1;
  return left < right ? -1 : left > right;
}

static bool
is_sorted(const cordbg_metadata *metadata, cordbg_table table, unsigned column)
{
  uint32_t rows = cordbg_metadata_rows(metadata, table), previous = 0;
  for (uint32_t rid = 1; rid <= rows; rid++) {
    uint32_t key = cordbg_metadata_column(metadata, table, rid, column);
    if (key < previous)
      return false;
    previous = key;
  }
  return true;
}

static void
settle_order(const cordbg_metadata *metadata, cordbg_table table)
{
  cordbg_metadata_indexes *indexes = metadata->indexes;
  if (g_atomic_int_get(&indexes->state[table]) != ORDER_UNKNOWN)
    return;

  g_mutex_lock(&indexes->lock);
  if (indexes->state[table] == ORDER_UNKNOWN) {
    sort_context context = {metadata, table, key_column(table)};
    gint state = ORDER_SORTED;
    if (!is_sorted(metadata, table, context.column)) {
      uint32_t rows = cordbg_metadata_rows(metadata, table);
      uint32_t *order = g_try_new(uint32_t, rows);
      /* Without memory for the index, lookups miss rows; they stay within the table. */
      if (order) {
        for (uint32_t i = 0; i < rows; i++)
          order[i] = i + 1;
        qsort_r(order, rows, sizeof order[0], compare_rows, &context);
        indexes->order[table] = order;
        state = ORDER_INDEXED;
      }
    }
    g_atomic_int_set(&indexes->state[table], state);
  }
  g_mutex_unlock(&indexes->lock);
}

static uint32_t
rid_at(const cordbg_metadata *metadata, cordbg_table table, uint32_t position)
{
  const uint32_t *order = metadata->indexes->order[table];
  return order ? order[position] : position + 1;
}

/* The first position whose key is >= value. */
static uint32_t
lower_bound(const cordbg_metadata *metadata, cordbg_table table, unsigned column, uint64_t value)
{
  uint32_t low = 0, high = cordbg_metadata_rows(metadata, table);
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    uint32_t rid = rid_at(metadata, table, middle);
    if (cordbg_metadata_column(metadata, table, rid, column) < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

cordbg_match
cordbg_metadata_find(const cordbg_metadata *metadata, cordbg_table table, uint32_t value)
{
  cordbg_match match = {.table = table};
  if (cordbg_metadata_rows(metadata, table) == 0)
    return match;
  settle_order(metadata, table);
  unsigned column = key_column(table);
  match.first = lower_bound(metadata, table, column, value);
  match.end = lower_bound(metadata, table, column, (uint64_t)value + 1);
  /* In a table that could not be indexed the second search may land before the first. */
  if (match.end < match.first)
    match.end = match.first;
  return match;
}

cordbg_match
cordbg_metadata_find_token(const cordbg_metadata *metadata, cordbg_table table, uint32_t token)
{
  uint8_t type = cordbg_table_schemas[table].columns[key_column(table)].type;
  uint32_t value;
  if (type < CORDBG_COLUMN_CODED)
    value = token >> 24 == type ? token & CORDBG_RID_MAX : UINT32_MAX;
  else
    value = cordbg_coded_encode((cordbg_coded_kind)(type - CORDBG_COLUMN_CODED), token);
  if (value == UINT32_MAX || (token & CORDBG_RID_MAX) == 0)
    return (cordbg_match){.table = table};
  return cordbg_metadata_find(metadata, table, value);
}

uint32_t
cordbg_metadata_match_rid(const cordbg_metadata *metadata, const cordbg_match *match,
                          uint32_t position)
{
  if (position >= cordbg_metadata_rows(metadata, match->table))
    return 0;
  return rid_at(metadata, match->table, position);
}

uint32_t
cordbg_metadata_find_one(const cordbg_metadata *metadata, cordbg_table table, uint32_t token)
{
  cordbg_match match = cordbg_metadata_find_token(metadata, table, token);
  return match.first < match.end ? rid_at(metadata, table, match.first) : 0;
}

static unsigned
pointer_table(cordbg_table target)
{
  switch (target) {
  case CORDBG_TABLE_FIELD:
    return CORDBG_TABLE_FIELD_PTR;
  case CORDBG_TABLE_METHOD_DEF:
    return CORDBG_TABLE_METHOD_PTR;
  case CORDBG_TABLE_PARAM:
    return CORDBG_TABLE_PARAM_PTR;
  case CORDBG_TABLE_EVENT:
    return CORDBG_TABLE_EVENT_PTR;
  case CORDBG_TABLE_PROPERTY:
    return CORDBG_TABLE_PROPERTY_PTR;
  default:
    return CORDBG_TABLE_COUNT;
  }
}

/* The pointer table in front of target when the file has one, else CORDBG_TABLE_COUNT. */
static unsigned
pointers_in_use(const cordbg_metadata *metadata, cordbg_table target)
{
  unsigned pointers = pointer_table(target);
  if (pointers < CORDBG_TABLE_COUNT && metadata->tables[pointers].rows > 0)
    return pointers;
  return CORDBG_TABLE_COUNT;
}

static cordbg_run
list_run(const cordbg_metadata *metadata, cordbg_table owner, uint32_t rid, unsigned column,
         cordbg_table target)
{
  cordbg_run run = {.table = target, .first = 1, .end = 1};
  uint32_t owners = cordbg_metadata_rows(metadata, owner);
  if (rid - 1 >= owners)
    return run;

  unsigned pointers = pointers_in_use(metadata, target);
  uint32_t limit =
      cordbg_metadata_rows(metadata, pointers < CORDBG_TABLE_COUNT ? pointers : target) + 1;
  run.first = cordbg_metadata_column(metadata, owner, rid, column);
  run.end = rid < owners ? cordbg_metadata_column(metadata, owner, rid + 1, column) : limit;
  run.first = CLAMP(run.first, 1, limit);
  run.end = CLAMP(run.end, run.first, limit);
  return run;
}

uint32_t
cordbg_metadata_run_rid(const cordbg_metadata *metadata, const cordbg_run *run, uint32_t position)
{
  unsigned pointers = pointers_in_use(metadata, run->table);
  if (pointers < CORDBG_TABLE_COUNT)
    return cordbg_metadata_column(metadata, pointers, position, 0);
  return position;
}

cordbg_run
cordbg_metadata_type_fields(const cordbg_metadata *metadata, uint32_t type_rid)
{
  return list_run(metadata, CORDBG_TABLE_TYPE_DEF, type_rid, CORDBG_TYPE_DEF_FIELDS,
                  CORDBG_TABLE_FIELD);
}

cordbg_run
cordbg_metadata_type_methods(const cordbg_metadata *metadata, uint32_t type_rid)
{
  return list_run(metadata, CORDBG_TABLE_TYPE_DEF, type_rid, CORDBG_TYPE_DEF_METHODS,
                  CORDBG_TABLE_METHOD_DEF);
}

cordbg_run
cordbg_metadata_method_params(const cordbg_metadata *metadata, uint32_t method_rid)
{
  return list_run(metadata, CORDBG_TABLE_METHOD_DEF, method_rid, CORDBG_METHOD_DEF_PARAMS,
                  CORDBG_TABLE_PARAM);
}

static cordbg_run
mapped_run(const cordbg_metadata *metadata, cordbg_table map, uint32_t type_rid, unsigned column,
           cordbg_table target)
{
  cordbg_match match = cordbg_metadata_find(metadata, map, type_rid);
  if (match.first == match.end)
    return (cordbg_run){.table = target, .first = 1, .end = 1};
  return list_run(metadata, map, rid_at(metadata, map, match.first), column, target);
}

cordbg_run
cordbg_metadata_type_events(const cordbg_metadata *metadata, uint32_t type_rid)
{
  return mapped_run(metadata, CORDBG_TABLE_EVENT_MAP, type_rid, CORDBG_EVENT_MAP_EVENTS,
                    CORDBG_TABLE_EVENT);
}

cordbg_run
cordbg_metadata_type_properties(const cordbg_metadata *metadata, uint32_t type_rid)
{
  return mapped_run(metadata, CORDBG_TABLE_PROPERTY_MAP, type_rid, CORDBG_PROPERTY_MAP_PROPERTIES,
                    CORDBG_TABLE_PROPERTY);
}

cordbg_run
cordbg_metadata_scope_variables(const cordbg_metadata *metadata, uint32_t scope_rid)
{
  return list_run(metadata, CORDBG_TABLE_LOCAL_SCOPE, scope_rid, CORDBG_LOCAL_SCOPE_VARIABLES,
                  CORDBG_TABLE_LOCAL_VARIABLE);
}

cordbg_run
cordbg_metadata_scope_constants(const cordbg_metadata *metadata, uint32_t scope_rid)
{
  return list_run(metadata, CORDBG_TABLE_LOCAL_SCOPE, scope_rid, CORDBG_LOCAL_SCOPE_CONSTANTS,
                  CORDBG_TABLE_LOCAL_CONSTANT);
}

/* The position of a row in its pointer table; the rid itself where there is none, 0 for no row. */
static uint32_t
position_of(const cordbg_metadata *metadata, cordbg_table target, uint32_t rid)
{
  unsigned pointers = pointers_in_use(metadata, target);
  if (pointers == CORDBG_TABLE_COUNT)
    return rid;
  uint32_t targets = cordbg_metadata_rows(metadata, target);
  if (rid - 1 >= targets)
    return 0;

  cordbg_metadata_indexes *indexes = metadata->indexes;
  uint32_t *inverse = g_atomic_pointer_get(&indexes->inverse[pointers]);
  if (!inverse) {
    g_mutex_lock(&indexes->lock);
    inverse = indexes->inverse[pointers];
    if (!inverse && (inverse = g_try_new0(uint32_t, (gsize)targets + 1))) {
      uint32_t rows = cordbg_metadata_rows(metadata, pointers);
      for (uint32_t p = rows; p >= 1; p--) {
        uint32_t to = cordbg_metadata_column(metadata, pointers, p, 0);
        if (to <= targets)
          inverse[to] = p;
      }
      g_atomic_pointer_set(&indexes->inverse[pointers], inverse);
    }
    g_mutex_unlock(&indexes->lock);
  }
  return inverse ? inverse[rid] : 0;
}

/*
 * The last owner whose list begins at or before position: of owners with equal beginnings all but
 * the last are empty.
 */
static uint32_t
list_owner(const cordbg_metadata *metadata, cordbg_table owner, unsigned column,
           cordbg_table target, uint32_t rid)
{
  uint32_t position = position_of(metadata, target, rid);
  if (position == 0 || rid - 1 >= cordbg_metadata_rows(metadata, target))
    return 0;
  uint32_t low = 0, high = cordbg_metadata_rows(metadata, owner);
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (cordbg_metadata_column(metadata, owner, middle + 1, column) <= position)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0)
    return 0;
  cordbg_run run = list_run(metadata, owner, low, column, target);
  return position >= run.first && position < run.end ? low : 0;
}

uint32_t
cordbg_metadata_field_type(const cordbg_metadata *metadata, uint32_t field_rid)
{
  return list_owner(metadata, CORDBG_TABLE_TYPE_DEF, CORDBG_TYPE_DEF_FIELDS, CORDBG_TABLE_FIELD,
                    field_rid);
}

uint32_t
cordbg_metadata_method_type(const cordbg_metadata *metadata, uint32_t method_rid)
{
  return list_owner(metadata, CORDBG_TABLE_TYPE_DEF, CORDBG_TYPE_DEF_METHODS,
                    CORDBG_TABLE_METHOD_DEF, method_rid);
}

uint32_t
cordbg_metadata_param_method(const cordbg_metadata *metadata, uint32_t param_rid)
{
  return list_owner(metadata, CORDBG_TABLE_METHOD_DEF, CORDBG_METHOD_DEF_PARAMS, CORDBG_TABLE_PARAM,
                    param_rid);
}

uint32_t
cordbg_metadata_event_type(const cordbg_metadata *metadata, uint32_t event_rid)
{
  uint32_t map = list_owner(metadata, CORDBG_TABLE_EVENT_MAP, CORDBG_EVENT_MAP_EVENTS,
                            CORDBG_TABLE_EVENT, event_rid);
  return cordbg_metadata_column(metadata, CORDBG_TABLE_EVENT_MAP, map, CORDBG_EVENT_MAP_PARENT);
}

uint32_t
cordbg_metadata_property_type(const cordbg_metadata *metadata, uint32_t property_rid)
{
  uint32_t map = list_owner(metadata, CORDBG_TABLE_PROPERTY_MAP, CORDBG_PROPERTY_MAP_PROPERTIES,
                            CORDBG_TABLE_PROPERTY, property_rid);
  return cordbg_metadata_column(metadata, CORDBG_TABLE_PROPERTY_MAP, map,
                                CORDBG_PROPERTY_MAP_PARENT);
}

uint32_t
cordbg_metadata_enclosing_type(const cordbg_metadata *metadata, uint32_t type_rid)
{
  uint32_t row = cordbg_metadata_find_one(metadata, CORDBG_TABLE_NESTED_CLASS,
                                          CORDBG_TABLE_TYPE_DEF << 24 | type_rid);
  return cordbg_metadata_column(metadata, CORDBG_TABLE_NESTED_CLASS, row,
                                CORDBG_NESTED_CLASS_ENCLOSING);
}

uint32_t
cordbg_metadata_find_type(const cordbg_metadata *metadata, const char *name_space,
                          size_t name_space_length, const char *name, size_t name_length,
                          uint32_t enclosing_rid)
{
  cordbg_metadata_indexes *indexes = metadata->indexes;
  cordbg_name_index *names = g_atomic_pointer_get(&indexes->names);
  if (!names && g_atomic_int_add(&indexes->scans, 1) < SCANS)
    return cordbg_name_scan(metadata, name_space, name_space_length, name, name_length,
                            enclosing_rid);
  if (!names) {
    /* Nested types are looked up while the index is built, under the other tables' lock. */
    settle_order(metadata, CORDBG_TABLE_NESTED_CLASS);
    g_mutex_lock(&indexes->lock);
    names = indexes->names;
    if (!names) {
      names = cordbg_name_index_new(metadata);
      g_atomic_pointer_set(&indexes->names, names);
    }
    g_mutex_unlock(&indexes->lock);
  }
  if (!names)
    return 0;
  return cordbg_name_index_find(names, metadata, name_space, name_space_length, name, name_length,
                                enclosing_rid);
}
