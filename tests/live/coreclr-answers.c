/* SPDX-License-Identifier: MIT */
/*
 * What is answered without asking the DAC is what the DAC would say: at random stops of a program
 * in which threads, modules and collections come and go, soundness, modules and threads are asked
 * of a session, which keeps answers, and of a second DAC host, which is flushed and keeps nothing.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime-shim/coreclr/coreclr-private.h"
#include "runtime-shim/coreclr/coreclr.h"
#include "runtime-shim/coreclr/dac-private.h"

#define PATIENCE_MS 30000

static const cordbg_runtime_ops *const ops = &cordbg_coreclr_ops;
static cordbg_error why;

#define assert_ok(expression)                                                                      \
  do {                                                                                             \
    HRESULT assert_ok_hr = (expression);                                                           \
    if (FAILED(assert_ok_hr))                                                                      \
      fail_msg("%s: 0x%08x %s", #expression, (unsigned)assert_ok_hr, why.sentence);                \
  } while (0)

typedef struct session {
  int pid;
  cordbg_tracer *tracer;
  cordbg_target *target;
  cordbg_runtime *runtime;
  cordbg_dac *naive;
  GRand *random;

  /* What was seen. */
  unsigned sound, unsound, refused;
  unsigned kept_sound, kept_modules, kept_threads;
  unsigned asked_modules;
  unsigned changed_modules, changed_threads; /* from one stop to the next */
  GArray *threads;                           /* cordbg_dac_thread, naive, of the last stop */
  guint modules;                             /* hash of the last stop's */
} session;

static session s;

static const char *
program(void)
{
  return "tests/live/net/Changing.dll";
}

/* ---- The program and its session ---- */

static int
start_program(void)
{
  int out[2];
  char c = 0;

  assert_int_equal(pipe(out), 0);
  fflush(NULL);
  int pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    dup2(out[1], 1);
    execlp("dotnet", "dotnet", program(), "600", NULL);
    _exit(127);
  }
  close(out[1]);
  while (c != '\n')
    assert_int_equal(read(out[0], &c, 1), 1);
  close(out[0]);
  return pid;
}

static int
setup(void **state)
{
  const char *text = getenv("CORDBG_SEED");
  guint32 seed = text ? (guint32)strtoul(text, NULL, 0) : g_random_int();

  (void)state;
  printf("CORDBG_SEED=%u\n", seed);
  s = (session){.pid = start_program(), .random = g_rand_new_with_seed(seed)};
  s.threads = g_array_new(FALSE, FALSE, sizeof(cordbg_dac_thread));
  assert_ok(cordbg_tracer_start(&s.tracer, &why));
  assert_ok(cordbg_tracer_attach(s.tracer, s.pid, &why));
  assert_ok(cordbg_target_create(s.tracer, &s.target, &why));
  assert_ok(ops->prepare(s.target, 0, PATIENCE_MS, NULL, NULL, &s.runtime, &why));
  assert_ok(cordbg_dac_start(s.target, s.runtime->library, s.runtime->info.base, PATIENCE_MS,
                             &s.naive, &why));
  return 0;
}

static int
teardown(void **state)
{
  (void)state;
  cordbg_dac_destroy(s.naive);
  ops->destroy(s.runtime, 1);
  assert_ok(cordbg_tracer_detach(s.tracer, &why));
  cordbg_target_retire(s.target);
  cordbg_target_unref(s.target);
  kill(s.pid, SIGKILL);
  assert_int_equal(waitpid(s.pid, NULL, 0), s.pid);
  g_array_unref(s.threads);
  g_rand_free(s.random);
  return 0;
}

static void
take(const cordbg_event *event)
{
  cordbg_rt_event *events = NULL;
  size_t count = 0;

  assert_int_not_equal(event->kind, CORDBG_EVENT_EXITED);
  if (event->kind != CORDBG_EVENT_TRAP || !(event->layers & CORDBG_LAYER_INTERNAL))
    return;
  assert_ok(ops->handle_event(s.runtime, event, &events, &count, &why));
  g_free(events);
}

