/* SPDX-License-Identifier: MIT */
/* The files behind a module, opened so that they are surely its own. Private to the native room. */
#ifndef CORDBG_NATIVE_MODULE_FILES_H
#define CORDBG_NATIVE_MODULE_FILES_H

#include "cordbg/native/modules-private.h"

/* A path as the target sees it: links are followed within its root, never within ours. -1: errno.
 */
int cordbg_open_in_root(int pid, const char *path);

/*
 * The very file that the target has mapped, whatever became of its name; its headers were compared
 * with the mapped ones. -1: there is none, or it cannot be reached.
 */
int cordbg_module_open_file(const cordbg_modules *modules, const cordbg_module *module);

/*
 * The module's separate debug file: by build id, else by the debug link of its file (open as fd, or
 * -1), in the target's root and then in ours. Its build id or its check sum was compared. -1: none.
 */
int cordbg_module_open_debug_file(const cordbg_modules *modules, const cordbg_module *module,
                                  int fd);

/*
 * A copy of the file that the module was loaded from, as far as it is loaded: its readable segments
 * at their places, no sections. g_malloc'ed; NULL: memory cannot be read, or it is too large.
 */
void *cordbg_module_image_from_memory(const cordbg_modules *modules, const cordbg_module *module,
                                      size_t *size);

#endif
