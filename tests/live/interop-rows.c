/* SPDX-License-Identifier: MIT */
/* Rows of the test plan for planted traps, for native ones: they are single, stay visible to the
 * client, and are told on the unmanaged channel. No runtime. */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PAGE 4096u
#define HUGE (2u << 20)
#define bit(signal) (1ull << ((signal)-1))

typedef long (*function)(long);

/* add rdi, 1; mov rax, rdi; ret */
static const uint8_t code_add[] = {0x48, 0x83, 0xc7, 0x01, 0x48, 0x89, 0xf8, 0xc3};
/* cvtsi2sd xmm0, rdi; cvttsd2si rax, xmm0; ret: not emulated */
static const uint8_t code_sse[] = {0xf2, 0x48, 0x0f, 0x2a, 0xc7, 0xf2,
                                   0x48, 0x0f, 0x2c, 0xc0, 0xc3};
/* int3; mov rax, rdi; ret */
static const uint8_t code_int3[] = {0xcc, 0x48, 0x89, 0xf8, 0xc3};

static function
as_function(void *memory)
{
  function made;
  memcpy(&made, &memory, sizeof made);
  return made;
}

static void *
private_code(size_t size, const uint8_t *code, size_t code_size)
{
  uint8_t *memory =
      mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    _exit(1);
  memcpy(memory, code, code_size);
  return memory;
}

static void
await_go(test_stage *stage, int least)
{
  while (stage->go < least)
    sched_yield();
}

static void
begin(test_session *s, debuggee_body body)
{
  session_begin(s, body, 1);
  must(s, cordbg_tracer_want_signals(s->tracer, CORDBG_WANT_UNMANAGED, 0, &s->error));
}

static void
next_native_hit(test_session *s, uint64_t address)
{
  cordbg_event event;
  HRESULT hr;
  must(s, hr = cordbg_tracer_next_event(s->tracer, CORDBG_CHANNEL_UNMANAGED, 30000, &event,
                                        &s->error));
  if (hr != S_OK)
    fail_msg("no hit within thirty seconds");
  assert_int_equal(event.kind, CORDBG_EVENT_TRAP);
  assert_int_equal(event.layers, CORDBG_LAYER_NATIVE);
  assert_int_equal(event.address, address);
  assert_int_equal(event.registers.rip, address);
}

/* The trap shows to the CPU and the client; behind it stands that byte. */
static void
check_byte(test_session *s, uint64_t address, uint8_t behind)
{
  assert_int_equal(raw_byte(s, address), CORDBG_TRAP);
  assert_int_equal(seen_byte(s, CORDBG_VIEW_CLIENT, address), CORDBG_TRAP);
  assert_int_equal(seen_byte(s, CORDBG_VIEW_PRISTINE, address), behind);
}

/* ---- Row 10 ---- */

static test_stage *stage_of_traps;

static void
count_own_trap(int number)
{
  (void)number;
  stage_of_traps->count[1]++;
}

static void
own_traps(test_stage *stage)
{
  uint8_t *memory = private_code(PAGE, code_int3, sizeof code_int3);
  stage_of_traps = stage;
  signal(SIGTRAP, count_own_trap);
  memory[64] = 0;
  memory[65] = CORDBG_TRAP;
  stage->address[0] = at(memory);
  stage->ready = 1;
  await_go(stage, 1);
  for (long i = 0; i < 20; i++)
    stage->result += as_function(memory)(i) != i;
  stage->ready = 2;
  pause();
}

static void
row_10_native_traps_over_zeros_and_over_the_programs_own(void **state)
{
  (void)state;
  test_session s;
  begin(&s, own_traps);
  uint64_t base = s.stage->address[0];
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, base), CORDBG_TRAP);
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, base + 64), 0);
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, base + 65), CORDBG_TRAP);
  check_byte(&s, base + 64, 0);
  check_byte(&s, base + 65, CORDBG_TRAP);
  assert_int_equal(take_away(&s, CORDBG_LAYER_NATIVE, base + 64), 0);
  assert_int_equal(take_away(&s, CORDBG_LAYER_NATIVE, base + 65), CORDBG_TRAP);
  assert_int_equal(raw_byte(&s, base + 64), 0);
  assert_int_equal(raw_byte(&s, base + 65), CORDBG_TRAP);
  s.stage->go = 1;
  for (long i = 0; i < 20; i++) { /* each is told once, and then is the program's */
    next_native_hit(&s, base);
    assert_int_equal(s.stage->count[1], i);
    go_on(&s);
  }
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->count[1], 20);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

