/* SPDX-License-Identifier: MIT */
/*
 * What stacks need of a file's DWARF, by libdw: lines and call-frame information. libdw unpacks
 * every compressed section when it opens a file, 40 ms for a C library's, where lines need a sixth
 * of that: so the sections that nobody here asks for are hidden from it.
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

/* Unpacked; beyond it, a file means harm. */
#define SECTION_MAX (256u << 20)

static bool
is_asked_for(Elf_Scn *section, const GElf_Shdr *head, const char *name)
{
  static const char *const names[] = {".debug_frame", ".debug_line", ".debug_line_str",
                                      ".debug_str"};
  GElf_Chdr packed;

  if (head->sh_type == SHT_NOBITS || head->sh_size > SECTION_MAX ||
      ((head->sh_flags & SHF_COMPRESSED) &&
       (!gelf_getchdr(section, &packed) || packed.ch_size > SECTION_MAX)))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return false;
}

/* Hides the sections of debug information that nobody asks for. False: nothing is left. */
static bool
choose_sections(cordbg_debug_info *info)
{
  Elf_Scn *section = NULL;
  bool has_lines = false;
  size_t names;

  if (elf_getshdrstrndx(info->elf, &names) != 0)
    return false;
  while ((section = elf_nextscn(info->elf, section))) {
    GElf_Shdr head;
    const char *name;

    if (!gelf_getshdr(section, &head) || !(name = elf_strptr(info->elf, names, head.sh_name)) ||
        (!g_str_has_prefix(name, ".debug_") && !g_str_has_prefix(name, ".zdebug_")))
      continue;
    if (is_asked_for(section, &head, name)) {
      info->has_frames |= strcmp(name, ".debug_frame") == 0;
      has_lines |= strcmp(name, ".debug_line") == 0;
      continue;
    }
    head.sh_type = SHT_NOBITS;
    head.sh_flags &= ~(GElf_Xword)SHF_COMPRESSED;
    if (!gelf_update_shdr(section, &head))
      return false;
  }
  return info->has_frames || has_lines;
}

cordbg_debug_info *
cordbg_debug_info_open(int fd)
{
  cordbg_debug_info *info = g_new0(cordbg_debug_info, 1);

  elf_version(EV_CURRENT);
  info->fd = fd;
  info->elf = elf_begin(fd, ELF_C_READ, NULL);
  if (info->elf && elf_kind(info->elf) == ELF_K_ELF && choose_sections(info))
    return info;
  cordbg_debug_info_free(info);
  return NULL;
}

void
cordbg_debug_info_free(cordbg_debug_info *info)
{
  if (!info)
    return;
  cordbg_line_table_free(info->lines);
  if (info->dwarf)
    dwarf_end(info->dwarf);
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
  if (!info->lines_tried && dwarf_of(info))
    info->lines = cordbg_line_table_open(info->dwarf);
  info->lines_tried = true;
  return info->lines && cordbg_line_table_find(info->lines, address, ret);
}
