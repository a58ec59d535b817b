/* SPDX-License-Identifier: MIT */
/*
 * The emulator against the CPU itself: a traced child single-steps the same instruction from the
 * same registers and memory, and everything that the manual defines must be equal afterwards.
 *
 * Instructions come from templates (opcode, form of the operands, immediate) with random prefixes,
 * registers, displacements and immediates. Address registers are then chosen so that the operand
 * falls into a window of memory that both sides share, except for a few that must fault.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>

#include "cordbg/tracer/emulate.h"
#include "tests/unit/emulate-templates.h"
#include "tests/unit/native-random.h"

#define CASES 40000u
#define HOSTILE_CASES 300000u
#define RANDOM_CASES 60000u

/* Where the child has them; low, so that 32-bit addressing and rip-relative operands reach it. */
#define CODE_BASE UINT64_C(0x10000000)
#define CODE_SIZE 0x1000u
/* Below it: sanitizers' shadow memory. Above: libraries and stacks, with what the kernel needs. */
#define UNMAPPED_END UINT64_C(0x500000000000)

#define STATUS_FLAGS 0x8d5u   /* OF SF ZF AF PF CF */
#define UNSEEN_FLAGS 0x10100u /* RF, TF: ptrace's own */

#define NO_PTRACE 3 /* the child's exit code */

typedef struct bench {
  pid_t child;
  uint8_t *code; /* our mapping of the child's pages */
  uint8_t *data;
  uint8_t model[DATA_SIZE]; /* the emulator's memory */
  uint64_t code_at;         /* address of the instruction */
  uint64_t random;
} bench;

/* ------------------------------------------------------------------ the machine's state */

static uint64_t *
register_of(struct user_regs_struct *r, ZydisRegister reg)
{
  unsigned long long *const all[16] = {&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
                                       &r->rsi, &r->rdi, &r->r8,  &r->r9,  &r->r10, &r->r11,
                                       &r->r12, &r->r13, &r->r14, &r->r15};

  if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
    return (uint64_t *)all[reg - ZYDIS_REGISTER_RAX];
  if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
    return (uint64_t *)all[reg - ZYDIS_REGISTER_EAX];
  return NULL;
}

static bool
has_no_base(const ZydisDecodedInstruction *instruction)
{
  return instruction->raw.modrm.offset != 0 && instruction->raw.modrm.mod == 0 &&
         instruction->raw.modrm.rm == 4 && instruction->raw.sib.base == 5;
}

static uint64_t
address_of(struct user_regs_struct *r, const ZydisDecodedInstruction *instruction,
           const ZydisDecodedOperandMem *mem)
{
  uint64_t address = (uint64_t)mem->disp.value;

  /* see emulate-decode.c: Zydis 4.0 errs here */
  if (has_no_base(instruction))
    address = (uint64_t)instruction->raw.disp.value;
  else if (mem->base == ZYDIS_REGISTER_RIP || mem->base == ZYDIS_REGISTER_EIP)
    address += r->rip + instruction->length;
  else if (mem->base != ZYDIS_REGISTER_NONE)
    address += *register_of(r, mem->base);
  if (mem->index != ZYDIS_REGISTER_NONE)
    address += *register_of(r, mem->index) * mem->scale;
  if (instruction->address_width == 32)
    address &= UINT32_MAX;
  if (mem->segment == ZYDIS_REGISTER_FS)
    address += r->fs_base;
  if (mem->segment == ZYDIS_REGISTER_GS)
    address += r->gs_base;
  return address;
}

/* Moves the operand's address to target by its displacement or its base register. */
static void
aim(struct user_regs_struct *r, const ZydisDecodedInstruction *instruction,
    const ZydisDecodedOperandMem *mem, uint8_t *code, uint64_t target)
{
  uint64_t delta = target - address_of(r, instruction, mem);
  uint64_t *base = has_no_base(instruction) ? NULL : register_of(r, mem->base);

  if (base && mem->base != mem->index) {
    *base += delta;
  } else if (instruction->raw.disp.size == 32) {
    uint32_t displacement = (uint32_t)instruction->raw.disp.value + (uint32_t)delta;

    memcpy(code + instruction->raw.disp.offset, &displacement, sizeof(displacement));
  }
}

