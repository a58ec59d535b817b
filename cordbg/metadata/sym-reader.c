/* SPDX-License-Identifier: MIT */
/*
 * ISymUnmanagedBinder, Reader and Document. They do as the readers that debug adapters know
 * (diasymreader and its successor for Portable PDB): a method without symbols is E_FAIL, an unknown
 * URL S_FALSE and NULL. Edit and continue and namespaces of the reader are E_NOTIMPL.
 */
#include "config.h"
#include "cordbg/metadata/sym-private.h"

#include <stdlib.h>
#include <string.h>
#include <glib.h>
#include "cordbg/com/utf16.h"
#include "cordbg/metadata/scope.h"

#define READER(This) CORDBG_SELF(cordbg_sym_reader, This)
#define DOCUMENT(This) CORDBG_SELF(cordbg_sym_document, This)

enum { STREAM_MAX = 256 << 20, STREAM_STEP = 1 << 16 };

static HRESULT
document_get_url(ISymUnmanagedDocument *This, ULONG32 cch, ULONG32 *pcch, WCHAR *url)
{
  cordbg_sym_document *self = DOCUMENT(This);
  return cordbg_string_out_utf8(cordbg_symbols_document(self->reader->symbols, self->number)->url,
                                cch, pcch, url);
}

static HRESULT
document_get_type(ISymUnmanagedDocument *This, GUID *ret)
{
  (void)This;
  if (!ret)
    return E_INVALIDARG;
  *ret = CorSym_DocumentType_Text;
  return S_OK;
}

static HRESULT
document_get_language(ISymUnmanagedDocument *This, GUID *ret)
{
  cordbg_sym_document *self = DOCUMENT(This);
  if (!ret)
    return E_INVALIDARG;
  memcpy(ret, cordbg_symbols_document(self->reader->symbols, self->number)->language, sizeof *ret);
  return S_OK;
}

static HRESULT
document_get_vendor(ISymUnmanagedDocument *This, GUID *ret)
{
  (void)This;
  if (!ret)
    return E_INVALIDARG;
  *ret = CorSym_LanguageVendor_Microsoft;
  return S_OK;
}

static HRESULT
document_get_hash_algorithm(ISymUnmanagedDocument *This, GUID *ret)
{
  cordbg_sym_document *self = DOCUMENT(This);
  if (!ret)
    return E_INVALIDARG;
  memcpy(ret, cordbg_symbols_document(self->reader->symbols, self->number)->hash_algorithm,
         sizeof *ret);
  return S_OK;
}

static HRESULT
document_get_hash(ISymUnmanagedDocument *This, ULONG32 room, ULONG32 *count, BYTE *data)
{
  cordbg_sym_document *self = DOCUMENT(This);
  cordbg_blob hash = cordbg_symbols_document(self->reader->symbols, self->number)->hash;
  HRESULT hr = cordbg_sym_put_count(hash.size, room, count, data);
  if (SUCCEEDED(hr) && data && hash.size)
    memcpy(data, hash.data, MIN(room, hash.size));
  return hr;
}

static HRESULT
document_find_closest_line(ISymUnmanagedDocument *This, ULONG32 line, ULONG32 *ret)
{
  cordbg_sym_document *self = DOCUMENT(This);
  const cordbg_line_match *matches;
  size_t count;
  if (!ret)
    return E_INVALIDARG;
  HRESULT hr =
      cordbg_symbols_find_line(self->reader->symbols, self->number, line, &matches, &count, NULL);
  if (FAILED(hr) || count == 0)
    return E_FAIL;
  *ret = matches[0].point.start_line;
  return S_OK;
}

static HRESULT
document_has_source(ISymUnmanagedDocument *This, BOOL *ret)
{
  cordbg_sym_document *self = DOCUMENT(This);
  cordbg_span source = {0};
  if (!ret)
    return E_INVALIDARG;
  *ret =
      SUCCEEDED(cordbg_symbols_embedded_source(self->reader->symbols, self->number, &source, NULL));
  cordbg_span_deinit(&source);
  return S_OK;
}

static HRESULT
document_get_source_length(ISymUnmanagedDocument *This, ULONG32 *ret)
{
  cordbg_sym_document *self = DOCUMENT(This);
  cordbg_span source = {0};
  if (!ret)
    return E_INVALIDARG;
  HRESULT hr = cordbg_symbols_embedded_source(self->reader->symbols, self->number, &source, NULL);
  *ret = SUCCEEDED(hr) ? (ULONG32)source.size : 0;
  cordbg_span_deinit(&source);
  return FAILED(hr) && hr != CLDB_E_RECORD_NOTFOUND ? hr : S_OK;
}

