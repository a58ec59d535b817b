/* SPDX-License-Identifier: MIT */
/*
 * What the kernel and the dynamic linker tell a debugger: the auxiliary vector, and the linker's
 * list of loaded objects with the function that it calls when the list changes.
 * Follows: System V ABI, chapter 5 (r_debug, link_map are glibc's and musl's).
 */
#ifndef CORDBG_NATIVE_LINKER_H
#define CORDBG_NATIVE_LINKER_H

#include "cordbg/native/modules.h"

typedef struct cordbg_auxv {
  uint64_t entry;   /* AT_ENTRY: the program's entry point */
  uint64_t headers; /* AT_PHDR: its program headers */
  uint64_t header_count;
  uint64_t linker_base; /* AT_BASE: 0 for a static program */
  uint64_t vdso;        /* AT_SYSINFO_EHDR */
} cordbg_auxv;

/* From /proc/PID/auxv; entries that are missing are 0. Errors: the errno of the file. */
HRESULT cordbg_auxv_read(int pid, cordbg_auxv *ret, cordbg_error *error);

typedef enum cordbg_linker_state {
  CORDBG_LINKER_CONSISTENT, /* RT_CONSISTENT */
  CORDBG_LINKER_ADDING,
  CORDBG_LINKER_DELETING,
  CORDBG_LINKER_NOT_STARTED, /* no r_debug yet: before or while the linker starts */
} cordbg_linker_state;

typedef struct cordbg_linker {
  cordbg_linker_state state;
  uint64_t debug;      /* address of r_debug, 0 while NOT_STARTED */
  uint64_t map;        /* address of the first link_map, 0 likewise */
  uint64_t breakpoint; /* the function called at each change (r_brk, _dl_debug_state) */
} cordbg_linker;

/*
 * The dynamic linker as it is now. At the first instruction of a program r_debug is not yet filled;
 * breakpoint is then the linker's symbol _dl_debug_state, a place that can already be trapped.
 * S_FALSE: a static program, or a linker that has neither.
 */
HRESULT cordbg_linker_read(cordbg_modules *modules, cordbg_linker *ret, cordbg_error *error);

#endif
