/* SPDX-License-Identifier: MIT */
/*
 * Reads ELF structures that the target, or whoever wrote its files, may have made up.
 *
 * Written by hand over <elf.h>, since two things are needed that libelf does not promise: every
 * read is a pread or a read of the target's memory (a mapping of a file that shrinks would end the
 * client with SIGBUS), and no size or offset is used before it was held against the file's size.
 *
 * Invariants: a buffer is allocated only for bytes that the file has, or the module's mapped extent
 * can hold, and never more than PIECE_MAX; each loop is bounded by such a buffer or a constant.
 */
#include "config.h"

#include "cordbg/native/elf-file.h"

#include <errno.h>
#include <glib.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTIONS_MAX 65536u
#define DYNAMIC_MAX 1024u
#define NOTES_MAX 65536u
#define BUILD_ID_MAX 64u
#define PIECE_MAX (UINT64_C(1) << 30)
#define CHAIN_MAX 65536u
#define DEBUG_LINK_MAX 4096u
#define UNPACK_PIECE 65536u
#define UNPACK_MAX (UINT64_C(64) << 20)
#define UNPACK_MEMORY_MAX (UINT64_C(96) << 20)
#define PAGE_BITS UINT64_C(0xfff)
#define USER_SPACE_END (UINT64_C(1) << 47)

/* ------------------------------------------------------------------ headers */

static bool
header_is_ours(const Elf64_Ehdr *header)
{
  return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
         header->e_ident[EI_DATA] == ELFDATA2LSB && header->e_machine == EM_X86_64;
}

bool
cordbg_elf_read_headers(const cordbg_memory_reader *memory, uint64_t address,
                        cordbg_elf_headers *ret)
{
  const Elf64_Ehdr *header = &ret->header;

  if (!memory->read(memory->data, address, &ret->header, sizeof(ret->header)) ||
      !header_is_ours(header) || (header->e_type != ET_EXEC && header->e_type != ET_DYN) ||
      header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
      header->e_phnum > CORDBG_ELF_SEGMENTS_MAX || header->e_phoff > (1u << 20))
    return false;
  ret->segment_count = header->e_phnum;
  return memory->read(memory->data, address + header->e_phoff, ret->segments,
                      ret->segment_count * sizeof(ret->segments[0]));
}

bool
cordbg_elf_place(const cordbg_elf_headers *headers, uint64_t address, cordbg_module *ret)
{
  uint64_t low = UINT64_MAX, high = 0, first = 0, dynamic = 0;
  bool has_first = false, has_dynamic = false;

  for (size_t i = 0; i < headers->segment_count; i++) {
    const Elf64_Phdr *segment = &headers->segments[i];

    if (segment->p_vaddr >= USER_SPACE_END || segment->p_memsz >= USER_SPACE_END)
      return false;
    if (segment->p_type == PT_DYNAMIC) {
      dynamic = segment->p_vaddr;
      has_dynamic = true;
    }
    if (segment->p_type != PT_LOAD)
      continue;
    if (segment->p_offset <= PAGE_BITS && !has_first) {
      first = segment->p_vaddr - segment->p_offset;
      has_first = true;
    }
    low = MIN(low, segment->p_vaddr & ~PAGE_BITS);
    high = MAX(high, segment->p_vaddr + segment->p_memsz);
  }
  if (!has_first || low >= high || high - low >= USER_SPACE_END)
    return false;
  ret->bias = address - first;
  ret->start = ret->bias + low;
  ret->end = ret->bias + high;
  if (ret->start > address || ret->end <= address || ret->end >= USER_SPACE_END)
    return false;
  ret->dynamic = has_dynamic ? ret->bias + dynamic : 0;
  ret->entry = headers->header.e_entry ? ret->bias + headers->header.e_entry : 0;
  return true;
}

/* ------------------------------------------------------------------ notes */

/* The build id among notes: an array of {namesz, descsz, type, name, desc}, each padded to 4. */
static char *
find_build_id(const uint8_t *notes, size_t size)
{
  size_t at = 0;

  while (size - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    size_t name, description;
    GString *text;

    memcpy(&note, notes + at, sizeof(note));
    at += sizeof(note);
    name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
    description = ((size_t)note.n_descsz + 3) & ~(size_t)3;
    if (name > size - at || description > size - at - name)
      return NULL;
    if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || note.n_descsz == 0 ||
        note.n_descsz > BUILD_ID_MAX || memcmp(notes + at, "GNU", 4) != 0) {
      at += name + description;
      continue;
    }
    text = g_string_new(NULL);
    for (size_t i = 0; i < note.n_descsz; i++)
      g_string_append_printf(text, "%02x", notes[at + name + i]);
    return g_string_free(text, FALSE);
  }
  return NULL;
}

