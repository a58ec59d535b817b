/* SPDX-License-Identifier: MIT */
/* Traps, layers, writes and hits of many threads: rows of the breakpoint checklist, on real
 * processes. How instructions are gone over is in tracer-steps.c. */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sites whose first instruction is known. */
__asm__(".text\n"
        ".globl site_add, site_sse, site_rip, site_endbr, site_int3, site_nop, site_behind\n"
        "site_add: addq $1, %rdi\n mov %rdi, %rax\n ret\n"
        "site_sse: cvtsi2sdq %rdi, %xmm0\n cvttsd2siq %xmm0, %rax\n ret\n"
        "site_rip: movq site_datum(%rip), %rax\n ret\n"
        "site_endbr: endbr64\n mov $9, %eax\n ret\n"
        "site_int3: int3\n mov $3, %eax\n ret\n"
        "site_nop: nop\n"
        "site_behind: jmp 1f\n1: ret\n"
        ".data\n site_datum: .quad 0x1122334455667788\n.text\n");
extern long site_add(long), site_sse(long), site_rip(void), site_endbr(void), site_int3(void);
extern void site_nop(void), site_behind(void);

static void
count_forever(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->stop) {
    stage->count[1] = site_add(stage->count[0]);
    stage->count[0]++;
  }
  stage->ready = 2;
  pause();
}

/* ---- Values and layers ---- */

static void
row_10_the_original_byte_may_be_an_int3_of_the_program(void **state)
{
  /* Its SIGTRAP reaches the program, with the PC behind the int3, after the hit was reported. */
  (void)state;
  test_session s;
  extern void int3_body(test_stage *);
  session_begin(&s, int3_body, 1);
  assert_int_equal(plant(&s, CORDBG_LAYER_MANAGED, at(site_int3)), CORDBG_TRAP);
  s.stage->go = 1;
  for (long i = 1; i <= 5; i++) {
    next_hit(&s, at(site_int3));
    assert_int_equal(s.stage->count[0], i - 1);
    go_on(&s);
    await_long(&s.stage->count[0], i);
    assert_int_equal(s.stage->address[0], at(site_int3) + 1);
  }
  session_end(&s);
}

static void
on_own_trap(int number, siginfo_t *info, void *context)
{
  const ucontext_t *where = context;
  (void)number;
  (void)info;
  handler_stage->address[0] = (uint64_t)where->uc_mcontext.gregs[REG_RIP];
  handler_stage->count[0]++;
}

void int3_body(test_stage *stage);
void
int3_body(test_stage *stage)
{
  handle_by(stage, SIGTRAP, on_own_trap);
  stage->ready = 1;
  while (!stage->go)
    continue;
  for (;;)
    stage->result += site_int3();
}

static void
row_10_an_untouched_int3_is_the_programs_own(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, int3_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_add)); /* some trap, elsewhere */
  s.stage->go = 1;
  await_long(&s.stage->count[0], 100);
  assert_int_equal(s.stage->address[0], at(site_int3) + 1);
  assert_int_equal(statistics_of(&s).hits, 0);
  session_end(&s);
}

static void
row_13_layers_at_one_address_come_and_go_in_each_order(void **state)
{
  (void)state;
  test_session s;
  const cordbg_layer layers[2] = {CORDBG_LAYER_NATIVE, CORDBG_LAYER_MANAGED};
  uint64_t site = at(site_sse);
  session_begin(&s, count_forever, 1); /* never runs into site_sse */
  uint8_t original = raw_byte(&s, site);
  for (int order = 0; order < 4; order++) {
    cordbg_layer first = layers[order & 1], second = layers[(order & 1) ^ 1];
    cordbg_layer leaves = order & 2 ? first : second, stays = order & 2 ? second : first;
    assert_int_equal(plant(&s, first, site), original);
    assert_int_equal(plant(&s, second, site), original);
    assert_int_equal(raw_byte(&s, site), CORDBG_TRAP);
    assert_int_equal(seen_byte(&s, CORDBG_VIEW_CLIENT, site), CORDBG_TRAP);
    assert_int_equal(seen_byte(&s, CORDBG_VIEW_PRISTINE, site), original);
    take_away(&s, leaves, site);
    assert_int_equal(raw_byte(&s, site), CORDBG_TRAP);
    assert_int_equal(seen_byte(&s, CORDBG_VIEW_CLIENT, site),
                     stays == CORDBG_LAYER_NATIVE ? CORDBG_TRAP : original);
    take_away(&s, stays, site);
    assert_int_equal(raw_byte(&s, site), original);
    assert_int_equal(seen_byte(&s, CORDBG_VIEW_CLIENT, site), original);
  }
  session_end(&s);
}

