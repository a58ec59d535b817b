/* SPDX-License-Identifier: MIT */
/*
 * The enumerators.
 *
 * Why: 22 interfaces of ICorDebug enumerate something. Their vtables are the same eight pointers
 * (tests/unit/test-com-enumerator.c has them all), so one set of functions serves all.
 *
 * An enumerator is a position in a snapshot. The snapshot is constant and counted, the position is
 * atomic; there is no lock.
 *
 * Invariants: 0 <= position <= snapshot->count. The snapshot holds the references of its items and
 * is freed with the last enumerator that shares it.
 */
#include "cordbg/com/enumerator.h"

#include <stdlib.h>
#include <string.h>
#include "cordbg/com/object.h"
#include "cordbg/cordebug.h"

typedef struct snapshot {
  cordbg_item_type type;
  uint32_t references; /* atomic */
  uint32_t count;
  _Alignas(max_align_t) unsigned char items[];
} snapshot;

/* The eight slots, in the types that the functions below have. */
typedef struct enumerator_vtbl {
  HRESULT (*QueryInterface)(IUnknown *This, REFIID iid, void **out);
  ULONG (*AddRef)(IUnknown *This);
  ULONG (*Release)(IUnknown *This);
  HRESULT (*Skip)(void *This, ULONG celt);
  HRESULT (*Reset)(void *This);
  HRESULT (*Clone)(void *This, void **out);
  HRESULT (*GetCount)(void *This, ULONG *count);
  HRESULT (*Next)(void *This, ULONG celt, void *items, ULONG *fetched);
} enumerator_vtbl;

_Static_assert(sizeof(enumerator_vtbl) == sizeof(ICorDebugThreadEnumVtbl),
               "slots of an enumerator");
_Static_assert(offsetof(enumerator_vtbl, Next) == offsetof(ICorDebugThreadEnumVtbl, Next), "Next");
_Static_assert(offsetof(enumerator_vtbl, Clone) == offsetof(ICorDebugEnumVtbl, Clone), "Clone");

typedef struct enumerator {
  cordbg_object object;
  CORDBG_FACE(IUnknown) as_enum;
  snapshot *snapshot;
  uint32_t position; /* atomic */
} enumerator;

static HRESULT enumerator_from(snapshot *shared, uint32_t position, void **out);

static void
snapshot_unref(snapshot *shared)
{
  if (__atomic_sub_fetch(&shared->references, 1, __ATOMIC_ACQ_REL) != 0)
    return;
  if (shared->type.unref)
    for (uint32_t i = 0; i < shared->count; i++)
      shared->type.unref(shared->items + (size_t)i * shared->type.size);
  free(shared);
}

/* Moves the position on by up to celt and gives the range that was passed: [*first, returned). */
static uint32_t
advance(enumerator *self, ULONG celt, uint32_t *first)
{
  uint32_t count = self->snapshot->count;
  uint32_t now = __atomic_load_n(&self->position, __ATOMIC_RELAXED);
  uint32_t then;
  do {
    then = celt > count - now ? count : now + celt;
  } while (!__atomic_compare_exchange_n(&self->position, &now, then, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED));
  *first = now;
  return then;
}

static HRESULT
enumerator_skip(void *This, ULONG celt)
{
  uint32_t first;
  advance(CORDBG_SELF(enumerator, This), celt, &first);
  return S_OK;
}

static HRESULT
enumerator_reset(void *This)
{
  enumerator *self = CORDBG_SELF(enumerator, This);
  __atomic_store_n(&self->position, 0, __ATOMIC_RELAXED);
  return S_OK;
}

static HRESULT
enumerator_clone(void *This, void **out)
{
  enumerator *self = CORDBG_SELF(enumerator, This);
  if (!out)
    return E_INVALIDARG;
  __atomic_add_fetch(&self->snapshot->references, 1, __ATOMIC_RELAXED);
  HRESULT hr =
      enumerator_from(self->snapshot, __atomic_load_n(&self->position, __ATOMIC_RELAXED), out);
  if (FAILED(hr))
    snapshot_unref(self->snapshot);
  return hr;
}

static HRESULT
enumerator_get_count(void *This, ULONG *count)
{
  enumerator *self = CORDBG_SELF(enumerator, This);
  if (!count)
    return E_INVALIDARG;
  *count = self->snapshot->count;
  return S_OK;
}

