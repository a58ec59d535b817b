/* SPDX-License-Identifier: MIT */
/*
 * The patch table against a model that knows no cleverness: one array element an address, every
 * rule of patch-table.h applied byte by byte. The publisher writes a real memory file; the reader
 * maps it.
 */
#include "config.h"

#include "tests/unit/memory-model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void
checked(HRESULT hr, const cordbg_error *error)
{
  if (FAILED(hr))
    fail_msg("%08x: %s", (unsigned)hr, error->sentence);
}

typedef struct fixture {
  cordbg_patch_publisher *publisher;
  cordbg_patch_table table;
} fixture;

static int
setup(void **state)
{
  fixture *made = calloc(1, sizeof *made);
  cordbg_error error = {0};
  checked(cordbg_patch_publisher_create((uint32_t)getpid(), &made->publisher, &error), &error);
  checked(cordbg_patch_table_map(&made->table, cordbg_patch_publisher_fd(made->publisher), &error),
          &error);
  *state = made;
  return 0;
}

static int
teardown(void **state)
{
  fixture *made = *state;
  cordbg_patch_table_unmap(&made->table);
  cordbg_patch_publisher_destroy(made->publisher);
  free(made);
  return 0;
}

static void
publish_one(fixture *made, uint64_t address, uint8_t original, unsigned layers, unsigned lifted)
{
  cordbg_error error = {0};
  cordbg_patch_change change = {address, original, (uint8_t)layers, (uint8_t)lifted};
  checked(cordbg_patch_publisher_publish(made->publisher, &change, 1, &error), &error);
}

/* ---- single rules ---- */

static void
views_differ_as_the_design_says(void **state)
{
  fixture *made = *state;
  publish_one(made, 0x1000, 0x55, CORDBG_LAYER_MANAGED, 0);
  publish_one(made, 0x1001, 0x66, CORDBG_LAYER_NATIVE, 0);
  publish_one(made, 0x1002, 0x77, CORDBG_LAYER_INTERNAL, 0);
  publish_one(made, 0x1003, 0x88, CORDBG_LAYER_MANAGED | CORDBG_LAYER_NATIVE, 0);
  const struct {
    cordbg_view view;
    uint8_t expected[4];
  } rows[] = {
      {CORDBG_VIEW_RAW, {0xcc, 0xcc, 0xcc, 0xcc}},
      {CORDBG_VIEW_CLIENT, {0x55, 0xcc, 0x77, 0xcc}},
      {CORDBG_VIEW_PRISTINE, {0x55, 0x66, 0x77, 0x88}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t bytes[4] = {0xcc, 0xcc, 0xcc, 0xcc};
    uint64_t g = cordbg_patch_table_begin(&made->table);
    assert_int_equal(
        cordbg_patch_table_overlay(&made->table, rows[i].view, g, 0x1000, bytes, sizeof bytes),
        CORDBG_OVERLAY_DONE);
    assert_memory_equal(bytes, rows[i].expected, sizeof bytes);
  }
}

static void
row_01_trap_at_the_edges_of_the_range(void **state)
{
  fixture *made = *state;
  const uint64_t traps[] = {0xfff, 0x1000, 0x1007, 0x1008};
  for (size_t i = 0; i < 4; i++)
    publish_one(made, traps[i], (uint8_t)(0x10 + i), CORDBG_LAYER_MANAGED, 0);
  uint8_t bytes[10];
  memset(bytes, 0xcc, sizeof bytes);
  uint64_t g = cordbg_patch_table_begin(&made->table);
  assert_int_equal(
      cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, 0x1000, bytes + 1, 8),
      CORDBG_OVERLAY_DONE);
  const uint8_t expected[10] = {0xcc, 0x11, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0x12, 0xcc};
  assert_memory_equal(bytes, expected, sizeof bytes);
}

