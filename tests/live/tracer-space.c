/* SPDX-License-Identifier: MIT */
/* Mappings under traps: rows 12, 20, 21, 22, 23 (W^X), 35 and 38 of the checklist. */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cordbg/tracer/space.h"

typedef long (*function)(long);

/* add rdi, 1; mov rax, rdi; ret */
static const uint8_t code_add[] = {0x48, 0x83, 0xc7, 0x01, 0x48, 0x89, 0xf8, 0xc3};
/* cvtsi2sd xmm0, rdi; cvttsd2si rax, xmm0; ret: not emulated */
static const uint8_t code_sse[] = {0xf2, 0x48, 0x0f, 0x2a, 0xc7, 0xf2,
                                   0x48, 0x0f, 0x2c, 0xc0, 0xc3};

static function
as_function(void *memory)
{
  function made;
  memcpy(&made, &memory, sizeof made);
  return made;
}

static void *
private_code(const uint8_t *code, size_t size)
{
  uint8_t *memory =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(memory, code, size);
  return memory;
}

/* ---- Row 12 ---- */

static void
unmap_body(test_stage *stage)
{
  uint8_t *memory = private_code(code_add, sizeof code_add);
  stage->address[0] = at(memory);
  stage->ready = 1;
  while (stage->go < 1)
    sched_yield();
  munmap(memory, 4096);
  stage->ready = 2;
  while (stage->go < 2)
    sched_yield();
  /* A file at the same address, whose byte there happens to be a trap byte. */
  int fd = memfd_create("other", MFD_CLOEXEC);
  uint8_t page[4096];
  memset(page, CORDBG_TRAP, sizeof page);
  if (write(fd, page, sizeof page) != (ssize_t)sizeof page)
    _exit(1);
  if (mmap(memory, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) != memory)
    _exit(1);
  stage->ready = 3;
  pause();
}

static void
row_12_patches_whose_mapping_went_are_dropped_without_writing(void **state)
{
  (void)state;
  for (int refilled = 0; refilled < 2; refilled++) {
    test_session s;
    cordbg_plant_result result;
    session_begin(&s, unmap_body, 1);
    uint64_t site = s.stage->address[0];
    plant(&s, CORDBG_LAYER_MANAGED, site);
    s.stage->go = 1 + refilled;
    await_int(&s.stage->ready, 2 + refilled);
    must(&s, cordbg_tracer_remove(s.tracer, CORDBG_LAYER_MANAGED, &site, 1, &result, &s.error));
    if (refilled)
      assert_int_equal(raw_byte(&s, site), CORDBG_TRAP); /* the file's own byte, untouched */
    assert_int_equal(statistics_of(&s).dropped, 1);
    assert_int_equal(plant_status(&s, CORDBG_LAYER_MANAGED, site), refilled ? 0 : EFAULT);
    session_end(&s);
  }
}

/* ---- Row 20 ---- */

static void
rewrite_body(test_stage *stage)
{
  uint8_t *memory = private_code(code_add, sizeof code_add);
  stage->address[0] = at(memory);
  stage->ready = 1;
  while (stage->go < 1)
    sched_yield();
  /* A new function at the same place: the trap is overwritten. */
  memcpy(memory, code_sse, sizeof code_sse);
  stage->ready = 2;
  while (stage->go < 2)
    sched_yield();
  for (long i = 0; i < 10; i++) {
    if (as_function(memory)(i) != i)
      stage->result++;
    stage->count[0]++;
  }
  stage->ready = 3;
  pause();
}

/* Traps are looked after at stops, now and then: stops until it was found. */
static bool
is_found_lost(void *data)
{
  test_session *s = data;
  halt(s);
  if (statistics_of(s).lost > 0)
    return true;
  go_on(s);
  return false;
}

static void
row_20_a_trap_that_the_program_wrote_over_is_armed_again(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, rewrite_body, 1);
  uint64_t site = s.stage->address[0];
  assert_int_equal(plant(&s, CORDBG_LAYER_MANAGED, site), code_add[0]);
  s.stage->go = 1;
  await_int(&s.stage->ready, 2);
  assert_true(await_until(is_found_lost, &s, 60000));
  assert_int_equal(statistics_of(&s).lost, 1);
  assert_int_equal(raw_byte(&s, site), CORDBG_TRAP);
  assert_int_equal(seen_byte(&s, CORDBG_VIEW_CLIENT, site), code_sse[0]);
  s.stage->go = 2;
  go_on(&s);
  for (int i = 0; i < 10; i++) {
    next_hit(&s, site);
    go_on(&s);
  }
  await_int(&s.stage->ready, 3);
  assert_int_equal(s.stage->result, 0);
  assert_int_equal(take_away(&s, CORDBG_LAYER_MANAGED, site), code_sse[0]);
  assert_int_equal(raw_byte(&s, site), code_sse[0]);
  session_end(&s);
}

