/* SPDX-License-Identifier: MIT */
/*
 * A file has one line program a unit, and the program of an address is not known without the rest
 * of the debug information. But programs mostly stand in the order of their code: the one that
 * holds an address is sought by halves, which runs a dozen of them instead of thousands. Where
 * that does not find it (code in sections of its own stands elsewhere), all are run once and
 * their sequences (runs of ascending addresses) noted; from then on that index answers.
 */
#include "config.h"

#include "cordbg/native/line-table.h"

#include <gelf.h>
#include <glib.h>
#include <string.h>

enum {
  PROGRAMS_MAX = 1000000,
  SEQUENCES_MAX = 2000000,
  EMPTY_MAX = 64,  /* programs without lines that a search by halves passes over */
  OVERLAP_MAX = 64 /* sequences looked back through for one that holds an address */
};

typedef struct sequence {
  uint64_t start, end;
  uint32_t program; /* its number */
} sequence;

struct cordbg_line_table {
  Dwarf *dwarf;
  GArray *programs;  /* uint64_t: offsets in .debug_line */
  GArray *sequences; /* by start; NULL: not made yet */
};

/* ---- Programs ---- */

static Elf_Data *
find_programs(Elf *elf)
{
  Elf_Scn *section = NULL;
  size_t names;

  if (elf_getshdrstrndx(elf, &names) != 0)
    return NULL;
  while ((section = elf_nextscn(elf, section))) {
    GElf_Shdr head;
    const char *name;

    if (gelf_getshdr(section, &head) && head.sh_type != SHT_NOBITS &&
        (name = elf_strptr(elf, names, head.sh_name)) && strcmp(name, ".debug_line") == 0)
      return elf_getdata(section, NULL); /* libdw has unpacked it */
  }
  return NULL;
}

/* Each program begins with its length: 4 bytes, or all ones and 8 bytes. */
static void
list_programs(cordbg_line_table *table, const Elf_Data *data)
{
  const uint8_t *bytes = data->d_buf;

  for (uint64_t at = 0; data->d_size - at >= 4 && table->programs->len < PROGRAMS_MAX;) {
    uint32_t narrow;
    uint64_t length, head = 4;
    memcpy(&narrow, bytes + at, sizeof(narrow));
    length = narrow;
    if (narrow == UINT32_MAX) {
      head = 12;
      if (data->d_size - at < head)
        return;
      memcpy(&length, bytes + at + 4, sizeof(length));
    }
    if (length > data->d_size - at - head)
      return;
    g_array_append_val(table->programs, at);
    at += head + length;
  }
}

cordbg_line_table *
cordbg_line_table_open(Dwarf *dwarf)
{
  Elf_Data *data = find_programs(dwarf_getelf(dwarf));

  if (!data || !data->d_buf)
    return NULL;
  cordbg_line_table *table = g_new0(cordbg_line_table, 1);
  table->dwarf = dwarf;
  table->programs = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  list_programs(table, data);
  return table;
}

void
cordbg_line_table_free(cordbg_line_table *table)
{
  if (!table)
    return;
  g_array_unref(table->programs);
  if (table->sequences)
    g_array_unref(table->sequences);
  g_free(table);
}

/* ---- Rows of one program: by address; libdw keeps what it has run ---- */

typedef struct rows {
  Dwarf_Lines *lines;
  size_t count;
} rows;

static rows
rows_of(cordbg_line_table *table, size_t program)
{
  uint64_t offset = g_array_index(table->programs, uint64_t, program);
  Dwarf_CU *unit = NULL;
  Dwarf_Files *files;
  Dwarf_Off next;
  size_t file_count;
  rows ret = {0};

  if (dwarf_next_lines(table->dwarf, offset, &next, &unit, &files, &file_count, &ret.lines,
                       &ret.count) != 0)
    return (rows){0};
  return ret;
}

static uint64_t
address_of(const rows *r, size_t index)
{
  Dwarf_Addr address = 0;

  dwarf_lineaddr(dwarf_onesrcline(r->lines, index), &address);
  return address;
}

