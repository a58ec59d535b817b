/* SPDX-License-Identifier: MIT */
/*
 * Lines by libdw. Which compilation unit an address belongs to is looked up in .debug_aranges, and
 * where a compiler wrote none (clang), in an index that is made once of all units' ranges.
 */
#include "config.h"

#include "cordbg/native/debug-info.h"

#include <dwarf.h>
#include <glib.h>
#include <stdlib.h>
#include <unistd.h>

#define UNITS_MAX 262144u
#define RANGES_MAX 4194304u

typedef struct unit_range {
  uint64_t start;
  uint64_t end;
  Dwarf_Off die;
} unit_range;

struct cordbg_debug_info {
  int fd;
  Elf *elf;
  Dwarf *dwarf;
  GArray *ranges; /* unit_range, by start; NULL: not made yet */
};

cordbg_debug_info *
cordbg_debug_info_open(int fd)
{
  cordbg_debug_info *info = g_new0(cordbg_debug_info, 1);
  Dwarf_Off next;
  size_t header;

  elf_version(EV_CURRENT);
  info->fd = fd;
  info->elf = elf_begin(fd, ELF_C_READ, NULL);
  if (info->elf && elf_kind(info->elf) == ELF_K_ELF)
    info->dwarf = dwarf_begin_elf(info->elf, DWARF_C_READ, NULL);
  if (info->dwarf && (dwarf_getcfi(info->dwarf) ||
                      dwarf_nextcu(info->dwarf, 0, &next, &header, NULL, NULL, NULL) == 0))
    return info;
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
  if (info->elf)
    elf_end(info->elf);
  close(info->fd);
  if (info->ranges)
    g_array_unref(info->ranges);
  g_free(info);
}

Dwarf *
cordbg_debug_info_dwarf(cordbg_debug_info *info)
{
  return info->dwarf;
}

static int
compare_starts(const void *a, const void *b)
{
  const unit_range *x = a, *y = b;

  return x->start < y->start ? -1 : x->start > y->start;
}

static void
index_units(cordbg_debug_info *info)
{
  Dwarf_Off at = 0, next;
  size_t header;

  info->ranges = g_array_new(FALSE, FALSE, sizeof(unit_range));
  for (unsigned i = 0;
       i < UNITS_MAX && dwarf_nextcu(info->dwarf, at, &next, &header, NULL, NULL, NULL) == 0; i++) {
    unit_range range = {.die = at + header};
    Dwarf_Addr base;
    ptrdiff_t offset = 0;
    Dwarf_Die die;

    if (dwarf_offdie(info->dwarf, range.die, &die))
      while (info->ranges->len < RANGES_MAX &&
             (offset = dwarf_ranges(&die, offset, &base, &range.start, &range.end)) > 0)
        if (range.start < range.end)
          g_array_append_val(info->ranges, range);
    if (next <= at)
      break;
    at = next;
  }
  g_array_sort(info->ranges, compare_starts);
}

static bool
find_unit(cordbg_debug_info *info, uint64_t address, Dwarf_Die *ret)
{
  guint low = 0, high;

  if (dwarf_addrdie(info->dwarf, address, ret))
    return true;
  if (!info->ranges)
    index_units(info);
  high = info->ranges->len;
  while (low < high) {
    guint middle = low + (high - low) / 2;

    if (g_array_index(info->ranges, unit_range, middle).start <= address)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0 || g_array_index(info->ranges, unit_range, low - 1).end <= address)
    return false;
  return dwarf_offdie(info->dwarf, g_array_index(info->ranges, unit_range, low - 1).die, ret);
}

bool
cordbg_debug_info_line(cordbg_debug_info *info, uint64_t address, cordbg_source_line *ret)
{
  cordbg_source_line found = {0};
  int line = 0, column = 0;
  Dwarf_Line *row;
  Dwarf_Die unit;

  if (!find_unit(info, address, &unit) || !(row = dwarf_getsrc_die(&unit, address)))
    return false;
  found.file = dwarf_linesrc(row, NULL, NULL);
  if (!found.file || dwarf_lineno(row, &line) != 0 || line <= 0)
    return false;
  if (dwarf_linecol(row, &column) == 0 && column > 0)
    found.column = (uint32_t)column;
  if (dwarf_lineaddr(row, &found.start) != 0)
    found.start = address;
  found.line = (uint32_t)line;
  *ret = found;
  return true;
}
