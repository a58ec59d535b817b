/* SPDX-License-Identifier: MIT */
/*
 * The session as the native room's provider of managed frames: each question takes the session's
 * lock and goes to the runtime's shim. A walk that meets a session that is over gets "not managed".
 */
#include "cordbg/icordebug/private.h"

#include <string.h>

#include "cordbg/native/managed-frames.h"

static void
frames_ref(void *data)
{
  cordbg_session_ref(data);
}

static void
frames_unref(void *data)
{
  cordbg_session_unref(data);
}

/* With the lock held on true. */
static bool
enter(cordbg_session *session)
{
  pthread_mutex_lock(&session->lock);
  if (session->runtime != NULL)
    return true;
  pthread_mutex_unlock(&session->lock);
  return false;
}

static HRESULT
frames_unwind(void *data, int32_t tid, const struct user_regs_struct *registers, bool innermost,
              cordbg_managed_frame *ret, cordbg_error *error)
{
  cordbg_session *session = data;
  cordbg_rt_frame frame;
  HRESULT hr = S_FALSE;
  memset(&frame, 0, sizeof frame);
  if (session->ops->unwind == NULL || !enter(session))
    return S_FALSE;
  hr = session->ops->unwind(session->runtime, tid, registers, innermost, &frame, error);
  pthread_mutex_unlock(&session->lock);
  if (hr != S_OK)
    return hr;
  *ret = (cordbg_managed_frame){.stub = frame.kind == CORDBG_RT_FRAME_STUB,
                                .start = frame.code.start,
                                .size = frame.code.size,
                                .caller = frame.caller};
  return S_OK;
}

static HRESULT
frames_next(void *data, int32_t tid, const struct user_regs_struct *registers,
            struct user_regs_struct *ret, cordbg_error *error)
{
  cordbg_session *session = data;
  if (session->ops->next_managed == NULL || !enter(session))
    return S_FALSE;
  HRESULT hr = session->ops->next_managed(session->runtime, tid, registers, ret, error);
  pthread_mutex_unlock(&session->lock);
  return hr;
}

static HRESULT
frames_describe(void *data, uint64_t address, bool with_line, cordbg_managed_place *ret,
                cordbg_error *error)
{
  cordbg_session *session = data;
  if (!enter(session))
    return S_FALSE;
  HRESULT hr = cordbg_session_describe_code(session, address, with_line, ret, error);
  pthread_mutex_unlock(&session->lock);
  return hr;
}

void
cordbg_session_provide_frames(cordbg_session *session, bool provide)
{
  const cordbg_managed_frames frames = {.data = session,
                                        .ref = frames_ref,
                                        .unref = frames_unref,
                                        .unwind = frames_unwind,
                                        .next_managed = frames_next,
                                        .describe = frames_describe};
  if (session->target != NULL)
    cordbg_target_set_managed_frames(session->target, provide ? &frames : NULL);
}
