/* SPDX-License-Identifier: MIT */
/*
 * Where in a body of native code a breakpoint at an IL offset goes.
 *
 * The IL map says which native ranges belong to the offset. Several may: an optimising compiler
 * copies statements (a loop once with and once without checks, a loop's condition, a finally
 * block), and it splits them (what an inlined call does rarely lies at the end of the code). Each
 * copy is the statement's beginning once more; the piece of a split one is not. What tells them
 * apart is how the thread gets there: a range that is entered only from ranges of the same IL
 * offset goes on with what began there.
 *
 *   range --some instruction of another offset leads to it-----> begins the statement
 *         --nothing seen leads to it (a table, an exception)---> begins the statement
 *         --only instructions of the same offset lead to it----> goes on with it
 *
 * IL offset 0 is also the method's entry, hence always possible: without a range for it, the first
 * mapped instruction, else the code's start. Never inside an epilogue: a trap there can mislead the
 * runtime's own unwinder, which reads code.
 */
#include "cordbg/icordebug/private.h"

#include <Zydis/Zydis.h>

enum { CODE_MAX = 1 << 20 }; /* bytes of a part of a body that are decoded */

/* An instruction, by its native offset, after which another is executed. */
typedef struct way {
  uint32_t from, to;
} way;

/* The ways into the beginnings of ranges of an IL offset. */
typedef struct ways {
  const cordbg_rt_code *body;
  const cordbg_rt_map *map;
  size_t count;
  uint32_t il_offset;
  GArray *known; /* way */
} ways;

/* The address of a native offset; the cold part follows the hot one. false: beyond the body. */
bool
cordbg_native_address(const cordbg_rt_code *body, uint32_t offset, uint64_t *address)
{
  if (offset < body->size)
    *address = body->start + offset;
  else if (body->cold_start != 0 && offset - body->size < body->cold_size)
    *address = body->cold_start + (offset - body->size);
  else
    return false;
  return true;
}

static bool
native_offset(const cordbg_rt_code *body, uint64_t address, uint32_t *offset)
{
  if (address - body->start < body->size)
    *offset = (uint32_t)(address - body->start);
  else if (body->cold_start != 0 && address - body->cold_start < body->cold_size)
    *offset = (uint32_t)(address - body->cold_start) + body->size;
  else
    return false;
  return true;
}

static bool
in_epilogue(const cordbg_rt_map *map, size_t count, uint32_t offset)
{
  for (size_t i = 0; i < count; i++)
    if (map[i].il == CORDBG_RT_IL_EPILOG && offset >= map[i].native_start &&
        offset < map[i].native_end)
      return true;
  return false;
}

/* ---- How a range is entered ---- */

static bool
is_beginning(const ways *w, uint32_t offset)
{
  for (size_t i = 0; i < w->count; i++)
    if (w->map[i].native_start == offset && w->map[i].il == (int32_t)w->il_offset)
      return true;
  return false;
}

static void
note(ways *w, uint32_t from, uint64_t to)
{
  way one = {.from = from};
  if (native_offset(w->body, to, &one.to) && is_beginning(w, one.to))
    g_array_append_val(w->known, one);
}

static bool
goes_on(const ZydisDecodedInstruction *instruction)
{
  switch (instruction->meta.category) {
  case ZYDIS_CATEGORY_UNCOND_BR:
  case ZYDIS_CATEGORY_RET:
  case ZYDIS_CATEGORY_INTERRUPT:
    return false;
  default:
    return instruction->mnemonic != ZYDIS_MNEMONIC_UD2;
  }
}

static bool
is_jump(const ZydisDecodedInstruction *instruction)
{
  return (instruction->meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
          instruction->meta.category == ZYDIS_CATEGORY_COND_BR) &&
         instruction->raw.imm[0].is_relative;
}

