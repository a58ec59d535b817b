/* SPDX-License-Identifier: MIT */
/*
 * Signals as exceptions: which ones are told, and what an EXCEPTION_RECORD says of them. The table
 * is in docs/icordebug.md.
 *
 * Windows' exceptions know whether an access was a read or a write; siginfo does not, so the
 * faulting instruction is decoded.
 */
#include "config.h"

#include "cordbg/icordebug/unmanaged.h"

#include <signal.h>

#include <Zydis/Zydis.h>

/* Windows' codes that winnt.h has no name for here. */
enum {
  CODE_ARRAY_BOUNDS = 0xc000008cu,
  CODE_FLOAT_INEXACT = 0xc000008fu,
  CODE_FLOAT_OVERFLOW = 0xc0000091u,
  CODE_FLOAT_UNDERFLOW = 0xc0000093u,
  CODE_FAST_FAIL = 0xc0000409u, /* as abort() ends a program there */
  CODE_SIGNAL = 0xe0534700u,    /* a code of cordbg's own, "SG", + the number of the signal */
};
enum { FAST_FAIL_ABORT = 7 };
enum { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_EXECUTE = 8 };

#define INSTRUCTION_MAX 15u
#define FAR_STRING 64u
#define KERNEL_CODE 0x80 /* SI_KERNEL: no address is known */

static uint64_t
bit(int signal)
{
  return 1ull << (signal - 1);
}

uint64_t
cordbg_native_signals(void)
{
  return bit(SIGSEGV) | bit(SIGBUS) | bit(SIGFPE) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGABRT) |
         bit(SIGSYS) | bit(SIGINT);
}

static bool
is_fault(const cordbg_signal *signal)
{
  if (signal->code <= 0)
    return false;
  switch (signal->number) {
  case SIGSEGV:
  case SIGBUS:
  case SIGFPE:
  case SIGILL:
  case SIGTRAP:
    return true;
  default:
    return false;
  }
}

/* Code that no ELF image has was made by the runtime. */
bool
cordbg_native_is_the_runtimes(cordbg_session *session, const cordbg_event *event)
{
  uint64_t pc = event->registers.rip;
  cordbg_rt_code code;
  if (!is_fault(&event->signal) || (event->signal.flags & CORDBG_SIGNAL_ENDS) != 0)
    return false;
  if (pc - session->info.base < session->info.size)
    return true;
  uint8_t byte;
  if (!cordbg_native_images_cover(session->natives->images, pc))
    return cordbg_target_read_exact(session->target, CORDBG_VIEW_PRISTINE, pc, &byte, 1, NULL) ==
           S_OK;
  return session->runtime != NULL &&
         session->ops->code_at(session->runtime, pc, &code, NULL) == S_OK;
}

/* ---- Read or write ---- */

