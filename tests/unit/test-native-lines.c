/* SPDX-License-Identifier: MIT */
/* Source lines by .debug_line: libdw says the same of this very program; what lies does no harm. */
#include "config.h"

#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cordbg/native/line-table.h"
#include "tests/unit/native-random.h"

enum { MUTATIONS = 2000, BYTES = 8 };

static void
each_address_has_the_line_that_libdw_says(void **state)
{
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  Dwarf_Off at = 0, next;
  unsigned compared = 0;
  cordbg_line_table *table;
  size_t header;
  Dwarf *dwarf;
  Elf *elf;

  (void)state;
  elf_version(EV_CURRENT);
  elf = elf_begin(fd, ELF_C_READ, NULL);
  dwarf = dwarf_begin(fd, DWARF_C_READ);
  table = cordbg_line_table_open(elf);
  if (!dwarf || !table) {
    printf("SKIP: this program was built without debug information\n");
    skip();
  }
  for (; dwarf_nextcu(dwarf, at, &next, &header, NULL, NULL, NULL) == 0; at = next) {
    Dwarf_Die die;
    Dwarf_Lines *lines;
    size_t count;

    if (!dwarf_offdie(dwarf, at + header, &die) || dwarf_getsrclines(&die, &lines, &count) != 0)
      continue;
    for (size_t i = 0; i < count; i++) {
      Dwarf_Line *line = dwarf_onesrcline(lines, i), *theirs;
      cordbg_source_line ours;
      Dwarf_Addr address;
      int number = 0;

      if (dwarf_lineaddr(line, &address) != 0 || !(theirs = dwarf_getsrc_die(&die, address)) ||
          dwarf_lineno(theirs, &number) != 0 || number == 0)
        continue;
      if (!cordbg_line_table_find(table, address, &ours))
        fail_msg("0x%" PRIx64 " has no line; libdw says %d", (uint64_t)address, number);
      assert_int_equal(ours.line, number);
      g_autofree char *name = g_path_get_basename(ours.file);
      g_autofree char *expected = g_path_get_basename(dwarf_linesrc(theirs, NULL, NULL));
      assert_string_equal(name, expected);
      compared++;
    }
  }
  printf("%u addresses\n", compared);
  assert_true(compared > 20);
  cordbg_line_table_free(table);
  dwarf_end(dwarf);
  elf_end(elf);
  close(fd);
}

/* Where a section's bytes are in the file. */
static bool
find_section(Elf *elf, const char *name, GElf_Shdr *ret)
{
  Elf_Scn *section = NULL;
  size_t names;

  elf_getshdrstrndx(elf, &names);
  while ((section = elf_nextscn(elf, section)))
    if (gelf_getshdr(section, ret) && strcmp(elf_strptr(elf, names, ret->sh_name), name) == 0)
      return true;
  return false;
}

static void
line_programs_that_lie_do_no_harm(void **state)
{
  static const char *const sections[] = {".debug_line", ".debug_line_str"};
  uint64_t random = seed_from_environment();
  g_autofree char *image = NULL;
  gsize size;

  (void)state;
  elf_version(EV_CURRENT);
  assert_true(g_file_get_contents("/proc/self/exe", &image, &size, NULL));
  for (unsigned turn = 0; turn < MUTATIONS; turn++) {
    g_autofree char *bytes = g_memdup2(image, size);
    Elf *elf = elf_memory(bytes, size);
    cordbg_line_table *table;
    GElf_Shdr head;

    if (!find_section(elf, sections[turn % 8 == 7], &head)) {
      printf("SKIP: this program was built without debug information\n");
      elf_end(elf);
      skip();
    }
    /* often in the first unit's header */
    for (unsigned i = 0; i < BYTES; i++) {
      uint32_t limit = (uint32_t)(i % 2 ? head.sh_size : MIN(head.sh_size, 128));

      bytes[head.sh_offset + below(&random, limit)] = (char)random_value(&random);
    }
    table = cordbg_line_table_open(elf);
    for (unsigned i = 0; table && i < 50; i++) {
      cordbg_source_line line;
      uint64_t address = i % 2 ? below(&random, 0x200000)
                               : (uint64_t)(uintptr_t)line_programs_that_lie_do_no_harm % 0x1000000;

      if (cordbg_line_table_find(table, address, &line))
        assert_true(strlen(line.file) > 0 || line.line > 0);
      cordbg_line_table_file(table, below(&random, (uint32_t)head.sh_size), random_value(&random));
    }
    cordbg_line_table_free(table);
    elf_end(elf);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_address_has_the_line_that_libdw_says),
      cmocka_unit_test(line_programs_that_lie_do_no_harm),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
