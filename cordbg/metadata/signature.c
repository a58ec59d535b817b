/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/signature.h"

#include "cordbg/corhdr.h"

bool
cordbg_signature_read_byte(cordbg_signature *signature, uint8_t *ret)
{
  if (signature->at >= signature->end)
    return false;
  *ret = *signature->at++;
  return true;
}

bool
cordbg_signature_read_u32(cordbg_signature *signature, uint32_t *ret)
{
  size_t room = (size_t)(signature->end - signature->at);
  const uint8_t *p = signature->at;

  if (room >= 1 && (p[0] & 0x80) == 0) {
    *ret = p[0];
    signature->at += 1;
  } else if (room >= 2 && (p[0] & 0xc0) == 0x80) {
    *ret = (uint32_t)(p[0] & 0x3f) << 8 | p[1];
    signature->at += 2;
  } else if (room >= 4 && (p[0] & 0xe0) == 0xc0) {
    *ret = (uint32_t)(p[0] & 0x1f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    signature->at += 4;
  } else {
    return false;
  }
  return true;
}

/* The sign bit is rotated into bit 0; how far to extend it depends on the encoded length. */
bool
cordbg_signature_read_i32(cordbg_signature *signature, int32_t *ret)
{
  const uint8_t *begin = signature->at;
  uint32_t value;
  if (!cordbg_signature_read_u32(signature, &value))
    return false;
  ptrdiff_t length = signature->at - begin;
  uint32_t extension = length == 1 ? 0xffffffc0u : length == 2 ? 0xffffe000u : 0xf0000000u;
  *ret = (int32_t)(value & 1 ? value >> 1 | extension : value >> 1);
  return true;
}

bool
cordbg_signature_read_token(cordbg_signature *signature, uint32_t *ret)
{
  uint32_t value;
  if (!cordbg_signature_read_u32(signature, &value) || (value & 3) == 3)
    return false;
  *ret = cordbg_coded_decode(CORDBG_CODED_TYPE_DEF_OR_REF, value);
  return true;
}

static bool skip_type(cordbg_signature *signature, unsigned depth);

static bool
skip_array_shape(cordbg_signature *signature, uint32_t *ret_rank)
{
  uint32_t sizes, bounds, ignored;
  int32_t bound;
  if (!cordbg_signature_read_u32(signature, ret_rank) ||
      !cordbg_signature_read_u32(signature, &sizes))
    return false;
  for (uint32_t i = 0; i < sizes; i++)
    if (!cordbg_signature_read_u32(signature, &ignored))
      return false;
  if (!cordbg_signature_read_u32(signature, &bounds))
    return false;
  for (uint32_t i = 0; i < bounds; i++)
    if (!cordbg_signature_read_i32(signature, &bound))
      return false;
  return true;
}

bool
cordbg_signature_read_method(cordbg_signature *signature, cordbg_method_signature *ret)
{
  ret->generic_count = 0;
  if (!cordbg_signature_read_byte(signature, &ret->convention))
    return false;
  if (ret->convention & IMAGE_CEE_CS_CALLCONV_GENERIC &&
      !cordbg_signature_read_u32(signature, &ret->generic_count))
    return false;
  if (!cordbg_signature_read_u32(signature, &ret->param_count))
    return false;
  ret->types = *signature;
  return true;
}

static bool
skip_method(cordbg_signature *signature, unsigned depth)
{
  cordbg_method_signature method;
  if (!cordbg_signature_read_method(signature, &method) || !skip_type(signature, depth))
    return false;
  /* Each parameter takes a byte at least, so a lying count ends the loop early. */
  for (uint32_t i = 0; i < method.param_count; i++) {
    if (signature->at < signature->end && *signature->at == ELEMENT_TYPE_SENTINEL)
      signature->at++;
    if (!skip_type(signature, depth))
      return false;
  }
  return true;
}

/* One node; children are skipped, their positions kept. */
static bool
read_node(cordbg_signature *signature, cordbg_type_node *node, unsigned depth)
{
  *node = (cordbg_type_node){0};
  if (depth > CORDBG_SIGNATURE_DEPTH_MAX || !cordbg_signature_read_byte(signature, &node->element))
    return false;

  switch (node->element) {
  case ELEMENT_TYPE_VOID ... ELEMENT_TYPE_STRING:
  case ELEMENT_TYPE_TYPEDBYREF:
  case ELEMENT_TYPE_I:
  case ELEMENT_TYPE_U:
  case ELEMENT_TYPE_OBJECT:
    return true;
  case ELEMENT_TYPE_CLASS:
  case ELEMENT_TYPE_VALUETYPE:
    return cordbg_signature_read_token(signature, &node->token);
  case ELEMENT_TYPE_VAR:
  case ELEMENT_TYPE_MVAR:
    return cordbg_signature_read_u32(signature, &node->number);
  case ELEMENT_TYPE_CMOD_REQD:
  case ELEMENT_TYPE_CMOD_OPT:
    if (!cordbg_signature_read_token(signature, &node->token))
      return false;
    node->child = *signature;
    return skip_type(signature, depth + 1);
  case ELEMENT_TYPE_PTR:
  case ELEMENT_TYPE_BYREF:
  case ELEMENT_TYPE_SZARRAY:
  case ELEMENT_TYPE_PINNED:
    node->child = *signature;
    return skip_type(signature, depth + 1);
  case ELEMENT_TYPE_ARRAY:
    node->child = *signature;
    if (!skip_type(signature, depth + 1))
      return false;
    node->rest = *signature;
    return skip_array_shape(signature, &node->number);
  case ELEMENT_TYPE_GENERICINST:
    node->child = *signature;
    if (!skip_type(signature, depth + 1) || !cordbg_signature_read_u32(signature, &node->number))
      return false;
    node->rest = *signature;
    for (uint32_t i = 0; i < node->number; i++)
      if (!skip_type(signature, depth + 1))
        return false;
    return true;
  case ELEMENT_TYPE_FNPTR:
    node->child = *signature;
    return skip_method(signature, depth + 1);
  default:
    return false;
  }
}

static bool
skip_type(cordbg_signature *signature, unsigned depth)
{
  cordbg_type_node node;
  return read_node(signature, &node, depth);
}

bool
cordbg_signature_read_type(cordbg_signature *signature, cordbg_type_node *ret)
{
  return read_node(signature, ret, 0);
}

bool
cordbg_signature_skip_type(cordbg_signature *signature)
{
  return skip_type(signature, 0);
}

bool
cordbg_signature_read_locals(cordbg_signature *signature, uint32_t *ret_count)
{
  uint8_t convention;
  return cordbg_signature_read_byte(signature, &convention) &&
         convention == IMAGE_CEE_CS_CALLCONV_LOCAL_SIG &&
         cordbg_signature_read_u32(signature, ret_count);
}