/* The row that holds the address; count: none before it. */
static size_t
row_at(const rows *r, uint64_t address)
{
  size_t low = 0, high = r->count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (address_of(r, middle) <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low == 0 ? r->count : low - 1;
}

static bool
find_in_program(cordbg_line_table *table, size_t program, uint64_t address, cordbg_source_line *ret)
{
  rows r = rows_of(table, program);
  size_t index = row_at(&r, address);
  int line = 0, column = 0;
  bool is_end = true;

  if (index >= r.count)
    return false;
  Dwarf_Line *row = dwarf_onesrcline(r.lines, index);
  const char *file = dwarf_linesrc(row, NULL, NULL);
  if (dwarf_lineendsequence(row, &is_end) != 0 || is_end || dwarf_lineno(row, &line) != 0 ||
      line <= 0 || !file)
    return false;
  dwarf_linecol(row, &column);
  *ret = (cordbg_source_line){.file = file,
                              .line = (uint32_t)line,
                              .column = column > 0 ? (uint32_t)column : 0,
                              .start = address_of(&r, index)};
  return true;
}

/* ---- Which program ---- */

/* Where the code of the first program from `from` on that has rows begins. False: none near. */
static bool
first_address(cordbg_line_table *table, size_t *from, size_t end, uint64_t *ret)
{
  for (size_t i = 0; i < EMPTY_MAX && *from + i < end; i++) {
    rows r = rows_of(table, *from + i);
    size_t index = 0;
    while (index < r.count && address_of(&r, index) == 0) /* of code that the linker dropped */
      index++;
    if (index < r.count) {
      *ret = address_of(&r, index);
      *from += i;
      return true;
    }
  }
  return false;
}

/* The last program whose code begins at or below the address, if they stand in that order. */
static bool
seek_by_halves(cordbg_line_table *table, uint64_t address, size_t *ret)
{
  size_t low = 0, high = table->programs->len;
  bool found = false;

  while (low < high) {
    size_t middle = low + (high - low) / 2, at = middle;
    uint64_t first;
    if (!first_address(table, &at, high, &first) || first > address) {
      high = middle;
    } else {
      *ret = at;
      found = true;
      low = at + 1;
    }
  }
  return found;
}

static int
compare_starts(const void *a, const void *b)
{
  const sequence *x = a, *y = b;

  return x->start < y->start ? -1 : x->start > y->start;
}

static void
index_program(cordbg_line_table *table, size_t program)
{
  rows r = rows_of(table, program);
  bool open = false;
  sequence now = {.program = (uint32_t)program};

  for (size_t i = 0; i < r.count && table->sequences->len < SEQUENCES_MAX; i++) {
    uint64_t address = address_of(&r, i);
    bool is_end = false;
    dwarf_lineendsequence(dwarf_onesrcline(r.lines, i), &is_end);
    if (!open)
      now.start = address;
    open = !is_end;
    now.end = address;
    if (is_end && now.start != 0 && now.end > now.start)
      g_array_append_val(table->sequences, now);
  }
}

static void
make_index(cordbg_line_table *table)
{
  table->sequences = g_array_new(FALSE, FALSE, sizeof(sequence));
  for (size_t i = 0; i < table->programs->len; i++)
    index_program(table, i);
  g_array_sort(table->sequences, compare_starts);
}

static bool
find_by_index(cordbg_line_table *table, uint64_t address, cordbg_source_line *ret)
{
  guint low = 0, high = table->sequences->len;

  while (low < high) {
    guint middle = low + (high - low) / 2;
    if (g_array_index(table->sequences, sequence, middle).start <= address)
      low = middle + 1;
    else
      high = middle;
  }
  for (guint i = 0; i < OVERLAP_MAX && i < low; i++) {
    const sequence *one = &g_array_index(table->sequences, sequence, low - 1 - i);
    if (address < one->end)
      return find_in_program(table, one->program, address, ret);
  }
  return false;
}

bool
cordbg_line_table_find(cordbg_line_table *table, uint64_t address, cordbg_source_line *ret)
{
  size_t program;

  if (!table->sequences) {
    if (seek_by_halves(table, address, &program) && find_in_program(table, program, address, ret))
      return true;
    make_index(table);
  }
  return find_by_index(table, address, ret);
}
