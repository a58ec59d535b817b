/* SPDX-License-Identifier: MIT */
/*
 * ICorDebugStackWalk: the stack of a stopped thread, from its innermost method outwards, over the
 * walks of the native room (cordbg/native/stack.c).
 *
 * As Microsoft's: each frame of a method is a place of its own. All that lies between two of them
 * (native code, the runtime's stubs and wrappers, code without IL) is one place, which has a
 * context, that of its innermost frame, and no ICorDebugFrame (GetFrame: S_FALSE).
 *
 * A walk is of one stop, as its frames are: afterwards it answers CORDBG_E_OBJECT_NEUTERED. The
 * session's lock guards the position and is let go for each step, which asks the session for
 * managed frames; a step works on a copy.
 */
#include "cordbg/icordebug/frame.h"

#include <string.h>

#include "cordbg/memory/context.h"

/* Native frames between two methods: a stack that does not end is no stack. */
#define NATIVE_FRAMES_MAX 65536u

/* Where a walk stands. */
typedef struct position {
  cordbg_frame frame;
  cordbg_frame caller;
  HRESULT step;           /* what led to caller: S_FALSE: there is none; or why it is not known */
  bool innermost;         /* the thread's own registers, floating-point ones too */
  bool over;              /* behind the last frame */
  ICorDebugFrame *method; /* owned; NULL: no method runs there */
  cordbg_error error;     /* of step */
} position;

typedef struct cordbg_stack_walker {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugStackWalk) as_walk;
  cordbg_thread *thread;              /* owned */
  uint64_t runs;                      /* the session's when it was made */
  struct user_fpregs_struct floating; /* of the innermost frame */
  position at;
} cordbg_stack_walker;

static cordbg_stack_walker *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_stack_walker, This);
}

static void
walk_dispose(void *object)
{
  cordbg_stack_walker *self = object;
  cordbg_unknown_unref(self->at.method);
  cordbg_object_unref(self->thread);
  cordbg_session_unref(self->session);
}

/* ---- Steps ---- */

/*
 * Makes the rest of a position out of its frame. Entered with the session's lock, left with it on
 * success: it is let go in between, and the target may have run on.
 */
static HRESULT
look_around(cordbg_thread *thread, uint64_t runs, position *at, cordbg_error *error)
{
  cordbg_session *session = thread->session;
  cordbg_unwinder *unwinder;
  cordbg_leave(&thread->child);
  HRESULT hr = cordbg_target_unwinder(session->target, &unwinder, error);
  if (SUCCEEDED(hr))
    at->step = cordbg_stack_step(unwinder, NULL, thread->tid, &at->frame, &at->caller, &at->error);
  if (FAILED(hr))
    return hr;
  hr = cordbg_enter_stop(&thread->child, runs, true);
  if (FAILED(hr)) {
    *error = *cordbg_error_last();
    return hr;
  }
  at->method = NULL;
  /* An image's own frame is no method's; one that nobody could unwind may be. */
  if (at->frame.kind == CORDBG_FRAME_MANAGED || FAILED(at->step))
    hr = cordbg_method_frame_new(thread, &at->frame, at->innermost, &at->method, error);
  if (FAILED(hr))
    cordbg_leave(&thread->child);
  return FAILED(hr) ? hr : S_OK;
}

/* One place outwards. Lock held; held afterwards only on success. */
static HRESULT
step_out(cordbg_thread *thread, uint64_t runs, position *at, cordbg_error *error)
{
  bool native = at->method == NULL;
  for (unsigned i = 0; i < NATIVE_FRAMES_MAX; i++) {
    at->method = NULL;
    at->over = at->step != S_OK;
    if (at->over)
      return S_OK;
    at->frame = at->caller;
    at->innermost = false;
    HRESULT hr = look_around(thread, runs, at, error);
    if (FAILED(hr))
      return hr;
    if (at->method != NULL || !native)
      return S_OK;
  }
  cordbg_leave(&thread->child);
  return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, at->frame.registers.rip,
                          "the stack has more than %u native frames in a row", NATIVE_FRAMES_MAX);
}

