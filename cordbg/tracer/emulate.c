/* SPDX-License-Identifier: MIT */
/*
 * Executes one decoded instruction (emulate.h says why).
 *
 * An instruction goes through four states, and only the last one can be seen from outside:
 *
 *   decoded -> computed on a copy of the registers, memory read -> stored -> committed
 *
 * Invariants:
 * - At most one store an instruction; it is the last step that can fail, it lies within one page,
 * and the registers are handed over after it. So every instruction happens whole or not at all.
 * - What is not certain to be exact is refused: code that is not 64-bit, the program's own trap
 * flag or alignment checks, addresses outside user space, flags that would be undefined where the
 *   processors differ visibly.
 */
#include "config.h"

#include "cordbg/tracer/emulate-private.h"

#include <string.h>

#define FLAG_CF 0x1u
#define FLAG_PF 0x4u
#define FLAG_AF 0x10u
#define FLAG_ZF 0x40u
#define FLAG_SF 0x80u
#define FLAG_TF 0x100u
#define FLAG_DF 0x400u
#define FLAG_OF 0x800u
#define FLAG_NT 0x4000u
#define FLAG_RF 0x10000u
#define FLAG_VM 0x20000u
#define FLAG_AC 0x40000u
#define FLAG_ID 0x200000u
#define FLAGS_STATUS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)
/* What popf changes at privilege level 3 with IOPL 0, and ptrace can set: not the ID flag. */
#define FLAGS_POPPED (FLAGS_STATUS | FLAG_DF | FLAG_NT | FLAG_AC)

#define PAGE_MASK_4K 0xfffu
#define USER_CODE_SELECTOR 0x33u
/* The end of user space with four-level page tables; a target beyond it is stepped. */
#define USER_SPACE_END 0x7ffffffff000u

typedef struct machine {
  const cordbg_instruction *instr;
  const cordbg_emulate_memory *memory;
  struct user_regs_struct regs;
  uint64_t next; /* rip after the instruction */
  uint64_t store_address;
  uint64_t store_value;
  uint8_t store_size; /* 0: none */
  cordbg_emulation failure;
} machine;

static const uint16_t register_offsets[16] = {
    offsetof(struct user_regs_struct, rax), offsetof(struct user_regs_struct, rcx),
    offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, rbx),
    offsetof(struct user_regs_struct, rsp), offsetof(struct user_regs_struct, rbp),
    offsetof(struct user_regs_struct, rsi), offsetof(struct user_regs_struct, rdi),
    offsetof(struct user_regs_struct, r8),  offsetof(struct user_regs_struct, r9),
    offsetof(struct user_regs_struct, r10), offsetof(struct user_regs_struct, r11),
    offsetof(struct user_regs_struct, r12), offsetof(struct user_regs_struct, r13),
    offsetof(struct user_regs_struct, r14), offsetof(struct user_regs_struct, r15),
};