static void
row_03_adjacent_traps_in_one_word(void **state)
{
  fixture *made = *state;
  for (unsigned i = 0; i < 8; i++)
    publish_one(made, 0x2000 + i, (uint8_t)i, CORDBG_LAYER_MANAGED, 0);
  for (unsigned from = 0; from < 8; from++) {
    for (unsigned size = 1; from + size <= 8; size++) {
      uint8_t bytes[8];
      memset(bytes, 0xcc, sizeof bytes);
      uint64_t g = cordbg_patch_table_begin(&made->table);
      cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, 0x2000 + from, bytes, size);
      for (unsigned i = 0; i < 8; i++)
        assert_int_equal(bytes[i], i < size ? from + i : 0xcc);
    }
  }
}

static void
row_07_ranges_at_the_top_of_the_address_space(void **state)
{
  fixture *made = *state;
  publish_one(made, UINT64_MAX, 0x42, CORDBG_LAYER_MANAGED, 0);
  publish_one(made, 0, 0x43, CORDBG_LAYER_MANAGED, 0);
  uint8_t bytes[2] = {0xcc, 0xcc};
  uint64_t g = cordbg_patch_table_begin(&made->table);
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, UINT64_MAX, bytes, 1);
  assert_int_equal(bytes[0], 0x42);
  /* A range that wraps was never fetched: nothing is touched. */
  bytes[0] = 0xcc;
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, UINT64_MAX, bytes, 2);
  assert_int_equal(bytes[0], 0xcc);
  assert_int_equal(bytes[1], 0xcc);
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, UINT64_MAX, NULL, 0);
}

static void
row_10_original_is_a_trap_itself(void **state)
{
  fixture *made = *state;
  publish_one(made, 0x3000, 0xcc, CORDBG_LAYER_MANAGED, 0);
  publish_one(made, 0x3001, 0x00, CORDBG_LAYER_MANAGED, 0);
  uint8_t bytes[3] = {0xcc, 0xcc, 0xcc};
  const uint8_t expected[3] = {0xcc, 0x00, 0xcc};
  uint64_t g = cordbg_patch_table_begin(&made->table);
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, 0x3000, bytes, 3);
  assert_memory_equal(bytes, expected, 3);
}

static void
row_12_trap_that_vanished_is_not_overlaid(void **state)
{
  fixture *made = *state;
  publish_one(made, 0x3000, 0x11, CORDBG_LAYER_MANAGED, 0);
  uint8_t byte = 0x99; /* what the program put there meanwhile */
  uint64_t g = cordbg_patch_table_begin(&made->table);
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, 0x3000, &byte, 1);
  assert_int_equal(byte, 0x99);
}

static void
row_13_layers_in_each_order(void **state)
{
  fixture *made = *state;
  const unsigned orders[][3] = {
      {CORDBG_LAYER_NATIVE, CORDBG_LAYER_NATIVE | CORDBG_LAYER_MANAGED, CORDBG_LAYER_MANAGED},
      {CORDBG_LAYER_NATIVE, CORDBG_LAYER_NATIVE | CORDBG_LAYER_MANAGED, CORDBG_LAYER_NATIVE},
      {CORDBG_LAYER_MANAGED, CORDBG_LAYER_NATIVE | CORDBG_LAYER_MANAGED, CORDBG_LAYER_MANAGED},
      {CORDBG_LAYER_MANAGED, CORDBG_LAYER_NATIVE | CORDBG_LAYER_MANAGED, CORDBG_LAYER_NATIVE},
  };
  for (size_t i = 0; i < 4; i++) {
    for (size_t step = 0; step < 3; step++) {
      publish_one(made, 0x3000, 0x11, orders[i][step], 0);
      uint8_t byte = 0xcc;
      uint64_t g = cordbg_patch_table_begin(&made->table);
      cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, 0x3000, &byte, 1);
      assert_int_equal(byte, (orders[i][step] & CORDBG_LAYER_NATIVE) != 0 ? 0xcc : 0x11);
    }
    publish_one(made, 0x3000, 0, 0, 0);
    cordbg_patch_entry entry;
    assert_false(cordbg_patch_table_find(&made->table, 0x3000, &entry));
  }
}

