/* SPDX-License-Identifier: MIT */
/*
 * StackWalk64 and StackWalkEx: one step of the mixed walk a call.
 *
 * What DbgHelp keeps between calls is kept where it keeps it: the registers of the frame to come in
 * ContextRecord, our marks in StackFrame->Reserved, which the caller zeroes before the first call.
 *
 * Memory comes from the caller's routine, which may read partly or all or nothing; where the handle
 * belongs to a session of ours, its traps are taken out of what came. For managed frames the
 * runtime's shim is lent the routine for the thread's stack (stack.c, lend_memory); what the
 * runtime keeps elsewhere is read through the session, and .NET's frames wholly so, in another
 * process. The routine is called with the session's lock held then: it may read memory, and nothing
 * else.
 */
#include "config.h"

#include "cordbg/native/dbghelp-private.h"

#include <stddef.h>
#include <string.h>

#include "cordbg/memory/context.h"
#include "cordbg/memory/target-private.h"

#define MARK UINT64_C(0x4b4c574400000000) /* "DWLK" */
#define MARK_BITS UINT64_C(0xffffffff00000000)
#define IS_RETURN 1u
#define IS_OVER 2u
#define OVERLAY_TURNS 8

typedef struct callback_reader {
  HANDLE process;
  PREAD_PROCESS_MEMORY_ROUTINE64 routine;
  const cordbg_patch_table *table; /* NULL: no session */
} callback_reader;

static size_t
read_by_callback(void *data, uint64_t address, void *buffer, size_t size)
{
  const callback_reader *reader = data;
  DWORD wanted = size > 0x10000000 ? 0x10000000 : (DWORD)size;

  for (int turn = 0; turn < OVERLAY_TURNS; turn++) {
    uint64_t generation = reader->table ? cordbg_patch_table_begin(reader->table) : 0;
    DWORD read = 0;

    if (!reader->routine(reader->process, address, buffer, wanted, &read) || read == 0 ||
        read > wanted)
      return 0;
    if (!reader->table ||
        cordbg_patch_table_overlay(reader->table, CORDBG_VIEW_PRISTINE, generation, address, buffer,
                                   read) == CORDBG_OVERLAY_DONE)
      return read;
  }
  return 0;
}

static void
set_address(LPADDRESS64 address, uint64_t offset)
{
  *address = (ADDRESS64){.Offset = offset, .Mode = AddrModeFlat};
}

/* The frame that the call concerns. */
static void
begin_frame(const STACKFRAME64 *stack, const CONTEXT *context, cordbg_frame *ret)
{
  cordbg_registers registers;
  CONTEXT all = *context;

  memset(&registers, 0, sizeof(registers));
  all.ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER;
  cordbg_context_to_registers(&all, &registers);
  *ret = (cordbg_frame){.registers = registers.general};
  if ((stack->Reserved[0] & MARK_BITS) == MARK) {
    ret->returns = stack->Reserved[0] & IS_RETURN;
  } else if (stack->AddrPC.Offset) { /* where the caller wants to begin */
    ret->registers.rip = stack->AddrPC.Offset;
    if (stack->AddrStack.Offset)
      ret->registers.rsp = stack->AddrStack.Offset;
    if (stack->AddrFrame.Offset)
      ret->registers.rbp = stack->AddrFrame.Offset;
  }
}

static void
finish_frame(const cordbg_frame *frame, const cordbg_frame *caller, STACKFRAME64 *stack,
             CONTEXT *context)
{
  uint64_t marks = MARK;
  DWORD flags = context->ContextFlags;
  cordbg_registers registers;

  set_address(&stack->AddrPC, frame->registers.rip);
  set_address(&stack->AddrStack, frame->registers.rsp);
  /* where a function with a frame pointer has its caller's */
  set_address(&stack->AddrFrame, frame->cfa ? frame->cfa - 16 : frame->registers.rbp);
  set_address(&stack->AddrReturn, caller ? caller->registers.rip : 0);
  set_address(&stack->AddrBStore, 0);
  stack->Far = FALSE;
  stack->Virtual = TRUE;
  stack->FuncTableEntry = NULL;
  memset(stack->Params, 0, sizeof(stack->Params));
  if (caller) {
    memset(&registers, 0, sizeof(registers));
    registers.general = caller->registers;
    context->ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER;
    cordbg_context_from_registers(context, &registers);
    context->ContextFlags = flags;
    marks |= caller->returns ? IS_RETURN : 0;
  } else
    marks |= IS_OVER;
  stack->Reserved[0] = marks;
}

