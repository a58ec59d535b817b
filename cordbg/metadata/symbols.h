/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_SYMBOLS_H
#define CORDBG_METADATA_SYMBOLS_H

#include "cordbg/metadata/image.h"

/*
 * Debug symbols of a managed image: which IL offset is which line, scopes, names of locals, async
 * methods. One interface for both formats: Portable PDB (a file of its own or embedded in the
 * image) and Mono's .mdb. Reference-counted, immutable after opening, safe on several threads.
 *
 * Lines and columns count from 1. IL offsets are bytes into the method's code. Documents are
 * numbered from 1, in the order of the file.
 */
typedef struct cordbg_symbols cordbg_symbols;

typedef enum cordbg_symbols_format {
  CORDBG_SYMBOLS_PORTABLE_PDB,
  CORDBG_SYMBOLS_MDB
} cordbg_symbols_format;

/* The line of a point that belongs to no line of source. */
enum { CORDBG_HIDDEN_LINE = 0xfeefee };

typedef struct cordbg_sequence_point {
  uint32_t offset;
  uint32_t document; /* 0: not known */
  uint32_t start_line, start_column;
  uint32_t end_line, end_column; /* the column behind the last character */
} cordbg_sequence_point;

typedef struct cordbg_local_variable {
  char *name;
  uint32_t index;      /* slot in the local signature */
  uint32_t attributes; /* 1: hidden from debuggers */
} cordbg_local_variable;

typedef struct cordbg_local_constant {
  char *name;
  cordbg_blob signature; /* type and value as stored (Portable PDB specification) */
} cordbg_local_constant;

/* [start, end) of the code. Scope 0 is the root and covers all others; parents precede children. */
typedef struct cordbg_local_scope {
  uint32_t start, end;
  int32_t parent; /* index, -1 for the root */
  uint32_t first_variable, variable_count;
  uint32_t first_constant, constant_count;
  uint32_t import_scope; /* what its names may leave out: cordbg_symbols_imports; 0: not said */
} cordbg_local_scope;

/* Where a state machine's field holds the local of a slot: [start, end); 0, 0 where it is none. */
typedef struct cordbg_hoisted_scope {
  uint32_t start, end;
} cordbg_hoisted_scope;

typedef struct cordbg_async_step {
  uint32_t yield_offset;
  uint32_t resume_offset;
  uint32_t resume_method; /* MethodDef token */
} cordbg_async_step;

typedef struct cordbg_method_symbols {
  uint32_t method;          /* MethodDef token */
  uint32_t local_signature; /* StandAloneSig token, 0 when not said */
  uint32_t point_count, scope_count, variable_count, constant_count, step_count, hoisted_count;
  cordbg_sequence_point *points; /* by offset */
  cordbg_local_scope *scopes;
  cordbg_local_variable *variables;
  cordbg_local_constant *constants;
  cordbg_async_step *steps;
  cordbg_hoisted_scope *hoisted; /* by slot */
  uint32_t kickoff_method;       /* of a state machine's MoveNext: the method as written; 0 else */
  bool is_async;
  bool has_catch_handler;
  uint32_t catch_handler;
} cordbg_method_symbols;

typedef struct cordbg_document {
  char *url;
  uint8_t language[16];
  uint8_t hash_algorithm[16]; /* zeros: none */
  cordbg_blob hash;
} cordbg_document;

/*
 * Finds the symbols of an image: embedded, else beside image_path (NULL: only embedded) a .pdb or
 * an .mdb. S_OK; CLDB_E_RECORD_NOTFOUND when there are none, CLDB_E_FILE_OLDVER when a file is
 * there but belongs to another build (error says which). search_path: a further directory, or NULL.
 */
HRESULT cordbg_symbols_open(const cordbg_image *image, const char *image_path,
                            const char *search_path, cordbg_symbols **ret, cordbg_error *error);

/* A symbol file of either format. image: checked to belong to it unless NULL. */
HRESULT cordbg_symbols_open_file(const char *path, const cordbg_image *image, cordbg_symbols **ret,
                                 cordbg_error *error);

/*
 * The same from memory, whose format its first bytes tell. Takes over context on success only.
 */
HRESULT cordbg_symbols_open_bytes(const void *bytes, size_t size, const cordbg_image *image,
                                  cordbg_source_destroy_fn destroy, void *context,
                                  cordbg_symbols **ret, cordbg_error *error);

cordbg_symbols *cordbg_symbols_ref(cordbg_symbols *symbols);
void cordbg_symbols_unref(cordbg_symbols *symbols);

cordbg_symbols_format cordbg_symbols_get_format(const cordbg_symbols *symbols);
/* Where they were read from, NULL for memory. */
const char *cordbg_symbols_path(const cordbg_symbols *symbols);
/* MethodDef token, 0 for none. */
uint32_t cordbg_symbols_entry_point(const cordbg_symbols *symbols);