/* The whole text only: from 0:0 to INT_MAX:INT_MAX, as the known clients ask. */
static HRESULT
document_get_source_range(ISymUnmanagedDocument *This, ULONG32 start_line, ULONG32 start_column,
                          ULONG32 end_line, ULONG32 end_column, ULONG32 room, ULONG32 *count,
                          BYTE *data)
{
  cordbg_sym_document *self = DOCUMENT(This);
  cordbg_span source = {0};
  if (start_line || start_column || end_line != INT32_MAX || end_column != INT32_MAX)
    return E_INVALIDARG;
  HRESULT hr = cordbg_symbols_embedded_source(self->reader->symbols, self->number, &source, NULL);
  if (FAILED(hr))
    return E_FAIL;
  hr = cordbg_sym_put_count((ULONG32)source.size, room, count, data);
  if (SUCCEEDED(hr) && data)
    memcpy(data, source.data, MIN(room, source.size));
  cordbg_span_deinit(&source);
  return hr;
}

CORDBG_VTBL(ISymUnmanagedDocument, document_vtbl, .GetURL = document_get_url,
            .GetDocumentType = document_get_type, .GetLanguage = document_get_language,
            .GetLanguageVendor = document_get_vendor,
            .GetCheckSumAlgorithmId = document_get_hash_algorithm, .GetCheckSum = document_get_hash,
            .FindClosestLine = document_find_closest_line, .HasEmbeddedSource = document_has_source,
            .GetSourceLength = document_get_source_length,
            .GetSourceRange = document_get_source_range);

static void
document_dispose(void *object)
{
  cordbg_object_unref(((cordbg_sym_document *)object)->reader);
}

static const cordbg_interface document_interfaces[] = {
    CORDBG_INTERFACE(cordbg_sym_document, as_document, ISymUnmanagedDocument, document_vtbl),
};
static const cordbg_class document_class =
    CORDBG_CLASS(cordbg_sym_document, document_interfaces, document_dispose);

HRESULT
cordbg_sym_document_create(cordbg_sym_reader *reader, uint32_t number, ISymUnmanagedDocument **ret)
{
  if (!cordbg_symbols_document(reader->symbols, number))
    return E_FAIL;
  cordbg_sym_document *document = cordbg_object_new(&document_class);
  if (!document)
    return E_OUTOFMEMORY;
  cordbg_object_ref(reader);
  document->reader = reader;
  document->number = number;
  *ret = &document->as_document.iface;
  return S_OK;
}

uint32_t
cordbg_sym_document_number(ISymUnmanagedDocument *document, const cordbg_sym_reader *reader)
{
  cordbg_sym_document *self = cordbg_object_from(document, &document_class);
  return self && self->reader->symbols == reader->symbols ? self->number : 0;
}

static HRESULT
reader_get_document(ISymUnmanagedReader2 *This, WCHAR *url, GUID language, GUID vendor, GUID type,
                    ISymUnmanagedDocument **ret)
{
  cordbg_sym_reader *self = READER(This);
  (void)language, (void)vendor, (void)type;
  if (!url || !ret)
    return E_INVALIDARG;
  char *text = cordbg_utf8_new(url);
  if (!text)
    return E_OUTOFMEMORY;
  uint32_t found = 0;
  for (uint32_t d = 1; d <= cordbg_symbols_document_count(self->symbols) && !found; d++)
    if (strcmp(cordbg_symbols_document(self->symbols, d)->url, text) == 0)
      found = d;
  free(text);
  if (found)
    return cordbg_sym_document_create(self, found, ret);
  *ret = NULL;
  return S_FALSE;
}

static HRESULT
reader_get_documents(ISymUnmanagedReader2 *This, ULONG32 room, ULONG32 *count,
                     ISymUnmanagedDocument **documents)
{
  cordbg_sym_reader *self = READER(This);
  uint32_t all = cordbg_symbols_document_count(self->symbols);
  HRESULT hr = cordbg_sym_put_count(all, room, count, documents);
  for (uint32_t i = 0; SUCCEEDED(hr) && documents && i < MIN(all, room); i++)
    hr = cordbg_sym_document_create(self, i + 1, &documents[i]);
  return hr;
}