static uint64_t
size_mask(unsigned int size)
{
  return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

static uint64_t
sign_extend(uint64_t value, unsigned int size)
{
  unsigned int shift = 64 - size * 8;

  return (uint64_t)((int64_t)(value << shift) >> shift);
}

static uint64_t
get_register(const machine *m, unsigned int number)
{
  uint64_t value;

  memcpy(&value, (const char *)&m->regs + register_offsets[number], sizeof(value));
  return value;
}

/* A 32-bit result clears the upper half, a shorter one keeps the rest. */
static void
set_register(machine *m, unsigned int number, unsigned int size, bool high, uint64_t value)
{
  uint64_t whole = get_register(m, number);

  if (high)
    whole = (whole & ~UINT64_C(0xff00)) | ((value & 0xff) << 8);
  else if (size >= 4)
    whole = value & size_mask(size);
  else
    whole = (whole & ~size_mask(size)) | (value & size_mask(size));
  memcpy((char *)&m->regs + register_offsets[number], &whole, sizeof(whole));
}

static bool
fail(machine *m, cordbg_emulation why)
{
  m->failure = why;
  return false;
}

static bool
in_user_space(uint64_t address, unsigned int size)
{
  return address < USER_SPACE_END && size <= USER_SPACE_END - address;
}

/*
 * own: on the thread's own stack by the look of the operand, where no other thread races.
 * Elsewhere, with others running, only an aligned read is let through (see emulate.h).
 */
static bool
load(machine *m, uint64_t address, unsigned int size, bool own, uint64_t *value)
{
  uint64_t bytes = 0;

  if (!in_user_space(address, size))
    return fail(m, CORDBG_EMULATION_FAULT);
  if ((m->memory->flags & CORDBG_EMULATE_OTHERS_RUN) && !own && (address & (size - 1)) != 0)
    return fail(m, CORDBG_NOT_EMULATED);
  if (!m->memory->read(m->memory->data, address, &bytes, size))
    return fail(m, CORDBG_EMULATION_FAULT);
  *value = bytes;
  return true;
}

static bool
store(machine *m, uint64_t address, unsigned int size, bool own, uint64_t value)
{
  if (!in_user_space(address, size))
    return fail(m, CORDBG_EMULATION_FAULT);
  if ((address & PAGE_MASK_4K) + size > PAGE_MASK_4K + 1u)
    return fail(m, CORDBG_NOT_EMULATED);
  if ((m->memory->flags & CORDBG_EMULATE_OTHERS_RUN) && !own)
    return fail(m, CORDBG_NOT_EMULATED);
  m->store_address = address;
  m->store_value = value;
  m->store_size = (uint8_t)size;
  return true;
}

static uint64_t
effective_offset(const machine *m)
{
  const cordbg_instruction *instr = m->instr;
  uint64_t address = (uint64_t)instr->displacement;

  if (instr->base == CORDBG_REGISTER_RIP)
    address += m->regs.rip + instr->length;
  else if (instr->base != CORDBG_REGISTER_NONE)
    address += get_register(m, instr->base);
  if (instr->index != CORDBG_REGISTER_NONE)
    address += get_register(m, instr->index) << instr->scale;
  return instr->address_size == 4 ? address & UINT32_MAX : address;
}

static uint64_t
effective_address(const machine *m)
{
  uint64_t address = effective_offset(m);

  if (m->instr->segment == CORDBG_SEGMENT_FS)
    address += m->regs.fs_base;
  else if (m->instr->segment == CORDBG_SEGMENT_GS)
    address += m->regs.gs_base;
  return address;
}

static bool
memory_is_own(const machine *m)
{
  return (m->instr->base == CORDBG_REGISTER_RSP || m->instr->base == CORDBG_REGISTER_RBP) &&
         m->instr->segment == CORDBG_SEGMENT_FLAT;
}

static bool
get_operand(machine *m, unsigned int number, uint64_t *value)
{
  const cordbg_emulate_operand *operand = &m->instr->operands[number];

  switch (operand->kind) {
  case CORDBG_OPERAND_REGISTER:
    *value = get_register(m, operand->index) >> (operand->high ? 8 : 0) & size_mask(operand->size);
    return true;
  case CORDBG_OPERAND_MEMORY:
    return load(m, effective_address(m), operand->size, memory_is_own(m), value);
  case CORDBG_OPERAND_IMMEDIATE:
    *value = (uint64_t)m->instr->immediate;
    return true;
  case CORDBG_OPERAND_RELATIVE:
    *value = m->next + (uint64_t)m->instr->immediate;
    return true;
  default:
    return fail(m, CORDBG_NOT_EMULATED);
  }
}

static bool
set_operand(machine *m, unsigned int number, uint64_t value)
{
  const cordbg_emulate_operand *operand = &m->instr->operands[number];

  if (operand->kind == CORDBG_OPERAND_REGISTER) {
    set_register(m, operand->index, operand->size, operand->high, value);
    return true;
  }
  if (operand->kind == CORDBG_OPERAND_MEMORY)
    return store(m, effective_address(m), operand->size, memory_is_own(m),
                 value & size_mask(operand->size));
  return fail(m, CORDBG_NOT_EMULATED);
}

static void
set_flags(machine *m, uint64_t which, uint64_t flags)
{
  m->regs.eflags = (m->regs.eflags & ~which) | (flags & which);
}

static bool
carry(const machine *m)
{
  return m->regs.eflags & FLAG_CF;
}

/* SF, ZF and PF of a result. */
static uint64_t
result_flags(uint64_t value, unsigned int size)
{
  uint64_t flags = 0;

  value &= size_mask(size);
  if (value == 0)
    flags |= FLAG_ZF;
  if (value >> (size * 8 - 1))
    flags |= FLAG_SF;
  if (!__builtin_parity((unsigned int)(value & 0xff)))
    flags |= FLAG_PF;
  return flags;
}

static uint64_t
add(machine *m, uint64_t a, uint64_t b, bool carry_in, unsigned int size)
{
  unsigned int top = size * 8 - 1;
  uint64_t r = a + b + carry_in;
  uint64_t flags = result_flags(r, size) | ((a ^ b ^ r) & FLAG_AF);

  if (((a & b) | ((a | b) & ~r)) >> top & 1)
    flags |= FLAG_CF;
  if (((a ^ r) & (b ^ r)) >> top & 1)
    flags |= FLAG_OF;
  set_flags(m, FLAGS_STATUS, flags);
  return r;
}

static uint64_t
subtract(machine *m, uint64_t a, uint64_t b, bool borrow_in, unsigned int size)
{
  unsigned int top = size * 8 - 1;
  uint64_t r = a - b - borrow_in;
  uint64_t flags = result_flags(r, size) | ((a ^ b ^ r) & FLAG_AF);

  if (((~a & b) | ((~a | b) & r)) >> top & 1)
    flags |= FLAG_CF;
  if (((a ^ b) & (a ^ r)) >> top & 1)
    flags |= FLAG_OF;
  set_flags(m, FLAGS_STATUS, flags);
  return r;
}

/* CF and OF are cleared; AF is undefined, and cleared by the processors in use. */
static uint64_t
logic(machine *m, uint64_t r, unsigned int size)
{
  set_flags(m, FLAGS_STATUS, result_flags(r, size));
  return r;
}

/* Two operands, the first is also the destination (cmp and test: not). */
static bool
binary(machine *m)
{
  unsigned int size = m->instr->operands[0].size;
  uint64_t a, b, r;

  if (!get_operand(m, 0, &a) || !get_operand(m, 1, &b))
    return false;
  b &= size_mask(size);
  switch (m->instr->operation) {
  case CORDBG_OP_ADD:
    r = add(m, a, b, false, size);
    break;
  case CORDBG_OP_ADC:
    r = add(m, a, b, carry(m), size);
    break;
  case CORDBG_OP_SUB:
    r = subtract(m, a, b, false, size);
    break;
  case CORDBG_OP_SBB:
    r = subtract(m, a, b, carry(m), size);
    break;
  case CORDBG_OP_CMP:
    subtract(m, a, b, false, size);
    return true;
  case CORDBG_OP_AND:
    r = logic(m, a & b, size);
    break;
  case CORDBG_OP_OR:
    r = logic(m, a | b, size);
    break;
  case CORDBG_OP_XOR:
    r = logic(m, a ^ b, size);
    break;
  case CORDBG_OP_TEST:
    logic(m, a & b, size);
    return true;
  default:
    return fail(m, CORDBG_NOT_EMULATED);
  }
  return set_operand(m, 0, r);
}

static bool
unary(machine *m)
{
  unsigned int size = m->instr->operands[0].size;
  uint64_t kept_carry = m->regs.eflags & FLAG_CF;
  uint64_t a, r;

  if (!get_operand(m, 0, &a))
    return false;
  switch (m->instr->operation) {
  case CORDBG_OP_INC:
    r = add(m, a, 1, false, size);
    set_flags(m, FLAG_CF, kept_carry);
    break;
  case CORDBG_OP_DEC:
    r = subtract(m, a, 1, false, size);
    set_flags(m, FLAG_CF, kept_carry);
    break;
  case CORDBG_OP_NEG:
    r = subtract(m, 0, a, false, size);
    break;
  default:
    r = ~a;
    break;
  }
  return set_operand(m, 0, r);
}

/*
 * A count of zero changes no flag. Above one, OF is undefined; counts that shift everything out of
 * a short operand leave CF undefined: refused.
 */
static bool
shift(machine *m)
{
  unsigned int size = m->instr->operands[0].size;
  unsigned int bits = size * 8;
  uint64_t a, wide, r, flags;
  bool out, top;

  if (!get_operand(m, 0, &a) || !get_operand(m, 1, &wide))
    return false;
  wide &= size == 8 ? 63 : 31;
  if (wide == 0)
    return set_operand(m, 0, a);
  if (wide >= bits)
    return fail(m, CORDBG_NOT_EMULATED);
  if (m->instr->operation == CORDBG_OP_SHL) {
    out = a >> (bits - wide) & 1;
    r = a << wide;
    top = (r >> (bits - 1) & 1) ^ out;
  } else if (m->instr->operation == CORDBG_OP_SHR) {
    out = a >> (wide - 1) & 1;
    r = a >> wide;
    top = a >> (bits - 1) & 1;
  } else {
    out = a >> (wide - 1) & 1;
    r = (uint64_t)((int64_t)sign_extend(a, size) >> wide);
    top = false;
  }
  flags = result_flags(r, size) | (out ? FLAG_CF : 0) | (top ? FLAG_OF : 0);
  set_flags(m, FLAGS_STATUS, flags);
  return set_operand(m, 0, r);
}

static bool
multiply(machine *m)
{
  unsigned int size = m->instr->operands[0].size;
  bool three = m->instr->operand_count == 3;
  uint64_t a, b;
  __int128 product;
  bool overflow;

  if (!get_operand(m, three ? 1 : 0, &a) || !get_operand(m, three ? 2 : 1, &b))
    return false;
  a = sign_extend(a, size);
  b = sign_extend(b, size);
  product = (__int128)(int64_t)a * (int64_t)b;
  overflow = product != (__int128)(int64_t)sign_extend((uint64_t)product, size);
  set_flags(m, FLAG_CF | FLAG_OF, overflow ? FLAG_CF | FLAG_OF : 0);
  return set_operand(m, 0, (uint64_t)product);
}

static bool
move(machine *m)
{
  uint64_t value, other;

  switch (m->instr->operation) {
  case CORDBG_OP_LEA:
    return set_operand(m, 0, effective_offset(m));
  case CORDBG_OP_XCHG:
    if (!get_operand(m, 0, &value) || !get_operand(m, 1, &other))
      return false;
    return set_operand(m, 0, other) && set_operand(m, 1, value);
  case CORDBG_OP_MOVSX:
    if (!get_operand(m, 1, &value))
      return false;
    return set_operand(m, 0, sign_extend(value, m->instr->operands[1].size));
  default: /* mov, movzx */
    return get_operand(m, 1, &value) && set_operand(m, 0, value);
  }
}

static bool
bits(machine *m)
{
  unsigned int size = m->instr->operands[0].size;
  uint64_t a, b;

  if (!get_operand(m, 0, &a))
    return false;
  if (m->instr->operation == CORDBG_OP_BSWAP)
    return set_operand(m, 0, size == 8 ? __builtin_bswap64(a) : __builtin_bswap32((uint32_t)a));
  if (!get_operand(m, 1, &b))
    return false;
  set_flags(m, FLAG_CF, a >> (b & (size * 8 - 1)) & 1);
  return true;
}

static bool
condition_holds(const machine *m)
{
  uint64_t flags = m->regs.eflags;
  bool sign_differs = !(flags & FLAG_SF) != !(flags & FLAG_OF);
  bool holds = false;

  switch (m->instr->condition >> 1) {
  case 0:
    holds = flags & FLAG_OF;
    break;
  case 1:
    holds = flags & FLAG_CF;
    break;
  case 2:
    holds = flags & FLAG_ZF;
    break;
  case 3:
    holds = flags & (FLAG_CF | FLAG_ZF);
    break;
  case 4:
    holds = flags & FLAG_SF;
    break;
  case 5:
    holds = flags & FLAG_PF;
    break;
  case 6:
    holds = sign_differs;
    break;
  default:
    holds = sign_differs || (flags & FLAG_ZF);
    break;
  }
  return holds != (m->instr->condition & 1);
}

static bool
conditional(machine *m)
{
  uint64_t value, kept;

  if (m->instr->operation == CORDBG_OP_SET)
    return set_operand(m, 0, condition_holds(m));
  /* cmov reads its source whatever the condition, and clears the upper half in any case */
  if (!get_operand(m, 1, &value) || !get_operand(m, 0, &kept))
    return false;
  return set_operand(m, 0, condition_holds(m) ? value : kept);
}

static bool
widen(machine *m)
{
  unsigned int size = m->instr->size;

  if (size != 2 && size != 4 && size != 8)
    return fail(m, CORDBG_NOT_EMULATED);
  if (m->instr->operation == CORDBG_OP_WIDEN)
    set_register(m, 0, size, false, sign_extend(m->regs.rax, size / 2));
  else
    set_register(m, 2, size, false, sign_extend(m->regs.rax, size) >> 63 ? UINT64_MAX : 0);
  return true;
}

static bool
go_to(machine *m, uint64_t target)
{
  if (!in_user_space(target, 1))
    return fail(m, CORDBG_NOT_EMULATED); /* where it faults differs between processors */
  m->next = target;
  return true;
}

static bool
push(machine *m, uint64_t value)
{
  m->regs.rsp -= 8;
  return store(m, m->regs.rsp, 8, true, value);
}

static bool
pop(machine *m, uint64_t *value)
{
  if (!load(m, m->regs.rsp, 8, true, value))
    return false;
  m->regs.rsp += 8;
  return true;
}

static bool
stack(machine *m)
{
  uint64_t value;

  switch (m->instr->operation) {
  case CORDBG_OP_PUSH:
    return get_operand(m, 0, &value) && push(m, value);
  case CORDBG_OP_POP: /* a memory operand is addressed with the rsp after the pop */
    return pop(m, &value) && set_operand(m, 0, value);
  case CORDBG_OP_PUSHF:
    return push(m, m->regs.eflags & ~(uint64_t)(FLAG_TF | FLAG_RF | FLAG_VM));
  case CORDBG_OP_POPF:
    if (!pop(m, &value))
      return false;
    if ((value & FLAG_TF) || ((value ^ m->regs.eflags) & FLAG_ID))
      return fail(m, CORDBG_NOT_EMULATED);
    set_flags(m, FLAGS_POPPED, value);
    return true;
  default: /* leave */
    m->regs.rsp = m->regs.rbp;
    if (!pop(m, &value))
      return false;
    m->regs.rbp = value;
    return true;
  }
}

static bool
branch(machine *m)
{
  bool shadow = m->memory->flags & CORDBG_EMULATE_SHADOW_STACK;
  uint64_t target, count, back = m->next;

  switch (m->instr->operation) {
  case CORDBG_OP_JMP:
    return get_operand(m, 0, &target) && go_to(m, target);
  case CORDBG_OP_JCC:
    return !condition_holds(m) || (get_operand(m, 0, &target) && go_to(m, target));
  case CORDBG_OP_JRCXZ:
    count = m->regs.rcx & size_mask(m->instr->size);
    return count != 0 || (get_operand(m, 0, &target) && go_to(m, target));
  case CORDBG_OP_CALL:
    if (shadow)
      return fail(m, CORDBG_NOT_EMULATED);
    return get_operand(m, 0, &target) && go_to(m, target) && push(m, back);
  default: /* ret */
    if (shadow)
      return fail(m, CORDBG_NOT_EMULATED);
    if (!pop(m, &target) || !go_to(m, target))
      return false;
    if (m->instr->operand_count > 0)
      m->regs.rsp += (uint64_t)m->instr->immediate & 0xffff;
    return true;
  }
}

static bool
execute(machine *m)
{
  switch ((cordbg_operation)m->instr->operation) {
  case CORDBG_OP_NOP:
    return true;
  case CORDBG_OP_MOV:
  case CORDBG_OP_MOVZX:
  case CORDBG_OP_MOVSX:
  case CORDBG_OP_LEA:
  case CORDBG_OP_XCHG:
    return move(m);
  case CORDBG_OP_ADD:
  case CORDBG_OP_ADC:
  case CORDBG_OP_SUB:
  case CORDBG_OP_SBB:
  case CORDBG_OP_CMP:
  case CORDBG_OP_AND:
  case CORDBG_OP_OR:
  case CORDBG_OP_XOR:
  case CORDBG_OP_TEST:
    return binary(m);
  case CORDBG_OP_INC:
  case CORDBG_OP_DEC:
  case CORDBG_OP_NEG:
  case CORDBG_OP_NOT:
    return unary(m);
  case CORDBG_OP_SHL:
  case CORDBG_OP_SHR:
  case CORDBG_OP_SAR:
    return shift(m);
  case CORDBG_OP_IMUL:
    return multiply(m);
  case CORDBG_OP_BT:
  case CORDBG_OP_BSWAP:
    return bits(m);
  case CORDBG_OP_SET:
  case CORDBG_OP_CMOV:
    return conditional(m);
  case CORDBG_OP_WIDEN:
  case CORDBG_OP_SPREAD:
    return widen(m);
  case CORDBG_OP_CLC:
  case CORDBG_OP_STC:
  case CORDBG_OP_CMC:
    set_flags(m, FLAG_CF,
              m->instr->operation == CORDBG_OP_STC ||
                  (m->instr->operation == CORDBG_OP_CMC && !carry(m)));
    return true;
  case CORDBG_OP_PUSH:
  case CORDBG_OP_POP:
  case CORDBG_OP_PUSHF:
  case CORDBG_OP_POPF:
  case CORDBG_OP_LEAVE:
    return stack(m);
  case CORDBG_OP_CALL:
  case CORDBG_OP_RET:
  case CORDBG_OP_JMP:
  case CORDBG_OP_JCC:
  case CORDBG_OP_JRCXZ:
    return branch(m);
  case CORDBG_OP_REFUSED:
    break;
  }
  return fail(m, CORDBG_NOT_EMULATED);
}

/* The instruction at rip from the cache, decoded into it or into *local. NULL: no instruction. */
static const cordbg_instruction *
look_up(cordbg_emulate_cache *cache, uint64_t rip, const uint8_t *code, size_t size,
        cordbg_instruction *local)
{
  uint64_t hash = rip * UINT64_C(0x9e3779b97f4a7c15);
  cordbg_instruction *slot;

  if (!cache)
    return cordbg_instruction_decode(code, size, local) ? local : NULL;
  slot = &cache->slots[(hash >> 32) % CORDBG_EMULATE_CACHE_SLOTS];
  if (slot->length > 0 && slot->length <= size && memcmp(slot->bytes, code, slot->length) == 0) {
    cache->hits++;
    return slot;
  }
  cache->misses++;
  return cordbg_instruction_decode(code, size, slot) ? slot : NULL;
}

cordbg_emulation
cordbg_emulate(cordbg_emulate_cache *cache, const uint8_t *code, size_t size,
               struct user_regs_struct *registers, const cordbg_emulate_memory *memory)
{
  cordbg_instruction local;
  machine m;

  if ((registers->cs & 0xffff) != USER_CODE_SELECTOR ||
      (registers->eflags & (FLAG_TF | FLAG_VM | FLAG_AC)) != 0)
    return CORDBG_NOT_EMULATED;
  m.instr = look_up(cache, registers->rip, code, size, &local);
  if (!m.instr || m.instr->operation == CORDBG_OP_REFUSED)
    return CORDBG_NOT_EMULATED;
  m.memory = memory;
  m.regs = *registers;
  m.next = registers->rip + m.instr->length;
  m.store_size = 0;
  m.failure = CORDBG_NOT_EMULATED;
  if (!execute(&m) || !in_user_space(m.next, 1))
    return m.failure;
  if (m.store_size > 0 &&
      !memory->write(memory->data, m.store_address, &m.store_value, m.store_size))
    return CORDBG_EMULATION_FAULT;
  m.regs.rip = m.next;
  m.regs.eflags &= ~(uint64_t)FLAG_RF;
  *registers = m.regs;
  return CORDBG_EMULATED;
}
