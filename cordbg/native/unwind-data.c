/* SPDX-License-Identifier: MIT */
/*
 * libdw finds and interprets the call-frame information; what it says of one PC is kept as rules.
 *
 * Why not its own frame walk (dwfl_getthreads): that reads through its own callbacks for whole
 * processes, knows nothing of managed frames, and interprets each program anew at each frame.
 *
 * Invariants: an expression runs at most STEPS_MAX operations on a stack of DEPTH_MAX; at most
 * RULES_MAX rules are kept an image. Both come from the target's files, which may be made up.
 */
#include "config.h"

#include "cordbg/native/unwind-data.h"

#include <dwarf.h>
#include <gelf.h>
#include <glib.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULES_MAX 16384u
#define EXPRESSION_MAX 256u
#define STEPS_MAX 1024u
#define DEPTH_MAX 64u

struct cordbg_unwind_data {
  int fd;      /* -1: bytes */
  void *bytes; /* NULL: fd */
  Elf *elf;
  Dwarf_CFI *cfi;    /* NULL: the image has none */
  GHashTable *rules; /* file address -> cordbg_unwind_rules, NULL: none there */
};

/* ------------------------------------------------------------------ the image */

static void
rules_free(void *data)
{
  cordbg_unwind_rules *rules = data;

  if (!rules)
    return;
  for (uint32_t i = 0; i < rules->expression_count; i++)
    g_free(rules->expressions[i].ops);
  g_free(rules->expressions);
  g_free(rules);
}

static cordbg_unwind_data *
data_new(Elf *elf, int fd, void *bytes)
{
  cordbg_unwind_data *data = g_new0(cordbg_unwind_data, 1);

  data->fd = fd;
  data->bytes = bytes;
  data->elf = elf;
  data->rules = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, rules_free);
  if (!elf || elf_kind(elf) != ELF_K_ELF) {
    cordbg_unwind_data_free(data);
    return NULL;
  }
  data->cfi = dwarf_getcfi_elf(elf);
  return data;
}

cordbg_unwind_data *
cordbg_unwind_data_from_file(int fd)
{
  elf_version(EV_CURRENT);
  return data_new(elf_begin(fd, ELF_C_READ, NULL), fd, NULL);
}

cordbg_unwind_data *
cordbg_unwind_data_from_bytes(void *bytes, size_t size)
{
  elf_version(EV_CURRENT);
  return data_new(elf_memory(bytes, size), -1, bytes);
}

void
cordbg_unwind_data_free(cordbg_unwind_data *data)
{
  if (!data)
    return;
  g_hash_table_unref(data->rules);
  if (data->cfi)
    dwarf_cfi_end(data->cfi);
  if (data->elf)
    elf_end(data->elf);
  if (data->fd >= 0)
    close(data->fd);
  g_free(data->bytes);
  g_free(data);
}

bool
cordbg_unwind_data_is_empty(const cordbg_unwind_data *data)
{
  Elf_Scn *section = NULL;
  size_t names;

  if (!data->cfi)
    return true;
  if (elf_getshdrstrndx(data->elf, &names) != 0)
    return false;
  while ((section = elf_nextscn(data->elf, section))) {
    GElf_Shdr head;
    const char *name;

    if (gelf_getshdr(section, &head) && (name = elf_strptr(data->elf, names, head.sh_name)) &&
        strcmp(name, ".eh_frame") == 0)
      return head.sh_size == 0;
  }
  return false;
}

/* ------------------------------------------------------------------ from libdw's form to ours */

static bool
fits(int64_t offset)
{
  return offset >= INT32_MIN && offset <= INT32_MAX;
}

static bool
keep_expression(cordbg_unwind_rules *rules, const Dwarf_Op *ops, size_t count,
                cordbg_unwind_rule *ret)
{
  cordbg_unwind_expression *expression;

  if (count > EXPRESSION_MAX)
    return false;
  rules->expressions =
      g_renew(cordbg_unwind_expression, rules->expressions, rules->expression_count + 1);
  expression = &rules->expressions[rules->expression_count];
  expression->count = count;
  expression->ops = g_memdup2(ops, count * sizeof(*ops));
  *ret = (cordbg_unwind_rule){.kind = CORDBG_RULE_EXPRESSION,
                              .offset = (int32_t)rules->expression_count++};
  return true;
}

