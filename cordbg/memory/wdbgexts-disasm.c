/* SPDX-License-Identifier: MIT */
/*
 * Instructions as text, by Zydis: addresses in operands get their symbols, and the current
 * instruction's memory operand what it reaches.
 *
 *   00007ff0`00401136 e8c5feffff           call program!work (00007ff0`00401000)
 */
#include "config.h"

#include "cordbg/memory/wdbgexts-private.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

/* Of a name in an operand: a line has room for two. */
#define NAME_MAX_BYTES 120

typedef struct naming {
  cordbg_extension_session *session; /* NULL: no names */
  ZydisFormatterFunc plain;          /* what prints an address without a name */
} naming;

static int
address_text(char *text, size_t size, uint64_t address)
{
  return snprintf(text, size, "%08x`%08x", (unsigned)(address >> 32), (unsigned)address);
}

/* An absolute address in an operand: symbol+0xN (address). */
static ZyanStatus
print_address(const ZydisFormatter *formatter, ZydisFormatterBuffer *buffer,
              ZydisFormatterContext *context)
{
  const naming *names = context->user_data;
  ZyanU64 address;
  ZyanString *string;
  char name[NAME_MAX_BYTES], text[NAME_MAX_BYTES + 64], number[24];
  uint64_t displacement;
  cordbg_error error;
  if (names->session == NULL ||
      !ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(context->instruction, context->operand,
                                             context->runtime_address, &address)) ||
      cordbg_extension_name(names->session, address, name, sizeof name, &displacement, &error) !=
          S_OK)
    return names->plain(formatter, buffer, context);
  address_text(number, sizeof number, address);
  if (displacement == 0)
    snprintf(text, sizeof text, "%s (%s)", name, number);
  else
    snprintf(text, sizeof text, "%s+0x%llx (%s)", name, (unsigned long long)displacement, number);
  ZyanStringView view;
  ZYAN_CHECK(ZydisFormatterBufferAppend(buffer, ZYDIS_TOKEN_SYMBOL));
  ZYAN_CHECK(ZydisFormatterBufferGetString(buffer, &string));
  ZYAN_CHECK(ZyanStringViewInsideBuffer(&view, text));
  return ZyanStringAppend(string, &view);
}

/* Zydis' register, from the thread's. */
static void
give_register(ZydisRegisterContext *context, ZydisRegister wide, uint64_t value)
{
  context->values[wide] = value;
  if (wide >= ZYDIS_REGISTER_RAX && wide <= ZYDIS_REGISTER_R15)
    context->values[ZYDIS_REGISTER_EAX + (wide - ZYDIS_REGISTER_RAX)] = (uint32_t)value;
}

static void
give_registers(ZydisRegisterContext *context, const struct user_regs_struct *from)
{
  const uint64_t values[] = {from->rax, from->rcx, from->rdx, from->rbx, from->rsp, from->rbp,
                             from->rsi, from->rdi, from->r8,  from->r9,  from->r10, from->r11,
                             from->r12, from->r13, from->r14, from->r15};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
    give_register(context, (ZydisRegister)(ZYDIS_REGISTER_RAX + (int)i), values[i]);
}

/* " ds:address=value" of the first memory operand, when the current thread stands here. */
static void
append_effective(cordbg_extension_session *session, uint64_t address,
                 const ZydisDecodedInstruction *instruction, const ZydisDecodedOperand *operands,
                 char *line, size_t size)
{
  cordbg_registers registers;
  cordbg_error error;
  if (FAILED(cordbg_extension_registers(session, cordbg_extension_thread(session), &registers,
                                        &error)) ||
      registers.general.rip != address)
    return;
  for (int i = 0; i < instruction->operand_count_visible; i++) {
    const ZydisDecodedOperand *operand = &operands[i];
    ZydisRegisterContext context = {0};
    ZyanU64 effective;
    if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
      continue;
    give_registers(&context, &registers.general);
    if (!ZYAN_SUCCESS(
            ZydisCalcAbsoluteAddressEx(instruction, operand, address, &context, &effective)))
      continue;
    if (operand->mem.segment == ZYDIS_REGISTER_FS)
      effective += registers.general.fs_base;
    if (operand->mem.segment == ZYDIS_REGISTER_GS)
      effective += registers.general.gs_base;
    const char *segment = ZydisRegisterGetString(operand->mem.segment);
    char number[24], value[40] = "";
    uint8_t bytes[8] = {0};
    size_t width = operand->size / 8u;
    address_text(number, sizeof number, effective);
    if (width >= 1 && width <= sizeof bytes && operand->mem.type == ZYDIS_MEMOP_TYPE_MEM) {
      bool readable = SUCCEEDED(cordbg_target_read_exact(session->target, CORDBG_VIEW_CLIENT,
                                                         effective, bytes, width, &error));
      value[0] = '=';
      for (size_t j = 0; j < width; j++)
        snprintf(value + 1 + 2 * j, 3, readable ? "%02x" : "??", bytes[width - 1 - j]);
    }
    size_t length = strlen(line);
    snprintf(line + length, size - length, " %s:%s%s", segment == NULL ? "ds" : segment, number,
             value);
    return;
  }
}

HRESULT
cordbg_extension_disassemble(cordbg_extension_session *session, uint64_t address,
                             const uint8_t *bytes, size_t count, bool effective, char *line,
                             uint64_t *next, cordbg_error *error)
{
  ZydisDecoder decoder;
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  ZydisFormatter formatter;
  naming names = {session, print_address};
  char text[384], hex[2 * ZYDIS_MAX_INSTRUCTION_LENGTH + 1], number[24];
  if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
      !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, count, &instruction, operands)) ||
      !ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)) ||
      !ZYAN_SUCCESS(ZydisFormatterSetHook(&formatter, ZYDIS_FORMATTER_FUNC_PRINT_ADDRESS_ABS,
                                          (const void **)(void *)&names.plain)) ||
      !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &instruction, operands,
                                                    instruction.operand_count_visible, text,
                                                    sizeof text, address, &names)))
    return cordbg_error_set(error, E_FAIL, 0, address, "the bytes at 0x%llx are no instruction",
                            (unsigned long long)address);
  for (size_t i = 0; i < instruction.length; i++)
    snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
  address_text(number, sizeof number, address);
  snprintf(line, CORDBG_EXTENSION_LINE_MAX - 1, "%s %-20s %s", number, hex, text);
  if (effective && session != NULL)
    append_effective(session, address, &instruction, operands, line, CORDBG_EXTENSION_LINE_MAX - 1);
  strcat(line, "\n");
  *next = address + instruction.length;
  return S_OK;
}

ULONG
cordbg_extension_disasm(PULONG64 offset, PCSTR buffer, ULONG show_effective_address)
{
  cordbg_target *target = cordbg_extension_target();
  cordbg_error error = {0};
  uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
  char line[CORDBG_EXTENSION_LINE_MAX];
  size_t read;
  uint64_t next;
  if (target == NULL || offset == NULL || buffer == NULL)
    return FALSE;
  HRESULT hr =
      cordbg_target_read(target, CORDBG_VIEW_PRISTINE, *offset, bytes, sizeof bytes, &read, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_extension_disassemble(cordbg_extension_current(), *offset, bytes, read,
                                      show_effective_address != 0, line, &next, &error);
  if (FAILED(hr))
    return cordbg_extension_failed(&error);
  *offset = next;
  strcpy((char *)(uintptr_t)buffer, line); /* const in Microsoft's header, yet the result */
  return TRUE;
}
