/* SPDX-License-Identifier: MIT */
/*
 * Symbols: what the two formats share. A symbol file is read whole (never mapped, like images) and
 * methods are decoded when asked for. Documents are decoded at opening, the line index - every
 * point of every method by document and line - at the first question that needs it, under a lock.
 */
#include "config.h"
#include "cordbg/metadata/symbols-private.h"

#include <stdlib.h>
#include <string.h>

/*
 * LINES_MAX bounds the line index: methods of a hostile file may all share one long line program.
 */
enum {
  SYMBOLS_SIZE_MAX = 512 << 20,
  LINES_MAX = 16 << 20,
  DEBUG_EMBEDDED_PDB = 17,
  DEBUG_CODE_VIEW = 2
};

static const uint8_t mdb_magic[8] = {0x14, 0xa6, 0x7f, 0xfd, 0x23, 0x26, 0xe8, 0x45};

static const cordbg_symbols_ops *
detect(const uint8_t *bytes, size_t size)
{
  if (size >= 4 && memcmp(bytes, "BSJB", 4) == 0)
    return &cordbg_pdb_ops;
  if (size >= sizeof mdb_magic && memcmp(bytes, mdb_magic, sizeof mdb_magic) == 0)
    return &cordbg_mdb_ops;
  return NULL;
}

static void
document_clear(void *data)
{
  g_free(((cordbg_document *)data)->url);
}

static void
symbols_free(cordbg_symbols *symbols)
{
  if (symbols->ops)
    symbols->ops->close(symbols);
  cordbg_span_deinit(&symbols->bytes);
  if (symbols->documents)
    g_array_unref(symbols->documents);
  if (symbols->lines)
    g_array_unref(symbols->lines);
  g_mutex_clear(&symbols->lock);
  g_free(symbols->path);
  g_free(symbols);
}

/* Consumes *source on success only. */
static HRESULT
open_source(const cordbg_source *source, const char *path, const cordbg_image *image,
            cordbg_symbols **ret, cordbg_error *error)
{
  if (source->size > SYMBOLS_SIZE_MAX)
    return cordbg_error_set(error, CLDB_E_TOO_BIG, 0, 0, "a symbol file of %llu bytes is refused",
                            (unsigned long long)source->size);
  cordbg_symbols *symbols = g_new0(cordbg_symbols, 1);
  symbols->references = 1;
  symbols->path = g_strdup(path);
  g_mutex_init(&symbols->lock);
  symbols->documents = g_array_new(FALSE, TRUE, sizeof(cordbg_document));
  g_array_set_clear_func(symbols->documents, document_clear);

  HRESULT hr = cordbg_source_span(source, 0, (size_t)source->size, &symbols->bytes, error);
  if (SUCCEEDED(hr)) {
    symbols->ops = detect(symbols->bytes.data, symbols->bytes.size);
    if (!symbols->ops)
      hr = cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "neither a Portable PDB nor an .mdb file");
  }
  if (SUCCEEDED(hr))
    hr = symbols->ops->open(symbols, error);
  if (SUCCEEDED(hr) && image)
    hr = symbols->ops->check(symbols, image, error);
  if (FAILED(hr)) {
    symbols_free(symbols);
    return hr;
  }
  symbols->source = *source;
  *ret = symbols;
  return S_OK;
}

HRESULT
cordbg_symbols_open_file(const char *path, const cordbg_image *image, cordbg_symbols **ret,
                         cordbg_error *error)
{
  cordbg_source source;
  HRESULT hr = cordbg_source_init_file(&source, path, error);
  if (FAILED(hr))
    return hr;
  hr = open_source(&source, path, image, ret, error);
  if (FAILED(hr))
    cordbg_source_deinit(&source);
  return hr;
}

HRESULT
cordbg_symbols_open_bytes(const void *bytes, size_t size, const cordbg_image *image,
                          cordbg_source_destroy_fn destroy, void *context, cordbg_symbols **ret,
                          cordbg_error *error)
{
  cordbg_source source;
  cordbg_source_init_bytes(&source, bytes, size, destroy, context);
  return open_source(&source, NULL, image, ret, error);
}

