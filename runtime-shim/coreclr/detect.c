/* SPDX-License-Identifier: MIT */
/*
 * Is .NET in a process, and where? Decided by what is mapped: a file named libcoreclr.so. Programs
 * that have the runtime within themselves (NativeAOT, single file) are told by what they export.
 * The process is looked at, not touched.
 */
#include "config.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cordbg/native/symbols.h"
#include "runtime-shim/coreclr/coreclr-private.h"

#define LIBRARY "libcoreclr.so"
#define CXX_LIBRARY "libstdc++.so"
#define VERSION_MARK "@(#)Version "
/* The version is said within this many bytes of the library's data. */
#define VERSION_SEARCH (1u << 20)

typedef struct place {
  char path[PATH_MAX];
  uint64_t base, end;
  uint64_t throws;   /* the first C++ library */
  unsigned throwing; /* how many there are */
} place;

static const char *
file_of(const char *path)
{
  const char *slash = strrchr(path, '/');

  return slash ? slash + 1 : path;
}

static void
note_throwing(place *where, const cordbg_mapping *mapping, const char *path)
{
  if (mapping->offset != 0 || !g_str_has_prefix(file_of(path), CXX_LIBRARY))
    return;
  if (where->throwing++ == 0)
    where->throws = mapping->start;
}

static HRESULT
find_library(int pid, place *ret, cordbg_error *error)
{
  cordbg_maps maps;
  cordbg_maps_iterator *iterator = g_new(cordbg_maps_iterator, 1);
  cordbg_mapping mapping;
  const char *path;
  HRESULT hr = cordbg_maps_open(&maps, pid, error);

  if (SUCCEEDED(hr)) {
    cordbg_maps_begin(iterator, &maps);
    while ((hr = cordbg_maps_next(iterator, &mapping, &path, error)) == S_OK) {
      if (ret->base && strcmp(path, ret->path) == 0) {
        ret->end = mapping.end;
      } else if (!ret->base && mapping.offset == 0 && strcmp(file_of(path), LIBRARY) == 0 &&
                 strlen(path) < sizeof(ret->path)) {
        g_strlcpy(ret->path, path, sizeof(ret->path));
        ret->base = mapping.start;
        ret->end = mapping.end;
      } else {
        note_throwing(ret, &mapping, path);
      }
    }
    cordbg_maps_close(&maps);
  }
  g_free(iterator);
  return FAILED(hr) ? hr : ret->base ? S_OK : S_FALSE;
}

