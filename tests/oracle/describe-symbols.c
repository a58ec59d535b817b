/* SPDX-License-Identifier: MIT */
/* cordbg's side of the comparison with dump-pdb.cs and dump-mdb.cs. */
#include "config.h"
#include "tests/oracle/describe.h"

#include <stdlib.h>
#include <string.h>
#include "cordbg/metadata/constant.h"

static uint64_t
fnv(const uint8_t *bytes, size_t size)
{
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
  return hash;
}

static void
add_guid(GString *text, const uint8_t *guid)
{
  static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  for (unsigned i = 0; i < 16; i++)
    g_string_append_printf(text, "%02x", guid[order[i]]);
}

static void
add_hex(GString *text, cordbg_blob blob)
{
  for (uint32_t i = 0; i < blob.size; i++)
    g_string_append_printf(text, "%02x", blob.data[i]);
}

static void
describe_documents(const cordbg_symbols *symbols, GString *text)
{
  for (uint32_t d = 1; d <= cordbg_symbols_document_count(symbols); d++) {
    const cordbg_document *document = cordbg_symbols_document(symbols, d);
    g_string_append_printf(text, "document %u %s ", d, document->url);
    add_guid(text, document->language);
    g_string_append_c(text, ' ');
    add_guid(text, document->hash_algorithm);
    g_string_append_c(text, ' ');
    add_hex(text, document->hash);
    g_string_append_c(text, '\n');
    cordbg_span source = {0};
    if (SUCCEEDED(cordbg_symbols_embedded_source(symbols, d, &source, NULL)))
      g_string_append_printf(text, " source %zu %" G_GINT64_MODIFIER "x\n", source.size,
                             fnv(source.data, source.size));
    cordbg_span_deinit(&source);
  }
  cordbg_blob link = cordbg_symbols_source_link(symbols);
  if (link.size)
    g_string_append_printf(text, "sourcelink %.*s\n", (int)link.size, (const char *)link.data);
}

/* The value: strings as hexadecimal units, other things by their bits. */
static void
add_constant(GString *text, const cordbg_metadata *image, cordbg_blob blob)
{
  VARIANT value;
  g_autoptr(GByteArray) type = g_byte_array_new();
  HRESULT hr = cordbg_constant_value(image, blob, &value);
  if (FAILED(hr) || !cordbg_constant_type(blob, type)) {
    g_string_append(text, " !bad");
    return;
  }
  g_string_append_c(text, ' ');
  add_hex(text, (cordbg_blob){type->data, type->len});
  if (value.vt == VT_BSTR) {
    uint32_t size;
    memcpy(&size, (const char *)value.bstrVal - 4, sizeof size);
    g_string_append(text, " string ");
    add_hex(text, (cordbg_blob){(const uint8_t *)value.bstrVal, size});
    free((char *)value.bstrVal - 8);
  } else if (value.vt == VT_DECIMAL) {
    g_string_append_printf(text, " decimal %x %x %x %" G_GINT64_MODIFIER "x", value.wReserved1 >> 8,
                           value.wReserved1 & 0xff,
                           (unsigned)value.wReserved2 | (unsigned)value.wReserved3 << 16,
                           value.ullVal);
  } else {
    /* Sixteen bits of what is one byte or two, likewise. */
    unsigned bits = value.vt == VT_I2 || value.vt == VT_UI2                        ? 16
                    : value.vt == VT_I4 || value.vt == VT_UI4 || value.vt == VT_R4 ? 32
                                                                                   : 64;
    uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    g_string_append_printf(text, " %u:%" G_GINT64_MODIFIER "x", value.vt, value.ullVal & mask);
  }
}

