/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_WRITER_H
#define CORDBG_METADATA_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include "cordbg/metadata/schema.h"

/*
 * Makes a metadata root (ECMA-335 II.24) out of rows: for a module whose runtime has its types in
 * structures of its own and no metadata. The tables are an uncompressed stream (#-), in which the
 * pointer tables let a type own methods and fields whose row ids are not consecutive.
 *
 * Not safe on several threads. Nothing here can fail but for memory; what is too large for the
 * format (a heap beyond 256 MiB, a table beyond 0xffffff rows) is left out: index or rid 0.
 */
typedef struct cordbg_metadata_writer cordbg_metadata_writer;

cordbg_metadata_writer *cordbg_metadata_writer_new(void);
void cordbg_metadata_writer_free(cordbg_metadata_writer *writer);

/* Heap indices for columns. Equal contents get equal indices; empty ones 0. */
uint32_t cordbg_metadata_writer_string(cordbg_metadata_writer *writer, const char *text);
uint32_t cordbg_metadata_writer_blob(cordbg_metadata_writer *writer, const void *data, size_t size);
uint32_t cordbg_metadata_writer_guid(cordbg_metadata_writer *writer, const uint8_t guid[16]);

/*
 * Stores a row; rows before it that were not stored are zeros. columns: as many as the table's
 * schema has, as they are stored (cordbg_coded_encode for coded tokens). False: no such row.
 */
bool cordbg_metadata_writer_set(cordbg_metadata_writer *writer, cordbg_table table, uint32_t rid,
                                const uint32_t *columns);
/* Behind the last row; its rid. */
uint32_t cordbg_metadata_writer_add(cordbg_metadata_writer *writer, cordbg_table table,
                                    const uint32_t *columns);
uint32_t cordbg_metadata_writer_rows(const cordbg_metadata_writer *writer, cordbg_table table);

/* The whole root, g_malloc'ed. sorted: bits of the tables whose rows were stored in key order. */
uint8_t *cordbg_metadata_writer_finish(const cordbg_metadata_writer *writer, uint64_t sorted,
                                       size_t *ret_size);

#endif
