/* SPDX-License-Identifier: MIT */
/*
 * IDebugSystemObjects: the ids of a client's process and of its threads.
 *
 * The engine numbers what it knows: the process is 0, threads get the next number when they are
 * first seen and keep it. Threads are looked for whenever they are asked about. The current thread
 * is the main one until it is set; it is the one that extension tables concern.
 */
#include "config.h"

#include "cordbg/memory/dbgeng-private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
cordbg_engine_forget_threads(cordbg_engine *engine)
{
  if (engine->threads != NULL)
    g_array_set_size(engine->threads, 0);
  engine->current = 0;
}

static ULONG
id_of(const cordbg_engine *engine, int tid)
{
  for (guint i = 0; i < engine->threads->len; i++) {
    if (g_array_index(engine->threads, int, i) == tid)
      return i;
  }
  return DEBUG_ANY_ID;
}

static gint
compare_tids(gconstpointer a, gconstpointer b)
{
  int left = *(const int *)a, right = *(const int *)b;
  return (left > right) - (left < right);
}

/* The threads that there are now, by system id. NULL: the process is gone. */
static GArray *
list_tasks(int pid)
{
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *folder = opendir(path);
  if (folder == NULL)
    return NULL;
  GArray *tids = g_array_new(FALSE, FALSE, sizeof(int));
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    int tid = atoi(entry->d_name);
    if (tid > 0)
      g_array_append_val(tids, tid);
  }
  closedir(folder);
  g_array_sort(tids, compare_tids);
  return tids;
}

/* With the threads' lock held. Threads that ended keep their place, as 0. */
static HRESULT
refresh(const cordbg_engine_use *use, cordbg_error *error)
{
  cordbg_engine *engine = use->engine;
  int pid = use->reader->pid;
  if (engine->threads == NULL)
    engine->threads = g_array_new(FALSE, TRUE, sizeof(int));
  g_autoptr(GArray) now = list_tasks(pid);
  HRESULT hr = cordbg_reader_state(use->reader);
  if (now == NULL || FAILED(hr))
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, ESRCH, 0,
                            "process %d has no threads any more", pid);
  if (engine->threads->len == 0)
    g_array_append_val(engine->threads, pid); /* the main thread is number 0, ended or not */
  for (guint i = 0; i < engine->threads->len; i++) {
    int *tid = &g_array_index(engine->threads, int, i);
    if (*tid != 0 && bsearch(tid, now->data, now->len, sizeof(int), compare_tids) == NULL)
      *tid = 0;
  }
  for (guint i = 0; i < now->len; i++) {
    int tid = g_array_index(now, int, i);
    if (id_of(engine, tid) == DEBUG_ANY_ID)
      g_array_append_val(engine->threads, tid);
  }
  return S_OK;
}

/*
 * What each method begins and ends with. room: where the answer goes. False: *hr is the answer.
 * True: the process is used and its threads are up to date and locked; finish_threads undoes it.
 */
static bool
begin(IDebugSystemObjects *This, const void *room, cordbg_engine_use *use, HRESULT *hr)
{
  cordbg_error error = {0};
  if (room == NULL) {
    *hr = cordbg_engine_refuse(E_INVALIDARG, "there is no room for the answer");
    return false;
  }
  *hr = cordbg_engine_enter(This, use, &error);
  if (SUCCEEDED(*hr)) {
    g_mutex_lock(&use->engine->threads_lock);
    *hr = refresh(use, &error);
    if (SUCCEEDED(*hr))
      return true;
    g_mutex_unlock(&use->engine->threads_lock);
    cordbg_engine_leave(use);
  }
  *hr = cordbg_engine_finish(*hr, *hr, &error);
  return false;
}

static void
end(cordbg_engine_use *use)
{
  g_mutex_unlock(&use->engine->threads_lock);
  cordbg_engine_leave(use);
}

