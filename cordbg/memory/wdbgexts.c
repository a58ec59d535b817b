/* SPDX-License-Identifier: MIT */
/*
 * The WdbgExts door: tables of routines for extension libraries.
 *
 * A routine has no parameter for the process: it concerns the *current process* of the thread that
 * calls it, which filling a table sets and cordbg_wdbgexts_set_current changes. A thread without
 * one gets the failure that the routine's document has, and a sentence.
 *
 *   memory          wdbgexts-memory.c: as ReadProcessMemory, all or nothing, the client view, the
 *                   buffer untouched on failure; writing goes behind the traps
 *   output          wdbgexts-output.c: to the thread's sink, stdout by default
 *   expressions     wdbgexts-expression.c (pure), wdbgexts-symbols.c (what names stand for)
 *   GetSymbol       wdbgexts-symbols.c: module!name of native and managed code
 *   Disasm          wdbgexts-disasm.c: one instruction, as the program left it: no trap shows
 *   Get/SetContext, StackTrace
 *                   wdbgexts-threads.c: of the current thread, or of the one whose id is given as
 *                   the processor; the target must be stopped
 *   CheckControlC   TRUE once after cordbg_wdbgexts_interrupt
 *   Ioctl           wdbgexts-ioctl.c
 *
 * The three tables differ in the width of addresses only: each routine exists once, for 64 bits,
 * and what stands here narrows the addresses. An address that the 32-bit table has no room for is
 * cut to its lower half, as everything is there; so the 32-bit table serves targets below 4 GiB.
 *
 * Invariant: a session's handle and modules are those of its target, and go when it changes.
 */
#include "config.h"

#include "cordbg/memory/wdbgexts-private.h"

#include <glib.h>

static void
session_clear(cordbg_extension_session *session)
{
  cordbg_extension_reload(session);
  cordbg_target_unref(session->target);
  session->target = NULL;
  if (session->handle != NULL)
    CloseHandle(session->handle);
  session->handle = NULL;
}

static void
session_free(gpointer data)
{
  session_clear(data);
  g_free(data);
}

static GPrivate sessions = G_PRIVATE_INIT(session_free);

cordbg_extension_session *
cordbg_extension_current(void)
{
  cordbg_extension_session *session = g_private_get(&sessions);
  if (session == NULL) {
    session = g_new0(cordbg_extension_session, 1);
    session->radix = 16;
    g_private_set(&sessions, session);
  }
  return session;
}

void
cordbg_wdbgexts_set_current(cordbg_target *target, int tid)
{
  cordbg_extension_session *session = cordbg_extension_current();
  session->tid = tid;
  if (target == session->target)
    return;
  if (target != NULL)
    cordbg_target_ref(target);
  session_clear(session);
  session->target = target;
}

void
cordbg_wdbgexts_set_output(cordbg_wdbgexts_output function, void *data)
{
  cordbg_extension_session *session = cordbg_extension_current();
  session->output = function;
  session->output_data = data;
}

void
cordbg_wdbgexts_get_output(cordbg_wdbgexts_output *function, void **data)
{
  cordbg_extension_session *session = cordbg_extension_current();
  *function = session->output;
  *data = session->output_data;
}

void
cordbg_wdbgexts_interrupt(cordbg_target *target)
{
  atomic_store(&target->control_c, 1);
}

ULONG
cordbg_extension_failed(const cordbg_error *error)
{
  cordbg_error_remember(error);
  return FALSE;
}

cordbg_target *
cordbg_extension_target(void)
{
  cordbg_target *target = cordbg_extension_current()->target;
  if (target == NULL) {
    cordbg_error error;
    cordbg_error_set(&error, E_UNEXPECTED, 0, 0,
                     "this thread has no current process: fill an extension table on it first");
    cordbg_extension_failed(&error);
  }
  return target;
}

int
cordbg_extension_thread(const cordbg_extension_session *session)
{
  return session->tid != 0 ? session->tid : session->target->reader.pid;
}

/* ---- the tables ---- */

static HRESULT
check_table(const cordbg_target *target, const void *apis, ULONG size, size_t wanted)
{
  cordbg_error error;
  if (target != NULL && apis != NULL && size == wanted)
    return S_OK;
  cordbg_error_set(&error, E_INVALIDARG, 0, 0,
                   "an extension table's nSize must be %zu before it is filled", wanted);
  cordbg_error_remember(&error);
  return E_INVALIDARG;
}

