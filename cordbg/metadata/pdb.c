/* SPDX-License-Identifier: MIT */
/*
 * Portable PDB: a metadata root with tables of its own (the Portable PDB specification in
 * dotnet/runtime, docs/design/specs/PortablePdb-Metadata.md). The MethodDebugInformation table has
 * the rows of the image's MethodDef table, or none.
 */
#include "config.h"
#include "cordbg/metadata/symbols-private.h"

#include <string.h>
#include "cordbg/metadata/signature.h"

#define COLUMN(md, table, rid, column)                                                             \
  cordbg_metadata_column(md, CORDBG_TABLE_##table, rid, CORDBG_##table##_##column)

enum { DEBUG_CODE_VIEW = 2, PDB_ID_SIZE = 20, SCOPES_MAX = 1 << 16 };

static const uint8_t kind_async_stepping[16] = {0xc5, 0x2a, 0xfd, 0x54, 0x25, 0xe9, 0x1a, 0x40,
                                                0x9c, 0x2a, 0xf9, 0x4f, 0x17, 0x10, 0x72, 0xf8};
static const uint8_t kind_embedded_source[16] = {0x1b, 0x57, 0x8a, 0x0e, 0x26, 0x69, 0x6e, 0x46,
                                                 0xb4, 0xad, 0x8a, 0xb0, 0x46, 0x11, 0xf5, 0xfe};
static const uint8_t kind_hoisted_scopes[16] = {0x1e, 0xa6, 0xa9, 0x6d, 0xc7, 0xf8, 0x74, 0x48,
                                                0xbe, 0x62, 0x68, 0xbc, 0x56, 0x30, 0xdf, 0x71};
static const uint8_t kind_source_link[16] = {0x56, 0x05, 0x11, 0xcc, 0x91, 0xa0, 0x38, 0x4d,
                                             0x9f, 0xec, 0x25, 0xab, 0x9a, 0x35, 0x1a, 0x6a};

/* A document's name is a separator and the parts between, each a blob of its own. */
static char *
document_url(const cordbg_metadata *md, uint32_t rid)
{
  GString *url = g_string_new(NULL);
  cordbg_signature parts = cordbg_signature_of_blob(
      cordbg_metadata_column_blob(md, CORDBG_TABLE_DOCUMENT, rid, CORDBG_DOCUMENT_NAME));
  uint8_t separator;
  uint32_t index;
  bool first = true;
  if (cordbg_signature_read_byte(&parts, &separator)) {
    while (url->len < CORDBG_URL_MAX && cordbg_signature_read_u32(&parts, &index)) {
      if (!first && separator)
        g_string_append_c(url, (char)separator);
      first = false;
      cordbg_blob part = cordbg_metadata_blob(md, index);
      g_string_append_len(url, (const char *)part.data, MIN(part.size, CORDBG_URL_MAX));
    }
  }
  return g_string_free(url, FALSE);
}

static void
copy_guid(uint8_t to[16], const cordbg_metadata *md, uint32_t index)
{
  const uint8_t *guid = cordbg_metadata_guid(md, index);
  if (guid)
    memcpy(to, guid, 16);
}

static HRESULT
pdb_open(cordbg_symbols *symbols, cordbg_error *error)
{
  cordbg_metadata *md = &symbols->metadata;
  HRESULT hr = cordbg_metadata_init(md, symbols->bytes.data, symbols->bytes.size, error);
  if (FAILED(hr))
    return hr;
  if (!md->pdb.name)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "the metadata has no #Pdb stream: it is not a Portable PDB");
  symbols->entry_point = cordbg_load_u32(md->pdb.data + PDB_ID_SIZE);
  symbols->method_limit = cordbg_metadata_rows(md, CORDBG_TABLE_METHOD_DEBUG_INFORMATION);
  for (uint32_t rid = 1; rid <= cordbg_metadata_rows(md, CORDBG_TABLE_DOCUMENT); rid++) {
    cordbg_document document = {.url = document_url(md, rid)};
    copy_guid(document.language, md, COLUMN(md, DOCUMENT, rid, LANGUAGE));
    copy_guid(document.hash_algorithm, md, COLUMN(md, DOCUMENT, rid, HASH_ALGORITHM));
    document.hash =
        cordbg_metadata_column_blob(md, CORDBG_TABLE_DOCUMENT, rid, CORDBG_DOCUMENT_HASH);
    g_array_append_val(symbols->documents, document);
  }
  return S_OK;
}