static void
a_fetch_older_than_the_retirement_is_overlaid_a_newer_one_is_not(void **state)
{
  fixture *made = *state;
  publish_one(made, 0x4000, 0x21, CORDBG_LAYER_MANAGED, 0);
  uint64_t before = cordbg_patch_table_begin(&made->table);
  publish_one(made, 0x4000, 0, 0, 0);
  uint64_t after = cordbg_patch_table_begin(&made->table);
  uint8_t byte = 0xcc; /* fetched while the trap stood */
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, before, 0x4000, &byte, 1);
  assert_int_equal(byte, 0x21);
  byte = 0xcc; /* fetched when it was gone: the program's own */
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, after, 0x4000, &byte, 1);
  assert_int_equal(byte, 0xcc);
}

static void
a_lifted_native_trap_stays_visible(void **state)
{
  fixture *made = *state;
  publish_one(made, 0x4000, 0x21, CORDBG_LAYER_NATIVE, 0);
  publish_one(made, 0x4000, 0x21, CORDBG_LAYER_NATIVE, 1);
  uint64_t during = cordbg_patch_table_begin(&made->table);
  uint8_t byte = 0x21;
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, during, 0x4000, &byte, 1);
  assert_int_equal(byte, 0xcc);
  byte = 0x21;
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_PRISTINE, during, 0x4000, &byte, 1);
  assert_int_equal(byte, 0x21);
  publish_one(made, 0x4000, 0x21, CORDBG_LAYER_NATIVE, 0);
  /* Fetched during the step, overlaid after it. */
  byte = 0x21;
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, during, 0x4000, &byte, 1);
  assert_int_equal(byte, 0xcc);
  /* Fetched after it: the program itself put the byte back. */
  uint64_t after = cordbg_patch_table_begin(&made->table);
  byte = 0x21;
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, after, 0x4000, &byte, 1);
  assert_int_equal(byte, 0x21);
}

static void
drop_all_makes_readers_of_the_old_space_fetch_again(void **state)
{
  fixture *made = *state;
  publish_one(made, 0x4000, 0x21, CORDBG_LAYER_MANAGED, 0);
  uint64_t before = cordbg_patch_table_begin(&made->table);
  uint64_t space = made->table.header->space;
  cordbg_patch_publisher_drop_all(made->publisher);
  uint8_t byte = 0xcc;
  assert_int_equal(
      cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, before, 0x4000, &byte, 1),
      CORDBG_OVERLAY_AGAIN);
  assert_int_equal(made->table.header->space, space + 1);
  byte = 0xcc;
  assert_int_equal(cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT,
                                              cordbg_patch_table_begin(&made->table), 0x4000, &byte,
                                              1),
                   CORDBG_OVERLAY_DONE);
  assert_int_equal(byte, 0xcc);
}

static void
an_entry_purged_meanwhile_makes_the_reader_fetch_again(void **state)
{
  fixture *made = *state;
  publish_one(made, 0x4000, 0x21, CORDBG_LAYER_MANAGED, 0);
  uint64_t before = cordbg_patch_table_begin(&made->table);
  publish_one(made, 0x4000, 0, 0, 0);
  /* Publications in the same chunk purge it once it is old enough: wait for the mark. */
  time_t limit = time(NULL) + 20;
  for (unsigned i = 0; made->table.header->purged_generation == 0; i++) {
    publish_one(made, 0x4001, (uint8_t)i, CORDBG_LAYER_MANAGED, 0);
    assert_true(time(NULL) < limit);
  }
  uint8_t byte = 0xcc;
  assert_int_equal(
      cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, before, 0x4000, &byte, 1),
      CORDBG_OVERLAY_AGAIN);
}

