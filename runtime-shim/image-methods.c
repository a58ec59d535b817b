/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "runtime-shim/image-methods.h"

#include <glib.h>
#include <string.h>

#include "cordbg/metadata/method-body.h"

/* CorMethodAttr and CorMethodImpl bits. */
enum {
  METHOD_ABSTRACT = 0x400,
  METHOD_PINVOKE = 0x2000,
  IMPL_NOT_IL = 0x3,
  IMPL_INTERNAL = 0x1000
};

typedef struct image_source {
  cordbg_target *target; /* a reference */
  uint64_t base;
} image_source;

/* ---- Images in the target ---- */

static HRESULT
read_image(void *context, uint64_t offset, void *buffer, size_t size, cordbg_error *error)
{
  const image_source *source = context;

  return cordbg_target_read_exact(source->target, CORDBG_VIEW_PRISTINE, source->base + offset,
                                  buffer, size, error);
}

static void
destroy_source(void *context)
{
  image_source *source = context;

  cordbg_target_unref(source->target);
  g_free(source);
}

HRESULT
cordbg_rt_open_image(cordbg_target *target, uint64_t base, uint64_t size,
                     cordbg_image_layout layout, cordbg_image **ret, cordbg_error *error)
{
  image_source *source = g_new(image_source, 1);

  *source = (image_source){cordbg_target_ref(target), base};
  HRESULT hr =
      cordbg_image_open_reader(read_image, size, layout, destroy_source, source, ret, error);
  if (FAILED(hr))
    destroy_source(source);
  return hr;
}

HRESULT
cordbg_rt_open_metadata(cordbg_target *target, uint64_t address, uint64_t size, cordbg_image **ret,
                        cordbg_error *error)
{
  image_source source = {target, address}; /* all is read before this returns */

  return cordbg_image_open_metadata_reader(read_image, size, &source, ret, error);
}

/* ---- Names ---- */

/* The TypeDef named "Namespace.Outer+Inner" (or with /); 0: none. */
static uint32_t
find_type(const cordbg_metadata *metadata, const char *type)
{
  uint32_t rid = 0;
  const char *at = type;

  for (bool outer = true;; outer = false) {
    size_t length = strcspn(at, "+/");
    size_t name_space = 0, name = 0;
    if (outer) /* the last dot that is not the first of ".." or at the end parts the namespace */
      for (size_t i = 0; i + 1 < length; i++)
        if (at[i] == '.' && i > 0) {
          name_space = i;
          name = i + 1;
        }
    rid = cordbg_metadata_find_type(metadata, at, name_space, at + name, length - name, rid);
    if (!rid || !at[length])
      return rid;
    at += length + 1;
  }
}

HRESULT
cordbg_rt_find_methods(const cordbg_image *image, const char *type, const char *method,
                       uint32_t **tokens, size_t *count)
{
  GArray *found = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  const cordbg_metadata *metadata = image ? cordbg_image_metadata(image) : NULL;
  uint32_t rid = metadata ? find_type(metadata, type) : 0;
  if (rid) {
    cordbg_run run = cordbg_metadata_type_methods(metadata, rid);
    for (uint32_t i = run.first; i < run.end; i++) {
      uint32_t method_rid = cordbg_metadata_run_rid(metadata, &run, i);
      uint32_t token = (uint32_t)CORDBG_TABLE_METHOD_DEF << 24 | method_rid;
      if (strcmp(cordbg_metadata_column_string(metadata, CORDBG_TABLE_METHOD_DEF, method_rid,
                                               CORDBG_METHOD_DEF_NAME),
                 method) == 0)
        g_array_append_val(found, token);
    }
  }
  *count = found->len;
  *tokens = (uint32_t *)(void *)g_array_free(found, FALSE);
  return *count ? S_OK : S_FALSE;
}

