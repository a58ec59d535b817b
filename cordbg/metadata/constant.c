/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/constant.h"

#include <stdlib.h>
#include <string.h>
#include "cordbg/corhdr.h"
#include "cordbg/metadata/signature.h"

enum { BSTR_HEADER = 8, DECIMAL_SIZE = 13, STRING_NULL = 0xff };

/* The parts of a blob. */
typedef struct constant {
  cordbg_blob modifiers;
  uint8_t element;
  uint32_t token;          /* of a CLASS or VALUETYPE */
  const uint8_t *type_end; /* behind element and token */
  cordbg_signature rest;   /* the value; of an enumeration its type's token follows */
} constant;

static bool
read_constant(cordbg_blob blob, constant *ret)
{
  cordbg_signature cursor = cordbg_signature_of_blob(blob);
  uint8_t element;
  uint32_t token = 0;
  for (;;) {
    const uint8_t *begin = cursor.at;
    if (!cordbg_signature_read_byte(&cursor, &element))
      return false;
    if (element != ELEMENT_TYPE_CMOD_OPT && element != ELEMENT_TYPE_CMOD_REQD) {
      ret->modifiers = (cordbg_blob){blob.data, (uint32_t)(begin - blob.data)};
      break;
    }
    if (!cordbg_signature_read_token(&cursor, &token))
      return false;
  }
  if ((element == ELEMENT_TYPE_CLASS || element == ELEMENT_TYPE_VALUETYPE) &&
      !cordbg_signature_read_token(&cursor, &token))
    return false;
  ret->element = element;
  ret->token = token;
  ret->type_end = cursor.at;
  ret->rest = cursor;
  return true;
}