int
cordbg_engine_current_thread(const cordbg_engine_use *use)
{
  cordbg_engine *engine = use->engine;
  g_mutex_lock(&engine->threads_lock);
  HRESULT hr = refresh(use, NULL);
  int tid = SUCCEEDED(hr) ? g_array_index(engine->threads, int, engine->current) : 0;
  g_mutex_unlock(&engine->threads_lock);
  return tid;
}

/* ---- the process ---- */

static HRESULT
get_process(IDebugSystemObjects *This, PULONG ret, ULONG number)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, ret, &use, &hr))
    return hr;
  *ret = number;
  end(&use);
  return S_OK;
}

static HRESULT
get_current_process_id(IDebugSystemObjects *This, PULONG id)
{
  return get_process(This, id, 0);
}

static HRESULT
get_number_processes(IDebugSystemObjects *This, PULONG number)
{
  return get_process(This, number, 1);
}

static HRESULT
set_current_process_id(IDebugSystemObjects *This, ULONG id)
{
  ULONG unused;
  return id == 0 ? get_process(This, &unused, 0)
                 : cordbg_engine_refuse(E_INVALIDARG, "a client has one process: its id is 0");
}

static HRESULT
get_current_process_system_id(IDebugSystemObjects *This, PULONG id)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, id, &use, &hr))
    return hr;
  *id = (ULONG)use.reader->pid;
  end(&use);
  return S_OK;
}

static HRESULT
get_process_ids_by_index(IDebugSystemObjects *This, ULONG start, ULONG count, PULONG ids,
                         PULONG system_ids)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (start > 1 || count > 1 - start)
    return cordbg_engine_refuse(E_INVALIDARG, "a client has one process: its index is 0");
  if (!begin(This, This, &use, &hr))
    return hr;
  if (count == 1 && ids != NULL)
    *ids = 0;
  if (count == 1 && system_ids != NULL)
    *system_ids = (ULONG)use.reader->pid;
  end(&use);
  return S_OK;
}

static HRESULT
get_process_id_by_system_id(IDebugSystemObjects *This, ULONG system_id, PULONG id)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, id, &use, &hr))
    return hr;
  if (system_id == (ULONG)use.reader->pid)
    *id = 0;
  else
    hr = cordbg_engine_refuse(E_NOINTERFACE, "the client's process has another id");
  end(&use);
  return hr;
}

static HRESULT
get_current_process_handle(IDebugSystemObjects *This, PULONG64 handle)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, handle, &use, &hr))
    return hr;
  *handle = (uintptr_t)use.engine->handle;
  end(&use);
  return S_OK;
}

static HRESULT
get_current_process_executable_name(IDebugSystemObjects *This, PSTR buffer, ULONG size,
                                    PULONG name_size)
{
  HRESULT hr;
  cordbg_engine_use use;
  char path[32], name[4096];
  if (!begin(This, This, &use, &hr))
    return hr;
  snprintf(path, sizeof path, "/proc/%d/exe", use.reader->pid);
  ssize_t length = readlink(path, name, sizeof name);
  end(&use);
  if (length < 0)
    return cordbg_engine_refuse(E_ACCESSDENIED, "the process's program cannot be looked at");
  if (name_size != NULL)
    *name_size = (ULONG)length + 1;
  if (buffer == NULL)
    return S_OK;
  if (size == 0)
    return S_FALSE;
  size_t count = (size_t)length < size - 1 ? (size_t)length : size - 1;
  memcpy(buffer, name, count);
  buffer[count] = '\0';
  return count < (size_t)length ? S_FALSE : S_OK;
}

/* ---- threads ---- */

static HRESULT
get_current_thread_id(IDebugSystemObjects *This, PULONG id)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, id, &use, &hr))
    return hr;
  *id = use.engine->current;
  end(&use);
  return S_OK;
}

static HRESULT
set_current_thread_id(IDebugSystemObjects *This, ULONG id)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, This, &use, &hr))
    return hr;
  if (id < use.engine->threads->len && g_array_index(use.engine->threads, int, id) != 0)
    use.engine->current = id;
  else
    hr = cordbg_engine_refuse(E_INVALIDARG, "no thread of the process has this id");
  end(&use);
  return hr;
}

