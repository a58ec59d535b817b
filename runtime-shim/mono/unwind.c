/* SPDX-License-Identifier: MIT */
/*
 * Stack frames of code that Mono made. Compiled code omits the frame pointer and has no .eh_frame;
 * the compiler records unwind information of its own for each body (unwind-ops.c), and so do the
 * trampolines that the runtime registers. Three places hold it:
 *
 *   JIT code and trampolines  the runtime's cache, an array to which MonoJitInfo has an index. The
 *                             variable that points to it has no symbol: it is recognised, in the
 *                             runtime's writable data, by what known indexes lead to.
 *   AOT code                  the AOT image, for listed bodies and for those that the runtime has
 *                             not listed (aot.c).
 *   some MonoJitInfo          the information itself, inline.
 *
 * What is left are stubs without any: they are read on to their end (stub.c).
 *
 * The table of code is searched as the runtime does it, in the target, at each question: bodies
 * and trampolines come without notice, and a question costs a few reads.
 */
#include "config.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#include "cordbg/memory/maps.h"
#include "runtime-shim/mono/mono-private.h"

enum { OPS_MAX = 4096, CLAUSE_BYTES = 40, GENERIC_BYTES = 32, HOLE_BYTES = 8, SAMPLES = 8 };

/* All that is encoded begins so: CFA = rsp + 8, the return address at CFA - 8. */
static const uint8_t ops_start[] = {0x0c, 0x07, 0x08, 0x90, 0x01};

/* ---- The table of code ---- */

/* MonoJitInfoTableChunk's head. */
typedef struct chunk_head {
  int32_t references;
  int32_t elements;
  uint64_t last_code_end;
  uint64_t next_tombstone;
} chunk_head;

typedef struct found_info {
  cordbg_mono_jit_info info;
  uint64_t where;
} found_info;

/* S_OK: found. S_FALSE: not in this chunk, maybe in the next. */
static HRESULT
search_chunk(cordbg_runtime *runtime, uint64_t chunk, uint64_t address, found_info *ret)
{
  chunk_head head;
  uint64_t data[CORDBG_MONO_CHUNK_ENTRIES];
  cordbg_mono_jit_info infos[CORDBG_MONO_CHUNK_ENTRIES];
  cordbg_read_range ranges[CORDBG_MONO_CHUNK_ENTRIES];

  if (cordbg_mono_read(runtime, chunk, &head, sizeof(head), NULL) != S_OK || head.elements <= 0)
    return S_FALSE;
  size_t count = MIN((size_t)head.elements, CORDBG_MONO_CHUNK_ENTRIES);
  if (cordbg_mono_read(runtime, chunk + sizeof(head), data, count * 8, NULL) != S_OK)
    return S_FALSE;
  for (size_t i = 0; i < count; i++)
    ranges[i] = (cordbg_read_range){
        .address = data[i], .buffer = &infos[i], .size = sizeof(cordbg_mono_jit_info)};
  if (FAILED(cordbg_target_read_batch(runtime->target, CORDBG_VIEW_PRISTINE, ranges, count, NULL)))
    return S_FALSE;
  for (size_t i = 0; i < count; i++) {
    const cordbg_mono_jit_info *info = &infos[i];
    if (ranges[i].read != sizeof(*info) || !info->method || info->code_size <= 0 ||
        (uint32_t)info->code_size > CORDBG_MONO_CODE_MAX ||
        address - info->code_start >= (uint32_t)info->code_size)
      continue;
    *ret = (found_info){.info = *info, .where = data[i]};
    return S_OK;
  }
  return S_FALSE;
}

static bool
search_domain(cordbg_runtime *runtime, const cordbg_mono_domain *domain, uint64_t address,
              found_info *ret)
{
  struct {
    uint64_t domain;
    int32_t chunks, valid;
  } head;
  uint64_t table;

  if (!cordbg_mono_read_word(runtime, domain->address + runtime->layout.domain_jit_table, &table) ||
      cordbg_mono_read(runtime, table, &head, sizeof(head), NULL) != S_OK ||
      head.domain != domain->address || head.chunks <= 0 ||
      (uint32_t)head.chunks > CORDBG_MONO_CHUNKS_MAX)
    return false;
  size_t count = (size_t)head.chunks, low = 0, high = count;
  g_autofree uint64_t *chunks = g_new(uint64_t, count);
  if (cordbg_mono_read(runtime, table + sizeof(head), chunks, count * 8, NULL) != S_OK)
    return false;
  while (low < high) { /* the first chunk that ends above address */
    size_t middle = low + (high - low) / 2;
    uint64_t end;
    if (!cordbg_mono_read_word(runtime, chunks[middle] + offsetof(chunk_head, last_code_end), &end))
      return false;
    if (end <= address)
      low = middle + 1;
    else
      high = middle;
  }
  /* The end may be one of a body that is gone: as the runtime, look into the next one too. */
  for (size_t i = low; i < count && i < low + 2; i++)
    if (search_chunk(runtime, chunks[i], address, ret) == S_OK)
      return true;
  return false;
}