static void
row_13_managed_traps_are_counted_and_native_ones_single(void **state)
{
  (void)state;
  test_session s;
  uint64_t site = at(site_sse);
  cordbg_plant_result result;
  session_begin(&s, count_forever, 1);
  uint8_t original = raw_byte(&s, site);
  for (int i = 0; i < 3; i++)
    plant(&s, CORDBG_LAYER_MANAGED, site);
  assert_int_equal(plant_status(&s, CORDBG_LAYER_NATIVE, site), 0);
  assert_int_equal(plant_status(&s, CORDBG_LAYER_NATIVE, site), EEXIST);
  take_away(&s, CORDBG_LAYER_NATIVE, site);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(raw_byte(&s, site), CORDBG_TRAP);
    take_away(&s, CORDBG_LAYER_MANAGED, site);
  }
  assert_int_equal(raw_byte(&s, site), original);
  must(&s, cordbg_tracer_remove(s.tracer, CORDBG_LAYER_MANAGED, &site, 1, &result, &s.error));
  assert_int_equal(result.status, ENOENT);
  session_end(&s);
}

static void
row_13_a_batch_answers_in_the_order_of_its_addresses(void **state)
{
  (void)state;
  test_session s;
  uint64_t addresses[] = {at(site_rip), 8, at(site_add), at(site_rip), at(site_endbr), 0x7ff000};
  cordbg_plant_result results[6];
  session_begin(&s, count_forever, 1);
  halt(&s);
  const uint8_t rip = raw_byte(&s, addresses[0]), add = raw_byte(&s, addresses[2]);
  must(&s, cordbg_tracer_plant(s.tracer, CORDBG_LAYER_MANAGED, addresses, 6, results, &s.error));
  const int statuses[] = {0, EFAULT, 0, 0, 0, EFAULT};
  for (int i = 0; i < 6; i++)
    assert_int_equal(results[i].status, statuses[i]);
  assert_int_equal(results[0].original, rip);
  assert_int_equal(results[3].original, rip);
  assert_int_equal(results[2].original, add);
  must(&s, cordbg_tracer_remove(s.tracer, CORDBG_LAYER_MANAGED, addresses, 6, results, &s.error));
  const int gone[] = {0, ENOENT, 0, 0, 0, ENOENT};
  for (int i = 0; i < 6; i++)
    assert_int_equal(results[i].status, gone[i]);
  assert_int_equal(raw_byte(&s, addresses[0]), rip);
  assert_int_equal(raw_byte(&s, addresses[2]), add);
  session_end(&s);
}

static void
row_16_internal_traps_are_hidden_and_reported_as_such(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, count_forever, 1);
  uint8_t original = plant(&s, CORDBG_LAYER_INTERNAL, at(site_add));
  cordbg_event event = next_hit(&s, at(site_add));
  assert_int_equal(event.layers, CORDBG_LAYER_INTERNAL);
  assert_int_equal(seen_byte(&s, CORDBG_VIEW_CLIENT, at(site_add)), original);
  session_end(&s);
}

static void
native_and_managed_hits_go_to_their_own_sockets(void **state)
{
  (void)state;
  test_session s;
  cordbg_event event;
  session_begin(&s, count_forever, 1);
  must(&s, cordbg_tracer_want_events(s.tracer, CORDBG_WANT_UNMANAGED, &s.error));
  halt(&s);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_add));
  plant(&s, CORDBG_LAYER_NATIVE, at(site_add));
  go_on(&s);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(
        cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_UNMANAGED, 10000, &event, &s.error),
        S_OK);
    assert_int_equal(event.layers, CORDBG_LAYER_NATIVE);
    assert_true(no_event(&s, 0));
    long before = s.stage->count[0];
    go_on(&s);
    assert_int_equal(next_hit(&s, at(site_add)).layers, CORDBG_LAYER_MANAGED);
    assert_int_equal(s.stage->count[0], before); /* nothing ran in between */
    go_on(&s);
  }
  session_end(&s);
}