/* "MPDB", the inflated size, deflate data. S_FALSE when the image carries none. */
static HRESULT
open_embedded(const cordbg_image *image, cordbg_symbols **ret, cordbg_error *error)
{
  const cordbg_pe *pe = cordbg_image_pe(image);
  const cordbg_source *source = cordbg_image_source(image);
  cordbg_pe_debug_entry entries[CORDBG_PE_DEBUG_ENTRIES_MAX];
  unsigned count = 0;
  if (!pe ||
      FAILED(cordbg_pe_debug_entries(pe, source, entries, G_N_ELEMENTS(entries), &count, NULL)))
    return S_FALSE;
  for (unsigned i = 0; i < count; i++) {
    if (entries[i].type != DEBUG_EMBEDDED_PDB)
      continue;
    cordbg_span span = {0};
    HRESULT hr = cordbg_pe_debug_span(pe, source, &entries[i], &span, error);
    if (FAILED(hr))
      return hr;
    uint8_t *inflated = NULL;
    size_t size = 0;
    if (span.size < 8 || memcmp(span.data, "MPDB", 4) != 0) {
      hr = cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "the embedded PDB is damaged");
    } else {
      size = cordbg_load_u32(span.data + 4);
      hr = cordbg_inflate(span.data + 8, span.size - 8, size, &inflated, error);
    }
    cordbg_span_deinit(&span);
    if (SUCCEEDED(hr))
      hr = cordbg_symbols_open_bytes(inflated, size, NULL, free, inflated, ret, error);
    if (FAILED(hr))
      free(inflated);
    return hr;
  }
  return S_FALSE;
}

/* The file name that the image's CodeView entry says, without its directory; NULL for none. */
static char *
code_view_name(const cordbg_image *image)
{
  const cordbg_pe *pe = cordbg_image_pe(image);
  const cordbg_source *source = cordbg_image_source(image);
  cordbg_pe_debug_entry entries[CORDBG_PE_DEBUG_ENTRIES_MAX];
  unsigned count = 0;
  char *name = NULL;
  if (!pe ||
      FAILED(cordbg_pe_debug_entries(pe, source, entries, G_N_ELEMENTS(entries), &count, NULL)))
    return NULL;
  for (unsigned i = 0; i < count && !name; i++) {
    cordbg_span span = {0};
    if (entries[i].type != DEBUG_CODE_VIEW || entries[i].size > 4096 ||
        FAILED(cordbg_pe_debug_span(pe, source, &entries[i], &span, NULL)))
      continue;
    if (span.size > 24 && memcmp(span.data, "RSDS", 4) == 0) {
      g_autofree char *path = g_strndup((const char *)span.data + 24, span.size - 24);
      const char *slash = strrchr(path, '/'), *backslash = strrchr(path, '\\');
      const char *base = slash > backslash ? slash : backslash;
      name = g_strdup(base ? base + 1 : path);
    }
    cordbg_span_deinit(&span);
  }
  return name && name[0] ? name : (g_free(name), NULL);
}

/* Tries one file: keeps the first mismatch or damage for when nothing else is found. */
static HRESULT
try_file(char *path, const cordbg_image *image, cordbg_symbols **ret, HRESULT *worst,
         cordbg_error *error)
{
  cordbg_error own = {0};
  HRESULT hr = CLDB_E_RECORD_NOTFOUND;
  if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
    hr = cordbg_symbols_open_file(path, image, ret, &own);
    if (FAILED(hr) && *worst == CLDB_E_RECORD_NOTFOUND) {
      *worst = hr;
      if (error)
        *error = own;
    }
  }
  g_free(path);
  return hr;
}

static char *
replace_extension(const char *path, const char *extension)
{
  const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
  size_t stem = dot && dot > slash ? (size_t)(dot - path) : strlen(path);
  return g_strdup_printf("%.*s%s", (int)stem, path, extension);
}

HRESULT
cordbg_symbols_open(const cordbg_image *image, const char *image_path, const char *search_path,
                    cordbg_symbols **ret, cordbg_error *error)
{
  HRESULT hr = open_embedded(image, ret, error);
  if (hr != S_FALSE)
    return hr;
  HRESULT worst = CLDB_E_RECORD_NOTFOUND;
  g_autofree char *name = code_view_name(image);
  g_autofree char *directory = image_path ? g_path_get_dirname(image_path) : NULL;
  const char *directories[] = {directory, search_path};

  for (unsigned i = 0; i < 2; i++) {
    if (!directories[i])
      continue;
    if (name && SUCCEEDED(try_file(g_build_filename(directories[i], name, NULL), image, ret, &worst,
                                   error)))
      return S_OK;
    if (!image_path)
      continue;
    g_autofree char *base = g_path_get_basename(image_path);
    g_autofree char *there = g_build_filename(directories[i], base, NULL);
    if (SUCCEEDED(try_file(replace_extension(there, ".pdb"), image, ret, &worst, error)) ||
        SUCCEEDED(try_file(g_strconcat(there, ".mdb", NULL), image, ret, &worst, error)))
      return S_OK;
  }
  if (worst != CLDB_E_RECORD_NOTFOUND)
    return worst;
  return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0, "no symbols were found for %s",
                          image_path ? image_path : "the image");
}

