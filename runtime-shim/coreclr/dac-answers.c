/* SPDX-License-Identifier: MIT */
/* The questions of dac.h: asked, and their answers checked before they are handed on. */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/dac-private.h"

typedef struct answer {
  const uint8_t *elements;
  size_t count, length;
} answer;

static HRESULT
ask(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_request *request, size_t size,
    answer *ret, cordbg_error *error)
{
  return cordbg_dac_ask(dac, kind, request, NULL, 0, size, &ret->elements, &ret->count,
                        &ret->length, error);
}

/* Exactly one element. */
static HRESULT
ask_one(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_request *request, void *ret,
        size_t size, cordbg_error *error)
{
  answer got;
  HRESULT hr = ask(dac, kind, request, size, &got, error);

  if (hr != S_OK)
    return hr;
  if (got.count != 1 || got.length != size)
    return cordbg_dac_distrust(dac, "one element was asked for", error);
  memcpy(ret, got.elements, size);
  return S_OK;
}

/* An array of plain elements, copied. */
static HRESULT
ask_array(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_request *request, size_t size,
          size_t max, void **ret, size_t *count, cordbg_error *error)
{
  answer got;
  HRESULT hr = ask(dac, kind, request, size, &got, error);

  if (FAILED(hr))
    return hr;
  if (got.count > max || got.length != got.count * size)
    return cordbg_dac_distrust(dac, "too many elements", error);
  *count = got.count;
  *ret = got.count ? g_memdup2(got.elements, got.length) : NULL;
  return hr;
}

/* ---- Modules ---- */

/* Cuts the next string off the answer and copies it behind the structs. false: it is not there. */
static bool
take_string(const uint8_t **at, size_t *left, uint32_t size, char **room, const char **ret)
{
  if (size > CORDBG_RT_NAME_MAX || size > *left)
    return false;
  memcpy(*room, *at, size);
  (*room)[size] = '\0';
  *ret = *room;
  *room += size + 1;
  *at += size;
  *left -= size;
  return true;
}

static bool
take_module(const uint8_t **at, size_t *left, cordbg_dac_module *ret, char **room)
{
  cordbg_dac_wire_module wire;

  if (*left < sizeof wire)
    return false;
  memcpy(&wire, *at, sizeof wire);
  *at += sizeof wire;
  *left -= sizeof wire;
  *ret = (cordbg_dac_module){.module = wire.module,
                             .assembly = wire.assembly,
                             .domain = wire.domain,
                             .flat = wire.flat != 0,
                             .flags = wire.flags &
                                      (CORDBG_RT_MODULE_DYNAMIC | CORDBG_RT_MODULE_IN_MEMORY |
                                       CORDBG_RT_MODULE_CORE_LIBRARY)};
  if (wire.base + wire.size >= wire.base) {
    ret->base = wire.base;
    ret->size = wire.size;
  }
  if (wire.metadata + wire.metadata_size >= wire.metadata) {
    ret->metadata = wire.metadata;
    ret->metadata_size = wire.metadata_size;
  }
  memcpy(ret->mvid, wire.mvid, sizeof ret->mvid);
  return wire.module != 0 && take_string(at, left, wire.path_size, room, &ret->path) &&
         take_string(at, left, wire.name_size, room, &ret->name) &&
         take_string(at, left, wire.assembly_name_size, room, &ret->assembly_name);
}

static HRESULT
take_modules(cordbg_dac *dac, const answer *got, cordbg_dac_module **ret, cordbg_error *error)
{
  const uint8_t *at = got->elements;
  size_t left = got->length;

  if (got->count > CORDBG_DAC_MODULES_MAX)
    return cordbg_dac_distrust(dac, "too many modules", error);
  *ret = NULL;
  if (!got->count)
    return S_OK;
  /* The strings with their NULs take no more than the answer did and three bytes a module. */
  cordbg_dac_module *modules = g_try_malloc(got->count * (sizeof *modules + 3) + got->length);
  if (!modules)
    return E_OUTOFMEMORY;
  char *room = (char *)(modules + got->count);
  for (size_t i = 0; i < got->count; i++) {
    if (!take_module(&at, &left, &modules[i], &room)) {
      g_free(modules);
      return cordbg_dac_distrust(dac, "a module that is cut", error);
    }
  }
  *ret = modules;
  return S_OK;
}