/* Runs for some moments, serving the shim's traps, and stops. */
static void
run_on(void)
{
  gint64 end = g_get_monotonic_time() + g_rand_int_range(s.random, 0, 4000);
  cordbg_reply_stop state = {0};
  cordbg_event event;

  for (;;) {
    assert_ok(cordbg_tracer_continue(s.tracer, &why));
    gint64 left = MAX((end - g_get_monotonic_time()) / 1000, 0);
    HRESULT hr =
        cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_MANAGED, (int)left, &event, &why);
    assert_ok(hr);
    bool stopped = hr == S_OK && (event.flags & CORDBG_EVENT_STOPS);
    if (!stopped)
      assert_ok(cordbg_tracer_stop(s.tracer, &state, &why));
    if (hr == S_OK)
      take(&event);
    else if (state.outstanding_managed) { /* it crossed with the stop */
      assert_ok(
          cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_MANAGED, PATIENCE_MS, &event, &why));
      take(&event);
    }
    if (g_get_monotonic_time() >= end)
      return;
  }
}

/* ---- One stop ---- */

/* Nothing that was learnt before counts. */
static void
forget(void)
{
  cordbg_dac_drop_kept(s.naive);
  cordbg_dac_flush(s.naive);
}

static bool
check_soundness(void)
{
  cordbg_dac_state state;
  uint32_t before = s.runtime->dac->number;
  bool sound = false;

  forget();
  assert_ok(cordbg_dac_get_state(s.naive, &state, &why));
  assert_ok(cordbg_dac_is_sound(s.runtime->dac, &sound, &why));
  assert_int_equal(sound, state.heap_valid);
  s.kept_sound += s.runtime->dac->number == before;
  s.sound += sound;
  s.unsound += !sound;
  return sound;
}

static guint
check_module(const cordbg_dac_module *ours, const cordbg_dac_module *theirs)
{
  cordbg_dac_module a = *ours, b = *theirs;

  assert_string_equal(a.path, b.path);
  assert_string_equal(a.name, b.name);
  assert_string_equal(a.assembly_name, b.assembly_name);
  assert_int_equal(a.module, b.module);
  assert_int_equal(a.assembly, b.assembly);
  assert_int_equal(a.domain, b.domain);
  assert_int_equal(a.base, b.base);
  assert_int_equal(a.size, b.size);
  assert_int_equal(a.flat, b.flat);
  assert_int_equal(a.metadata, b.metadata);
  assert_int_equal(a.metadata_size, b.metadata_size);
  assert_int_equal(a.flags, b.flags);
  assert_memory_equal(a.mvid, b.mvid, sizeof a.mvid);
  return (guint)(a.module >> 3) ^ g_str_hash(a.assembly_name);
}

static void
check_modules(void)
{
  cordbg_dac_module *ours = NULL, *theirs = NULL;
  size_t count = 0, expected = 0;
  uint32_t before = s.runtime->dac->number;
  guint hash = 17;

  forget();
  HRESULT naive = cordbg_dac_modules(s.naive, &theirs, &expected, &why);
  HRESULT hr = cordbg_dac_modules(s.runtime->dac, &ours, &count, &why);
  assert_int_equal(hr, naive);
  if (FAILED(naive)) { /* in the middle of a change */
    s.refused++;
    return;
  }
  s.kept_modules += s.runtime->dac->number == before;
  s.asked_modules += s.runtime->dac->number != before;
  assert_int_equal(count, expected);
  for (size_t i = 0; i < count; i++)
    hash = hash * 31 + check_module(&ours[i], &theirs[i]);
  s.changed_modules += s.modules != hash;
  s.modules = hash;
  g_free(ours);
  g_free(theirs);
}

static bool
same_threads(const cordbg_dac_thread *now, size_t count)
{
  const cordbg_dac_thread *last = (const cordbg_dac_thread *)(const void *)s.threads->data;
  bool same = s.threads->len == count;

  for (size_t i = 0; same && i < count; i++)
    same = last[i].thread == now[i].thread && last[i].tid == now[i].tid;
  return same;
}

static void
check_threads(void)
{
  cordbg_dac_thread *theirs = NULL;
  GArray *ours = NULL;
  size_t expected = 0;
  uint32_t before = s.runtime->dac->number;

  forget();
  HRESULT naive = cordbg_dac_threads(s.naive, &theirs, &expected, &why);
  HRESULT hr = cordbg_coreclr_list_threads(s.runtime, &ours, &why);
  if (FAILED(naive)) {
    s.refused++;
    if (SUCCEEDED(hr))
      g_array_unref(ours);
    return;
  }
  assert_ok(hr);
  s.kept_threads += s.runtime->dac->number == before;
  assert_int_equal(ours->len, expected);
  for (guint i = 0; i < ours->len; i++) {
    const cordbg_coreclr_listed *one = &g_array_index(ours, cordbg_coreclr_listed, i);
    assert_int_equal(one->thread, theirs[i].thread);
    assert_int_equal(one->tid, theirs[i].tid);
  }
  s.changed_threads += !same_threads(theirs, expected);
  g_array_set_size(s.threads, 0);
  g_array_append_vals(s.threads, theirs, (guint)expected);
  g_array_unref(ours);
  g_free(theirs);
}

