/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_TESTS_ORACLE_DESCRIBE_H
#define CORDBG_TESTS_ORACLE_DESCRIBE_H

#include <glib.h>
#include "cordbg/metadata/image.h"
#include "cordbg/metadata/symbols.h"

/* Appends everything that cordbg reads of an image, as dump.cs writes it, without the first line.
 */
void describe_image(const cordbg_image *image, GString *text);

/* The same for symbols, as dump-pdb.cs and dump-mdb.cs write it; of methods 1 to methods. image: of
 * the image that they belong to; NULL: not known. */
void describe_symbols(const cordbg_symbols *symbols, const cordbg_metadata *image, uint32_t methods,
                      GString *text);

#endif
