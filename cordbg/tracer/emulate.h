/* SPDX-License-Identifier: MIT */
/*
 * One instruction of the target, executed by the tracer on a copy of its registers.
 *
 * Why: a thread that goes on from a trap must execute the instruction that the trap displaced.
 * Lifting the trap, stepping, and planting it again needs every other thread to stand still and
 * costs three times as much as computing the effect of the common instructions here. Whatever is
 * not certain to be exact is refused, and the caller steps it in place.
 *
 * No glib: the tracer process links this. No allocation, no global state, any thread.
 */
#ifndef CORDBG_TRACER_EMULATE_H
#define CORDBG_TRACER_EMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

/* The longest x86-64 instruction, in bytes. */
#define CORDBG_INSTRUCTION_MAX 15

typedef enum cordbg_emulation {
  CORDBG_EMULATED,        /* registers and memory are as after the instruction */
  CORDBG_NOT_EMULATED,    /* nothing changed: step it in place */
  CORDBG_EMULATION_FAULT, /* a memory operand could not be accessed, nothing changed: step it in
                             place, so that the real fault reaches the target */
} cordbg_emulation;

/*
 * The target's memory as its instructions see it.
 *   read   all or nothing; the pristine view (no trap of ours in what it returns).
 *   write  all or nothing; goes behind our traps. Never crosses a page (4 KiB).
 * Both return false, and do nothing, where the instruction would fault: they must honour the
 * mapping's protection, as process_vm_readv and process_vm_writev do and /proc/PID/mem does not.
 *
 * flags:
 *   CORDBG_EMULATE_OTHERS_RUN    other threads run meanwhile. The kernel does not promise that its
 *     copies are single accesses, so that these alone are executed: accesses to the stack and
 *     through rsp or rbp, which are the thread's own, and aligned reads elsewhere.
 *   CORDBG_EMULATE_SHADOW_STACK  the thread has a shadow stack: calls and returns are refused.
 */
enum {
  CORDBG_EMULATE_OTHERS_RUN = 1u << 0,
  CORDBG_EMULATE_SHADOW_STACK = 1u << 1,
};

typedef struct cordbg_emulate_memory {
  bool (*read)(void *data, uint64_t address, void *buffer, size_t size);
  bool (*write)(void *data, uint64_t address, const void *buffer, size_t size);
  void *data;
  uint32_t flags; /* CORDBG_EMULATE_* */
} cordbg_emulate_memory;

/* Private to the emulator: a decoded instruction, valid for any rip. */
typedef struct cordbg_emulate_operand {
  uint8_t kind;
  uint8_t size;  /* bytes: 1, 2, 4, 8 */
  uint8_t index; /* register number 0..15 */
  uint8_t high;  /* 1: ah, ch, dh, bh */
} cordbg_emulate_operand;

typedef struct cordbg_instruction {
  uint8_t bytes[CORDBG_INSTRUCTION_MAX];
  uint8_t length; /* 0: the slot is empty */
  uint8_t operation;
  uint8_t condition;
  uint8_t size;
  uint8_t operand_count;
  cordbg_emulate_operand operands[3];
  uint8_t base; /* register number or one of the private constants */
  uint8_t index;
  uint8_t scale; /* shift */
  uint8_t segment;
  uint8_t address_size; /* 4 or 8 */
  int64_t displacement;
  int64_t immediate;
} cordbg_instruction;

/*
 * Decoded instructions, owned by the caller; all bytes zero is a valid empty cache. An entry is
 * used only when the instruction's bytes equal those it was decoded from, so that code rewritten
 * under a trap is decoded anew.
 */
#define CORDBG_EMULATE_CACHE_SLOTS 256u
typedef struct cordbg_emulate_cache {
  cordbg_instruction slots[CORDBG_EMULATE_CACHE_SLOTS];
  uint64_t hits;
  uint64_t misses;
} cordbg_emulate_cache;

/*
 * Executes the instruction at registers->rip. code holds its pristine bytes, size of them (more
 * than the instruction is fine, 16 is enough; fewer than the instruction: not emulated). cache may
 * be NULL. On CORDBG_EMULATED rip, the other registers and the flags are as the CPU leaves them
 * (flags that the manual calls undefined excepted); otherwise *registers is untouched and nothing
 * was written. The trap flag is never set, never pushed; with the program's own trap flag set
 * nothing is emulated. orig_rax is not looked at.
 *
 * Follows: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 */
cordbg_emulation cordbg_emulate(cordbg_emulate_cache *cache, const uint8_t *code, size_t size,
                                struct user_regs_struct *registers,
                                const cordbg_emulate_memory *memory);

/*
 * The length in bytes of the instruction that code begins with, 1..15; 0 when the bytes are no
 * instruction or end before it does. Used to tell whether a range cuts an instruction.
 */
size_t cordbg_instruction_length(const uint8_t *code, size_t size);

/*
 * What single-stepping the instruction does to the trap flag, for the in-place route.
 *   PUSHES_FLAGS  pushf: the stepped thread's stack shows the trap flag
 *   SYSCALL       syscall: r11 shows it
 *   POPS_FLAGS    popf, iret: the kernel takes the trap flag after the step for the program's own;
 *                 PTRACE_GETREGS shows it, PTRACE_CONT leaves it set: it must be cleared by
 *                 PTRACE_SETREGS unless the popped value had it
 *   PLAIN         none of these
 */
typedef enum cordbg_step_leak {
  CORDBG_STEP_PLAIN,
  CORDBG_STEP_PUSHES_FLAGS,
  CORDBG_STEP_SYSCALL,
  CORDBG_STEP_POPS_FLAGS,
} cordbg_step_leak;
cordbg_step_leak cordbg_instruction_step_leak(const uint8_t *code, size_t size);

#endif
