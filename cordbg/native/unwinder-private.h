/* SPDX-License-Identifier: MIT */
/* An unwinder's insides: for unwinder.c, stack.c, place.c. */
#ifndef CORDBG_NATIVE_UNWINDER_PRIVATE_H
#define CORDBG_NATIVE_UNWINDER_PRIVATE_H

#include <glib.h>

#include "cordbg/memory/reader.h"
#include "cordbg/native/debug-info.h"
#include "cordbg/native/managed-frames.h"
#include "cordbg/native/stack.h"
#include "cordbg/native/symbols.h"
#include "cordbg/native/unwind-data.h"
#include "cordbg/native/walk-memory.h"

/* What is known of one module beyond its symbols. */
typedef struct cordbg_native_image {
  const cordbg_module *module;
  uint64_t seen; /* the walk in which its mapping was last compared */
  bool unwind_tried;
  bool debug_tried;
  bool kind_known, of_runtime; /* place.c */
  cordbg_unwind_data *unwind;  /* NULL: none */
  cordbg_debug_info *debug;    /* NULL: none */
} cordbg_native_image;

struct cordbg_unwinder {
  GMutex lock;
  int pid;
  cordbg_target *target; /* borrowed: the unwinder lives with it; NULL: plain is used */
  cordbg_reader *plain;  /* owned */
  cordbg_modules *modules;
  bool stale;                    /* the modules are to be listed again before they are believed */
  GHashTable *images;            /* cordbg_module -> cordbg_native_image, owned */
  GHashTable *strange;           /* starts of mappings that are known to be no module's */
  uint64_t walk;                 /* number of the walk */
  gint64 began;                  /* when, monotonic microseconds */
  gint64 last;                   /* when the last step or question began */
  uint64_t listed;               /* the walk in which the modules were last listed */
  GHashTable *names;             /* mangled name (the table's pointer) -> shown name, owned */
  GMutex managed_lock;           /* of managed alone */
  cordbg_managed_frames managed; /* unwind NULL: none */
  cordbg_managed_place *place;   /* what the last description's strings stand in */
  cordbg_walk_memory memory;
  bool foreign; /* memory comes from the caller of this walk */
  /* The target's, as cordbg_tracer_stillness tells: at this walk, and of what memory has. */
  uint64_t stillness, pages_of;
  GHashTable *kept;    /* address -> kept_place of managed code, of the stop kept_of */
  GStringChunk *texts; /* their strings */
  uint64_t kept_of;
};

/* Begins a walk or a question: memory NULL is cordbg's own. The lock is held until _end. */
HRESULT cordbg_unwinder_begin(cordbg_unwinder *unwinder, const cordbg_stack_memory *memory,
                              bool walks, cordbg_error *error);
void cordbg_unwinder_end(cordbg_unwinder *unwinder);

/* The image that an address lies in, or NULL: none, or one that is no ELF module. */
cordbg_native_image *cordbg_unwinder_image(cordbg_unwinder *unwinder, uint64_t address);
/* Its unwind data and its DWARF, read at the first question. NULL: none. */
cordbg_unwind_data *cordbg_image_unwind_data(cordbg_unwinder *unwinder, cordbg_native_image *image);
cordbg_debug_info *cordbg_image_debug_info(cordbg_unwinder *unwinder, cordbg_native_image *image);

/* Whether the target may run code there. */
bool cordbg_unwinder_is_code(cordbg_unwinder *unwinder, uint64_t address);

/* The provider with a reference of its data; false: none. */
bool cordbg_unwinder_managed(cordbg_unwinder *unwinder, cordbg_managed_frames *ret);

/* stack.c, place.c: between begin and end. */
HRESULT cordbg_unwinder_step(cordbg_unwinder *unwinder, int32_t tid, cordbg_frame *frame,
                             cordbg_frame *caller, cordbg_error *error);

#endif
