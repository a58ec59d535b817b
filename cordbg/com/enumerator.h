/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_COM_ENUMERATOR_H
#define CORDBG_COM_ENUMERATOR_H

#include <stddef.h>
#include "cordbg/winbase.h"

/*
 * One implementation of every ICorDebug...Enum (and ICorPublish...Enum): they differ in their IID
 * and in the type of what Next copies out, and in nothing else. An enumerator is a snapshot, taken
 * when it is made; Clone shares it.
 *
 * Next(celt, items, fetched): S_OK when celt items came, S_FALSE when fewer; *fetched is the count.
 * fetched may be NULL when celt is 1 (E_INVALIDARG otherwise; items beyond the count are
 * untouched). Interface pointers that come out carry a reference for the caller.
 * Skip answers S_OK always and stops at the end, as libmscordbi's does. Clone keeps the position.
 * All methods may be called on any thread; two threads in Next get different items.
 */

typedef struct cordbg_item_type {
  const IID *iid;  /* of the enumerator, e.g. IID_ICorDebugThreadEnum; must outlive it */
  const IID *base; /* IID_ICorDebugEnum or IID_ICorPublishEnum; must outlive it */
  size_t size;     /* of one item */

  /* Take and drop the references that an item's copy holds. NULL: an item holds none. */
  void (*ref)(void *item);
  void (*unref)(void *item);
} cordbg_item_type;

/*
 * Makes an enumerator over a copy of count items (items may be NULL when count is 0) and stores it,
 * with one reference, in *out as a pointer to the interface type->iid. References are taken for the
 * copies; the caller keeps its own.
 * E_OUTOFMEMORY, E_INVALIDARG (count beyond ULONG, size 0, out NULL).
 */
HRESULT cordbg_enumerator_new(const cordbg_item_type *type, const void *items, size_t count,
                              void **out);

/*
 * The usual case: items are interface pointers (a GPtrArray's pdata and len will do), each already
 * of the type that the enumerator's Next hands out. The base is IID_ICorDebugEnum.
 */
HRESULT cordbg_enumerator_new_objects(const IID *iid, void *const *objects, size_t count,
                                      void **out);

#endif