static HRESULT
enumerator_next(void *This, ULONG celt, void *items, ULONG *fetched)
{
  enumerator *self = CORDBG_SELF(enumerator, This);
  const cordbg_item_type *type = &self->snapshot->type;
  if ((!fetched && celt != 1) || (!items && celt != 0))
    return E_INVALIDARG;

  uint32_t first;
  uint32_t count = advance(self, celt, &first);
  count -= first;
  if (count > 0)
    memcpy(items, self->snapshot->items + (size_t)first * type->size, (size_t)count * type->size);
  if (type->ref)
    for (uint32_t i = 0; i < count; i++)
      type->ref((char *)items + (size_t)i * type->size);
  if (fetched)
    *fetched = count;
  return count == celt ? S_OK : S_FALSE;
}

static const enumerator_vtbl enumerator_table = {
    .QueryInterface = cordbg_unknown_query_interface,
    .AddRef = cordbg_unknown_add_ref,
    .Release = cordbg_unknown_release,
    .Skip = enumerator_skip,
    .Reset = enumerator_reset,
    .Clone = enumerator_clone,
    .GetCount = enumerator_get_count,
    .Next = enumerator_next,
};

static void
enumerator_dispose(void *object)
{
  enumerator *self = object;
  snapshot_unref(self->snapshot);
}

/* The IIDs are the instance's, so the class's table cannot have them. */
static cordbg_face *
enumerator_find(void *object, const IID *iid)
{
  enumerator *self = object;
  const cordbg_item_type *type = &self->snapshot->type;
  if (IsEqualIID(iid, type->iid) || IsEqualIID(iid, type->base))
    return &self->as_enum.face;
  return NULL;
}

static const cordbg_interface enumerator_interfaces[] = {
    CORDBG_INTERFACE_BASE(enumerator, as_enum, IUnknown, enumerator_table),
};

static const cordbg_class enumerator_class = {
    .name = "enumerator",
    .size = sizeof(enumerator),
    .interfaces = enumerator_interfaces,
    .interface_count = 1,
    .dispose = enumerator_dispose,
    .find = enumerator_find,
};

/* On success the new enumerator owns the caller's reference of the snapshot. */
static HRESULT
enumerator_from(snapshot *shared, uint32_t position, void **out)
{
  enumerator *self = cordbg_object_new(&enumerator_class);
  if (!self)
    return E_OUTOFMEMORY;
  self->snapshot = shared;
  self->position = position;
  *out = &self->as_enum.iface;
  return S_OK;
}

HRESULT
cordbg_enumerator_new(const cordbg_item_type *type, const void *items, size_t count, void **out)
{
  if (!type || !type->iid || !type->base || type->size == 0 || count > UINT32_MAX ||
      (!items && count > 0) || !out)
    return E_INVALIDARG;
  if (count > (SIZE_MAX - sizeof(snapshot)) / type->size)
    return E_OUTOFMEMORY;
  snapshot *shared = malloc(sizeof(*shared) + count * type->size);
  if (!shared)
    return E_OUTOFMEMORY;
  shared->type = *type;
  shared->references = 1;
  shared->count = (uint32_t)count;
  if (count > 0)
    memcpy(shared->items, items, count * type->size);
  if (type->ref)
    for (size_t i = 0; i < count; i++)
      type->ref(shared->items + i * type->size);

  HRESULT hr = enumerator_from(shared, 0, out);
  if (FAILED(hr))
    snapshot_unref(shared);
  return hr;
}

static void
pointer_ref(void *item)
{
  void *iface;
  memcpy(&iface, item, sizeof(iface));
  cordbg_unknown_ref(iface);
}

static void
pointer_unref(void *item)
{
  void *iface;
  memcpy(&iface, item, sizeof(iface));
  cordbg_unknown_unref(iface);
}

HRESULT
cordbg_enumerator_new_objects(const IID *iid, void *const *objects, size_t count, void **out)
{
  const cordbg_item_type type = {
      .iid = iid,
      .base = &IID_ICorDebugEnum,
      .size = sizeof(void *),
      .ref = pointer_ref,
      .unref = pointer_unref,
  };
  return cordbg_enumerator_new(&type, objects, count, out);
}
