/* SPDX-License-Identifier: MIT */
/*
 * The one enumerator behind every ICorDebug...Enum: called through each interface's own macros, and
 * against a naive model (an array and an index).
 */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cordbg/com/enumerator.h"
#include "cordbg/com/object.h"
#include "cordbg/cordebug.h"
#include "cordbg/metahost.h"
#include "tests/unit/com-random.h"

typedef struct item {
  cordbg_object object;
  CORDBG_FACE(IUnknown) as_unknown;
} item;

static const IUnknownVtbl item_vtbl = {
    .QueryInterface = cordbg_unknown_query_interface,
    .AddRef = cordbg_unknown_add_ref,
    .Release = cordbg_unknown_release,
};
static const cordbg_interface item_interfaces[] = {
    CORDBG_INTERFACE(item, as_unknown, IUnknown, item_vtbl),
};
static const cordbg_class item_class = CORDBG_CLASS(item, item_interfaces, NULL);

#define ITEMS 5

static item *items[ITEMS];
static void *pointers[ITEMS];

static int
setup(void **state)
{
  (void)state;
  for (int i = 0; i < ITEMS; i++) {
    items[i] = cordbg_object_new(&item_class);
    if (!items[i])
      return -1;
    pointers[i] = &items[i]->as_unknown.iface;
  }
  return 0;
}

/* Every reference that a test took must be back: exact counts, no object left. */
static int
teardown(void **state)
{
  (void)state;
  for (int i = 0; i < ITEMS; i++)
    if (cordbg_object_unref(items[i]) != 0)
      return -1;
  return cordbg_object_count() == 0 ? 0 : -1;
}

static uint32_t
references(int i)
{
  return items[i]->object.references;
}

