/* SPDX-License-Identifier: MIT */
/*
 * A walk: from a frame to its caller, until the thread's start.
 *
 * Each frame is asked of the first of these that knows its PC:
 *
 *   1. the ELF image that holds it, when its .eh_frame covers the PC. It is exact at every
 *      instruction: prologues, epilogues, PLT entries, signal frames, the vDSO.
 *   2. the runtime (managed-frames.h): code that it compiled, stubs that it made. It comes second
 *      although it would know best, because its answer may cost a question to another process, and
 *      runtimes give their own ELF code call-frame information but no compiled method.
 *   3. .debug_frame, in the image or its debug file: behind the runtime, since images of code
 *      compiled ahead have it too, a megabyte that is not needed then.
 *   4. the kernel's signal frame, by its instructions.
 *   5. a guess: by the instruction at the PC, the frame pointer, the top of the stack; believed
 *      only when it yields an address behind a call.
 *   6. the runtime's record of transitions: the next managed frame, with a gap before it.
 *
 * A walk is whole when the outermost frame's call-frame information says that it has no caller, or
 * its return address is 0.
 *
 * Invariants: the stack pointer grows from frame to frame, except out of a signal frame (another
 * stack) and over a gap; a frame that would repeat its predecessor ends the walk.
 */
#include "config.h"

#include "cordbg/native/stack.h"

#include <inttypes.h>
#include <string.h>

#include "cordbg/native/guess.h"
#include "cordbg/tracer/client.h"

static HRESULT
lost(cordbg_error *error, const cordbg_frame *frame, const char *why)
{
  uint64_t pc = frame->registers.rip;

  return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, pc,
                          "the caller of the frame at 0x%" PRIx64 " cannot be found: %s", pc, why);
}

static HRESULT
apply(cordbg_unwinder *unwinder, const cordbg_native_image *image, const cordbg_unwind_rules *rules,
      cordbg_frame *frame, cordbg_frame *caller, cordbg_error *error)
{
  if (!rules)
    return E_NOTIMPL;
  frame->kind = rules->signal ? CORDBG_FRAME_SIGNAL : CORDBG_FRAME_NATIVE;
  caller->returns = !rules->signal;
  return cordbg_unwind_rules_apply(rules, image->module->bias, &unwinder->memory, &frame->registers,
                                   &caller->registers, &frame->cfa, error);
}

/* What .eh_frame says. E_NOTIMPL: nothing. */
static HRESULT
step_by_image(cordbg_unwinder *unwinder, cordbg_frame *frame, cordbg_frame *caller,
              cordbg_error *error)
{
  uint64_t pc = frame->registers.rip - frame->returns;
  cordbg_native_image *image = cordbg_unwinder_image(unwinder, pc);
  cordbg_unwind_data *data;

  if (!image || !(data = cordbg_image_unwind_data(unwinder, image)))
    return E_NOTIMPL;
  return apply(unwinder, image, cordbg_unwind_data_at(data, NULL, pc - image->module->bias), frame,
               caller, error);
}

/* What .debug_frame says. E_NOTIMPL: nothing. */
static HRESULT
step_by_debug_file(cordbg_unwinder *unwinder, cordbg_frame *frame, cordbg_frame *caller,
                   cordbg_error *error)
{
  uint64_t pc = frame->registers.rip - frame->returns;
  cordbg_native_image *image = cordbg_unwinder_image(unwinder, pc);
  cordbg_unwind_data *data = image ? cordbg_image_unwind_data(unwinder, image) : NULL;
  cordbg_debug_info *debug = data ? cordbg_image_debug_info(unwinder, image) : NULL;
  Dwarf *frames = debug ? cordbg_debug_info_frames(debug) : NULL;

  if (!frames)
    return E_NOTIMPL;
  return apply(unwinder, image, cordbg_unwind_data_at(data, frames, pc - image->module->bias),
               frame, caller, error);
}

static size_t
read_for_runtime(void *data, uint64_t address, void *buffer, size_t size)
{
  return cordbg_walk_memory_read(data, address, buffer, size) ? size : 0;
}