static bool
find_info(cordbg_runtime *runtime, uint64_t address, found_info *ret)
{
  for (guint i = 0; i < runtime->domains->len; i++) {
    const cordbg_mono_domain *domain = runtime->domains->pdata[i];
    if (!domain->gone && search_domain(runtime, domain, address, ret))
      return true;
  }
  return false;
}

/* ---- The runtime's cache of unwind information ---- */

/* The cache is an array of pointers to a length and that many bytes. */
typedef struct cached_ops {
  uint32_t size;
  uint64_t ops;
} cached_ops;

static bool
cached_ops_at(cordbg_runtime *runtime, uint64_t array, uint32_t index, cached_ops *ret)
{
  struct {
    uint32_t size;
    uint8_t start[sizeof(ops_start)];
  } head;
  uint64_t entry;

  if (!cordbg_mono_read_word(runtime, array + (uint64_t)index * sizeof(entry), &entry) ||
      cordbg_mono_read(runtime, entry, &head, sizeof(head.size) + sizeof(head.start), NULL) !=
          S_OK ||
      head.size < sizeof(head.start) || head.size > OPS_MAX ||
      memcmp(head.start, ops_start, sizeof(head.start)) != 0)
    return false;
  *ret = (cached_ops){.size = head.size, .ops = entry + sizeof(head.size)};
  return true;
}

/* Indexes that are in use, of JIT code in the root domain. */
static size_t
take_samples(cordbg_runtime *runtime, uint32_t samples[SAMPLES])
{
  GHashTableIter iterator;
  gpointer value;
  size_t count = 0;

  g_hash_table_iter_init(&iterator, runtime->codes);
  while (count < SAMPLES && g_hash_table_iter_next(&iterator, NULL, &value)) {
    const cordbg_mono_code *code = value;
    cordbg_mono_jit_info info;
    if (code->rt.kind == CORDBG_RT_CODE_JIT && code->info &&
        cordbg_mono_read(runtime, code->info, &info, sizeof(info), NULL) == S_OK &&
        !(info.flags & (CORDBG_MONO_JIT_UNWIND_INLINE | CORDBG_MONO_JIT_AOT)))
      samples[count++] = info.unwind_info;
  }
  return count;
}

/* Looks through one writable segment of the runtime. */
static uint64_t
seek_in_segment(cordbg_runtime *runtime, uint64_t start, size_t size, const uint32_t *samples,
                size_t sample_count)
{
  g_autofree uint64_t *words = g_malloc0(size + 8);
  size_t got = 0;

  cordbg_target_read(runtime->target, CORDBG_VIEW_PRISTINE, start, words, size, &got, NULL);
  for (size_t i = 0; i < got / 8; i++) {
    cached_ops entry;
    size_t right = 0;
    if (words[i] < 0x10000 || words[i] % 16 != 0 ||
        words[i] - runtime->place.info.base < runtime->place.info.size)
      continue;
    while (right < sample_count && cached_ops_at(runtime, words[i], samples[right], &entry))
      right++;
    if (right == sample_count)
      return start + i * 8;
  }
  return 0;
}

/* Asked again only while there is no JIT code to recognise it by. */
static void
seek_cache(cordbg_runtime *runtime)
{
  uint64_t base = runtime->place.info.base, bias = 0;
  uint32_t samples[SAMPLES];
  Elf64_Ehdr header;
  bool has_bias = false;

  size_t count = take_samples(runtime, samples);
  if (count == 0 || cordbg_mono_read(runtime, base, &header, sizeof(header), NULL) != S_OK ||
      memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_phnum > 128)
    return;
  runtime->unwind_cache_sought = true;
  for (unsigned i = 0; i < header.e_phnum && !runtime->unwind_cache; i++) {
    Elf64_Phdr segment;
    if (cordbg_mono_read(runtime, base + header.e_phoff + i * sizeof(segment), &segment,
                         sizeof(segment), NULL) != S_OK)
      return;
    if (segment.p_type != PT_LOAD)
      continue;
    if (!has_bias)
      bias = base - (segment.p_vaddr & ~0xfffull);
    has_bias = true;
    if (segment.p_flags & PF_W)
      runtime->unwind_cache = seek_in_segment(runtime, (bias + segment.p_vaddr) & ~7ull,
                                              MIN(segment.p_memsz, 16u << 20), samples, count);
  }
}

