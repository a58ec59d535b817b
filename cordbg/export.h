/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_EXPORT_H
#define CORDBG_EXPORT_H

/* The library is built with hidden visibility: what cordbg.map lists and no public header declares
 * as exported carries this where it is defined. */
#define CORDBG_EXPORT __attribute__((visibility("default")))

#endif