/* ---- Writes ---- */

static char written_block[4096] __attribute__((aligned(4096)));

static void
row_17_a_write_over_a_trap_goes_behind_it(void **state)
{
  (void)state;
  test_session s;
  uint64_t site = at(written_block) + 100;
  const uint8_t data[3] = {1, 2, 3};
  size_t written;
  session_begin(&s, count_forever, 1);
  plant(&s, CORDBG_LAYER_MANAGED, site);
  must(&s, cordbg_tracer_write(s.tracer, site - 1, data, 3, &written, &s.error));
  assert_int_equal(written, 3);
  assert_int_equal(raw_byte(&s, site), CORDBG_TRAP);
  assert_int_equal(seen_byte(&s, CORDBG_VIEW_CLIENT, site), 2);
  assert_int_equal(raw_byte(&s, site - 1), 1);
  assert_int_equal(raw_byte(&s, site + 1), 3);
  assert_int_equal(take_away(&s, CORDBG_LAYER_MANAGED, site), 2);
  assert_int_equal(raw_byte(&s, site), 2);
  session_end(&s);
}

static void *failing_block;

static void
hole_body(test_stage *stage)
{
  munmap((char *)failing_block + 4096, 4096);
  stage->ready = 1;
  pause();
}

static void
row_18_a_write_over_many_traps_that_fails_half_way(void **state)
{
  (void)state;
  test_session s;
  uint8_t data[8192];
  size_t written;
  failing_block = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(failing_block, 0x11, 8192);
  uint64_t base = at(failing_block), sites[64];
  for (int i = 0; i < 64; i++)
    sites[i] = base + (uint64_t)i * 64 + 63; /* the last one ends the page */
  cordbg_plant_result results[64];
  session_begin(&s, hole_body, 1);
  must(&s, cordbg_tracer_plant(s.tracer, CORDBG_LAYER_MANAGED, sites, 64, results, &s.error));
  memset(data, 0x22, sizeof data);
  assert_true(FAILED(
      cordbg_tracer_write(s.tracer, base + 1000, data, sizeof data - 1000, &written, &s.error)));
  assert_int_equal(written, 3096);
  assert_int_equal(s.error.address, base + 4096);
  for (int i = 0; i < 64; i++) {
    assert_int_equal(raw_byte(&s, sites[i]), CORDBG_TRAP);
    assert_int_equal(seen_byte(&s, CORDBG_VIEW_CLIENT, sites[i]),
                     sites[i] < base + 1000 ? 0x11 : 0x22);
  }
  must(&s, cordbg_tracer_remove(s.tracer, CORDBG_LAYER_MANAGED, sites, 64, results, &s.error));
  for (uint64_t at_byte = base; at_byte < base + 4096; at_byte++)
    assert_int_equal(raw_byte(&s, at_byte), at_byte < base + 1000 ? 0x11 : 0x22);
  session_end(&s);
  munmap(failing_block, 8192);
}

static void
row_19_a_trap_byte_written_at_a_native_trap_leaves_its_original(void **state)
{
  (void)state;
  test_session s;
  uint64_t site = at(written_block) + 200;
  uint8_t block[16];
  size_t written;
  session_begin(&s, count_forever, 1);
  uint8_t original = plant(&s, CORDBG_LAYER_NATIVE, site);
  for (unsigned i = 0; i < sizeof block; i++) /* read a block through the client view ... */
    block[i] = seen_byte(&s, CORDBG_VIEW_CLIENT, site - 8 + i);
  assert_int_equal(block[8], CORDBG_TRAP);
  must(&s, cordbg_tracer_write(s.tracer, site - 8, block, sizeof block, &written, &s.error));
  assert_int_equal(seen_byte(&s, CORDBG_VIEW_PRISTINE, site), original); /* ... and write it back */
  const uint8_t trap = CORDBG_TRAP, other = 0x77;
  must(&s, cordbg_tracer_write(s.tracer, site, &trap, 1, &written, &s.error));
  assert_int_equal(seen_byte(&s, CORDBG_VIEW_PRISTINE, site), original);
  must(&s, cordbg_tracer_write(s.tracer, site, &other, 1, &written, &s.error));
  assert_int_equal(seen_byte(&s, CORDBG_VIEW_PRISTINE, site), 0x77);
  assert_int_equal(take_away(&s, CORDBG_LAYER_NATIVE, site), 0x77);
  /* At a managed trap, a trap byte is data like any other. */
  plant(&s, CORDBG_LAYER_MANAGED, site);
  must(&s, cordbg_tracer_write(s.tracer, site, &trap, 1, &written, &s.error));
  assert_int_equal(take_away(&s, CORDBG_LAYER_MANAGED, site), CORDBG_TRAP);
  assert_int_equal(raw_byte(&s, site), CORDBG_TRAP);
  session_end(&s);
}