/* All that an enumerator of interface pointers does, in the interface's own types. */
#define WALK_OBJECTS(I, T)                                                                         \
  do {                                                                                             \
    I *list = NULL;                                                                                \
    assert_int_equal(cordbg_enumerator_new_objects(&IID_##I, pointers, ITEMS, (void **)&list),     \
                     S_OK);                                                                        \
    T *got[ITEMS + 1] = {NULL};                                                                    \
    ULONG count = 99;                                                                              \
    assert_int_equal(I##_GetCount(list, &count), S_OK);                                            \
    assert_int_equal(count, ITEMS);                                                                \
    assert_int_equal(I##_Next(list, 2, got, &count), S_OK);                                        \
    assert_int_equal(count, 2);                                                                    \
    assert_ptr_equal(got[0], pointers[0]);                                                         \
    assert_ptr_equal(got[1], pointers[1]);                                                         \
    assert_null(got[2]);                                                                           \
    assert_int_equal(references(1), 3);                                                            \
    cordbg_unknown_unref(got[0]);                                                                  \
    cordbg_unknown_unref(got[1]);                                                                  \
    assert_int_equal(I##_Skip(list, 1), S_OK);                                                     \
    ICorDebugEnum *clone = NULL;                                                                   \
    assert_int_equal(I##_Clone(list, &clone), S_OK);                                               \
    I *typed = NULL;                                                                               \
    assert_int_equal(ICorDebugEnum_QueryInterface(clone, &IID_##I, (void **)&typed), S_OK);        \
    assert_int_equal(ICorDebugEnum_Release(clone), 1);                                             \
    assert_int_equal(I##_Reset(list), S_OK);                                                       \
    assert_int_equal(I##_Next(typed, ITEMS + 1, got, &count), S_FALSE);                            \
    assert_int_equal(count, 2);                                                                    \
    assert_ptr_equal(got[0], pointers[3]);                                                         \
    assert_ptr_equal(got[1], pointers[4]);                                                         \
    cordbg_unknown_unref(got[0]);                                                                  \
    cordbg_unknown_unref(got[1]);                                                                  \
    assert_int_equal(I##_Next(list, 1, got, NULL), S_OK);                                          \
    assert_ptr_equal(got[0], pointers[0]);                                                         \
    cordbg_unknown_unref(got[0]);                                                                  \
    assert_int_equal(I##_Release(list), 0);                                                        \
    assert_int_equal(references(4), 2);                                                            \
    assert_int_equal(I##_Release(typed), 0);                                                       \
    assert_int_equal(references(4), 1);                                                            \
    walked++;                                                                                      \
  } while (0)

static void
every_enumerator_of_objects_works_through_its_own_interface(void **state)
{
  (void)state;
  unsigned walked = 0;
  WALK_OBJECTS(ICorDebugAppDomainEnum, ICorDebugAppDomain);
  WALK_OBJECTS(ICorDebugAssemblyEnum, ICorDebugAssembly);
  WALK_OBJECTS(ICorDebugBreakpointEnum, ICorDebugBreakpoint);
  WALK_OBJECTS(ICorDebugChainEnum, ICorDebugChain);
  WALK_OBJECTS(ICorDebugCodeEnum, ICorDebugCode);
  WALK_OBJECTS(ICorDebugErrorInfoEnum, ICorDebugEditAndContinueErrorInfo);
  WALK_OBJECTS(ICorDebugFrameEnum, ICorDebugFrame);
  WALK_OBJECTS(ICorDebugModuleEnum, ICorDebugModule);
  WALK_OBJECTS(ICorDebugProcessEnum, ICorDebugProcess);
  WALK_OBJECTS(ICorDebugStepperEnum, ICorDebugStepper);
  WALK_OBJECTS(ICorDebugThreadEnum, ICorDebugThread);
  WALK_OBJECTS(ICorDebugTypeEnum, ICorDebugType);
  WALK_OBJECTS(ICorDebugValueEnum, ICorDebugValue);
  WALK_OBJECTS(ICorDebugVariableHomeEnum, ICorDebugVariableHome);
  assert_int_equal(walked, 14);
}

#define SAME_SLOTS(I)                                                                              \
  assert_int_equal(offsetof(I##Vtbl, Skip), 3 * sizeof(void *));                                   \
  assert_int_equal(offsetof(I##Vtbl, Reset), 4 * sizeof(void *));                                  \
  assert_int_equal(offsetof(I##Vtbl, Clone), 5 * sizeof(void *));                                  \
  assert_int_equal(offsetof(I##Vtbl, GetCount), 6 * sizeof(void *));                               \
  assert_int_equal(offsetof(I##Vtbl, Next), 7 * sizeof(void *));                                   \
  assert_int_equal(sizeof(I##Vtbl), 8 * sizeof(void *))

static void
all_22_enumerators_have_the_same_eight_slots(void **state)
{
  (void)state;
  SAME_SLOTS(ICorDebugAppDomainEnum);
  SAME_SLOTS(ICorDebugAssemblyEnum);
  SAME_SLOTS(ICorDebugBlockingObjectEnum);
  SAME_SLOTS(ICorDebugBreakpointEnum);
  SAME_SLOTS(ICorDebugChainEnum);
  SAME_SLOTS(ICorDebugCodeEnum);
  SAME_SLOTS(ICorDebugErrorInfoEnum);
  SAME_SLOTS(ICorDebugExceptionObjectCallStackEnum);
  SAME_SLOTS(ICorDebugFrameEnum);
  SAME_SLOTS(ICorDebugGCReferenceEnum);
  SAME_SLOTS(ICorDebugGuidToTypeEnum);
  SAME_SLOTS(ICorDebugHeapEnum);
  SAME_SLOTS(ICorDebugHeapSegmentEnum);
  SAME_SLOTS(ICorDebugMemoryRangeEnum);
  SAME_SLOTS(ICorDebugModuleEnum);
  SAME_SLOTS(ICorDebugObjectEnum);
  SAME_SLOTS(ICorDebugProcessEnum);
  SAME_SLOTS(ICorDebugStepperEnum);
  SAME_SLOTS(ICorDebugThreadEnum);
  SAME_SLOTS(ICorDebugTypeEnum);
  SAME_SLOTS(ICorDebugValueEnum);
  SAME_SLOTS(ICorDebugVariableHomeEnum);
  SAME_SLOTS(ICorPublishProcessEnum);
  SAME_SLOTS(ICorPublishAppDomainEnum);
}

static void
mapping_ref(void *element)
{
  cordbg_unknown_ref(((CorDebugGuidToTypeMapping *)element)->pType);
}

static void
mapping_unref(void *element)
{
  cordbg_unknown_unref(((CorDebugGuidToTypeMapping *)element)->pType);
}

static void
structs_come_out_whole_and_with_their_references(void **state)
{
  (void)state;
  static const cordbg_item_type type = {
      .iid = &IID_ICorDebugGuidToTypeEnum,
      .base = &IID_ICorDebugEnum,
      .size = sizeof(CorDebugGuidToTypeMapping),
      .ref = mapping_ref,
      .unref = mapping_unref,
  };
  CorDebugGuidToTypeMapping given[2] = {
      {.iid = IID_IStream, .pType = pointers[0]},
      {.iid = IID_IUnknown, .pType = NULL},
  };
  ICorDebugGuidToTypeEnum *list = NULL;
  assert_int_equal(cordbg_enumerator_new(&type, given, 2, (void **)&list), S_OK);
  assert_int_equal(references(0), 2);
  CorDebugGuidToTypeMapping got[2];
  ULONG count = 0;
  assert_int_equal(ICorDebugGuidToTypeEnum_Next(list, 2, got, &count), S_OK);
  assert_memory_equal(got, given, sizeof(got));
  assert_int_equal(references(0), 3);
  cordbg_unknown_unref(got[0].pType);
  assert_int_equal(ICorDebugGuidToTypeEnum_Release(list), 0);
  assert_int_equal(references(0), 1);
}

static void
plain_structs_and_addresses_hold_no_references(void **state)
{
  (void)state;
  static const cordbg_item_type segments = {
      .iid = &IID_ICorDebugHeapSegmentEnum,
      .base = &IID_ICorDebugEnum,
      .size = sizeof(COR_SEGMENT),
  };
  COR_SEGMENT given[3] = {{.start = 1, .end = 2, .heap = 3}, {.start = 4}, {.start = 7}};
  ICorDebugHeapSegmentEnum *list = NULL;
  assert_int_equal(cordbg_enumerator_new(&segments, given, 3, (void **)&list), S_OK);
  given[0].start = 99; /* the enumerator has its own copy */
  COR_SEGMENT got;
  assert_int_equal(ICorDebugHeapSegmentEnum_Next(list, 1, &got, NULL), S_OK);
  assert_int_equal(got.start, 1);
  assert_int_equal(got.heap, 3);
  ICorDebugHeapSegmentEnum_Release(list);

  static const cordbg_item_type addresses = {
      .iid = &IID_ICorDebugObjectEnum,
      .base = &IID_ICorDebugEnum,
      .size = sizeof(CORDB_ADDRESS),
  };
  CORDB_ADDRESS address = UINT64_C(0x7fff12345678), back = 0;
  ICorDebugObjectEnum *objects = NULL;
  assert_int_equal(cordbg_enumerator_new(&addresses, &address, 1, (void **)&objects), S_OK);
  assert_int_equal(ICorDebugObjectEnum_Next(objects, 1, &back, NULL), S_OK);
  assert_int_equal(back, address);
  ICorDebugObjectEnum_Release(objects);
}

static void
another_base_than_icordebugenum_is_possible(void **state)
{
  (void)state;
  static const cordbg_item_type type = {
      .iid = &IID_ICorPublishProcessEnum,
      .base = &IID_ICorPublishEnum,
      .size = sizeof(void *),
  };
  ICorPublishProcessEnum *list = NULL;
  assert_int_equal(cordbg_enumerator_new(&type, NULL, 0, (void **)&list), S_OK);
  void *out = (void *)1;
  assert_int_equal(ICorPublishProcessEnum_QueryInterface(list, &IID_ICorDebugEnum, &out),
                   E_NOINTERFACE);
  assert_null(out);
  assert_int_equal(ICorPublishProcessEnum_QueryInterface(list, &IID_ICorPublishEnum, &out), S_OK);
  assert_ptr_equal(out, list);
  ULONG count = 1;
  assert_int_equal(ICorPublishEnum_GetCount((ICorPublishEnum *)out, &count), S_OK);
  assert_int_equal(count, 0);
  ICorPublishProcessEnum_Release(list);
  ICorPublishProcessEnum_Release(list);
}

static void
bad_arguments_are_refused_and_touch_nothing(void **state)
{
  (void)state;
  ICorDebugThreadEnum *list = NULL;
  assert_int_equal(
      cordbg_enumerator_new_objects(&IID_ICorDebugThreadEnum, pointers, ITEMS, (void **)&list),
      S_OK);
  ICorDebugThread *got[2] = {NULL, NULL};
  ULONG count = 77;
  assert_int_equal(ICorDebugThreadEnum_Next(list, 2, got, NULL), E_INVALIDARG);
  assert_int_equal(ICorDebugThreadEnum_Next(list, 0, got, NULL), E_INVALIDARG);
  assert_int_equal(ICorDebugThreadEnum_Next(list, 1, NULL, &count), E_INVALIDARG);
  assert_int_equal(count, 77);
  assert_null(got[0]);
  assert_int_equal(ICorDebugThreadEnum_GetCount(list, NULL), E_INVALIDARG);
  assert_int_equal(ICorDebugThreadEnum_Clone(list, NULL), E_INVALIDARG);
  assert_int_equal(ICorDebugThreadEnum_Next(list, 0, NULL, &count), S_OK);
  assert_int_equal(count, 0);
  /* Refused calls did not move the position. */
  assert_int_equal(ICorDebugThreadEnum_Next(list, 1, got, &count), S_OK);
  assert_ptr_equal(got[0], pointers[0]);
  cordbg_unknown_unref(got[0]);
  ICorDebugThreadEnum_Release(list);

  void *out = (void *)1;
  static const cordbg_item_type sizeless = {.iid = &IID_IUnknown, .base = &IID_IUnknown};
  assert_int_equal(cordbg_enumerator_new(&sizeless, NULL, 0, &out), E_INVALIDARG);
  assert_int_equal(cordbg_enumerator_new(NULL, NULL, 0, &out), E_INVALIDARG);
  assert_int_equal(cordbg_enumerator_new_objects(&IID_ICorDebugThreadEnum, NULL, 1, &out),
                   E_INVALIDARG);
  assert_int_equal(cordbg_enumerator_new_objects(&IID_ICorDebugThreadEnum, pointers, 1, NULL),
                   E_INVALIDARG);
  assert_ptr_equal(out, (void *)1);
}

static void
random_walks_agree_with_an_array_and_an_index(void **state)
{
  (void)state;
  random_begin(__func__);
  enum { MANY = 40 };
  static const cordbg_item_type type = {
      .iid = &IID_ICorDebugObjectEnum,
      .base = &IID_ICorDebugEnum,
      .size = sizeof(CORDB_ADDRESS),
  };
  for (int round = 0; round < 400; round++) {
    CORDB_ADDRESS model[MANY];
    size_t total = random_below(MANY + 1), at = 0;
    for (size_t i = 0; i < total; i++)
      model[i] = random_next();
    ICorDebugObjectEnum *list = NULL;
    assert_int_equal(cordbg_enumerator_new(&type, model, total, (void **)&list), S_OK);
    for (int step = 0; step < 30; step++) {
      /* Also counts near 2^32, whose sum with the position would wrap. */
      ULONG amount =
          random_below(8) ? (ULONG)random_below(12) : UINT32_MAX - (ULONG)random_below(3);
      switch (random_below(4)) {
      case 0:
        assert_int_equal(ICorDebugObjectEnum_Skip(list, amount), S_OK);
        at = amount > total - at ? total : at + amount;
        break;
      case 1:
        assert_int_equal(ICorDebugObjectEnum_Reset(list), S_OK);
        at = 0;
        break;
      case 2: {
        ICorDebugEnum *clone = NULL;
        assert_int_equal(ICorDebugObjectEnum_Clone(list, &clone), S_OK);
        ICorDebugObjectEnum_Release(list);
        list = (ICorDebugObjectEnum *)clone; /* the same pointer: the derived interface */
        break;
      }
      default: {
        CORDB_ADDRESS got[MANY + 1];
        memset(got, 0x5a, sizeof(got));
        ULONG count = 0, want = amount > total - at ? (ULONG)(total - at) : amount;
        HRESULT hr = ICorDebugObjectEnum_Next(list, amount, got, &count);
        assert_int_equal(hr, want == amount ? S_OK : S_FALSE);
        assert_int_equal(count, want);
        assert_memory_equal(got, model + at, want * sizeof(got[0]));
        assert_int_equal(got[want], UINT64_C(0x5a5a5a5a5a5a5a5a));
        at += want;
      }
      }
    }
    ICorDebugObjectEnum_Release(list);
  }
}

#define SHARED 40000
#define READERS 4

typedef struct reader {
  ICorDebugObjectEnum *list;
  unsigned char *seen;
} reader;

static void *
reader_thread(void *data)
{
  reader *self = data;
  for (;;) {
    CORDB_ADDRESS got[3];
    ULONG count = 0;
    HRESULT hr = ICorDebugObjectEnum_Next(self->list, 3, got, &count);
    for (ULONG i = 0; i < count; i++)
      self->seen[got[i]]++;
    if (hr != S_OK)
      return NULL;
  }
}

static void
threads_that_share_an_enumerator_get_each_item_once(void **state)
{
  (void)state;
  static const cordbg_item_type type = {
      .iid = &IID_ICorDebugObjectEnum,
      .base = &IID_ICorDebugEnum,
      .size = sizeof(CORDB_ADDRESS),
  };
  CORDB_ADDRESS *numbers = calloc(SHARED, sizeof(*numbers));
  assert_non_null(numbers);
  for (size_t i = 0; i < SHARED; i++)
    numbers[i] = i;
  reader readers[READERS];
  pthread_t threads[READERS];
  ICorDebugObjectEnum *list = NULL;
  assert_int_equal(cordbg_enumerator_new(&type, numbers, SHARED, (void **)&list), S_OK);
  for (int i = 0; i < READERS; i++) {
    readers[i].list = list;
    readers[i].seen = calloc(SHARED, 1);
    assert_non_null(readers[i].seen);
    assert_int_equal(pthread_create(&threads[i], NULL, reader_thread, &readers[i]), 0);
  }
  for (int i = 0; i < READERS; i++)
    pthread_join(threads[i], NULL);
  for (size_t n = 0; n < SHARED; n++) {
    unsigned times = 0;
    for (int i = 0; i < READERS; i++)
      times += readers[i].seen[n];
    assert_int_equal(times, 1);
  }
  for (int i = 0; i < READERS; i++)
    free(readers[i].seen);
  ICorDebugObjectEnum_Release(list);
  free(numbers);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(every_enumerator_of_objects_works_through_its_own_interface),
      TEST(all_22_enumerators_have_the_same_eight_slots),
      TEST(structs_come_out_whole_and_with_their_references),
      TEST(plain_structs_and_addresses_hold_no_references),
      TEST(another_base_than_icordebugenum_is_possible),
      TEST(bad_arguments_are_refused_and_touch_nothing),
      TEST(random_walks_agree_with_an_array_and_an_index),
      TEST(threads_that_share_an_enumerator_get_each_item_once),
  };
  return cmocka_run_group_tests_name("com-enumerator", tests, NULL, NULL);
}