static HRESULT
no_unwind_info(cordbg_error *error, uint64_t address)
{
  return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, address,
                          "Mono's unwind information for this code cannot be found");
}

static HRESULT
read_cached_ops(cordbg_runtime *runtime, const found_info *found, uint8_t *ops, size_t *size,
                cordbg_error *error)
{
  uint64_t array;
  cached_ops entry;

  if (!runtime->unwind_cache_sought)
    seek_cache(runtime);
  if (!runtime->unwind_cache || !cordbg_mono_read_word(runtime, runtime->unwind_cache, &array) ||
      !cached_ops_at(runtime, array, found->info.unwind_info, &entry))
    return no_unwind_info(error, found->info.code_start);
  *size = entry.size;
  return cordbg_mono_read(runtime, entry.ops, ops, entry.size, error);
}

/* ---- What one MonoJitInfo has ---- */

/* Where the optional parts are; 0: not there. False: not sound. */
static bool
find_parts(cordbg_runtime *runtime, const found_info *found, uint64_t *arch_eh, uint64_t *ops)
{
  uint32_t flags = found->info.flags;
  uint64_t at = found->where + sizeof(found->info) +
                (uint64_t)(flags & CORDBG_MONO_JIT_CLAUSES) * CLAUSE_BYTES;
  uint16_t holes = 0;

  if (flags & CORDBG_MONO_JIT_GENERIC)
    at += GENERIC_BYTES;
  if (flags & CORDBG_MONO_JIT_HOLES) {
    if (cordbg_mono_read(runtime, at, &holes, sizeof(holes), NULL) != S_OK)
      return false;
    at += 4 + (uint64_t)holes * HOLE_BYTES;
  }
  *arch_eh = flags & CORDBG_MONO_JIT_ARCH_EH ? at : 0;
  if (flags & CORDBG_MONO_JIT_ARCH_EH)
    at += 8;
  if (flags & CORDBG_MONO_JIT_THUNK)
    at += 16;
  *ops = flags & CORDBG_MONO_JIT_UNWIND_INLINE ? at : 0;
  return true;
}

/* Operations that a length stands before: LEB128-like for AOT, 32 bits inline. */
static HRESULT
read_aot_ops(cordbg_runtime *runtime, uint64_t address, uint8_t *ops, size_t *size,
             cordbg_error *error)
{
  uint8_t head[5] = {0};
  size_t got = 0, at = 0;
  uint32_t length;

  cordbg_target_read(runtime->target, CORDBG_VIEW_PRISTINE, address, head, sizeof(head), &got,
                     NULL);
  if (!cordbg_mono_aot_number(head, got, &at, &length) || length > OPS_MAX)
    return no_unwind_info(error, address);
  *size = length;
  return cordbg_mono_read(runtime, address + at, ops, length, error);
}

static HRESULT
read_inline_ops(cordbg_runtime *runtime, uint64_t address, uint8_t *ops, size_t *size,
                cordbg_error *error)
{
  uint32_t length;
  HRESULT hr = cordbg_mono_read(runtime, address, &length, sizeof(length), error);

  if (FAILED(hr))
    return hr;
  if (length > OPS_MAX)
    return no_unwind_info(error, address);
  *size = length;
  return cordbg_mono_read(runtime, address + sizeof(length), ops, length, error);
}

/* Where the epilogue begins, from the code itself; 0: there is none, or it is not found. */
static uint32_t
epilog_of_code(cordbg_runtime *runtime, uint64_t start, uint32_t size, const uint8_t *ops,
               size_t ops_size)
{
  uint32_t length;

  if (!cordbg_mono_unwind_epilog_length(ops, ops_size, &length))
    return 0;
  g_autofree uint8_t *code = g_malloc(size);
  if (cordbg_mono_read(runtime, start, code, size, NULL) != S_OK)
    return 0;
  return cordbg_mono_find_epilog(code, size, length);
}

typedef struct body {
  uint64_t start;
  uint32_t size;
  uint32_t epilog; /* relative to start; 0: none, or not known */
  uint8_t ops[OPS_MAX];
  size_t ops_size;
} body;

