/* SPDX-License-Identifier: MIT */
/*
 * What the DAC may write, and why: two things only, both the runtime's own. The notification flags
 * and other switches are globals of libcoreclr; the table of methods whose code is told of is one
 * block of the C heap, allocated at start-up, that a global of libcoreclr points to. So a write is
 * allowed
 *   - to a writable segment of libcoreclr, and the zero pages behind it;
 *   - to private anonymous memory that is writable, not executable and no thread's stack, if a word
 *     in such a segment holds its very address, and no more than the table has (the DAC writes the
 *     table as a whole).
 * Everything else is refused with a sentence: a DAC gone wrong must not change the program. All
 * writes go through the tracer, which keeps the traps over them; the host itself has no descriptor
 * that it could write by. What stays possible: a malicious DAC can spoil the runtime's globals. It
 * is the runtime's own file and runs as the target's user, who could do so anyway.
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
#define TABLE_SIZE (1001u * 24u) /* the table: its entries and a head */
#define GLOBALS_MAX (16u << 20)

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

/*
 * The writable mappings from the runtime's base on that are one file's, and the zero pages behind.
 * They stay as long as the process: libcoreclr is never unloaded.
 */
static void
find_globals(cordbg_dac *dac)
{
  cordbg_mapping at, first = {.inode = 0};
  uint64_t address = dac->base;

  for (int i = 0; i < SEGMENTS_MAX && dac->globals_count < G_N_ELEMENTS(dac->globals); i++) {
    if (cordbg_target_find_mapping(dac->target, address, false, &at, NULL, 0, NULL) != S_OK)
      return; /* a gap: the image ends */
    if (i == 0)
      first = at;
    if (at.inode != first.inode && at.inode != 0)
      return;
    if ((at.prot & PROT_WRITE) && !(at.prot & PROT_EXEC) && !at.shared)
      dac->globals[dac->globals_count++] = (cordbg_dac_range){at.start, at.end};
    if (at.inode == 0)
      return;
    address = at.end;
  }
}

static bool
is_global(cordbg_dac *dac, uint64_t address, size_t size)
{
  if (dac->globals_count == 0)
    find_globals(dac);
  for (unsigned i = 0; i < dac->globals_count; i++)
    if (address >= dac->globals[i].start && address + size <= dac->globals[i].end)
      return true;
  return false;
}

/* Does a word of the runtime's data point exactly there? */
static bool
is_pointed_to(cordbg_dac *dac, uint64_t address)
{
  uint64_t total = 0;
  bool found = false;

  for (unsigned i = 0; !found && i < dac->globals_count; i++) {
    uint64_t length = dac->globals[i].end - dac->globals[i].start;
    total += length;
    if (total > GLOBALS_MAX)
      break;
    g_autofree uint64_t *words = g_try_malloc(length);
    if (!words || cordbg_target_read_exact(dac->target, CORDBG_VIEW_PRISTINE, dac->globals[i].start,
                                           words, length, NULL) != S_OK)
      break;
    for (uint64_t j = 0; !found && j < length / sizeof *words; j++)
      found = words[j] == address;
  }
  return found;
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

  if (size == 0 || size > TABLE_SIZE || address + size < address)
    return refuse(address, size, "no range of the runtime's", error);
  if (is_global(dac, address, size))
    return S_OK;
  if (address >= dac->written_start && address + size <= dac->written_end)
    return S_OK; /* the runtime does not give its table back */
  if (cordbg_target_find_mapping(dac->target, address, false, &mapping, path, sizeof path, NULL) !=
          S_OK ||
      address + size > mapping.end)
    return refuse(address, size, "not mapped as a whole", error);
  if (!(mapping.prot & PROT_WRITE) || (mapping.prot & PROT_EXEC) || mapping.shared)
    return refuse(address, size, "not private writable data", error);
  if (mapping.inode != 0)
    return refuse(address, size, "another image's data", error);
  if (strncmp(path, "[stack", 6) == 0 || is_a_stack(dac->pid, &mapping, address))
    return refuse(address, size, "a thread's stack", error);
  if (!is_pointed_to(dac, address))
    return refuse(address, size, "nothing that the runtime's globals point to", error);
  dac->written_start = address;
  dac->written_end = address + size;
  return S_OK;
}
