/* SPDX-License-Identifier: MIT */
/*
 * Bodies of compiled code and their IL maps, read from the runtime's own structures.
 *
 * Why. The DAC gives an IL map by one question for each byte of code, and only of methods that are
 * published. The runtime keeps the map in a few bytes beside the code header, from the moment on at
 * which it hands the complete body to its debugger (publish.c). They are read here in some
 * microseconds, without waking another process.
 *
 * Where. MethodDesc, MethodTable, Module and the code header lie as the runtime's data-contract
 * descriptor says; the code's length is in the header of the GC information (version 4), the map in
 * the debug information: a flag byte, sizes, then bit-packed bounds (the contract "DebugInfo" of
 * .NET 10, docs/design/datacontracts in dotnet/runtime). A method that may be replaced while it
 * runs has a record for that before the sizes (measured: 10.0).
 *
 * Proof. What is read here must be what the DAC says. The descriptor does not tell how debug
 * information is packed, so nothing is believed of a *shape* of it (with or without a patchpoint
 * record) before one body of that shape was asked of the DAC too and came out the same, whole:
 *
 *   UNKNOWN --a body of the DAC's equals ours--> PROVEN      answered from here
 *      '------it differs-----------------------> REFUTED     the DAC is asked, for ever
 *
 * Until then, and for code that has no header of this kind (ReadyToRun), the DAC answers.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/coreclr-private.h"

enum {
  STRUCTURE_MAX = 128,    /* bytes of one that are read */
  MAP_SIZE = 40,          /* of a ModuleLookupMap, at most */
  HEAD_SIZE = 32,         /* of debug information: flags and sizes fit */
  BOUNDS_MAX = 1 << 20,   /* bytes */
  LOCALS_MAX = 1 << 16,   /* of a patchpoint record */
  CHUNKS_MAX = 1 << 12,   /* of a module's map of methods */
  GC_INFO_VERSION = 4,    /* whose header is read here */
  GC_LENGTH_BASE = 8,     /* bits of the code length's first part */
  GC_FLAG_BITS = 10,      /* of a header that is not slim */
  PATCHPOINT_FIXED = 40,  /* bytes of a patchpoint record before its locals */
  PATCHPOINT_LOCALS = 16, /* where their count stands in it */
  IL_BIAS = -3,           /* of IL offsets in the bounds */
};

enum { VERSION_EXPLICIT = 1, VERSION_SYNTHETIC = 2 }; /* NativeCodeVersion::StorageKind */
enum { EXTRA_PATCHPOINT = 1 };                        /* of the flag byte; others are not read */
enum { SHAPE_PLAIN, SHAPE_PATCHPOINT, SHAPES };

typedef enum trust { UNKNOWN, PROVEN, REFUTED } trust;

struct cordbg_coreclr_bodies {
  bool looked, known; /* the layout */
  trust trust[SHAPES];
  uint64_t node_method;
  uint64_t method_size, method_remainder, method_index;
  uint64_t chunk_size, chunk_table, chunk_range;
  uint64_t table_size, table_module, table_flags2;
  uint64_t module_methods, map_data, map_next, map_count, map_mask;
  uint64_t header_gc, header_method;
  cordbg_rt_id last; /* the body that was told last, its map: it is asked for at once */
  cordbg_rt_map *last_map;
  size_t last_count;
};

typedef struct code_version {
  uint32_t kind;
  uint32_t pad;
  uint64_t pointer; /* NativeCodeVersionNode or MethodDesc */
} code_version;

void
cordbg_coreclr_make_bodies(cordbg_runtime *runtime)
{
  runtime->bodies = g_new0(cordbg_coreclr_bodies, 1);
}

void
cordbg_coreclr_free_bodies(cordbg_runtime *runtime)
{
  g_free(runtime->bodies->last_map);
  g_clear_pointer(&runtime->bodies, g_free);
}

/* ---- Layout ---- */

