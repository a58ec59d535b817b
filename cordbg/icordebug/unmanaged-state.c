/* SPDX-License-Identifier: MIT */
/*
 * Images and threads as Windows' events: the replay of an attach, and what the dynamic linker
 * changes afterwards. A name stands in the target: lpImageName is the address of a pointer to it,
 * as on Windows, here link_map.l_name.
 */
#include "config.h"

#include "cordbg/icordebug/unmanaged.h"

DEBUG_EVENT
cordbg_native_event(const cordbg_session *session, DWORD code, int tid)
{
  return (DEBUG_EVENT){
      .dwDebugEventCode = code, .dwProcessId = (DWORD)session->pid, .dwThreadId = (DWORD)tid};
}

static void
queue(cordbg_session *session, const DEBUG_EVENT *event)
{
  g_array_append_vals(session->natives->queue, event, 1);
}

void
cordbg_natives_images(cordbg_session *session, int tid)
{
  GArray *loaded = g_array_new(FALSE, FALSE, sizeof(cordbg_native_image));
  GArray *unloaded = g_array_new(FALSE, FALSE, sizeof(cordbg_native_image));
  cordbg_error error = {.sentence = ""};
  if (FAILED(cordbg_native_images_update(session->natives->images, loaded, unloaded, &error)))
    cordbg_log(CORDBG_LOG_WARNING, "the images of process %d could not be read: %s", session->pid,
               error.sentence);
  for (guint i = 0; i < unloaded->len; i++) {
    DEBUG_EVENT event = cordbg_native_event(session, UNLOAD_DLL_DEBUG_EVENT, tid);
    event.u.UnloadDll.lpBaseOfDll =
        (LPVOID)(uintptr_t)g_array_index(unloaded, cordbg_native_image, i).start;
    queue(session, &event);
  }
  for (guint i = 0; i < loaded->len; i++) {
    const cordbg_native_image *image = &g_array_index(loaded, cordbg_native_image, i);
    DEBUG_EVENT event = cordbg_native_event(session, LOAD_DLL_DEBUG_EVENT, tid);
    event.u.LoadDll.lpBaseOfDll = (LPVOID)(uintptr_t)image->start;
    event.u.LoadDll.lpImageName = (LPVOID)(uintptr_t)image->name_place;
    queue(session, &event);
  }
  g_array_free(loaded, TRUE);
  g_array_free(unloaded, TRUE);
}

void
cordbg_natives_replay_images(cordbg_session *session)
{
  cordbg_native_image program = cordbg_native_images_program(session->natives->images);
  DEBUG_EVENT event = cordbg_native_event(session, CREATE_PROCESS_DEBUG_EVENT, session->pid);
  event.u.CreateProcessInfo.lpBaseOfImage = (LPVOID)(uintptr_t)program.start;
  event.u.CreateProcessInfo.lpStartAddress = (LPTHREAD_START_ROUTINE)(uintptr_t)program.entry;
  queue(session, &event);
  cordbg_natives_images(session, session->pid);
}

void
cordbg_natives_replay_threads(cordbg_session *session, const cordbg_thread_info *threads,
                              size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (threads[i].tid != session->pid) {
      DEBUG_EVENT event = cordbg_native_event(session, CREATE_THREAD_DEBUG_EVENT, threads[i].tid);
      queue(session, &event);
    }
}
