/* SPDX-License-Identifier: MIT */
/*
 * Where the DAC may write: the runtime's own data. That is a writable segment of libcoreclr (and
 * the zero pages behind it), or private anonymous memory that is writable, not executable, and no
 * thread's stack. Everything else is refused with a sentence: a DAC gone wrong must not change the
 * program.
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime-shim/coreclr/dac-private.h"

#define STACK_SPAN (16ull << 20) /* a stack's part above the stack pointer, at most */
#define THREADS_MAX 65536
#define SEGMENTS_MAX 64

/* Does any thread's stack lie over the address within this mapping? */
static bool
is_a_stack(int pid, const cordbg_mapping *mapping, uint64_t address)
{
  g_autofree char *folder = g_strdup_printf("/proc/%d/task", pid);
  GDir *threads = g_dir_open(folder, 0, NULL);
  bool found = false;
  const char *name;

  for (int i = 0; !found && threads && i < THREADS_MAX && (name = g_dir_read_name(threads)); i++) {
    g_autofree char *path = g_strdup_printf("%s/%s/syscall", folder, name);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
      continue;
    /* the last two words are the stack pointer and the program counter */
    char *end = strrchr(text, ' ');
    if (!end)
      continue;
    *end = '\0';
    const char *word = strrchr(text, ' ');
    uint64_t sp = word ? strtoull(word, NULL, 16) : 0;
    found =
        sp >= mapping->start && sp < mapping->end && (address < sp || address - sp < STACK_SPAN);
  }
  if (threads)
    g_dir_close(threads);
  return found;
}

/* The mappings from the runtime's base on that are one file's, and the zero pages behind. */
static bool
is_of_the_runtime(cordbg_dac *dac, const cordbg_mapping *mapping)
{
  cordbg_mapping at, first;
  uint64_t address = dac->base;

  if (cordbg_target_find_mapping(dac->target, address, false, &first, NULL, 0, NULL) != S_OK)
    return false;
  for (int i = 0; i < SEGMENTS_MAX; i++) {
    if (cordbg_target_find_mapping(dac->target, address, false, &at, NULL, 0, NULL) != S_OK)
      return false; /* a gap: the image ends */
    if (at.inode != first.inode && at.inode != 0)
      return false;
    if (at.start == mapping->start)
      return true;
    if (at.inode == 0)
      return false;
    address = at.end;
  }
  return false;
}

static HRESULT
refuse(uint64_t address, size_t size, const char *why, cordbg_error *error)
{
  return cordbg_error_set(error, E_ACCESSDENIED, 0, address,
                          "the data access library wants to write %zu bytes at 0x%llx, which is "
                          "%s: refused",
                          size, (unsigned long long)address, why);
}

HRESULT
cordbg_dac_may_write(cordbg_dac *dac, uint64_t address, size_t size, cordbg_error *error)
{
  cordbg_mapping mapping;
  char path[256] = "";

  if (size == 0 || address + size < address)
    return refuse(address, size, "no range", error);
  if (cordbg_target_find_mapping(dac->target, address, false, &mapping, path, sizeof path, NULL) !=
          S_OK ||
      address + size > mapping.end)
    return refuse(address, size, "not mapped as a whole", error);
  if (!(mapping.prot & PROT_WRITE) || (mapping.prot & PROT_EXEC) || mapping.shared)
    return refuse(address, size, "not private writable data", error);
  if (is_of_the_runtime(dac, &mapping))
    return S_OK;
  if (mapping.inode != 0)
    return refuse(address, size, "another image's data", error);
  if (address >= dac->written_start && address + size <= dac->written_end)
    return S_OK; /* was looked at before: the runtime does not give such memory back */
  if (strncmp(path, "[stack", 6) == 0 || is_a_stack(dac->pid, &mapping, address))
    return refuse(address, size, "a thread's stack", error);
  dac->written_start = address;
  dac->written_end = address + size;
  return S_OK;
}