/*
 * Where a walk begins. As Microsoft's, at the innermost method: native code that it called is seen
 * only where there is no method on the stack. On success the session's lock is held.
 */
static HRESULT
begin(cordbg_thread *thread, bool arguments, position *at, struct user_fpregs_struct *floating,
      uint64_t *runs, cordbg_error *error)
{
  cordbg_session *session = thread->session;
  cordbg_registers registers;
  HRESULT hr = cordbg_enter(&thread->child, arguments);
  if (FAILED(hr)) {
    *error = *cordbg_error_last();
    return hr;
  }
  *runs = session->runs;
  hr = cordbg_tracer_get_registers(session->tracer, thread->tid, &registers, error);
  if (FAILED(hr)) {
    cordbg_leave(&thread->child);
    return hr;
  }
  *floating = registers.floating;
  memset(at, 0, sizeof *at);
  at->frame.registers = registers.general;
  at->innermost = true;
  hr = look_around(thread, *runs, at, error);
  if (FAILED(hr) || at->method != NULL)
    return hr;
  position outer = *at;
  hr = step_out(thread, *runs, &outer, error);
  if (SUCCEEDED(hr) && !outer.over)
    *at = outer;
  return hr;
}

HRESULT
cordbg_thread_active_frame(cordbg_thread *thread, ICorDebugFrame **ret)
{
  struct user_fpregs_struct floating;
  cordbg_error error;
  uint64_t runs;
  position at;
  HRESULT hr = begin(thread, ret != NULL, &at, &floating, &runs, &error);
  if (FAILED(hr))
    return cordbg_answer(hr, &error);
  *ret = at.method; /* NULL: there is only native code */
  cordbg_leave(&thread->child);
  return S_OK;
}

static void
move_to(cordbg_stack_walker *self, const position *at)
{
  ICorDebugFrame *before = self->at.method;
  self->at = *at;
  cordbg_unknown_unref(before);
}

static HRESULT
walk_next(ICorDebugStackWalk *This)
{
  cordbg_stack_walker *self = self_of(This);
  cordbg_error error;
  HRESULT hr = cordbg_enter_stop(&self->thread->child, self->runs, true);
  if (FAILED(hr))
    return hr;
  if (self->at.over) {
    cordbg_leave(&self->thread->child);
    return cordbg_fail(CORDBG_E_PAST_END_OF_STACK, "the walk is over");
  }
  position at = self->at;
  hr = step_out(self->thread, self->runs, &at, &error);
  if (FAILED(hr))
    return cordbg_answer(hr, &error);
  if (at.over && FAILED(at.step)) {
    hr = at.step; /* once; then the walk is over */
    error = at.error;
  } else
    hr = at.over ? CORDBG_S_AT_END_OF_STACK : S_OK;
  move_to(self, &at);
  cordbg_leave(&self->thread->child);
  return cordbg_answer(hr, &error);
}

/* ---- The place ---- */

/* Alive, of this stop, and not behind the last frame. */
static HRESULT
enter_place(cordbg_stack_walker *self, bool arguments)
{
  HRESULT hr = cordbg_enter_stop(&self->thread->child, self->runs, arguments);
  if (FAILED(hr) || !self->at.over)
    return hr;
  cordbg_leave(&self->thread->child);
  return cordbg_fail(CORDBG_E_PAST_END_OF_STACK, "the walk is over");
}

static HRESULT
walk_get_frame(ICorDebugStackWalk *This, ICorDebugFrame **ret)
{
  cordbg_stack_walker *self = self_of(This);
  HRESULT hr = enter_place(self, ret != NULL);
  if (FAILED(hr))
    return hr;
  cordbg_unknown_ref(self->at.method);
  *ret = self->at.method;
  hr = self->at.method != NULL ? S_OK : S_FALSE;
  cordbg_leave(&self->thread->child);
  return hr;
}

static HRESULT
check_size(ULONG32 size)
{
  return size >= sizeof(CONTEXT)
             ? S_OK
             : cordbg_fail(HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER),
                           "a CONTEXT has %zu bytes, not %u", sizeof(CONTEXT), size);
}