HRESULT
cordbg_dac_modules(cordbg_dac *dac, cordbg_dac_module **ret, size_t *count, cordbg_error *error)
{
  cordbg_dac_request request = {0};
  answer got;
  HRESULT hr = ask(dac, CORDBG_DAC_MODULES, &request, sizeof(cordbg_dac_wire_module), &got, error);

  if (SUCCEEDED(hr))
    hr = take_modules(dac, &got, ret, error);
  if (SUCCEEDED(hr))
    *count = got.count;
  return hr;
}

HRESULT
cordbg_dac_module_at(cordbg_dac *dac, uint64_t module, cordbg_dac_module **ret, cordbg_error *error)
{
  cordbg_dac_request request = {.address = module};
  answer got;
  HRESULT hr =
      ask(dac, CORDBG_DAC_MODULE_AT, &request, sizeof(cordbg_dac_wire_module), &got, error);

  if (hr != S_OK)
    return hr;
  if (got.count != 1)
    return cordbg_dac_distrust(dac, "one module was asked for", error);
  return take_modules(dac, &got, ret, error);
}

HRESULT
cordbg_dac_get_domain(cordbg_dac *dac, cordbg_dac_domain **ret, cordbg_error *error)
{
  cordbg_dac_request request = {0};
  cordbg_dac_wire_domain wire;
  answer got;
  HRESULT hr = ask(dac, CORDBG_DAC_DOMAIN, &request, sizeof wire, &got, error);

  if (FAILED(hr))
    return hr;
  if (got.count != 1)
    return cordbg_dac_distrust(dac, "one domain was asked for", error);
  memcpy(&wire, got.elements, sizeof wire);
  const uint8_t *at = got.elements + sizeof wire;
  size_t left = got.length - sizeof wire;
  cordbg_dac_domain *domain = g_malloc(sizeof *domain + got.length + 1);
  char *room = (char *)(domain + 1);
  *domain = (cordbg_dac_domain){.domain = wire.domain, .number = wire.number};
  if (!take_string(&at, &left, wire.name_size, &room, &domain->name)) {
    g_free(domain);
    return cordbg_dac_distrust(dac, "a name that is cut", error);
  }
  *ret = domain;
  return S_OK;
}

/* ---- Threads and state ---- */

HRESULT
cordbg_dac_threads(cordbg_dac *dac, cordbg_dac_thread **ret, size_t *count, cordbg_error *error)
{
  cordbg_dac_request request = {0};

  return ask_array(dac, CORDBG_DAC_THREADS, &request, sizeof **ret, CORDBG_DAC_THREADS_MAX,
                   (void **)ret, count, error);
}

HRESULT
cordbg_dac_get_state(cordbg_dac *dac, cordbg_dac_state *ret, cordbg_error *error)
{
  cordbg_dac_request request = {0};

  return ask_one(dac, CORDBG_DAC_STATE, &request, ret, sizeof *ret, error);
}

HRESULT
cordbg_dac_is_sound(cordbg_dac *dac, bool *ret, cordbg_error *error)
{
  cordbg_dac_request request = {0};
  uint32_t sound = 0;
  HRESULT hr = ask_one(dac, CORDBG_DAC_SOUND, &request, &sound, sizeof sound, error);

  if (hr == S_OK)
    *ret = sound != 0;
  return hr;
}

/* ---- Code ---- */

static bool
is_method(uint32_t kind, uint64_t module, uint32_t token)
{
  if (kind == CORDBG_DAC_CODE_METHOD)
    return module != 0 && token >> 24 == 0x06 && (token & 0xffffff) != 0;
  return kind == CORDBG_DAC_CODE_DYNAMIC || kind == CORDBG_DAC_CODE_STUB;
}

static bool
is_sound(const cordbg_dac_code *code)
{
  return is_method((uint32_t)code->kind, code->module, code->token) && code->start != 0 &&
         code->size != 0 && code->size <= CORDBG_DAC_CODE_SIZE_MAX &&
         code->cold_size <= CORDBG_DAC_CODE_SIZE_MAX && code->start + code->size > code->start &&
         (code->cold_size == 0 || code->cold_start + code->cold_size > code->cold_start);
}

