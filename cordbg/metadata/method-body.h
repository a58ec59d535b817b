/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_METHOD_BODY_H
#define CORDBG_METADATA_METHOD_BODY_H

#include "cordbg/metadata/image.h"

/* A method's IL (ECMA-335 II.25.4): code, local signature, exception clauses. */

typedef struct cordbg_exception_clause {
  uint32_t flags; /* 0 typed, 1 filter, 2 finally, 4 fault */
  uint32_t try_offset, try_length;
  uint32_t handler_offset, handler_length;
  uint32_t token_or_filter; /* class token (flags 0) or the filter's IL offset (flags 1) */
} cordbg_exception_clause;

typedef struct cordbg_method_body {
  cordbg_span span; /* everything below points into it */
  const uint8_t *code;
  uint32_t code_size; /* bytes */
  uint16_t max_stack;
  bool is_fat;
  bool init_locals;
  uint32_t local_signature; /* StandAloneSig token, 0 for none */
  uint32_t clause_count;
  const uint8_t *clauses; /* NULL when clause_count is 0 */
  bool clauses_fat;
  uint32_t size; /* of header, code and sections, bytes */
} cordbg_method_body;

/*
 * The body of a MethodDef. CLDB_E_RECORD_NOTFOUND when it has none (abstract, native, runtime,
 * RVA 0), CLDB_E_FILE_CORRUPT when it leaves its section.
 */
HRESULT cordbg_method_body_init(cordbg_method_body *body, const cordbg_image *image,
                                uint32_t method_rid, cordbg_error *error);
/* The body at an RVA. */
HRESULT cordbg_method_body_init_rva(cordbg_method_body *body, const cordbg_image *image,
                                    uint32_t rva, cordbg_error *error);
void cordbg_method_body_deinit(cordbg_method_body *body);

/*
 * Parses a body that begins at bytes. S_OK: *ret is filled (its span stays empty). S_FALSE: more
 * than size bytes are needed; *ret_needed says how many at least. Else CLDB_E_FILE_CORRUPT.
 */
HRESULT cordbg_method_body_parse(const uint8_t *bytes, size_t size, cordbg_method_body *ret,
                                 uint64_t *ret_needed, cordbg_error *error);

/* Clause index < clause_count. */
cordbg_exception_clause cordbg_method_body_clause(const cordbg_method_body *body, uint32_t index);

#endif