cordbg_symbols *
cordbg_symbols_ref(cordbg_symbols *symbols)
{
  g_atomic_int_inc(&symbols->references);
  return symbols;
}

void
cordbg_symbols_unref(cordbg_symbols *symbols)
{
  if (!symbols || !g_atomic_int_dec_and_test(&symbols->references))
    return;
  cordbg_source source = symbols->source;
  symbols_free(symbols);
  cordbg_source_deinit(&source);
}

cordbg_symbols_format
cordbg_symbols_get_format(const cordbg_symbols *symbols)
{
  return symbols->ops->format;
}

const char *
cordbg_symbols_path(const cordbg_symbols *symbols)
{
  return symbols->path;
}

uint32_t
cordbg_symbols_entry_point(const cordbg_symbols *symbols)
{
  return symbols->entry_point;
}

uint32_t
cordbg_symbols_document_count(const cordbg_symbols *symbols)
{
  return symbols->documents->len;
}

const cordbg_document *
cordbg_symbols_document(const cordbg_symbols *symbols, uint32_t document)
{
  if (document - 1 >= symbols->documents->len)
    return NULL;
  return &g_array_index(symbols->documents, cordbg_document, document - 1);
}

static bool
is_separator(char c)
{
  return c == '/' || c == '\\';
}

static bool
ends_with_path(const char *url, const char *path)
{
  size_t url_length = strlen(url), path_length = strlen(path);
  if (path_length == 0 || path_length > url_length)
    return false;
  const char *tail = url + url_length - path_length;
  for (size_t i = 0; i < path_length; i++)
    if (tail[i] != path[i] && !(is_separator(tail[i]) && is_separator(path[i])))
      return false;
  return tail == url || is_separator(tail[-1]) || is_separator(tail[0]);
}

uint32_t
cordbg_symbols_find_documents(const cordbg_symbols *symbols, const char *path, uint32_t *documents,
                              uint32_t max)
{
  uint32_t count = 0;
  for (uint32_t d = 1; d <= symbols->documents->len; d++) {
    if (!ends_with_path(cordbg_symbols_document(symbols, d)->url, path))
      continue;
    if (count < max)
      documents[count] = d;
    count++;
  }
  return count;
}

HRESULT
cordbg_symbols_embedded_source(const cordbg_symbols *symbols, uint32_t document, cordbg_span *ret,
                               cordbg_error *error)
{
  if (symbols->ops != &cordbg_pdb_ops || !cordbg_symbols_document(symbols, document))
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "document %u has no embedded source", document);
  return cordbg_pdb_embedded_source(symbols, document, ret, error);
}

cordbg_blob
cordbg_symbols_source_link(const cordbg_symbols *symbols)
{
  if (symbols->ops != &cordbg_pdb_ops)
    return (cordbg_blob){(const uint8_t *)"", 0};
  return cordbg_pdb_source_link(symbols);
}

HRESULT
cordbg_symbols_method(const cordbg_symbols *symbols, uint32_t method_token,
                      cordbg_method_symbols **ret, cordbg_error *error)
{
  uint32_t rid = method_token & CORDBG_RID_MAX;
  if (method_token >> 24 != CORDBG_TABLE_METHOD_DEF || rid == 0 || rid > symbols->method_limit)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "the symbols do not know method 0x%08x", method_token);
  cordbg_method_symbols *method = g_new0(cordbg_method_symbols, 1);
  method->method = method_token;
  HRESULT hr = symbols->ops->method(symbols, rid, method, error);
  if (FAILED(hr)) {
    cordbg_method_symbols_free(method);
    return hr;
  }
  *ret = method;
  return S_OK;
}

void
cordbg_method_symbols_free(cordbg_method_symbols *method)
{
  if (!method)
    return;
  for (uint32_t i = 0; i < method->variable_count; i++)
    g_free(method->variables[i].name);
  for (uint32_t i = 0; i < method->constant_count; i++)
    g_free(method->constants[i].name);
  g_free(method->points);
  g_free(method->scopes);
  g_free(method->variables);
  g_free(method->constants);
  g_free(method->steps);
  g_free(method->hoisted);
  g_free(method);
}

