/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/method-body.h"

enum {
  FORMAT_MASK = 3,
  FORMAT_TINY = 2,
  FORMAT_FAT = 3,
  FLAG_MORE_SECTIONS = 8,
  FLAG_INIT_LOCALS = 0x10,
  SECTION_EH = 1,
  SECTION_FAT = 0x40,
  SECTION_MORE = 0x80,
  SECTIONS_MAX = 16,
  FIRST_READ = 512,
};

static HRESULT
corrupt(cordbg_error *error, const char *what)
{
  return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "not a method body: %s", what);
}

/* The data sections behind the code. Only the first with exception clauses counts. */
static HRESULT
parse_sections(const uint8_t *bytes, size_t size, uint64_t at, cordbg_method_body *body,
               uint64_t *ret_needed, cordbg_error *error)
{
  for (unsigned i = 0; i < SECTIONS_MAX; i++) {
    at = (at + 3) & ~UINT64_C(3);
    *ret_needed = at + 4;
    if (*ret_needed > size)
      return S_FALSE;
    uint8_t kind = bytes[at];
    bool fat = kind & SECTION_FAT;
    uint32_t length = fat ? cordbg_load_u32(bytes + at) >> 8 : bytes[at + 1];
    uint32_t clause_size = fat ? 24 : 12;
    if ((kind & 0x3f) == SECTION_EH) {
      /* Some compilers forget the header in the small section's length: whole clauses count. */
      uint32_t count = length / clause_size;
      *ret_needed = at + 4 + (uint64_t)count * clause_size;
      if (*ret_needed > size)
        return S_FALSE;
      if (count > 0 && !body->clauses) {
        body->clauses = bytes + at + 4;
        body->clauses_fat = fat;
        body->clause_count = count;
      }
    }
    if (length < 4)
      length = 4;
    *ret_needed = at + length > *ret_needed ? at + length : *ret_needed;
    if (*ret_needed > size)
      return S_FALSE;
    at = *ret_needed;
    if (!(kind & SECTION_MORE)) {
      body->size = (uint32_t)at;
      return S_OK;
    }
  }
  return corrupt(error, "too many data sections");
}

HRESULT
cordbg_method_body_parse(const uint8_t *bytes, size_t size, cordbg_method_body *ret,
                         uint64_t *ret_needed, cordbg_error *error)
{
  cordbg_method_body body = {0};
  uint64_t code_at;
  bool more = false;

  *ret_needed = 1;
  if (size < 1)
    return S_FALSE;
  if ((bytes[0] & FORMAT_MASK) == FORMAT_TINY) {
    body.code_size = bytes[0] >> 2;
    body.max_stack = 8;
    code_at = 1;
  } else if ((bytes[0] & FORMAT_MASK) == FORMAT_FAT) {
    *ret_needed = 12;
    if (size < 12)
      return S_FALSE;
    uint16_t flags = cordbg_load_u16(bytes);
    body.is_fat = true;
    body.init_locals = flags & FLAG_INIT_LOCALS;
    more = flags & FLAG_MORE_SECTIONS;
    body.max_stack = cordbg_load_u16(bytes + 2);
    body.code_size = cordbg_load_u32(bytes + 4);
    body.local_signature = cordbg_load_u32(bytes + 8);
    code_at = (uint64_t)(flags >> 12) * 4;
    if (code_at < 12)
      return corrupt(error, "the header says that it is too short");
  } else {
    return corrupt(error, "the format is neither tiny nor fat");
  }

  *ret_needed = code_at + body.code_size;
  if (*ret_needed > size)
    return S_FALSE;
  body.code = bytes + code_at;
  body.size = (uint32_t)*ret_needed;
  if (more) {
    HRESULT hr = parse_sections(bytes, size, *ret_needed, &body, ret_needed, error);
    if (hr != S_OK)
      return hr;
  }
  *ret = body;
  return S_OK;
}

HRESULT
cordbg_method_body_init_rva(cordbg_method_body *body, const cordbg_image *image, uint32_t rva,
                            cordbg_error *error)
{
  const cordbg_pe *pe = cordbg_image_pe(image);
  const cordbg_source *source = cordbg_image_source(image);
  if (!pe)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0,
                            "bare metadata has no method bodies");
  uint64_t offset, available;
  HRESULT hr = cordbg_pe_rva_to_offset(pe, source, rva, &offset, &available, error);
  if (FAILED(hr))
    return hr;

  /* Where bytes are addressable the first look sees all of them. Each round asks for more. */
  uint64_t want = source->bytes || available < FIRST_READ ? available : FIRST_READ;
  for (;;) {
    cordbg_span span = {0};
    cordbg_method_body parsed;
    uint64_t needed = 0;
    hr = cordbg_source_span(source, offset, (size_t)want, &span, error);
    if (FAILED(hr))
      return hr;
    hr = cordbg_method_body_parse(span.data, span.size, &parsed, &needed, error);
    if (hr == S_OK) {
      parsed.span = span;
      *body = parsed;
      return S_OK;
    }
    cordbg_span_deinit(&span);
    if (FAILED(hr))
      return hr;
    if (needed > available)
      return corrupt(error, "it leaves its section");
    /* Rounds after the first are for sections, of which there may be several: leave room. */
    want = needed + FIRST_READ < available ? needed + FIRST_READ : available;
  }
}

HRESULT
cordbg_method_body_init(cordbg_method_body *body, const cordbg_image *image, uint32_t method_rid,
                        cordbg_error *error)
{
  const cordbg_metadata *metadata = cordbg_image_metadata(image);
  uint32_t rva =
      cordbg_metadata_column(metadata, CORDBG_TABLE_METHOD_DEF, method_rid, CORDBG_METHOD_DEF_RVA);
  uint32_t implementation = cordbg_metadata_column(metadata, CORDBG_TABLE_METHOD_DEF, method_rid,
                                                   CORDBG_METHOD_DEF_IMPL_FLAGS);
  /* Bits 0 and 1 of the implementation flags: 0 is IL. */
  if (rva == 0 || (implementation & 3) != 0)
    return cordbg_error_set(error, CLDB_E_RECORD_NOTFOUND, 0, 0, "method 0x%08x has no IL",
                            CORDBG_TABLE_METHOD_DEF << 24 | method_rid);
  return cordbg_method_body_init_rva(body, image, rva, error);
}

void
cordbg_method_body_deinit(cordbg_method_body *body)
{
  cordbg_span_deinit(&body->span);
  *body = (cordbg_method_body){0};
}

cordbg_exception_clause
cordbg_method_body_clause(const cordbg_method_body *body, uint32_t index)
{
  if (index >= body->clause_count)
    return (cordbg_exception_clause){0};
  if (body->clauses_fat) {
    const uint8_t *p = body->clauses + (size_t)index * 24;
    return (cordbg_exception_clause){cordbg_load_u32(p),      cordbg_load_u32(p + 4),
                                     cordbg_load_u32(p + 8),  cordbg_load_u32(p + 12),
                                     cordbg_load_u32(p + 16), cordbg_load_u32(p + 20)};
  }
  const uint8_t *p = body->clauses + (size_t)index * 12;
  return (cordbg_exception_clause){
      cordbg_load_u16(p),    cordbg_load_u16(p + 2), p[4], cordbg_load_u16(p + 5), p[7],
      cordbg_load_u32(p + 8)};
}