static bool
find_layout(cordbg_runtime *runtime, cordbg_coreclr_bodies *b)
{
  const cordbg_coreclr_descriptor *descriptor = cordbg_coreclr_get_descriptor(runtime);
  const char *text = descriptor ? descriptor->text : NULL;
  const struct {
    const char *type, *member;
    uint64_t *ret;
  } wanted[] = {
      {"NativeCodeVersionNode", "MethodDesc", &b->node_method},
      {"MethodDesc", "!", &b->method_size},
      {"MethodDesc", "Flags3AndTokenRemainder", &b->method_remainder},
      {"MethodDesc", "ChunkIndex", &b->method_index},
      {"MethodDescChunk", "!", &b->chunk_size},
      {"MethodDescChunk", "MethodTable", &b->chunk_table},
      {"MethodDescChunk", "FlagsAndTokenRange", &b->chunk_range},
      {"MethodTable", "!", &b->table_size},
      {"MethodTable", "Module", &b->table_module},
      {"MethodTable", "MTFlags2", &b->table_flags2},
      {"Module", "MethodDefToDescMap", &b->module_methods},
      {"ModuleLookupMap", "TableData", &b->map_data},
      {"ModuleLookupMap", "Next", &b->map_next},
      {"ModuleLookupMap", "Count", &b->map_count},
      {"ModuleLookupMap", "SupportedFlagsMask", &b->map_mask},
      {"RealCodeHeader", "GCInfo", &b->header_gc},
      {"RealCodeHeader", "MethodDesc", &b->header_method},
  };

  for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
    if (!text || !cordbg_coreclr_find_member(text, wanted[i].type, wanted[i].member, wanted[i].ret))
      return false;
  /* Encodings of this version; another one is another layout. */
  return strstr(text, "\"MethodDescTokenRemainderBitCount\":[\"0xc\"") &&
         strstr(text, "\"MethodDescAlignment\":[\"0x8\"");
}

bool
cordbg_coreclr_bodies_readable(cordbg_runtime *runtime)
{
  cordbg_coreclr_bodies *b = runtime->bodies;

  if (!b->looked)
    b->known = find_layout(runtime, b);
  b->looked = true;
  return b->known;
}

static bool
get(cordbg_runtime *runtime, uint64_t address, void *ret, size_t size)
{
  return SUCCEEDED(cordbg_coreclr_read(runtime, address, ret, size, NULL));
}

/* A structure is read in one piece, and its members are taken out of it. */
typedef struct piece {
  uint8_t bytes[STRUCTURE_MAX];
  size_t size;
} piece;

static bool
get_piece(cordbg_runtime *runtime, uint64_t address, size_t size, piece *ret)
{
  ret->size = MIN(size, sizeof ret->bytes);
  return get(runtime, address, ret->bytes, ret->size);
}

static bool
member(const piece *from, uint64_t offset, void *ret, size_t size)
{
  if (offset > from->size || size > from->size - offset)
    return false;
  memcpy(ret, from->bytes + offset, size);
  return true;
}

/* ---- Methods ---- */

bool
cordbg_coreclr_version_method(cordbg_runtime *runtime, uint64_t address, uint64_t *method_desc)
{
  const cordbg_coreclr_bodies *b = runtime->bodies;
  code_version version;

  if (!cordbg_coreclr_bodies_readable(runtime) || !get(runtime, address, &version, sizeof version))
    return false;
  *method_desc = version.pointer;
  return version.kind == VERSION_SYNTHETIC ||
         (version.kind == VERSION_EXPLICIT &&
          get(runtime, version.pointer + b->node_method, method_desc, sizeof *method_desc));
}

bool
cordbg_coreclr_method_token(cordbg_runtime *runtime, uint64_t method_desc, cordbg_dac_method *ret)
{
  const cordbg_coreclr_bodies *b = runtime->bodies;
  uint64_t table, module;
  uint32_t flags2;
  uint16_t remainder, range;
  uint8_t index;
  piece method, chunk, type;

  if (!cordbg_coreclr_bodies_readable(runtime) ||
      !get_piece(runtime, method_desc, b->method_size, &method) ||
      !member(&method, b->method_remainder, &remainder, sizeof remainder) ||
      !member(&method, b->method_index, &index, sizeof index) ||
      !get_piece(runtime, method_desc - b->chunk_size - index * 8ull, b->chunk_size, &chunk) ||
      !member(&chunk, b->chunk_table, &table, sizeof table) ||
      !member(&chunk, b->chunk_range, &range, sizeof range) ||
      !get_piece(runtime, table, b->table_size, &type) ||
      !member(&type, b->table_module, &module, sizeof module) ||
      !member(&type, b->table_flags2, &flags2, sizeof flags2))
    return false;
  *ret = (cordbg_dac_method){.kind = CORDBG_DAC_CODE_METHOD,
                             .module = module,
                             .token = 0x06000000u | (range & 0xfffu) << 12 | (remainder & 0xfffu),
                             .class_token = flags2 >> 8 ? 0x02000000u | flags2 >> 8 : 0};
  return true;
}

