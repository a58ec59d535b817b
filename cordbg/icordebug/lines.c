/* SPDX-License-Identifier: MIT */
/*
 * From code to its name and source line, and from a source line to code: what symbols (metadata.c)
 * are asked for.
 */
#include "cordbg/icordebug/private.h"

#include <string.h>

#include "cordbg/metadata/sym-reader.h"
#include "cordbg/native/managed-frames.h"

/* ---- From an address ---- */

static void
copy_text(char *to, size_t room, const char *text)
{
  const char *end;
  g_strlcpy(to, text ? text : "", room);
  /* A name that was cut, or that the target made up, ends with a whole character. */
  if (!g_utf8_validate(to, -1, &end))
    to[end - to] = '\0';
}

/*
 * The IL offset that a native offset of a body belongs to. In the prologue it is 0, in an epilogue
 * and where nothing is mapped that of the code before it. -1: not known.
 */
static int32_t
il_offset_at(const cordbg_rt_map *map, size_t count, uint32_t native_offset)
{
  int32_t il = CORDBG_RT_IL_NO_MAPPING;
  for (size_t i = 0; i < count && map[i].native_start <= native_offset; i++) {
    if (map[i].il >= 0)
      il = map[i].il;
    else if (map[i].il == CORDBG_RT_IL_PROLOG && il < 0)
      il = 0;
  }
  return il;
}

/* Offsets go on from the hot part into the cold one. */
static uint32_t
native_offset_of(const cordbg_rt_code *code, uint64_t address)
{
  if (code->cold_size != 0 && address - code->cold_start < code->cold_size)
    return code->size + (uint32_t)(address - code->cold_start);
  return (uint32_t)(address - code->start);
}

static void
describe_line(cordbg_module *module, cordbg_managed_place *place)
{
  cordbg_symbols *symbols;
  cordbg_method_symbols *method;
  if (place->il_offset < 0 || FAILED(cordbg_module_symbols(module, &symbols, NULL)) ||
      FAILED(cordbg_symbols_method(symbols, place->token, &method, NULL)))
    return;
  const cordbg_sequence_point *point =
      cordbg_method_symbols_point_at(method, (uint32_t)place->il_offset);
  const cordbg_document *document =
      point ? cordbg_symbols_document(symbols, point->document) : NULL;
  if (document != NULL) {
    copy_text(place->file, sizeof place->file, document->url);
    place->line = point->start_line;
    place->column = point->start_column;
  }
  cordbg_method_symbols_free(method);
}

HRESULT
cordbg_session_describe_code(cordbg_session *session, uint64_t address, bool with_line,
                             cordbg_managed_place *ret, cordbg_error *error)
{
  cordbg_rt_code code;
  cordbg_rt_map *map = NULL;
  cordbg_module *module;
  size_t count = 0;
  if (session->runtime == NULL)
    return cordbg_error_set(error, CORDBG_E_OBJECT_NEUTERED, 0, 0, "the runtime is gone");
  HRESULT hr = session->ops->code_at(session->runtime, address, &code, error);
  if (hr != S_OK)
    return hr;
  memset(ret, 0, sizeof *ret);
  ret->il_offset = CORDBG_RT_IL_NO_MAPPING;
  ret->token = code.token;
  ret->start = code.start;
  ret->size = code.size;
  if (SUCCEEDED(session->ops->il_map(session->runtime, code.id, &map, &count, NULL)))
    ret->il_offset = il_offset_at(map, count, native_offset_of(&code, address));
  g_free(map);
  if (FAILED(cordbg_session_module(session, code.module, &module, NULL)))
    return S_OK;
  copy_text(ret->module, sizeof ret->module, module->name);
  ret->module_base = module->base;

  g_autofree char *type = NULL, *method = NULL;
  if (SUCCEEDED(session->ops->method_name(session->runtime, code.module, code.token, &type, &method,
                                          NULL))) {
    g_autofree char *name = g_strconcat(type && *type ? type : "", type && *type ? "." : "",
                                        method ? method : "", NULL);
    copy_text(ret->name, sizeof ret->name, name);
  }
  if (with_line)
    describe_line(module, ret);
  return S_OK;
}

/* ---- From a line ---- */

/* The one document of a name. Several of that name are an error that lists them. */
static HRESULT
find_document(const cordbg_symbols *symbols, const char *file, uint32_t *ret, cordbg_error *error)
{
  uint32_t found[32];
  uint32_t count = cordbg_symbols_find_documents(symbols, file, found, G_N_ELEMENTS(found));
  uint32_t stored = MIN(count, (uint32_t)G_N_ELEMENTS(found));
  if (count == 0)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "no source file of the module is called %.150s", file);
  GString *others = g_string_new(NULL);
  const char *first = cordbg_symbols_document(symbols, found[0])->url;
  bool exact = strcmp(first, file) == 0;
  *ret = found[0];
  for (uint32_t i = 1; i < stored && !exact; i++) {
    const char *url = cordbg_symbols_document(symbols, found[i])->url;
    if (strcmp(url, file) == 0) {
      *ret = found[i];
      exact = true;
    } else if (strcmp(url, first) != 0)
      g_string_append_printf(others, ", %s", url);
  }
  HRESULT hr = S_OK;
  if (!exact && others->len > 0)
    hr = cordbg_error_set(error, CLDB_E_SMDUPLICATE, 0, 0,
                          "%.60s is the name of several source files (give more of the path): "
                          "%s%s",
                          file, first, others->str);
  g_string_free(others, TRUE);
  return hr;
}

