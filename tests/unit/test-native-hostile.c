/* SPDX-License-Identifier: MIT */
/* ELF files and images that were made up: nothing in them may harm the reader. */
#include "config.h"

#include <elf.h>
#include <fcntl.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "cordbg/native/modules-private.h"
#include "tests/unit/native-random.h"

#define MUTATIONS 4000u

static cordbg_modules *
modules_of(int pid)
{
  cordbg_modules *modules = NULL;
  cordbg_error error = {0};

  if (FAILED(cordbg_modules_create(pid, NULL, NULL, &modules, &error)))
    fail_msg("%s", error.sentence);
  return modules;
}

static cordbg_modules *
own_modules(void)
{
  return modules_of((int)getpid());
}

static char *
path_of(const char *library)
{
  cordbg_modules *modules = own_modules();
  char *path = g_strdup(cordbg_modules_named(modules, library)->path);

  cordbg_modules_destroy(modules);
  return path;
}

/* ------------------------------------------------------------------ the table and its model */

static void
row_09_the_table_equals_a_naive_model(void **state)
{
  uint64_t random = seed_from_environment();

  (void)state;
  for (unsigned int round = 0; round < 200; round++) {
    static const char names[] = "\0a\0b\0ab\0abc\0f\0g\0h";
    Elf64_Sym symbols[40];
    size_t count = next_random(&random) % 40;
    cordbg_symbol_data data = {symbols, count, names, sizeof(names), NULL, 0};
    cordbg_symbol_table *table;

    for (size_t i = 0; i < count; i++)
      symbols[i] = (Elf64_Sym){
          .st_name = (Elf64_Word)(next_random(&random) % (sizeof(names) + 4)),
          .st_info = (unsigned char)(next_random(&random) % 3 << 4 | next_random(&random) % 4),
          .st_shndx = (Elf64_Section)(next_random(&random) % 4),
          .st_value = next_random(&random) % 64,
          .st_size = next_random(&random) % 8,
      };
    table = cordbg_symbol_table_new(&data);
    assert_non_null(table);
    for (const char *name = names + 1; name < names + sizeof(names); name += strlen(name) + 1) {
      const cordbg_table_symbol *found = cordbg_symbol_table_find(table, name);
      bool expected = false, equal = false;

      for (size_t i = 0; i < count; i++) {
        unsigned int type = ELF64_ST_TYPE(symbols[i].st_info);

        if (symbols[i].st_name >= sizeof(names) || type > STT_FUNC || symbols[i].st_shndx == 0 ||
            strcmp(names + symbols[i].st_name, name) != 0 || !*name)
          continue;
        expected = true;
        if (found && found->value == symbols[i].st_value && found->size == symbols[i].st_size)
          equal = true;
      }
      assert_true(expected == (found != NULL));
      assert_true(!expected || equal);
    }
    for (uint64_t address = 0; address < 72; address++) {
      const cordbg_table_symbol *found = cordbg_symbol_table_at(table, address);
      bool covered = false;

      for (size_t i = 0; i < count; i++)
        covered |= symbols[i].st_name < sizeof(names) && names[symbols[i].st_name] &&
                   ELF64_ST_TYPE(symbols[i].st_info) <= STT_FUNC && symbols[i].st_shndx != 0 &&
                   address - symbols[i].st_value < symbols[i].st_size;
      if (found)
        assert_true(found->size == 0 ? found->value <= address
                                     : address - found->value < found->size);
      else
        assert_false(covered);
    }
    cordbg_symbol_table_free(table);
  }
}

/* ------------------------------------------------------------------ hostile input */