/* What the module has for the token: the method itself, of a generic one its definition. */
static bool
find_definition(cordbg_runtime *runtime, uint64_t module, uint32_t token, uint64_t *ret)
{
  const cordbg_coreclr_bodies *b = runtime->bodies;
  uint64_t at = module + b->module_methods, data, mask = 0, rid = token & 0xffffffu;
  uint32_t count;
  piece map;

  for (unsigned i = 0; i < CHUNKS_MAX && at; i++) {
    if (!get_piece(runtime, at, MAP_SIZE, &map) ||
        !member(&map, b->map_count, &count, sizeof count) ||
        (i == 0 && !member(&map, b->map_mask, &mask, sizeof mask)))
      return false;
    if (rid < count) {
      if (!member(&map, b->map_data, &data, sizeof data) ||
          !get(runtime, data + rid * 8, ret, sizeof *ret))
        return false;
      *ret &= ~mask;
      return true;
    }
    rid -= count;
    if (!member(&map, b->map_next, &at, sizeof at))
      return false;
  }
  return false;
}

/* ---- GC information: the length of the code ---- */

/* bits at a time, the lowest first. */
static uint64_t
take_bits(uint64_t *stream, unsigned *left, unsigned bits)
{
  uint64_t value = *stream & ((1ull << bits) - 1);

  *stream >>= bits;
  *left -= MIN(bits, *left);
  return value;
}

/* Parts of base bits, a bit behind each says whether another follows. 0: there is none here. */
static uint32_t
code_length(uint64_t stream)
{
  unsigned left = 64;
  uint64_t value = 0;

  if (take_bits(&stream, &left, 1) == 0)
    take_bits(&stream, &left, 1);
  else
    take_bits(&stream, &left, GC_FLAG_BITS);
  for (unsigned shift = 0; left > GC_LENGTH_BASE && shift < 32; shift += GC_LENGTH_BASE) {
    uint64_t part = take_bits(&stream, &left, GC_LENGTH_BASE + 1);
    value |= (part & ((1u << GC_LENGTH_BASE) - 1)) << shift;
    if (!(part >> GC_LENGTH_BASE))
      return value <= CORDBG_DAC_CODE_SIZE_MAX ? (uint32_t)value : 0;
  }
  return 0;
}

/* ---- Debug information: the IL map ---- */

/* Nibbles of a byte stream, the lower one of a byte first. */
typedef struct nibbles {
  const uint8_t *bytes;
  size_t size, at; /* at: in nibbles */
  bool over;
} nibbles;

/* Three bits a nibble, the highest first; the fourth says that another nibble follows. */
static uint32_t
take_number(nibbles *stream)
{
  uint32_t value = 0;

  for (unsigned i = 0; i < 11; i++) {
    if (stream->at / 2 >= stream->size)
      break;
    unsigned nibble = stream->bytes[stream->at / 2] >> (stream->at % 2 * 4) & 15u;
    stream->at++;
    value = value << 3 | (nibble & 7);
    if (!(nibble & 8))
      return value;
  }
  stream->over = true;
  return 0;
}

static size_t
next_byte(const nibbles *stream)
{
  return (stream->at + 1) / 2;
}

/* Adds [start, end) to the map, as asking for each instruction would: equal neighbours are one. */
static void
add_range(GArray *map, int32_t il, uint32_t start, uint32_t end)
{
  cordbg_rt_map range = {.il = il, .native_start = start, .native_end = end};
  cordbg_rt_map *last = map->len ? &g_array_index(map, cordbg_rt_map, map->len - 1) : NULL;

  if (start >= end)
    return;
  if (last && last->il == il && last->native_end == start)
    last->native_end = end;
  else
    g_array_append_val(map, range);
}

