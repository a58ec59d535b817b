/* SPDX-License-Identifier: MIT */
/*
 * Opening images. Whatever they come from - a file, bytes, a read function - a source is made of
 * it first; the metadata is then taken as a span of that source, so that bytes in memory are used
 * in place and everything else is copied once.
 */
#include "config.h"
#include "cordbg/metadata/image.h"

#include <glib.h>
#include <string.h>

enum { METADATA_SIZE_MAX = 512 << 20 };

struct cordbg_image {
  gint references;
  bool has_pe;
  cordbg_source source;
  cordbg_pe pe;
  cordbg_span metadata_span;
  cordbg_metadata metadata;
};

/* Finds the metadata: the whole source when it is bare, else what the CLI header says. */
static HRESULT
locate_metadata(cordbg_image *image, cordbg_image_layout layout, uint64_t *ret_offset,
                uint64_t *ret_size, cordbg_error *error)
{
  uint8_t magic[4];
  HRESULT hr = cordbg_source_copy(&image->source, 0, magic, sizeof magic, error);
  if (FAILED(hr))
    return hr;
  if (memcmp(magic, "BSJB", 4) == 0) {
    *ret_offset = 0;
    *ret_size = image->source.size;
    return S_OK;
  }

  hr = cordbg_pe_read(&image->source, layout, &image->pe, error);
  if (FAILED(hr))
    return hr;
  image->has_pe = true;
  if (image->pe.cli.rva == 0 || image->pe.metadata.rva == 0)
    return cordbg_error_set(error, CLDB_E_NO_DATA, 0, 0,
                            "the image has no CLI header: it is native code");
  uint64_t available;
  hr = cordbg_pe_rva_to_offset(&image->pe, &image->source, image->pe.metadata.rva, ret_offset,
                               &available, error);
  if (FAILED(hr))
    return hr;
  *ret_size = image->pe.metadata.size;
  if (*ret_size > available)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "the metadata leaves its section");
  return S_OK;
}

static HRESULT
read_metadata(cordbg_image *image, cordbg_image_layout layout, cordbg_error *error)
{
  uint64_t offset = 0, size = 0;
  HRESULT hr = locate_metadata(image, layout, &offset, &size, error);
  if (FAILED(hr))
    return hr;
  if (size > METADATA_SIZE_MAX)
    return cordbg_error_set(error, CLDB_E_TOO_BIG, 0, 0, "metadata of %llu bytes is refused",
                            (unsigned long long)size);
  hr = cordbg_source_span(&image->source, offset, (size_t)size, &image->metadata_span, error);
  if (FAILED(hr))
    return hr;
  hr = cordbg_metadata_init(&image->metadata, image->metadata_span.data, image->metadata_span.size,
                            error);
  if (FAILED(hr))
    cordbg_span_deinit(&image->metadata_span);
  return hr;
}

/* Consumes *source on success only; its destroy function is not called on failure. */
static HRESULT
open_source(const cordbg_source *source, cordbg_image_layout layout, cordbg_image **ret,
            cordbg_error *error)
{
  cordbg_image *image = g_new0(cordbg_image, 1);
  image->references = 1;
  image->source = *source;
  HRESULT hr = read_metadata(image, layout, error);
  if (FAILED(hr)) {
    g_free(image);
    return hr;
  }
  *ret = image;
  return S_OK;
}

HRESULT
cordbg_image_open_file(const char *path, cordbg_image **ret, cordbg_error *error)
{
  cordbg_source source;
  HRESULT hr = cordbg_source_init_file(&source, path, error);
  if (FAILED(hr))
    return hr;
  hr = open_source(&source, CORDBG_IMAGE_LAYOUT_FILE, ret, error);
  if (FAILED(hr))
    cordbg_source_deinit(&source);
  return hr;
}

HRESULT
cordbg_image_open_bytes(const void *bytes, size_t size, cordbg_image_layout layout,
                        cordbg_source_destroy_fn destroy, void *context, cordbg_image **ret,
                        cordbg_error *error)
{
  cordbg_source source;
  cordbg_source_init_bytes(&source, bytes, size, destroy, context);
  return open_source(&source, layout, ret, error);
}

