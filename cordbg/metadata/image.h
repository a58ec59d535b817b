/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_IMAGE_H
#define CORDBG_METADATA_IMAGE_H

#include "cordbg/metadata/metadata.h"
#include "cordbg/metadata/pe.h"

/*
 * A managed image: container, metadata, and the data that metadata points to by relative virtual
 * address (method bodies, initial values of fields, resources). Reference-counted and immutable
 * after opening; every function is safe on several threads at once.
 *
 * The metadata is held in memory for the image's life (in place when the caller's bytes can be
 * used, else one copy); pointers into it live as long as the image. Method bodies and resources
 * are read when asked for.
 */
typedef struct cordbg_image cordbg_image;

/* The file at path: a PE image or bare metadata. */
HRESULT cordbg_image_open_file(const char *path, cordbg_image **ret, cordbg_error *error);

/*
 * Bytes that stay valid until destroy(context) is called (for ever when destroy is NULL): a PE
 * image in either layout, or bare metadata, which begins with BSJB. Takes over context on success
 * only.
 */
HRESULT cordbg_image_open_bytes(const void *bytes, size_t size, cordbg_image_layout layout,
                                cordbg_source_destroy_fn destroy, void *context, cordbg_image **ret,
                                cordbg_error *error);

/*
 * The same through a read function, for images in another process. size bounds the offsets asked
 * for (for the memory layout: the mapping's extent). Takes over context on success only.
 */
HRESULT cordbg_image_open_reader(cordbg_source_read_fn read, uint64_t size,
                                 cordbg_image_layout layout, cordbg_source_destroy_fn destroy,
                                 void *context, cordbg_image **ret, cordbg_error *error);

/*
 * Bare metadata behind a read function: size bytes that begin with the root. The copy is made
 * here; read is not called afterwards.
 */
HRESULT cordbg_image_open_metadata_reader(cordbg_source_read_fn read, uint64_t size, void *context,
                                          cordbg_image **ret, cordbg_error *error);

cordbg_image *cordbg_image_ref(cordbg_image *image);
void cordbg_image_unref(cordbg_image *image);

/* Never NULL; lives as long as the image. */
const cordbg_metadata *cordbg_image_metadata(const cordbg_image *image);
/* NULL for bare metadata. */
const cordbg_pe *cordbg_image_pe(const cordbg_image *image);
const cordbg_source *cordbg_image_source(const cordbg_image *image);

/* The module's version id, 16 bytes as stored; NULL when it has none. */
const uint8_t *cordbg_image_mvid(const cordbg_image *image);

/* size bytes at an RVA (a field's initial value, code). Release the span before the image. */
HRESULT cordbg_image_span(const cordbg_image *image, uint32_t rva, size_t size, cordbg_span *ret,
                          cordbg_error *error);

/*
 * A resource that is embedded in this image (ManifestResource with a nil implementation), without
 * its length prefix. CLDB_E_RECORD_NOTFOUND when the row does not exist or lies elsewhere.
 */
HRESULT cordbg_image_resource(const cordbg_image *image, uint32_t resource_rid, cordbg_span *ret,
                              cordbg_error *error);

#endif