static void
random_registers(bench *b, struct user_regs_struct *r, bool targets)
{
  for (int i = ZYDIS_REGISTER_RAX; i <= ZYDIS_REGISTER_R15; i++)
    *register_of(r, (ZydisRegister)i) =
        targets ? next_random(&b->random) & 0x7fffffffff : random_value(&b->random);
  r->rsp = DATA_BASE + 64 + below(&b->random, DATA_SIZE - 128);
  r->rbp = below(&b->random, 4) ? DATA_BASE + below(&b->random, DATA_SIZE - 16) : r->rbp;
  r->fs_base = below(&b->random, 2) ? 0 : below(&b->random, 0x100000);
  r->gs_base = below(&b->random, 2) ? 0 : below(&b->random, 0x100000);
  r->rip = b->code_at;
  r->orig_rax = UINT64_MAX;
  /* ptrace cannot set the ID flag, which an earlier popf may have changed */
  r->eflags = (r->eflags & 0x200000) | 0x202 | (next_random(&b->random) & (STATUS_FLAGS | 0x400));
}

/* Fresh bytes where the operand and the stack are, the same on both sides. */
static void
random_memory(bench *b, uint64_t address, bool targets)
{
  uint64_t offset = address - DATA_BASE;

  if (offset > DATA_SIZE - 8)
    return;
  for (size_t i = 0; i < 8; i++)
    b->data[offset + i] = (uint8_t)next_random(&b->random);
  if (targets && below(&b->random, 8) != 0)
    memset(b->data + offset + 5, 0, 3);
}

/* ------------------------------------------------------------------ both sides */

static bool
model_read(void *data, uint64_t address, void *buffer, size_t size)
{
  bench *b = data;

  if (address >= CODE_BASE && address - CODE_BASE <= CODE_SIZE - size) {
    memcpy(buffer, b->code + (address - CODE_BASE), size);
    return true;
  }
  if (address < DATA_BASE || address - DATA_BASE > DATA_SIZE - size)
    return false;
  memcpy(buffer, b->model + (address - DATA_BASE), size);
  return true;
}

static bool
model_write(void *data, uint64_t address, const void *buffer, size_t size)
{
  bench *b = data;

  assert_true((address & 0xfff) + size <= 0x1000);
  if (address < DATA_BASE || address - DATA_BASE > DATA_SIZE - size)
    return false;
  memcpy(b->model + (address - DATA_BASE), buffer, size);
  return true;
}

/* Steps the child once; false when the instruction faulted. */
static bool
step_child(bench *b, struct user_regs_struct *r)
{
  int status;

  assert_int_equal(ptrace(PTRACE_SETREGS, b->child, NULL, r), 0);
  assert_int_equal(ptrace(PTRACE_SINGLESTEP, b->child, NULL, NULL), 0);
  assert_int_equal(waitpid(b->child, &status, 0), b->child);
  if (!WIFSTOPPED(status))
    fail_msg("the child ended: status 0x%x", (unsigned int)status);
  assert_int_equal(ptrace(PTRACE_GETREGS, b->child, NULL, r), 0);
  return WSTOPSIG(status) == SIGTRAP;
}

/* munmap by the child itself, out of the code page. */
static void
unmap_in_child(bench *b, uint64_t start, uint64_t end)
{
  static const uint8_t code[] = {0x0f, 0x05, 0xcc}; /* syscall; int3 */
  struct user_regs_struct r;
  int status;

  memcpy(b->code, code, sizeof(code));
  assert_int_equal(ptrace(PTRACE_GETREGS, b->child, NULL, &r), 0);
  r.rip = CODE_BASE;
  r.orig_rax = UINT64_MAX;
  r.rax = SYS_munmap;
  r.rdi = start;
  r.rsi = end - start;
  assert_int_equal(ptrace(PTRACE_SETREGS, b->child, NULL, &r), 0);
  assert_int_equal(ptrace(PTRACE_CONT, b->child, NULL, NULL), 0);
  assert_int_equal(waitpid(b->child, &status, 0), b->child);
  assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
  assert_int_equal(ptrace(PTRACE_GETREGS, b->child, NULL, &r), 0);
  assert_int_equal(r.rax, 0);
}

/*
 * The child ends up with the two windows as its only memory within reach of small numbers, so that
 * the model has all of it.
 */