const cordbg_sequence_point *
cordbg_method_symbols_point_at(const cordbg_method_symbols *method, uint32_t offset)
{
  const cordbg_sequence_point *found = NULL;
  for (uint32_t i = 0; i < method->point_count && method->points[i].offset <= offset; i++)
    if (method->points[i].start_line != CORDBG_HIDDEN_LINE)
      found = &method->points[i];
  return found;
}

static int
compare_lines(const void *a, const void *b)
{
  const cordbg_line_match *x = a, *y = b;
  const uint32_t keys[][2] = {{x->point.document, y->point.document},
                              {x->point.start_line, y->point.start_line},
                              {x->point.start_column, y->point.start_column},
                              {x->method, y->method},
                              {x->point.offset, y->point.offset}};
  for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++)
    if (keys[i][0] != keys[i][1])
      return keys[i][0] < keys[i][1] ? -1 : 1;
  return 0;
}

/* A method whose points cannot be read is left out: the others are still of use. */
static GArray *
build_lines(const cordbg_symbols *symbols)
{
  uint32_t methods = symbols->mdb_rids ? symbols->mdb_rids->len : symbols->method_limit;
  GArray *lines = g_array_new(FALSE, FALSE, sizeof(cordbg_line_match));
  GArray *points = g_array_new(FALSE, FALSE, sizeof(cordbg_sequence_point));
  uint64_t budget = LINES_MAX;
  for (uint32_t m = 0; m < methods && budget > 0; m++) {
    uint32_t rid = symbols->mdb_rids ? g_array_index(symbols->mdb_rids, uint32_t, m) : m + 1;
    uint32_t ignored;
    g_array_set_size(points, 0);
    HRESULT hr = symbols->ops->points(symbols, rid, points, &ignored, NULL);
    budget -= MIN(points->len, budget);
    if (FAILED(hr))
      continue;
    for (guint i = 0; i < points->len; i++) {
      cordbg_line_match match = {CORDBG_TABLE_METHOD_DEF << 24 | rid,
                                 g_array_index(points, cordbg_sequence_point, i)};
      if (match.point.start_line != CORDBG_HIDDEN_LINE && match.point.document)
        g_array_append_val(lines, match);
    }
  }
  g_array_unref(points);
  g_array_sort(lines, compare_lines);
  return lines;
}

static const GArray *
get_lines(const cordbg_symbols *symbols)
{
  cordbg_symbols *lazily = (cordbg_symbols *)symbols;
  GArray *lines = g_atomic_pointer_get(&lazily->lines);
  if (!lines) {
    g_mutex_lock(&lazily->lock);
    lines = lazily->lines;
    if (!lines) {
      lines = build_lines(symbols);
      g_atomic_pointer_set(&lazily->lines, lines);
    }
    g_mutex_unlock(&lazily->lock);
  }
  return lines;
}

/* The first entry at or behind (document, line). */
static guint
lower_bound(const GArray *lines, uint32_t document, uint64_t line)
{
  guint low = 0, high = lines->len;
  while (low < high) {
    guint middle = low + (high - low) / 2;
    const cordbg_sequence_point *point = &g_array_index(lines, cordbg_line_match, middle).point;
    if (point->document < document || (point->document == document && point->start_line < line))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

HRESULT
cordbg_symbols_find_line(const cordbg_symbols *symbols, uint32_t document, uint32_t line,
                         const cordbg_line_match **ret, size_t *ret_count, cordbg_error *error)
{
  if (!cordbg_symbols_document(symbols, document))
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no document %u", document);
  const GArray *lines = get_lines(symbols);
  guint first = lower_bound(lines, document, line), end = first;
  const cordbg_line_match *all = (const cordbg_line_match *)(const void *)lines->data;
  *ret = NULL;
  *ret_count = 0;
  if (first == lines->len || all[first].point.document != document)
    return S_OK;
  end = lower_bound(lines, document, (uint64_t)all[first].point.start_line + 1);
  *ret = all + first;
  *ret_count = end - first;
  return S_OK;
}

HRESULT
cordbg_symbols_document_points(const cordbg_symbols *symbols, uint32_t document,
                               const cordbg_line_match **ret, size_t *ret_count,
                               cordbg_error *error)
{
  if (!cordbg_symbols_document(symbols, document))
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no document %u", document);
  const GArray *lines = get_lines(symbols);
  guint first = lower_bound(lines, document, 0);
  guint end = lower_bound(lines, document + 1, 0);
  const cordbg_line_match *all = (const cordbg_line_match *)(const void *)lines->data;
  /* A table without lines has no memory at all. */
  *ret = first < end ? all + first : NULL;
  *ret_count = end - first;
  return S_OK;
}