static void
symbols_in_memory_equal_those_in_the_file(void **state)
{
  cordbg_modules *modules = own_modules();
  unsigned int compared = 0;
  size_t symbols = 0;

  (void)state;
  for (size_t i = 0; i < cordbg_modules_count(modules); i++) {
    const cordbg_module *module = cordbg_modules_get(modules, i);
    cordbg_symbol_table *memory = NULL, *dynamic = NULL, *all = NULL;
    cordbg_elf_headers headers;
    int fd;

    if (!module->dynamic)
      continue;
    fd = open(module->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(cordbg_elf_memory_symbols(&modules->memory, module, &memory, NULL), S_OK);
    symbols += cordbg_symbol_table_count(memory);
    if (fd >= 0) {
      assert_true(cordbg_elf_read_headers(&modules->memory, module->start, &headers));
      assert_int_equal(cordbg_elf_file_symbols(fd, &headers, &dynamic, &all, NULL, NULL), S_OK);
      assert_int_equal(cordbg_symbol_table_count(memory), cordbg_symbol_table_count(dynamic));
      compared++;
      close(fd);
    } else {
      assert_string_equal(module->path, "[vdso]");
      assert_non_null(cordbg_symbol_table_find(memory, "__vdso_clock_gettime"));
    }
    cordbg_symbol_table_free(memory);
    cordbg_symbol_table_free(dynamic);
    cordbg_symbol_table_free(all);
  }
  assert_true(compared >= 3);
  assert_true(symbols > 1000);
  cordbg_modules_destroy(modules);
}

static void
a_file_that_is_not_the_mapped_one_is_refused(void **state)
{
  cordbg_modules *modules = own_modules();
  const cordbg_module *libc = cordbg_modules_named(modules, "libc");
  cordbg_symbol_table *dynamic = NULL, *all = NULL;
  cordbg_elf_headers headers;
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

  (void)state;
  assert_true(cordbg_elf_read_headers(&modules->memory, libc->start, &headers));
  assert_int_equal(cordbg_elf_file_symbols(fd, &headers, &dynamic, &all, NULL, NULL),
                   HRESULT_FROM_WIN32(ERROR_BAD_EXE_FORMAT));
  assert_null(dynamic);
  assert_null(all);
  close(fd);
  fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  assert_int_equal(cordbg_elf_file_symbols(fd, NULL, &dynamic, &all, NULL, NULL),
                   HRESULT_FROM_WIN32(ERROR_BAD_EXE_FORMAT));
  close(fd);
  cordbg_modules_destroy(modules);
}

/* Bytes of an ELF file that decide about its structure: headers, section table, symbols. */
static size_t
pick_offset(uint64_t *random, const uint8_t *data, size_t size)
{
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)data;
  size_t table = header->e_shoff < size ? header->e_shoff : 0;

  switch (next_random(random) % 4) {
  case 0:
    return next_random(random) % sizeof(*header);
  case 1:
    return table + next_random(random) % (size - table);
  case 2:
    return next_random(random) % 4096 % size;
  default:
    return next_random(random) % size;
  }
}

static void
files_that_lie_do_no_harm(void **state)
{
  g_autofree char *path = path_of("ld-linux-x86-64");
  g_autofree char *original = NULL;
  gsize size;
  uint64_t random = seed_from_environment();
  unsigned int accepted = 0;
  int fd = memfd_create("cordbg-test-hostile", MFD_CLOEXEC);

  (void)state;
  assert_true(g_file_get_contents(path, &original, &size, NULL));
  assert_int_equal(write(fd, original, size), (ssize_t)size);
  for (unsigned int i = 0; i < MUTATIONS; i++) {
    cordbg_symbol_table *dynamic = NULL, *all = NULL;
    g_autofree char *build_id = NULL;
    size_t offsets[8], count = 1 + next_random(&random) % 8;
    bool cut = next_random(&random) % 8 == 0;

    for (size_t k = 0; k < count; k++) {
      uint8_t value = (uint8_t)(next_random(&random) % 3 ? next_random(&random) : 0xff);

      offsets[k] = pick_offset(&random, (const uint8_t *)original, size);
      assert_int_equal(pwrite(fd, &value, 1, (off_t)offsets[k]), 1);
    }
    if (cut)
      assert_int_equal(ftruncate(fd, (off_t)(next_random(&random) % size)), 0);
    if (cordbg_elf_file_symbols(fd, NULL, &dynamic, &all, &build_id, NULL) == S_OK) {
      accepted++;
      if (dynamic) {
        cordbg_symbol_table_find(dynamic, "_dl_debug_state");
        for (uint64_t at = 0; at < 0x40000; at += 0x1001)
          cordbg_symbol_table_at(dynamic, at);
      }
    }
    cordbg_symbol_table_free(dynamic);
    cordbg_symbol_table_free(all);
    if (cut)
      assert_int_equal(pwrite(fd, original, size, 0), (ssize_t)size);
    for (size_t k = 0; k < count; k++)
      assert_int_equal(pwrite(fd, original + offsets[k], 1, (off_t)offsets[k]), 1);
  }
  printf("%u of %u accepted\n", accepted, MUTATIONS);
  assert_true(accepted > 0 && accepted < MUTATIONS);
  close(fd);
}