static void
row_20_a_trap_that_was_overwritten_is_not_restored_over_new_code(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, rewrite_body, 1);
  uint64_t site = s.stage->address[0];
  plant(&s, CORDBG_LAYER_MANAGED, site);
  s.stage->go = 1;
  await_int(&s.stage->ready, 2);
  session_detach(&s);
  assert_int_equal(raw_byte(&s, site), code_sse[0]);
  s.stage->go = 2;
  await_int(&s.stage->ready, 3);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

/* ---- Rows 21, 23: W^X ---- */

static void
dual_body(test_stage *stage)
{
  int fd = memfd_create("doublemapper", MFD_CLOEXEC);
  if (ftruncate(fd, 8192) != 0)
    _exit(1);
  uint8_t *writable = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  uint8_t *executable = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  memcpy(writable, code_add, sizeof code_add);
  memcpy(writable + 4096, code_sse, sizeof code_sse);
  if (stage->count[9] != 0)
    munmap(writable, 8192);
  if (stage->count[9] == 2)
    close(fd);
  stage->address[0] = at(executable);
  stage->address[1] = at(writable);
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  if (stage->go == 2) { /* a fork child that goes on in the shared code */
    int status = -1, child = fork();
    if (child == 0) {
      stage->ready = 2;
      while (stage->go != 3)
        sched_yield();
      for (long i = 0; i < 50; i++) {
        if (as_function(executable)(i) != i + 1 || as_function(executable + 4096)(i) != i)
          _exit(1);
      }
      _exit(0);
    }
    waitpid(child, &status, 0);
    stage->result = status;
    stage->ready = 3;
  }
  for (long i = 0; i < 20; i++) {
    if (as_function(executable)(i) != i + 1 || as_function(executable + 4096)(i) != i)
      stage->result++;
    stage->count[0]++;
  }
  stage->ready = 4;
  pause();
}

static int dual_variant;

static void
dual_variant_body(test_stage *stage)
{
  stage->count[9] = dual_variant;
  dual_body(stage);
}

static void
row_21_traps_in_a_shared_mapping_of_a_memory_file(void **state)
{
  (void)state;
  /* With both aliases; without the writable one; without any descriptor of the file. */
  for (dual_variant = 0; dual_variant < 3; dual_variant++) {
    test_session s;
    session_begin(&s, dual_variant_body, 1);
    uint64_t add = s.stage->address[0], sse = add + 4096;
    assert_int_equal(plant(&s, CORDBG_LAYER_MANAGED, add), code_add[0]);
    assert_int_equal(plant(&s, CORDBG_LAYER_MANAGED, sse), code_sse[0]);
    assert_int_equal(raw_byte(&s, add), CORDBG_TRAP);
    if (dual_variant == 0) { /* both aliases agree */
      assert_int_equal(raw_byte(&s, s.stage->address[1]), CORDBG_TRAP);
    }
    s.stage->go = 1;
    for (int i = 0; i < 20; i++) {
      next_hit(&s, add);
      go_on(&s);
      next_hit(&s, sse);
      go_on(&s);
    }
    await_int(&s.stage->ready, 4);
    assert_int_equal(s.stage->result, 0);
    size_t written;
    const uint8_t byte = 0x90;
    must(&s, cordbg_tracer_write(s.tracer, add + 100, &byte, 1, &written, &s.error));
    assert_int_equal(raw_byte(&s, add + 100), 0x90);
    take_away(&s, CORDBG_LAYER_MANAGED, sse);
    session_detach(&s);
    assert_int_equal(raw_byte(&s, add), code_add[0]);
    assert_int_equal(raw_byte(&s, sse), code_sse[0]);
    session_end(&s);
  }
  dual_variant = 0;
}

static void
row_23_a_fork_child_in_shared_code_steps_over_traps_planted_later(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, dual_variant_body, 1);
  uint64_t add = s.stage->address[0], sse = add + 4096;
  s.stage->go = 2;
  assert_int_equal(next_event(&s).kind, CORDBG_EVENT_FORK);
  await_int(&s.stage->ready, 2);
  plant(&s, CORDBG_LAYER_MANAGED, add);
  plant(&s, CORDBG_LAYER_MANAGED, sse);
  s.stage->go = 3;
  await_int(&s.stage->ready, 3);
  assert_int_equal(s.stage->result, 0); /* the child came through, unseen */
  for (int i = 0; i < 20; i++) {        /* and the parent hits them */
    next_hit(&s, add);
    go_on(&s);
    next_hit(&s, sse);
    go_on(&s);
  }
  await_int(&s.stage->ready, 4);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