/* ---- Threads ---- */

enum { MANY_THREADS = 100, MANY_HITS = 100 };

static test_stage *threads_stage;

static void *
hit_a_hundred_times(void *number)
{
  long me = (long)(intptr_t)number;
  threads_stage->ready++;
  while (!threads_stage->go)
    sched_yield();
  for (int i = 0; i < MANY_HITS; i++) {
    if (site_add(i) != i + 1)
      threads_stage->result++;
    threads_stage->count[me]++;
  }
  return NULL;
}

static void
many_threads_body(test_stage *stage)
{
  pthread_t threads[MANY_THREADS];
  threads_stage = stage;
  for (long i = 0; i < MANY_THREADS; i++)
    pthread_create(&threads[i], NULL, hit_a_hundred_times, (void *)(intptr_t)i);
  for (int i = 0; i < MANY_THREADS; i++)
    pthread_join(threads[i], NULL);
  stage->ready = MANY_THREADS + 1;
  pause();
}

static void
count_all_hits(uint64_t site, bool stepped)
{
  test_session s;
  session_begin(&s, many_threads_body, MANY_THREADS);
  plant(&s, CORDBG_LAYER_MANAGED, site);
  s.stage->go = 1;
  int hits = 0;
  while (hits < MANY_THREADS * MANY_HITS) {
    next_hit(&s, site);
    hits++;
    go_on(&s);
  }
  await_int(&s.stage->ready, MANY_THREADS + 1);
  assert_true(no_event(&s, 20));
  assert_int_equal(s.stage->result, 0);
  for (int i = 0; i < MANY_THREADS; i++)
    assert_int_equal(s.stage->count[i], MANY_HITS);
  cordbg_statistics statistics = statistics_of(&s);
  assert_int_equal(statistics.hits, MANY_THREADS * MANY_HITS);
  if (stepped)
    assert_true(statistics.stepped > 0);
  session_end(&s);
}

static void
row_31_a_hundred_threads_hit_a_hundred_times_each(void **state)
{
  (void)state;
  count_all_hits(at(site_add), false);
}

static void *
sse_a_hundred_times(void *number)
{
  long me = (long)(intptr_t)number;
  threads_stage->ready++;
  while (!threads_stage->go)
    sched_yield();
  for (int i = 0; i < MANY_HITS / 10; i++) {
    if (site_sse(i + me) != i + me)
      threads_stage->result++;
    threads_stage->count[me]++;
  }
  return NULL;
}

static void
many_steps_body(test_stage *stage)
{
  pthread_t threads[20];
  threads_stage = stage;
  for (long i = 0; i < 20; i++)
    pthread_create(&threads[i], NULL, sse_a_hundred_times, (void *)(intptr_t)i);
  for (int i = 0; i < 20; i++)
    pthread_join(threads[i], NULL);
  stage->ready = 100;
  pause();
}

static void
row_31_stepped_in_place_none_is_lost(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, many_steps_body, 20);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_sse));
  s.stage->go = 1;
  for (int hits = 0; hits < 20 * (MANY_HITS / 10); hits++) {
    next_hit(&s, at(site_sse));
    go_on(&s);
  }
  await_int(&s.stage->ready, 100);
  assert_true(no_event(&s, 20));
  assert_int_equal(s.stage->result, 0);
  assert_int_equal(statistics_of(&s).stepped, 20 * (MANY_HITS / 10));
  session_end(&s);
}