static bool
is_32_bit(int pid)
{
  char path[64];
  unsigned char ident[EI_NIDENT];

  snprintf(path, sizeof(path), "/proc/%d/exe", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool narrow = fd >= 0 && read(fd, ident, sizeof(ident)) == (ssize_t)sizeof(ident) &&
                memcmp(ident, ELFMAG, SELFMAG) == 0 && ident[EI_CLASS] == ELFCLASS32;
  if (fd >= 0)
    close(fd);
  return narrow;
}

/* "10.0.12" out of ".../Microsoft.NETCore.App/10.0.12/libcoreclr.so". */
static bool
version_of_folder(const char *path, char *version, size_t size)
{
  const char *end = strrchr(path, '/');
  const char *start = end;
  int dots = 0;

  while (start > path && start[-1] != '/')
    start--;
  if (!end || start == end || (size_t)(end - start) >= size)
    return false;
  for (const char *c = start; c < end; c++) {
    dots += *c == '.';
    if (dots < 2 && !isdigit((unsigned char)*c) && *c != '.')
      return false;
  }
  if (dots < 2)
    return false;
  memcpy(version, start, (size_t)(end - start));
  version[end - start] = 0;
  return true;
}

/* The library says "@(#)Version 10.0.1226.42308 @Commit: ..": 12 is the patch, 26 the year. */
static bool
version_of_text(const char *text, size_t length, char *version, size_t size)
{
  unsigned major, minor, patch;
  char number[64];

  if (length >= sizeof(number))
    length = sizeof(number) - 1;
  memcpy(number, text, length);
  number[length] = 0;
  if (sscanf(number, "%5u.%5u.%5u", &major, &minor, &patch) != 3)
    return false;
  snprintf(version, size, "%u.%u.%u", major, minor, patch / 100);
  return true;
}

/* Looks through the mappings of the library that have data: a process's memory, not its file, so
 * that it needs no way to the file. */
static bool
version_of_library(int pid, const place *where, char *version, size_t size)
{
  char path[64];
  bool found = false;

  snprintf(path, sizeof(path), "/proc/%d/mem", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  uint64_t length = where->end - where->base;
  uint64_t skip = length > VERSION_SEARCH ? length - VERSION_SEARCH : 0;
  g_autofree char *data = g_malloc(VERSION_SEARCH);
  ssize_t got = 0;
  /* The data segments come last; read page by page over what is not readable. */
  for (uint64_t at = 0; at < length - skip; at += 4096) {
    ssize_t part = pread(fd, data + at, 4096, (off_t)(where->base + skip + at));
    if (part < 4096)
      memset(data + at + (part > 0 ? part : 0), 0, (size_t)(4096 - (part > 0 ? part : 0)));
    got = (ssize_t)at + 4096;
  }
  close(fd);
  const char *mark = got > 0 ? memmem(data, (size_t)got, VERSION_MARK, strlen(VERSION_MARK)) : NULL;
  if (mark) {
    mark += strlen(VERSION_MARK);
    found = version_of_text(mark, (size_t)(data + got - mark), version, size);
  }
  return found;
}

/* No libcoreclr: a program that is its own runtime cannot be debugged, and can be told so. */
static HRESULT
look_at_program(int pid, cordbg_error *error)
{
  static const struct {
    const char *symbol, *what;
  } marks[] = {
      {"DotNetRuntimeDebugHeader", "was compiled by NativeAOT"},
      {"g_dacTable", "is a single-file .NET program that holds the runtime within itself"},
  };
  cordbg_modules *modules = NULL;
  cordbg_symbol symbol;

  if (FAILED(cordbg_modules_create(pid, NULL, NULL, &modules, NULL)))
    return S_FALSE; /* who may not look says so where it tries to attach */
  const cordbg_module *program = cordbg_modules_program(modules);
  HRESULT hr = S_FALSE;
  for (size_t i = 0; program && hr == S_FALSE && i < G_N_ELEMENTS(marks); i++)
    if (cordbg_symbol_find_in(modules, program, marks[i].symbol, CORDBG_SYMBOLS_EXPORTED, &symbol,
                              NULL) == S_OK)
      hr = cordbg_error_set(error, CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL, 0, 0,
                            "process %d (%.100s) %s: its managed code cannot be debugged; publish "
                            "it without that",
                            pid, program->path, marks[i].what);
  cordbg_modules_destroy(modules);
  return hr;
}

HRESULT
cordbg_coreclr_find(int pid, char **path, uint64_t *throws, cordbg_runtime_info *ret,
                    cordbg_error *error)
{
  g_autofree place *where = g_new0(place, 1);
  HRESULT hr = find_library(pid, where, error);

  if (hr == S_FALSE)
    return look_at_program(pid, error);
  if (FAILED(hr))
    return hr;
  if (is_32_bit(pid))
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED), 0, 0,
                            "process %d runs a 32-bit .NET: only 64-bit programs can be debugged",
                            pid);
  *ret =
      (cordbg_runtime_info){.name = ".NET", .base = where->base, .size = where->end - where->base};
  g_strlcpy(ret->library, where->path, sizeof(ret->library));
  if (!version_of_folder(where->path, ret->version, sizeof(ret->version)))
    version_of_library(pid, where, ret->version, sizeof(ret->version));
  if (path)
    *path = g_strdup(where->path);
  if (throws)
    *throws = where->throwing == 1 ? where->throws : 0;
  return S_OK;
}

HRESULT
cordbg_coreclr_detect(int pid, cordbg_runtime_info *ret, cordbg_error *error)
{
  return cordbg_coreclr_find(pid, NULL, NULL, ret, error);
}