/* ---- Row 22 ---- */

static char file_path[] = "tracer-space-XXXXXX";

static void
file_body(test_stage *stage)
{
  int fd = open(file_path, O_RDWR | O_CLOEXEC);
  stage->address[0] = at(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, fd, 0));
  stage->address[1] = at(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
  stage->address[2] = at(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  stage->result = as_function((void *)(uintptr_t)stage->address[0])(41);
  stage->ready = 2;
  pause();
}

static bool
file_is_clean(int fd)
{
  uint8_t page[4096];
  if (pread(fd, page, sizeof page, 0) != (ssize_t)sizeof page)
    return false;
  for (size_t i = 0; i < sizeof page; i++) {
    if (page[i] != (i < sizeof code_add ? code_add[i] : 0))
      return false;
  }
  return true;
}

static void
row_22_no_trap_reaches_the_disk(void **state)
{
  (void)state;
  test_session s;
  uint8_t page[4096] = {0};
  size_t written;
  int fd = mkstemp(file_path);
  assert_true(fd >= 0);
  memcpy(page, code_add, sizeof code_add);
  assert_int_equal(write(fd, page, sizeof page), sizeof page);
  session_begin(&s, file_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, s.stage->address[0]);
  assert_int_equal(raw_byte(&s, s.stage->address[0]), CORDBG_TRAP);
  struct stat about;
  cordbg_space probe;
  cordbg_mapping mapping;
  assert_int_equal(fstat(fd, &about), 0);
  must(&s, cordbg_space_open(&probe, s.pid, &s.error));
  assert_int_equal(cordbg_space_find(&probe, s.stage->address[1], &mapping), 0);
  bool in_memory = cordbg_space_check(&probe, &mapping) == 0;
  cordbg_space_close(&probe);
  if (in_memory) {
    printf("SKIP: the build directory lies on a file system in memory\n");
  } else {
    for (int i = 1; i <= 2; i++) {
      assert_int_equal(plant_status(&s, CORDBG_LAYER_MANAGED, s.stage->address[i]), EPERM);
      assert_true(FAILED(
          cordbg_tracer_write(s.tracer, s.stage->address[i], page + 1, 1, &written, &s.error)));
      assert_int_equal(s.error.sys, EPERM);
      assert_non_null(strstr(s.error.sentence, "disk"));
    }
  }
  s.stage->go = 1;
  next_hit(&s, s.stage->address[0]);
  assert_true(file_is_clean(fd));
  go_on(&s);
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 42);
  session_end(&s);
  assert_true(file_is_clean(fd));
  close(fd);
  unlink(file_path);
}

/* ---- Row 38 ---- */

static void
protected_body(test_stage *stage)
{
  uint8_t *memory = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(memory + 4096, 4096, PROT_NONE);
  stage->address[0] = at(memory);
  stage->ready = 1;
  pause();
}

static void
row_38_what_the_target_cannot_read_is_not_written(void **state)
{
  (void)state;
  test_session s;
  uint8_t data[3 * 4096];
  size_t written;
  session_begin(&s, protected_body, 1);
  uint64_t base = s.stage->address[0];
  memset(data, 0x55, sizeof data);
  assert_int_equal(plant_status(&s, CORDBG_LAYER_MANAGED, base + 4096), EFAULT);
  assert_true(FAILED(cordbg_tracer_write(s.tracer, base + 4096, data, 1, &written, &s.error)));
  assert_int_equal(written, 0);
  /* Read-only memory is a debugger's to write; the hole ends it. */
  assert_true(FAILED(cordbg_tracer_write(s.tracer, base, data, sizeof data, &written, &s.error)));
  assert_int_equal(written, 4096);
  assert_int_equal(s.error.address, base + 4096);
  assert_int_equal(raw_byte(&s, base + 4095), 0x55);
  assert_int_equal(raw_byte(&s, base + 8192), 0);
  session_end(&s);
}

/* ---- Many at once, against a model ---- */

enum { MODEL_BYTES = 8 * 4096, MODEL_ROUNDS = 400, MODEL_BATCH = 300 };
static uint8_t *model_memory;

static void
model_body(test_stage *stage)
{
  stage->ready = 1;
  pause();
}