static void
row_32_a_thread_at_a_trap_that_it_has_not_executed_executes_it_once(void **state)
{
  (void)state;
  test_session s;
  cordbg_registers registers;
  session_begin(&s, count_forever, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_nop));
  plant(&s, CORDBG_LAYER_MANAGED, at(site_behind));
  /* Send the thread to the first trap by hand: it was not executed, so it is a hit; then the
     stepped instruction leads to the second, which is one too. */
  plant(&s, CORDBG_LAYER_MANAGED, at(site_add));
  cordbg_event event = next_hit(&s, at(site_add));
  must(&s, cordbg_tracer_get_registers(s.tracer, event.tid, &registers, &s.error));
  registers.general.rip = at(site_nop);
  must(&s, cordbg_tracer_set_registers(s.tracer, event.tid, &registers, &s.error));
  go_on(&s);
  next_hit(&s, at(site_nop));
  halt(&s); /* another stop in between changes nothing */
  go_on(&s);
  next_hit(&s, at(site_behind));
  go_on(&s);
  next_hit(&s, at(site_add));
  cordbg_statistics statistics = statistics_of(&s);
  assert_int_equal(statistics.hits, 4);
  session_end(&s);
}

static void
row_32_a_hit_whose_trap_went_meanwhile_is_dropped(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, many_threads_body, MANY_THREADS);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_add));
  s.stage->go = 1;
  next_hit(&s, at(site_add));
  /* Others have hit it by now, or will have: with the trap gone, no event may come. */
  take_away(&s, CORDBG_LAYER_MANAGED, at(site_add));
  go_on(&s);
  await_int(&s.stage->ready, MANY_THREADS + 1);
  assert_true(no_event(&s, 20));
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

static void
signalled_body(test_stage *stage)
{
  handle_by(stage, SIGUSR1, count_signal);
  stage->tid = (int)syscall(SYS_gettid);
  count_forever(stage);
}

static void
row_33_a_signal_that_finds_a_thread_behind_a_trap_does_not_rewind_it(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, signalled_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_add));
  long first = 0;
  for (int i = 0; i < 2000; i++) {
    next_hit(&s, at(site_add));
    if (i == 0)
      first = s.stage->count[0];
    if (i % 3 == 0)
      syscall(SYS_tgkill, s.pid, s.pid, SIGUSR1);
    go_on(&s);
  }
  next_hit(&s, at(site_add));
  /* Each hit is one turn of the loop: none counted twice, none lost. */
  assert_int_equal(s.stage->count[0] - first, 2000);
  take_away(&s, CORDBG_LAYER_MANAGED, at(site_add));
  go_on(&s);
  long before = s.stage->count[0];
  await_long(&s.stage->count[0], before + 10);
  assert_true(s.stage->count[2] > 0);
  session_end(&s);
}

/* ---- Traps that come, go and meet odd targets ---- */

static void
row_35_a_trap_planted_and_removed_under_the_running_thread(void **state)
{
  (void)state;
  test_session s;
  uint64_t sites[2] = {at(site_add), at(site_add) + 4}; /* both instructions of the loop's callee */
  cordbg_plant_result results[2];
  session_begin(&s, count_forever, 1);
  for (int i = 0; i < 300; i++) {
    must(&s, cordbg_tracer_plant(s.tracer, CORDBG_LAYER_MANAGED, sites, 2, results, &s.error));
    cordbg_event event = next_event(&s);
    assert_true(event.address == sites[0] || event.address == sites[1]);
    if (i % 2 == 0)
      go_on(&s);
    must(&s, cordbg_tracer_remove(s.tracer, CORDBG_LAYER_MANAGED, sites, 2, results, &s.error));
    if (i % 2 != 0)
      go_on(&s);
    while (cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_MANAGED, 0, &event, &s.error) == S_OK)
      go_on(&s);
  }
  s.stage->stop = 1;
  /* A hit that was on its way when its trap went must not stop the program for good. */
  cordbg_event event;
  while (s.stage->ready != 2) {
    if (cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_MANAGED, 20, &event, &s.error) == S_OK)
      go_on(&s);
    assert_true(is_alive(s.pid));
  }
  assert_int_equal(s.stage->count[1], s.stage->count[0]);
  session_end(&s);
}

static void
deaf_body(test_stage *stage)
{
  sigset_t trap;
  sigemptyset(&trap);
  sigaddset(&trap, SIGTRAP);
  signal(SIGTRAP, SIG_IGN);
  sigprocmask(SIG_BLOCK, &trap, NULL);
  count_forever(stage);
}