static int
start_child(void **state)
{
  bench *b = calloc(1, sizeof(*b));
  int memory = memfd_create("cordbg-test-emulate", MFD_CLOEXEC);
  int status;

  assert_non_null(b);
  assert_true(memory >= 0);
  assert_int_equal(ftruncate(memory, CODE_SIZE + DATA_SIZE), 0);
  b->code = mmap(NULL, CODE_SIZE + DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  assert_ptr_not_equal(b->code, MAP_FAILED);
  b->data = b->code + CODE_SIZE;
  b->code_at = CODE_BASE + 0x800;
  b->child = fork();
  assert_true(b->child >= 0);
  if (b->child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
      _exit(NO_PTRACE);
    if (mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE,
             memory, 0) == MAP_FAILED ||
        mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
             memory, CODE_SIZE) == MAP_FAILED)
      _exit(1);
    raise(SIGSTOP);
    _exit(2);
  }
  close(memory);
  assert_int_equal(waitpid(b->child, &status, 0), b->child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PTRACE) {
    printf("SKIP: ptrace is refused here\n");
    exit(77);
  }
  assert_true(WIFSTOPPED(status));
  assert_int_equal(ptrace(PTRACE_SETOPTIONS, b->child, NULL, PTRACE_O_EXITKILL), 0);
  unmap_in_child(b, 0, CODE_BASE);
  unmap_in_child(b, DATA_BASE + DATA_SIZE, UNMAPPED_END);
  *state = b;
  return 0;
}

static int
end_child(void **state)
{
  bench *b = *state;
  int status;

  kill(b->child, SIGKILL);
  waitpid(b->child, &status, 0);
  munmap(b->code, CODE_SIZE + DATA_SIZE);
  free(b);
  return 0;
}

/* ------------------------------------------------------------------ comparison */

static uint64_t
undefined_flags(const ZydisDecodedInstruction *instruction, const struct user_regs_struct *before,
                const uint8_t *code)
{
  unsigned int count;

  switch (instruction->mnemonic) {
  case ZYDIS_MNEMONIC_SHL:
  case ZYDIS_MNEMONIC_SHR:
  case ZYDIS_MNEMONIC_SAR:
    if (instruction->opcode == 0xc0 || instruction->opcode == 0xc1)
      count = code[instruction->length - 1];
    else
      count = instruction->opcode <= 0xd1 ? 1 : (unsigned int)before->rcx;
    count &= instruction->operand_width == 64 ? 63 : 31;
    return count == 0 ? 0 : count == 1 ? 0x10 : 0x810;
  default:
    return instruction->cpu_flags ? instruction->cpu_flags->undefined : 0;
  }
}

static void
show(const bench *b, const char *name, const uint8_t *code, size_t size,
     const struct user_regs_struct *before, const struct user_regs_struct *cpu,
     const struct user_regs_struct *ours)
{
  static const char *const names[] = {"r15", "r14", "r13", "r12", "rbp",   "rbx", "r11",
                                      "r10", "r9",  "r8",  "rax", "rcx",   "rdx", "rsi",
                                      "rdi", "-",   "rip", "cs",  "flags", "rsp"};
  const uint64_t *s[3] = {(const uint64_t *)before, (const uint64_t *)cpu, (const uint64_t *)ours};

  printf("%s:", name);
  for (size_t i = 0; i < size; i++)
    printf(" %02x", code[i]);
  printf("\n");
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    printf("  %-5s before %016" PRIx64 " cpu %016" PRIx64 " ours %016" PRIx64 "%s\n", names[i],
           s[0][i], s[1][i], s[2][i], s[1][i] == s[2][i] ? "" : "  <--");
  for (size_t i = 0; i < DATA_SIZE; i++)
    if (b->data[i] != b->model[i])
      printf("  memory %" PRIx64 ": cpu %02x ours %02x\n", DATA_BASE + i, b->data[i], b->model[i]);
}

