/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_METADATA_H
#define CORDBG_METADATA_METADATA_H

#include <stdbool.h>
#include "cordbg/com/error.h"
#include "cordbg/metadata/schema.h"
#include "cordbg/metadata/source.h"

/*
 * A metadata root (ECMA-335 II.24): streams, heaps and tables, over a block of bytes that the
 * caller keeps. Nothing is copied; strings, blobs and rows are read where they lie.
 *
 * Why it may be trusted with hostile bytes. Opening checks that every stream lies in the block and
 * every table in its stream. After that each access checks what it is given: a row outside its
 * table reads as zeros, a string index outside the heap as "", a blob that leaves the heap as
 * empty, a coded token with an unknown tag as nil. So a lie in the input gives a wrong answer,
 * never a stray read. No loop follows indices without a bound.
 *
 * All functions are safe on several threads at once; lazily built indexes are behind a lock.
 * Row ids (rid) count from 1; 0 is nil. Tokens are table << 24 | rid.
 */

typedef struct cordbg_blob {
  const uint8_t *data; /* never NULL; not NUL-terminated */
  uint32_t size;
} cordbg_blob;

typedef struct cordbg_table_view {
  const uint8_t *rows_data;
  uint32_t rows;
  uint8_t row_size;
  uint8_t offsets[CORDBG_COLUMNS_MAX];
  uint8_t sizes[CORDBG_COLUMNS_MAX]; /* 1, 2 or 4 */
} cordbg_table_view;

enum { CORDBG_STREAMS_MAX = 16, CORDBG_RID_MAX = 0xffffff };

typedef struct cordbg_stream {
  const char *name; /* in the block, NUL-terminated */
  const uint8_t *data;
  uint32_t size;
} cordbg_stream;

typedef struct cordbg_metadata_indexes cordbg_metadata_indexes;

typedef struct cordbg_metadata {
  const uint8_t *data;
  uint32_t size;
  const char *version; /* "v4.0.30319"; NUL-terminated */
  unsigned stream_count;
  cordbg_stream streams[CORDBG_STREAMS_MAX];
  bool uncompressed; /* the tables are a #- stream */
  bool minimal_delta;
  uint8_t heap_sizes;
  uint8_t schema_major, schema_minor;
  uint64_t valid_tables, sorted_tables;
  cordbg_stream tables_stream, strings, user_strings, guids, blobs, pdb;
  uint32_t strings_valid;                     /* indices below it begin a terminated string */
  uint32_t external_rows[CORDBG_TABLE_COUNT]; /* of the image that a PDB belongs to */
  cordbg_table_view tables[CORDBG_TABLE_COUNT];
  cordbg_metadata_indexes *indexes;
} cordbg_metadata;

/*
 * Opens the root at the start of data. size may be larger than the metadata. data must outlive
 * *metadata and not change. CLDB_E_FILE_CORRUPT when it is not well formed.
 */
HRESULT cordbg_metadata_init(cordbg_metadata *metadata, const uint8_t *data, size_t size,
                             cordbg_error *error);
void cordbg_metadata_deinit(cordbg_metadata *metadata);

/* Sizes and offsets of all columns, from heap_sizes and the tables' rows. For the writer. */
void cordbg_metadata_lay_out(cordbg_metadata *metadata);

static inline uint32_t
cordbg_metadata_rows(const cordbg_metadata *metadata, cordbg_table table)
{
  return metadata->tables[table].rows;
}

/* The row's bytes, or NULL when there is no such row. */
static inline const uint8_t *
cordbg_metadata_row(const cordbg_metadata *metadata, cordbg_table table, uint32_t rid)
{
  const cordbg_table_view *view = &metadata->tables[table];
  if (rid - 1 >= view->rows)
    return NULL;
  return view->rows_data + (size_t)(rid - 1) * view->row_size;
}

/* A column as it is stored: a number, a heap index, a row id or an undecoded coded token. */
static inline uint32_t
cordbg_metadata_column(const cordbg_metadata *metadata, cordbg_table table, uint32_t rid,
                       unsigned column)
{
  const uint8_t *row = cordbg_metadata_row(metadata, table, rid);
  if (!row)
    return 0;
  const cordbg_table_view *view = &metadata->tables[table];
  const uint8_t *p = row + view->offsets[column];
  if (view->sizes[column] == 2)
    return cordbg_load_u16(p);
  return view->sizes[column] == 4 ? cordbg_load_u32(p) : p[0];
}

/* A NUL-terminated UTF-8 string of the #Strings heap; "" when the index is outside. */
static inline const char *
cordbg_metadata_string(const cordbg_metadata *metadata, uint32_t index)
{
  if (index >= metadata->strings_valid)
    return "";
  return (const char *)metadata->strings.data + index;
}

static inline const char *
cordbg_metadata_column_string(const cordbg_metadata *metadata, cordbg_table table, uint32_t rid,
                              unsigned column)
{
  return cordbg_metadata_string(metadata, cordbg_metadata_column(metadata, table, rid, column));
}

/*
 * A blob by its heap index. The bool forms say whether the blob lies in the heap whole; *ret is
 * empty when it does not.
 */