/* ---- Row 12 ---- */

static void
unmaps(test_stage *stage)
{
  uint8_t *memory = private_code(PAGE, code_add, sizeof code_add);
  stage->address[0] = at(memory);
  stage->ready = 1;
  await_go(stage, 1);
  munmap(memory, PAGE);
  if (mmap(memory, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
      memory)
    _exit(1);
  memory[0] = 0x33;
  stage->ready = 2;
  pause();
}

static void
row_12_a_native_trap_goes_with_its_mapping(void **state)
{
  (void)state;
  test_session s;
  cordbg_plant_result result;
  begin(&s, unmaps);
  uint64_t site = s.stage->address[0];
  plant(&s, CORDBG_LAYER_NATIVE, site);
  s.stage->go = 1;
  await_int(&s.stage->ready, 2);
  assert_int_equal(seen_byte(&s, CORDBG_VIEW_CLIENT, site), 0x33);
  must(&s, cordbg_tracer_remove(s.tracer, CORDBG_LAYER_NATIVE, &site, 1, &result, &s.error));
  assert_int_equal(raw_byte(&s, site), 0x33);
  assert_int_equal(plant_status(&s, CORDBG_LAYER_NATIVE, site), 0);
  check_byte(&s, site, 0x33);
  session_end(&s);
}

/* ---- Rows 17, 18 ---- */

static void
has_data(test_stage *stage)
{
  uint8_t *memory =
      mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(memory, 0x11, PAGE);
  munmap(memory + PAGE, PAGE);
  stage->address[0] = at(memory);
  stage->ready = 1;
  pause();
}

static void
row_17_18_writes_go_behind_native_traps_also_when_they_fail_half_way(void **state)
{
  (void)state;
  test_session s;
  uint8_t data[64];
  size_t written = 0;
  begin(&s, has_data);
  const uint64_t end = s.stage->address[0] + PAGE;
  const uint64_t sites[] = {end - 20, end - 19, end - 18, end - 9, end - 1};
  const size_t count = sizeof sites / sizeof *sites;
  for (size_t i = 0; i < count; i++)
    assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, sites[i]), 0x11);
  memset(data, 0x22, sizeof data);
  must(&s, cordbg_tracer_write(s.tracer, end - 20, data, 11, &written, &s.error));
  assert_int_equal(written, 11); /* it ends behind the third, before the fourth */
  for (size_t i = 0; i < count; i++)
    check_byte(&s, sites[i], i < 3 ? 0x22 : 0x11);
  memset(data, 0x33, sizeof data);
  assert_true(
      FAILED(cordbg_tracer_write(s.tracer, end - 20, data, sizeof data, &written, &s.error)));
  assert_int_equal(written, 20);
  for (size_t i = 0; i < count; i++)
    check_byte(&s, sites[i], 0x33);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(take_away(&s, CORDBG_LAYER_NATIVE, sites[i]), 0x33);
    assert_int_equal(raw_byte(&s, sites[i]), 0x33);
  }
  session_end(&s);
}

/* ---- Rows 20, 21 ---- */

/* Code in a memory file that is mapped twice, as a runtime under W^X has it; rewritten through the
 * writable alias. count[9]: no second mapping, the code rewrites itself in place. */
static void
rewrites(test_stage *stage)
{
  uint8_t *executable, *writable;
  if (stage->count[9] != 0)
    executable = writable = private_code(PAGE, code_add, sizeof code_add);
  else {
    int fd = memfd_create("doublemapper", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, PAGE) != 0)
      _exit(1);
    writable = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    executable = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    memcpy(writable, code_add, sizeof code_add);
  }
  stage->address[0] = at(executable);
  stage->address[1] = at(writable);
  stage->ready = 1;
  for (int version = 1; version <= 4; version++) {
    await_go(stage, version);
    if (version % 2 == 0)
      memcpy(writable, code_add, sizeof code_add);
    else
      memcpy(writable, code_sse, sizeof code_sse);
    stage->ready = 2 * version;
    while (stage->count[8] < version)
      sched_yield();
    for (long i = 0; i < 10; i++)
      stage->result += as_function(executable)(i) != i + (version % 2 == 0);
    stage->ready = 2 * version + 1;
  }
  pause();
}

static void
rewrites_in_place(test_stage *stage)
{
  stage->count[9] = 1;
  rewrites(stage);
}

