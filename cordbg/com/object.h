/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_COM_OBJECT_H
#define CORDBG_COM_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cordbg/winbase.h"
#include "cordbg/com/notimpl.h"

/*
 * The base of every COM object of cordbg.
 *
 * An object is a struct whose first member is a cordbg_object. It carries one *face* for each chain
 * of interfaces that it implements: the vtable pointer that a client sees, and the way back to the
 * object. A class says which faces there are and which IIDs each answers for.
 *
 *   typedef struct cordbg_thread {
 *     cordbg_object object;
 *     CORDBG_FACE(ICorDebugThread) as_thread;
 *     CORDBG_FACE(ICorDebugThread2) as_thread2;
 *     pid_t tid;
 *   } cordbg_thread;
 *
 *   static HRESULT
 *   thread_get_id(ICorDebugThread *This, DWORD *id)
 *   {
 *     cordbg_thread *self = CORDBG_SELF(cordbg_thread, This);
 *     ...
 *   }
 *
 *   CORDBG_VTBL(ICorDebugThread, thread_vtbl, .GetID = thread_get_id, ...);
 *   CORDBG_VTBL(ICorDebugThread2, thread2_vtbl, .GetTaskID = thread_get_task_id);
 *
 *   static const cordbg_interface thread_interfaces[] = {
 *       CORDBG_INTERFACE(cordbg_thread, as_thread, ICorDebugThread, thread_vtbl),
 *       CORDBG_INTERFACE(cordbg_thread, as_thread2, ICorDebugThread2, thread2_vtbl),
 *   };
 *   static const cordbg_class thread_class =
 *       CORDBG_CLASS(cordbg_thread, thread_interfaces, thread_dispose);
 *
 *   cordbg_thread *thread = cordbg_object_new(&thread_class);
 *   *ppThread = &thread->as_thread.iface;
 *
 * Every slot that a vtable does not name answers E_NOTIMPL and touches no output; QueryInterface,
 * AddRef and Release are the functions below. An interface that inherits (ICorDebugProcess from
 * ICorDebugController) is one face with one vtable and an entry for each IID: the derived one by
 * CORDBG_INTERFACE, the bases by CORDBG_INTERFACE_BASE. IID_IUnknown is implied and answers the
 * first entry's face, always the same pointer, as COM demands.
 *
 * Threads: reference counts and the neutering mark are atomic. The class's tables are constant.
 */

typedef struct cordbg_object cordbg_object;
typedef struct cordbg_class cordbg_class;

/* What an interface pointer points to. lpVtbl is first: COM's layout. */
typedef struct cordbg_face {
  const void *lpVtbl;
  cordbg_object *object;
} cordbg_face;

/* A face's member of an object: `.iface` is the typed interface to hand to a client. */
#define CORDBG_FACE(I)                                                                             \
  union {                                                                                          \
    I iface;                                                                                       \
    cordbg_face face;                                                                              \
  }

/* The object behind an interface pointer that is known to be ours (a method's own This). */
#define CORDBG_SELF(type, This)                                                                    \
  ((type *)(void *)((const cordbg_face *)(const void *)(This))->object)

typedef struct cordbg_interface {
  const IID *iid;
  size_t offset; /* of the face in the object */
  const void *vtbl;
} cordbg_interface;