static void
pdb_close(cordbg_symbols *symbols)
{
  cordbg_metadata_deinit(&symbols->metadata);
}

/* The image says its PDB's id in a CodeView entry: a GUID there, a stamp in the entry itself. */
static HRESULT
pdb_check(const cordbg_symbols *symbols, const cordbg_image *image, cordbg_error *error)
{
  const cordbg_pe *pe = cordbg_image_pe(image);
  const cordbg_source *source = cordbg_image_source(image);
  cordbg_pe_debug_entry entries[CORDBG_PE_DEBUG_ENTRIES_MAX];
  unsigned count = 0;
  if (!pe)
    return S_OK;
  HRESULT hr = cordbg_pe_debug_entries(pe, source, entries, G_N_ELEMENTS(entries), &count, error);
  if (FAILED(hr))
    return hr;
  for (unsigned i = 0; i < count; i++) {
    if (entries[i].type != DEBUG_CODE_VIEW || entries[i].size < 24)
      continue;
    cordbg_span span = {0};
    hr = cordbg_pe_debug_span(pe, source, &entries[i], &span, error);
    if (FAILED(hr))
      return hr;
    const uint8_t *id = symbols->metadata.pdb.data;
    bool same = memcmp(span.data, "RSDS", 4) == 0 && memcmp(span.data + 4, id, 16) == 0 &&
                cordbg_load_u32(id + 16) == entries[i].timestamp;
    cordbg_span_deinit(&span);
    if (same)
      return S_OK;
  }
  return cordbg_error_set(error, CLDB_E_FILE_OLDVER, 0, 0,
                          "%s belongs to another build of the image: the ids differ",
                          symbols->path ? symbols->path : "the PDB");
}

typedef struct point_state {
  cordbg_sequence_point point;
  bool first, line_known;
} point_state;

/* One record behind its IL delta: hidden, or lines and columns relative to the last ones. */
static bool
read_line_record(cordbg_signature *blob, point_state *state, cordbg_sequence_point *ret)
{
  uint32_t lines, unsigned_columns = 0;
  int32_t columns;
  if (!cordbg_signature_read_u32(blob, &lines))
    return false;
  if (lines == 0) {
    if (!cordbg_signature_read_u32(blob, &unsigned_columns))
      return false;
    columns = (int32_t)unsigned_columns;
  } else if (!cordbg_signature_read_i32(blob, &columns)) {
    return false;
  }
  *ret = state->point;
  if (lines == 0 && columns == 0) {
    ret->start_line = ret->end_line = CORDBG_HIDDEN_LINE;
    ret->start_column = ret->end_column = 0;
    return true;
  }

  if (!state->line_known) {
    if (!cordbg_signature_read_u32(blob, &state->point.start_line) ||
        !cordbg_signature_read_u32(blob, &state->point.start_column))
      return false;
    state->line_known = true;
  } else {
    int32_t line_delta, column_delta;
    if (!cordbg_signature_read_i32(blob, &line_delta) ||
        !cordbg_signature_read_i32(blob, &column_delta))
      return false;
    state->point.start_line += (uint32_t)line_delta;
    state->point.start_column += (uint32_t)column_delta;
  }
  *ret = state->point;
  ret->end_line = ret->start_line + lines;
  ret->end_column = ret->start_column + (uint32_t)columns;
  return true;
}

