/* SPDX-License-Identifier: MIT */
/*
 * Two passes. Opening runs every line program once and notes only where its sequences (runs of
 * ascending addresses) lie; a question runs the one sequence that holds the address.
 */
#include "config.h"

#include "cordbg/native/line-table.h"

#include <dwarf.h>
#include <gelf.h>
#include <glib.h>
#include <string.h>

#define SECTION_MAX (256u << 20)
#define SECTIONS_MAX 4096u
#define SEQUENCES_MAX 2000000u
#define ENTRIES_MAX 65536u /* directories or files of one unit */
#define FORMATS_MAX 16u    /* kinds of content of one entry */
#define NAMES_MAX 65536u
#define OVERLAP_MAX 64u /* sequences looked back through for one that holds an address */

typedef struct bytes {
  const uint8_t *at, *end;
  bool failed;
} bytes;

typedef struct header {
  uint16_t version;
  bool wide; /* 64-bit DWARF */
  uint8_t minimum_length;
  int8_t line_base;
  uint8_t line_range;
  uint8_t opcode_base;
  const uint8_t *lengths; /* of the standard opcodes, from opcode 1 */
  bytes tables;           /* directories and files */
  bytes program;
} header;

typedef struct sequence {
  uint64_t start, end;
  uint32_t unit;  /* offset of its unit */
  uint32_t first; /* offset of its first instruction */
} sequence;

struct cordbg_line_table {
  const uint8_t *lines, *strings, *line_strings;
  size_t size, strings_size, line_strings_size;
  GArray *sequences; /* by start */
  GHashTable *names; /* key of unit and file -> path */
  Elf *elf;
  bool strings_sought;
};

/* ------------------------------------------------------------------ bytes */

static uint64_t
fixed(bytes *b, size_t width)
{
  uint64_t value = 0;

  if ((size_t)(b->end - b->at) < width) {
    b->failed = true;
    b->at = b->end;
    return 0;
  }
  memcpy(&value, b->at, width);
  b->at += width;
  return value;
}

static uint64_t
leb(bytes *b)
{
  uint64_t value = 0;

  for (unsigned shift = 0; b->at < b->end && shift < 70; shift += 7) {
    uint8_t byte = *b->at++;

    if (shift < 64)
      value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return value;
  }
  b->failed = true;
  return 0;
}

static int64_t
signed_leb(bytes *b)
{
  uint64_t value = 0;

  for (unsigned shift = 0; b->at < b->end && shift < 70; shift += 7) {
    uint8_t byte = *b->at++;

    if (shift < 64)
      value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) {
      if ((byte & 0x40) && shift + 7 < 64)
        value |= ~UINT64_C(0) << (shift + 7);
      return (int64_t)value;
    }
  }
  b->failed = true;
  return 0;
}

static void
skip(bytes *b, uint64_t count)
{
  if (count > (uint64_t)(b->end - b->at)) {
    b->failed = true;
    b->at = b->end;
  } else
    b->at += count;
}

static const char *
string(bytes *b)
{
  const char *text = (const char *)b->at;
  const uint8_t *end = memchr(b->at, 0, (size_t)(b->end - b->at));

  if (!end) {
    b->failed = true;
    b->at = b->end;
    return "";
  }
  b->at = end + 1;
  return text;
}

static const char *
string_at(const uint8_t *section, size_t size, uint64_t offset)
{
  if (offset >= size || !memchr(section + offset, 0, size - offset))
    return NULL;
  return (const char *)section + offset;
}

bool
cordbg_elf_section(Elf *elf, const char *name, const uint8_t **ret, size_t *size)
{
  Elf_Scn *section = NULL;
  size_t names;

  if (elf_getshdrstrndx(elf, &names) != 0)
    return false;
  for (unsigned i = 0; i < SECTIONS_MAX && (section = elf_nextscn(elf, section)); i++) {
    GElf_Shdr head;
    GElf_Chdr packed;
    const char *there;
    Elf_Data *data;

    if (!gelf_getshdr(section, &head) || !(there = elf_strptr(elf, names, head.sh_name)) ||
        strcmp(there, name) != 0)
      continue;
    if (head.sh_type == SHT_NOBITS || head.sh_size > SECTION_MAX)
      return false;
    if ((head.sh_flags & SHF_COMPRESSED) &&
        (!gelf_getchdr(section, &packed) || packed.ch_size > SECTION_MAX ||
         elf_compress(section, 0, 0) < 0))
      return false;
    data = elf_getdata(section, NULL);
    if (!data || !data->d_buf || data->d_size == 0)
      return false;
    *ret = data->d_buf;
    *size = data->d_size;
    return true;
  }
  return false;
}

