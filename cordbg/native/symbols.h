/* SPDX-License-Identifier: MIT */
/*
 * Symbols of a process's ELF modules: name -> address, address -> name.
 *
 * Exported ones come from .dynsym, all of them from .symtab, which is looked for in the module's
 * file, then in its separate debug file (by build id or debug link), then in the small table that
 * some distributions leave in the file itself (.gnu_debugdata). The file is reached through
 * /proc/PID/map_files or /proc/PID/root and must begin with the bytes that the target has mapped;
 * when there is no such file (deleted, a memory file, another mount namespace's secret) the
 * exported symbols are read from the target's memory.
 *
 * A result says S_OK found, S_FALSE not there (nothing is touched), or an error.
 * Threads: as the cordbg_modules.
 */
#ifndef CORDBG_NATIVE_SYMBOLS_H
#define CORDBG_NATIVE_SYMBOLS_H

#include "cordbg/native/modules.h"

typedef struct cordbg_symbol {
  const cordbg_module *module; /* until the next update */
  const char *name;            /* likewise */
  uint64_t address;            /* in the target */
  uint64_t size;               /* bytes; 0: the file does not say */
  uint8_t type; /* STT_FUNC, STT_OBJECT, STT_GNU_IFUNC (address: of the resolver) .. */
  bool exported;
} cordbg_symbol;

typedef enum cordbg_symbol_scope {
  CORDBG_SYMBOLS_EXPORTED, /* .dynsym */
  CORDBG_SYMBOLS_ALL,      /* .dynsym, then .symtab */
} cordbg_symbol_scope;

/*
 * The symbol of one module. Of several versions of one exported name the default one is given;
 * symbols that are undefined, thread-local, or no addresses are not there.
 */
HRESULT cordbg_symbol_find_in(cordbg_modules *modules, const cordbg_module *module,
                              const char *name, cordbg_symbol_scope scope, cordbg_symbol *ret,
                              cordbg_error *error);

/*
 * The first module in load order that has it; all modules' exported symbols are asked before any
 * local one. module_text restricts the search to modules whose path contains it (NULL: all).
 * Modules whose symbols cannot be read are passed over; an error only when there was no other.
 */
HRESULT cordbg_symbol_find(cordbg_modules *modules, const char *module_text, const char *name,
                           cordbg_symbol_scope scope, cordbg_symbol *ret, cordbg_error *error);

/*
 * The symbol that an address belongs to: the nearest one that begins at or before it and, when it
 * has a size, ends after it. *offset (nullable) is the distance from its start.
 */
HRESULT cordbg_symbol_at(cordbg_modules *modules, uint64_t address, cordbg_symbol *ret,
                         uint64_t *offset, cordbg_error *error);

/*
 * What a user writes for a place in native code:
 *   symbol   library!symbol   either with +N   0xADDRESS      (N decimal, or hexadecimal with 0x)
 * library is looked up by cordbg_modules_named. S_OK with *address; E_INVALIDARG: not of these
 * forms; HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND), HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND): the
 * sentence names what is missing.
 */
HRESULT cordbg_symbol_resolve(cordbg_modules *modules, const char *text, uint64_t *address,
                              cordbg_error *error);

#endif