static HRESULT
pdb_points(const cordbg_symbols *symbols, uint32_t rid, GArray *points,
           uint32_t *ret_local_signature, cordbg_error *error)
{
  const cordbg_metadata *md = &symbols->metadata;
  point_state state = {.first = true};
  state.point.document = COLUMN(md, METHOD_DEBUG_INFORMATION, rid, DOCUMENT);
  cordbg_signature blob = cordbg_signature_of_blob(
      cordbg_metadata_column_blob(md, CORDBG_TABLE_METHOD_DEBUG_INFORMATION, rid,
                                  CORDBG_METHOD_DEBUG_INFORMATION_SEQUENCE_POINTS));
  *ret_local_signature = 0;
  if (blob.at == blob.end)
    return S_OK;

  uint32_t local_signature, delta;
  bool good = cordbg_signature_read_u32(&blob, &local_signature);
  if (good && local_signature)
    *ret_local_signature = CORDBG_TABLE_STAND_ALONE_SIG << 24 | local_signature;
  if (good && state.point.document == 0)
    good = cordbg_signature_read_u32(&blob, &state.point.document);

  while (good && blob.at < blob.end && points->len < CORDBG_POINTS_MAX) {
    good = cordbg_signature_read_u32(&blob, &delta);
    if (good && delta == 0 && !state.first) {
      good = cordbg_signature_read_u32(&blob, &state.point.document);
      continue;
    }
    state.first = false;
    cordbg_sequence_point point;
    state.point.offset += delta;
    good = good && read_line_record(&blob, &state, &point);
    if (good)
      g_array_append_val(points, point);
  }
  if (!good)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "the sequence points of method 0x%08x are damaged",
                            CORDBG_TABLE_METHOD_DEF << 24 | rid);
  return S_OK;
}

/* The innermost earlier scope that contains [start, end); scopes come sorted outer first. */
static int32_t
find_parent(const GArray *scopes, uint32_t start, uint32_t end)
{
  int32_t parent = (int32_t)scopes->len - 1;
  while (parent > 0) {
    const cordbg_local_scope *scope = &g_array_index(scopes, cordbg_local_scope, parent);
    if (start >= scope->start && end <= scope->end)
      return parent;
    parent = scope->parent;
  }
  return parent;
}

static void
append_variables(const cordbg_metadata *md, uint32_t scope_rid, GArray *variables,
                 cordbg_local_scope *scope)
{
  cordbg_run run = cordbg_metadata_scope_variables(md, scope_rid);
  scope->first_variable = variables->len;
  for (uint32_t rid = run.first; rid < run.end && variables->len < SCOPES_MAX; rid++) {
    cordbg_local_variable variable = {
        g_strdup(cordbg_metadata_column_string(md, CORDBG_TABLE_LOCAL_VARIABLE, rid,
                                               CORDBG_LOCAL_VARIABLE_NAME)),
        COLUMN(md, LOCAL_VARIABLE, rid, INDEX), COLUMN(md, LOCAL_VARIABLE, rid, ATTRIBUTES)};
    g_array_append_val(variables, variable);
  }
  scope->variable_count = variables->len - scope->first_variable;
}

static void
append_constants(const cordbg_metadata *md, uint32_t scope_rid, GArray *constants,
                 cordbg_local_scope *scope)
{
  cordbg_run run = cordbg_metadata_scope_constants(md, scope_rid);
  scope->first_constant = constants->len;
  for (uint32_t rid = run.first; rid < run.end && constants->len < SCOPES_MAX; rid++) {
    cordbg_local_constant constant = {
        g_strdup(cordbg_metadata_column_string(md, CORDBG_TABLE_LOCAL_CONSTANT, rid,
                                               CORDBG_LOCAL_CONSTANT_NAME)),
        cordbg_metadata_column_blob(md, CORDBG_TABLE_LOCAL_CONSTANT, rid,
                                    CORDBG_LOCAL_CONSTANT_SIGNATURE)};
    g_array_append_val(constants, constant);
  }
  scope->constant_count = constants->len - scope->first_constant;
}