typedef struct image {
  uint8_t *bytes;
  uint64_t base;
  size_t size;
} image;

static bool
read_image(void *data, uint64_t address, void *buffer, size_t size)
{
  image *i = data;

  if (address < i->base || address - i->base > i->size || size > i->size - (address - i->base))
    return false;
  memcpy(buffer, i->bytes + (address - i->base), size);
  return true;
}

static void
memory_that_lies_does_no_harm(void **state)
{
  cordbg_modules *modules = own_modules();
  const cordbg_module *linker = cordbg_modules_named(modules, "ld-linux-x86-64");
  image copy = {g_malloc(linker->end - linker->start), linker->start, linker->end - linker->start};
  g_autofree uint8_t *original = g_malloc0(copy.size);
  cordbg_memory_reader reader = {read_image, &copy};
  uint64_t random = seed_from_environment();
  unsigned int accepted = 0;
  int own = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

  (void)state;
  for (size_t at = 0; at < copy.size; at += 4096)
    (void)!pread(own, original + at, MIN(4096, copy.size - at), (off_t)(copy.base + at));
  close(own);
  memcpy(copy.bytes, original, copy.size);
  for (unsigned int i = 0; i < MUTATIONS; i++) {
    uint64_t dynamic = linker->dynamic - linker->start;
    cordbg_elf_headers headers;
    cordbg_module module = *linker;
    cordbg_symbol_table *table = NULL;
    size_t count = 1 + next_random(&random) % 4;
    size_t offsets[4];

    for (size_t k = 0; k < count; k++) {
      offsets[k] = next_random(&random) % 3 ? dynamic + next_random(&random) % 512
                                            : next_random(&random) % 4096;
      copy.bytes[offsets[k]] = (uint8_t)next_random(&random);
    }
    if (cordbg_elf_read_headers(&reader, copy.base, &headers) &&
        cordbg_elf_place(&headers, copy.base, &module)) {
      g_free(cordbg_elf_memory_build_id(&reader, &module, &headers));
      if (cordbg_elf_memory_symbols(&reader, &module, &table, NULL) == S_OK)
        accepted++;
      cordbg_symbol_table_free(table);
    }
    for (size_t k = 0; k < count; k++)
      copy.bytes[offsets[k]] = original[offsets[k]];
  }
  printf("%u of %u accepted\n", accepted, MUTATIONS);
  assert_true(accepted > 0 && accepted < MUTATIONS);
  g_free(copy.bytes);
  cordbg_modules_destroy(modules);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_09_the_table_equals_a_naive_model),
      cmocka_unit_test(symbols_in_memory_equal_those_in_the_file),
      cmocka_unit_test(a_file_that_is_not_the_mapped_one_is_refused),
      cmocka_unit_test(files_that_lie_do_no_harm),
      cmocka_unit_test(memory_that_lies_does_no_harm),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
