/* SPDX-License-Identifier: MIT */
/* Between modules.c and symbols.c. */
#ifndef CORDBG_NATIVE_MODULES_PRIVATE_H
#define CORDBG_NATIVE_MODULES_PRIVATE_H

#include <glib.h>

#include "cordbg/native/elf-file.h"
#include "cordbg/native/modules.h"

struct cordbg_modules {
  int pid;
  cordbg_memory_reader memory;
  GPtrArray *list; /* of cordbg_module, in load order */
  uint64_t entry;  /* AT_ENTRY */
  void (*release)(void *data);
};

/* What has been read of a module's symbols. Tables are NULL where there are none. */
struct cordbg_symbol_files {
  uint64_t mapping_start; /* of the first mapping: its name in /proc/PID/map_files */
  uint64_t mapping_end;
  bool loaded;
  bool all_loaded; /* `all` is final: the debug file was looked for */
  HRESULT status;  /* of loading the exported symbols */
  cordbg_symbol_table *exported;
  cordbg_symbol_table *all;
  char *build_id;
};

void cordbg_symbol_files_free(cordbg_symbol_files *files);

/* Takes over data: release(data) when the modules are destroyed. release may be NULL. */
HRESULT cordbg_modules_create_owning(int pid, cordbg_modules_read read, void *data,
                                     void (*release)(void *data), cordbg_modules **ret,
                                     cordbg_error *error);

#endif
