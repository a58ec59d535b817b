/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_SYM_PRIVATE_H
#define CORDBG_METADATA_SYM_PRIVATE_H

#include "cordbg/com/object.h"
#include "cordbg/metadata/sym-reader.h"

typedef struct cordbg_sym_reader {
  cordbg_object object;
  CORDBG_FACE(ISymUnmanagedReader2) as_reader;
  cordbg_symbols *symbols;
  cordbg_image *image; /* NULL: not known */
} cordbg_sym_reader;

typedef struct cordbg_sym_document {
  cordbg_object object;
  CORDBG_FACE(ISymUnmanagedDocument) as_document;
  cordbg_sym_reader *reader; /* a reference */
  uint32_t number;
} cordbg_sym_document;

/* New references. */
HRESULT cordbg_sym_document_create(cordbg_sym_reader *reader, uint32_t number,
                                   ISymUnmanagedDocument **ret);
/* The number of a document of this reader, 0 for another's. */
uint32_t cordbg_sym_document_number(ISymUnmanagedDocument *document,
                                    const cordbg_sym_reader *reader);
HRESULT cordbg_sym_method_create(cordbg_sym_reader *reader, mdMethodDef token,
                                 ISymUnmanagedMethod **ret);

/*
 * The convention of these interfaces' arrays: *count becomes the number of all, at most room are
 * stored. The caller's loop stores; this settles the count. E_INVALIDARG when neither is asked for.
 */
static inline HRESULT
cordbg_sym_put_count(ULONG32 all, ULONG32 room, ULONG32 *count, const void *array)
{
  if (!count && !array)
    return E_INVALIDARG;
  if (count)
    *count = array && room < all ? room : all;
  return S_OK;
}

#endif
