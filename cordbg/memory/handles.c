/* SPDX-License-Identifier: MIT */
/*
 * Handles: what OpenProcess gives, and what ReadProcessMemory and its like take.
 *
 * A handle's value is an index into a table and the number of times that the table's slot was used
 * before, times four as on Windows: a closed handle stays invalid until the slot was used a million
 * times. It holds the process by a pidfd, so that a pid that is used again never means another
 * process; the pidfd is looked at after each fetch.
 *
 * States of a slot: free -> open -> free (the next round). A call in progress holds a reference of
 * the handle's object, so that CloseHandle on another thread does not pull it away.
 */
#include "config.h"

#include "cordbg/memory/doors.h"
#include "cordbg/memory/handles.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INDEX_BITS 20
#define ROUND_BITS 20

typedef struct handle_slot {
  cordbg_handle *object; /* NULL: free */
  uint32_t round;
  uint32_t next_free;
} handle_slot;

static GRWLock lock;
static GArray *slots; /* of handle_slot; slot 0 is never used */
static uint32_t first_free;

static HANDLE
handle_value(uint32_t index, uint32_t round)
{
  return (HANDLE)((((uintptr_t)round << INDEX_BITS) | index) << 2);
}

/* With the lock held. NULL: not an open handle. */
static handle_slot *
find_slot(HANDLE handle)
{
  uintptr_t value = (uintptr_t)handle;
  uint32_t index = (uint32_t)(value >> 2) & ((1u << INDEX_BITS) - 1);
  if ((value & 3) != 0 || value >> (2 + INDEX_BITS + ROUND_BITS) != 0 || slots == NULL ||
      index == 0 || index >= slots->len)
    return NULL;
  handle_slot *slot = &g_array_index(slots, handle_slot, index);
  if (slot->object == NULL || slot->round != (uint32_t)(value >> (2 + INDEX_BITS)))
    return NULL;
  return slot;
}

static HRESULT
add_handle(cordbg_handle *object, HANDLE *ret, cordbg_error *error)
{
  g_rw_lock_writer_lock(&lock);
  if (slots == NULL) {
    slots = g_array_new(FALSE, TRUE, sizeof(handle_slot));
    g_array_set_size(slots, 1);
  }
  uint32_t index = first_free;
  if (index == 0 && slots->len < 1u << INDEX_BITS) {
    index = slots->len;
    g_array_set_size(slots, index + 1);
  } else if (index == 0) {
    g_rw_lock_writer_unlock(&lock);
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_NO_SYSTEM_RESOURCES), 0, 0,
                            "more than a million handles are open: close some");
  }
  handle_slot *slot = &g_array_index(slots, handle_slot, index);
  first_free = slot->next_free;
  slot->object = object;
  slot->next_free = 0;
  *ret = handle_value(index, slot->round);
  g_rw_lock_writer_unlock(&lock);
  return S_OK;
}

static HRESULT
make_handle(int pid, int tid, DWORD access, HANDLE *ret, cordbg_error *error)
{
  int pidfd = pid <= 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) {
    int sys = pid <= 0 ? EINVAL : errno;
    if (sys == EMFILE || sys == ENFILE || sys == ENOMEM)
      return cordbg_error_set_errno(error, sys, 0, "process %d cannot be opened", pid);
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), sys, 0,
                            "there is no process %d", pid);
  }
  cordbg_handle *object = g_new0(cordbg_handle, 1);
  atomic_init(&object->references, 1);
  object->pid = pid;
  object->tid = tid;
  object->access = access;
  cordbg_reader_init(&object->reader, pid, pidfd, NULL);
  HRESULT hr = add_handle(object, ret, error);
  if (FAILED(hr))
    cordbg_handle_drop(object);
  return hr;
}

HRESULT
cordbg_handle_for_process(int pid, DWORD access, HANDLE *ret, cordbg_error *error)
{
  return make_handle(pid, 0, access, ret, error);
}

HRESULT
cordbg_handle_for_thread(int pid, int tid, HANDLE *ret, cordbg_error *error)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d", pid, tid);
  if (tid <= 0 || access(path, F_OK) < 0)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                            "process %d has no thread %d", pid, tid);
  return make_handle(pid, tid, 0, ret, error);
}

