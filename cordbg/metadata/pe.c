/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/pe.h"

#include <string.h>

enum {
  DIRECTORY_DEBUG = 6,
  DIRECTORY_CLI = 14,
  CLI_HEADER_SIZE = 72,
  DEBUG_ENTRY_SIZE = 28,
  SECTION_SIZE = 40,
};

bool
cordbg_pe_probe(const uint8_t *bytes, size_t size)
{
  return size >= 2 && bytes[0] == 'M' && bytes[1] == 'Z';
}

static HRESULT
corrupt(cordbg_error *error, const char *what)
{
  return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0, "not a valid PE image: %s", what);
}

static cordbg_pe_directory
load_directory(const uint8_t *p)
{
  return (cordbg_pe_directory){cordbg_load_u32(p), cordbg_load_u32(p + 4)};
}

static HRESULT
read_optional_header(cordbg_pe *pe, const uint8_t *p, size_t size, cordbg_error *error)
{
  if (size < 2)
    return corrupt(error, "no optional header");
  uint16_t magic = cordbg_load_u16(p);
  if (magic != 0x10b && magic != 0x20b)
    return corrupt(error, "the optional header is neither PE32 nor PE32+");
  pe->is_pe32_plus = magic == 0x20b;

  size_t directories = pe->is_pe32_plus ? 112 : 96;
  if (size < directories)
    return corrupt(error, "the optional header is too short");
  pe->image_base = pe->is_pe32_plus ? cordbg_load_u64(p + 24) : cordbg_load_u32(p + 28);
  pe->size_of_image = cordbg_load_u32(p + 56);
  pe->size_of_headers = cordbg_load_u32(p + 60);

  uint32_t count = cordbg_load_u32(p + directories - 4);
  size_t room = (size - directories) / 8;
  if (count > room)
    count = (uint32_t)room;
  if (count > DIRECTORY_DEBUG)
    pe->debug = load_directory(p + directories + DIRECTORY_DEBUG * 8);
  if (count > DIRECTORY_CLI)
    pe->cli = load_directory(p + directories + DIRECTORY_CLI * 8);
  return S_OK;
}

static HRESULT
read_sections(cordbg_pe *pe, const cordbg_source *source, uint64_t offset, cordbg_error *error)
{
  for (unsigned i = 0; i < pe->section_count; i++) {
    uint8_t raw[SECTION_SIZE];
    HRESULT hr = cordbg_source_copy(source, offset + i * SECTION_SIZE, raw, sizeof raw, error);
    if (FAILED(hr))
      return hr;
    cordbg_pe_section *section = &pe->sections[i];
    memcpy(section->name, raw, 8);
    section->name[8] = '\0';
    section->virtual_size = cordbg_load_u32(raw + 8);
    section->rva = cordbg_load_u32(raw + 12);
    section->file_size = cordbg_load_u32(raw + 16);
    section->file_offset = cordbg_load_u32(raw + 20);
  }
  return S_OK;
}

static HRESULT
read_cli_header(cordbg_pe *pe, const cordbg_source *source, cordbg_error *error)
{
  if (pe->cli.rva == 0)
    return S_OK;
  if (pe->cli.size < CLI_HEADER_SIZE)
    return corrupt(error, "the CLI header is too short");

  cordbg_span span = {0};
  HRESULT hr = cordbg_pe_span(pe, source, pe->cli.rva, CLI_HEADER_SIZE, &span, error);
  if (FAILED(hr))
    return hr;
  const uint8_t *p = span.data;
  uint32_t cb = cordbg_load_u32(p);
  pe->metadata = load_directory(p + 8);
  pe->cli_flags = cordbg_load_u32(p + 16);
  pe->entry_point = cordbg_load_u32(p + 20);
  pe->resources = load_directory(p + 24);
  pe->strong_name = load_directory(p + 32);
  pe->managed_native = load_directory(p + 64);
  cordbg_span_deinit(&span);
  if (cb < CLI_HEADER_SIZE)
    return corrupt(error, "the CLI header says that it is too short");
  return S_OK;
}

/* The header of native code compiled ahead of time; an image without a readable one has none. */
static void
read_ready_to_run_header(cordbg_pe *pe, const cordbg_source *source)
{
  cordbg_span span = {0};
  if (pe->managed_native.rva == 0 || pe->managed_native.size < 12 ||
      FAILED(cordbg_pe_span(pe, source, pe->managed_native.rva, 12, &span, NULL)))
    return;
  pe->is_ready_to_run = memcmp(span.data, "RTR", 4) == 0;
  pe->ready_to_run_neutral = pe->is_ready_to_run && (span.data[8] & 1);
  cordbg_span_deinit(&span);
}