HRESULT
cordbg_image_open_reader(cordbg_source_read_fn read, uint64_t size, cordbg_image_layout layout,
                         cordbg_source_destroy_fn destroy, void *context, cordbg_image **ret,
                         cordbg_error *error)
{
  cordbg_source source;
  cordbg_source_init_reader(&source, read, size, destroy, context);
  return open_source(&source, layout, ret, error);
}

HRESULT
cordbg_image_open_metadata_reader(cordbg_source_read_fn read, uint64_t size, void *context,
                                  cordbg_image **ret, cordbg_error *error)
{
  if (size > METADATA_SIZE_MAX)
    return cordbg_error_set(error, CLDB_E_TOO_BIG, 0, 0, "metadata of %llu bytes is refused",
                            (unsigned long long)size);
  void *copy = g_try_malloc((gsize)size + 1);
  if (!copy)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "no memory for %llu bytes of metadata",
                            (unsigned long long)size);
  HRESULT hr = read(context, 0, copy, (size_t)size, error);
  if (SUCCEEDED(hr))
    hr = cordbg_image_open_bytes(copy, (size_t)size, CORDBG_IMAGE_LAYOUT_FILE, g_free, copy, ret,
                                 error);
  if (FAILED(hr))
    g_free(copy);
  return hr;
}

cordbg_image *
cordbg_image_ref(cordbg_image *image)
{
  g_atomic_int_inc(&image->references);
  return image;
}

void
cordbg_image_unref(cordbg_image *image)
{
  if (!image || !g_atomic_int_dec_and_test(&image->references))
    return;
  cordbg_metadata_deinit(&image->metadata);
  cordbg_span_deinit(&image->metadata_span);
  cordbg_source_deinit(&image->source);
  g_free(image);
}

const cordbg_metadata *
cordbg_image_metadata(const cordbg_image *image)
{
  return &image->metadata;
}

const cordbg_pe *
cordbg_image_pe(const cordbg_image *image)
{
  return image->has_pe ? &image->pe : NULL;
}

const cordbg_source *
cordbg_image_source(const cordbg_image *image)
{
  return &image->source;
}

const uint8_t *
cordbg_image_mvid(const cordbg_image *image)
{
  return cordbg_metadata_guid(
      &image->metadata,
      cordbg_metadata_column(&image->metadata, CORDBG_TABLE_MODULE, 1, CORDBG_MODULE_MVID));
}

HRESULT
cordbg_image_span(const cordbg_image *image, uint32_t rva, size_t size, cordbg_span *ret,
                  cordbg_error *error)
{
  if (!image->has_pe)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "bare metadata has no data at relative virtual addresses");
  return cordbg_pe_span(&image->pe, &image->source, rva, size, ret, error);
}

HRESULT
cordbg_image_resource(const cordbg_image *image, uint32_t resource_rid, cordbg_span *ret,
                      cordbg_error *error)
{
  const cordbg_metadata *metadata = &image->metadata;
  uint32_t implementation =
      cordbg_metadata_column(metadata, CORDBG_TABLE_MANIFEST_RESOURCE, resource_rid,
                             CORDBG_MANIFEST_RESOURCE_IMPLEMENTATION);
  if (!cordbg_metadata_row(metadata, CORDBG_TABLE_MANIFEST_RESOURCE, resource_rid) ||
      implementation >> 2 != 0 || !image->has_pe || image->pe.resources.rva == 0)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "resource %u is not embedded in this image", resource_rid);

  uint32_t offset = cordbg_metadata_column(metadata, CORDBG_TABLE_MANIFEST_RESOURCE, resource_rid,
                                           CORDBG_MANIFEST_RESOURCE_OFFSET);
  uint32_t room = image->pe.resources.size;
  if (offset > room || room - offset < 4)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "resource %u lies outside",
                            resource_rid);
  cordbg_span prefix = {0};
  HRESULT hr = cordbg_image_span(image, image->pe.resources.rva + offset, 4, &prefix, error);
  if (FAILED(hr))
    return hr;
  uint32_t size = cordbg_load_u32(prefix.data);
  cordbg_span_deinit(&prefix);
  if (size > room - offset - 4)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "resource %u is too long",
                            resource_rid);
  return cordbg_image_span(image, image->pe.resources.rva + offset + 4, size, ret, error);
}