static void
a_corrupt_table_is_an_error_never_a_crash(void **state)
{
  fixture *made = *state;
  for (unsigned i = 0; i < 1000; i++)
    publish_one(made, 0x5000 + 3 * i, (uint8_t)i, CORDBG_LAYER_MANAGED, 0);
  uint64_t seed = model_seed();
  /* A copy of the file that can be damaged: header, blocks in use, and some room behind. */
  size_t size = 1u << 20;
  uint8_t *copy = NULL;
  assert_int_equal(posix_memalign((void **)&copy, 4096, size), 0);
  for (unsigned round = 0; round < 20000; round++) {
    if (round % 64 == 0)
      memcpy(copy, made->table.header, size);
    cordbg_patch_table table = {.header = (const cordbg_patch_header *)copy, .size = size};
    /* Words that matter are near the root; the marks stay low so that walks count. */
    uint64_t root = made->table.header->root;
    size_t at = model_random(&seed) % 3 == 0 ? (size_t)(root + 8 * (model_random(&seed) % 40))
                                             : (size_t)(8 * (model_random(&seed) % (size / 8)));
    uint64_t value = model_random(&seed);
    if (model_random(&seed) % 2 == 0)
      value &= 0xffffff;
    if (at == offsetof(cordbg_patch_header, reused_generation))
      continue;
    memcpy(copy + at, &value, 8);
    uint8_t bytes[512];
    uint8_t guard[2] = {0x5a, 0x5a};
    memset(bytes, 0xcc, sizeof bytes);
    uint64_t address = 0x5000 + model_random(&seed) % 3000;
    cordbg_overlay_result result =
        cordbg_patch_table_overlay(&table, CORDBG_VIEW_CLIENT, 1, address, bytes, sizeof bytes);
    assert_true(result == CORDBG_OVERLAY_DONE || result == CORDBG_OVERLAY_AGAIN ||
                result == CORDBG_OVERLAY_CORRUPT);
    assert_int_equal(guard[0] + guard[1], 0xb4);
    cordbg_patch_entry entry;
    (void)cordbg_patch_table_find(&table, address, &entry);
  }
  free(copy);
}

static void
a_file_that_is_no_table_is_refused(void **state)
{
  (void)state;
  FILE *file = tmpfile();
  assert_non_null(file);
  cordbg_patch_table table = {0};
  cordbg_error error = {0};
  assert_int_equal(cordbg_patch_table_map(&table, fileno(file), &error), E_INVALIDARG);
  char zeroes[8192] = {0};
  assert_int_equal(fwrite(zeroes, sizeof zeroes, 1, file), 1);
  assert_int_equal(fflush(file), 0);
  assert_int_equal(cordbg_patch_table_map(&table, fileno(file), &error), E_INVALIDARG);
  assert_null(table.header);
  fclose(file);
  assert_true(FAILED(cordbg_patch_table_map(&table, -1, &error)));
}

static void
the_client_cannot_write_the_table(void **state)
{
  fixture *made = *state;
  int fd = cordbg_patch_publisher_fd(made->publisher);
  assert_int_equal(write(fd, "x", 1), -1);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  FILE *again = fopen(path, "r+");
  if (again != NULL) { /* the seal, not the descriptor's mode, must refuse */
    setbuf(again, NULL);
    assert_int_equal(fwrite("x", 1, 1, again), 0);
    fclose(again);
  }
  assert_int_equal(made->table.header->magic, CORDBG_PATCH_TABLE_MAGIC);
}

/* ---- the property ---- */

/* Random batches and random reads; some reads begin before batches that follow. */
static void
row_09_overlay_equals_the_naive_model(void **state)
{
  fixture *made = *state;
  uint64_t seed = model_seed();
  const char *wanted = getenv("CORDBG_CASES");
  uint64_t cases = wanted == NULL ? 120000 : strtoull(wanted, NULL, 10);
  memory_model *model = model_new(0x7f0000001000 - 64, seed);
  uint64_t again = 0;
  for (uint64_t done = 0; done < cases;) {
    model_batch(model, made->publisher, &made->table);
    for (unsigned reads = 0; reads < 16; reads++, done++) {
      cordbg_view view = (cordbg_view)(model_random(&model->seed) % 3);
      size_t from = model_random(&model->seed) % MODEL_SIZE;
      size_t size = model_random(&model->seed) % (reads % 4 == 0 ? MODEL_SIZE : 17);
      if (size > MODEL_SIZE - from)
        size = MODEL_SIZE - from;
      uint8_t bytes[MODEL_SIZE + 2], expected[MODEL_SIZE + 2];
      uint64_t g = cordbg_patch_table_begin(&made->table);
      memset(bytes, 0xa5, sizeof bytes);
      memcpy(bytes + 1, model->memory + from, size);
      memcpy(expected, bytes, sizeof bytes);
      /* In one of eight the table moves on by up to four publications meanwhile. */
      uint64_t dice = model_random(&model->seed);
      for (uint64_t moves = dice % 8 == 0 ? 1 + dice / 8 % 4 : 0; moves > 0; moves--)
        model_batch(model, made->publisher, &made->table);
      cordbg_overlay_result result =
          cordbg_patch_table_overlay(&made->table, view, g, model->base + from, bytes + 1, size);
      if (result == CORDBG_OVERLAY_AGAIN) {
        again++;
        continue;
      }
      assert_int_equal(result, CORDBG_OVERLAY_DONE);
      model_overlay(model, view, g, from, expected + 1, size);
      if (memcmp(bytes, expected, sizeof bytes) != 0)
        fail_msg("case %llu, view %d, from %zu, size %zu differ (seed printed above)",
                 (unsigned long long)done, view, from, size);
    }
  }
  model_check_find(model, &made->table);
  print_message("%llu cases, %llu of them to be fetched again\n", (unsigned long long)cases,
                (unsigned long long)again);
  assert_true(again < cases / 100);
  model_free(model);
}

