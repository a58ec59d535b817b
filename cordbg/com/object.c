/* SPDX-License-Identifier: MIT */
/*
 * The base of the COM objects.
 *
 * Why: ICorDebug has some 150 interfaces, most objects answer several of them, and C has no
 * inheritance. Everything that COM asks of every object (identity, reference counts, the mapping
 * from IID to vtable) is here, once; a class is a table.
 *
 * States of an object:
 *
 *   new --(cordbg_object_neuter)--> neutered        references >= 1 in both
 *    |                                 |
 *    +----(the last unref)-------------+--> disposing (references 0) --> freed
 *
 * A neutered object still answers QueryInterface, AddRef, Release and cordbg_object_alive; its
 * methods answer why it was neutered. Objects outlive what they describe, as ICorDebug demands.
 *
 * Invariants:
 * - face->object is the object, for every face in the class's table, from new to freed;
 * - all faces share one reference count, so QueryInterface(IID_IUnknown) has one answer;
 * - references never grow from 0: try_ref refuses, ref would be a bug of the caller.
 */
#include "cordbg/com/object.h"

#include <stdlib.h>
#include <string.h>

static size_t live_objects; /* atomic; a diagnostic, nothing depends on it */

HRESULT
cordbg_notimpl(void)
{
  return E_NOTIMPL;
}

BOOL
cordbg_notimpl_false(void)
{
  return FALSE;
}

static cordbg_face *
face_at(void *object, size_t offset)
{
  return (cordbg_face *)(void *)((char *)object + offset);
}

void *
cordbg_object_new(const cordbg_class *type)
{
  cordbg_object *object = calloc(1, type->size);
  if (!object)
    return NULL;
  object->type = type;
  object->references = 1;
  object->neutered = S_OK;
  for (size_t i = 0; i < type->interface_count; i++) {
    cordbg_face *face = face_at(object, type->interfaces[i].offset);
    face->lpVtbl = type->interfaces[i].vtbl;
    face->object = object;
  }
  __atomic_add_fetch(&live_objects, 1, __ATOMIC_RELAXED);
  return object;
}

uint32_t
cordbg_object_ref(void *object)
{
  cordbg_object *self = object;
  return __atomic_add_fetch(&self->references, 1, __ATOMIC_RELAXED);
}

uint32_t
cordbg_object_unref(void *object)
{
  cordbg_object *self = object;
  if (!self)
    return 0;
  /* Release: what this thread did to the object happens before another thread disposes of it. */
  uint32_t left = __atomic_sub_fetch(&self->references, 1, __ATOMIC_ACQ_REL);
  if (left == 0) {
    if (self->type->dispose)
      self->type->dispose(self);
    free(self);
    __atomic_sub_fetch(&live_objects, 1, __ATOMIC_RELAXED);
  }
  return left;
}

bool
cordbg_object_try_ref(void *object)
{
  cordbg_object *self = object;
  uint32_t count = __atomic_load_n(&self->references, __ATOMIC_RELAXED);
  while (count != 0) {
    if (__atomic_compare_exchange_n(&self->references, &count, count + 1, true, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
      return true;
  }
  return false;
}

static cordbg_face *
find_face(cordbg_object *self, const IID *iid)
{
  const cordbg_class *type = self->type;
  if (IsEqualIID(iid, &IID_IUnknown))
    return face_at(self, type->interfaces[0].offset);
  for (size_t i = 0; i < type->interface_count; i++)
    if (IsEqualIID(iid, type->interfaces[i].iid))
      return face_at(self, type->interfaces[i].offset);
  return type->find ? type->find(self, iid) : NULL;
}

HRESULT
cordbg_object_query(void *object, const IID *iid, void **out)
{
  if (!out)
    return E_POINTER;
  *out = NULL;
  if (!iid)
    return E_INVALIDARG;
  cordbg_face *face = find_face(object, iid);
  if (!face)
    return E_NOINTERFACE;
  cordbg_object_ref(object);
  *out = face;
  return S_OK;
}

void *
cordbg_object_from(const void *iface, const cordbg_class *type)
{
  if (!iface)
    return NULL;
  /* Only lpVtbl is sure to be there: a client's own object may be no larger than that. */
  const void *vtbl = ((const IUnknown *)iface)->lpVtbl;
  for (size_t i = 0; i < type->interface_count; i++)
    if (vtbl == type->interfaces[i].vtbl) {
      cordbg_object *object = ((const cordbg_face *)iface)->object;
      /* Two classes may share a vtable; the object knows its own. */
      return object->type == type ? object : NULL;
    }
  return NULL;
}

void
cordbg_object_neuter(void *object, HRESULT why)
{
  cordbg_object *self = object;
  HRESULT expected = S_OK;
  __atomic_compare_exchange_n(&self->neutered, &expected, why, false, __ATOMIC_RELEASE,
                              __ATOMIC_RELAXED);
}

HRESULT
cordbg_object_alive(const void *object)
{
  const cordbg_object *self = object;
  return __atomic_load_n(&self->neutered, __ATOMIC_ACQUIRE);
}

size_t
cordbg_object_count(void)
{
  return __atomic_load_n(&live_objects, __ATOMIC_RELAXED);
}

HRESULT
cordbg_unknown_query_interface(IUnknown *This, REFIID iid, void **out)
{
  return cordbg_object_query(CORDBG_SELF(cordbg_object, This), iid, out);
}

ULONG
cordbg_unknown_add_ref(IUnknown *This)
{
  return cordbg_object_ref(CORDBG_SELF(cordbg_object, This));
}

ULONG
cordbg_unknown_release(IUnknown *This)
{
  return cordbg_object_unref(CORDBG_SELF(cordbg_object, This));
}
