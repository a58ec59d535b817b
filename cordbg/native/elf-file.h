/* SPDX-License-Identifier: MIT */
/* ELF headers and symbol sections, from a file or from a target's memory. Private to the room. */
#ifndef CORDBG_NATIVE_ELF_FILE_H
#define CORDBG_NATIVE_ELF_FILE_H

#include "cordbg/native/modules.h"
#include "cordbg/native/symbol-table.h"

#define CORDBG_ELF_SEGMENTS_MAX 128u

/* The headers of a module as they stand in the target's memory. */
typedef struct cordbg_elf_headers {
  Elf64_Ehdr header;
  size_t segment_count;
  Elf64_Phdr segments[CORDBG_ELF_SEGMENTS_MAX];
} cordbg_elf_headers;

typedef struct cordbg_memory_reader {
  cordbg_modules_read read;
  void *data;
} cordbg_memory_reader;

/* False: nothing that begins at address is a 64-bit x86 ELF image in a loadable form. */
bool cordbg_elf_read_headers(const cordbg_memory_reader *memory, uint64_t address,
                             cordbg_elf_headers *ret);

/*
 * bias, start, end, dynamic, entry of an image whose first byte is mapped at address. False when
 * its segments make no sense (none at offset 0, wrapping, larger than user space).
 */
bool cordbg_elf_place(const cordbg_elf_headers *headers, uint64_t address, cordbg_module *ret);

/*
 * The symbols of an open file. expected (nullable): the headers that the target has mapped; a file
 * with others is refused with HRESULT_FROM_WIN32(ERROR_BAD_EXE_FORMAT). Either table may come out
 * NULL when the file has none. build_id (nullable): g_malloc'ed hexadecimal digits or NULL.
 */
HRESULT cordbg_elf_file_symbols(int fd, const cordbg_elf_headers *expected,
                                cordbg_symbol_table **dynamic, cordbg_symbol_table **all,
                                char **build_id, cordbg_error *error);

/* Whether the open file begins with the headers that the target has mapped. */
bool cordbg_elf_file_is(int fd, const cordbg_elf_headers *headers);
/* The build id of an open file, g_malloc'ed hexadecimal digits; NULL: none. */
char *cordbg_elf_file_build_id(int fd);
/* The name (g_malloc'ed, without a folder) and CRC-32 of the separate debug file that it names. */
bool cordbg_elf_file_debug_link(int fd, char **name, uint32_t *sum);
/* The .symtab that is packed into the file's .gnu_debugdata (xz), or NULL. */
cordbg_symbol_table *cordbg_elf_file_mini_symbols(int fd);

/* The exported symbols out of the target's memory, by its dynamic section. */
HRESULT cordbg_elf_memory_symbols(const cordbg_memory_reader *memory, const cordbg_module *module,
                                  cordbg_symbol_table **ret, cordbg_error *error);

/* The build id in the mapped notes, g_malloc'ed hexadecimal digits; NULL: none. */
char *cordbg_elf_memory_build_id(const cordbg_memory_reader *memory, const cordbg_module *module,
                                 const cordbg_elf_headers *headers);

#endif
