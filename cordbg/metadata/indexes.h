/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_INDEXES_H
#define CORDBG_METADATA_INDEXES_H

#include "cordbg/metadata/metadata.h"

/* What a metadata root builds lazily; private to lookup.c and names.c. */
cordbg_metadata_indexes *cordbg_metadata_indexes_new(void);
void cordbg_metadata_indexes_free(cordbg_metadata_indexes *indexes);

typedef struct cordbg_name_index cordbg_name_index;
cordbg_name_index *cordbg_name_index_new(const cordbg_metadata *metadata);
void cordbg_name_index_free(cordbg_name_index *index);
uint32_t cordbg_name_index_find(const cordbg_name_index *index, const cordbg_metadata *metadata,
                                const char *name_space, size_t name_space_length, const char *name,
                                size_t name_length, uint32_t enclosing_rid);

/* The same without an index. */
uint32_t cordbg_name_scan(const cordbg_metadata *metadata, const char *name_space,
                          size_t name_space_length, const char *name, size_t name_length,
                          uint32_t enclosing_rid);

#endif