/* ------------------------------------------------------------------ units */

/* The unit at an offset; *next: where the one behind it begins. False: there is none, or it
   cannot be read, and *next is not behind at when nothing further can. */
static bool
read_header(const cordbg_line_table *table, uint64_t at, header *ret, uint64_t *next)
{
  bytes b = {.at = table->lines + at, .end = table->lines + table->size};
  uint64_t length, head;

  *next = at;
  if (at >= table->size)
    return false;
  memset(ret, 0, sizeof(*ret));
  length = fixed(&b, 4);
  if (length == 0xffffffff) {
    ret->wide = true;
    length = fixed(&b, 8);
  }
  if (b.failed || length > (uint64_t)(b.end - b.at))
    return false;
  b.end = b.at + length;
  *next = (uint64_t)(b.end - table->lines);
  ret->version = (uint16_t)fixed(&b, 2);
  if (ret->version < 2 || ret->version > 5)
    return false;
  if (ret->version >= 5)
    skip(&b, 2); /* sizes of an address and of a segment selector */
  head = fixed(&b, ret->wide ? 8 : 4);
  if (b.failed || head > (uint64_t)(b.end - b.at))
    return false;
  ret->program = (bytes){.at = b.at + head, .end = b.end};
  b.end = b.at + head;
  ret->minimum_length = (uint8_t)fixed(&b, 1);
  if (ret->version >= 4)
    skip(&b, 1); /* operations in an instruction: VLIW */
  skip(&b, 1);   /* whether a row is a statement's by default */
  ret->line_base = (int8_t)fixed(&b, 1);
  ret->line_range = (uint8_t)fixed(&b, 1);
  ret->opcode_base = (uint8_t)fixed(&b, 1);
  ret->lengths = b.at;
  if (ret->opcode_base > 0)
    skip(&b, ret->opcode_base - 1u);
  ret->tables = b;
  return !b.failed && ret->line_range > 0 && ret->opcode_base > 0;
}

typedef struct row {
  uint64_t address;
  uint64_t file;
  uint32_t line;
  uint32_t column;
} row;

typedef enum step { STEP_MOVED, STEP_ROW, STEP_END } step;

static step
extended(bytes *b, row *now)
{
  uint64_t length = leb(b);
  bytes inner = {.at = b->at};

  skip(b, length);
  inner.end = b->at;
  if (b->failed || length == 0)
    return STEP_MOVED;
  switch (fixed(&inner, 1)) {
  case DW_LNE_end_sequence:
    return STEP_END;
  case DW_LNE_set_address:
    if (length == 9)
      now->address = fixed(&inner, 8);
    else if (length == 5)
      now->address = fixed(&inner, 4);
    break;
  default:
    break;
  }
  return STEP_MOVED;
}

static step
standard(const header *h, bytes *b, uint8_t opcode, row *now)
{
  switch (opcode) {
  case DW_LNS_copy:
    return STEP_ROW;
  case DW_LNS_advance_pc:
    now->address += leb(b) * h->minimum_length;
    break;
  case DW_LNS_advance_line:
    now->line = (uint32_t)(now->line + (uint64_t)signed_leb(b));
    break;
  case DW_LNS_set_file:
    now->file = leb(b);
    break;
  case DW_LNS_set_column:
    now->column = (uint32_t)leb(b);
    break;
  case DW_LNS_const_add_pc:
    now->address += (uint64_t)((255 - h->opcode_base) / h->line_range) * h->minimum_length;
    break;
  case DW_LNS_fixed_advance_pc:
    now->address += fixed(b, 2);
    break;
  default:
    for (unsigned i = 0; i < h->lengths[opcode - 1]; i++)
      leb(b);
  }
  return STEP_MOVED;
}

/* Runs until the next row; STEP_END also where the program stops being sound. */
static step
next_row(const header *h, bytes *b, row *now)
{
  while (b->at < b->end) {
    uint8_t opcode = *b->at++;
    step what;

    if (opcode >= h->opcode_base) {
      uint8_t both = (uint8_t)(opcode - h->opcode_base);

      now->address += (uint64_t)(both / h->line_range) * h->minimum_length;
      now->line = (uint32_t)((int64_t)now->line + h->line_base + both % h->line_range);
      return STEP_ROW;
    }
    what = opcode == 0 ? extended(b, now) : standard(h, b, opcode, now);
    if (b->failed)
      break;
    if (what != STEP_MOVED)
      return what;
  }
  b->at = b->end;
  return STEP_END;
}