static HRESULT
get_current_thread_system_id(IDebugSystemObjects *This, PULONG system_id)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, system_id, &use, &hr))
    return hr;
  int tid = g_array_index(use.engine->threads, int, use.engine->current);
  if (tid != 0)
    *system_id = (ULONG)tid;
  else
    hr = cordbg_engine_refuse(E_UNEXPECTED, "the current thread has ended");
  end(&use);
  return hr;
}

static HRESULT
get_thread_id_by_system_id(IDebugSystemObjects *This, ULONG system_id, PULONG id)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, id, &use, &hr))
    return hr;
  ULONG found = system_id == 0 ? DEBUG_ANY_ID : id_of(use.engine, (int)system_id);
  if (found != DEBUG_ANY_ID)
    *id = found;
  else
    hr = cordbg_engine_refuse(E_NOINTERFACE, "no thread of the process has this system id");
  end(&use);
  return hr;
}

/* Threads that have not ended; the first `skip` of them are left out of what is stored. */
static ULONG
list_threads(const cordbg_engine *engine, ULONG skip, ULONG capacity, PULONG ids, PULONG system_ids)
{
  ULONG seen = 0;
  for (guint i = 0; i < engine->threads->len; i++) {
    int tid = g_array_index(engine->threads, int, i);
    if (tid == 0)
      continue;
    if (seen >= skip && seen - skip < capacity) {
      if (ids != NULL)
        ids[seen - skip] = i;
      if (system_ids != NULL)
        system_ids[seen - skip] = (ULONG)tid;
    }
    seen++;
  }
  return seen;
}

static HRESULT
get_number_threads(IDebugSystemObjects *This, PULONG number)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, number, &use, &hr))
    return hr;
  *number = list_threads(use.engine, 0, 0, NULL, NULL);
  end(&use);
  return S_OK;
}

static HRESULT
get_total_number_threads(IDebugSystemObjects *This, PULONG total, PULONG largest)
{
  ULONG number;
  HRESULT hr = get_number_threads(This, &number);
  if (SUCCEEDED(hr) && total != NULL)
    *total = number;
  if (SUCCEEDED(hr) && largest != NULL)
    *largest = number;
  return hr;
}

static HRESULT
get_thread_ids_by_index(IDebugSystemObjects *This, ULONG start, ULONG count, PULONG ids,
                        PULONG system_ids)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!begin(This, This, &use, &hr))
    return hr;
  ULONG there = list_threads(use.engine, 0, 0, NULL, NULL);
  if (start > there || count > there - start)
    hr = cordbg_engine_refuse(E_INVALIDARG, "the process has not that many threads");
  else
    list_threads(use.engine, start, count, ids, system_ids);
  end(&use);
  return hr;
}

CORDBG_VTBL(IDebugSystemObjects, system_vtbl, .GetEventProcess = get_current_process_id,
            .GetCurrentThreadId = get_current_thread_id,
            .SetCurrentThreadId = set_current_thread_id,
            .GetCurrentProcessId = get_current_process_id,
            .SetCurrentProcessId = set_current_process_id, .GetNumberThreads = get_number_threads,
            .GetTotalNumberThreads = get_total_number_threads,
            .GetThreadIdsByIndex = get_thread_ids_by_index,
            .GetCurrentThreadSystemId = get_current_thread_system_id,
            .GetThreadIdBySystemId = get_thread_id_by_system_id,
            .GetNumberProcesses = get_number_processes,
            .GetProcessIdsByIndex = get_process_ids_by_index,
            .GetCurrentProcessSystemId = get_current_process_system_id,
            .GetProcessIdBySystemId = get_process_id_by_system_id,
            .GetCurrentProcessHandle = get_current_process_handle,
            .GetCurrentProcessExecutableName = get_current_process_executable_name);
CORDBG_ENGINE_VTBL(IDebugSystemObjects, system_vtbl, cordbg_engine_system_vtbl);
