/* SPDX-License-Identifier: MIT */
/* One exported symbol of an ELF image in a process's memory, by the image's own hash table. */
#ifndef CORDBG_NATIVE_EXPORTS_H
#define CORDBG_NATIVE_EXPORTS_H

#include "cordbg/native/modules.h"

/*
 * The address in the target of what the image whose first byte is mapped at base exports under
 * name (shorter than 128 bytes); 0: nothing, or the image makes no sense. A dozen reads of memory:
 * for one name of one image, where symbols.h would read and sort all of them. Of several versions
 * the first in the table. Any thread.
 */
uint64_t cordbg_export_find(cordbg_modules_read read, void *data, uint64_t base, const char *name);

#endif
