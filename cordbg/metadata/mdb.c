/* SPDX-License-Identifier: MIT */
/*
 * Mono's .mdb symbol files, version 50.0, as mcs writes them (Mono.CompilerServices.SymbolWriter):
 * a header with the offsets of tables, then data that the tables' entries point to. Numbers in the
 * data are 7-bit encoded; lines are a DWARF-like program for each method.
 */
#include "config.h"
#include "cordbg/metadata/symbols-private.h"

#include <string.h>

enum {
  HEADER_SIZE = 16 + 16 + 20 * 4,
  SOURCE_ENTRY = 8,
  METHOD_ENTRY = 12,
  LNS_COPY = 1,
  LNS_ADVANCE_PC = 2,
  LNS_ADVANCE_LINE = 3,
  LNS_SET_FILE = 4,
  LNS_CONST_ADD_PC = 8,
  LNE_END_SEQUENCE = 1,
  LNE_NEGATE_IS_HIDDEN = 0x40,
  LNE_EXTENSIONS_END = 0x7f,
  METHOD_COLUMNS = 2,
  METHOD_ENDS = 4,
  ITEMS_MAX = 1 << 16,
};

/* The words of the header's offset table that matter here. */
enum {
  WORD_SOURCE_COUNT = 6,
  WORD_SOURCE_TABLE = 7,
  WORD_METHOD_COUNT = 9,
  WORD_METHOD_TABLE = 10,
  WORD_LINE_BASE = 16,
  WORD_LINE_RANGE = 17,
  WORD_OPCODE_BASE = 18,
};

typedef struct cursor {
  const uint8_t *at, *end;
} cursor;

static HRESULT
corrupt(cordbg_error *error, const char *what)
{
  return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "the .mdb file is damaged: %s", what);
}

static uint32_t
header_word(const cordbg_symbols *symbols, unsigned word)
{
  return cordbg_load_u32(symbols->bytes.data + 32 + word * 4);
}

static bool
seek(const cordbg_symbols *symbols, uint32_t offset, cursor *ret)
{
  if (offset >= symbols->bytes.size)
    return false;
  *ret = (cursor){symbols->bytes.data + offset, symbols->bytes.data + symbols->bytes.size};
  return true;
}

static bool
read_byte(cursor *c, uint8_t *ret)
{
  if (c->at >= c->end)
    return false;
  *ret = *c->at++;
  return true;
}

/* 7 bits a byte, least significant first, at most five bytes; negative numbers take all five. */
static bool
read_number(cursor *c, uint32_t *ret)
{
  uint8_t byte;
  *ret = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (!read_byte(c, &byte))
      return false;
    *ret |= (uint32_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return true;
  }
  return false;
}

static char *
read_string(cursor *c)
{
  uint32_t length;
  if (!read_number(c, &length) || length > (size_t)(c->end - c->at) || length > CORDBG_URL_MAX)
    return NULL;
  char *text = g_strndup((const char *)c->at, length);
  c->at += length;
  return text;
}

static bool
table_fits(const cordbg_symbols *symbols, uint32_t offset, uint32_t count, uint32_t entry_size)
{
  return (uint64_t)offset + (uint64_t)count * entry_size <= symbols->bytes.size;
}

static HRESULT
read_documents(cordbg_symbols *symbols, cordbg_error *error)
{
  uint32_t count = header_word(symbols, WORD_SOURCE_COUNT);
  uint32_t table = header_word(symbols, WORD_SOURCE_TABLE);
  if (!table_fits(symbols, table, count, SOURCE_ENTRY))
    return corrupt(error, "the source table lies outside");
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *entry = symbols->bytes.data + table + (size_t)i * SOURCE_ENTRY;
    cursor c;
    cordbg_document document = {0};
    if (seek(symbols, cordbg_load_u32(entry + 4), &c))
      document.url = read_string(&c);
    if (!document.url)
      return corrupt(error, "a source file's name is not there");
    /* A GUID that is always new, then the MD5 of the text. */
    if (c.end - c.at >= 32)
      document.hash = (cordbg_blob){c.at + 16, 16};
    g_array_append_val(symbols->documents, document);
  }
  return S_OK;
}