/* A register and an offset, as one operation. */
static bool
is_based(const Dwarf_Op *op, cordbg_unwind_rule *ret)
{
  uint64_t reg;
  int64_t offset;

  if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
    reg = op->atom - DW_OP_breg0;
    offset = (int64_t)op->number;
  } else if (op->atom == DW_OP_bregx) {
    reg = op->number;
    offset = (int64_t)op->number2;
  } else
    return false;
  if (reg >= CORDBG_DWARF_COUNT || !fits(offset))
    return false;
  *ret = (cordbg_unwind_rule){
      .kind = CORDBG_RULE_REGISTER, .reg = (uint8_t)reg, .offset = (int32_t)offset};
  return true;
}

static bool
take_cfa(cordbg_unwind_rules *rules, Dwarf_Frame *frame)
{
  Dwarf_Op *ops;
  size_t count;

  if (dwarf_frame_cfa(frame, &ops, &count) != 0 || count == 0)
    return false;
  if (count == 1 && is_based(&ops[0], &rules->cfa))
    return true;
  return keep_expression(rules, ops, count, &rules->cfa);
}

static bool
take_register(cordbg_unwind_rules *rules, Dwarf_Frame *frame, int number)
{
  cordbg_unwind_rule *rule = &rules->registers[number];
  Dwarf_Op memory[3], *ops;
  size_t count, at = 1;

  if (dwarf_frame_register(frame, number, memory, &ops, &count) != 0)
    return false;
  if (count == 0) {
    rule->kind = ops ? CORDBG_RULE_UNDEFINED : CORDBG_RULE_SAME;
    return true;
  }
  if (count == 1 && ops[0].atom == DW_OP_regx && ops[0].number < CORDBG_DWARF_COUNT) {
    *rule = (cordbg_unwind_rule){.kind = CORDBG_RULE_REGISTER, .reg = (uint8_t)ops[0].number};
    return true;
  }
  if (ops == memory && ops[0].atom == DW_OP_call_frame_cfa) {
    rule->kind = CORDBG_RULE_SAVED;
    if (at < count && ops[at].atom == DW_OP_plus_uconst && fits((int64_t)ops[at].number))
      rule->offset = (int32_t)(int64_t)ops[at++].number;
    if (at < count && ops[at].atom == DW_OP_stack_value) {
      rule->kind = CORDBG_RULE_VALUE;
      at++;
    }
    if (at == count)
      return true;
  }
  return keep_expression(rules, ops, count, rule);
}

static cordbg_unwind_rules *
rules_from(Dwarf_CFI *cfi, uint64_t address)
{
  Dwarf_Frame *frame = NULL;
  cordbg_unwind_rules *rules;
  bool good;

  if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame) != 0)
    return NULL;
  rules = g_new0(cordbg_unwind_rules, 1);
  good = dwarf_frame_info(frame, NULL, NULL, &rules->signal) == CORDBG_DWARF_RIP &&
         take_cfa(rules, frame);
  for (int i = 0; good && i < CORDBG_DWARF_COUNT; i++)
    good = take_register(rules, frame, i);
  free(frame);
  if (good)
    return rules;
  rules_free(rules);
  return NULL;
}

const cordbg_unwind_rules *
cordbg_unwind_data_at(cordbg_unwind_data *data, Dwarf *debug, uint64_t address)
{
  gpointer key = (gpointer)(uintptr_t)address, known;
  cordbg_unwind_rules *rules;

  if (g_hash_table_lookup_extended(data->rules, key, NULL, &known) && (known || !debug))
    return known;
  rules = rules_from(data->cfi, address);
  if (!rules && debug)
    rules = rules_from(dwarf_getcfi(debug), address);
  if (g_hash_table_size(data->rules) >= RULES_MAX)
    g_hash_table_remove_all(data->rules);
  g_hash_table_insert(data->rules, key, rules);
  return rules;
}

/* ------------------------------------------------------------------ evaluation */

unsigned long long *
cordbg_dwarf_register(struct user_regs_struct *r, unsigned number)
{
  unsigned long long *const all[CORDBG_DWARF_COUNT] = {
      &r->rax, &r->rdx, &r->rcx, &r->rbx, &r->rsi, &r->rdi, &r->rbp, &r->rsp, &r->r8,
      &r->r9,  &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15, &r->rip};

  return all[number];
}

static uint64_t
value_of(const struct user_regs_struct *registers, unsigned number)
{
  return *cordbg_dwarf_register((struct user_regs_struct *)registers, number);
}