static bool
same(bench *b, const ZydisDecodedInstruction *instruction, uint64_t flags_mask,
     const struct user_regs_struct *cpu, const struct user_regs_struct *ours)
{
  struct user_regs_struct x = *cpu, y = *ours;

  x.eflags &= flags_mask;
  y.eflags &= flags_mask;
  /* the CPU pushed the trap flag that stepped it; that it may not be seen is our side's point */
  if (instruction->mnemonic == ZYDIS_MNEMONIC_PUSHFQ)
    b->data[x.rsp - DATA_BASE + 1] &= (uint8_t)~1u;
  return memcmp(&x, &y, sizeof(x)) == 0 && memcmp(b->data, b->model, DATA_SIZE) == 0;
}

typedef struct tally {
  unsigned int emulated;
  unsigned int refused;
  unsigned int faults;
} tally;

/* One instruction on both sides. Random bytes are only run on the CPU when we would run them. */
static void
compare(bench *b, cordbg_emulate_cache *cache, const char *name, uint8_t *code, size_t size,
        bool targets, bool trusted, tally *count)
{
  ZydisDecoder decoder;
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  const ZydisDecodedOperandMem *mem = NULL;
  const cordbg_emulate_memory memory = {model_read, model_write, b, 0};
  struct user_regs_struct before, cpu, ours;
  cordbg_emulation result;
  bool stepped;

  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, size, &instruction, operands)))
    return;
  assert_int_equal(ptrace(PTRACE_GETREGS, b->child, NULL, &before), 0);
  random_registers(b, &before, targets);
  for (size_t i = 0; i < instruction.operand_count_visible; i++)
    if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
      mem = &operands[i].mem;
  if (mem && below(&b->random, 20) != 0)
    aim(&before, &instruction, mem, code, DATA_BASE + below(&b->random, DATA_SIZE - 8));
  if (instruction.mnemonic == ZYDIS_MNEMONIC_LEAVE)
    before.rbp = DATA_BASE + below(&b->random, DATA_SIZE - 8);
  if (mem)
    random_memory(b, address_of(&before, &instruction, mem), targets);
  random_memory(b, before.rsp, targets);
  memcpy(b->code + (b->code_at - CODE_BASE), code, size);
  memcpy(b->model, b->data, DATA_SIZE);

  ours = before;
  result = cordbg_emulate(cache, code, size, &ours, &memory);
  if (result != CORDBG_EMULATED) {
    assert_memory_equal(&ours, &before, sizeof(ours));
    assert_memory_equal(b->model, b->data, DATA_SIZE);
    if (!trusted) {
      count->refused++;
      return;
    }
  }
  cpu = before;
  stepped = step_child(b, &cpu);
  if (result == CORDBG_EMULATED) {
    uint64_t mask = ~(uint64_t)UNSEEN_FLAGS & ~undefined_flags(&instruction, &before, code);

    if (!stepped || !same(b, &instruction, mask, &cpu, &ours)) {
      show(b, name, code, instruction.length, &before, &cpu, &ours);
      fail_msg("%s: %s", name, stepped ? "differs from the CPU" : "the CPU faulted, we did not");
    }
    count->emulated++;
  } else if (result == CORDBG_EMULATION_FAULT) {
    if (stepped) {
      show(b, name, code, instruction.length, &before, &cpu, &ours);
      fail_msg("%s: we saw a fault, the CPU none", name);
    }
    count->faults++;
  } else {
    count->refused++;
  }
}

static void
row_34_emulated_instructions_equal_the_cpu(void **state)
{
  bench *b = *state;
  cordbg_emulate_cache *cache = calloc(1, sizeof(*cache));
  tally *counts = calloc(emulate_template_count, sizeof(*counts));
  tally all = {0};

  assert_non_null(cache);
  assert_non_null(counts);
  b->random = seed_from_environment();
  for (size_t i = 0; i < DATA_SIZE; i++)
    b->data[i] = (uint8_t)next_random(&b->random);
  for (size_t i = 0; i < CASES; i++) {
    const emulate_template *t = &emulate_templates[i % emulate_template_count];
    uint8_t code[32] = {0};

    emulate_template_make(&b->random, t, code);
    b->code_at = CODE_BASE + 0x800 + below(&b->random, 64);
    compare(b, below(&b->random, 4) ? cache : NULL, t->name, code, CORDBG_INSTRUCTION_MAX,
            t->flags & TARGET, true, &counts[i % emulate_template_count]);
  }
  for (size_t i = 0; i < emulate_template_count; i++) {
    tally *c = &counts[i];
    unsigned int share = emulate_templates[i].flags & RARE ? 16 : 2;

    all.emulated += c->emulated;
    all.refused += c->refused;
    all.faults += c->faults;
    if (c->emulated * share < c->refused + c->faults || c->emulated == 0)
      fail_msg("%s: %u emulated, %u refused, %u faults", emulate_templates[i].name, c->emulated,
               c->refused, c->faults);
  }
  printf("%u equal, %u stepped by rule, %u faults on both sides, %zu forms\n", all.emulated,
         all.refused, all.faults, emulate_template_count);
  assert_true(all.emulated >= 20000);
  assert_true(cache->hits + cache->misses > 0);
  free(counts);
  free(cache);
}