typedef struct packed {
  uint32_t count, native_bits, il_bits;
  const uint8_t *bytes;
  size_t size;
} packed;

static uint64_t
bits_at(const packed *bounds, uint64_t at, unsigned count)
{
  uint64_t value = 0;

  for (unsigned i = 0; i < count; i++, at++)
    value |= (uint64_t)(bounds->bytes[at / 8] >> at % 8 & 1) << i;
  return value;
}

/* Each bound holds up to the next one, the last to the end. false: not to be understood. */
static bool
unpack(const packed *bounds, uint32_t total, GArray *map)
{
  const unsigned step = 2 + bounds->native_bits + bounds->il_bits;
  uint64_t native = 0;
  int32_t il = 0;

  for (uint32_t i = 0; i < bounds->count; i++) {
    uint64_t at = (uint64_t)i * step + 2; /* behind the kind of the bound */
    uint64_t start = native + bits_at(bounds, at, bounds->native_bits);
    if (start > total)
      return false;
    if (i > 0)
      add_range(map, il, (uint32_t)native, (uint32_t)start);
    native = start;
    int64_t raw = (int64_t)bits_at(bounds, at + bounds->native_bits, bounds->il_bits) + IL_BIAS;
    if (raw > INT32_MAX)
      return false;
    il = (int32_t)raw;
  }
  add_range(map, il, (uint32_t)native, total);
  return map->len <= CORDBG_RT_MAP_MAX;
}

static bool
read_bounds(cordbg_runtime *runtime, uint64_t address, uint32_t size, uint32_t total, GArray *map)
{
  if (size == 0)
    return true;
  if (size > BOUNDS_MAX)
    return false;
  g_autofree uint8_t *bytes = g_malloc(size);
  if (!get(runtime, address, bytes, size))
    return false;
  nibbles head = {.bytes = bytes, .size = size};
  packed bounds = {.count = take_number(&head)};
  bounds.native_bits = take_number(&head) + 1;
  bounds.il_bits = take_number(&head) + 1;
  if (head.over || bounds.count == 0 || bounds.count > CORDBG_RT_MAP_MAX ||
      bounds.native_bits > 32 || bounds.il_bits > 32)
    return false;
  bounds.bytes = bytes + next_byte(&head);
  bounds.size = size - next_byte(&head);
  uint64_t bits = (uint64_t)bounds.count * (2 + bounds.native_bits + bounds.il_bits);
  return bounds.size == (bits + 7) / 8 && unpack(&bounds, total, map);
}

/* Behind the record of a method that may go on in another body while it runs. */
static bool
skip_patchpoint(cordbg_runtime *runtime, uint64_t *address)
{
  uint32_t locals;

  if (!get(runtime, *address + PATCHPOINT_LOCALS, &locals, sizeof locals) || locals > LOCALS_MAX)
    return false;
  *address += PATCHPOINT_FIXED + locals * 4ull;
  return true;
}

static bool
read_map(cordbg_runtime *runtime, uint64_t address, uint32_t total, unsigned *shape, GArray *map)
{
  uint8_t flags, head[HEAD_SIZE];
  nibbles sizes = {.bytes = head, .size = sizeof head};

  *shape = SHAPE_PLAIN;
  if (!address || !get(runtime, address, &flags, 1) || (flags & ~EXTRA_PATCHPOINT))
    return false;
  address++;
  if (flags & EXTRA_PATCHPOINT) {
    *shape = SHAPE_PATCHPOINT;
    if (!skip_patchpoint(runtime, &address))
      return false;
  }
  if (!get(runtime, address, head, sizeof head))
    return false;
  uint32_t size = take_number(&sizes);
  take_number(&sizes); /* of variables */
  return !sizes.over && read_bounds(runtime, address + next_byte(&sizes), size, total, map);
}

/* ---- A body ---- */