char *
cordbg_elf_memory_build_id(const cordbg_memory_reader *memory, const cordbg_module *module,
                           const cordbg_elf_headers *headers)
{
  char *ret = NULL;

  for (size_t i = 0; i < headers->segment_count && !ret; i++) {
    const Elf64_Phdr *segment = &headers->segments[i];
    g_autofree uint8_t *notes = NULL;

    if (segment->p_type != PT_NOTE || segment->p_filesz > NOTES_MAX)
      continue;
    notes = g_malloc(segment->p_filesz + 1);
    if (memory->read(memory->data, module->bias + segment->p_vaddr, notes, segment->p_filesz))
      ret = find_build_id(notes, segment->p_filesz);
  }
  return ret;
}

/* ------------------------------------------------------------------ files */

typedef struct elf_file {
  int fd;
  uint64_t size;
  Elf64_Ehdr header;
  Elf64_Shdr *sections;
  size_t section_count;
} elf_file;

static bool
file_read(const elf_file *file, uint64_t offset, void *buffer, size_t size)
{
  size_t done = 0;

  if (offset > file->size || size > file->size - offset)
    return false;
  while (done < size) {
    ssize_t n = pread(file->fd, (char *)buffer + done, size - done, (off_t)(offset + done));

    if (n <= 0 && !(n < 0 && errno == EINTR))
      return false;
    done += n > 0 ? (size_t)n : 0;
  }
  return true;
}

/* A piece of the file in a fresh buffer; NULL: not there, empty, or too large for memory. */
static void *
file_piece(const elf_file *file, uint64_t offset, uint64_t size)
{
  void *buffer;

  if (size == 0 || size > PIECE_MAX || offset > file->size || size > file->size - offset)
    return NULL;
  buffer = g_try_malloc(size);
  if (buffer && !file_read(file, offset, buffer, size)) {
    g_free(buffer);
    return NULL;
  }
  return buffer;
}

static HRESULT
bad_file(cordbg_error *error, const char *what)
{
  return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_BAD_EXE_FORMAT), 0, 0,
                          "the ELF file cannot be used: %s", what);
}

static HRESULT
file_open(elf_file *file, int fd, cordbg_error *error)
{
  struct stat status;
  Elf64_Shdr first;
  uint64_t count;

  memset(file, 0, sizeof(*file));
  file->fd = fd;
  if (fstat(fd, &status) != 0)
    return cordbg_error_set_errno(error, errno, 0, "an ELF file cannot be examined");
  if (!S_ISREG(status.st_mode))
    return bad_file(error, "it is no regular file");
  file->size = (uint64_t)status.st_size;
  if (!file_read(file, 0, &file->header, sizeof(file->header)) || !header_is_ours(&file->header))
    return bad_file(error, "it has no header for 64-bit x86");
  if (file->header.e_shoff == 0)
    return S_OK;
  if (file->header.e_shentsize != sizeof(Elf64_Shdr) ||
      !file_read(file, file->header.e_shoff, &first, sizeof(first)))
    return bad_file(error, "its section table is not where the header says");
  count = file->header.e_shnum ? file->header.e_shnum : first.sh_size;
  if (count > SECTIONS_MAX)
    return bad_file(error, "it has too many sections");
  file->sections = file_piece(file, file->header.e_shoff, count * sizeof(file->sections[0]));
  if (!file->sections && count > 0)
    return bad_file(error, "its section table is cut short");
  file->section_count = count;
  return S_OK;
}

static const Elf64_Shdr *
find_section(const elf_file *file, uint32_t type)
{
  for (size_t i = 0; i < file->section_count; i++)
    if (file->sections[i].sh_type == type)
      return &file->sections[i];
  return NULL;
}