static size_t
read_page_for_runtime(void *data, uint64_t address, void *buffer, size_t size)
{
  cordbg_walk_memory *memory = data;
  uint64_t failures = memory->failures;
  size_t read = read_for_runtime(memory, address, buffer, size);

  memory->failures = failures; /* the shim tries things */
  return read;
}

/*
 * The runtime's shim reads through the session. A caller that brings its own memory means the
 * thread's: the stretch of stack outwards of the frame comes from there, the runtime's tables, of
 * which the shim keeps what it has read, do not. Otherwise the shim shares the walk's pages, for as
 * long as the process stands still: a frame's questions lead to the same few.
 */
static void
lend_memory(cordbg_unwinder *unwinder, const cordbg_frame *frame, cordbg_read_through *through)
{
  cordbg_mapping mapping;

  if (!unwinder->target)
    return;
  *through = (cordbg_read_through){.target = unwinder->target,
                                   .end = UINT64_MAX,
                                   .most = CORDBG_WALK_PAGE / 4,
                                   .or_itself = true,
                                   .read = read_page_for_runtime,
                                   .data = &unwinder->memory};
  if (unwinder->foreign) {
    if (cordbg_target_find_mapping(unwinder->target, frame->registers.rsp, false, &mapping, NULL, 0,
                                   NULL) != S_OK)
      return;
    *through = (cordbg_read_through){.target = unwinder->target,
                                     .start = mapping.start,
                                     .end = mapping.end,
                                     .read = read_for_runtime,
                                     .data = &unwinder->memory};
  } else if (unwinder->stillness == 0)
    return;
  cordbg_target_read_through(through);
}

static void
take_memory_back(void)
{
  cordbg_target_read_through(NULL);
}

/* What the runtime says. E_NOTIMPL: nothing. */
static HRESULT
step_by_runtime(cordbg_unwinder *unwinder, const cordbg_managed_frames *managed, int32_t tid,
                cordbg_frame *frame, cordbg_frame *caller, cordbg_error *error)
{
  cordbg_read_through through;
  cordbg_managed_frame found;
  HRESULT hr;

  memset(&found, 0, sizeof(found));
  lend_memory(unwinder, frame, &through);
  hr = managed->unwind(managed->data, tid, &frame->registers, !frame->returns, &found, error);
  take_memory_back();
  if (FAILED(hr) && unwinder->foreign && unwinder->memory.failures > 0)
    return hr; /* its caller's routine failed: nothing else will do better */
  if (hr != S_OK)
    return E_NOTIMPL;
  frame->kind = found.stub ? CORDBG_FRAME_STUB : CORDBG_FRAME_MANAGED;
  frame->cfa = found.caller.rsp;
  caller->registers = found.caller;
  caller->returns = true;
  return S_OK;
}

/* A program's or the linker's first function, where its author wrote no end of the stack. */
static bool
is_entry(cordbg_unwinder *unwinder, const cordbg_frame *frame)
{
  cordbg_native_image *image = cordbg_unwinder_image(unwinder, frame->registers.rip);
  uint64_t entry = image ? image->module->entry : 0;

  return entry && frame->registers.rip >= entry && frame->registers.rip < entry + 64;
}

/* A walk that began from a CONTEXT does not know where the thread's own block is. */
static struct user_regs_struct
with_thread_block(const cordbg_unwinder *unwinder, int32_t tid, const cordbg_frame *frame)
{
  struct user_regs_struct ret = frame->registers;
  cordbg_registers registers;

  if (ret.fs_base == 0 && tid > 0 && unwinder->target &&
      cordbg_tracer_get_registers(cordbg_target_tracer(unwinder->target), tid, &registers, NULL) ==
          S_OK)
    ret.fs_base = registers.general.fs_base;
  return ret;
}