static void
row_34_random_bytes_equal_the_cpu_or_are_refused(void **state)
{
  bench *b = *state;
  tally all = {0};

  b->random = seed_from_environment();
  for (size_t i = 0; i < RANDOM_CASES; i++) {
    uint8_t code[32] = {0};

    for (size_t k = 0; k < CORDBG_INSTRUCTION_MAX; k++)
      code[k] = (uint8_t)next_random(&b->random);
    if (below(&b->random, 2))
      code[0] = (uint8_t)(0x40 | below(&b->random, 16));
    compare(b, NULL, "random bytes", code, CORDBG_INSTRUCTION_MAX, false, false, &all);
  }
  printf("%u equal, %u refused or faulting\n", all.emulated, all.refused);
  assert_true(all.emulated > 1000);
}

/* ------------------------------------------------------------------ rules */

static struct user_regs_struct
plain_registers(void)
{
  struct user_regs_struct r;

  memset(&r, 0, sizeof(r));
  r.cs = 0x33;
  r.rip = CODE_BASE;
  r.rsp = DATA_BASE + 0x1000;
  r.rbp = DATA_BASE + 0x1800;
  r.rdi = DATA_BASE + 0x2000;
  r.eflags = 0x202;
  return r;
}

static cordbg_emulation
run(bench *b, struct user_regs_struct *r, uint32_t flags, const char *code, size_t size)
{
  const cordbg_emulate_memory memory = {model_read, model_write, b, flags};

  return cordbg_emulate(NULL, (const uint8_t *)code, size, r, &memory);
}
#define RUN(flags, text) run(b, &r, flags, text, sizeof(text) - 1)

static void
a_prefix_of_an_instruction_is_never_read_past(void **state)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  uint8_t *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const cordbg_emulate_memory memory = {model_read, model_write, *state, 0};
  uint64_t random = seed_from_environment();
  cordbg_emulate_cache *cache = calloc(1, sizeof(*cache));

  assert_non_null(cache);
  assert_ptr_not_equal(pages, MAP_FAILED);
  assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
  for (size_t i = 0; i < HOSTILE_CASES; i++) {
    size_t size = i % (CORDBG_INSTRUCTION_MAX + 2);
    uint8_t *code = pages + page - size;
    struct user_regs_struct r = plain_registers();
    size_t length;

    for (size_t k = 0; k < size; k++)
      code[k] = (uint8_t)next_random(&random);
    length = cordbg_instruction_length(code, size);
    assert_true(length <= size && length <= CORDBG_INSTRUCTION_MAX);
    if (cordbg_emulate(cache, code, size, &r, &memory) == CORDBG_EMULATED)
      assert_true(length > 0);
    cordbg_instruction_step_leak(code, size);
  }
  munmap(pages, 2 * page);
  free(cache);
}

static void
row_20_code_rewritten_under_a_cached_trap_is_decoded_anew(void **state)
{
  cordbg_emulate_cache *cache = calloc(1, sizeof(*cache));
  const cordbg_emulate_memory memory = {model_read, model_write, *state, 0};
  struct user_regs_struct r = plain_registers();

  assert_non_null(cache);
  r.rax = 5;
  assert_int_equal(cordbg_emulate(cache, (const uint8_t *)"\x48\xff\xc0", 3, &r, &memory),
                   CORDBG_EMULATED);
  r.rip = CODE_BASE;
  assert_int_equal(cordbg_emulate(cache, (const uint8_t *)"\x48\xff\xc0", 3, &r, &memory),
                   CORDBG_EMULATED);
  assert_int_equal(cache->hits, 1);
  r.rip = CODE_BASE;
  assert_int_equal(cordbg_emulate(cache, (const uint8_t *)"\x48\xff\xc8", 3, &r, &memory),
                   CORDBG_EMULATED);
  assert_int_equal(r.rax, 6);
  assert_int_equal(cache->misses, 2);
  /* the cached bytes are longer than what can be seen now */
  r.rip = CODE_BASE;
  assert_int_equal(cordbg_emulate(cache, (const uint8_t *)"\x48\xff", 2, &r, &memory),
                   CORDBG_NOT_EMULATED);
  free(cache);
}