static void
row_09_100000_traps(void **state)
{
  fixture *made = *state;
  enum { COUNT = 100000 };
  cordbg_patch_change *changes = calloc(COUNT, sizeof *changes);
  for (unsigned i = 0; i < COUNT; i++)
    changes[i] = (cordbg_patch_change){.address = 0x10000 + 10ull * i,
                                       .original = (uint8_t)(i * 7),
                                       .layers = CORDBG_LAYER_MANAGED};
  cordbg_error error = {0};
  checked(cordbg_patch_publisher_publish(made->publisher, changes, COUNT, &error), &error);
  size_t size = 10ull * COUNT;
  uint8_t *bytes = malloc(size);
  memset(bytes, 0xcc, size);
  uint64_t g = cordbg_patch_table_begin(&made->table);
  assert_int_equal(
      cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, 0x10000, bytes, size),
      CORDBG_OVERLAY_DONE);
  for (size_t i = 0; i < size; i++)
    assert_true(bytes[i] == (i % 10 == 0 ? (uint8_t)(i / 10 * 7) : 0xcc));
  for (unsigned i = 0; i < COUNT; i++)
    changes[i].layers = 0;
  checked(cordbg_patch_publisher_publish(made->publisher, changes, COUNT, &error), &error);
  memset(bytes, 0xcc, size);
  g = cordbg_patch_table_begin(&made->table);
  cordbg_patch_table_overlay(&made->table, CORDBG_VIEW_CLIENT, g, 0x10000, bytes, size);
  for (size_t i = 0; i < size; i++)
    assert_true(bytes[i] == 0xcc);
  free(bytes);
  free(changes);
}

static void
changes_out_of_order_are_refused(void **state)
{
  fixture *made = *state;
  cordbg_patch_change changes[2] = {{.address = 2, .layers = 1}, {.address = 2, .layers = 1}};
  cordbg_error error = {0};
  uint64_t g = cordbg_patch_table_begin(&made->table);
  assert_int_equal(cordbg_patch_publisher_publish(made->publisher, changes, 2, &error),
                   E_INVALIDARG);
  assert_int_equal(cordbg_patch_table_begin(&made->table), g);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(views_differ_as_the_design_says),
      TEST(row_01_trap_at_the_edges_of_the_range),
      TEST(row_03_adjacent_traps_in_one_word),
      TEST(row_07_ranges_at_the_top_of_the_address_space),
      TEST(row_10_original_is_a_trap_itself),
      TEST(row_12_trap_that_vanished_is_not_overlaid),
      TEST(row_13_layers_in_each_order),
      TEST(a_fetch_older_than_the_retirement_is_overlaid_a_newer_one_is_not),
      TEST(a_lifted_native_trap_stays_visible),
      TEST(drop_all_makes_readers_of_the_old_space_fetch_again),
      TEST(an_entry_purged_meanwhile_makes_the_reader_fetch_again),
      TEST(a_corrupt_table_is_an_error_never_a_crash),
      TEST(a_file_that_is_no_table_is_refused),
      TEST(the_client_cannot_write_the_table),
      TEST(row_09_overlay_equals_the_naive_model),
      TEST(row_09_100000_traps),
      TEST(changes_out_of_order_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