static void
read_scopes(const cordbg_metadata *md, uint32_t rid, cordbg_method_symbols *ret)
{
  GArray *scopes = g_array_new(FALSE, FALSE, sizeof(cordbg_local_scope));
  GArray *variables = g_array_new(FALSE, FALSE, sizeof(cordbg_local_variable));
  GArray *constants = g_array_new(FALSE, FALSE, sizeof(cordbg_local_constant));
  cordbg_match match = cordbg_metadata_find(md, CORDBG_TABLE_LOCAL_SCOPE, rid);
  for (uint32_t p = match.first; p < match.end && scopes->len < SCOPES_MAX; p++) {
    uint32_t scope_rid = cordbg_metadata_match_rid(md, &match, p);
    uint32_t start = COLUMN(md, LOCAL_SCOPE, scope_rid, START_OFFSET);
    uint32_t length = COLUMN(md, LOCAL_SCOPE, scope_rid, LENGTH);
    cordbg_local_scope scope = {.start = start,
                                .end = length > UINT32_MAX - start ? UINT32_MAX : start + length};
    scope.parent = find_parent(scopes, scope.start, scope.end);
    scope.import_scope = COLUMN(md, LOCAL_SCOPE, scope_rid, IMPORT_SCOPE);
    append_variables(md, scope_rid, variables, &scope);
    append_constants(md, scope_rid, constants, &scope);
    g_array_append_val(scopes, scope);
  }
  ret->scope_count = scopes->len;
  ret->variable_count = variables->len;
  ret->constant_count = constants->len;
  ret->scopes = (cordbg_local_scope *)(void *)g_array_free(scopes, FALSE);
  ret->variables = (cordbg_local_variable *)(void *)g_array_free(variables, FALSE);
  ret->constants = (cordbg_local_constant *)(void *)g_array_free(constants, FALSE);
}

uint32_t
cordbg_pdb_custom(const cordbg_symbols *symbols, uint32_t parent, const uint8_t kind[16])
{
  const cordbg_metadata *md = &symbols->metadata;
  cordbg_match match =
      cordbg_metadata_find_token(md, CORDBG_TABLE_CUSTOM_DEBUG_INFORMATION, parent);
  for (uint32_t p = match.first; p < match.end; p++) {
    uint32_t rid = cordbg_metadata_match_rid(md, &match, p);
    const uint8_t *own = cordbg_metadata_guid(md, COLUMN(md, CUSTOM_DEBUG_INFORMATION, rid, KIND));
    if (own && memcmp(own, kind, 16) == 0)
      return rid;
  }
  return 0;
}

cordbg_blob
cordbg_symbols_custom(const cordbg_symbols *symbols, uint32_t token, const uint8_t kind[16])
{
  if (symbols->ops->format != CORDBG_SYMBOLS_PORTABLE_PDB)
    return (cordbg_blob){(const uint8_t *)"", 0};
  return cordbg_metadata_column_blob(&symbols->metadata, CORDBG_TABLE_CUSTOM_DEBUG_INFORMATION,
                                     cordbg_pdb_custom(symbols, token, kind),
                                     CORDBG_CUSTOM_DEBUG_INFORMATION_VALUE);
}

/* The catch handler's offset plus one, then triples: yield, resume, the method that resumes. */
static void
read_async(const cordbg_symbols *symbols, uint32_t rid, cordbg_method_symbols *ret)
{
  const cordbg_metadata *md = &symbols->metadata;
  cordbg_match match = cordbg_metadata_find(md, CORDBG_TABLE_STATE_MACHINE_METHOD, rid);
  if (match.first < match.end) {
    uint32_t row = cordbg_metadata_match_rid(md, &match, match.first);
    ret->kickoff_method = CORDBG_TABLE_METHOD_DEF << 24 |
                          (COLUMN(md, STATE_MACHINE_METHOD, row, KICKOFF) & CORDBG_RID_MAX);
  }
  cordbg_blob blob =
      cordbg_symbols_custom(symbols, CORDBG_TABLE_METHOD_DEF << 24 | rid, kind_async_stepping);
  if (blob.size < 4)
    return;
  ret->is_async = true;
  uint32_t handler = cordbg_load_u32(blob.data);
  ret->has_catch_handler = handler != 0;
  ret->catch_handler = handler ? handler - 1 : 0;

  GArray *steps = g_array_new(FALSE, FALSE, sizeof(cordbg_async_step));
  cordbg_signature cursor = {blob.data + 4, blob.data + blob.size};
  while (cursor.end - cursor.at > 8) {
    cordbg_async_step step = {cordbg_load_u32(cursor.at), cordbg_load_u32(cursor.at + 4), 0};
    cursor.at += 8;
    uint32_t method;
    if (!cordbg_signature_read_u32(&cursor, &method))
      break;
    step.resume_method = CORDBG_TABLE_METHOD_DEF << 24 | (method & CORDBG_RID_MAX);
    g_array_append_val(steps, step);
  }
  ret->step_count = steps->len;
  ret->steps = (cordbg_async_step *)(void *)g_array_free(steps, FALSE);
}

