/* SPDX-License-Identifier: MIT */
/* Many ranges at once, strings, mappings, and settling what can be read. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "cordbg/memory/reader.h"
#include "tests/live/memory-session.h"

/* ---- batches, strings, mappings ---- */

static void
batch_equals_single_reads(void **state)
{
  (void)state;
  enum { COUNT = 3000 };
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  uint64_t seed = test_seed();
  for (int i = 0; i < 100; i++)
    plant(target, CORDBG_LAYER_MANAGED, child->region + (test_random(&seed) % REGION_SIZE | 1));
  assert_int_equal(child_run(child, command_unmap, (long)(child->region + 5 * PAGE)), 0);
  assert_int_equal(child_run(child, command_protect_none, (long)(child->region + 9 * PAGE)), 0);
  cordbg_read_range *ranges = calloc(COUNT, sizeof *ranges);
  uint8_t(*buffers)[64] = calloc(COUNT, sizeof *buffers);
  memset(buffers, 0xa5, COUNT * sizeof *buffers);
  for (int i = 0; i < COUNT; i++) {
    uint64_t address = (uintptr_t)child->region + test_random(&seed) % (20 * PAGE);
    if (i % 97 == 0)
      address = test_random(&seed);
    ranges[i] = (cordbg_read_range){
        .address = address, .buffer = buffers[i], .size = test_random(&seed) % 65};
  }
  ranges[1] = (cordbg_read_range){.address = UINT64_MAX, .buffer = buffers[1], .size = 2};
  ranges[2] = (cordbg_read_range){.address = (uintptr_t)child->region, .size = 1};
  assert_int_equal(cordbg_target_read_batch(target, CORDBG_VIEW_CLIENT, ranges, COUNT, NULL),
                   S_FALSE);
  for (int i = 0; i < COUNT; i++) {
    uint8_t expected[64];
    size_t read;
    memset(expected, 0xa5, sizeof expected);
    HRESULT hr = cordbg_target_read(target, CORDBG_VIEW_CLIENT, ranges[i].address,
                                    i == 2 ? NULL : expected, ranges[i].size, &read, NULL);
    assert_int_equal(ranges[i].status, hr);
    assert_int_equal(ranges[i].read, read);
    assert_memory_equal(buffers[i], expected, sizeof expected);
  }
  assert_int_equal(cordbg_target_read_batch(target, CORDBG_VIEW_CLIENT, NULL, 0, NULL), S_OK);
  assert_int_equal(cordbg_target_read_batch(target, CORDBG_VIEW_CLIENT, NULL, 1, NULL),
                   E_INVALIDARG);
  free(ranges);
  free(buffers);
  cordbg_target_unref(target);
  child_end(child);
}

static long
command_put_text(long address)
{
  strcpy((char *)address, "a string of the target");
  return 0;
}

static void
strings_end_where_they_end(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  uint8_t *edge = child->region + 4 * PAGE;
  cordbg_error error = {0};
  char *text = NULL;
  assert_int_equal(child_run(child, command_unmap, (long)edge), 0);
  /* Its last byte is the last one that is mapped. */
  uint8_t *start = edge - sizeof "a string of the target";
  assert_int_equal(child_run(child, command_put_text, (long)start), 0);
  succeeded(cordbg_target_read_string(target, (uintptr_t)start, 1000, &text, &error), &error);
  assert_string_equal(text, "a string of the target");
  free(text);
  text = NULL;
  assert_int_equal(cordbg_target_read_string(target, (uintptr_t)start, 5, &text, &error),
                   E_INVALIDARG);
  assert_int_equal(
      cordbg_target_read_string(target, (uintptr_t)child->region + 5 * PAGE - 3, 5, &text, &error),
      CORDBG_E_READVIRTUAL_FAILURE);
  assert_null(text);
  cordbg_target_unref(target);
  child_end(child);
}