HRESULT
cordbg_dac_codes(cordbg_dac *dac, uint64_t module, uint32_t token, cordbg_dac_code **ret,
                 size_t *count, cordbg_error *error)
{
  cordbg_dac_request request = {.address = module, .token = token};
  cordbg_dac_code *codes = NULL;
  size_t n = 0;
  HRESULT hr = ask_array(dac, CORDBG_DAC_CODES, &request, sizeof *codes, CORDBG_DAC_CODES_MAX,
                         (void **)&codes, &n, error);

  if (FAILED(hr))
    return hr;
  for (size_t i = 0; i < n; i++) {
    if (!is_sound(&codes[i]) || codes[i].module != module || codes[i].token != token) {
      g_free(codes);
      return cordbg_dac_distrust(dac, "a body of code that cannot be", error);
    }
  }
  *ret = codes;
  *count = n;
  return S_OK;
}

HRESULT
cordbg_dac_code_at(cordbg_dac *dac, uint64_t address, cordbg_dac_code *ret, cordbg_error *error)
{
  cordbg_dac_request request = {.address = address};
  cordbg_dac_code code;
  HRESULT hr = ask_one(dac, CORDBG_DAC_CODE_AT, &request, &code, sizeof code, error);

  if (hr != S_OK)
    return hr;
  if (!is_sound(&code))
    return cordbg_dac_distrust(dac, "a body of code that cannot be", error);
  *ret = code;
  return S_OK;
}

HRESULT
cordbg_dac_il_map(cordbg_dac *dac, uint64_t start, cordbg_rt_map **ret, size_t *count,
                  cordbg_error *error)
{
  cordbg_dac_request request = {.address = start};
  cordbg_rt_map *map = NULL;
  size_t n = 0;
  HRESULT hr = ask_array(dac, CORDBG_DAC_IL_MAP, &request, sizeof *map, CORDBG_RT_MAP_MAX,
                         (void **)&map, &n, error);

  if (FAILED(hr))
    return hr;
  for (size_t i = 0; i < n; i++) {
    if (map[i].native_end <= map[i].native_start || map[i].il < CORDBG_RT_IL_EPILOG ||
        (i && map[i].native_start < map[i - 1].native_end) ||
        map[i].native_end > 2 * CORDBG_DAC_CODE_SIZE_MAX) {
      g_free(map);
      return cordbg_dac_distrust(dac, "an IL map out of order", error);
    }
  }
  *ret = map;
  *count = n;
  return hr;
}

HRESULT
cordbg_dac_method_at(cordbg_dac *dac, uint64_t method_desc, cordbg_dac_method *ret,
                     cordbg_error *error)
{
  cordbg_dac_request request = {.address = method_desc};
  cordbg_dac_method method;
  HRESULT hr = ask_one(dac, CORDBG_DAC_METHOD_AT, &request, &method, sizeof method, error);

  if (hr != S_OK)
    return hr;
  if (!is_method((uint32_t)method.kind, method.module, method.token))
    return cordbg_dac_distrust(dac, "a method that cannot be", error);
  *ret = method;
  return S_OK;
}

/* ---- Notifications ---- */

HRESULT
cordbg_dac_set_notifications(cordbg_dac *dac, uint32_t flags, cordbg_error *error)
{
  cordbg_dac_request request = {.token = flags};
  answer got;

  dac->flags = flags;
  dac->flags_told = true;
  return ask(dac, CORDBG_DAC_NOTIFY, &request, 0, &got, error);
}

HRESULT
cordbg_dac_want_methods(cordbg_dac *dac, uint64_t module, const uint32_t *tokens, size_t count,
                        bool wanted, cordbg_error *error)
{
  cordbg_dac_request request = {.address = module, .token = wanted};
  answer got;

  if (count > CORDBG_DAC_TOKENS_MAX || (count && !tokens))
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "too many methods in one call");
  if (!count)
    return S_OK;
  HRESULT hr = cordbg_dac_ask(dac, CORDBG_DAC_WANT, &request, tokens, count * sizeof *tokens, 0,
                              &got.elements, &got.count, &got.length, error);
  if (SUCCEEDED(hr) || !wanted)
    cordbg_dac_note_wanted(dac, module, tokens, count, wanted);
  return hr;
}

HRESULT
cordbg_dac_decode(cordbg_dac *dac, cordbg_dac_notification **ret, size_t *count,
                  cordbg_error *error)
{
  cordbg_dac_request request = {0};
  cordbg_dac_notification *notes = NULL;
  size_t n = 0;
  HRESULT hr =
      ask_array(dac, CORDBG_DAC_DECODE, &request, sizeof *notes, 64, (void **)&notes, &n, error);

  if (hr != S_OK)
    return hr;
  for (size_t i = 0; i < n; i++) {
    uint32_t kind = (uint32_t)notes[i].kind;
    if (kind < CORDBG_DAC_MODULE_LOADED || kind > CORDBG_DAC_OTHER ||
        (uint32_t)notes[i].method.kind > CORDBG_DAC_CODE_STUB) {
      g_free(notes);
      return cordbg_dac_distrust(dac, "a notification of an unknown kind", error);
    }
  }
  *ret = notes;
  *count = n;
  return S_OK;
}