/* Of an outer frame floating-point registers are not known: the flag is taken out. */
static HRESULT
walk_get_context(ICorDebugStackWalk *This, ULONG32 flags, ULONG32 room, ULONG32 *size, BYTE *buffer)
{
  cordbg_stack_walker *self = self_of(This);
  cordbg_registers registers;
  CONTEXT context;
  HRESULT hr = enter_place(self, buffer != NULL);
  if (FAILED(hr))
    return hr;
  registers.general = self->at.frame.registers;
  registers.floating = self->floating;
  bool innermost = self->at.innermost;
  cordbg_leave(&self->thread->child);
  if (size != NULL)
    *size = sizeof context;
  hr = check_size(room);
  if (FAILED(hr))
    return hr;
  memset(&context, 0, sizeof context);
  context.ContextFlags = flags;
  if (!innermost)
    context.ContextFlags &= ~(DWORD)(CONTEXT_FLOATING_POINT & ~CONTEXT_AMD64);
  cordbg_context_from_registers(&context, &registers);
  memcpy(buffer, &context, sizeof context);
  return S_OK;
}

/* The walk goes on from these registers. The thread's own stay as they are. */
static HRESULT
walk_set_context(ICorDebugStackWalk *This, CorDebugSetContextFlag flag, ULONG32 size, BYTE *buffer)
{
  cordbg_stack_walker *self = self_of(This);
  cordbg_registers registers;
  CONTEXT context;
  cordbg_error error;
  HRESULT hr = cordbg_enter_stop(&self->thread->child, self->runs,
                                 buffer != NULL && (flag == SET_CONTEXT_FLAG_ACTIVE_FRAME ||
                                                    flag == SET_CONTEXT_FLAG_UNWIND_FRAME));
  if (FAILED(hr))
    return hr;
  hr = check_size(size);
  if (FAILED(hr)) {
    cordbg_leave(&self->thread->child);
    return hr;
  }
  memcpy(&context, buffer, sizeof context);
  registers.general = self->at.frame.registers;
  registers.floating = self->floating;
  cordbg_context_to_registers(&context, &registers);
  /* The same place with other registers is returned to as much as before. */
  bool same = registers.general.rip == self->at.frame.registers.rip &&
              registers.general.rsp == self->at.frame.registers.rsp;
  position at = {
      .frame = {.registers = registers.general,
                .returns = same ? self->at.frame.returns : flag == SET_CONTEXT_FLAG_UNWIND_FRAME},
      .innermost = self->at.innermost && flag == SET_CONTEXT_FLAG_ACTIVE_FRAME};
  hr = look_around(self->thread, self->runs, &at, &error);
  if (FAILED(hr))
    return cordbg_answer(hr, &error);
  move_to(self, &at);
  cordbg_leave(&self->thread->child);
  return S_OK;
}

CORDBG_VTBL(ICorDebugStackWalk, walk_vtbl, .GetContext = walk_get_context,
            .SetContext = walk_set_context, .Next = walk_next, .GetFrame = walk_get_frame);

static const cordbg_interface walk_interfaces[] = {
    CORDBG_INTERFACE(cordbg_stack_walker, as_walk, ICorDebugStackWalk, walk_vtbl),
};

static const cordbg_class walk_class =
    CORDBG_CLASS(cordbg_stack_walker, walk_interfaces, walk_dispose);

HRESULT
cordbg_thread_create_walk(cordbg_thread *thread, ICorDebugStackWalk **ret)
{
  struct user_fpregs_struct floating;
  cordbg_error error;
  uint64_t runs;
  position at;
  HRESULT hr = begin(thread, ret != NULL, &at, &floating, &runs, &error);
  if (FAILED(hr))
    return cordbg_answer(hr, &error);
  cordbg_stack_walker *self = cordbg_child_new(thread->session, &walk_class);
  if (self != NULL) {
    cordbg_object_ref(thread);
    self->thread = thread;
    self->runs = runs;
    self->floating = floating;
    self->at = at;
    *ret = &self->as_walk.iface;
  } else
    cordbg_unknown_unref(at.method);
  cordbg_leave(&thread->child);
  return self != NULL ? S_OK : cordbg_fail(E_OUTOFMEMORY, "out of memory");
}