static const row first_row = {.file = 1, .line = 1};

static void
index_unit(cordbg_line_table *table, const header *h, uint64_t unit)
{
  bytes b = h->program;

  while (b.at < b.end && table->sequences->len < SEQUENCES_MAX) {
    sequence found = {.unit = (uint32_t)unit, .first = (uint32_t)(b.at - table->lines)};
    row now = first_row;
    bool any = false;

    while (next_row(h, &b, &now) == STEP_ROW) {
      if (!any)
        found.start = now.address;
      any = true;
    }
    found.end = now.address;
    /* 0: of code that the linker dropped */
    if (any && found.start != 0 && found.end > found.start)
      g_array_append_val(table->sequences, found);
  }
}

static int
compare_starts(const void *a, const void *b)
{
  const sequence *x = a, *y = b;

  return x->start < y->start ? -1 : x->start > y->start;
}

cordbg_line_table *
cordbg_line_table_open(Elf *elf)
{
  cordbg_line_table *table = g_new0(cordbg_line_table, 1);
  uint64_t next;
  header h;

  table->elf = elf;
  table->sequences = g_array_new(FALSE, FALSE, sizeof(sequence));
  table->names = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
  if (!cordbg_elf_section(elf, ".debug_line", &table->lines, &table->size)) {
    cordbg_line_table_free(table);
    return NULL;
  }
  for (uint64_t at = 0; at < table->size; at = next) {
    if (read_header(table, at, &h, &next))
      index_unit(table, &h, at);
    if (next <= at)
      break;
  }
  g_array_sort(table->sequences, compare_starts);
  return table;
}

void
cordbg_line_table_free(cordbg_line_table *table)
{
  if (!table)
    return;
  g_array_unref(table->sequences);
  g_hash_table_unref(table->names);
  g_free(table);
}

/* ------------------------------------------------------------------ names of files */

typedef struct entry {
  const char *name; /* NULL: in a form that is not read */
  uint64_t directory;
} entry;

typedef struct format {
  uint64_t content, form;
} format;

static void
seek_strings(cordbg_line_table *table)
{
  if (table->strings_sought)
    return;
  table->strings_sought = true;
  if (!cordbg_elf_section(table->elf, ".debug_line_str", &table->line_strings,
                          &table->line_strings_size))
    table->line_strings_size = 0;
}

static const char *
debug_string(cordbg_line_table *table, uint64_t offset)
{
  if (!table->strings &&
      !cordbg_elf_section(table->elf, ".debug_str", &table->strings, &table->strings_size)) {
    table->strings = table->lines;
    table->strings_size = 0;
  }
  return string_at(table->strings, table->strings_size, offset);
}

/* One attribute of an entry: *text or *number, or neither. False: how long it is is not known. */
static bool
read_form(cordbg_line_table *table, const header *h, bytes *b, uint64_t form, const char **text,
          uint64_t *number)
{
  size_t width = h->wide ? 8 : 4;

  switch (form) {
  case DW_FORM_string:
    *text = string(b);
    return true;
  case DW_FORM_line_strp:
    seek_strings(table);
    *text = string_at(table->line_strings, table->line_strings_size, fixed(b, width));
    return true;
  case DW_FORM_strp:
    *text = debug_string(table, fixed(b, width));
    return true;
  case DW_FORM_udata:
    *number = leb(b);
    return true;
  case DW_FORM_data1:
    *number = fixed(b, 1);
    return true;
  case DW_FORM_data2:
    *number = fixed(b, 2);
    return true;
  case DW_FORM_data4:
    *number = fixed(b, 4);
    return true;
  case DW_FORM_data8:
    *number = fixed(b, 8);
    return true;
  case DW_FORM_data16:
    skip(b, 16);
    return true;
  case DW_FORM_block:
    skip(b, leb(b));
    return true;
  default:
    return false;
  }
}

/* The entry of a number in a table of DWARF 5; the whole table is read past when it is not there.
 */
