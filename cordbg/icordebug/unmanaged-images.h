/* SPDX-License-Identifier: MIT */
/*
 * The ELF images of a target and how they change, as plain data: this header goes between the
 * native room's, whose module is an ELF image, and the ICorDebug objects, whose module is managed.
 */
#ifndef CORDBG_ICORDEBUG_UNMANAGED_IMAGES_H
#define CORDBG_ICORDEBUG_UNMANAGED_IMAGES_H

#include <glib.h>

#include "cordbg/memory/target.h"

typedef struct cordbg_native_image {
  uint64_t start;      /* of its first segment */
  uint64_t dynamic;    /* tells it apart from another image at the same place */
  uint64_t entry;      /* 0: none */
  uint64_t name_place; /* address of a pointer to its name, in the target; 0: there is none */
} cordbg_native_image;

typedef struct cordbg_native_images cordbg_native_images;

/* Target stopped, here and for the update. */
HRESULT cordbg_native_images_create(cordbg_target *target, cordbg_native_images **ret,
                                    cordbg_error *error);
void cordbg_native_images_destroy(cordbg_native_images *images); /* NULL allowed */

/* Appends to each array (of cordbg_native_image) what was loaded, unloaded since the last update;
 * the first one gives all images but the program. S_FALSE: the linker is in the middle of a change
 * and will tell of its end. */
HRESULT cordbg_native_images_update(cordbg_native_images *images, GArray *loaded, GArray *unloaded,
                                    cordbg_error *error);
/* As of the last update. */
bool cordbg_native_images_cover(const cordbg_native_images *images, uint64_t address);
/* All 0 when it is not found. */
cordbg_native_image cordbg_native_images_program(const cordbg_native_images *images);
/* The function that the linker calls at each change; 0: none. */
uint64_t cordbg_native_images_trap(cordbg_native_images *images);

#endif