static void
mappings_by_the_ioctl_and_by_the_text_are_the_same(void **state)
{
  (void)state;
  test_child *child = child_start(child_map_short_file);
  assert_int_equal(child_run(child, command_protect_none, (long)(child->region + 9 * PAGE)), 0);
  cordbg_error error = {0};
  cordbg_maps by_query = CORDBG_MAPS_NONE, by_text = CORDBG_MAPS_NONE;
  succeeded(cordbg_maps_open(&by_query, child->pid, &error), &error);
  succeeded(cordbg_maps_open(&by_text, child->pid, &error), &error);
  by_text.query_fails = true;
  uint64_t address = 0;
  int count = 0;
  for (;; count++) {
    cordbg_mapping a, b, c;
    char path_a[256], path_b[256];
    HRESULT hr_a = cordbg_maps_find_next(&by_query, address, &a, path_a, sizeof path_a, &error);
    HRESULT hr_b = cordbg_maps_find_next(&by_text, address, &b, path_b, sizeof path_b, &error);
    assert_int_equal(hr_a, hr_b);
    if (hr_a == S_FALSE)
      break;
    succeeded(hr_a, &error);
    assert_memory_equal(&a.start, &b.start, 2 * sizeof a.start);
    assert_int_equal(a.prot, b.prot);
    assert_int_equal(a.shared, b.shared);
    assert_int_equal(a.inode, b.inode);
    assert_int_equal(a.device, b.device);
    if (a.inode != 0)
      assert_int_equal(a.offset, b.offset);
    assert_string_equal(path_a, path_b);
    assert_true(cordbg_mapping_same(&a, &b, a.start));
    assert_int_equal(cordbg_maps_find(&by_query, a.end - 1, &c, NULL, 0, &error), S_OK);
    assert_int_equal(c.start, a.start);
    address = a.end;
  }
  assert_true(count > 10);
  cordbg_mapping none;
  assert_int_equal(cordbg_maps_find(&by_query, 0x1000, &none, NULL, 0, &error), S_FALSE);
  assert_int_equal(cordbg_maps_find(&by_text, 0x1000, &none, NULL, 0, &error), S_FALSE);
  if (by_query.query_fails)
    print_message("this kernel has no PROCMAP_QUERY: the text was compared with itself\n");
  cordbg_maps_close(&by_query);
  cordbg_maps_close(&by_text);
  child_end(child);
}

static void
settling_finds_the_page_that_cannot_be_read(void **state)
{
  (void)state;
  test_child *child = child_start(child_map_short_file);
  cordbg_target *target = session_open(child);
  cordbg_reader reader;
  cordbg_reader_init(&reader, child->pid, (int)syscall(SYS_pidfd_open, child->pid, 0), NULL);
  uint64_t region = (uintptr_t)child->region;
  uint64_t hole = 0;
  cordbg_error error = {0};
  assert_int_equal(cordbg_reader_probe(&reader, region + 1, REGION_SIZE - 2, &hole, &error), S_OK);
  assert_int_equal(child_run(child, command_unmap, (long)(region + 33 * PAGE)), 0);
  assert_int_equal(cordbg_reader_probe(&reader, region + 1, REGION_SIZE - 2, &hole, &error),
                   S_FALSE);
  assert_int_equal(hole & ~(uint64_t)(PAGE - 1), region + 33 * PAGE);
  assert_int_equal(cordbg_reader_probe(&reader, SHORT_FILE, 3 * PAGE, &hole, &error), S_FALSE);
  assert_int_equal(hole & ~(uint64_t)(PAGE - 1), SHORT_FILE + 2 * PAGE);
  cordbg_reader_deinit(&reader);
  cordbg_target_unref(target);
  child_end(child);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(batch_equals_single_reads),
      cmocka_unit_test(strings_end_where_they_end),
      cmocka_unit_test(mappings_by_the_ioctl_and_by_the_text_are_the_same),
      cmocka_unit_test(settling_finds_the_page_that_cannot_be_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