/* Stops, until the tracer has looked after its traps. */
static void
await_lost(test_session *s, uint64_t least)
{
  for (int tries = 0; tries < 3000 && statistics_of(s).lost < least; tries++) {
    halt(s);
    go_on(s);
    usleep(10000);
  }
  assert_int_equal(statistics_of(s).lost, least);
}

static void
check_rewritten(debuggee_body body)
{
  test_session s;
  begin(&s, body);
  const uint64_t code = s.stage->address[0], alias = s.stage->address[1];
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, code), code_add[0]);
  assert_int_equal(raw_byte(&s, alias), CORDBG_TRAP); /* both aliases agree */
  for (int version = 1; version <= 4; version++) {
    uint8_t original = version % 2 == 0 ? code_add[0] : code_sse[0];
    s.stage->go = version;
    await_int(&s.stage->ready, 2 * version);
    await_lost(&s, (uint64_t)version);
    check_byte(&s, code, original);
    assert_int_equal(raw_byte(&s, alias), CORDBG_TRAP);
    s.stage->count[8] = version;
    for (int i = 0; i < 10; i++) {
      next_native_hit(&s, code);
      go_on(&s);
    }
    await_int(&s.stage->ready, 2 * version + 1);
    assert_int_equal(s.stage->result, 0);
  }
  assert_int_equal(take_away(&s, CORDBG_LAYER_NATIVE, code), code_add[0]);
  assert_int_equal(raw_byte(&s, code), code_add[0]);
  assert_int_equal(raw_byte(&s, alias), code_add[0]);
  session_end(&s);
}

static void
row_20_code_rewritten_under_a_native_trap_is_hit_again(void **state)
{
  (void)state;
  check_rewritten(rewrites_in_place);
}

static void
row_20_21_code_rewritten_through_its_other_alias_is_hit_again(void **state)
{
  (void)state;
  check_rewritten(rewrites);
}

/* ---- Row 22 ---- */

#define IN_MEMORY 0x01021994 /* tmpfs */

static char file_path[] = "interop-rows-XXXXXX";

static void
maps_a_file(test_stage *stage)
{
  int fd = open(file_path, O_RDWR | O_CLOEXEC);
  uint8_t *copy = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  uint8_t *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fd, 0);
  stage->address[0] = at(copy);
  stage->address[1] = at(shared);
  stage->ready = 1;
  await_go(stage, 1);
  for (long i = 0; i < 10; i++)
    stage->result += as_function(copy)(i) != i + 1;
  stage->ready = 2;
  pause();
}

static void
row_22_a_native_trap_in_a_file_stays_in_memory(void **state)
{
  (void)state;
  test_session s;
  struct statfs about;
  uint8_t page[PAGE] = {0}, after[PAGE];
  int fd = mkstemp(file_path);
  assert_true(fd >= 0);
  assert_int_equal(fstatfs(fd, &about), 0);
  memcpy(page, code_add, sizeof code_add);
  assert_int_equal(write(fd, page, sizeof page), sizeof page);
  begin(&s, maps_a_file);
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, s.stage->address[0]), code_add[0]);
  if (about.f_type == IN_MEMORY)
    printf("the build directory lies on a file system in memory: nothing is refused there\n");
  else
    assert_int_equal(plant_status(&s, CORDBG_LAYER_NATIVE, s.stage->address[1]), EPERM);
  s.stage->go = 1;
  for (int i = 0; i < 10; i++) {
    next_native_hit(&s, s.stage->address[0]);
    assert_int_equal(pread(fd, after, sizeof after, 0), sizeof after);
    assert_memory_equal(after, page, sizeof page);
    go_on(&s);
  }
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
  assert_int_equal(pread(fd, after, sizeof after, 0), sizeof after);
  assert_memory_equal(after, page, sizeof page);
  close(fd);
  unlink(file_path);
}

/* ---- Row 33 ---- */

static void
note_plain(int number)
{
  (void)number;
  stage_of_traps->count[2]++;
}

static void
turns(test_stage *stage)
{
  uint8_t *memory = private_code(PAGE, code_add, sizeof code_add);
  stage_of_traps = stage;
  signal(SIGUSR1, note_plain);
  stage->address[0] = at(memory);
  stage->ready = 1;
  for (long i = 0;; i++) {
    stage->result += as_function(memory)(i) != i + 1;
    stage->count[0]++;
  }
}

