/* SPDX-License-Identifier: MIT */
/* The base of COM objects: COM's rules of identity, reference counts under threads, neutering. */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cordbg/com/object.h"
#include "cordbg/cordebug.h"

/* An object like the real ones: a chain that inherits, a second chain, a conditional third. */
typedef struct probe {
  cordbg_object object;
  CORDBG_FACE(ICorDebugProcess) as_process;
  CORDBG_FACE(ICorDebugProcess2) as_process2;
  CORDBG_FACE(ICorDebugProcess3) as_process3;
  DWORD pid;
  bool has_process3;
} probe;

static unsigned disposed;

static HRESULT
probe_get_id(ICorDebugProcess *This, DWORD *pid)
{
  probe *self = CORDBG_SELF(probe, This);
  HRESULT hr = cordbg_object_alive(self);
  if (FAILED(hr))
    return hr;
  *pid = self->pid;
  return S_OK;
}

static HRESULT
probe_clear(ICorDebugProcess2 *This, CORDB_ADDRESS address)
{
  probe *self = CORDBG_SELF(probe, This);
  self->pid = (DWORD)address;
  return S_OK;
}

CORDBG_VTBL(ICorDebugProcess, process_vtbl, .GetID = probe_get_id);
CORDBG_VTBL(ICorDebugProcess2, process2_vtbl, .ClearUnmanagedBreakpoint = probe_clear);
CORDBG_VTBL(ICorDebugProcess3, process3_vtbl);

static void
probe_dispose(void *object)
{
  assert_int_equal(((probe *)object)->object.references, 0);
  disposed++;
}

static cordbg_face *
probe_find(void *object, const IID *iid)
{
  probe *self = object;
  if (self->has_process3 && IsEqualIID(iid, &IID_ICorDebugProcess3))
    return &self->as_process3.face;
  return NULL;
}

static const cordbg_interface probe_interfaces[] = {
    CORDBG_INTERFACE(probe, as_process, ICorDebugProcess, process_vtbl),
    CORDBG_INTERFACE_BASE(probe, as_process, ICorDebugController, process_vtbl),
    CORDBG_INTERFACE(probe, as_process2, ICorDebugProcess2, process2_vtbl),
};

static cordbg_class probe_class = CORDBG_CLASS(probe, probe_interfaces, probe_dispose);
static const cordbg_class other_class = CORDBG_CLASS(probe, probe_interfaces, NULL);

static int
setup(void **state)
{
  probe_class.find = probe_find;
  disposed = 0;
  probe *object = cordbg_object_new(&probe_class);
  if (!object)
    return -1;
  object->pid = 42;
  object->as_process3.face.lpVtbl = &process3_vtbl;
  object->as_process3.face.object = &object->object;
  *state = object;
  return 0;
}

/* Each test leaves the one reference that setup made. */
static int
teardown(void **state)
{
  uint32_t left = cordbg_object_unref(*state);
  return left == 0 && disposed == 1 && cordbg_object_count() == 0 ? 0 : -1;
}

static void *
query(void *iface, const IID *iid)
{
  void *out = (void *)1;
  assert_int_equal(IUnknown_QueryInterface((IUnknown *)iface, iid, &out), S_OK);
  assert_non_null(out);
  return out;
}

static void
query_interface_obeys_coms_rules(void **state)
{
  static const IID *const iids[] = {&IID_IUnknown, &IID_ICorDebugController, &IID_ICorDebugProcess,
                                    &IID_ICorDebugProcess2};
  probe *object = *state;
  void *identity = query(&object->as_process2.iface, &IID_IUnknown);
  cordbg_unknown_unref(identity);
  for (size_t from = 0; from < 4; from++) {
    void *start = query(&object->as_process.iface, iids[from]);
    for (size_t to = 0; to < 4; to++) {
      /* From any interface to any other, and back; the same pointer each time. */
      void *first = query(start, iids[to]);
      void *second = query(start, iids[to]);
      assert_ptr_equal(first, second);
      void *back = query(first, iids[from]);
      assert_ptr_equal(back, start);
      void *unknown = query(first, &IID_IUnknown);
      assert_ptr_equal(unknown, identity);
      cordbg_unknown_unref(unknown);
      cordbg_unknown_unref(back);
      cordbg_unknown_unref(second);
      cordbg_unknown_unref(first);
    }
    cordbg_unknown_unref(start);
  }
  assert_int_equal(object->object.references, 1);
}

