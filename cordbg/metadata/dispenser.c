/* SPDX-License-Identifier: MIT */
/*
 * IMetaDataDispenser: scopes from files and from memory. Writing is not offered: DefineScope is
 * E_NOTIMPL, and so is opening with ofWrite.
 */
#include "config.h"
#include "cordbg/metadata/scope-private.h"

#include <stdlib.h>
#include <string.h>
#include "cordbg/com/utf16.h"

typedef struct cordbg_metadata_dispenser {
  cordbg_object object;
  CORDBG_FACE(IMetaDataDispenser) as_dispenser;
} cordbg_metadata_dispenser;

/* Takes over image's reference. */
static HRESULT
hand_out(cordbg_image *image, REFIID riid, IUnknown **ret)
{
  HRESULT hr = cordbg_metadata_scope_create(image, riid, (void **)ret);
  cordbg_image_unref(image);
  return hr;
}

static HRESULT
open_scope(IMetaDataDispenser *This, LPCWSTR path, DWORD flags, REFIID riid, IUnknown **ret)
{
  (void)This;
  if (!path || !ret)
    return E_INVALIDARG;
  if (flags & ofWrite)
    return E_NOTIMPL;
  char *text = cordbg_utf8_new(path);
  if (!text)
    return E_OUTOFMEMORY;
  cordbg_image *image = NULL;
  cordbg_error error = {0};
  HRESULT hr = cordbg_image_open_file(text, &image, &error);
  free(text);
  if (FAILED(hr)) {
    cordbg_error_remember(&error);
    return hr;
  }
  return hand_out(image, riid, ret);
}

/*
 * Without ofCopyMemory the bytes must stay until the scope is released; with ofTakeOwnership they
 * are freed with free() then.
 */
static HRESULT
open_scope_on_memory(IMetaDataDispenser *This, LPCVOID data, ULONG size, DWORD flags, REFIID riid,
                     IUnknown **ret)
{
  (void)This;
  if (!data || !size || !ret)
    return E_INVALIDARG;
  if (flags & ofWrite)
    return E_NOTIMPL;
  void *owned = flags & ofTakeOwnership ? (void *)(uintptr_t)data : NULL;
  void *copy = NULL;
  if (flags & ofCopyMemory) {
    copy = malloc(size);
    if (!copy)
      return E_OUTOFMEMORY;
    memcpy(copy, data, size);
  }

  cordbg_image *image = NULL;
  cordbg_error error = {0};
  void *context = copy ? copy : owned;
  HRESULT hr = cordbg_image_open_bytes(copy ? copy : data, size, CORDBG_IMAGE_LAYOUT_FILE,
                                       context ? free : NULL, context, &image, &error);
  if (FAILED(hr)) {
    free(copy);
    cordbg_error_remember(&error);
    return hr;
  }
  if (copy && owned)
    free(owned);
  return hand_out(image, riid, ret);
}

CORDBG_VTBL(IMetaDataDispenser, dispenser_vtbl, .OpenScope = open_scope,
            .OpenScopeOnMemory = open_scope_on_memory);

static const cordbg_interface dispenser_interfaces[] = {
    CORDBG_INTERFACE(cordbg_metadata_dispenser, as_dispenser, IMetaDataDispenser, dispenser_vtbl),
};
static const cordbg_class dispenser_class =
    CORDBG_CLASS(cordbg_metadata_dispenser, dispenser_interfaces, NULL);

HRESULT
cordbg_metadata_dispenser_create(const IID *iid, void **ret)
{
  cordbg_metadata_dispenser *dispenser = cordbg_object_new(&dispenser_class);
  if (!dispenser)
    return E_OUTOFMEMORY;
  HRESULT hr = cordbg_object_query(dispenser, iid, ret);
  cordbg_object_unref(dispenser);
  return hr;
}