bool
cordbg_coreclr_read_body(cordbg_runtime *runtime, uint64_t method_desc, uint64_t start,
                         cordbg_coreclr_body *ret)
{
  const cordbg_coreclr_bodies *b = runtime->bodies;
  uint64_t header, words[4], definition = 0, stream;
  cordbg_dac_method method;

  if (!cordbg_coreclr_bodies_readable(runtime) || b->header_gc != 16 || b->header_method != 24 ||
      !get(runtime, start - 8, &header, sizeof header) || header % 8 != 0 ||
      !get(runtime, header, words, sizeof words) || words[3] != method_desc ||
      !cordbg_coreclr_method_token(runtime, method_desc, &method) ||
      !get(runtime, words[2], &stream, sizeof stream))
    return false;
  uint32_t size = code_length(stream);
  if (size == 0)
    return false;
  if (!find_definition(runtime, method.module, method.token, &definition) ||
      definition != method_desc)
    method.instance = method_desc;
  g_autoptr(GArray) map = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_map));
  if (!read_map(runtime, words[0], size, &ret->shape, map))
    return false;
  ret->code = (cordbg_dac_code){.kind = method.kind,
                                .method_desc = method_desc,
                                .module = method.module,
                                .token = method.token,
                                .class_token = method.class_token,
                                .instance = method.instance,
                                .start = start,
                                .size = size};
  ret->count = map->len;
  ret->map = map->len ? g_memdup2(map->data, map->len * sizeof(cordbg_rt_map)) : NULL;
  return true;
}

void
cordbg_coreclr_clear_body(cordbg_coreclr_body *body)
{
  g_clear_pointer(&body->map, g_free);
}

bool
cordbg_coreclr_body_proven(const cordbg_runtime *runtime, const cordbg_coreclr_body *body)
{
  return runtime->bodies->trust[body->shape] == PROVEN;
}

bool
cordbg_coreclr_body_is(cordbg_runtime *runtime, const cordbg_coreclr_body *body,
                       const cordbg_coreclr_code *code)
{
  const cordbg_coreclr_module *module = cordbg_coreclr_module_at(runtime, body->code.module);

  return module && module->id == code->rt.module && body->code.method_desc == code->method_desc &&
         body->code.token == code->rt.token && body->code.class_token == code->rt.class_token &&
         body->code.instance == code->rt.instance && body->code.start == code->rt.start &&
         body->code.size == code->rt.size && code->rt.cold_size == 0;
}

/* Takes the map over. */
static void
remember(cordbg_coreclr_bodies *b, cordbg_rt_id id, cordbg_coreclr_body *body)
{
  g_free(b->last_map);
  b->last = id;
  b->last_map = g_steal_pointer(&body->map);
  b->last_count = body->count;
}

HRESULT
cordbg_coreclr_tell_body(cordbg_runtime *runtime, uint64_t method_desc, uint64_t start, int32_t tid,
                         GArray *events, cordbg_error *error)
{
  cordbg_rt_event told = {.kind = CORDBG_RT_EVENT_CODE_COMPILED, .tid = tid};
  cordbg_coreclr_body body = {0};
  HRESULT hr = S_FALSE;

  if (cordbg_coreclr_read_body(runtime, method_desc, start, &body) &&
      cordbg_coreclr_body_proven(runtime, &body))
    hr = cordbg_coreclr_enter_code(runtime, &body.code, &told.code, error);
  if (hr == S_OK && g_hash_table_add(runtime->told, GSIZE_TO_POINTER(told.code.id))) {
    told.id = told.code.id;
    g_array_append_val(events, told);
    cordbg_coreclr_has_code(runtime, &told.code);
    remember(runtime->bodies, told.id, &body);
  }
  cordbg_coreclr_clear_body(&body);
  return hr;
}

bool
cordbg_coreclr_told_map(const cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_map **map,
                        size_t *count)
{
  const cordbg_coreclr_bodies *b = runtime->bodies;

  if (b->last != id)
    return false;
  *count = b->last_count;
  *map = b->last_count ? g_memdup2(b->last_map, b->last_count * sizeof **map) : NULL;
  return true;
}

void
cordbg_coreclr_prove_body(cordbg_runtime *runtime, const cordbg_coreclr_body *body,
                          const cordbg_coreclr_code *code, const cordbg_rt_map *map, size_t count)
{
  trust *state = &runtime->bodies->trust[body->shape];
  bool same = cordbg_coreclr_body_is(runtime, body, code) && body->count == count &&
              (count == 0 || memcmp(body->map, map, count * sizeof *map) == 0);

  if (!same)
    *state = REFUTED;
  else if (*state == UNKNOWN)
    *state = PROVEN;
}
