/* SPDX-License-Identifier: MIT */
/*
 * Hits, stops and planting at the tracer's level, against bare ptrace (bare.h).
 * Each round attaches anew, since a process has one tracer; only the work between is timed.
 */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "cordbg/tracer/client.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

#define PLANTED 10000u

typedef struct fixture {
  hit_target target;
  bool stepped;
  unsigned int count; /* hits or stops a round */
  uint64_t *addresses;
} fixture;

static uint64_t
trap_address(const fixture *f)
{
  return f->stepped ? (uintptr_t)hit_stepped : (uintptr_t)hit_emulated;
}

static void
check(HRESULT hr, const char *what, const cordbg_error *error)
{
  if (hr != S_OK)
    bench_die("%s: 0x%08x %s", what, (unsigned int)hr, error->sentence);
}

static cordbg_tracer *
attach(const fixture *f)
{
  cordbg_tracer *tracer = NULL;
  cordbg_error error = {0};

  check(cordbg_tracer_start(&tracer, &error), "start", &error);
  check(cordbg_tracer_attach(tracer, (int)f->target.pid, &error), "attach", &error);
  return tracer;
}

static void
detach(cordbg_tracer *tracer)
{
  cordbg_error error = {0};

  check(cordbg_tracer_detach(tracer, &error), "detach", &error);
  cordbg_tracer_destroy(tracer);
}

/* ------------------------------------------------------------------ hits */

static void
await_hit(cordbg_tracer *tracer, uint64_t address)
{
  cordbg_error error = {0};
  cordbg_event event;

  check(cordbg_tracer_next_event(tracer, CORDBG_CHANNEL_MANAGED, 10000, &event, &error),
        "the hit did not come", &error);
  if (event.kind != CORDBG_EVENT_TRAP || event.address != address)
    bench_die("event %u at 0x%llx instead of the hit", event.kind,
              (unsigned long long)event.address);
}

static double
measure_hits(void *data)
{
  fixture *f = data;
  cordbg_tracer *tracer = attach(f);
  uint64_t address = trap_address(f), start, end;
  cordbg_plant_result result;
  cordbg_error error = {0};

  check(cordbg_tracer_plant(tracer, CORDBG_LAYER_MANAGED, &address, 1, &result, &error), "plant",
        &error);
  await_hit(tracer, address);
  start = bench_now();
  for (unsigned int i = 0; i < f->count; i++) {
    check(cordbg_tracer_continue(tracer, &error), "continue", &error);
    await_hit(tracer, address);
  }
  end = bench_now();
  detach(tracer);
  return (double)(end - start) / f->count;
}

static double
measure_bare_hits(void *data)
{
  fixture *f = data;
  bare_session session;
  double ns;

  bare_attach(&session, &f->target);
  ns = bare_hits(&session, trap_address(f), !f->stepped, f->count);
  bare_detach(&session);
  return ns;
}

static void
bench_hit_row(const char *row, unsigned int busy, unsigned int asleep, bool stepped,
              unsigned int count, double goal)
{
  fixture f = {.stepped = stepped, .count = count};

  if (!bench_wanted(row))
    return;
  hit_target_start(&f.target, busy, asleep, stepped, 4096);
  bench_compare(&(bench_job){.row = row,
                             .unit = "/s",
                             .threads = busy + asleep,
                             .ratio = BENCH_AT_LEAST,
                             .goal = goal,
                             .ours = measure_hits,
                             .bare = measure_bare_hits,
                             .data = &f,
                             .rounds = 7});
  hit_target_end(&f.target);
}

/* ------------------------------------------------------------------ stops */

static double
measure_stops(void *data)
{
  fixture *f = data;
  cordbg_tracer *tracer = attach(f);
  cordbg_reply_stop state;
  cordbg_error error = {0};
  uint64_t start = bench_now(), end;

  for (unsigned int i = 0; i < f->count; i++) {
    check(cordbg_tracer_stop(tracer, &state, &error), "stop", &error);
    check(cordbg_tracer_continue(tracer, &error), "continue", &error);
  }
  end = bench_now();
  detach(tracer);
  return (double)(end - start) / f->count;
}

static double
measure_bare_stops(void *data)
{
  fixture *f = data;
  bare_session session;
  double ns;

  bare_attach(&session, &f->target);
  ns = bare_stops(&session, f->count);
  bare_detach(&session);
  return ns;
}