/* ---- Stacks ---- */

/* What unwinding a managed frame depends on. */
static bool
same_place(const struct user_regs_struct *a, const struct user_regs_struct *b)
{
  return a->rip == b->rip && a->rsp == b->rsp && a->rbp == b->rbp && a->rbx == b->rbx &&
         a->r12 == b->r12 && a->r13 == b->r13 && a->r14 == b->r14 && a->r15 == b->r15;
}

static const cordbg_dac_wire_frame *
find_unwound(const cordbg_dac *dac, int32_t tid, const struct user_regs_struct *registers,
             bool innermost)
{
  for (unsigned i = 0; i < dac->unwound_count; i++) {
    const cordbg_dac_unwound *known = &dac->unwound[i];
    if (known->tid == tid && known->innermost == innermost && same_place(&known->before, registers))
      return &known->frame;
  }
  return NULL;
}

/* The frames of one answer: each goes on where the one before it ended. */
static HRESULT
keep_unwound(cordbg_dac *dac, int32_t tid, const struct user_regs_struct *registers, bool innermost,
             const answer *got, cordbg_error *error)
{
  struct user_regs_struct before = *registers;

  dac->unwound_count = 0;
  if (got->count == 0 || got->count > CORDBG_DAC_FRAMES_MAX ||
      got->length != got->count * sizeof(cordbg_dac_wire_frame))
    return cordbg_dac_distrust(dac, "too many frames, or none", error);
  for (size_t i = 0; i < got->count; i++) {
    cordbg_dac_unwound *one = &dac->unwound[i];
    *one = (cordbg_dac_unwound){.tid = tid, .innermost = i == 0 && innermost, .before = before};
    memcpy(&one->frame, got->elements + i * sizeof one->frame, sizeof one->frame);
    if (one->frame.kind != CORDBG_RT_FRAME_MANAGED || !is_sound(&one->frame.code))
      return cordbg_dac_distrust(dac, "a frame that cannot be", error);
    if (one->frame.caller.rsp <= before.rsp) {
      if (i > 0)
        break; /* told when it is asked for */
      return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, before.rsp,
                              "the frame at 0x%llx has no caller above it",
                              (unsigned long long)before.rsp);
    }
    before = one->frame.caller;
    dac->unwound_count = (unsigned)i + 1;
  }
  return S_OK;
}

HRESULT
cordbg_dac_unwind(cordbg_dac *dac, int32_t tid, const struct user_regs_struct *registers,
                  bool innermost, cordbg_rt_frame_kind *kind, cordbg_dac_code *code,
                  struct user_regs_struct *caller, cordbg_error *error)
{
  cordbg_dac_request request = {.token = innermost, .tid = tid, .registers = *registers};
  answer got;

  if (dac->flush || !cordbg_dac_knows(dac))
    dac->unwound_count = 0;
  const cordbg_dac_wire_frame *frame = find_unwound(dac, tid, registers, innermost);
  if (!frame) {
    HRESULT hr = ask(dac, CORDBG_DAC_UNWIND, &request, sizeof *frame, &got, error);
    if (hr == S_OK)
      hr = keep_unwound(dac, tid, &request.registers, innermost, &got, error);
    if (hr != S_OK)
      return hr;
    frame = &dac->unwound[0].frame;
  }
  *kind = (cordbg_rt_frame_kind)frame->kind;
  *code = frame->code;
  *caller = frame->caller;
  return S_OK;
}

HRESULT
cordbg_dac_next_managed(cordbg_dac *dac, int32_t tid, const struct user_regs_struct *registers,
                        struct user_regs_struct *ret, cordbg_error *error)
{
  cordbg_dac_request request = {.tid = tid, .registers = *registers};
  struct user_regs_struct found;
  HRESULT hr = ask_one(dac, CORDBG_DAC_NEXT_MANAGED, &request, &found, sizeof found, error);

  if (hr != S_OK)
    return hr;
  if (found.rsp <= registers->rsp)
    return cordbg_dac_distrust(dac, "a frame that is not outwards", error);
  *ret = found;
  return S_OK;
}
