/* SPDX-License-Identifier: MIT */
/*
 * The moment before code is published.
 *
 * Why. The runtime publishes a method's first code and only then tells of it (notify.c): another
 * thread that enters the method in between runs the code unseen. And its table of methods that it
 * tells of holds 1,000. Both are made up for one step earlier: every body, compiled or taken from a
 * ReadyToRun image, passes the runtime's own debugger, Debugger::JITComplete(NativeCodeVersion &,
 * address), when it is complete and nobody can call it yet. An internal trap stands there, and one
 * stop does all: a compiled body has its IL map already (bodies.c). Where that cannot be read, and
 * for ReadyToRun code, the DAC has to be asked, which knows no IL map of what is not published:
 * then one more internal trap is planted, at the body's entry:
 *
 *   JITComplete --+-- read, proven --------------------------------------------> CODE_COMPILED
 *                 '-- trap at the entry --+-- the runtime tells of the body ---> CODE_COMPILED,
 *                                         '-- a thread enters it before -------> the trap is lifted
 *
 * Where. The function has no symbol. g_dacTable, which is exported, holds the addresses of the
 * runtime's global variables; g_pDebugger and g_pDebugInterface are two of them that hold one
 * object, and of such pairs theirs has the longest table of virtual functions. JITComplete is a
 * slot of it (measured: 10.0). Nothing is taken on trust: a hit that does not look as it should
 * (the object, a code version of a known kind, an address in executable memory) ends the use of
 * this route, and the notifications alone remain.
 *
 * When.  planted <=> a wanted method has no code yet, or is not in the runtime's table
 *
 * Lifted lazily, by the first hit that nobody waits for: breakpoints are set in long rows. A
 * generic method is waited for as long as it is wanted: another instance may come.
 */
#include "config.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime-shim/coreclr/coreclr-private.h"

enum {
  TABLE_ENTRIES = 256, /* of g_dacTable, at most: more than any runtime has */
  SLOTS_LEAST = 80,    /* of the table of virtual functions; the next longest pair has 77 */
  SLOTS_MAX = 160,
  SLOT_JIT_COMPLETE = 27,
  ZERO_PAGES_MAX = 16 << 20, /* bytes of variables behind the image's file */
};

struct cordbg_coreclr_publish {
  bool looked, planted;
  uint64_t address;    /* of JITComplete; 0: not found, or not to be believed */
  uint64_t object;     /* the runtime's Debugger */
  GHashTable *entries; /* of bodies that are complete and were not told; each has a trap */
};

void
cordbg_coreclr_make_publish(cordbg_runtime *runtime)
{
  runtime->publish = g_new0(cordbg_coreclr_publish, 1);
  runtime->publish->entries = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

void
cordbg_coreclr_free_publish(cordbg_runtime *runtime)
{
  g_hash_table_unref(runtime->publish->entries);
  g_clear_pointer(&runtime->publish, g_free);
}

/* ---- Where it is ---- */

static bool
is_in_runtime(const cordbg_runtime *runtime, uint64_t address)
{
  return address - runtime->info.base < runtime->info.size;
}

static bool
is_code(cordbg_runtime *runtime, uint64_t address)
{
  cordbg_mapping mapping;

  return cordbg_target_find_mapping(runtime->target, address, false, &mapping, NULL, 0, NULL) ==
             S_OK &&
         (mapping.prot & PROT_EXEC);
}

/* The table of virtual functions of the object at address; how many slots were read. */
static unsigned
read_slots(cordbg_runtime *runtime, uint64_t object, uint64_t *slots)
{
  uint64_t table;
  unsigned count = 0;

  if (FAILED(cordbg_coreclr_read(runtime, object, &table, sizeof table, NULL)) ||
      !is_in_runtime(runtime, table) ||
      FAILED(cordbg_coreclr_read(runtime, table, slots, SLOTS_MAX * sizeof *slots, NULL)))
    return 0;
  while (count < SLOTS_MAX && is_in_runtime(runtime, slots[count]))
    count++;
  return count;
}

static void
find_debugger(cordbg_runtime *runtime, uint64_t table)
{
  uint64_t variables[TABLE_ENTRIES], values[TABLE_ENTRIES] = {0}, slots[SLOTS_MAX];
  unsigned longest = SLOTS_LEAST - 1;

  for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
    if (FAILED(cordbg_coreclr_read(runtime, table + i * 8, &variables[i], 8, NULL)) ||
        variables[i] - runtime->info.base >= runtime->info.size + ZERO_PAGES_MAX ||
        FAILED(cordbg_coreclr_read(runtime, variables[i], &values[i], 8, NULL)))
      continue;
    for (unsigned j = 0; j < i && values[i]; j++) {
      if (values[j] != values[i] || variables[j] == variables[i])
        continue;
      unsigned count = read_slots(runtime, values[i], slots);
      if (count > longest && is_code(runtime, slots[SLOT_JIT_COMPLETE])) {
        longest = count;
        runtime->publish->object = values[i];
        runtime->publish->address = slots[SLOT_JIT_COMPLETE];
      }
      break;
    }
  }
}

static bool
look(cordbg_runtime *runtime)
{
  cordbg_coreclr_publish *p = runtime->publish;

  if (p->looked)
    return p->address != 0;
  p->looked = true;
  if (!cordbg_coreclr_bodies_readable(runtime))
    return false;
  uint64_t table = cordbg_coreclr_export(runtime, runtime->info.base, "g_dacTable");
  if (table)
    find_debugger(runtime, table);
  return p->address != 0;
}

