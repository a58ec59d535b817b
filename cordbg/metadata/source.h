/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_SOURCE_H
#define CORDBG_METADATA_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include "cordbg/com/error.h"

/*
 * Where the bytes of an image come from: a block of memory that the caller keeps, a file, or a
 * function (memory of another process). Offsets count from the image's first byte: in a file they
 * are file offsets, in memory they are distances from the base address.
 *
 * Files are read, never mapped: a mapped file that its owner truncates would kill the client with
 * SIGBUS, and one that he rewrites would change under checks already made.
 */

/*
 * Reads exactly size bytes at offset or fails. Called on any thread, also on several at once.
 */
typedef HRESULT (*cordbg_source_read_fn)(void *context, uint64_t offset, void *buffer, size_t size,
                                         cordbg_error *error);
typedef void (*cordbg_source_destroy_fn)(void *context);

typedef struct cordbg_source {
  const uint8_t *bytes; /* set when all bytes are addressable here; then read is not used */
  uint64_t size;        /* offsets lie in [0, size) */
  cordbg_source_read_fn read;
  void *context;
  cordbg_source_destroy_fn destroy; /* of context (bytes may belong to it); may be NULL */
} cordbg_source;

/*
 * A run of bytes of a source: pointing into it where that is possible, else a copy. Zero it, or
 * fill it with cordbg_source_span; release it with cordbg_span_deinit before the source goes.
 */
typedef struct cordbg_span {
  const uint8_t *data;
  size_t size;
  void *owned;
} cordbg_span;

/* bytes must stay valid until destroy(context) is called, or for ever when destroy is NULL. */
void cordbg_source_init_bytes(cordbg_source *source, const void *bytes, uint64_t size,
                              cordbg_source_destroy_fn destroy, void *context);

/* size bounds the offsets that are ever asked for. */
void cordbg_source_init_reader(cordbg_source *source, cordbg_source_read_fn read, uint64_t size,
                               cordbg_source_destroy_fn destroy, void *context);

/*
 * Opens a regular file for reading (pread on its descriptor, which the source owns). The size is
 * the file's size now. Fails with the HRESULT of the errno, or E_INVALIDARG when path is not a
 * regular file.
 */
HRESULT cordbg_source_init_file(cordbg_source *source, const char *path, cordbg_error *error);

void cordbg_source_deinit(cordbg_source *source);

/* Copies exactly [offset, offset + size) or fails: CLDB_E_FILE_CORRUPT when that is not all inside.
 */
HRESULT cordbg_source_copy(const cordbg_source *source, uint64_t offset, void *buffer, size_t size,
                           cordbg_error *error);

/* Like cordbg_source_copy, without the copy where the bytes are addressable. */
HRESULT cordbg_source_span(const cordbg_source *source, uint64_t offset, size_t size,
                           cordbg_span *ret, cordbg_error *error);
void cordbg_span_deinit(cordbg_span *span);

static inline uint16_t
cordbg_load_u16(const uint8_t *p)
{
  return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
cordbg_load_u32(const uint8_t *p)
{
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t
cordbg_load_u64(const uint8_t *p)
{
  return (uint64_t)cordbg_load_u32(p) | (uint64_t)cordbg_load_u32(p + 4) << 32;
}

#endif