/* A start and a length for each slot. */
static void
read_hoisted(const cordbg_symbols *symbols, uint32_t rid, cordbg_method_symbols *ret)
{
  cordbg_blob blob =
      cordbg_symbols_custom(symbols, CORDBG_TABLE_METHOD_DEF << 24 | rid, kind_hoisted_scopes);
  uint32_t count = MIN(blob.size / 8, SCOPES_MAX);
  ret->hoisted_count = count;
  ret->hoisted = g_new(cordbg_hoisted_scope, count);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t start = cordbg_load_u32(blob.data + 8 * i);
    uint32_t length = cordbg_load_u32(blob.data + 8 * i + 4);
    ret->hoisted[i] =
        (cordbg_hoisted_scope){start, length > UINT32_MAX - start ? UINT32_MAX : start + length};
  }
}

static HRESULT
pdb_method(const cordbg_symbols *symbols, uint32_t rid, cordbg_method_symbols *ret,
           cordbg_error *error)
{
  GArray *points = g_array_new(FALSE, FALSE, sizeof(cordbg_sequence_point));
  HRESULT hr = pdb_points(symbols, rid, points, &ret->local_signature, error);
  ret->point_count = points->len;
  ret->points = (cordbg_sequence_point *)(void *)g_array_free(points, FALSE);
  if (FAILED(hr))
    return hr;
  read_scopes(&symbols->metadata, rid, ret);
  read_async(symbols, rid, ret);
  read_hoisted(symbols, rid, ret);
  if (ret->point_count == 0 && ret->scope_count == 0 && !ret->kickoff_method)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "the symbols know nothing of method 0x%08x", ret->method);
  return S_OK;
}

HRESULT
cordbg_pdb_embedded_source(const cordbg_symbols *symbols, uint32_t document, cordbg_span *ret,
                           cordbg_error *error)
{
  cordbg_blob blob =
      cordbg_symbols_custom(symbols, CORDBG_TABLE_DOCUMENT << 24 | document, kind_embedded_source);
  if (blob.size < 4)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "document %u has no embedded source", document);
  uint32_t format = cordbg_load_u32(blob.data);
  if (format == 0) {
    *ret = (cordbg_span){.data = blob.data + 4, .size = blob.size - 4};
    return S_OK;
  }
  uint8_t *text;
  HRESULT hr = cordbg_inflate(blob.data + 4, blob.size - 4, format, &text, error);
  if (SUCCEEDED(hr))
    *ret = (cordbg_span){.data = text, .size = format, .owned = text};
  return hr;
}

cordbg_blob
cordbg_pdb_source_link(const cordbg_symbols *symbols)
{
  return cordbg_symbols_custom(symbols, (uint32_t)CORDBG_TABLE_MODULE << 24 | 1, kind_source_link);
}

const cordbg_symbols_ops cordbg_pdb_ops = {
    .format = CORDBG_SYMBOLS_PORTABLE_PDB,
    .open = pdb_open,
    .check = pdb_check,
    .method = pdb_method,
    .points = pdb_points,
    .close = pdb_close,
};
