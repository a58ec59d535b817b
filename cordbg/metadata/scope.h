/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_SCOPE_H
#define CORDBG_METADATA_SCOPE_H

#include "cordbg/cormeta.h"
#include "cordbg/metadata/image.h"

/*
 * Microsoft's metadata interfaces over an image: one object answers IMetaDataImport, 2,
 * IMetaDataAssemblyImport, IMetaDataTables, 2 and IMetaDataInfo. It takes a reference to the image.
 * E_NOINTERFACE for other interfaces (scopes are read-only: no IMetaDataEmit).
 */
HRESULT cordbg_metadata_scope_create(cordbg_image *image, const IID *iid, void **ret);

/* The image behind a scope of ours (any of its interfaces), NULL for another's. No reference. */
cordbg_image *cordbg_metadata_scope_image(IUnknown *scope);

/* IMetaDataDispenser: OpenScope and OpenScopeOnMemory, reading only. */
HRESULT cordbg_metadata_dispenser_create(const IID *iid, void **ret);

#endif