typedef struct machine {
  cordbg_walk_memory *memory;
  const struct user_regs_struct *registers;
  uint64_t bias;
  uint64_t cfa;
  bool is_value; /* the result is the value itself, not where it is saved */
  size_t depth;
  uint64_t stack[DEPTH_MAX];
} machine;

static bool
push(machine *m, uint64_t value)
{
  if (m->depth >= DEPTH_MAX)
    return false;
  m->stack[m->depth++] = value;
  return true;
}

static bool
binary(machine *m, uint8_t atom)
{
  uint64_t a, b;

  if (m->depth < 2)
    return false;
  b = m->stack[--m->depth];
  a = m->stack[m->depth - 1];
  switch (atom) {
  case DW_OP_plus:
    a += b;
    break;
  case DW_OP_minus:
    a -= b;
    break;
  case DW_OP_mul:
    a *= b;
    break;
  case DW_OP_and:
    a &= b;
    break;
  case DW_OP_or:
    a |= b;
    break;
  case DW_OP_xor:
    a ^= b;
    break;
  case DW_OP_shl:
    a = b < 64 ? a << b : 0;
    break;
  case DW_OP_shr:
    a = b < 64 ? a >> b : 0;
    break;
  case DW_OP_shra:
    a = (uint64_t)((int64_t)a >> (b < 64 ? b : 63));
    break;
  case DW_OP_eq:
    a = a == b;
    break;
  case DW_OP_ne:
    a = a != b;
    break;
  case DW_OP_lt:
    a = (int64_t)a < (int64_t)b;
    break;
  case DW_OP_le:
    a = (int64_t)a <= (int64_t)b;
    break;
  case DW_OP_gt:
    a = (int64_t)a > (int64_t)b;
    break;
  case DW_OP_ge:
    a = (int64_t)a >= (int64_t)b;
    break;
  default: /* division is not needed by any unwind description known */
    return false;
  }
  m->stack[m->depth - 1] = a;
  return true;
}

static bool
dereference(machine *m, size_t size)
{
  uint64_t value = 0;

  if (m->depth < 1 || size == 0 || size > sizeof(value) ||
      !cordbg_walk_memory_read(m->memory, m->stack[m->depth - 1], &value, size))
    return false;
  m->stack[m->depth - 1] = value;
  return true;
}

static bool
shuffle(machine *m, const Dwarf_Op *op)
{
  uint64_t *top = m->stack + m->depth, swapped;

  switch (op->atom) {
  case DW_OP_dup:
    return m->depth >= 1 && push(m, top[-1]);
  case DW_OP_over:
    return m->depth >= 2 && push(m, top[-2]);
  case DW_OP_pick:
    return op->number < m->depth && push(m, top[-1 - (ptrdiff_t)op->number]);
  case DW_OP_drop:
    m->depth -= m->depth > 0;
    return true;
  case DW_OP_swap:
    if (m->depth < 2)
      return false;
    swapped = top[-1];
    top[-1] = top[-2];
    top[-2] = swapped;
    return true;
  case DW_OP_rot:
    if (m->depth < 3)
      return false;
    swapped = top[-1];
    top[-1] = top[-2];
    top[-2] = top[-3];
    top[-3] = swapped;
    return true;
  default:
    return false;
  }
}

static bool
run_one(machine *m, const Dwarf_Op *op)
{
  uint8_t atom = op->atom;

  if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
    return push(m, (uint64_t)(atom - DW_OP_lit0));
  if (atom >= DW_OP_breg0 && atom <= DW_OP_breg16)
    return push(m, value_of(m->registers, (unsigned)(atom - DW_OP_breg0)) + op->number);
  switch (atom) {
  case DW_OP_bregx:
    return op->number < CORDBG_DWARF_COUNT &&
           push(m, value_of(m->registers, (unsigned)op->number) + op->number2);
  case DW_OP_addr:
    return push(m, op->number + m->bias);
  case DW_OP_const1u:
  case DW_OP_const1s:
  case DW_OP_const2u:
  case DW_OP_const2s:
  case DW_OP_const4u:
  case DW_OP_const4s:
  case DW_OP_const8u:
  case DW_OP_const8s:
  case DW_OP_constu:
  case DW_OP_consts:
    return push(m, op->number);
  case DW_OP_call_frame_cfa:
    return push(m, m->cfa);
  case DW_OP_plus_uconst:
    return m->depth >= 1 && (m->stack[m->depth - 1] += op->number, true);
  case DW_OP_neg:
    return m->depth >= 1 && (m->stack[m->depth - 1] = 0 - m->stack[m->depth - 1], true);
  case DW_OP_not:
    return m->depth >= 1 && (m->stack[m->depth - 1] = ~m->stack[m->depth - 1], true);
  case DW_OP_deref:
    return dereference(m, sizeof(uint64_t));
  case DW_OP_deref_size:
    return dereference(m, op->number);
  case DW_OP_stack_value:
    m->is_value = true;
    return true;
  case DW_OP_nop:
    return true;
  default:
    return shuffle(m, op) || binary(m, atom);
  }
}