/* Bytes of a primitive's value; 0: none that has a fixed size. */
static unsigned
width_of(uint8_t element, VARTYPE *ret)
{
  static const struct {
    uint8_t element, width;
    VARTYPE type;
  } kinds[] = {
      {ELEMENT_TYPE_BOOLEAN, 1, VT_I2}, {ELEMENT_TYPE_CHAR, 2, VT_UI2},
      {ELEMENT_TYPE_I1, 1, VT_I2},      {ELEMENT_TYPE_U1, 1, VT_I2},
      {ELEMENT_TYPE_I2, 2, VT_I2},      {ELEMENT_TYPE_U2, 2, VT_UI2},
      {ELEMENT_TYPE_I4, 4, VT_I4},      {ELEMENT_TYPE_U4, 4, VT_UI4},
      {ELEMENT_TYPE_I8, 8, VT_I8},      {ELEMENT_TYPE_U8, 8, VT_UI8},
      {ELEMENT_TYPE_R4, 4, VT_R4},      {ELEMENT_TYPE_R8, 8, VT_R8},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (kinds[i].element == element) {
      *ret = kinds[i].type;
      return kinds[i].width;
    }
  return 0;
}

static bool
can_be_enum(uint8_t element)
{
  return element >= ELEMENT_TYPE_BOOLEAN && element <= ELEMENT_TYPE_U8;
}

BSTR
cordbg_bstr_new(const uint8_t *utf16le, uint32_t bytes)
{
  uint8_t *block = calloc(1, (size_t)BSTR_HEADER + bytes + sizeof(WCHAR));
  if (!block)
    return NULL;
  memcpy(block + BSTR_HEADER - sizeof bytes, &bytes, sizeof bytes);
  if (bytes)
    memcpy(block + BSTR_HEADER, utf16le, bytes);
  return (BSTR)(void *)(block + BSTR_HEADER);
}

static HRESULT
string_value(const cordbg_signature *rest, VARIANT *ret)
{
  size_t size = (size_t)(rest->end - rest->at);
  if (size == 1 && rest->at[0] == STRING_NULL) {
    *ret = (VARIANT){.vt = VT_I4};
    return S_OK;
  }
  if (size % 2 != 0 || size > UINT32_MAX / 2)
    return E_FAIL;
  BSTR text = cordbg_bstr_new(rest->at, (uint32_t)size);
  if (!text)
    return E_OUTOFMEMORY;
  *ret = (VARIANT){.vt = VT_BSTR, .bstrVal = text};
  return S_OK;
}

/* OLE's DECIMAL lies over the whole VARIANT: scale, sign, the high 32 bits, the low 64. */
static HRESULT
decimal_value(const uint8_t *bytes, VARIANT *ret)
{
  uint32_t high = cordbg_load_u32(bytes + 9);
  *ret =
      (VARIANT){.vt = VT_DECIMAL,
                .wReserved1 = (WORD)((bytes[0] & 0x7f) | (bytes[0] & 0x80) << 8),
                .wReserved2 = (WORD)high,
                .wReserved3 = (WORD)(high >> 16),
                .ullVal = cordbg_load_u32(bytes + 1) | (ULONGLONG)cordbg_load_u32(bytes + 5) << 32};
  return S_OK;
}

static HRESULT
structure_value(const cordbg_metadata *image, const constant *c, VARIANT *ret)
{
  size_t size = (size_t)(c->rest.end - c->rest.at);
  g_autoptr(GString) name = g_string_new(NULL);
  if (image)
    cordbg_type_name_format(image, c->token, name);
  if (strcmp(name->str, "System.Decimal") == 0)
    return size == DECIMAL_SIZE ? decimal_value(c->rest.at, ret) : E_FAIL;
  VARIANT value = {.vt = size == 0 ? VT_I4 : VT_EMPTY};
  if (strcmp(name->str, "System.DateTime") == 0) {
    if (size != 8)
      return E_FAIL;
    value.vt = VT_R8;
    value.ullVal = cordbg_load_u64(c->rest.at);
  }
  *ret = value;
  return S_OK;
}

HRESULT
cordbg_constant_value(const cordbg_metadata *image, cordbg_blob blob, VARIANT *ret)
{
  constant c;
  VARIANT value = {0};
  if (!read_constant(blob, &c))
    return E_FAIL;
  if (c.element == ELEMENT_TYPE_CLASS || c.element == ELEMENT_TYPE_VALUETYPE)
    return structure_value(image, &c, ret);
  if (c.element == ELEMENT_TYPE_STRING)
    return string_value(&c.rest, ret);
  if (c.element == ELEMENT_TYPE_OBJECT) {
    *ret = (VARIANT){.vt = VT_I4};
    return S_OK;
  }
  unsigned width = width_of(c.element, &value.vt);
  if (!width || c.rest.end - c.rest.at < width)
    return E_FAIL;
  for (unsigned b = 0; b < width; b++)
    value.ullVal |= (ULONGLONG)c.rest.at[b] << (8 * b);
  if (c.element == ELEMENT_TYPE_BOOLEAN)
    value.ullVal = value.ullVal != 0;
  else if (c.element == ELEMENT_TYPE_I1)
    value.iVal = (SHORT)(int8_t)value.ullVal;
  *ret = value;
  return S_OK;
}

bool
cordbg_constant_type(cordbg_blob blob, GByteArray *ret)
{
  constant c;
  VARTYPE ignored;
  if (!read_constant(blob, &c))
    return false;
  unsigned width = width_of(c.element, &ignored);
  if (width && c.rest.end - c.rest.at < width)
    return false;
  g_byte_array_append(ret, blob.data, c.modifiers.size);
  cordbg_signature behind = {c.rest.at + width, c.rest.end};
  if (width && can_be_enum(c.element) && behind.at < behind.end) {
    const guint8 value_type = ELEMENT_TYPE_VALUETYPE;
    uint32_t token;
    const uint8_t *begin = behind.at;
    if (!cordbg_signature_read_token(&behind, &token))
      return false;
    g_byte_array_append(ret, &value_type, 1);
    g_byte_array_append(ret, begin, (guint)(behind.at - begin));
    return true;
  }
  const uint8_t *begin = blob.data + c.modifiers.size;
  g_byte_array_append(ret, begin, (guint)(c.type_end - begin));
  return true;
}
