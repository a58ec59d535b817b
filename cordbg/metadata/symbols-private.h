/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_SYMBOLS_PRIVATE_H
#define CORDBG_METADATA_SYMBOLS_PRIVATE_H

#include <glib.h>
#include "cordbg/metadata/symbols.h"

/* What a format does; all functions read only. */
typedef struct cordbg_symbols_ops {
  cordbg_symbols_format format;
  /* Fills documents, method_limit and entry_point. */
  HRESULT (*open)(cordbg_symbols *symbols, cordbg_error *error);
  /* S_OK, or CLDB_E_FILE_OLDVER when the symbols are of another build. */
  HRESULT (*check)(const cordbg_symbols *symbols, const cordbg_image *image, cordbg_error *error);
  HRESULT(*method)
  (const cordbg_symbols *symbols, uint32_t rid, cordbg_method_symbols *ret, cordbg_error *error);
  /* Points only, for the line index. */
  HRESULT(*points)
  (const cordbg_symbols *symbols, uint32_t rid, GArray *points, uint32_t *ret_local_signature,
   cordbg_error *error);
  void (*close)(cordbg_symbols *symbols);
} cordbg_symbols_ops;

struct cordbg_symbols {
  gint references;
  const cordbg_symbols_ops *ops;
  char *path;
  cordbg_source source;
  cordbg_span bytes;     /* the whole file */
  GArray *documents;     /* cordbg_document */
  uint32_t method_limit; /* rids run from 1 to it */
  uint32_t entry_point;
  cordbg_metadata metadata; /* Portable PDB */
  GArray *mdb_rids;         /* .mdb: the methods it has, which need not be dense */
  GHashTable *mdb_methods;  /* .mdb: rid -> offset of the entry + 1 */
  GMutex lock;
  GArray *lines; /* cordbg_line_match by document and line; NULL until asked for */
};

extern const cordbg_symbols_ops cordbg_pdb_ops;
extern const cordbg_symbols_ops cordbg_mdb_ops;

/* Adds up to this many sequence points a method: no method of real code comes near. */
enum { CORDBG_POINTS_MAX = 1 << 20, CORDBG_URL_MAX = 1 << 16 };

/* A Portable PDB only: rows of CustomDebugInformation of a kind for a parent token; 0 for none. */
uint32_t cordbg_pdb_custom(const cordbg_symbols *symbols, uint32_t parent, const uint8_t kind[16]);
HRESULT cordbg_pdb_embedded_source(const cordbg_symbols *symbols, uint32_t document,
                                   cordbg_span *ret, cordbg_error *error);
cordbg_blob cordbg_pdb_source_link(const cordbg_symbols *symbols);

#endif