static void
an_unknown_iid_gives_no_interface_and_null(void **state)
{
  probe *object = *state;
  void *out = (void *)1;
  assert_int_equal(
      ICorDebugProcess_QueryInterface(&object->as_process.iface, &IID_ICorDebugThread, &out),
      E_NOINTERFACE);
  assert_null(out);
  assert_int_equal(ICorDebugProcess_QueryInterface(&object->as_process.iface, &IID_IUnknown, NULL),
                   E_POINTER);
  out = (void *)1;
  assert_int_equal(cordbg_object_query(object, NULL, &out), E_INVALIDARG);
  assert_null(out);
  assert_int_equal(object->object.references, 1);
}

static void
a_conditional_interface_is_asked_of_the_object(void **state)
{
  probe *object = *state;
  void *out = (void *)1;
  assert_int_equal(cordbg_object_query(object, &IID_ICorDebugProcess3, &out), E_NOINTERFACE);
  object->has_process3 = true;
  ICorDebugProcess3 *third = query(&object->as_process2.iface, &IID_ICorDebugProcess3);
  assert_int_equal(ICorDebugProcess3_SetEnableCustomNotification(third, NULL, TRUE), E_NOTIMPL);
  assert_int_equal(ICorDebugProcess3_Release(third), 1);
}

static void
methods_find_their_object_and_empty_slots_answer_e_notimpl(void **state)
{
  probe *object = *state;
  ICorDebugProcess *process = &object->as_process.iface;
  DWORD pid = 0;
  assert_int_equal(ICorDebugProcess_GetID(process, &pid), S_OK);
  assert_int_equal(pid, 42);
  assert_int_equal(ICorDebugProcess2_ClearUnmanagedBreakpoint(&object->as_process2.iface, 77),
                   S_OK);
  assert_int_equal(ICorDebugProcess_GetID(process, &pid), S_OK);
  assert_int_equal(pid, 77);

  SIZE_T read = 99;
  BYTE byte = 0x5a;
  assert_int_equal(ICorDebugProcess_ReadMemory(process, 0x1000, 1, &byte, &read), E_NOTIMPL);
  assert_int_equal(read, 99);
  assert_int_equal(byte, 0x5a);
  assert_int_equal(ICorDebugProcess_Stop(process, 0), E_NOTIMPL);

  /* The base's methods through the base's type: the same slots. */
  ICorDebugController *controller = query(process, &IID_ICorDebugController);
  assert_ptr_equal(controller, process);
  assert_int_equal(ICorDebugController_Detach(controller), E_NOTIMPL);
  ICorDebugController_Release(controller);
}

static void
add_ref_and_release_answer_the_count(void **state)
{
  probe *object = *state;
  assert_int_equal(ICorDebugProcess_AddRef(&object->as_process.iface), 2);
  assert_int_equal(ICorDebugProcess2_AddRef(&object->as_process2.iface), 3);
  assert_int_equal(ICorDebugProcess_Release(&object->as_process.iface), 2);
  assert_int_equal(ICorDebugProcess2_Release(&object->as_process2.iface), 1);
  assert_int_equal(disposed, 0);
  assert_int_equal(cordbg_object_count(), 1);
  assert_int_equal(cordbg_object_unref(NULL), 0);
}

static void
a_weak_reference_is_refused_once_the_last_strong_one_is_gone(void **state)
{
  probe *object = *state;
  assert_true(cordbg_object_try_ref(object));
  assert_int_equal(object->object.references, 2);
  assert_int_equal(cordbg_object_unref(object), 1);
  probe dead = *object;
  dead.object.references = 0;
  assert_false(cordbg_object_try_ref(&dead));
  assert_int_equal(dead.object.references, 0);
}