static void
describe_imports(const cordbg_symbols *symbols, GString *text)
{
  for (uint32_t s = 1; s <= cordbg_symbols_import_scope_count(symbols); s++) {
    cordbg_import *imports;
    uint32_t count, parent;
    if (FAILED(cordbg_symbols_imports(symbols, s, &imports, &count, &parent, NULL))) {
      g_string_append_printf(text, "imports %u !bad\n", s);
      continue;
    }
    g_string_append_printf(text, "imports %u %u\n", s, parent);
    for (uint32_t i = 0; i < count; i++)
      g_string_append_printf(
          text, " import %d %.*s|%.*s|%x|%x\n", (int)imports[i].kind, (int)imports[i].alias.size,
          (const char *)imports[i].alias.data, (int)imports[i].name_space.size,
          (const char *)imports[i].name_space.data, imports[i].assembly, imports[i].type);
    free(imports);
  }
}

static void
describe_scopes(const cordbg_method_symbols *method, const cordbg_metadata *image, GString *text)
{
  for (uint32_t s = 0; s < method->scope_count; s++) {
    const cordbg_local_scope *scope = &method->scopes[s];
    g_string_append_printf(text, " scope %u %u %u\n", scope->start, scope->end,
                           scope->import_scope);
    for (uint32_t v = 0; v < scope->variable_count; v++) {
      const cordbg_local_variable *variable = &method->variables[scope->first_variable + v];
      g_string_append_printf(text, "  local %u %u %s\n", variable->index, variable->attributes,
                             variable->name);
    }
    for (uint32_t c = 0; c < scope->constant_count; c++) {
      const cordbg_local_constant *constant = &method->constants[scope->first_constant + c];
      g_string_append_printf(text, "  constant %s ", constant->name);
      add_hex(text, constant->signature);
      add_constant(text, image, constant->signature);
      g_string_append_c(text, '\n');
    }
  }
  for (uint32_t p = 0; p < method->scope_count; p++)
    for (uint32_t s = 0; s < method->scope_count; s++)
      if (method->scopes[s].parent == (int32_t)p)
        g_string_append_printf(text, " child %u %u\n", p, s);
}

static void
describe_method(const cordbg_symbols *symbols, const cordbg_metadata *image, uint32_t rid,
                GString *text)
{
  cordbg_method_symbols *method;
  HRESULT hr = cordbg_symbols_method(symbols, CORDBG_TABLE_METHOD_DEF << 24 | rid, &method, NULL);
  if (hr == CLDB_E_RECORD_NOTFOUND)
    return;
  if (FAILED(hr)) {
    g_string_append_printf(text, "method %x !bad\n", rid);
    return;
  }
  g_string_append_printf(text, "method %08x %08x %08x\n", method->method, method->local_signature,
                         method->kickoff_method);
  for (uint32_t i = 0; i < method->point_count; i++) {
    const cordbg_sequence_point *p = &method->points[i];
    if (p->start_line == CORDBG_HIDDEN_LINE)
      g_string_append_printf(text, " hidden %u %u\n", p->offset, p->document);
    else
      g_string_append_printf(text, " point %u %u %u:%u %u:%u\n", p->offset, p->document,
                             p->start_line, p->start_column, p->end_line, p->end_column);
  }
  describe_scopes(method, image, text);
  if (method->is_async) {
    g_string_append_printf(text, " async %d",
                           method->has_catch_handler ? (int)method->catch_handler : -1);
    for (uint32_t i = 0; i < method->step_count; i++)
      g_string_append_printf(text, " %u>%u@%08x", method->steps[i].yield_offset,
                             method->steps[i].resume_offset, method->steps[i].resume_method);
    g_string_append_c(text, '\n');
  }
  for (uint32_t i = 0; i < method->hoisted_count; i++)
    g_string_append_printf(text, " hoisted %u %u\n", method->hoisted[i].start,
                           method->hoisted[i].end);
  cordbg_method_symbols_free(method);
}

void
describe_symbols(const cordbg_symbols *symbols, const cordbg_metadata *image, uint32_t methods,
                 GString *text)
{
  g_string_append_printf(text, "entry %08x\n", cordbg_symbols_entry_point(symbols));
  describe_documents(symbols, text);
  describe_imports(symbols, text);
  for (uint32_t rid = 1; rid <= methods; rid++)
    describe_method(symbols, image, rid, text);
}
