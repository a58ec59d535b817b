/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_METADATA_PE_H
#define CORDBG_METADATA_PE_H

#include <stdbool.h>
#include "cordbg/metadata/source.h"

/*
 * The container of a managed image: DOS, COFF and optional headers, sections, and the CLI header
 * (ECMA-335 II.25). PE32 and PE32+; the machine field is reported, never checked, because
 * ready-to-run images for Linux carry it mixed with an operating system's number.
 */

typedef enum cordbg_image_layout {
  CORDBG_IMAGE_LAYOUT_FILE,  /* bytes lie where the file has them */
  CORDBG_IMAGE_LAYOUT_MEMORY /* sections lie at their relative virtual addresses */
} cordbg_image_layout;

enum { CORDBG_PE_SECTIONS_MAX = 96, CORDBG_PE_DEBUG_ENTRIES_MAX = 64 };

typedef struct cordbg_pe_directory {
  uint32_t rva;
  uint32_t size;
} cordbg_pe_directory;

typedef struct cordbg_pe_section {
  char name[9];
  uint32_t rva;
  uint32_t virtual_size;
  uint32_t file_offset;
  uint32_t file_size;
} cordbg_pe_section;

/* An entry of the debug directory; its data is at rva in memory, at file_offset in a file. */
typedef struct cordbg_pe_debug_entry {
  uint32_t type; /* 2 CodeView, 16 reproducible, 17 embedded Portable PDB, 19 PDB checksum */
  uint32_t timestamp;
  uint16_t major, minor;
  uint32_t size;
  uint32_t rva;
  uint32_t file_offset;
} cordbg_pe_debug_entry;

typedef struct cordbg_pe {
  cordbg_image_layout layout;
  bool is_pe32_plus;
  uint16_t machine;
  uint16_t characteristics;
  uint32_t timestamp;
  uint64_t image_base;
  uint32_t size_of_image;
  uint32_t size_of_headers;
  cordbg_pe_directory debug;
  cordbg_pe_directory cli; /* rva 0: not a managed image */
  uint32_t cli_flags;      /* COMIMAGE_FLAGS_* */
  uint32_t entry_point;    /* token or, with COMIMAGE_FLAGS_NATIVE_ENTRYPOINT, RVA */
  cordbg_pe_directory metadata;
  cordbg_pe_directory resources;
  cordbg_pe_directory strong_name;
  cordbg_pe_directory managed_native; /* ready-to-run header */
  bool is_ready_to_run;
  bool ready_to_run_neutral; /* compiled from an image that ran on any machine */
  unsigned section_count;
  cordbg_pe_section sections[CORDBG_PE_SECTIONS_MAX];
} cordbg_pe;

/* Whether the first bytes say "MZ": cheap, for choosing between a PE file and bare metadata. */
bool cordbg_pe_probe(const uint8_t *bytes, size_t size);

/*
 * Reads all headers. Succeeds for a native PE image too: cli.rva is 0 then.
 * CLDB_E_FILE_CORRUPT when the headers contradict themselves or the source.
 */
HRESULT cordbg_pe_read(const cordbg_source *source, cordbg_image_layout layout, cordbg_pe *ret,
                       cordbg_error *error);

/*
 * The source's offset of a relative virtual address, and how many bytes lie contiguously in the
 * source from there to the section's end (always > 0 on success).
 */
HRESULT cordbg_pe_rva_to_offset(const cordbg_pe *pe, const cordbg_source *source, uint32_t rva,
                                uint64_t *ret_offset, uint64_t *ret_available, cordbg_error *error);

/* Bytes at an RVA; fails when [rva, rva + size) leaves the section. */
HRESULT cordbg_pe_span(const cordbg_pe *pe, const cordbg_source *source, uint32_t rva, size_t size,
                       cordbg_span *ret, cordbg_error *error);

/*
 * The debug directory's entries, at most max of them; *ret_count says how many were stored.
 * None is a success with count 0.
 */
HRESULT cordbg_pe_debug_entries(const cordbg_pe *pe, const cordbg_source *source,
                                cordbg_pe_debug_entry *entries, unsigned max, unsigned *ret_count,
                                cordbg_error *error);

/* The data of a debug directory's entry. */
HRESULT cordbg_pe_debug_span(const cordbg_pe *pe, const cordbg_source *source,
                             const cordbg_pe_debug_entry *entry, cordbg_span *ret,
                             cordbg_error *error);

#endif