static HRESULT
reader_get_entry_point(ISymUnmanagedReader2 *This, mdMethodDef *ret)
{
  if (!ret)
    return E_INVALIDARG;
  uint32_t token = cordbg_symbols_entry_point(READER(This)->symbols);
  if (!token)
    return E_FAIL;
  *ret = token;
  return S_OK;
}

static HRESULT
reader_get_method(ISymUnmanagedReader2 *This, mdMethodDef token, ISymUnmanagedMethod **ret)
{
  if (!ret)
    return E_INVALIDARG;
  return cordbg_sym_method_create(READER(This), token, ret);
}

/* There is one version, number 1. */
static HRESULT
reader_get_method_by_version(ISymUnmanagedReader2 *This, mdMethodDef token, int version,
                             ISymUnmanagedMethod **ret)
{
  if (version != 1)
    return E_INVALIDARG;
  return reader_get_method(This, token, ret);
}

/* The distinct methods with a point that takes in a line; line 0: all methods of the document. */
static GArray *
methods_at(cordbg_sym_reader *self, ISymUnmanagedDocument *document, ULONG32 line)
{
  uint32_t number = cordbg_sym_document_number(document, self);
  const cordbg_line_match *matches;
  size_t count;
  if (!number ||
      FAILED(cordbg_symbols_document_points(self->symbols, number, &matches, &count, NULL)))
    return NULL;
  GArray *tokens = g_array_new(FALSE, FALSE, sizeof(mdMethodDef));
  GHashTable *seen = g_hash_table_new(NULL, NULL);
  for (size_t i = 0; i < count; i++) {
    const cordbg_sequence_point *point = &matches[i].point;
    if (line && (line < point->start_line || line > point->end_line))
      continue;
    if (g_hash_table_add(seen, GUINT_TO_POINTER(matches[i].method)))
      g_array_append_val(tokens, matches[i].method);
  }
  g_hash_table_unref(seen);
  return tokens;
}

static HRESULT
reader_get_methods(cordbg_sym_reader *self, ISymUnmanagedDocument *document, ULONG32 line,
                   ULONG32 room, ULONG32 *count, ISymUnmanagedMethod **methods)
{
  GArray *tokens = methods_at(self, document, line);
  if (!tokens)
    return E_INVALIDARG;
  HRESULT hr = cordbg_sym_put_count(tokens->len, room, count, methods);
  for (guint i = 0; SUCCEEDED(hr) && methods && i < MIN(tokens->len, room); i++)
    hr = cordbg_sym_method_create(self, g_array_index(tokens, mdMethodDef, i), &methods[i]);
  g_array_unref(tokens);
  return hr;
}

static HRESULT
reader_get_methods_at(ISymUnmanagedReader2 *This, ISymUnmanagedDocument *document, ULONG32 line,
                      ULONG32 column, ULONG32 room, ULONG32 *count, ISymUnmanagedMethod **methods)
{
  (void)column;
  return line ? reader_get_methods(READER(This), document, line, room, count, methods)
              : E_INVALIDARG;
}

static HRESULT
reader_get_method_at(ISymUnmanagedReader2 *This, ISymUnmanagedDocument *document, ULONG32 line,
                     ULONG32 column, ISymUnmanagedMethod **ret)
{
  ULONG32 count = 0;
  if (!ret)
    return E_INVALIDARG;
  HRESULT hr = reader_get_methods_at(This, document, line, column, 1, &count, ret);
  return SUCCEEDED(hr) && count == 0 ? E_FAIL : hr;
}

static HRESULT
reader_get_methods_in_document(ISymUnmanagedReader2 *This, ISymUnmanagedDocument *document,
                               ULONG32 room, ULONG32 *count, ISymUnmanagedMethod **methods)
{
  return reader_get_methods(READER(This), document, 0, room, count, methods);
}

static HRESULT
reader_get_file_name(ISymUnmanagedReader2 *This, ULONG32 cch, ULONG32 *pcch, WCHAR *name)
{
  return cordbg_string_out_utf8(cordbg_symbols_path(READER(This)->symbols), cch, pcch, name);
}

static HRESULT
reader_get_document_version(ISymUnmanagedReader2 *This, ISymUnmanagedDocument *document,
                            int *version, BOOL *current)
{
  if (!cordbg_sym_document_number(document, READER(This)))
    return E_INVALIDARG;
  if (version)
    *version = 1;
  if (current)
    *current = TRUE;
  return S_OK;
}

