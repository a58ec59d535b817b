/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_SYM_READER_H
#define CORDBG_METADATA_SYM_READER_H

#include "cordbg/corsym.h"
#include "cordbg/metadata/symbols.h"

/*
 * Microsoft's symbol interfaces over cordbg_symbols: ISymUnmanagedReader and 2, and what they hand
 * out. image (may be NULL) is the module that the symbols belong to: signatures of locals come from
 * it. Both get a reference.
 */
HRESULT cordbg_sym_reader_create(cordbg_symbols *symbols, cordbg_image *image, const IID *iid,
                                 void **ret);

/* ISymUnmanagedBinder and 2: readers for image files and for symbol streams. */
HRESULT cordbg_sym_binder_create(const IID *iid, void **ret);

#endif