uint32_t cordbg_symbols_document_count(const cordbg_symbols *symbols);
/* NULL when there is no such document. */
const cordbg_document *cordbg_symbols_document(const cordbg_symbols *symbols, uint32_t document);
/*
 * The documents whose URL is path or ends with it after a separator ('/' and '\' are the same);
 * at most max numbers are stored, the count of all is returned.
 */
uint32_t cordbg_symbols_find_documents(const cordbg_symbols *symbols, const char *path,
                                       uint32_t *documents, uint32_t max);

/* The source text that the symbols carry; CLDB_E_RECORD_NOTFOUND when they do not. */
HRESULT cordbg_symbols_embedded_source(const cordbg_symbols *symbols, uint32_t document,
                                       cordbg_span *ret, cordbg_error *error);
/* The SourceLink document (JSON, UTF-8); empty when there is none. */
cordbg_blob cordbg_symbols_source_link(const cordbg_symbols *symbols);

/* An import of a scope: a namespace, a type, an assembly's alias. Kinds are the specification's. */
typedef enum cordbg_import_kind {
  CORDBG_IMPORT_NAMESPACE = 1,
  CORDBG_IMPORT_ASSEMBLY_NAMESPACE,
  CORDBG_IMPORT_TYPE,
  CORDBG_IMPORT_XML_NAMESPACE,
  CORDBG_IMPORT_ASSEMBLY_REFERENCE_ALIAS,
  CORDBG_ALIAS_ASSEMBLY_REFERENCE,
  CORDBG_ALIAS_NAMESPACE,
  CORDBG_ALIAS_ASSEMBLY_NAMESPACE,
  CORDBG_ALIAS_TYPE
} cordbg_import_kind;

typedef struct cordbg_import {
  cordbg_import_kind kind;
  cordbg_blob alias, name_space; /* UTF-8, in the symbols; empty where the kind has none */
  uint32_t assembly;             /* AssemblyRef token of the image, 0 likewise */
  uint32_t type;                 /* TypeDef, TypeRef or TypeSpec token of the image */
} cordbg_import;

/* Import scopes are numbered from 1; 0 in a .mdb, which has none. */
uint32_t cordbg_symbols_import_scope_count(const cordbg_symbols *symbols);
/*
 * What one imports, and the scope around it (0: none). CLDB_E_RECORD_NOTFOUND: there is no such
 * scope; CLDB_E_FILE_CORRUPT: its imports are damaged. *ret is freed with free().
 */
HRESULT cordbg_symbols_imports(const cordbg_symbols *symbols, uint32_t import_scope,
                               cordbg_import **ret, uint32_t *ret_count, uint32_t *ret_parent,
                               cordbg_error *error);

/*
 * The value of a CustomDebugInformation row of a Portable PDB by its parent's token and its kind,
 * as it is stored; empty when there is none.
 */
cordbg_blob cordbg_symbols_custom(const cordbg_symbols *symbols, uint32_t token,
                                  const uint8_t kind[16]);

/* All that is known of a method. CLDB_E_RECORD_NOTFOUND when nothing is. Free the result. */
HRESULT cordbg_symbols_method(const cordbg_symbols *symbols, uint32_t method_token,
                              cordbg_method_symbols **ret, cordbg_error *error);
void cordbg_method_symbols_free(cordbg_method_symbols *method);

/* The last point at or before an offset that has a line; NULL when there is none. */
const cordbg_sequence_point *cordbg_method_symbols_point_at(const cordbg_method_symbols *method,
                                                            uint32_t offset);

/* A point of any method, found by line. */
typedef struct cordbg_line_match {
  uint32_t method; /* MethodDef token */
  cordbg_sequence_point point;
} cordbg_line_match;

/*
 * The points that begin on a line of a document, or when none does on the next line that has any:
 * by column, method and offset. The array belongs to symbols. *ret_count is 0 past the last line.
 * Builds the line index at the first call (reads every method's points).
 */
HRESULT cordbg_symbols_find_line(const cordbg_symbols *symbols, uint32_t document, uint32_t line,
                                 const cordbg_line_match **ret, size_t *ret_count,
                                 cordbg_error *error);
/* All points of a document, by line. */
HRESULT cordbg_symbols_document_points(const cordbg_symbols *symbols, uint32_t document,
                                       const cordbg_line_match **ret, size_t *ret_count,
                                       cordbg_error *error);

/*
 * Raw deflate data of known size. CLDB_E_FILE_CORRUPT when it does not give exactly size bytes.
 * size is refused beyond 256 MiB or 1,100 times the input. Free with free().
 */
HRESULT cordbg_inflate(const uint8_t *data, size_t data_size, size_t size, uint8_t **ret,
                       cordbg_error *error);

#endif