static HRESULT
mdb_open(cordbg_symbols *symbols, cordbg_error *error)
{
  if (symbols->bytes.size < HEADER_SIZE)
    return corrupt(error, "the header is cut short");
  uint32_t major = cordbg_load_u32(symbols->bytes.data + 8);
  if (major != 50)
    return cordbg_error_set(error, CLDB_E_INCOMPATIBLE, 0, 0,
                            "version %u of the .mdb format is not supported, 50 is", major);
  if (header_word(symbols, WORD_LINE_RANGE) == 0 || header_word(symbols, WORD_OPCODE_BASE) > 255 ||
      header_word(symbols, WORD_LINE_RANGE) > 255)
    return corrupt(error, "the line program's parameters are impossible");
  HRESULT hr = read_documents(symbols, error);
  if (FAILED(hr))
    return hr;

  uint32_t count = header_word(symbols, WORD_METHOD_COUNT);
  uint32_t table = header_word(symbols, WORD_METHOD_TABLE);
  if (!table_fits(symbols, table, count, METHOD_ENTRY))
    return corrupt(error, "the method table lies outside");
  symbols->mdb_methods = g_hash_table_new(NULL, NULL);
  symbols->mdb_rids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  for (uint32_t i = 0; i < count; i++) {
    uint32_t at = table + i * METHOD_ENTRY;
    uint32_t rid = cordbg_load_u32(symbols->bytes.data + at) & CORDBG_RID_MAX;
    if (g_hash_table_contains(symbols->mdb_methods, GUINT_TO_POINTER(rid)))
      continue;
    g_hash_table_insert(symbols->mdb_methods, GUINT_TO_POINTER(rid), GUINT_TO_POINTER(at + 1));
    g_array_append_val(symbols->mdb_rids, rid);
    symbols->method_limit = MAX(symbols->method_limit, rid);
  }
  return S_OK;
}

static void
mdb_close(cordbg_symbols *symbols)
{
  if (symbols->mdb_methods)
    g_hash_table_unref(symbols->mdb_methods);
  if (symbols->mdb_rids)
    g_array_unref(symbols->mdb_rids);
}

static HRESULT
mdb_check(const cordbg_symbols *symbols, const cordbg_image *image, cordbg_error *error)
{
  const uint8_t *mvid = cordbg_image_mvid(image);
  if (mvid && memcmp(mvid, symbols->bytes.data + 16, 16) == 0)
    return S_OK;
  return cordbg_error_set(error, CLDB_E_FILE_OLDVER, 0, 0,
                          "%s belongs to another build of the image: the module ids differ",
                          symbols->path ? symbols->path : "the .mdb file");
}

/* What a method's entry leads to. */
typedef struct method_data {
  uint32_t locals, blocks, flags;
  cursor lines;
} method_data;

static HRESULT
find_method(const cordbg_symbols *symbols, uint32_t rid, method_data *ret, cordbg_error *error)
{
  uint32_t at = GPOINTER_TO_UINT(g_hash_table_lookup(symbols->mdb_methods, GUINT_TO_POINTER(rid)));
  if (!at)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "the symbols know nothing of method 0x%08x",
                            CORDBG_TABLE_METHOD_DEF << 24 | rid);
  const uint8_t *entry = symbols->bytes.data + at - 1;
  cursor data;
  uint32_t unit, name_space, scope_variables, real_name;
  if (!seek(symbols, cordbg_load_u32(entry + 4), &data) || !read_number(&data, &unit) ||
      !read_number(&data, &ret->locals) || !read_number(&data, &name_space) ||
      !read_number(&data, &ret->blocks) || !read_number(&data, &scope_variables) ||
      !read_number(&data, &real_name) || !read_number(&data, &ret->flags) ||
      !seek(symbols, cordbg_load_u32(entry + 8), &ret->lines))
    return corrupt(error, "a method's entry leads outside");
  return S_OK;
}

/* The registers of the line program. */
typedef struct line_state {
  uint32_t line, offset, file;
  bool hidden, modified;
} line_state;

static void
emit(const line_state *state, GArray *points)
{
  cordbg_sequence_point point = {.offset = state->offset, .document = state->file};
  point.start_line = point.end_line = state->line;
  /* Marked for now: columns and ends are read for hidden points too. */
  point.start_column = state->hidden;
  g_array_append_val(points, point);
}