/* Frames of either width. The plain table has 32-bit frames, as its header has it. */
static ULONG
stack_frames(ULONG64 base, ULONG64 stack, ULONG64 pc, void *frames, size_t frame_size, ULONG count)
{
  if (frame_size == sizeof(EXTSTACKTRACE64))
    return cordbg_extension_stack(base, stack, pc, frames, count);
  if (frames == NULL || count == 0)
    return 0;
  count = MIN(count, CORDBG_EXTENSION_FRAMES_MAX);
  g_autofree EXTSTACKTRACE64 *wide = g_new(EXTSTACKTRACE64, count);
  EXTSTACKTRACE *narrow = frames;
  ULONG done = cordbg_extension_stack(base, stack, pc, wide, count);
  for (ULONG i = 0; i < done; i++) {
    narrow[i] = (EXTSTACKTRACE){.FramePointer = (ULONG)wide[i].FramePointer,
                                .ProgramCounter = (ULONG)wide[i].ProgramCounter,
                                .ReturnAddress = (ULONG)wide[i].ReturnAddress};
    for (size_t j = 0; j < G_N_ELEMENTS(narrow[i].Args); j++)
      narrow[i].Args[j] = (ULONG)wide[i].Args[j];
  }
  return done;
}

/*
 * The routines of one table and the function that fills it. width: ULONG64, ULONG_PTR or ULONG;
 * symbol_address: GetSymbol's parameter, a pointer in the plain table; frame: a stack frame.
 */
#define TABLE(suffix, table, width, symbol_address, frame)                                         \
  static ULONG read_##suffix(width offset, PVOID buffer, ULONG size, PULONG read)                  \
  {                                                                                                \
    return cordbg_extension_read(offset, buffer, size, read);                                      \
  }                                                                                                \
                                                                                                   \
  static ULONG write_##suffix(width offset, LPCVOID buffer, ULONG size, PULONG written)            \
  {                                                                                                \
    return cordbg_extension_write(offset, buffer, size, written);                                  \
  }                                                                                                \
                                                                                                   \
  static width expression_##suffix(PCSTR text)                                                     \
  {                                                                                                \
    return (width)cordbg_extension_expression(text);                                               \
  }                                                                                                \
                                                                                                   \
  static void symbol_##suffix(symbol_address offset, PCHAR buffer, width *displacement)            \
  {                                                                                                \
    ULONG64 wide;                                                                                  \
    cordbg_extension_symbol((width)offset, buffer, &wide);                                         \
    if (displacement != NULL)                                                                      \
      *displacement = (width)wide;                                                                 \
  }                                                                                                \
                                                                                                   \
  static ULONG disasm_##suffix(width *offset, PCSTR buffer, ULONG show_effective_address)          \
  {                                                                                                \
    ULONG64 wide = offset == NULL ? 0 : *offset;                                                   \
    if (!cordbg_extension_disasm(offset == NULL ? NULL : &wide, buffer, show_effective_address))   \
      return FALSE;                                                                                \
    *offset = (width)wide;                                                                         \
    return TRUE;                                                                                   \
  }                                                                                                \
                                                                                                   \
  static ULONG stack_##suffix(width base, width stack, width pc, frame *frames, ULONG count)       \
  {                                                                                                \
    return stack_frames(base, stack, pc, frames, sizeof *frames, count);                           \
  }                                                                                                \
                                                                                                   \
  HRESULT cordbg_wdbgexts_##suffix(cordbg_target *target, table *apis)                             \
  {                                                                                                \
    HRESULT hr = check_table(target, apis, apis == NULL ? 0 : apis->nSize, sizeof *apis);          \
    if (FAILED(hr))                                                                                \
      return hr;                                                                                   \
    *apis = (table){                                                                               \
        .nSize = sizeof *apis,                                                                     \
        .lpOutputRoutine = cordbg_extension_output,                                                \
        .lpGetExpressionRoutine = expression_##suffix,                                             \
        .lpGetSymbolRoutine = symbol_##suffix,                                                     \
        .lpDisasmRoutine = disasm_##suffix,                                                        \
        .lpCheckControlCRoutine = cordbg_extension_check_control_c,                                \
        .lpReadProcessMemoryRoutine = read_##suffix,                                               \
        .lpWriteProcessMemoryRoutine = write_##suffix,                                             \
        .lpGetThreadContextRoutine = cordbg_extension_get_context,                                 \
        .lpSetThreadContextRoutine = cordbg_extension_set_context,                                 \
        .lpIoctlRoutine = cordbg_extension_ioctl,                                                  \
        .lpStackTraceRoutine = stack_##suffix,                                                     \
    };                                                                                             \
    cordbg_wdbgexts_set_current(target, 0);                                                        \
    return S_OK;                                                                                   \
  }

/* clang-format off */
TABLE(fill, WINDBG_EXTENSION_APIS, ULONG_PTR, PVOID, EXTSTACKTRACE)
TABLE(fill32, WINDBG_EXTENSION_APIS32, ULONG, ULONG, EXTSTACKTRACE32)
TABLE(fill64, WINDBG_EXTENSION_APIS64, ULONG64, ULONG64, EXTSTACKTRACE64)
/* clang-format on */