/* The signal is told too: it finds the thread at the trap, behind it, or elsewhere. */
static void
row_33_signals_that_are_told_take_no_hit_with_them(void **state)
{
  (void)state;
  enum { TURNS = 1500 };
  test_session s;
  begin(&s, turns);
  must(&s, cordbg_tracer_want_signals(s.tracer, CORDBG_WANT_UNMANAGED, bit(SIGUSR1), &s.error));
  const uint64_t site = s.stage->address[0];
  plant(&s, CORDBG_LAYER_NATIVE, site);
  long first = 0, told = 0;
  for (long hits = 0; hits < TURNS;) {
    cordbg_event event;
    HRESULT hr;
    must(&s, hr = cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_UNMANAGED, 30000, &event,
                                           &s.error));
    assert_int_equal(hr, S_OK);
    if (event.kind == CORDBG_EVENT_SIGNAL) {
      assert_int_equal(event.signal.number, SIGUSR1);
      told++;
    } else {
      assert_int_equal(event.address, site);
      if (hits == 0)
        first = s.stage->count[0];
      assert_int_equal(s.stage->count[0] - first, hits++);
      if (hits % 3 == 0)
        syscall(SYS_tgkill, s.pid, s.pid, SIGUSR1);
    }
    go_on(&s);
  }
  assert_true(told > TURNS / 6);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

/* ---- Row 40 ---- */

static void
runs_in_a_huge_page(test_stage *stage)
{
  uint8_t *memory =
      mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    _exit(1);
  uint8_t *huge = (uint8_t *)((at(memory) + HUGE - 1) / HUGE * HUGE);
  stage->count[5] = madvise(huge, HUGE, MADV_HUGEPAGE);
  memset(huge, 0x90, HUGE);
  memcpy(huge + HUGE / 2, code_add, sizeof code_add);
  memcpy(huge + HUGE - sizeof code_sse, code_sse, sizeof code_sse);
  stage->address[0] = at(huge);
  stage->ready = 1;
  await_go(stage, 1);
  for (long i = 0; i < 50; i++) {
    stage->result += as_function(huge + HUGE / 2)(i) != i + 1;
    stage->result += as_function(huge + HUGE - sizeof code_sse)(i) != i;
  }
  stage->ready = 2;
  pause();
}

static long
huge_kilobytes(int pid, uint64_t address)
{
  char path[64], line[512];
  unsigned long start, end;
  long kilobytes = -1;
  bool here = false;
  snprintf(path, sizeof path, "/proc/%d/smaps", pid);
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
      here = address >= start && address < end;
    else if (here)
      sscanf(line, "AnonHugePages: %ld kB", &kilobytes);
  }
  fclose(file);
  return kilobytes;
}

static void
row_40_native_traps_in_a_huge_page(void **state)
{
  (void)state;
  test_session s;
  begin(&s, runs_in_a_huge_page);
  const uint64_t huge = s.stage->address[0];
  printf("huge pages at the code: %ld kB\n", huge_kilobytes(s.pid, huge));
  const uint64_t add = huge + HUGE / 2, sse = huge + HUGE - sizeof code_sse;
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, add), code_add[0]);
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, sse), code_sse[0]);
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, huge), 0x90);
  assert_int_equal(plant(&s, CORDBG_LAYER_NATIVE, huge + HUGE - 1), code_sse[10]);
  check_byte(&s, huge, 0x90);
  assert_int_equal(take_away(&s, CORDBG_LAYER_NATIVE, huge + HUGE - 1), code_sse[10]);
  s.stage->go = 1;
  for (int i = 0; i < 50; i++) {
    next_native_hit(&s, add);
    go_on(&s);
    next_native_hit(&s, sse);
    go_on(&s);
  }
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  session_detach(&s);
  assert_int_equal(raw_byte(&s, huge), 0x90);
  assert_int_equal(raw_byte(&s, add), code_add[0]);
  session_end(&s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_10_native_traps_over_zeros_and_over_the_programs_own),
      cmocka_unit_test(row_12_a_native_trap_goes_with_its_mapping),
      cmocka_unit_test(row_17_18_writes_go_behind_native_traps_also_when_they_fail_half_way),
      cmocka_unit_test(row_20_code_rewritten_under_a_native_trap_is_hit_again),
      cmocka_unit_test(row_20_21_code_rewritten_through_its_other_alias_is_hit_again),
      cmocka_unit_test(row_22_a_native_trap_in_a_file_stays_in_memory),
      cmocka_unit_test(row_33_signals_that_are_told_take_no_hit_with_them),
      cmocka_unit_test(row_40_native_traps_in_a_huge_page),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
