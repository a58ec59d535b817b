/* SPDX-License-Identifier: MIT */
/*
 * What the files of the WdbgExts door share. Addresses are 64 bits wide everywhere; wdbgexts.c
 * narrows them for the tables that have them narrower.
 */
#ifndef CORDBG_MEMORY_WDBGEXTS_PRIVATE_H
#define CORDBG_MEMORY_WDBGEXTS_PRIVATE_H

#include "cordbg/memory/doors.h"
#include "cordbg/memory/target-private.h"
#include "cordbg/native/modules.h"
#include "cordbg/native/stack.h"

/* The version that extensions are told at their start. */
enum { CORDBG_EXTENSION_MAJOR = 1, CORDBG_EXTENSION_MINOR = 0 };

/* A thread's session: what the routines that it calls concern. */
typedef struct cordbg_extension_session {
  cordbg_target *target;   /* NULL: no current process */
  int tid;                 /* the current thread; 0: the main one */
  unsigned radix;          /* of numbers in expressions */
  HANDLE handle;           /* of the target's process, made when first asked for */
  cordbg_modules *modules; /* its native modules, likewise (wdbgexts-symbols.c) */
  cordbg_wdbgexts_output output;
  void *output_data;
} cordbg_extension_session;

/* The calling thread's, never NULL. */
cordbg_extension_session *cordbg_extension_current(void);
/* The current process, or NULL with the reason kept as the last error. */
cordbg_target *cordbg_extension_target(void);
/* The current thread's id, of a session that has a target. */
int cordbg_extension_thread(const cordbg_extension_session *session);
/* FALSE, with the reason kept as the last error. */
ULONG cordbg_extension_failed(const cordbg_error *error);

/* ---- the routines: wdbgexts-memory.c ---- */
ULONG cordbg_extension_read(ULONG64 offset, PVOID buffer, ULONG size, PULONG read);
ULONG cordbg_extension_write(ULONG64 offset, LPCVOID buffer, ULONG size, PULONG written);
ULONG cordbg_extension_search(cordbg_target *target, SEARCHMEMORY *request);

/* ---- wdbgexts-output.c ---- */
void cordbg_extension_output(PCSTR format, ...);
void cordbg_extension_put(const char *text);

/* ---- wdbgexts-symbols.c ---- */

/* The longest name that GetSymbol hands out, with its NUL; its document tells extensions no size,
   and those of Microsoft bring 256 bytes. */
#define CORDBG_EXTENSION_SYMBOL_MAX 256u

ULONG64 cordbg_extension_expression(PCSTR text);
void cordbg_extension_symbol(ULONG64 offset, PCHAR buffer, PULONG64 displacement);

/* An expression over the session's target; as cordbg_expression_evaluate, target errors included.
 */
HRESULT cordbg_extension_evaluate(cordbg_extension_session *session, const char *text,
                                  uint64_t *ret, size_t *rest, cordbg_error *error);
/*
 * The symbol that an address belongs to, as "module!name", cut to size - 1 bytes. S_FALSE: none,
 * buffer is "".
 */
HRESULT cordbg_extension_name(cordbg_extension_session *session, uint64_t address, char *buffer,
                              size_t size, uint64_t *displacement, cordbg_error *error);
/* Forgets what is known of the modules; they are looked at anew. */
void cordbg_extension_reload(cordbg_extension_session *session);
/* The first module that overlaps [start, end] (end inclusive), by address. S_FALSE: none. */
HRESULT cordbg_extension_module_in(cordbg_extension_session *session, uint64_t start, uint64_t end,
                                   uint64_t *base, uint64_t *size, cordbg_error *error);

/* ---- wdbgexts-disasm.c ---- */

/* Bytes of a line that cordbg_extension_disassemble makes, at most. */
#define CORDBG_EXTENSION_LINE_MAX 512u

ULONG cordbg_extension_disasm(PULONG64 offset, PCSTR buffer, ULONG show_effective_address);
/*
 * The instruction at address as a line with a newline: address, bytes, instruction. count bytes of
 * the program are given; effective adds what its memory operand reaches, by the current thread's
 * registers, when the thread stands there. *next: behind it. E_FAIL: no instruction.
 */
HRESULT cordbg_extension_disassemble(cordbg_extension_session *session, uint64_t address,
                                     const uint8_t *bytes, size_t count, bool effective, char *line,
                                     uint64_t *next, cordbg_error *error);

/* ---- wdbgexts-threads.c ---- */
ULONG cordbg_extension_get_context(ULONG processor, PCONTEXT context, ULONG size);
ULONG cordbg_extension_set_context(ULONG processor, PCONTEXT context, ULONG size);
HRESULT cordbg_extension_registers(cordbg_extension_session *session, int tid,
                                   cordbg_registers *ret, cordbg_error *error);
/* S_OK, S_FALSE: the thread is none of the target's. */
HRESULT cordbg_extension_has_thread(cordbg_target *target, int tid, cordbg_error *error);
ULONG cordbg_extension_stack(ULONG64 base, ULONG64 stack, ULONG64 pc, PEXTSTACKTRACE64 frames,
                             ULONG count);
/* Frames that one walk gives, at most. */
#define CORDBG_EXTENSION_FRAMES_MAX 4096u
HRESULT cordbg_extension_walk(cordbg_extension_session *session, uint64_t base, uint64_t stack,
                              uint64_t pc, size_t capacity, cordbg_frame **ret, size_t *count,
                              cordbg_error *error);

/* ---- wdbgexts-ioctl.c ---- */
ULONG cordbg_extension_ioctl(USHORT type, PVOID data, ULONG size);
ULONG cordbg_extension_check_control_c(void);

#endif