static HRESULT
describe_info(cordbg_runtime *runtime, const found_info *found, body *ret, cordbg_error *error)
{
  uint64_t arch_eh, ops;
  uint32_t eh[2] = {0}; /* stack_size, epilog_size */
  HRESULT hr;

  ret->start = found->info.code_start;
  ret->size = (uint32_t)found->info.code_size;
  if (!find_parts(runtime, found, &arch_eh, &ops))
    return no_unwind_info(error, ret->start);
  if (ops) {
    hr = read_inline_ops(runtime, ops, ret->ops, &ret->ops_size, error);
  } else if (found->info.flags & CORDBG_MONO_JIT_AOT) {
    uint64_t base = cordbg_mono_aot_unwind_base(runtime, ret->start);
    hr = base ? read_aot_ops(runtime, base + found->info.unwind_info, ret->ops, &ret->ops_size,
                             error)
              : no_unwind_info(error, ret->start);
  } else {
    hr = read_cached_ops(runtime, found, ret->ops, &ret->ops_size, error);
  }
  if (FAILED(hr))
    return hr;
  if (arch_eh && cordbg_mono_read(runtime, arch_eh, eh, sizeof(eh), NULL) == S_OK && eh[1] > 0 &&
      eh[1] < ret->size)
    ret->epilog = ret->size - eh[1];
  else
    ret->epilog = epilog_of_code(runtime, ret->start, ret->size, ret->ops, ret->ops_size);
  return S_OK;
}

/* ---- Stubs ---- */

/* A trampoline that the runtime has in its table does not come back into what called it. */
static bool
goes_to_trampoline(void *data, uint64_t target)
{
  found_info found;

  return find_info(data, target, &found) && (found.info.flags & CORDBG_MONO_JIT_TRAMPOLINE) != 0;
}

static bool
peek_runtime(void *data, uint64_t address, void *buffer, size_t size)
{
  return cordbg_mono_read(data, address, buffer, size, NULL) == S_OK;
}

/* Mono's code lies in memory that may be written and has no file, or in AOT images. */
static bool
is_made_by_runtime(cordbg_runtime *runtime, uint64_t address)
{
  cordbg_mapping mapping;

  if (cordbg_mono_aot_holds(runtime, address))
    return true;
  return cordbg_target_find_mapping(runtime->target, address, false, &mapping, NULL, 0, NULL) ==
             S_OK &&
         mapping.inode == 0 && (mapping.prot & PROT_EXEC) && (mapping.prot & PROT_WRITE);
}

static HRESULT
unwind_stub(cordbg_runtime *runtime, const struct user_regs_struct *registers, cordbg_rt_frame *ret,
            cordbg_error *error)
{
  if (!is_made_by_runtime(runtime, registers->rip))
    return S_FALSE;
  *ret = (cordbg_rt_frame){.kind = CORDBG_RT_FRAME_STUB};
  if (!cordbg_mono_follow_stub(peek_runtime, goes_to_trampoline, runtime, registers, &ret->caller))
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, registers->rip,
                            "code of Mono's making that has no unwind information cannot be "
                            "followed");
  return S_OK;
}

/* ---- Frames ---- */

bool
cordbg_mono_is_code(cordbg_runtime *runtime, uint64_t address)
{
  found_info found;
  uint64_t start;
  uint32_t size, unwind_info;

  return find_info(runtime, address, &found) ||
         cordbg_mono_aot_unwind(runtime, address, &start, &size, &unwind_info);
}

HRESULT
cordbg_mono_unwind(cordbg_runtime *runtime, int32_t tid, const struct user_regs_struct *registers,
                   bool innermost, cordbg_rt_frame *ret, cordbg_error *error)
{
  /* A return address may be the first byte behind its body. */
  uint64_t address = innermost ? registers->rip : registers->rip - 1;
  found_info found;
  cordbg_rt_frame frame = {.kind = CORDBG_RT_FRAME_STUB};
  g_autofree body *b = g_new0(body, 1);
  uint32_t unwind_info;
  HRESULT hr;

  (void)tid;
  /* First: it meets new code, and with it new AOT images. */
  hr = cordbg_mono_code_at(runtime, address, &frame.code, error);
  if (FAILED(hr))
    return hr;
  if (hr == S_OK) {
    frame.kind = CORDBG_RT_FRAME_MANAGED;
    frame.native_offset = (uint32_t)(registers->rip - frame.code.start);
  }
  if (find_info(runtime, address, &found)) {
    hr = describe_info(runtime, &found, b, error);
  } else if (cordbg_mono_aot_unwind(runtime, address, &b->start, &b->size, &unwind_info)) {
    hr = read_aot_ops(runtime, cordbg_mono_aot_unwind_base(runtime, address) + unwind_info, b->ops,
                      &b->ops_size, error);
    if (SUCCEEDED(hr))
      b->epilog = epilog_of_code(runtime, b->start, b->size, b->ops, b->ops_size);
  } else {
    return unwind_stub(runtime, registers, ret, error);
  }
  if (FAILED(hr))
    return hr;
  hr = cordbg_mono_apply_unwind_ops(b->ops, b->ops_size, (uint32_t)(address - b->start), b->epilog,
                                    peek_runtime, runtime, registers, &frame.caller);
  if (FAILED(hr))
    return cordbg_error_set(error, hr, 0, registers->rip,
                            "Mono's unwind information does not fit the frame");
  *ret = frame;
  return S_OK;
}