static HRESULT
load_table(const elf_file *file, uint32_t type, cordbg_symbol_table **ret, cordbg_error *error)
{
  const Elf64_Shdr *section = find_section(file, type);
  const Elf64_Shdr *versions = type == SHT_DYNSYM ? find_section(file, SHT_GNU_versym) : NULL;
  const Elf64_Shdr *names;
  g_autofree Elf64_Sym *symbols = NULL;
  g_autofree char *strings = NULL;
  g_autofree uint16_t *version_data = NULL;
  cordbg_symbol_data data;

  if (!section || section->sh_size < sizeof(Elf64_Sym))
    return S_OK;
  if (section->sh_entsize != sizeof(Elf64_Sym) || section->sh_link >= file->section_count)
    return bad_file(error, "its symbol table has no sound header");
  names = &file->sections[section->sh_link];
  if (names->sh_type != SHT_STRTAB)
    return bad_file(error, "its symbol table has no names");
  symbols = file_piece(file, section->sh_offset, section->sh_size);
  strings = file_piece(file, names->sh_offset, names->sh_size);
  if (!symbols || !strings)
    return bad_file(error, "its symbol table is cut short");
  if (versions && versions->sh_size / sizeof(uint16_t) > 0)
    version_data = file_piece(file, versions->sh_offset, versions->sh_size);
  data = (cordbg_symbol_data){
      .symbols = symbols,
      .count = section->sh_size / sizeof(Elf64_Sym),
      .strings = strings,
      .strings_size = names->sh_size,
      .versions = version_data,
      .version_count = version_data ? versions->sh_size / sizeof(uint16_t) : 0,
  };
  *ret = cordbg_symbol_table_new(&data);
  return *ret ? S_OK : cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "too many symbols for memory");
}

static char *
read_build_id(const elf_file *file)
{
  char *ret = NULL;

  for (size_t i = 0; i < file->section_count && !ret; i++) {
    const Elf64_Shdr *section = &file->sections[i];
    g_autofree uint8_t *notes = NULL;

    if (section->sh_type != SHT_NOTE || section->sh_size > NOTES_MAX)
      continue;
    notes = file_piece(file, section->sh_offset, section->sh_size);
    if (notes)
      ret = find_build_id(notes, section->sh_size);
  }
  return ret;
}

/* That the file is what the target has mapped: the same header and the same segments. */
static bool
is_expected(const elf_file *file, const cordbg_elf_headers *expected)
{
  g_autofree Elf64_Phdr *segments = NULL;
  size_t size = expected->segment_count * sizeof(segments[0]);

  if (memcmp(&file->header, &expected->header, sizeof(file->header)) != 0)
    return false;
  segments = file_piece(file, file->header.e_phoff, size);
  return segments && memcmp(segments, expected->segments, size) == 0;
}

HRESULT
cordbg_elf_file_symbols(int fd, const cordbg_elf_headers *expected, cordbg_symbol_table **dynamic,
                        cordbg_symbol_table **all, char **build_id, cordbg_error *error)
{
  cordbg_symbol_table *first = NULL, *second = NULL;
  elf_file file;
  HRESULT hr = file_open(&file, fd, error);

  if (SUCCEEDED(hr) && expected && !is_expected(&file, expected))
    hr = bad_file(error, "it is not the one that the target has mapped");
  if (SUCCEEDED(hr))
    hr = load_table(&file, SHT_DYNSYM, &first, error);
  if (SUCCEEDED(hr))
    hr = load_table(&file, SHT_SYMTAB, &second, error);
  if (SUCCEEDED(hr)) {
    *dynamic = first;
    *all = second;
    if (build_id)
      *build_id = read_build_id(&file);
  } else {
    cordbg_symbol_table_free(first);
    cordbg_symbol_table_free(second);
  }
  g_free(file.sections);
  return hr;
}

bool
cordbg_elf_file_is(int fd, const cordbg_elf_headers *headers)
{
  elf_file file;
  bool same = SUCCEEDED(file_open(&file, fd, NULL)) && is_expected(&file, headers);

  g_free(file.sections);
  return same;
}

char *
cordbg_elf_file_build_id(int fd)
{
  elf_file file;
  char *ret = SUCCEEDED(file_open(&file, fd, NULL)) ? read_build_id(&file) : NULL;

  g_free(file.sections);
  return ret;
}

