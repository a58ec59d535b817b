/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_TESTS_ORACLE_DESCRIBE_H
#define CORDBG_TESTS_ORACLE_DESCRIBE_H

#include <glib.h>
#include "cordbg/metadata/image.h"

/* Appends everything that cordbg reads of an image, as dump.cs writes it, without the first line.
 */
void describe_image(const cordbg_image *image, GString *text);

#endif