static void
the_first_reason_for_neutering_stays(void **state)
{
  probe *object = *state;
  DWORD pid = 5;
  assert_int_equal(cordbg_object_alive(object), S_OK);
  cordbg_object_neuter(object, CORDBG_E_OBJECT_NEUTERED);
  cordbg_object_neuter(object, CORDBG_E_PROCESS_TERMINATED);
  assert_int_equal(cordbg_object_alive(object), CORDBG_E_OBJECT_NEUTERED);
  assert_int_equal(ICorDebugProcess_GetID(&object->as_process.iface, &pid),
                   CORDBG_E_OBJECT_NEUTERED);
  assert_int_equal(pid, 5);
  /* It is still an object. */
  cordbg_unknown_unref(query(&object->as_process.iface, &IID_ICorDebugProcess2));
}

typedef struct foreign {
  ICorDebugProcess iface; /* no more than COM asks for */
} foreign;

static void
an_interface_pointer_is_known_as_ours_or_not(void **state)
{
  probe *object = *state;
  assert_ptr_equal(cordbg_object_from(&object->as_process.iface, &probe_class), object);
  assert_ptr_equal(cordbg_object_from(&object->as_process2.iface, &probe_class), object);
  assert_null(cordbg_object_from(NULL, &probe_class));
  assert_null(cordbg_object_from(&object->as_process.iface, &other_class));

  /* A client's object in memory that ends where it ends: nothing beyond is read (ASan). */
  static const ICorDebugProcessVtbl theirs = {.GetID = probe_get_id};
  foreign *client = malloc(sizeof(*client));
  assert_non_null(client);
  client->iface.lpVtbl = &theirs;
  assert_null(cordbg_object_from(client, &probe_class));
  free(client);
}

#define THREADS 4
#define ROUNDS 50000

static void *
reference_thread(void *data)
{
  probe *object = data;
  for (int i = 0; i < ROUNDS; i++) {
    void *out = NULL;
    if (cordbg_object_query(object, i % 2 ? &IID_ICorDebugProcess2 : &IID_IUnknown, &out) != S_OK)
      return object;
    ((IUnknown *)out)->lpVtbl->Release(out);
  }
  cordbg_object_unref(object);
  return NULL;
}

static void
reference_counts_are_exact_with_many_threads(void **state)
{
  probe *object = *state;
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    cordbg_object_ref(object);
    assert_int_equal(pthread_create(&threads[i], NULL, reference_thread, object), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    void *result = object;
    pthread_join(threads[i], &result);
    assert_null(result);
  }
  assert_int_equal(object->object.references, 1);
  assert_int_equal(disposed, 0);
}

static void
null_interface_pointers_are_no_reference(void **state)
{
  probe *object = *state;
  cordbg_unknown_ref(NULL);
  cordbg_unknown_unref(NULL);
  cordbg_unknown_ref(&object->as_process2.iface);
  assert_int_equal(object->object.references, 2);
  cordbg_unknown_unref(&object->as_process2.iface);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(query_interface_obeys_coms_rules),
      TEST(an_unknown_iid_gives_no_interface_and_null),
      TEST(a_conditional_interface_is_asked_of_the_object),
      TEST(methods_find_their_object_and_empty_slots_answer_e_notimpl),
      TEST(add_ref_and_release_answer_the_count),
      TEST(a_weak_reference_is_refused_once_the_last_strong_one_is_gone),
      TEST(the_first_reason_for_neutering_stays),
      TEST(an_interface_pointer_is_known_as_ours_or_not),
      TEST(reference_counts_are_exact_with_many_threads),
      TEST(null_interface_pointers_are_no_reference),
  };
  return cmocka_run_group_tests_name("com-object", tests, NULL, NULL);
}