HRESULT
cordbg_pe_read(const cordbg_source *source, cordbg_image_layout layout, cordbg_pe *ret,
               cordbg_error *error)
{
  uint8_t dos[64];
  HRESULT hr = cordbg_source_copy(source, 0, dos, sizeof dos, error);
  if (FAILED(hr))
    return hr;
  if (!cordbg_pe_probe(dos, sizeof dos))
    return corrupt(error, "it does not begin with MZ");

  uint64_t at = cordbg_load_u32(dos + 0x3c);
  uint8_t coff[24];
  hr = cordbg_source_copy(source, at, coff, sizeof coff, error);
  if (FAILED(hr))
    return hr;
  if (memcmp(coff, "PE\0\0", 4) != 0)
    return corrupt(error, "no PE signature");

  cordbg_pe pe = {.layout = layout};
  pe.machine = cordbg_load_u16(coff + 4);
  pe.section_count = cordbg_load_u16(coff + 6);
  pe.timestamp = cordbg_load_u32(coff + 8);
  uint16_t optional_size = cordbg_load_u16(coff + 20);
  pe.characteristics = cordbg_load_u16(coff + 22);
  if (pe.section_count == 0 || pe.section_count > CORDBG_PE_SECTIONS_MAX)
    return corrupt(error, "the number of sections is not 1 to 96");

  uint8_t optional[240];
  size_t optional_read = optional_size < sizeof optional ? optional_size : sizeof optional;
  hr = cordbg_source_copy(source, at + sizeof coff, optional, optional_read, error);
  if (FAILED(hr))
    return hr;
  hr = read_optional_header(&pe, optional, optional_read, error);
  if (FAILED(hr))
    return hr;
  hr = read_sections(&pe, source, at + sizeof coff + optional_size, error);
  if (FAILED(hr))
    return hr;
  hr = read_cli_header(&pe, source, error);
  if (FAILED(hr))
    return hr;
  read_ready_to_run_header(&pe, source);
  *ret = pe;
  return S_OK;
}

/*
 * What of a section the image backs with bytes. In a file what the virtual size exceeds the file's
 * part by is zero filled and not there; in memory whole sections are there, and where the virtual
 * size is 0 (old linkers) the file's size stands for it.
 */
static uint32_t
section_extent(const cordbg_pe *pe, const cordbg_pe_section *section)
{
  if (pe->layout == CORDBG_IMAGE_LAYOUT_FILE)
    return section->file_size;
  return section->virtual_size > 0 ? section->virtual_size : section->file_size;
}

HRESULT
cordbg_pe_rva_to_offset(const cordbg_pe *pe, const cordbg_source *source, uint32_t rva,
                        uint64_t *ret_offset, uint64_t *ret_available, cordbg_error *error)
{
  uint64_t offset = 0, available = 0;

  for (unsigned i = 0; i < pe->section_count && available == 0; i++) {
    const cordbg_pe_section *section = &pe->sections[i];
    uint32_t extent = section_extent(pe, section);
    if (rva < section->rva || rva - section->rva >= extent)
      continue;
    uint32_t into = rva - section->rva;
    offset = pe->layout == CORDBG_IMAGE_LAYOUT_FILE ? (uint64_t)section->file_offset + into : rva;
    available = extent - into;
  }
  if (available == 0 && rva < pe->size_of_headers) {
    offset = rva;
    available = pe->size_of_headers - rva;
  }
  if (available == 0 || offset >= source->size)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "the relative virtual address 0x%x lies in no section", rva);
  if (available > source->size - offset)
    available = source->size - offset;
  *ret_offset = offset;
  *ret_available = available;
  return S_OK;
}

HRESULT
cordbg_pe_span(const cordbg_pe *pe, const cordbg_source *source, uint32_t rva, size_t size,
               cordbg_span *ret, cordbg_error *error)
{
  uint64_t offset, available;
  HRESULT hr = cordbg_pe_rva_to_offset(pe, source, rva, &offset, &available, error);
  if (FAILED(hr))
    return hr;
  if (size > available)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "%zu bytes at relative virtual address 0x%x leave their section", size,
                            rva);
  return cordbg_source_span(source, offset, size, ret, error);
}

HRESULT
cordbg_pe_debug_entries(const cordbg_pe *pe, const cordbg_source *source,
                        cordbg_pe_debug_entry *entries, unsigned max, unsigned *ret_count,
                        cordbg_error *error)
{
  unsigned count = pe->debug.rva ? pe->debug.size / DEBUG_ENTRY_SIZE : 0;
  if (count > max)
    count = max;
  if (count == 0) {
    *ret_count = 0;
    return S_OK;
  }

  cordbg_span span = {0};
  HRESULT hr =
      cordbg_pe_span(pe, source, pe->debug.rva, (size_t)count * DEBUG_ENTRY_SIZE, &span, error);
  if (FAILED(hr))
    return hr;
  for (unsigned i = 0; i < count; i++) {
    const uint8_t *p = span.data + i * DEBUG_ENTRY_SIZE;
    entries[i] = (cordbg_pe_debug_entry){
        .timestamp = cordbg_load_u32(p + 4),
        .major = cordbg_load_u16(p + 8),
        .minor = cordbg_load_u16(p + 10),
        .type = cordbg_load_u32(p + 12),
        .size = cordbg_load_u32(p + 16),
        .rva = cordbg_load_u32(p + 20),
        .file_offset = cordbg_load_u32(p + 24),
    };
  }
  cordbg_span_deinit(&span);
  *ret_count = count;
  return S_OK;
}

HRESULT
cordbg_pe_debug_span(const cordbg_pe *pe, const cordbg_source *source,
                     const cordbg_pe_debug_entry *entry, cordbg_span *ret, cordbg_error *error)
{
  if (pe->layout == CORDBG_IMAGE_LAYOUT_FILE && entry->file_offset)
    return cordbg_source_span(source, entry->file_offset, entry->size, ret, error);
  if (!entry->rva)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "a debug entry's data is not in the memory image");
  return cordbg_pe_span(pe, source, entry->rva, entry->size, ret, error);
}