/* ---- The trap ---- */

bool
cordbg_coreclr_publish_trap(cordbg_runtime *runtime)
{
  cordbg_coreclr_publish *p = runtime->publish;

  if (!look(runtime))
    return false;
  if (!p->planted)
    p->planted = SUCCEEDED(cordbg_coreclr_plant(runtime, p->address, NULL));
  return p->planted;
}

static void
lift(cordbg_runtime *runtime)
{
  if (runtime->publish->planted)
    cordbg_coreclr_lift(runtime, runtime->publish->address);
  runtime->publish->planted = false;
}

static void
trap_entry(cordbg_runtime *runtime, uint64_t address)
{
  GHashTable *entries = runtime->publish->entries;

  /* Without it, the notification still tells the body. */
  if (!g_hash_table_contains(entries, &address) &&
      SUCCEEDED(cordbg_coreclr_plant(runtime, address, NULL)))
    g_hash_table_add(entries, g_memdup2(&address, sizeof address));
}

void
cordbg_coreclr_publish_told(cordbg_runtime *runtime, uint64_t address)
{
  if (g_hash_table_remove(runtime->publish->entries, &address))
    cordbg_coreclr_lift(runtime, address);
}

void
cordbg_coreclr_publish_leave(cordbg_runtime *runtime)
{
  GHashTableIter iterator;
  gpointer address;

  lift(runtime);
  g_hash_table_iter_init(&iterator, runtime->publish->entries);
  while (g_hash_table_iter_next(&iterator, &address, NULL)) {
    cordbg_coreclr_lift(runtime, *(uint64_t *)address);
    g_hash_table_iter_remove(&iterator);
  }
}

bool
cordbg_coreclr_publish_is(const cordbg_runtime *runtime, const cordbg_event *event)
{
  const cordbg_coreclr_publish *p = runtime->publish;

  return event->kind == CORDBG_EVENT_TRAP && ((p->planted && event->address == p->address) ||
                                              g_hash_table_contains(p->entries, &event->address));
}

/* ---- A hit ---- */

/* The method whose code is told. */
static bool
find_method(cordbg_runtime *runtime, const cordbg_event *event, uint64_t *method_desc,
            cordbg_dac_method *method)
{
  return event->registers.rdi == runtime->publish->object &&
         cordbg_coreclr_version_method(runtime, event->registers.rsi, method_desc) &&
         cordbg_coreclr_method_token(runtime, *method_desc, method);
}

static HRESULT
give_up(cordbg_runtime *runtime, cordbg_error *error)
{
  uint64_t address = runtime->publish->address;

  lift(runtime);
  runtime->publish->address = 0;
  return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, address,
                          "0x%llx is not where this runtime completes code: breakpoints may miss "
                          "methods' first calls, and those of more than 1,000 methods do not bind",
                          (unsigned long long)address);
}

/* A body is complete. */
static HRESULT
completed(cordbg_runtime *runtime, const cordbg_event *event, GArray *events, cordbg_error *error)
{
  uint64_t method_desc, address = event->registers.rdx;
  cordbg_dac_method method;

  if (address == 0)
    return S_OK; /* a compilation that failed */
  if (!find_method(runtime, event, &method_desc, &method))
    return give_up(runtime, error);
  if (!cordbg_coreclr_publish_needed(runtime)) {
    lift(runtime);
    return S_OK;
  }
  const cordbg_coreclr_module *module = cordbg_coreclr_module_at(runtime, method.module);
  if (!module || !cordbg_coreclr_is_wanted(runtime, module->id, method.token))
    return S_OK;
  if (!is_code(runtime, address))
    return give_up(runtime, error);
  HRESULT hr = cordbg_coreclr_tell_body(runtime, method_desc, address, event->tid, events, error);
  if (hr == S_OK) {
    cordbg_coreclr_code_unlisted(runtime, address);
    cordbg_coreclr_pass_notification(runtime, address);
  } else if (hr == S_FALSE)
    trap_entry(runtime, address);
  return FAILED(hr) ? hr : S_OK;
}

/* A thread enters a body that the runtime has not told, or will not. */
static HRESULT
entered(cordbg_runtime *runtime, const cordbg_event *event, GArray *events, cordbg_error *error)
{
  cordbg_rt_event told = {.kind = CORDBG_RT_EVENT_CODE_COMPILED, .tid = event->tid};

  cordbg_dac_flush(runtime->dac);
  HRESULT hr = cordbg_coreclr_code_at(runtime, event->address, &told.code, error);
  if (FAILED(hr))
    return hr;
  cordbg_coreclr_publish_told(runtime, event->address);
  if (hr == S_FALSE || told.code.start != event->address ||
      !cordbg_coreclr_is_wanted(runtime, told.code.module, told.code.token) ||
      !g_hash_table_add(runtime->told, GSIZE_TO_POINTER(told.code.id)))
    return S_OK;
  told.id = told.code.id;
  g_array_append_val(events, told);
  cordbg_coreclr_has_code(runtime, &told.code);
  return S_OK;
}

HRESULT
cordbg_coreclr_publish_take(cordbg_runtime *runtime, const cordbg_event *event, GArray *events,
                            cordbg_error *error)
{
  if (event->address == runtime->publish->address)
    return completed(runtime, event, events, error);
  return entered(runtime, event, events, error);
}