/* The bytes of a section by its name, g_malloc'ed; NULL: it has none. */
static void *
read_named_section(const elf_file *file, const char *name, uint64_t limit, size_t *size)
{
  const Elf64_Shdr *names;
  g_autofree char *strings = NULL;

  if (file->header.e_shstrndx >= file->section_count)
    return NULL;
  names = &file->sections[file->header.e_shstrndx];
  strings =
      names->sh_type == SHT_STRTAB ? file_piece(file, names->sh_offset, names->sh_size) : NULL;
  for (size_t i = 0; strings && i < file->section_count; i++) {
    const Elf64_Shdr *section = &file->sections[i];
    size_t length = strlen(name) + 1;

    if (section->sh_type != SHT_PROGBITS || section->sh_name >= names->sh_size ||
        names->sh_size - section->sh_name < length || section->sh_size > limit ||
        memcmp(strings + section->sh_name, name, length) != 0)
      continue;
    *size = section->sh_size;
    return file_piece(file, section->sh_offset, section->sh_size);
  }
  return NULL;
}

bool
cordbg_elf_file_debug_link(int fd, char **name, uint32_t *sum)
{
  g_autofree char *link = NULL;
  elf_file file;
  size_t size = 0, length;

  if (SUCCEEDED(file_open(&file, fd, NULL)))
    link = read_named_section(&file, ".gnu_debuglink", DEBUG_LINK_MAX, &size);
  g_free(file.sections);
  /* a name that ends with a NUL, padding to 4, the sum */
  if (!link || size < 8)
    return false;
  length = strnlen(link, size - 4);
  if (length == 0 || length == size - 4 || memchr(link, '/', length) || strcmp(link, "..") == 0)
    return false;
  memcpy(sum, link + size - 4, sizeof(*sum));
  *name = g_strndup(link, length);
  return true;
}

/* What is packed, in a memory file: it is read as any other file is. -1: it cannot be unpacked. */
static int
unpack(const uint8_t *packed, size_t size)
{
  g_autofree uint8_t *piece = g_malloc(UNPACK_PIECE);
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret state = lzma_stream_decoder(&stream, UNPACK_MEMORY_MAX, 0);
  uint64_t total = 0;
  int fd = memfd_create("cordbg-symbols", MFD_CLOEXEC);

  stream.next_in = packed;
  stream.avail_in = size;
  while (fd >= 0 && state == LZMA_OK) {
    size_t n;

    stream.next_out = piece;
    stream.avail_out = UNPACK_PIECE;
    state = lzma_code(&stream, LZMA_FINISH);
    n = UNPACK_PIECE - stream.avail_out;
    total += n;
    if (total > UNPACK_MAX || write(fd, piece, n) != (ssize_t)n)
      state = LZMA_DATA_ERROR;
  }
  lzma_end(&stream);
  if (fd >= 0 && state != LZMA_STREAM_END) {
    close(fd);
    fd = -1;
  }
  return fd;
}

cordbg_symbol_table *
cordbg_elf_file_mini_symbols(int fd)
{
  cordbg_symbol_table *exported = NULL, *all = NULL;
  g_autofree uint8_t *packed = NULL;
  elf_file file;
  size_t size = 0;
  int unpacked;

  if (SUCCEEDED(file_open(&file, fd, NULL)))
    packed = read_named_section(&file, ".gnu_debugdata", UNPACK_MAX, &size);
  g_free(file.sections);
  unpacked = packed ? unpack(packed, size) : -1;
  if (unpacked < 0)
    return NULL;
  (void)cordbg_elf_file_symbols(unpacked, NULL, &exported, &all, NULL, NULL);
  cordbg_symbol_table_free(exported);
  close(unpacked);
  return all;
}

/* ------------------------------------------------------------------ memory */

typedef struct dynamic_info {
  uint64_t symbols;
  uint64_t strings;
  uint64_t strings_size;
  uint64_t symbol_size;
  uint64_t hash;
  uint64_t gnu_hash;
  uint64_t versions;
} dynamic_info;

/* glibc relocates the addresses of most dynamic sections in place, musl and the vDSO do not. */
static uint64_t
placed(const cordbg_module *module, uint64_t value)
{
  return value >= module->start && value < module->end ? value : value + module->bias;
}

static bool
read_dynamic(const cordbg_memory_reader *memory, const cordbg_module *module, dynamic_info *ret)
{
  memset(ret, 0, sizeof(*ret));
  for (size_t i = 0; i < DYNAMIC_MAX; i++) {
    Elf64_Dyn entry;

    if (!memory->read(memory->data, module->dynamic + i * sizeof(entry), &entry, sizeof(entry)))
      return false;
    switch (entry.d_tag) {
    case DT_NULL:
      return true;
    case DT_SYMTAB:
      ret->symbols = placed(module, entry.d_un.d_ptr);
      break;
    case DT_STRTAB:
      ret->strings = placed(module, entry.d_un.d_ptr);
      break;
    case DT_STRSZ:
      ret->strings_size = entry.d_un.d_val;
      break;
    case DT_SYMENT:
      ret->symbol_size = entry.d_un.d_val;
      break;
    case DT_HASH:
      ret->hash = placed(module, entry.d_un.d_ptr);
      break;
    case DT_GNU_HASH:
      ret->gnu_hash = placed(module, entry.d_un.d_ptr);
      break;
    case DT_VERSYM:
      ret->versions = placed(module, entry.d_un.d_ptr);
      break;
    default:
      break;
    }
  }
  return false;
}