static void
row_34_the_trap_flag_never_leaks(void **state)
{
  bench *b = *state;
  struct user_regs_struct r = plain_registers();
  uint64_t pushed;

  assert_int_equal(RUN(0, "\x9c"), CORDBG_EMULATED);
  memcpy(&pushed, b->model + (r.rsp - DATA_BASE), 8);
  assert_int_equal(pushed, 0x202);
  r = plain_registers();
  r.eflags |= 0x100; /* the program steps itself */
  assert_int_equal(RUN(0, "\x90"), CORDBG_NOT_EMULATED);
  r = plain_registers();
  pushed = 0x302;
  memcpy(b->model + (r.rsp - DATA_BASE), &pushed, 8);
  assert_int_equal(RUN(0, "\x9d"), CORDBG_NOT_EMULATED);
  assert_int_equal(cordbg_instruction_step_leak((const uint8_t *)"\x9c", 1),
                   CORDBG_STEP_PUSHES_FLAGS);
  assert_int_equal(cordbg_instruction_step_leak((const uint8_t *)"\x0f\x05", 2),
                   CORDBG_STEP_SYSCALL);
  assert_int_equal(cordbg_instruction_step_leak((const uint8_t *)"\x9d", 1),
                   CORDBG_STEP_POPS_FLAGS);
  assert_int_equal(cordbg_instruction_step_leak((const uint8_t *)"\x90", 1), CORDBG_STEP_PLAIN);
}

static void
what_is_not_certain_is_refused_and_changes_nothing(void **state)
{
  static const struct {
    const char *what, *code;
    size_t size;
  } rows[] = {
      {"lock add [rdi],eax", "\xf0\x01\x07", 3},
      {"xchg [rdi],eax", "\x87\x07", 2},
      {"rep movsb", "\xf3\xa4", 2},
      {"syscall", "\x0f\x05", 2},
      {"int3", "\xcc", 1},
      {"movaps xmm0,xmm1", "\x0f\x28\xc1", 3},
      {"vmovaps ymm0,ymm1", "\xc5\xfc\x28\xc1", 4},
      {"andn eax,eax,eax", "\xc4\xe2\x78\xf2\xc0", 5},
      {"mov ds,eax", "\x8e\xd8", 2},
      {"mov eax,ds", "\x8c\xd8", 2},
      {"mov cr0,rax", "\x0f\x22\xc0", 3},
      {"push fs", "\x0f\xa0", 2},
      {"push ax", "\x66\x50", 2},
      {"data16 ret", "\x66\xc3", 2},
      {"retf", "\xcb", 1},
      {"jmp far [rdi]", "\xff\x2f", 2},
      {"enter", "\xc8\x10\x00\x00", 4},
      {"div ecx", "\xf7\xf1", 2},
      {"bt [rdi],eax", "\x0f\xa3\x07", 3},
      {"ud2", "\x0f\x0b", 2},
      {"hlt", "\xf4", 1},
      {"rdssp rax", "\xf3\x48\x0f\x1e\xc8", 5},
      {"xrelease mov [rdi],eax", "\xf3\x89\x07", 3},
      {"nothing", "", 0},
  };
  bench *b = *state;

  memcpy(b->data, b->model, DATA_SIZE);
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct user_regs_struct r = plain_registers(), before = r;

    if (run(b, &r, 0, rows[i].code, rows[i].size) != CORDBG_NOT_EMULATED)
      fail_msg("%s was not refused", rows[i].what);
    assert_memory_equal(&r, &before, sizeof(r));
    assert_memory_equal(b->model, b->data, DATA_SIZE);
  }
}