/*
 * The line to use for one that is asked for: itself when code begins on it, else the line on which
 * the innermost statement that covers it begins, else the next one with code, else the last.
 */
static uint32_t
usable_line(const cordbg_line_match *points, size_t count, uint32_t line)
{
  uint32_t covering = 0, next = 0;
  for (size_t i = 0; i < count; i++) {
    const cordbg_sequence_point *point = &points[i].point;
    if (point->start_line == line)
      return line;
    if (point->start_line < line && point->end_line >= line)
      covering = point->start_line;
    if (point->start_line > line && next == 0)
      next = point->start_line;
  }
  return covering ? covering : next ? next : points[count - 1].point.start_line;
}

/* Of each method the first IL offset that a line begins at. */
static GArray *
places_on_line(const cordbg_line_match *points, size_t count, uint32_t line)
{
  GArray *places = g_array_new(FALSE, FALSE, sizeof(CordbgLine));
  for (size_t i = 0; i < count; i++) {
    const cordbg_sequence_point *point = &points[i].point;
    CordbgLine *known = NULL;
    if (point->start_line != line)
      continue;
    for (guint p = 0; p < places->len && known == NULL; p++)
      if (g_array_index(places, CordbgLine, p).method == points[i].method)
        known = &g_array_index(places, CordbgLine, p);
    const CordbgLine place = {.method = points[i].method,
                              .ilOffset = point->offset,
                              .line = point->start_line,
                              .column = point->start_column,
                              .endLine = point->end_line,
                              .endColumn = point->end_column};
    if (known == NULL)
      g_array_append_val(places, place);
    else if (place.ilOffset < known->ilOffset)
      *known = place;
  }
  return places;
}

static HRESULT
find_line(const cordbg_symbols *symbols, const char *file, uint32_t line, GArray **ret,
          cordbg_error *error)
{
  const cordbg_line_match *points;
  uint32_t document = 0;
  size_t count;
  HRESULT hr = find_document(symbols, file, &document, error);
  if (SUCCEEDED(hr))
    hr = cordbg_symbols_document_points(symbols, document, &points, &count, error);
  if (FAILED(hr))
    return hr;
  uint32_t usable = count > 0 ? usable_line(points, count, line) : 0;
  *ret = places_on_line(points, count, usable);
  return usable == line ? S_OK : S_FALSE;
}

static HRESULT
enter_module(ICorDebugModule *iface, bool arguments, cordbg_module **ret, cordbg_error *error)
{
  cordbg_module *self = cordbg_object_from(iface, &cordbg_module_class);
  if (self == NULL || !arguments)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0,
                            "a module of cordbg's and room for the answer are needed");
  HRESULT hr = cordbg_enter_attached(&self->child, true);
  if (FAILED(hr))
    *error = *cordbg_error_last();
  else
    *ret = self;
  return hr;
}

HRESULT
cordbg_module_find_line(ICorDebugModule *iface, const char *file, ULONG32 line, ULONG32 capacity,
                        CordbgLine *lines, ULONG32 *count, cordbg_error *error)
{
  cordbg_module *self;
  cordbg_symbols *symbols;
  GArray *places = NULL;
  HRESULT hr = enter_module(iface,
                            file != NULL && *file != '\0' && line != 0 && count != NULL &&
                                (capacity == 0 || lines != NULL),
                            &self, error);
  if (FAILED(hr))
    return hr;
  hr = cordbg_module_symbols(self, &symbols, error);
  if (SUCCEEDED(hr))
    hr = find_line(symbols, file, line, &places, error);
  cordbg_leave(&self->child);
  if (FAILED(hr))
    return hr;
  for (guint i = 0; i < places->len && i < capacity; i++)
    lines[i] = g_array_index(places, CordbgLine, i);
  *count = places->len;
  g_array_free(places, TRUE);
  return hr;
}

HRESULT
cordbg_module_symbol_reader(ICorDebugModule *iface, const IID *iid, void **reader,
                            cordbg_error *error)
{
  cordbg_module *self;
  cordbg_symbols *symbols;
  cordbg_image *image;
  HRESULT hr = enter_module(iface, iid != NULL && reader != NULL, &self, error);
  if (FAILED(hr))
    return hr;
  *reader = NULL;
  hr = cordbg_module_symbols(self, &symbols, error);
  if (SUCCEEDED(hr))
    hr = cordbg_module_metadata(self, &image, error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_sym_reader_create(symbols, image, iid, reader);
    if (FAILED(hr))
      cordbg_error_set(error, hr, 0, 0, "symbols answer ISymUnmanagedReader and 2");
  }
  cordbg_leave(&self->child);
  return hr;
}
