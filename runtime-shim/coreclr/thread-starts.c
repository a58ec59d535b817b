/* SPDX-License-Identifier: MIT */
/*
 * Threads that begin and end, told when it happens.
 *
 * Why. The runtime tells its debugger of threads only when one of Microsoft's is attached inside
 * it; else they are seen when somebody looks, at the next stop.
 *
 * Beginnings. Every thread that the runtime takes in, its own, the program's and those that come in
 * from native code, has it register the destructor that will let go of it: libcoreclr.so calls
 * __cxa_thread_atexit, an import, when the Thread is in the runtime's list with its number and no
 * managed code has run on it (measured: 10.0). An internal trap stands there. Other libraries'
 * thread_local variables come that way too; what tells them apart is who calls and which destructor
 * is registered, and that is not taken on trust: of each destructor the first hits look
 * whether the thread is in the runtime's list, until one is.
 *
 * Ends. The tracer says which thread the kernel has let go of (CORDBG_EVENT_THREAD_EXITED): no stop
 * for those that nobody knows.
 *
 *   unknown --trap, or seen at a stop--> known --kernel, or missing at a stop--> ended
 *
 * The runtime may list a thread that is no more (one that left by a bare system call): what is met
 * in a picture after an end is asked of the kernel too, or it would begin anew at each look.
 *
 * Where the import is not found, or the first hit of no destructor is a thread's, threads are met
 * at stops alone.
 */
#include "config.h"

#include <unistd.h>

#include "runtime-shim/coreclr/coreclr-private.h"

enum {
  DESTRUCTORS_MAX = 16, /* that libcoreclr.so registers; one was seen */
  LOOKS_MAX =
      16, /* for a thread that registers one: a list in the middle of a change may miss it */
};

typedef struct destructor {
  uint64_t address;
  bool ends_threads;
  unsigned looks;
} destructor;

struct cordbg_coreclr_starts {
  uint64_t address; /* of __cxa_thread_atexit; 0: not found */
  bool planted;
  destructor destructors[DESTRUCTORS_MAX];
  unsigned count;
  bool ended; /* some thread has: the runtime's list may have dead ones */
};

void
cordbg_coreclr_make_starts(cordbg_runtime *runtime)
{
  runtime->starts = g_new0(cordbg_coreclr_starts, 1);
}

void
cordbg_coreclr_free_starts(cordbg_runtime *runtime)
{
  g_clear_pointer(&runtime->starts, g_free);
}

void
cordbg_coreclr_starts_at(cordbg_runtime *runtime, uint64_t address)
{
  runtime->starts->address = address;
}

void
cordbg_coreclr_starts_trap(cordbg_runtime *runtime)
{
  cordbg_coreclr_starts *s = runtime->starts;

  if (s->address && !s->planted)
    s->planted = SUCCEEDED(cordbg_coreclr_plant(runtime, s->address, NULL));
}

void
cordbg_coreclr_starts_leave(cordbg_runtime *runtime)
{
  cordbg_coreclr_starts *s = runtime->starts;

  if (s->planted)
    cordbg_coreclr_lift(runtime, s->address);
  s->planted = false;
}

bool
cordbg_coreclr_starts_is(const cordbg_runtime *runtime, const cordbg_event *event)
{
  const cordbg_coreclr_starts *s = runtime->starts;

  return event->kind == CORDBG_EVENT_THREAD_EXITED ||
         (event->kind == CORDBG_EVENT_TRAP && s->planted && event->address == s->address);
}

bool
cordbg_coreclr_starts_lives(const cordbg_runtime *runtime, int32_t tid)
{
  char path[64];

  if (!runtime->starts->ended)
    return true;
  g_snprintf(path, sizeof path, "/proc/%d/task/%d", runtime->pid, tid);
  return access(path, F_OK) == 0;
}

/* ---- A hit ---- */

/* A thread that the DAC lists is known afterwards. */
static HRESULT
look_for(cordbg_runtime *runtime, int32_t tid, bool *ret, GArray *events, cordbg_error *error)
{
  HRESULT hr = cordbg_coreclr_meet_threads(runtime, events, error);

  *ret = SUCCEEDED(hr) && cordbg_coreclr_knows_thread(runtime, tid);
  return hr;
}

static HRESULT
begins(cordbg_runtime *runtime, const cordbg_event *event, GArray *events, cordbg_error *error)
{
  cordbg_coreclr_starts *s = runtime->starts;
  uint64_t caller, address = event->registers.rdi;
  destructor *d = s->destructors;
  HRESULT hr = S_OK;

  if (FAILED(cordbg_coreclr_read(runtime, event->registers.rsp, &caller, sizeof caller, NULL)) ||
      caller - runtime->info.base >= runtime->info.size)
    return S_OK;
  if (cordbg_coreclr_knows_thread(runtime, event->tid))
    return S_OK; /* a picture taken between its entry in the list and this */
  while (d < s->destructors + s->count && d->address != address)
    d++;
  if (d == s->destructors + DESTRUCTORS_MAX)
    return S_OK;
  if (d == s->destructors + s->count)
    s->destructors[s->count++].address = address;
  if (d->ends_threads)
    cordbg_coreclr_meet_thread(runtime, event->tid, events);
  else if (d->looks++ < LOOKS_MAX)
    hr = look_for(runtime, event->tid, &d->ends_threads, events, error);
  return hr;
}

HRESULT
cordbg_coreclr_starts_take(cordbg_runtime *runtime, const cordbg_event *event, GArray *events,
                           cordbg_error *error)
{
  if (event->kind == CORDBG_EVENT_TRAP)
    return begins(runtime, event, events, error);
  runtime->starts->ended = true;
  cordbg_coreclr_end_thread(runtime, event->tid, events);
  return S_OK;
}