static bool
entry_of_formats(cordbg_line_table *table, const header *h, bytes *b, uint64_t wanted, entry *ret)
{
  format formats[FORMATS_MAX];
  uint64_t format_count = fixed(b, 1), count;
  bool found = false;

  if (format_count > FORMATS_MAX) {
    b->failed = true;
    return false;
  }
  for (uint64_t i = 0; i < format_count; i++) {
    formats[i].content = leb(b);
    formats[i].form = leb(b);
  }
  count = leb(b);
  if (count > ENTRIES_MAX)
    b->failed = true;
  for (uint64_t i = 0; i < count && !b->failed; i++) {
    entry one = {0};

    for (uint64_t k = 0; k < format_count; k++) {
      const char *text = NULL;
      uint64_t number = 0;

      if (!read_form(table, h, b, formats[k].form, &text, &number)) {
        b->failed = true;
        return false;
      }
      if (formats[k].content == DW_LNCT_path)
        one.name = text;
      else if (formats[k].content == DW_LNCT_directory_index)
        one.directory = number;
    }
    if (i == wanted) {
      *ret = one;
      found = true;
    }
  }
  return found && !b->failed && ret->name;
}

static char *
join(const char *first, const char *directory, const char *name)
{
  if (name[0] == '/' || !directory || !*directory)
    return g_strdup(name);
  if (directory[0] == '/' || !first || !*first || first == directory)
    return g_strconcat(directory, "/", name, NULL);
  return g_strconcat(first, "/", directory, "/", name, NULL);
}

static char *
path_of_version_5(cordbg_line_table *table, const header *h, uint64_t file)
{
  bytes directories = h->tables, files = h->tables, again;
  entry found = {0}, directory = {0}, first = {0};

  (void)entry_of_formats(table, h, &files, UINT64_MAX, &directory); /* past the directories */
  if (files.failed || !entry_of_formats(table, h, &files, file, &found))
    return NULL;
  again = directories;
  (void)entry_of_formats(table, h, &directories, found.directory, &directory);
  (void)entry_of_formats(table, h, &again, 0, &first);
  return join(found.directory ? first.name : NULL, directory.name, found.name);
}

/* Directories and files count from 1; 0 is the compilation's own directory, told elsewhere. */
static char *
path_of_version_2(const header *h, uint64_t file)
{
  const char *directories[256] = {NULL}, *name;
  bytes b = h->tables;
  uint64_t count = 1;

  while (*(name = string(&b)))
    if (!b.failed && count < G_N_ELEMENTS(directories))
      directories[count++] = name;
  for (uint64_t i = 1; i <= ENTRIES_MAX && *(name = string(&b)); i++) {
    uint64_t directory = leb(&b);

    leb(&b); /* when it was changed; its length */
    leb(&b);
    if (b.failed)
      break;
    if (i == file)
      return join(NULL, directory < count ? directories[directory] : NULL, name);
  }
  return NULL;
}

const char *
cordbg_line_table_file(cordbg_line_table *table, uint64_t program, uint64_t file)
{
  gint64 key = (gint64)(program << 24 ^ file), *kept;
  char *path = g_hash_table_lookup(table->names, &key);
  uint64_t next;
  header h;

  if (path || program >= table->size || !read_header(table, program, &h, &next))
    return path;
  path = h.version >= 5 ? path_of_version_5(table, &h, file) : path_of_version_2(&h, file);
  if (!path || g_hash_table_size(table->names) >= NAMES_MAX) {
    g_free(path);
    return NULL;
  }
  kept = g_new(gint64, 1);
  *kept = key;
  g_hash_table_insert(table->names, kept, path);
  return path;
}

/* ------------------------------------------------------------------ questions */

static bool
find_in_sequence(cordbg_line_table *table, const sequence *where, uint64_t address,
                 cordbg_source_line *ret)
{
  row now = first_row, best = {0};
  bool any = false;
  uint64_t next;
  header h;
  bytes b;

  if (!read_header(table, where->unit, &h, &next))
    return false;
  b = h.program;
  b.at = table->lines + where->first;
  while (next_row(&h, &b, &now) == STEP_ROW && now.address <= address) {
    best = now;
    any = true;
  }
  if (!any || best.line == 0)
    return false;
  *ret = (cordbg_source_line){.file = cordbg_line_table_file(table, where->unit, best.file),
                              .line = best.line,
                              .column = best.column,
                              .start = best.address};
  return ret->file != NULL;
}

bool
cordbg_line_table_find(cordbg_line_table *table, uint64_t address, cordbg_source_line *ret)
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
      return find_in_sequence(table, one, address, ret);
  }
  return false;
}