/* One part of the body, instruction by instruction. first: its native offset. */
static void
look_through(ways *w, uint64_t start, const uint8_t *code, uint32_t size, uint32_t first)
{
  ZydisDecoder decoder;
  ZydisDecodedInstruction instruction;
  if (ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
    return;
  for (uint32_t at = 0; at < size;) {
    if (ZYAN_FAILED(
            ZydisDecoderDecodeInstruction(&decoder, NULL, code + at, size - at, &instruction))) {
      at++;
      continue;
    }
    uint64_t next = start + at + instruction.length;
    if (goes_on(&instruction))
      note(w, first + at, next);
    if (is_jump(&instruction))
      note(w, first + at, next + (uint64_t)instruction.raw.imm[0].value.s);
    at += instruction.length;
  }
}

static bool
is_of_offset(const ways *w, uint32_t native)
{
  for (size_t i = 0; i < w->count; i++)
    if (native >= w->map[i].native_start && native < w->map[i].native_end)
      return w->map[i].il == (int32_t)w->il_offset;
  return false;
}

static bool
begins_statement(const ways *w, uint32_t native)
{
  bool entered = false;
  for (guint i = 0; i < w->known->len; i++) {
    const way *one = &g_array_index(w->known, way, i);
    if (one->to != native)
      continue;
    if (!is_of_offset(w, one->from))
      return true;
    entered = true;
  }
  return !entered;
}

/* ---- The places ---- */

/* Takes out what only goes on, as long as something is left. */
static void
keep_beginnings(ways *w, const uint8_t *code, GArray *natives)
{
  const cordbg_rt_code *body = w->body;
  g_autoptr(GArray) kept = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  look_through(w, body->start, code, body->size, 0);
  look_through(w, body->cold_start, code + body->size, body->cold_size, body->size);
  for (guint i = 0; i < natives->len; i++) {
    uint32_t native = g_array_index(natives, uint32_t, i);
    if (begins_statement(w, native))
      g_array_append_val(kept, native);
  }
  g_array_set_size(natives, kept->len > 0 ? 0 : 1);
  g_array_append_vals(natives, kept->data, kept->len);
}

/* The native offsets of the ranges that begin at the IL offset and lie well. */
static void
find_ranges(const cordbg_rt_map *map, size_t count, uint32_t il_offset, GArray *natives)
{
  for (size_t i = 0; i < count; i++)
    if (map[i].il >= 0 && (uint32_t)map[i].il == il_offset &&
        !in_epilogue(map, count, map[i].native_start))
      g_array_append_val(natives, map[i].native_start);
}

/* Where a method begins that has no range for IL offset 0. */
static uint32_t
find_entry(const cordbg_rt_map *map, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (map[i].il >= 0 && !in_epilogue(map, count, map[i].native_start))
      return map[i].native_start;
  return 0;
}

void
cordbg_places_pick(const cordbg_rt_code *body, const uint8_t *code, const cordbg_rt_map *map,
                   size_t count, uint32_t il_offset, GArray *natives)
{
  find_ranges(map, count, il_offset, natives);
  if (natives->len > 1 && code == NULL)
    g_array_set_size(natives, 1);
  if (natives->len > 1) {
    g_autoptr(GArray) known = g_array_new(FALSE, FALSE, sizeof(way));
    ways w = {body, map, count, il_offset, known};
    keep_beginnings(&w, code, natives);
  }
  if (natives->len == 0 && il_offset == 0) {
    uint32_t native = find_entry(map, count);
    g_array_append_val(natives, native);
  }
}

static bool
has_several(const cordbg_rt_map *map, size_t count, uint32_t il_offset)
{
  g_autoptr(GArray) natives = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  find_ranges(map, count, il_offset, natives);
  return natives->len > 1;
}

/* The hot part and the cold one, to be freed; NULL: they cannot be read. */
static uint8_t *
read_code(cordbg_session *session, const cordbg_rt_code *body)
{
  if (body->size > CODE_MAX || body->cold_size > CODE_MAX)
    return NULL;
  uint8_t *code = g_malloc0((size_t)body->size + body->cold_size + 1);
  if (FAILED(cordbg_target_read_exact(session->target, CORDBG_VIEW_PRISTINE, body->start, code,
                                      body->size, NULL)) ||
      (body->cold_size != 0 &&
       FAILED(cordbg_target_read_exact(session->target, CORDBG_VIEW_PRISTINE, body->cold_start,
                                       code + body->size, body->cold_size, NULL))))
    g_clear_pointer(&code, g_free);
  return code;
}

HRESULT
cordbg_breakpoint_places(cordbg_session *session, const cordbg_rt_code *body, uint32_t il_offset,
                         GArray *addresses, cordbg_error *error)
{
  g_autofree cordbg_rt_map *map = NULL;
  g_autofree uint8_t *code = NULL;
  g_autoptr(GArray) natives = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  size_t count = 0;
  HRESULT hr = session->ops->il_map(session->runtime, body->id, &map, &count, error);
  if (FAILED(hr) && il_offset != 0)
    return hr;
  if (FAILED(hr))
    count = 0;
  if (has_several(map, count, il_offset))
    code = read_code(session, body);
  cordbg_places_pick(body, code, map, count, il_offset, natives);
  for (guint i = 0; i < natives->len; i++) {
    uint64_t address;
    if (cordbg_native_address(body, g_array_index(natives, uint32_t, i), &address))
      g_array_append_val(addresses, address);
  }
  return addresses->len > 0 ? S_OK : S_FALSE;
}