static void
other_modes_are_refused(void **state)
{
  bench *b = *state;
  struct user_regs_struct r = plain_registers();

  r.cs = 0x23; /* 32-bit code */
  assert_int_equal(RUN(0, "\x90"), CORDBG_NOT_EMULATED);
  r = plain_registers();
  r.eflags |= 0x40000; /* alignment checks */
  assert_int_equal(RUN(0, "\x90"), CORDBG_NOT_EMULATED);
  r = plain_registers();
  assert_int_equal(RUN(CORDBG_EMULATE_SHADOW_STACK, "\xc3"), CORDBG_NOT_EMULATED);
  assert_int_equal(RUN(CORDBG_EMULATE_SHADOW_STACK, "\xe8\0\0\0\0"), CORDBG_NOT_EMULATED);
  assert_int_equal(RUN(CORDBG_EMULATE_SHADOW_STACK, "\x50"), CORDBG_EMULATED);
}

static void
a_store_is_whole_or_not_at_all(void **state)
{
  bench *b = *state;
  struct user_regs_struct r = plain_registers(), before;

  memcpy(b->data, b->model, DATA_SIZE);
  r.rsp = DATA_BASE; /* push: no memory below */
  before = r;
  assert_int_equal(RUN(0, "\x50"), CORDBG_EMULATION_FAULT);
  assert_int_equal(RUN(0, "\xe8\0\0\0\0"), CORDBG_EMULATION_FAULT);
  assert_memory_equal(&r, &before, sizeof(r));
  r.rsp = DATA_BASE + 0x1004; /* the push would cross a page */
  before = r;
  assert_int_equal(RUN(0, "\x50"), CORDBG_NOT_EMULATED);
  assert_memory_equal(&r, &before, sizeof(r));
  r.rsp = UINT64_C(0xffff800000001000);
  before = r;
  assert_int_equal(RUN(0, "\x50"), CORDBG_EMULATION_FAULT);
  r.rsp = 4; /* the address wraps */
  before = r;
  assert_int_equal(RUN(0, "\x50"), CORDBG_EMULATION_FAULT);
  assert_memory_equal(&r, &before, sizeof(r));
  assert_memory_equal(b->model, b->data, DATA_SIZE);
}

static void
row_31_with_other_threads_running_only_single_accesses_are_made(void **state)
{
  bench *b = *state;
  struct user_regs_struct r = plain_registers();

  assert_int_equal(RUN(CORDBG_EMULATE_OTHERS_RUN, "\x55"), CORDBG_EMULATED); /* push rbp */
  r = plain_registers();
  assert_int_equal(RUN(CORDBG_EMULATE_OTHERS_RUN, "\x48\x89\x7d\xf8"), /* mov [rbp-8],rdi */
                   CORDBG_EMULATED);
  r = plain_registers();
  assert_int_equal(RUN(CORDBG_EMULATE_OTHERS_RUN, "\x48\x89\x07"), /* mov [rdi],rax */
                   CORDBG_NOT_EMULATED);
  assert_int_equal(RUN(CORDBG_EMULATE_OTHERS_RUN, "\xff\x07"), /* inc dword [rdi] */
                   CORDBG_NOT_EMULATED);
  assert_int_equal(RUN(CORDBG_EMULATE_OTHERS_RUN, "\x48\x8b\x07"), /* mov rax,[rdi] */
                   CORDBG_EMULATED);
  r = plain_registers();
  r.rdi += 4;
  assert_int_equal(RUN(CORDBG_EMULATE_OTHERS_RUN, "\x48\x8b\x07"), CORDBG_NOT_EMULATED);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_34_emulated_instructions_equal_the_cpu),
      cmocka_unit_test(row_34_random_bytes_equal_the_cpu_or_are_refused),
      cmocka_unit_test(a_prefix_of_an_instruction_is_never_read_past),
      cmocka_unit_test(row_20_code_rewritten_under_a_cached_trap_is_decoded_anew),
      cmocka_unit_test(row_34_the_trap_flag_never_leaks),
      cmocka_unit_test(what_is_not_certain_is_refused_and_changes_nothing),
      cmocka_unit_test(other_modes_are_refused),
      cmocka_unit_test(a_store_is_whole_or_not_at_all),
      cmocka_unit_test(row_31_with_other_threads_running_only_single_accesses_are_made),
  };

  return cmocka_run_group_tests(tests, start_child, end_child);
}