/* At stops in a collection the lists are not asked for, as a session does. */
static void
stops(unsigned count)
{
  for (unsigned i = 0; i < count; i++) {
    run_on();
    if (!check_soundness())
      continue;
    check_modules();
    check_threads();
  }
}

static bool
enough(void)
{
  return s.unsound > 0 && s.kept_sound > 20 && s.kept_modules > 20 && s.asked_modules > 20 &&
         s.kept_threads > 100 && s.changed_modules > 5 && s.changed_threads > 20;
}

static void
kept_answers_are_what_the_dac_says(void **state)
{
  (void)state;
  /* Until all that can happen has happened some times. */
  stops(300);
  for (int i = 0; i < 20 && !enough(); i++)
    stops(100);
  printf("%u sound stops, %u in a collection, %u lists refused; without a question: soundness %u, "
         "modules %u (%u asked), threads %u; changed: modules %u, threads %u\n",
         s.sound, s.unsound, s.refused, s.kept_sound, s.kept_modules, s.asked_modules,
         s.kept_threads, s.changed_modules, s.changed_threads);
  assert_true(enough());
}

/* The answer as it is kept now; asked for when it is not. NULL: it cannot be kept at this stop. */
static const cordbg_dac_kept *
kept_modules(void)
{
  cordbg_dac *dac = s.runtime->dac;
  cordbg_dac_module *modules = NULL;
  size_t count = 0;

  if (!dac->kept[CORDBG_DAC_KEPT_MODULES])
    cordbg_dac_flush(dac);
  if (FAILED(cordbg_dac_modules(dac, &modules, &count, &why)))
    return NULL;
  g_free(modules);
  return dac->kept[CORDBG_DAC_KEPT_MODULES];
}

static bool
is_recalled(void)
{
  const uint8_t *elements = NULL;
  cordbg_dac_reply reply;
  size_t length = 0;

  cordbg_dac_doubt_kept(s.runtime->dac);
  return cordbg_dac_recall(s.runtime->dac, CORDBG_DAC_MODULES, &elements, &reply, &length);
}

/* false: it lies in a file, where nothing is written to. */
static bool
write_byte(uint64_t address, uint8_t byte)
{
  size_t written = 0;
  HRESULT hr = cordbg_tracer_write(s.tracer, address, &byte, 1, &written, &why);

  if (hr == E_ACCESSDENIED)
    return false;
  assert_ok(hr);
  assert_int_equal(written, 1);
  return true;
}

/* Any of them, changed in the standing program and put back. */
static void
a_kept_answer_is_dropped_when_a_byte_of_what_it_was_made_of_differs(void **state)
{
  unsigned dropped = 0;

  (void)state;
  for (int i = 0; i < 500 && dropped < 200; i++) {
    run_on();
    if (!check_soundness())
      continue;
    for (int j = 0; j < 20; j++) {
      const cordbg_dac_kept *kept = kept_modules();
      if (!kept)
        break;
      assert_true(is_recalled());
      const cordbg_dac_kept_piece *piece =
          &kept->pieces[g_rand_int_range(s.random, 0, (gint32)kept->piece_count)];
      uint64_t offset = (uint64_t)g_rand_int_range(s.random, 0, (gint32)piece->size);
      uint64_t address = piece->address + offset;
      uint8_t byte = kept->seen[piece->seen + offset];
      if (!write_byte(address, byte ^ (uint8_t)(1 << g_rand_int_range(s.random, 0, 8))))
        continue;
      bool recalled = is_recalled();
      write_byte(address, byte);
      assert_false(recalled);
      dropped++;
    }
  }
  assert_true(dropped >= 200);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kept_answers_are_what_the_dac_says),
      cmocka_unit_test(a_kept_answer_is_dropped_when_a_byte_of_what_it_was_made_of_differs),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");

  if (!dotnet || access(program(), R_OK) != 0) {
    printf("SKIP: dotnet is not installed\n");
    return 77;
  }
  return cmocka_run_group_tests(tests, setup, teardown);
}