static unsigned
access_of(cordbg_session *session, const cordbg_event *event)
{
  uint8_t code[INSTRUCTION_MAX];
  size_t size = 0;
  ZydisDecoder decoder;
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  unsigned reads = 0, writes = 0;
  uint64_t address = event->signal.address;

  if (address - event->registers.rip < INSTRUCTION_MAX && address >= event->registers.rip &&
      cordbg_target_read(session->target, CORDBG_VIEW_PRISTINE, address, code, 1, &size, NULL) !=
          S_OK)
    return ACCESS_EXECUTE;
  size = 0;
  cordbg_target_read(session->target, CORDBG_VIEW_PRISTINE, event->registers.rip, code, sizeof code,
                     &size, NULL);
  if (ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
      ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code, size, &instruction, operands)))
    return address == event->registers.rip ? ACCESS_EXECUTE : ACCESS_READ;
  for (unsigned i = 0; i < instruction.operand_count; i++)
    if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
      reads += (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
      writes += (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    }
  /* An instruction that only computes an address, or a jump, faulted by being fetched. */
  if (reads == 0 && writes == 0)
    return address == event->registers.rip ? ACCESS_EXECUTE : ACCESS_READ;
  if (reads == 0 || writes == 0)
    return writes > 0 ? ACCESS_WRITE : ACCESS_READ;
  /* One operand that is read and written is written; of two, a string instruction's is at RDI, any
   * other's is the stack. */
  if (instruction.operand_count > 0 && reads + writes == 2)
    for (unsigned i = 0; i < instruction.operand_count; i++)
      if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
          (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0 &&
          (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0)
        return ACCESS_WRITE;
  return address - event->registers.rdi < FAR_STRING || event->registers.rsp - address <= FAR_STRING
             ? ACCESS_WRITE
             : ACCESS_READ;
}

/* ---- Records ---- */

static void
fill_access(cordbg_session *session, const cordbg_event *event, EXCEPTION_RECORD *record)
{
  record->NumberParameters = 2;
  if (event->signal.code == KERNEL_CODE) { /* an address that is none: as Windows has it */
    record->ExceptionInformation[0] = ACCESS_READ;
    record->ExceptionInformation[1] = ~(ULONG_PTR)0;
    return;
  }
  record->ExceptionInformation[0] = access_of(session, event);
  record->ExceptionInformation[1] = event->signal.address;
}

static DWORD
arithmetic_code(int code)
{
  switch (code) {
  case FPE_INTDIV:
    return STATUS_INTEGER_DIVIDE_BY_ZERO;
  case FPE_INTOVF:
    return STATUS_INTEGER_OVERFLOW;
  case FPE_FLTDIV:
    return STATUS_FLOAT_DIVIDE_BY_ZERO;
  case FPE_FLTOVF:
    return CODE_FLOAT_OVERFLOW;
  case FPE_FLTUND:
    return CODE_FLOAT_UNDERFLOW;
  case FPE_FLTRES:
    return CODE_FLOAT_INEXACT;
  case FPE_FLTSUB:
    return CODE_ARRAY_BOUNDS;
  default:
    return STATUS_FLOAT_INVALID_OPERATION;
  }
}

static void
fill_fault(cordbg_session *session, const cordbg_event *event, EXCEPTION_RECORD *record)
{
  switch (event->signal.number) {
  case SIGSEGV:
    record->ExceptionCode = EXCEPTION_ACCESS_VIOLATION;
    fill_access(session, event, record);
    break;
  case SIGBUS:
    if (event->signal.code == BUS_ADRALN) {
      record->ExceptionCode = STATUS_DATATYPE_MISALIGNMENT;
      break;
    }
    record->ExceptionCode = STATUS_IN_PAGE_ERROR;
    fill_access(session, event, record);
    record->NumberParameters = 3;
    break;
  case SIGFPE:
    record->ExceptionCode = arithmetic_code(event->signal.code);
    break;
  case SIGILL:
    record->ExceptionCode = event->signal.code == ILL_PRVOPC || event->signal.code == ILL_PRVREG
                                ? STATUS_PRIVILEGED_INSTRUCTION
                                : EXCEPTION_ILLEGAL_INSTRUCTION;
    break;
  default: /* SIGTRAP */
    record->ExceptionCode = EXCEPTION_BREAKPOINT;
    record->NumberParameters = 1;
    if (event->signal.code == KERNEL_CODE) /* the program's own int3: the PC is behind it */
      record->ExceptionAddress = (PVOID)(uintptr_t)(event->registers.rip - 1);
    else
      record->ExceptionCode = EXCEPTION_SINGLE_STEP;
  }
}

static void
fill_other(const cordbg_signal *signal, EXCEPTION_RECORD *record)
{
  if (signal->number == SIGABRT) {
    record->ExceptionCode = CODE_FAST_FAIL;
    record->NumberParameters = 1;
    record->ExceptionInformation[0] = FAST_FAIL_ABORT;
  } else if (signal->number == SIGINT) {
    record->ExceptionCode = DBG_CONTROL_C;
  } else {
    record->ExceptionCode = CODE_SIGNAL + (DWORD)signal->number;
    record->NumberParameters = 4;
    record->ExceptionInformation[0] = (ULONG_PTR)signal->number;
    record->ExceptionInformation[1] = (ULONG_PTR)(intptr_t)signal->code;
    record->ExceptionInformation[2] = (ULONG_PTR)(intptr_t)signal->pid;
    record->ExceptionInformation[3] = signal->code <= 0 ? signal->value : signal->address;
  }
}

void
cordbg_native_exception(cordbg_session *session, const cordbg_event *event, DEBUG_EVENT *ret)
{
  EXCEPTION_RECORD *record = &ret->u.Exception.ExceptionRecord;
  *ret = cordbg_native_event(session, EXCEPTION_DEBUG_EVENT, event->tid);
  ret->u.Exception.dwFirstChance = 1;
  if (event->kind == CORDBG_EVENT_TRAP) {
    record->ExceptionCode = EXCEPTION_BREAKPOINT;
    record->ExceptionAddress = (PVOID)(uintptr_t)event->address;
    record->NumberParameters = 1;
    return;
  }
  record->ExceptionAddress = (PVOID)(uintptr_t)event->registers.rip;
  if ((event->signal.flags & CORDBG_SIGNAL_STEP) != 0) {
    record->ExceptionCode = EXCEPTION_SINGLE_STEP;
    return;
  }
  if (is_fault(&event->signal))
    fill_fault(session, event, record);
  else
    fill_other(&event->signal, record);
}

/* ---- First and second chance ---- */

/*
 * A handler that gives up sets the default action and returns to the instruction, or raises the
 * signal again as abort does: what Windows would tell as the second chance of the same exception.
 */
static bool
was_given_up(const cordbg_natives *natives, const cordbg_event *event)
{
  const cordbg_native_place *handed = &natives->handed;
  return handed->tid == event->tid && handed->signal == event->signal.number &&
         handed->pc == event->registers.rip;
}

void
cordbg_native_chance(cordbg_session *session, const cordbg_event *event, DEBUG_EVENT *ret)
{
  cordbg_natives *natives = session->natives;
  bool again = was_given_up(natives, event);
  natives->handed.tid = 0;
  natives->second_owed = false;
  if ((event->signal.flags & CORDBG_SIGNAL_ENDS) == 0) {
    if (is_fault(&event->signal) || event->signal.number == SIGABRT)
      natives->handed =
          (cordbg_native_place){event->tid, event->signal.number, event->registers.rip};
    return;
  }
  if (again) {
    ret->u.Exception.dwFirstChance = 0;
    return;
  }
  natives->second = *ret;
  natives->second.u.Exception.dwFirstChance = 0;
  natives->second_owed = true;
}