static void
batches_writes_and_views_agree_with_a_model(void **state)
{
  (void)state;
  static uint8_t original[MODEL_BYTES], data[6000];
  static int counts[3][MODEL_BYTES]; /* managed, native, internal */
  static uint64_t addresses[MODEL_BATCH];
  static cordbg_plant_result results[MODEL_BATCH];
  const cordbg_layer layers[3] = {CORDBG_LAYER_MANAGED, CORDBG_LAYER_NATIVE, CORDBG_LAYER_INTERNAL};
  test_session s;
  srand(test_seed());
  model_memory =
      mmap(NULL, MODEL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < MODEL_BYTES; i++)
    original[i] = model_memory[i] = (uint8_t)rand();
  session_begin(&s, model_body, 1);
  for (int round = 0; round < MODEL_ROUNDS; round++) {
    int what = rand() % 5, layer = rand() % 3;
    size_t count = (size_t)(rand() % MODEL_BATCH) + 1;
    if (rand() % 4 == 0) {
      halt(&s);
      if (rand() % 2)
        go_on(&s);
    }
    for (size_t i = 0; i < count; i++)
      addresses[i] = at(model_memory) + (uint64_t)(rand() % (round % 2 ? MODEL_BYTES : 600));
    if (what < 2) {
      must(&s, cordbg_tracer_plant(s.tracer, layers[layer], addresses, count, results, &s.error));
      for (size_t i = 0; i < count; i++) {
        size_t where = (size_t)(addresses[i] - at(model_memory));
        bool twice = layer == 1 && counts[1][where] > 0;
        assert_int_equal(results[i].status, twice ? EEXIST : 0);
        assert_int_equal(results[i].original, original[where]);
        counts[layer][where] += !twice;
      }
    } else if (what < 4) {
      must(&s, cordbg_tracer_remove(s.tracer, layers[layer], addresses, count, results, &s.error));
      for (size_t i = 0; i < count; i++) {
        size_t where = (size_t)(addresses[i] - at(model_memory));
        assert_int_equal(results[i].status, counts[layer][where] > 0 ? 0 : ENOENT);
        if (counts[layer][where] > 0) {
          assert_int_equal(results[i].original, original[where]);
          counts[layer][where]--;
        }
      }
    } else {
      size_t size = (size_t)(rand() % (int)sizeof data), written;
      size_t where = (size_t)(rand() % (MODEL_BYTES - (int)size));
      for (size_t i = 0; i < size; i++) {
        data[i] = rand() % 3 ? (uint8_t)rand() : CORDBG_TRAP;
        if (!(data[i] == CORDBG_TRAP && counts[1][where + i] > 0))
          original[where + i] = data[i];
      }
      must(&s,
           cordbg_tracer_write(s.tracer, at(model_memory) + where, data, size, &written, &s.error));
      assert_int_equal(written, size);
    }
    if (round % 20 != 19)
      continue;
    static uint8_t raw[MODEL_BYTES], view[MODEL_BYTES];
    assert_int_equal(
        pread(cordbg_tracer_mem_fd(s.tracer), raw, MODEL_BYTES, (off_t)at(model_memory)),
        MODEL_BYTES);
    const cordbg_patch_table *table = cordbg_tracer_patch_table(s.tracer);
    memcpy(view, raw, sizeof view);
    assert_int_equal(cordbg_patch_table_overlay(table, CORDBG_VIEW_CLIENT,
                                                cordbg_patch_table_begin(table), at(model_memory),
                                                view, MODEL_BYTES),
                     CORDBG_OVERLAY_DONE);
    for (int i = 0; i < MODEL_BYTES; i++) {
      bool trap = counts[0][i] + counts[1][i] + counts[2][i] > 0;
      assert_int_equal(raw[i], trap ? CORDBG_TRAP : original[i]);
      assert_int_equal(view[i], counts[1][i] > 0 ? CORDBG_TRAP : original[i]);
    }
  }
  session_detach(&s);
  for (int i = 0; i < MODEL_BYTES; i += 7)
    assert_int_equal(raw_byte(&s, at(model_memory) + (uint64_t)i), original[i]);
  session_end(&s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_12_patches_whose_mapping_went_are_dropped_without_writing),
      cmocka_unit_test(row_20_a_trap_that_the_program_wrote_over_is_armed_again),
      cmocka_unit_test(row_20_a_trap_that_was_overwritten_is_not_restored_over_new_code),
      cmocka_unit_test(row_21_traps_in_a_shared_mapping_of_a_memory_file),
      cmocka_unit_test(row_23_a_fork_child_in_shared_code_steps_over_traps_planted_later),
      cmocka_unit_test(row_22_no_trap_reaches_the_disk),
      cmocka_unit_test(row_38_what_the_target_cannot_read_is_not_written),
      cmocka_unit_test(batches_writes_and_views_agree_with_a_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