/* An extended opcode; *ret_end says that it ended the program. */
static bool
run_extended(cursor *c, line_state *state, GArray *points, bool *ret_end)
{
  uint8_t size, opcode = 0;
  if (!read_byte(c, &size) || size == 0 || size > c->end - c->at)
    return false;
  const uint8_t *behind = c->at + size;
  read_byte(c, &opcode);
  if (opcode == LNE_END_SEQUENCE) {
    if (state->modified)
      emit(state, points);
    *ret_end = true;
  } else if (opcode == LNE_NEGATE_IS_HIDDEN) {
    state->hidden = !state->hidden;
    state->modified = true;
  } else if (opcode < LNE_NEGATE_IS_HIDDEN || opcode > LNE_EXTENSIONS_END) {
    return false;
  }
  c->at = behind;
  return true;
}

static bool
run_standard(cursor *c, uint8_t opcode, uint32_t max_increment, line_state *state, GArray *points)
{
  uint32_t operand = 0;
  if (opcode >= LNS_ADVANCE_PC && opcode <= LNS_SET_FILE && !read_number(c, &operand))
    return false;
  state->modified = opcode != LNS_COPY;
  switch (opcode) {
  case LNS_COPY:
    emit(state, points);
    return true;
  case LNS_ADVANCE_PC:
    state->offset += operand;
    return true;
  case LNS_ADVANCE_LINE:
    state->line += operand;
    return true;
  case LNS_SET_FILE:
    state->file = operand;
    return true;
  case LNS_CONST_ADD_PC:
    state->offset += max_increment;
    return true;
  default:
    return false;
  }
}

static bool
run_program(const cordbg_symbols *symbols, cursor *c, GArray *points)
{
  int32_t base = (int32_t)header_word(symbols, WORD_LINE_BASE);
  uint32_t range = header_word(symbols, WORD_LINE_RANGE);
  uint32_t opcode_base = header_word(symbols, WORD_OPCODE_BASE);
  uint32_t max_increment = (255 - opcode_base) / range;
  line_state state = {.line = 1, .file = 1};
  bool ended = false;
  uint8_t opcode;

  while (!ended) {
    if (points->len >= CORDBG_POINTS_MAX || !read_byte(c, &opcode))
      return false;
    if (opcode == 0) {
      if (!run_extended(c, &state, points, &ended))
        return false;
    } else if (opcode < opcode_base) {
      if (!run_standard(c, opcode, max_increment, &state, points))
        return false;
    } else {
      state.offset += (opcode - opcode_base) / range;
      state.line += (uint32_t)base + (opcode - opcode_base) % range;
      emit(&state, points);
      state.modified = false;
    }
  }
  return true;
}

/* Columns, then ends, behind the program; hidden points become hidden at last. */
static bool
read_extents(cursor *c, uint32_t flags, GArray *points)
{
  bool good = true;
  for (guint i = 0; good && i < points->len; i++) {
    cordbg_sequence_point *point = &g_array_index(points, cordbg_sequence_point, i);
    bool hidden = point->start_column != 0;
    point->start_column = 0;
    if (flags & METHOD_COLUMNS)
      good = read_number(c, &point->start_column);
    point->end_column = hidden;
  }
  for (guint i = 0; good && i < points->len; i++) {
    cordbg_sequence_point *point = &g_array_index(points, cordbg_sequence_point, i);
    bool hidden = point->end_column != 0;
    uint32_t rows = 0xffffff;
    point->end_column = point->start_column;
    if (flags & METHOD_ENDS)
      good = read_number(c, &rows);
    if (good && rows != 0xffffff) {
      point->end_line = point->start_line + rows;
      good = read_number(c, &point->end_column);
    }
    if (hidden) {
      point->start_line = point->end_line = CORDBG_HIDDEN_LINE;
      point->start_column = point->end_column = 0;
    }
  }
  return good;
}

static HRESULT
mdb_points(const cordbg_symbols *symbols, uint32_t rid, GArray *points,
           uint32_t *ret_local_signature, cordbg_error *error)
{
  method_data data;
  HRESULT hr = find_method(symbols, rid, &data, error);
  if (FAILED(hr))
    return hr;
  *ret_local_signature = 0;
  cursor lines = data.lines;
  if (!run_program(symbols, &lines, points) || !read_extents(&lines, data.flags, points))
    return corrupt(error, "a line program does not end");
  return S_OK;
}

/*
 * Code blocks nest by the number of their parent (from 1, 0 for the method); a root that covers
 * them all is put in front, so that block n is scope n.
 */
