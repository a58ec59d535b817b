/* SPDX-License-Identifier: MIT */
/*
 * The registry: pid -> session. It exists so that ReadProcessMemory, which is given a handle and
 * knows of no session, shows a debugged process as the session's other doors do. It is the only
 * global of the library.
 *
 * Invariants
 *   - a pid has at most one entry.
 *   - an entry's target may have lost its last reference, but is not freed while it is here:
 * look-ups take a reference under the lock only when there is one left, and the last unref leaves
 * first.
 *
 * The lock is held for a hash look-up; reads of several threads do not wait for each other.
 */
#include "config.h"

#include "cordbg/memory/target-private.h"

#include <glib.h>

static GRWLock lock;
static GHashTable *targets; /* pid -> cordbg_target *, made by the first entry */
/* Spares handles of a process that nobody debugs the lock. */
static _Atomic int entries;

HRESULT
cordbg_registry_enter(cordbg_target *target, cordbg_error *error)
{
  gpointer key = GINT_TO_POINTER(target->reader.pid);
  HRESULT hr = S_OK;
  g_rw_lock_writer_lock(&lock);
  if (targets == NULL)
    targets = g_hash_table_new(g_direct_hash, g_direct_equal);
  cordbg_target *other = g_hash_table_lookup(targets, key);
  if (other != NULL && cordbg_target_state(other) == S_OK) {
    hr = cordbg_error_set(error, CORDBG_E_DEBUGGER_ALREADY_ATTACHED, 0, 0,
                          "process %d is being debugged by this program already",
                          target->reader.pid);
  } else {
    g_hash_table_insert(targets, key, target);
    atomic_store(&entries, (int)g_hash_table_size(targets));
  }
  g_rw_lock_writer_unlock(&lock);
  return hr;
}

void
cordbg_registry_leave(cordbg_target *target)
{
  gpointer key = GINT_TO_POINTER(target->reader.pid);
  g_rw_lock_writer_lock(&lock);
  if (targets != NULL && g_hash_table_lookup(targets, key) == target) {
    g_hash_table_remove(targets, key);
    atomic_store(&entries, (int)g_hash_table_size(targets));
  }
  g_rw_lock_writer_unlock(&lock);
}

cordbg_target *
cordbg_target_lookup(int pid)
{
  if (atomic_load(&entries) == 0)
    return NULL;
  g_rw_lock_reader_lock(&lock);
  cordbg_target *target = g_hash_table_lookup(targets, GINT_TO_POINTER(pid));
  if (target != NULL && !cordbg_target_try_ref(target))
    target = NULL;
  g_rw_lock_reader_unlock(&lock);
  return target;
}