/* An entry of a class's table; does not compile when the vtable is not the interface's. */
#define CORDBG_INTERFACE(type, member, I, vtable)                                                  \
  {                                                                                                \
    .iid = &IID_##I, .offset = offsetof(type, member),                                             \
    .vtbl = (1 ? &(vtable) : (const I##Vtbl *)0)                                                   \
  }

/* The same face under the IID of an interface that the vtable's interface inherits from. */
#define CORDBG_INTERFACE_BASE(type, member, Base, vtable)                                          \
  {                                                                                                \
    .iid = &IID_##Base, .offset = offsetof(type, member), .vtbl = &(vtable)                        \
  }

struct cordbg_class {
  const char *name; /* for the log and for leak reports */
  size_t size;
  const cordbg_interface *interfaces; /* at least one; the first is the identity */
  size_t interface_count;

  /* Releases what the object owns; called once, when the last reference goes. NULL: nothing. */
  void (*dispose)(void *object);

  /*
   * Asked for an IID that the table lacks, for interfaces that depend on the object's state.
   * Returns the face (cordbg_object_query takes the reference) or NULL. NULL: the table is all
   * there is.
   */
  cordbg_face *(*find)(void *object, const IID *iid);
};

#define CORDBG_CLASS(type, table, dispose_function)                                                \
  {                                                                                                \
    .name = #type, .size = sizeof(type) + 0 * sizeof(char[offsetof(type, object) == 0 ? 1 : -1]),  \
    .interfaces = (table), .interface_count = sizeof(table) / sizeof((table)[0]),                  \
    .dispose = (dispose_function)                                                                  \
  }

struct cordbg_object {
  const cordbg_class *type;
  uint32_t references; /* atomic */
  HRESULT neutered;    /* atomic; S_OK while the object stands for something */
};

/*
 * Declares `static const IVtbl name` for an interface: the slots given as designated initialisers,
 * every other one E_NOTIMPL. At file scope.
 */
#define CORDBG_VTBL(I, name, ...)                                                                  \
  _Pragma("GCC diagnostic push")                                                                   \
      _Pragma("GCC diagnostic ignored \"-Woverride-init\"") static const I##Vtbl name = {          \
          I##_NOTIMPL_SLOTS, ##__VA_ARGS__};                                                       \
  _Pragma("GCC diagnostic pop") _Static_assert(sizeof(name) >= 3 * sizeof(void *), #name)

/*
 * A new object of the class with one reference, its faces set and everything else zero.
 * NULL when memory is out.
 */
void *cordbg_object_new(const cordbg_class *type);

/*
 * One reference more, one less. The object's last reference gone, its class's dispose runs and the
 * memory is freed. The new count is returned, for diagnostics. NULL is allowed in unref.
 */
uint32_t cordbg_object_ref(void *object);
uint32_t cordbg_object_unref(void *object);

/*
 * A reference from a weak pointer: false, and none taken, when the last one is already gone. The
 * caller keeps the memory from being freed meanwhile, by the lock under which dispose removes the
 * object from the table that holds the weak pointer.
 */
bool cordbg_object_try_ref(void *object);

/*
 * QueryInterface: S_OK and a reference, or E_NOINTERFACE and *out = NULL. E_POINTER when out is
 * NULL.
 */
HRESULT cordbg_object_query(void *object, const IID *iid, void **out);

/*
 * The object behind an interface pointer that a client passed in, or NULL when it is NULL or not an
 * interface of an object of this class (a client's own implementation, another class of ours).
 * Reads one pointer's worth of memory at iface. No reference is taken.
 */
void *cordbg_object_from(const void *iface, const cordbg_class *type);

/*
 * Marks the object as standing for nothing any more: why is what its methods answer from now on
 * (CORDBG_E_OBJECT_NEUTERED, CORDBG_E_PROCESS_TERMINATED, ...; a failure). The first mark stays.
 */
void cordbg_object_neuter(void *object, HRESULT why);

/* S_OK, or why the object was neutered: the first line of most methods. */
HRESULT cordbg_object_alive(const void *object);

/* Objects of the library that are alive in this process: a leak check for tests. */
size_t cordbg_object_count(void);

/* Reference helpers for interface pointers in structs and out parameters; NULL is allowed. */
static inline void
cordbg_unknown_ref(void *iface)
{
  if (iface)
    ((IUnknown *)iface)->lpVtbl->AddRef(iface);
}

static inline void
cordbg_unknown_unref(void *iface)
{
  if (iface)
    ((IUnknown *)iface)->lpVtbl->Release(iface);
}

/* The three slots of IUnknown in every vtable that CORDBG_VTBL declares. */
HRESULT cordbg_unknown_query_interface(IUnknown *This, REFIID iid, void **out);
ULONG cordbg_unknown_add_ref(IUnknown *This);
ULONG cordbg_unknown_release(IUnknown *This);

#endif
