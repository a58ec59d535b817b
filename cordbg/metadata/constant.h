/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_CONSTANT_H
#define CORDBG_METADATA_CONSTANT_H

#include <glib.h>
#include "cordbg/metadata/metadata.h"
#include "cordbg/winbase.h"

/*
 * A local constant's blob (Portable PDB specification, LocalConstant): modifiers, a type, a value.
 * image: the metadata that the type's token belongs to; NULL: decimals and dates are not known from
 * other structures then.
 */

/*
 * The value as Microsoft's reader of Portable PDBs gives it: truth values, bytes and signed bytes
 * as VT_I2, characters as VT_UI2, other numbers as themselves (an enumeration's as its underlying
 * type's), strings as VT_BSTR, System.Decimal as VT_DECIMAL, System.DateTime as VT_R8 whose bits
 * are its ticks, a null reference as VT_I4 0, a value of another structure as VT_EMPTY. E_FAIL: the
 * blob is damaged; *ret is untouched then.
 */
HRESULT cordbg_constant_value(const cordbg_metadata *image, cordbg_blob blob, VARIANT *ret);

/* The type alone: modifiers, then a primitive's byte or a class's or enumeration's with its token.
 * Appended. */
bool cordbg_constant_type(cordbg_blob blob, GByteArray *ret);

/*
 * A BSTR as .NET makes and frees them on Linux: malloc'ed, 8 bytes in front of the text, the length
 * in bytes in the last 4 of them, a NUL behind. Free it with free((char *)text - 8).
 */
BSTR cordbg_bstr_new(const uint8_t *utf16le, uint32_t bytes);

#endif