static BOOL
walk(DWORD machine, HANDLE process, HANDLE thread, STACKFRAME64 *stack, CONTEXT *context,
     PREAD_PROCESS_MEMORY_ROUTINE64 routine, PFUNCTION_TABLE_ACCESS_ROUTINE64 function_table)
{
  callback_reader reader = {.process = process, .routine = routine};
  cordbg_stack_memory memory = {.read = read_by_callback, .data = &reader};
  cordbg_frame frame, caller;
  cordbg_dbghelp found;
  cordbg_error error;
  HRESULT hr;

  if (machine != IMAGE_FILE_MACHINE_AMD64 || !stack || !context)
    return cordbg_dbghelp_fail(ERROR_INVALID_PARAMETER,
                               "a walk needs IMAGE_FILE_MACHINE_AMD64, a frame and a context");
  if ((stack->Reserved[0] & MARK_BITS) == MARK && (stack->Reserved[0] & IS_OVER))
    return FALSE;
  if (!cordbg_dbghelp_begin(process, &found))
    return FALSE;
  if (found.target)
    reader.table = found.target->reader.table;
  begin_frame(stack, context, &frame);
  hr = cordbg_stack_step(found.unwinder, routine ? &memory : NULL,
                         (int32_t)cordbg_handle_thread_id(thread), &frame, &caller, &error);
  cordbg_dbghelp_end(&found);
  if (FAILED(hr)) /* the frame itself is good: it is the last one */
    cordbg_error_remember(&error);
  finish_frame(&frame, hr == S_OK ? &caller : NULL, stack, context);
  if (function_table)
    stack->FuncTableEntry = function_table(process, frame.registers.rip);
  return TRUE;
}

BOOL
StackWalk64(DWORD machine, HANDLE process, HANDLE thread, LPSTACKFRAME64 stack, PVOID context,
            PREAD_PROCESS_MEMORY_ROUTINE64 read, PFUNCTION_TABLE_ACCESS_ROUTINE64 function_table,
            PGET_MODULE_BASE_ROUTINE64 module_base, PTRANSLATE_ADDRESS_ROUTINE64 translate)
{
  (void)module_base; /* modules are found without help, and there are no segments to translate */
  (void)translate;
  return walk(machine, process, thread, stack, context, read, function_table);
}

_Static_assert(offsetof(STACKFRAME_EX, StackFrameSize) == sizeof(STACKFRAME64),
               "a STACKFRAME_EX begins with a STACKFRAME64");

BOOL
StackWalkEx(DWORD machine, HANDLE process, HANDLE thread, LPSTACKFRAME_EX stack, PVOID context,
            PREAD_PROCESS_MEMORY_ROUTINE64 read, PFUNCTION_TABLE_ACCESS_ROUTINE64 function_table,
            PGET_MODULE_BASE_ROUTINE64 module_base, PTRANSLATE_ADDRESS_ROUTINE64 translate,
            DWORD flags)
{
  STACKFRAME64 inner;

  (void)module_base;
  (void)translate;
  (void)flags; /* frame pointers are not needed, and addresses have 64 bits */
  if (!stack || stack->StackFrameSize != sizeof(*stack))
    return cordbg_dbghelp_fail(ERROR_INVALID_PARAMETER,
                               "STACKFRAME_EX is NULL or its StackFrameSize is not its size");
  memcpy(&inner, stack, sizeof(inner));
  if (!walk(machine, process, thread, &inner, context, read, function_table))
    return FALSE;
  memcpy(stack, &inner, sizeof(inner));
  return TRUE;
}