static void
bench_stop_row(const char *row, unsigned int busy, unsigned int count)
{
  fixture f = {.count = count};

  if (!bench_wanted(row))
    return;
  hit_target_start(&f.target, busy, 0, false, 4096);
  bench_compare(&(bench_job){.row = row,
                             .unit = "us",
                             .threads = busy,
                             .ratio = BENCH_AT_LEAST,
                             .goal = 0.5,
                             .ours = measure_stops,
                             .bare = measure_bare_stops,
                             .data = &f,
                             .rounds = 7});
  hit_target_end(&f.target);
}

/* ------------------------------------------------------------------ planting */

typedef HRESULT (*batch)(cordbg_tracer *tracer, cordbg_layer layer, const uint64_t *addresses,
                         size_t count, cordbg_plant_result *results, cordbg_error *error);

static double
run_batch(batch run, cordbg_tracer *tracer, const fixture *f, const char *what)
{
  g_autofree cordbg_plant_result *results = g_new0(cordbg_plant_result, PLANTED);
  cordbg_error error = {0};
  uint64_t start = bench_now();

  check(run(tracer, CORDBG_LAYER_MANAGED, f->addresses, PLANTED, results, &error), what, &error);
  start = bench_now() - start;
  for (size_t i = 0; i < PLANTED; i++)
    if (results[i].status != 0 || results[i].original != 0x90)
      bench_die("%s: address %zu: status %d, original 0x%02x", what, i, results[i].status,
                results[i].original);
  return (double)start / PLANTED;
}

static double
measure_plant(void *data)
{
  fixture *f = data;
  cordbg_tracer *tracer = attach(f);
  double ns = run_batch(cordbg_tracer_plant, tracer, f, "plant");

  run_batch(cordbg_tracer_remove, tracer, f, "remove");
  detach(tracer);
  return ns;
}

static double
measure_remove(void *data)
{
  fixture *f = data;
  cordbg_tracer *tracer = attach(f);
  double ns;

  run_batch(cordbg_tracer_plant, tracer, f, "plant");
  ns = run_batch(cordbg_tracer_remove, tracer, f, "remove");
  detach(tracer);
  return ns;
}

static double
measure_bare_writes(void *data)
{
  fixture *f = data;
  double ns = bare_writes(&f->target, f->addresses, PLANTED, 0xcc);

  bare_writes(&f->target, f->addresses, PLANTED, 0x90);
  return ns;
}

/* Addresses in no order, spread over the target's code area: stride bytes apart on average. */
static void
bench_plant_rows(const char *text, size_t stride)
{
  g_autofree char *plant = g_strdup_printf("plant 10,000 in a batch, %s", text);
  g_autofree char *remove = g_strdup_printf("remove 10,000 in a batch, %s", text);
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  fixture f = {.addresses = g_new(uint64_t, PLANTED)};

  if (bench_wanted(plant) || bench_wanted(remove)) {
    hit_target_start(&f.target, 1, 0, false, PLANTED * stride);
    for (size_t i = 0; i < PLANTED; i++)
      f.addresses[i] = f.target.code + i * stride;
    for (size_t i = PLANTED - 1; i > 0; i--) {
      size_t k = (size_t)g_rand_int_range(random, 0, (gint32)i + 1);
      uint64_t swap = f.addresses[i];

      f.addresses[i] = f.addresses[k];
      f.addresses[k] = swap;
    }
    for (int i = 0; i < 2; i++)
      bench_compare(&(bench_job){.row = i == 0 ? plant : remove,
                                 .unit = "ns",
                                 .threads = 1,
                                 .ratio = BENCH_BEYOND,
                                 .goal = 2000,
                                 .ours = i == 0 ? measure_plant : measure_remove,
                                 .bare = measure_bare_writes,
                                 .data = &f,
                                 .rounds = 7});
    hit_target_end(&f.target);
  }
  g_free(f.addresses);
}

int
main(int argc, char **argv)
{
  bench_begin(&argc, argv, "bench-hits");
  bench_hit_row("hit and continue, emulated, 1 busy 7 asleep", 1, 7, false, 3000, 0.5);
  bench_hit_row("hit and continue, stepped, 1 busy 7 asleep", 1, 7, true, 2000, 0.5);
  bench_hit_row("hit and continue, emulated, 8 busy", 8, 0, false, 60, 0.5);
  bench_hit_row("hit and continue, stepped, 8 busy", 8, 0, true, 60, 0.5);
  bench_stop_row("Stop and Continue, 8 busy", 8, 60);
  bench_plant_rows("16 bytes apart", 16);
  bench_plant_rows("one a page", 4096);
  return bench_end();
}