/* "Namespace.Outer+Inner"; bounded, since hostile tables may nest in a circle. */
static char *
type_name(const cordbg_metadata *metadata, uint32_t rid)
{
  GString *name = g_string_new(NULL);

  for (unsigned depth = 0; rid && depth < 64; depth++) {
    uint32_t outer = cordbg_metadata_enclosing_type(metadata, rid);
    const char *name_space = cordbg_metadata_column_string(metadata, CORDBG_TABLE_TYPE_DEF, rid,
                                                           CORDBG_TYPE_DEF_NAMESPACE);
    if (depth)
      g_string_prepend_c(name, '+');
    g_string_prepend(name, cordbg_metadata_column_string(metadata, CORDBG_TABLE_TYPE_DEF, rid,
                                                         CORDBG_TYPE_DEF_NAME));
    if (!outer && *name_space) {
      g_string_prepend_c(name, '.');
      g_string_prepend(name, name_space);
    }
    rid = outer;
  }
  g_string_truncate(name, MIN(name->len, CORDBG_RT_NAME_MAX));
  return g_string_free(name, FALSE);
}

/* The metadata, when it has this method; else NULL and E_INVALIDARG in the error. */
static const cordbg_metadata *
metadata_with(const cordbg_image *image, const char *module, uint32_t token, cordbg_error *error)
{
  const cordbg_metadata *metadata = cordbg_image_metadata(image);

  if (token >> 24 == CORDBG_TABLE_METHOD_DEF && cordbg_metadata_token_valid(metadata, token))
    return metadata;
  cordbg_error_set(error, E_INVALIDARG, 0, 0, "%s has no method 0x%08x", module, token);
  return NULL;
}

HRESULT
cordbg_rt_method_name(const cordbg_image *image, const char *module, uint32_t token, char **type,
                      char **method, cordbg_error *error)
{
  const cordbg_metadata *metadata = metadata_with(image, module, token, error);

  if (!metadata)
    return E_INVALIDARG;
  uint32_t rid = token & CORDBG_RID_MAX;
  if (type)
    *type = type_name(metadata, cordbg_metadata_method_type(metadata, rid));
  if (method)
    *method = g_strndup(cordbg_metadata_column_string(metadata, CORDBG_TABLE_METHOD_DEF, rid,
                                                      CORDBG_METHOD_DEF_NAME),
                        CORDBG_RT_NAME_MAX);
  return S_OK;
}

bool
cordbg_rt_has_il(const cordbg_metadata *metadata, uint32_t rid)
{
  uint32_t flags =
      cordbg_metadata_column(metadata, CORDBG_TABLE_METHOD_DEF, rid, CORDBG_METHOD_DEF_FLAGS);
  uint32_t impl =
      cordbg_metadata_column(metadata, CORDBG_TABLE_METHOD_DEF, rid, CORDBG_METHOD_DEF_IMPL_FLAGS);

  return !(flags & (METHOD_ABSTRACT | METHOD_PINVOKE)) && !(impl & (IMPL_NOT_IL | IMPL_INTERNAL)) &&
         cordbg_metadata_column(metadata, CORDBG_TABLE_METHOD_DEF, rid, CORDBG_METHOD_DEF_RVA) != 0;
}

HRESULT
cordbg_rt_get_method(const cordbg_image *image, const char *module, uint64_t base, uint32_t token,
                     cordbg_rt_method *ret, cordbg_error *error)
{
  const cordbg_metadata *metadata = metadata_with(image, module, token, error);
  cordbg_method_body body;
  uint64_t offset, available;

  if (!metadata)
    return E_INVALIDARG;
  uint32_t rid = token & CORDBG_RID_MAX;
  uint32_t type = cordbg_metadata_method_type(metadata, rid);
  *ret = (cordbg_rt_method){.token = token,
                            .class_token = type ? (uint32_t)CORDBG_TABLE_TYPE_DEF << 24 | type : 0};
  uint32_t rva =
      cordbg_metadata_column(metadata, CORDBG_TABLE_METHOD_DEF, rid, CORDBG_METHOD_DEF_RVA);
  if (!cordbg_rt_has_il(metadata, rid) || cordbg_method_body_init(&body, image, rid, NULL) != S_OK)
    return S_OK;
  if (cordbg_image_pe(image) &&
      SUCCEEDED(cordbg_pe_rva_to_offset(cordbg_image_pe(image), cordbg_image_source(image), rva,
                                        &offset, &available, NULL))) {
    ret->il_address = base + offset + (uint64_t)(body.code - body.span.data);
    ret->il_size = body.code_size;
    ret->local_signature = body.local_signature;
  }
  cordbg_method_body_deinit(&body);
  return S_OK;
}