bool cordbg_metadata_blob_at(const cordbg_metadata *metadata, uint32_t index, cordbg_blob *ret);
cordbg_blob cordbg_metadata_blob(const cordbg_metadata *metadata, uint32_t index);
cordbg_blob cordbg_metadata_column_blob(const cordbg_metadata *metadata, cordbg_table table,
                                        uint32_t rid, unsigned column);

/* A user string: UTF-16LE units, then one flag byte. */
bool cordbg_metadata_user_string_at(const cordbg_metadata *metadata, uint32_t index,
                                    cordbg_blob *ret);

/* The 16 bytes of a GUID (index from 1), or NULL. */
const uint8_t *cordbg_metadata_guid(const cordbg_metadata *metadata, uint32_t index);

/* Decodes a coded token; an unknown tag gives 0. A nil row gives table << 24. */
uint32_t cordbg_coded_decode(cordbg_coded_kind kind, uint32_t value);
/* The stored form of a token; UINT32_MAX when this kind cannot hold it. */
uint32_t cordbg_coded_encode(cordbg_coded_kind kind, uint32_t token);

/* A coded-token or row column as a token. */
uint32_t cordbg_metadata_column_token(const cordbg_metadata *metadata, cordbg_table table,
                                      uint32_t rid, unsigned column);

/* Whether the token names a row that exists (or, for 0x70, a user string). */
bool cordbg_metadata_token_valid(const cordbg_metadata *metadata, uint32_t token);

/*
 * A run of rows of another table that a list column of this row owns, [first, end). The rows of
 * the run are positions: cordbg_metadata_run_rid gives the rid, which differs from the position
 * only where the uncompressed format interposes a pointer table.
 */
typedef struct cordbg_run {
  cordbg_table table; /* the table whose rows the run holds */
  uint32_t first, end;
} cordbg_run;

cordbg_run cordbg_metadata_type_fields(const cordbg_metadata *metadata, uint32_t type_rid);
cordbg_run cordbg_metadata_type_methods(const cordbg_metadata *metadata, uint32_t type_rid);
cordbg_run cordbg_metadata_method_params(const cordbg_metadata *metadata, uint32_t method_rid);
/* By type; empty when the type has none. */
cordbg_run cordbg_metadata_type_events(const cordbg_metadata *metadata, uint32_t type_rid);
cordbg_run cordbg_metadata_type_properties(const cordbg_metadata *metadata, uint32_t type_rid);
/* Portable PDB: the variables and constants of a scope. */
cordbg_run cordbg_metadata_scope_variables(const cordbg_metadata *metadata, uint32_t scope_rid);
cordbg_run cordbg_metadata_scope_constants(const cordbg_metadata *metadata, uint32_t scope_rid);
uint32_t cordbg_metadata_run_rid(const cordbg_metadata *metadata, const cordbg_run *run,
                                 uint32_t position);

/* The row that owns a member, 0 when none does. O(log n). */
uint32_t cordbg_metadata_field_type(const cordbg_metadata *metadata, uint32_t field_rid);
uint32_t cordbg_metadata_method_type(const cordbg_metadata *metadata, uint32_t method_rid);
uint32_t cordbg_metadata_param_method(const cordbg_metadata *metadata, uint32_t param_rid);
uint32_t cordbg_metadata_event_type(const cordbg_metadata *metadata, uint32_t event_rid);
uint32_t cordbg_metadata_property_type(const cordbg_metadata *metadata, uint32_t property_rid);

/*
 * The rows of a table whose key column (schema: key) holds value, as positions [first, end) of the
 * sorted order; cordbg_metadata_match_rid gives the rid of a position. O(log n); a table that lies
 * about being sorted is found out once and gets a sorted index.
 */
typedef struct cordbg_match {
  cordbg_table table;
  uint32_t first, end;
} cordbg_match;

cordbg_match cordbg_metadata_find(const cordbg_metadata *metadata, cordbg_table table,
                                  uint32_t value);
/* The same for coded-token keys; empty when the key cannot hold the token. */
cordbg_match cordbg_metadata_find_token(const cordbg_metadata *metadata, cordbg_table table,
                                        uint32_t token);
uint32_t cordbg_metadata_match_rid(const cordbg_metadata *metadata, const cordbg_match *match,
                                   uint32_t position);
/* The first such row, 0 when there is none. */
uint32_t cordbg_metadata_find_one(const cordbg_metadata *metadata, cordbg_table table,
                                  uint32_t token);

/*
 * The TypeDef with this namespace and name inside enclosing (0: a type that is not nested); 0 when
 * there is none. The first calls walk the table; the fifth builds the name index, then O(1).
 */
uint32_t cordbg_metadata_find_type(const cordbg_metadata *metadata, const char *name_space,
                                   size_t name_space_length, const char *name, size_t name_length,
                                   uint32_t enclosing_rid);
/* The enclosing TypeDef, 0 when not nested. */
uint32_t cordbg_metadata_enclosing_type(const cordbg_metadata *metadata, uint32_t type_rid);

#endif
