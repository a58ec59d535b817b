/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_ATTRIBUTE_H
#define CORDBG_METADATA_ATTRIBUTE_H

#include "cordbg/metadata/signature.h"

/*
 * Custom attribute values (ECMA-335 II.23.3), decoded against the constructor's signature.
 * A decoder walks the blob and reports what it finds to a visitor, in order:
 *
 *   argument := (FIXED | FIELD | PROPERTY) value
 *   value    := VALUE | ARRAY_BEGIN value* ARRAY_END
 *
 * Nothing is copied: names and strings point into the metadata.
 */

typedef enum cordbg_attribute_event_kind {
  CORDBG_ATTRIBUTE_FIXED,       /* index */
  CORDBG_ATTRIBUTE_FIELD,       /* name */
  CORDBG_ATTRIBUTE_PROPERTY,    /* name */
  CORDBG_ATTRIBUTE_VALUE,       /* type, bits or text or is_null */
  CORDBG_ATTRIBUTE_ARRAY_BEGIN, /* count, or is_null (then no elements follow) */
  CORDBG_ATTRIBUTE_ARRAY_END
} cordbg_attribute_event_kind;

typedef struct cordbg_attribute_event {
  cordbg_attribute_event_kind kind;
  uint32_t index;        /* of a fixed argument, from 0 */
  cordbg_blob name;      /* UTF-8, of a named argument */
  uint8_t type;          /* ELEMENT_TYPE_BOOLEAN .. STRING, or SERIALIZATION_TYPE_TYPE */
  bool is_null;          /* a null string, type or array */
  bool is_enum;          /* then type is the underlying type, and one of the next two is set */
  uint32_t enum_token;   /* TypeDef or TypeRef */
  cordbg_blob enum_name; /* as serialised */
  uint64_t bits;         /* of a number, zero-extended as stored */
  cordbg_blob text;      /* UTF-8 of a string, or a type's serialised name */
  uint32_t count;        /* of an array */
} cordbg_attribute_event;

/* Returns false to end the walk, which then succeeds. */
typedef bool (*cordbg_attribute_visit_fn)(void *context, const cordbg_attribute_event *event);

/*
 * Says how an enumeration of another module is stored: its underlying ELEMENT_TYPE_*, 0 when not
 * known. Either token is a TypeRef, or token is 0 and name the serialised name.
 */
typedef uint8_t (*cordbg_attribute_resolve_fn)(void *context, uint32_t token, cordbg_blob name);

/*
 * Decodes the attribute in a row of CustomAttribute. resolve may be NULL.
 * META_E_CANNOTRESOLVETYPEREF: an enumeration of another module could not be resolved, what stands
 * before it was reported. META_E_CA_INVALID_BLOB, META_E_BAD_SIGNATURE: malformed.
 */
HRESULT cordbg_attribute_decode(const cordbg_metadata *metadata, uint32_t attribute_rid,
                                cordbg_attribute_resolve_fn resolve,
                                cordbg_attribute_visit_fn visit, void *context,
                                cordbg_error *error);

/*
 * The same as text, appended: "(1, "a", null, [1, 2], typeof("N.T"), Name = true)". Floating-point
 * numbers are exact (hexadecimal).
 */
HRESULT cordbg_attribute_format(const cordbg_metadata *metadata, uint32_t attribute_rid,
                                cordbg_attribute_resolve_fn resolve, void *context, GString *text,
                                cordbg_error *error);

/*
 * Finds an attribute of owner (any token) by its type's full name; 0 when it has none. O(log n) and
 * the owner's attributes.
 */
uint32_t cordbg_attribute_find(const cordbg_metadata *metadata, uint32_t owner,
                               const char *full_name);

/* The TypeDef or TypeRef (or TypeSpec) whose constructor an attribute calls; 0 when malformed. */
uint32_t cordbg_attribute_type(const cordbg_metadata *metadata, uint32_t attribute_rid);

/* The underlying ELEMENT_TYPE_* of an enumeration of this module; 0 when it is not one. */
uint8_t cordbg_enum_underlying_type(const cordbg_metadata *metadata, uint32_t type_rid);

#endif
