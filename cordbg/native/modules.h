/* SPDX-License-Identifier: MIT */
/*
 * The ELF modules (program, libraries, dynamic linker, vDSO) that a process has loaded.
 *
 * A snapshot: it shows what was loaded at the last create or update. Modules come from
 * /proc/PID/maps, their order from the dynamic linker's list where it has one; symbols are read on
 * the first question (symbols.h). Neither stops, nor changes, nor needs to trace the process.
 *
 * All that is read from the process or its files is hostile: sizes are checked, lists bounded,
 * files are read by pread (a mapped file that shrinks would kill the reader).
 *
 * Threads: one at a time on one cordbg_modules; different ones are independent.
 */
#ifndef CORDBG_NATIVE_MODULES_H
#define CORDBG_NATIVE_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cordbg/com/error.h"
#include "cordbg/memory/target.h"

#define CORDBG_MODULES_MAX 4096u

typedef struct cordbg_modules cordbg_modules;
typedef struct cordbg_symbol_files cordbg_symbol_files; /* private: symbols read so far */

typedef struct cordbg_module {
  char *path;     /* as the target names it, without " (deleted)"; "[vdso]" for the vDSO */
  bool deleted;   /* its file is gone, or was never linked (memory files) */
  uint64_t bias;  /* what is added to the file's addresses */
  uint64_t start; /* [start, end): first to last byte of the segments in the target */
  uint64_t end;
  uint64_t dynamic; /* address of the dynamic section, 0: none */
  uint64_t entry;   /* address of the entry point, 0: none */
  dev_t device;
  ino_t inode; /* 0: no file */
  cordbg_symbol_files *files;
} cordbg_module;

/* Reads exactly size bytes of the target's memory, pristine; false otherwise. */
typedef bool (*cordbg_modules_read)(void *data, uint64_t address, void *buffer, size_t size);

/*
 * The modules of process pid. read NULL: by process_vm_readv, which suits a process without traps.
 * data must live as long as the snapshot. Errors: the errno of /proc/PID/maps (no such process, no
 * permission).
 */
HRESULT cordbg_modules_create(int pid, cordbg_modules_read read, void *data, cordbg_modules **ret,
                              cordbg_error *error);

/* The same for a target, whose memory is read as pristine. Holds a reference of it. */
HRESULT cordbg_modules_create_for_target(cordbg_target *target, cordbg_modules **ret,
                                         cordbg_error *error);

/*
 * Looks again. Modules that are still loaded keep their cordbg_module and their symbols; those that
 * are gone are freed. After an error the snapshot is as before.
 */
HRESULT cordbg_modules_update(cordbg_modules *modules, cordbg_error *error);
void cordbg_modules_destroy(cordbg_modules *modules); /* NULL allowed */

/*
 * In load order: the program first, then as the dynamic linker lists them, then (dynamic linker and
 * vDSO where it does not, modules of other namespaces) by address. Valid until the next update.
 */
size_t cordbg_modules_count(const cordbg_modules *modules);
const cordbg_module *cordbg_modules_get(const cordbg_modules *modules, size_t index);

/* The module whose segments span address, or NULL. */
const cordbg_module *cordbg_modules_at(const cordbg_modules *modules, uint64_t address);

/* The first module in load order whose path contains the text, or NULL. */
const cordbg_module *cordbg_modules_containing(const cordbg_modules *modules, const char *text);

/*
 * The first module that a user means by a library's name, or NULL: the file name is exactly that,
 * else it begins with it and goes on with '.' or '-' ("libc" is libc.so.6 and libc-2.31.so, not
 * libcrypto.so), else the path contains it.
 */
const cordbg_module *cordbg_modules_named(const cordbg_modules *modules, const char *name);

/* The program itself (the module that holds AT_ENTRY), or NULL. */
const cordbg_module *cordbg_modules_program(const cordbg_modules *modules);

#endif
