/* SPDX-License-Identifier: MIT */
/*
 * Lines are read by line-table.c: libdw unpacks every compressed section when it opens a file, 40
 * ms for a C library's, where lines need a sixth of that. What else there is comes from libdw.
 */
#include "config.h"

#include "cordbg/native/debug-info.h"

#include <gelf.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

struct cordbg_debug_info {
  int fd;
  Elf *elf;
  bool lines_tried, dwarf_tried, has_frames;
  cordbg_line_table *lines; /* NULL: none */
  Dwarf *dwarf;             /* NULL: none */
};

/* Whether the file has a section, without its contents. */
static bool
has_section(Elf *elf, const char *name)
{
  Elf_Scn *section = NULL;
  size_t names;

  if (elf_getshdrstrndx(elf, &names) != 0)
    return false;
  while ((section = elf_nextscn(elf, section))) {
    GElf_Shdr head;
    const char *there;

    if (gelf_getshdr(section, &head) && head.sh_type != SHT_NOBITS &&
        (there = elf_strptr(elf, names, head.sh_name)) && strcmp(there, name) == 0)
      return true;
  }
  return false;
}

cordbg_debug_info *
cordbg_debug_info_open(int fd)
{
  cordbg_debug_info *info = g_new0(cordbg_debug_info, 1);

  elf_version(EV_CURRENT);
  info->fd = fd;
  info->elf = elf_begin(fd, ELF_C_READ, NULL);
  if (info->elf && elf_kind(info->elf) == ELF_K_ELF) {
    info->has_frames = has_section(info->elf, ".debug_frame");
    if (info->has_frames || has_section(info->elf, ".debug_line"))
      return info;
  }
  cordbg_debug_info_free(info);
  return NULL;
}

void
cordbg_debug_info_free(cordbg_debug_info *info)
{
  if (!info)
    return;
  if (info->dwarf)
    dwarf_end(info->dwarf);
  cordbg_line_table_free(info->lines);
  if (info->elf)
    elf_end(info->elf);
  close(info->fd);
  g_free(info);
}

static Dwarf *
dwarf_of(cordbg_debug_info *info)
{
  if (!info->dwarf_tried)
    info->dwarf = dwarf_begin_elf(info->elf, DWARF_C_READ, NULL);
  info->dwarf_tried = true;
  return info->dwarf;
}

Dwarf *
cordbg_debug_info_frames(cordbg_debug_info *info)
{
  return info->has_frames ? dwarf_of(info) : NULL;
}

bool
cordbg_debug_info_line(cordbg_debug_info *info, uint64_t address, cordbg_source_line *ret)
{
  if (!info->lines_tried)
    info->lines = cordbg_line_table_open(info->elf);
  info->lines_tried = true;
  return info->lines && cordbg_line_table_find(info->lines, address, ret);
}