static bool
read_blocks(const cordbg_symbols *symbols, uint32_t offset, GArray *scopes)
{
  cursor c;
  uint32_t count, type, parent;
  if (!seek(symbols, offset, &c) || !read_number(&c, &count) || count > ITEMS_MAX)
    return false;
  cordbg_local_scope root = {.parent = -1, .end = UINT32_MAX};
  g_array_append_val(scopes, root);
  for (uint32_t i = 0; i < count; i++) {
    cordbg_local_scope scope = {0};
    if (!read_number(&c, &type) || !read_number(&c, &parent) || !read_number(&c, &scope.start) ||
        !read_number(&c, &scope.end))
      return false;
    /* Parents come first; a block that claims another stands in the root. */
    scope.parent = parent <= i ? (int32_t)parent : 0;
    g_array_append_val(scopes, scope);
  }
  return true;
}

typedef struct placed_local {
  cordbg_local_variable variable;
  uint32_t block;
} placed_local;

static bool
read_locals(const cordbg_symbols *symbols, uint32_t offset, GArray *locals)
{
  cursor c;
  uint32_t count;
  if (!seek(symbols, offset, &c) || !read_number(&c, &count) || count > ITEMS_MAX)
    return false;
  for (uint32_t i = 0; i < count; i++) {
    placed_local local = {0};
    if (!read_number(&c, &local.variable.index))
      return false;
    local.variable.name = read_string(&c);
    if (!local.variable.name)
      return false;
    bool good = read_number(&c, &local.block);
    g_array_append_val(locals, local);
    if (!good)
      return false;
  }
  return true;
}

static int
compare_locals(const void *a, const void *b)
{
  const placed_local *x = a, *y = b;
  if (x->block != y->block)
    return x->block < y->block ? -1 : 1;
  return x->variable.index < y->variable.index ? -1 : x->variable.index > y->variable.index;
}

static bool
read_scopes(const cordbg_symbols *symbols, const method_data *data, cordbg_method_symbols *ret)
{
  GArray *scopes = g_array_new(FALSE, FALSE, sizeof(cordbg_local_scope));
  GArray *locals = g_array_new(FALSE, FALSE, sizeof(placed_local));
  bool good =
      read_blocks(symbols, data->blocks, scopes) && read_locals(symbols, data->locals, locals);

  g_array_sort(locals, compare_locals);
  ret->variable_count = locals->len;
  ret->variables = g_new0(cordbg_local_variable, locals->len + 1);
  for (guint i = 0; i < locals->len; i++) {
    const placed_local *local = &g_array_index(locals, placed_local, i);
    ret->variables[i] = local->variable;
    uint32_t block = local->block < scopes->len ? local->block : 0;
    if (scopes->len == 0)
      continue;
    cordbg_local_scope *scope = &g_array_index(scopes, cordbg_local_scope, block);
    if (scope->variable_count == 0)
      scope->first_variable = i;
    /* Locals of blocks that do not exist sort last and cannot continue the root's run. */
    if (scope->first_variable + scope->variable_count == i)
      scope->variable_count++;
  }
  ret->scope_count = scopes->len;
  ret->scopes = (cordbg_local_scope *)(void *)g_array_free(scopes, FALSE);
  g_array_free(locals, TRUE);
  return good;
}

static HRESULT
mdb_method(const cordbg_symbols *symbols, uint32_t rid, cordbg_method_symbols *ret,
           cordbg_error *error)
{
  method_data data;
  HRESULT hr = find_method(symbols, rid, &data, error);
  if (FAILED(hr))
    return hr;
  GArray *points = g_array_new(FALSE, FALSE, sizeof(cordbg_sequence_point));
  hr = mdb_points(symbols, rid, points, &ret->local_signature, error);
  ret->point_count = points->len;
  ret->points = (cordbg_sequence_point *)(void *)g_array_free(points, FALSE);
  if (FAILED(hr))
    return hr;
  if (!read_scopes(symbols, &data, ret))
    return corrupt(error, "a method's scopes lie outside");
  return S_OK;
}

const cordbg_symbols_ops cordbg_mdb_ops = {
    .format = CORDBG_SYMBOLS_MDB,
    .open = mdb_open,
    .check = mdb_check,
    .method = mdb_method,
    .points = mdb_points,
    .close = mdb_close,
};