/* Where a jump goes: the index of the operation at the offset, or count when there is none. */
static size_t
jump(const cordbg_unwind_expression *expression, const Dwarf_Op *op)
{
  uint64_t offset = op->offset + 3 + (uint64_t)(int64_t)(int16_t)op->number;
  size_t i = 0;

  while (i < expression->count && expression->ops[i].offset != offset)
    i++;
  return i;
}

static bool
evaluate(machine *m, const cordbg_unwind_expression *expression, uint64_t *ret)
{
  size_t at = 0;

  m->depth = 0;
  m->is_value = false;
  for (unsigned steps = 0; at < expression->count; steps++) {
    const Dwarf_Op *op = &expression->ops[at++];

    if (steps >= STEPS_MAX)
      return false;
    if (op->atom == DW_OP_skip || op->atom == DW_OP_bra) {
      if (op->atom == DW_OP_bra && m->depth < 1)
        return false;
      if (op->atom == DW_OP_skip || m->stack[--m->depth] != 0)
        at = jump(expression, op);
    } else if (!run_one(m, op))
      return false;
  }
  if (m->depth < 1)
    return false;
  *ret = m->stack[m->depth - 1];
  return true;
}

static HRESULT
cannot(cordbg_error *error, uint64_t pc, const char *what)
{
  return cordbg_error_set(error, CORDBG_E_READVIRTUAL_FAILURE, 0, pc,
                          "the frame at 0x%" PRIx64 " cannot be unwound: %s", pc, what);
}

static bool
apply_one(machine *m, const cordbg_unwind_rules *rules, const cordbg_unwind_rule *rule,
          unsigned number, uint64_t *ret)
{
  uint64_t value;

  switch (rule->kind) {
  case CORDBG_RULE_SAVED:
    return cordbg_walk_memory_read(m->memory, m->cfa + (uint64_t)(int64_t)rule->offset, ret,
                                   sizeof(*ret));
  case CORDBG_RULE_VALUE:
    *ret = m->cfa + (uint64_t)(int64_t)rule->offset;
    return true;
  case CORDBG_RULE_REGISTER:
    *ret = value_of(m->registers, rule->reg) + (uint64_t)(int64_t)rule->offset;
    return true;
  case CORDBG_RULE_EXPRESSION:
    if (!evaluate(m, &rules->expressions[rule->offset], &value))
      return false;
    if (m->is_value) {
      *ret = value;
      return true;
    }
    return cordbg_walk_memory_read(m->memory, value, ret, sizeof(*ret));
  default: /* the stack pointer without a rule is the CFA by definition */
    *ret = number == CORDBG_DWARF_RSP ? m->cfa : value_of(m->registers, number);
    return true;
  }
}

HRESULT
cordbg_unwind_rules_apply(const cordbg_unwind_rules *rules, uint64_t bias,
                          cordbg_walk_memory *memory, const struct user_regs_struct *frame,
                          struct user_regs_struct *caller, uint64_t *cfa, cordbg_error *error)
{
  machine m = {.memory = memory, .registers = frame, .bias = bias};
  struct user_regs_struct found = *frame;

  if (rules->cfa.kind == CORDBG_RULE_REGISTER)
    m.cfa = value_of(frame, rules->cfa.reg) + (uint64_t)(int64_t)rules->cfa.offset;
  else if (!evaluate(&m, &rules->expressions[rules->cfa.offset], &m.cfa))
    return cannot(error, frame->rip, "its frame address cannot be computed");
  if (rules->registers[CORDBG_DWARF_RIP].kind == CORDBG_RULE_UNDEFINED)
    return S_FALSE;
  for (unsigned i = 0; i < CORDBG_DWARF_COUNT; i++) {
    uint64_t value;

    if (!apply_one(&m, rules, &rules->registers[i], i, &value))
      return cannot(error, frame->rip, "the stack cannot be read where its registers are saved");
    *cordbg_dwarf_register(&found, i) = value;
  }
  *caller = found;
  *cfa = m.cfa;
  return S_OK;
}