static HRESULT
step_otherwise(cordbg_unwinder *unwinder, const cordbg_managed_frames *managed, int32_t tid,
               cordbg_frame *frame, cordbg_frame *caller, cordbg_error *error)
{
  if (cordbg_guess_signal(unwinder, frame, &caller->registers) == S_OK) {
    frame->kind = CORDBG_FRAME_SIGNAL;
    frame->cfa = caller->registers.rsp;
    return S_OK;
  }
  caller->returns = true;
  if (is_entry(unwinder, frame))
    return S_FALSE;
  frame->guessed = true;
  if (cordbg_guess_caller(unwinder, frame, &caller->registers, &frame->cfa) == S_OK)
    return S_OK;
  frame->cfa = 0;
  if (managed && !(unwinder->foreign && unwinder->memory.failures > 0)) {
    struct user_regs_struct here = with_thread_block(unwinder, tid, frame);
    cordbg_read_through through;
    HRESULT hr;

    lend_memory(unwinder, frame, &through);
    hr = managed->next_managed(managed->data, tid, &here, &caller->registers, error);
    take_memory_back();
    if (hr == S_OK) {
      caller->after_gap = true;
      return S_OK;
    }
  }
  return lost(error, frame, "nothing describes the code there");
}

/* Ways that a caller cannot be. S_OK: none of them; S_FALSE: there is no caller. */
static HRESULT
check_caller(const cordbg_frame *frame, const cordbg_frame *caller, cordbg_error *error)
{
  if (caller->registers.rip == 0)
    return S_FALSE;
  if (frame->kind == CORDBG_FRAME_SIGNAL)
    return caller->registers.rip == frame->registers.rip &&
                   caller->registers.rsp == frame->registers.rsp
               ? lost(error, frame, "it would be its own")
               : S_OK;
  if (caller->registers.rsp <= frame->registers.rsp)
    return lost(error, frame, "its stack pointer would lie further in");
  return S_OK;
}

HRESULT
cordbg_unwinder_step(cordbg_unwinder *unwinder, int32_t tid, cordbg_frame *frame,
                     cordbg_frame *caller, cordbg_error *error)
{
  cordbg_frame found = {.registers = frame->registers};
  cordbg_managed_frames managed;
  bool any = cordbg_unwinder_managed(unwinder, &managed);
  HRESULT hr;

  frame->kind = CORDBG_FRAME_NATIVE;
  frame->cfa = 0;
  frame->guessed = false;
  hr = step_by_image(unwinder, frame, &found, error);
  if (hr == E_NOTIMPL && any)
    hr = step_by_runtime(unwinder, &managed, tid, frame, &found, error);
  if (hr == E_NOTIMPL)
    hr = step_by_debug_file(unwinder, frame, &found, error);
  if (hr == E_NOTIMPL)
    hr = step_otherwise(unwinder, any ? &managed : NULL, tid, frame, &found, error);
  if (any)
    managed.unref(managed.data);
  if (hr == S_OK)
    hr = check_caller(frame, &found, error);
  if (hr == S_OK)
    *caller = found;
  return hr;
}

HRESULT
cordbg_stack_step(cordbg_unwinder *unwinder, const cordbg_stack_memory *memory, int32_t tid,
                  cordbg_frame *frame, cordbg_frame *caller, cordbg_error *error)
{
  HRESULT hr = cordbg_unwinder_begin(unwinder, memory, true, error);

  if (FAILED(hr))
    return hr;
  hr = cordbg_unwinder_step(unwinder, tid, frame, caller, error);
  cordbg_unwinder_end(unwinder);
  return hr;
}

HRESULT
cordbg_stack_walk(cordbg_unwinder *unwinder, const cordbg_stack_memory *memory, int32_t tid,
                  const struct user_regs_struct *registers, cordbg_frame *frames, size_t capacity,
                  size_t *count, cordbg_stack_end *end, cordbg_error *error)
{
  size_t at = 0;
  HRESULT hr;

  if (capacity == 0)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no room for a frame");
  hr = cordbg_unwinder_begin(unwinder, memory, true, error);
  if (FAILED(hr))
    return hr;
  frames[0] = (cordbg_frame){.registers = *registers};
  for (;;) {
    cordbg_frame caller;

    hr = cordbg_unwinder_step(unwinder, tid, &frames[at], &caller, error);
    if (hr != S_OK || at + 1 == capacity)
      break;
    frames[++at] = caller;
  }
  cordbg_unwinder_end(unwinder);
  *count = at + 1;
  *end = hr == S_FALSE ? CORDBG_STACK_WHOLE : hr == S_OK ? CORDBG_STACK_FULL : CORDBG_STACK_LOST;
  return S_OK;
}