cordbg_handle *
cordbg_handle_take(HANDLE handle)
{
  g_rw_lock_reader_lock(&lock);
  handle_slot *slot = find_slot(handle);
  cordbg_handle *object = slot == NULL ? NULL : slot->object;
  if (object != NULL)
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
  g_rw_lock_reader_unlock(&lock);
  return object;
}

void
cordbg_handle_drop(cordbg_handle *handle)
{
  if (atomic_fetch_sub_explicit(&handle->references, 1, memory_order_acq_rel) != 1)
    return;
  cordbg_reader_deinit(&handle->reader);
  g_free(handle);
}

/* FALSE: it was none. */
static bool
close_handle(HANDLE handle)
{
  g_rw_lock_writer_lock(&lock);
  handle_slot *slot = find_slot(handle);
  cordbg_handle *object = NULL;
  if (slot != NULL) {
    object = slot->object;
    slot->object = NULL;
    slot->round = (slot->round + 1) & ((1u << ROUND_BITS) - 1);
    slot->next_free = first_free;
    first_free = (uint32_t)(slot - &g_array_index(slots, handle_slot, 0));
  }
  g_rw_lock_writer_unlock(&lock);
  if (object != NULL)
    cordbg_handle_drop(object);
  return object != NULL;
}

BOOL
CloseHandle(HANDLE hObject)
{
  if (close_handle(hObject))
    return TRUE;
  cordbg_error error;
  cordbg_error_set(&error, HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE), 0, 0,
                   "%p is not an open handle", hObject);
  cordbg_error_remember(&error);
  SetLastError(ERROR_INVALID_HANDLE);
  return FALSE;
}

cordbg_target *
cordbg_handle_target(cordbg_handle *handle)
{
  cordbg_target *target = cordbg_target_lookup(handle->pid);
  if (target == NULL)
    return NULL;
  uint64_t seen = atomic_load_explicit(&handle->session, memory_order_relaxed);
  if (cordbg_target_state(target) == S_OK) {
    /* Both alive at one moment with the same pid: the same process, from now on. */
    if (seen == target->serial)
      return target;
    if (cordbg_reader_state(&handle->reader) == S_OK && cordbg_target_state(target) == S_OK) {
      atomic_store_explicit(&handle->session, target->serial, memory_order_relaxed);
      return target;
    }
  }
  cordbg_target_unref(target);
  return NULL;
}

cordbg_handle *
cordbg_handle_check(HANDLE handle, DWORD access, DWORD *error_code, cordbg_error *error)
{
  cordbg_handle *object = cordbg_handle_take(handle);
  if (object == NULL || object->tid != 0) {
    if (object != NULL)
      cordbg_handle_drop(object);
    *error_code = ERROR_INVALID_HANDLE;
    cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE), 0, 0,
                     "%p is not an open handle of a process", handle);
    return NULL;
  }
  if ((object->access & access) != access) {
    *error_code = ERROR_ACCESS_DENIED;
    cordbg_error_set(error, E_ACCESSDENIED, 0, 0,
                     "the handle of process %d was opened without the right that this needs: "
                     "0x%x is missing",
                     object->pid, (unsigned)(access & ~object->access));
    cordbg_handle_drop(object);
    return NULL;
  }
  return object;
}

DWORD
cordbg_handle_process_id(HANDLE handle)
{
  cordbg_handle *object = cordbg_handle_take(handle);
  if (object == NULL)
    return 0;
  DWORD pid = (DWORD)object->pid;
  cordbg_handle_drop(object);
  return pid;
}

DWORD
cordbg_handle_thread_id(HANDLE handle)
{
  cordbg_handle *object = cordbg_handle_take(handle);
  if (object == NULL)
    return 0;
  DWORD tid = (DWORD)object->tid;
  cordbg_handle_drop(object);
  return tid;
}

cordbg_target *
cordbg_handle_session(HANDLE handle)
{
  cordbg_handle *object = cordbg_handle_take(handle);
  if (object == NULL)
    return NULL;
  cordbg_target *target = object->tid == 0 ? cordbg_handle_target(object) : NULL;
  cordbg_handle_drop(object);
  return target;
}