static HRESULT
reader_get_method_version(ISymUnmanagedReader2 *This, ISymUnmanagedMethod *method, int *version)
{
  (void)This;
  if (!method || !version)
    return E_INVALIDARG;
  *version = 1;
  return S_OK;
}

/* "{6da9a61e-f8c7-4874-be62-68bc5630df71}", as the bytes lie in metadata. */
static bool
parse_guid(const WCHAR *text, uint8_t ret[16])
{
  static const int8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  if (*text++ != '{')
    return false;
  for (unsigned i = 0; i < 16; i++) {
    uint8_t byte = 0;
    if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
      return false;
    for (unsigned digit = 0; digit < 2; digit++, text++) {
      int value = *text < 0x80 ? g_ascii_xdigit_value((gchar)*text) : -1;
      if (value < 0)
        return false;
      byte = (uint8_t)(byte << 4 | value);
    }
    ret[order[i]] = byte;
  }
  return text[0] == '}' && text[1] == 0;
}

/*
 * Microsoft's reader of Portable PDBs knows no attributes: S_FALSE and nothing. Ours gives custom
 * debug information besides, whose kind is the name: a GUID in braces.
 */
static HRESULT
reader_get_attribute(ISymUnmanagedReader2 *This, mdToken parent, WCHAR *name, ULONG32 room,
                     ULONG32 *count, BYTE *data)
{
  uint8_t kind[16];
  if (!name || !count || (room != 0) != (data != NULL))
    return E_INVALIDARG;
  cordbg_blob blob = {(const uint8_t *)"", 0};
  if (parse_guid(name, kind))
    blob = cordbg_symbols_custom(READER(This)->symbols, parent, kind);
  if (blob.size == 0) {
    *count = 0;
    return S_FALSE;
  }
  if (data)
    memcpy(data, blob.data, MIN(blob.size, room));
  return cordbg_sym_put_count(blob.size, room, count, data);
}

CORDBG_VTBL(ISymUnmanagedReader2, reader_vtbl, .GetDocument = reader_get_document,
            .GetDocuments = reader_get_documents, .GetUserEntryPoint = reader_get_entry_point,
            .GetMethod = reader_get_method, .GetMethodByVersion = reader_get_method_by_version,
            .GetMethodFromDocumentPosition = reader_get_method_at,
            .GetMethodsFromDocumentPosition = reader_get_methods_at,
            .GetSymAttribute = reader_get_attribute,
            .GetSymAttributePreRemap = reader_get_attribute,
            .GetSymbolStoreFileName = reader_get_file_name,
            .GetDocumentVersion = reader_get_document_version,
            .GetMethodVersion = reader_get_method_version,
            .GetMethodByVersionPreRemap = reader_get_method_by_version,
            .GetMethodsInDocument = reader_get_methods_in_document);

static void
reader_dispose(void *object)
{
  cordbg_sym_reader *self = object;
  cordbg_symbols_unref(self->symbols);
  cordbg_image_unref(self->image);
}

static const cordbg_interface reader_interfaces[] = {
    CORDBG_INTERFACE(cordbg_sym_reader, as_reader, ISymUnmanagedReader2, reader_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_sym_reader, as_reader, ISymUnmanagedReader, reader_vtbl),
};
static const cordbg_class reader_class =
    CORDBG_CLASS(cordbg_sym_reader, reader_interfaces, reader_dispose);

HRESULT
cordbg_sym_reader_create(cordbg_symbols *symbols, cordbg_image *image, const IID *iid, void **ret)
{
  cordbg_sym_reader *reader = cordbg_object_new(&reader_class);
  if (!reader)
    return E_OUTOFMEMORY;
  reader->symbols = cordbg_symbols_ref(symbols);
  reader->image = image ? cordbg_image_ref(image) : NULL;
  HRESULT hr = cordbg_object_query(reader, iid, ret);
  cordbg_object_unref(reader);
  return hr;
}

typedef struct cordbg_sym_binder {
  cordbg_object object;
  CORDBG_FACE(ISymUnmanagedBinder2) as_binder;
} cordbg_sym_binder;

/* Takes over the symbols' reference. The importer names the module only when it is ours. */
static HRESULT
hand_out(cordbg_symbols *symbols, cordbg_image *image, ISymUnmanagedReader **ret)
{
  HRESULT hr = cordbg_sym_reader_create(symbols, image, &IID_ISymUnmanagedReader, (void **)ret);
  cordbg_symbols_unref(symbols);
  return hr;
}