/* A piece of the module in a fresh buffer; NULL where it is not within the module. */
static void *
memory_piece(const cordbg_memory_reader *memory, const cordbg_module *module, uint64_t address,
             uint64_t size)
{
  void *buffer;

  if (size == 0 || size > PIECE_MAX || address < module->start || address >= module->end ||
      size > module->end - address)
    return NULL;
  buffer = g_try_malloc(size);
  if (buffer && !memory->read(memory->data, address, buffer, size)) {
    g_free(buffer);
    return NULL;
  }
  return buffer;
}

/* One more than the highest symbol that the GNU hash reaches; 0: none, or not sound. */
static uint64_t
count_by_gnu_hash(const cordbg_memory_reader *memory, const cordbg_module *module, uint64_t hash,
                  uint64_t limit)
{
  uint32_t header[4]; /* buckets, first symbol, bloom words, bloom shift */
  g_autofree uint32_t *buckets = NULL;
  uint64_t at, last = 0;

  if (!memory->read(memory->data, hash, header, sizeof(header)))
    return 0;
  at = hash + sizeof(header) + (uint64_t)header[2] * 8;
  buckets = memory_piece(memory, module, at, (uint64_t)header[0] * 4);
  if (!buckets)
    return 0;
  for (uint32_t i = 0; i < header[0]; i++)
    last = MAX(last, buckets[i]);
  if (last < header[1])
    return header[1] < limit ? header[1] : 0;
  at += (uint64_t)header[0] * 4;
  limit = MIN(limit, last + CHAIN_MAX);
  for (; last < limit; last++) {
    uint32_t word;

    if (!memory->read(memory->data, at + (last - header[1]) * 4, &word, sizeof(word)))
      return 0;
    if (word & 1)
      return last + 1;
  }
  return 0;
}

static uint64_t
count_symbols(const cordbg_memory_reader *memory, const cordbg_module *module,
              const dynamic_info *info)
{
  uint64_t limit;
  uint32_t header[2]; /* buckets, chains: the latter is the number of symbols */

  if (info->symbols < module->start || info->symbols >= module->end)
    return 0;
  limit = (module->end - info->symbols) / sizeof(Elf64_Sym);
  if (info->hash && memory->read(memory->data, info->hash, header, sizeof(header)))
    return header[1] <= limit ? header[1] : 0;
  return info->gnu_hash ? count_by_gnu_hash(memory, module, info->gnu_hash, limit) : 0;
}

HRESULT
cordbg_elf_memory_symbols(const cordbg_memory_reader *memory, const cordbg_module *module,
                          cordbg_symbol_table **ret, cordbg_error *error)
{
  g_autofree Elf64_Sym *symbols = NULL;
  g_autofree char *strings = NULL;
  g_autofree uint16_t *versions = NULL;
  cordbg_symbol_data data = {0};
  cordbg_symbol_table *table;
  dynamic_info info;

  if (!module->dynamic || !read_dynamic(memory, module, &info) ||
      info.symbol_size != sizeof(Elf64_Sym))
    return bad_file(error, "it has no sound dynamic section in memory");
  data.count = count_symbols(memory, module, &info);
  symbols = memory_piece(memory, module, info.symbols, data.count * sizeof(Elf64_Sym));
  strings = memory_piece(memory, module, info.strings, info.strings_size);
  if (!symbols || !strings)
    return bad_file(error, "its dynamic symbols cannot be read from memory");
  versions = memory_piece(memory, module, info.versions, data.count * sizeof(uint16_t));
  data.symbols = symbols;
  data.strings = strings;
  data.strings_size = info.strings_size;
  data.versions = versions;
  data.version_count = versions ? data.count : 0;
  table = cordbg_symbol_table_new(&data);
  if (!table)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "too many symbols for memory");
  *ret = table;
  return S_OK;
}
