/* SPDX-License-Identifier: MIT */
/* The auxiliary vector and the dynamic linker's own account of what is loaded. */
#include "config.h"

#include "cordbg/native/linker.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cordbg/native/modules-private.h"
#include "cordbg/native/symbols.h"

#define AUXV_MAX 64u
#define DYNAMIC_MAX 1024u
#define DYNAMIC_PIECE 32u

/* As glibc and musl lay it out. */
typedef struct remote_debug {
  int32_t version;
  uint32_t pad;
  uint64_t map;
  uint64_t breakpoint;
  int32_t state; /* 0 consistent, 1 add, 2 delete */
  uint32_t pad2;
  uint64_t base;
} remote_debug;

HRESULT
cordbg_auxv_read(int pid, cordbg_auxv *ret, cordbg_error *error)
{
  Elf64_auxv_t entries[AUXV_MAX];
  cordbg_auxv auxv = {0};
  char path[64];
  size_t size = 0;
  ssize_t n = 0;
  int fd, reason;

  snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return cordbg_error_set_errno(error, errno, 0, "%s cannot be opened", path);
  while (size < sizeof(entries)) {
    n = read(fd, (char *)entries + size, sizeof(entries) - size);
    if (n <= 0 && !(n < 0 && errno == EINTR))
      break;
    size += n > 0 ? (size_t)n : 0;
  }
  reason = errno;
  close(fd);
  if (n < 0)
    return cordbg_error_set_errno(error, reason, 0, "%s cannot be read", path);
  for (size_t i = 0; i < size / sizeof(entries[0]) && entries[i].a_type != AT_NULL; i++) {
    uint64_t value = entries[i].a_un.a_val;

    switch (entries[i].a_type) {
    case AT_ENTRY:
      auxv.entry = value;
      break;
    case AT_PHDR:
      auxv.headers = value;
      break;
    case AT_PHNUM:
      auxv.header_count = value;
      break;
    case AT_BASE:
      auxv.linker_base = value;
      break;
    case AT_SYSINFO_EHDR:
      auxv.vdso = value;
      break;
    default:
      break;
    }
  }
  *ret = auxv;
  return S_OK;
}

/* What DT_DEBUG of the program points to; false: it has none. *value may be 0: not yet. */
static bool
find_debug(const cordbg_modules *modules, const cordbg_module *program, uint64_t *value)
{
  Elf64_Dyn entries[DYNAMIC_PIECE];
  size_t known = 0; /* of entries that were read at once */

  for (size_t i = 0; i < DYNAMIC_MAX; i++) {
    Elf64_Dyn *entry = &entries[i % DYNAMIC_PIECE];
    uint64_t address = program->dynamic + i * sizeof(*entry);

    if (i % DYNAMIC_PIECE == 0 &&
        modules->memory.read(modules->memory.data, address, entries, sizeof(entries)))
      known = i + DYNAMIC_PIECE;
    if (i >= known && !modules->memory.read(modules->memory.data, address, entry, sizeof(*entry)))
      return false;
    if (entry->d_tag == DT_NULL)
      return false;
    if (entry->d_tag == DT_DEBUG) {
      *value = entry->d_un.d_ptr;
      return true;
    }
  }
  return false;
}

/* The linker's own function, by its symbol: before it has told us. */
static HRESULT
find_by_symbol(cordbg_modules *modules, cordbg_linker *ret, cordbg_error *error)
{
  const cordbg_module *linker = NULL;
  cordbg_symbol symbol;
  cordbg_auxv auxv;
  HRESULT hr = cordbg_auxv_read(modules->pid, &auxv, error);

  if (FAILED(hr))
    return hr;
  if (auxv.linker_base)
    linker = cordbg_modules_at(modules, auxv.linker_base);
  if (!linker)
    return S_FALSE;
  hr =
      cordbg_symbol_find_in(modules, linker, "_dl_debug_state", CORDBG_SYMBOLS_ALL, &symbol, error);
  if (hr == S_OK)
    *ret = (cordbg_linker){.state = CORDBG_LINKER_NOT_STARTED, .breakpoint = symbol.address};
  return hr;
}

HRESULT
cordbg_linker_read(cordbg_modules *modules, cordbg_linker *ret, cordbg_error *error)
{
  const cordbg_module *program = cordbg_modules_program(modules);
  remote_debug debug;
  uint64_t address = 0;

  if (!program || !program->dynamic || !find_debug(modules, program, &address))
    return S_FALSE;
  if (!address || !modules->memory.read(modules->memory.data, address, &debug, sizeof(debug)) ||
      debug.version <= 0 || !debug.breakpoint)
    return find_by_symbol(modules, ret, error);
  *ret = (cordbg_linker){
      .state = debug.state == 0   ? CORDBG_LINKER_CONSISTENT
               : debug.state == 1 ? CORDBG_LINKER_ADDING
                                  : CORDBG_LINKER_DELETING,
      .debug = address,
      .map = debug.map,
      .breakpoint = debug.breakpoint,
  };
  return S_OK;
}