/* A path's last directory that exists in a search path of ';'-separated ones is tried too. */
static HRESULT
binder_get_reader_for_file(ISymUnmanagedBinder2 *This, IUnknown *importer, const WCHAR *file,
                           const WCHAR *search_path, ISymUnmanagedReader **ret)
{
  (void)This;
  if (!file || !ret)
    return E_INVALIDARG;
  char *path = cordbg_utf8_new(file), *search = cordbg_utf8_new(search_path);
  cordbg_image *image = importer ? cordbg_metadata_scope_image(importer) : NULL, *opened = NULL;
  cordbg_symbols *symbols = NULL;
  cordbg_error error = {0};
  HRESULT hr = path ? S_OK : E_OUTOFMEMORY;
  if (SUCCEEDED(hr) && !image) {
    hr = cordbg_image_open_file(path, &opened, &error);
    image = opened;
  }
  if (SUCCEEDED(hr)) {
    char **directories = g_strsplit(search ? search : "", ";", -1);
    hr = cordbg_symbols_open(image, path, directories[0], &symbols, &error);
    for (unsigned i = 1; FAILED(hr) && directories[0] && directories[i]; i++)
      hr = cordbg_symbols_open(image, path, directories[i], &symbols, &error);
    g_strfreev(directories);
  }
  free(path);
  free(search);
  if (SUCCEEDED(hr))
    hr = hand_out(symbols, image, ret);
  else
    cordbg_error_remember(&error);
  cordbg_image_unref(opened);
  return hr;
}

static HRESULT
binder_get_reader_for_file2(ISymUnmanagedBinder2 *This, IUnknown *importer, const WCHAR *file,
                            const WCHAR *search_path, ULONG32 policy, ISymUnmanagedReader **ret)
{
  (void)policy;
  return binder_get_reader_for_file(This, importer, file, search_path, ret);
}

static HRESULT
binder_get_reader_from_stream(ISymUnmanagedBinder2 *This, IUnknown *importer, IStream *stream,
                              ISymUnmanagedReader **ret)
{
  (void)This;
  if (!stream || !ret)
    return E_INVALIDARG;
  uint8_t *bytes = NULL;
  size_t size = 0, room = 0;
  HRESULT hr = S_OK;
  for (ULONG got = 1; SUCCEEDED(hr) && got > 0;) {
    if (room - size < STREAM_STEP) {
      room = room * 2 + STREAM_STEP;
      uint8_t *larger = room <= STREAM_MAX ? realloc(bytes, room) : NULL;
      if (!larger) {
        free(bytes);
        return E_OUTOFMEMORY;
      }
      bytes = larger;
    }
    got = 0;
    hr = IStream_Read(stream, bytes + size, STREAM_STEP, &got);
    size += MIN(got, STREAM_STEP);
  }
  cordbg_symbols *symbols = NULL;
  cordbg_image *image = importer ? cordbg_metadata_scope_image(importer) : NULL;
  if (SUCCEEDED(hr))
    hr = cordbg_symbols_open_bytes(bytes, size, image, free, bytes, &symbols, NULL);
  if (FAILED(hr)) {
    free(bytes);
    return hr;
  }
  return hand_out(symbols, image, ret);
}

CORDBG_VTBL(ISymUnmanagedBinder2, binder_vtbl, .GetReaderForFile = binder_get_reader_for_file,
            .GetReaderFromStream = binder_get_reader_from_stream,
            .GetReaderForFile2 = binder_get_reader_for_file2);

static const cordbg_interface binder_interfaces[] = {
    CORDBG_INTERFACE(cordbg_sym_binder, as_binder, ISymUnmanagedBinder2, binder_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_sym_binder, as_binder, ISymUnmanagedBinder, binder_vtbl),
};
static const cordbg_class binder_class = CORDBG_CLASS(cordbg_sym_binder, binder_interfaces, NULL);

HRESULT
cordbg_sym_binder_create(const IID *iid, void **ret)
{
  cordbg_sym_binder *binder = cordbg_object_new(&binder_class);
  if (!binder)
    return E_OUTOFMEMORY;
  HRESULT hr = cordbg_object_query(binder, iid, ret);
  cordbg_object_unref(binder);
  return hr;
}
