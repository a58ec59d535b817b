/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_SIGNATURE_H
#define CORDBG_METADATA_SIGNATURE_H

#include <glib.h>
#include "cordbg/metadata/metadata.h"

/*
 * Signatures (ECMA-335 II.23.2), read in place by a cursor. A cursor is two pointers: copy it to
 * remember a position. The readers return false, and leave the cursor anywhere, when the bytes are
 * not a signature; nesting deeper than CORDBG_SIGNATURE_DEPTH_MAX counts as that.
 */
enum { CORDBG_SIGNATURE_DEPTH_MAX = 100 };

typedef struct cordbg_signature {
  const uint8_t *at;
  const uint8_t *end;
} cordbg_signature;

static inline cordbg_signature
cordbg_signature_of_blob(cordbg_blob blob)
{
  return (cordbg_signature){blob.data, blob.data + blob.size};
}

bool cordbg_signature_read_byte(cordbg_signature *signature, uint8_t *ret);
/* Compressed numbers and TypeDefOrRef tokens (II.23.2). */
bool cordbg_signature_read_u32(cordbg_signature *signature, uint32_t *ret);
bool cordbg_signature_read_i32(cordbg_signature *signature, int32_t *ret);
bool cordbg_signature_read_token(cordbg_signature *signature, uint32_t *ret);

/*
 * One node of a type, seen from outside. Which fields mean something depends on element
 * (ELEMENT_TYPE_*):
 *   CLASS, VALUETYPE, CMOD_REQD, CMOD_OPT   token
 *   VAR, MVAR                               number: the parameter's index
 *   PTR, BYREF, SZARRAY, PINNED, CMOD_*     child: the type underneath
 *   ARRAY                                   child: the element type; number: rank; rest: the shape
 *   GENERICINST                             child: the open type; number: how many arguments;
 *                                           rest: the arguments, one type after another
 *   FNPTR                                   child: a method signature
 */
typedef struct cordbg_type_node {
  uint8_t element;
  uint32_t token;
  uint32_t number;
  cordbg_signature child;
  cordbg_signature rest;
} cordbg_type_node;

/* Reads one whole type and moves behind it. */
bool cordbg_signature_read_type(cordbg_signature *signature, cordbg_type_node *ret);
bool cordbg_signature_skip_type(cordbg_signature *signature);

/* After the header the cursor types stands at the return type; the parameters follow it. */
typedef struct cordbg_method_signature {
  uint8_t convention; /* IMAGE_CEE_CS_CALLCONV_* with the flags */
  uint32_t generic_count;
  uint32_t param_count;
  cordbg_signature types;
} cordbg_method_signature;

/* Reads the header only; *signature is left at the return type too. */
bool cordbg_signature_read_method(cordbg_signature *signature, cordbg_method_signature *ret);

/* Local variables (convention 7): the count; the cursor is left at the first type. */
bool cordbg_signature_read_locals(cordbg_signature *signature, uint32_t *ret_count);

/*
 * The type as text, appended to text: ILAsm's words for the primitive types, full names joined by
 * '+' for nested types, "T[]", "T*", "T&", "G<A,B>", "!0", "!!0", "T modreq(M)", "T pinned",
 * "method R *(A,B)". Moves behind the type. false when the bytes are not a type; text holds what
 * could be read then.
 */
bool cordbg_signature_format_type(const cordbg_metadata *metadata, cordbg_signature *signature,
                                  GString *text);
/* "[conv ]R name(A,B)"; name is put where it belongs, NULL for none. */
bool cordbg_signature_format_method(const cordbg_metadata *metadata, cordbg_signature *signature,
                                    const char *name, GString *text);
/*
 * Any signature blob by its first byte: field, method, property, locals or method instantiation.
 */
bool cordbg_signature_format(const cordbg_metadata *metadata, cordbg_blob blob, GString *text);

/* The full name of a TypeDef, TypeRef or TypeSpec token: "Namespace.Outer+Inner". */
void cordbg_type_name_format(const cordbg_metadata *metadata, uint32_t token, GString *text);

#endif