static void
row_37_a_target_that_masks_and_ignores_sigtrap(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, deaf_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_add));
  for (int i = 0; i < 100; i++) {
    next_hit(&s, at(site_add));
    go_on(&s);
  }
  next_hit(&s, at(site_add));
  session_detach(&s);
  long before = s.stage->count[0];
  await_long(&s.stage->count[0], before + 1000);
  assert_true(is_free(s.pid));
  session_end(&s);
}

static void
row_37_a_target_that_is_traced_already_names_its_tracer(void **state)
{
  (void)state;
  test_session s;
  char number[32];
  cordbg_tracer *second;
  cordbg_error error = {0};
  session_begin(&s, count_forever, 1);
  must(&s, cordbg_tracer_start(&second, &s.error));
  assert_int_equal(cordbg_tracer_attach(second, s.pid, &error), CORDBG_E_DEBUGGER_ALREADY_ATTACHED);
  snprintf(number, sizeof number, "%d", cordbg_tracer_tracer_pid(s.tracer));
  assert_non_null(strstr(error.sentence, number));
  cordbg_tracer_destroy(second);
  session_end(&s);
}

static void
a_hit_that_passes_is_not_told_while_its_word_has_the_value(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, count_forever, 1);
  cordbg_pass pass = {.trap = at(site_add),
                      .words = {at(&s.stage->count[5]), at(&s.stage->count[6])},
                      .values = {7, 9}};
  plant(&s, CORDBG_LAYER_INTERNAL, at(site_add));
  s.stage->count[5] = 7;
  must(&s, cordbg_tracer_set_passes(s.tracer, &pass, 1, &s.error));
  next_hit(&s, at(site_add)); /* the other word has another value */
  s.stage->count[6] = 9;
  long before = s.stage->count[0];
  go_on(&s);
  await_long(&s.stage->count[0], before + 1000);
  s.stage->count[5] = 8;
  next_hit(&s, at(site_add));
  assert_int_equal(s.stage->count[1], s.stage->count[0]); /* each instruction ran once */
  s.stage->count[5] = 7;
  plant(&s, CORDBG_LAYER_MANAGED, at(site_add)); /* a breakpoint there is told in any case */
  go_on(&s);
  next_hit(&s, at(site_add));
  take_away(&s, CORDBG_LAYER_MANAGED, at(site_add));
  must(&s, cordbg_tracer_set_passes(s.tracer, NULL, 0, &s.error));
  go_on(&s);
  next_hit(&s, at(site_add));
  assert_int_equal(cordbg_tracer_set_passes(s.tracer, &pass, CORDBG_PASSES_MAX + 1, &s.error),
                   E_INVALIDARG);
  session_end(&s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_10_the_original_byte_may_be_an_int3_of_the_program),
      cmocka_unit_test(row_10_an_untouched_int3_is_the_programs_own),
      cmocka_unit_test(row_13_layers_at_one_address_come_and_go_in_each_order),
      cmocka_unit_test(row_13_managed_traps_are_counted_and_native_ones_single),
      cmocka_unit_test(row_13_a_batch_answers_in_the_order_of_its_addresses),
      cmocka_unit_test(row_16_internal_traps_are_hidden_and_reported_as_such),
      cmocka_unit_test(native_and_managed_hits_go_to_their_own_sockets),
      cmocka_unit_test(row_17_a_write_over_a_trap_goes_behind_it),
      cmocka_unit_test(row_18_a_write_over_many_traps_that_fails_half_way),
      cmocka_unit_test(row_19_a_trap_byte_written_at_a_native_trap_leaves_its_original),
      cmocka_unit_test(row_31_a_hundred_threads_hit_a_hundred_times_each),
      cmocka_unit_test(row_31_stepped_in_place_none_is_lost),
      cmocka_unit_test(row_32_a_thread_at_a_trap_that_it_has_not_executed_executes_it_once),
      cmocka_unit_test(row_32_a_hit_whose_trap_went_meanwhile_is_dropped),
      cmocka_unit_test(row_33_a_signal_that_finds_a_thread_behind_a_trap_does_not_rewind_it),
      cmocka_unit_test(a_hit_that_passes_is_not_told_while_its_word_has_the_value),
      cmocka_unit_test(row_35_a_trap_planted_and_removed_under_the_running_thread),
      cmocka_unit_test(row_37_a_target_that_masks_and_ignores_sigtrap),
      cmocka_unit_test(row_37_a_target_that_is_traced_already_names_its_tracer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
