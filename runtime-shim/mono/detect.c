/* SPDX-License-Identifier: MIT */
/*
 * Is Mono in a process, and where? Decided by what is mapped: a file named like Mono's runtime, or
 * the program itself, that exports `mono_get_root_domain`. The process is looked at, not touched.
 */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cordbg/memory/maps.h"
#include "runtime-shim/mono/mono-private.h"

typedef struct candidate {
  char path[sizeof(((cordbg_runtime_info *)0)->library)];
  uint64_t base, end;
  bool named; /* like Mono */
} candidate;

static bool
peek_process(void *data, uint64_t address, void *buffer, size_t size)
{
  int pid = *(const int *)data;
  struct iovec local = {buffer, size};
  struct iovec remote = {(void *)(uintptr_t)address, size};

  if (process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size)
    return true;
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/mem", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  ssize_t got = pread(fd, buffer, size, (off_t)address);
  close(fd);
  return got == (ssize_t)size;
}

static bool
named_like_mono(const char *path)
{
  static const char *const prefixes[] = {"libmonosgen-2.0", "libmonoboehm-2.0", "libmono-2.0",
                                         "mono-sgen", "mono-boehm"};
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;

  for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++)
    if (g_str_has_prefix(name, prefixes[i]))
      return true;
  return strcmp(name, "mono") == 0;
}

/* A memory file is shown as "/memfd:NAME (deleted)". */
static bool
is_named(const char *path, const char *name)
{
  const char *slash = strrchr(path, '/');

  return *path == '/' &&
         (g_str_has_prefix(slash + 1, name) ||
          (g_str_has_prefix(path, "/memfd:") && g_str_has_prefix(path + strlen("/memfd:"), name)));
}

uint64_t
cordbg_mono_find_base(int pid, const char *name, char *path, size_t path_size)
{
  g_autofree cordbg_maps_iterator *iterator = g_new(cordbg_maps_iterator, 1);
  cordbg_maps maps;
  cordbg_mapping mapping;
  const char *there;
  uint64_t found = 0;

  if (FAILED(cordbg_maps_open(&maps, pid, NULL)))
    return 0;
  cordbg_maps_begin(iterator, &maps);
  while (!found && cordbg_maps_next(iterator, &mapping, &there, NULL) == S_OK) {
    if (mapping.offset != 0 || !is_named(there, name))
      continue;
    found = mapping.start;
    if (path)
      g_strlcpy(path, there, path_size);
  }
  cordbg_maps_close(&maps);
  return found;
}

static bool
is_32_bit(int pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/exe", pid);
  unsigned char ident[EI_NIDENT];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool narrow = fd >= 0 && read(fd, ident, sizeof(ident)) == (ssize_t)sizeof(ident) &&
                memcmp(ident, ELFMAG, SELFMAG) == 0 && ident[EI_CLASS] == ELFCLASS32;

  if (fd >= 0)
    close(fd);
  return narrow;
}

typedef struct collecting {
  candidate *candidates;
  size_t max, count;
  const char *exe;
  uint64_t agent;
} collecting;

static void
collect_one(collecting *c, const cordbg_mapping *mapping, const char *path)
{
  candidate *last = c->count ? &c->candidates[c->count - 1] : NULL;

  if (*path != '/')
    return;
  if (!c->agent && mapping->offset == 0 && strstr(path, CORDBG_AGENT_LIBRARY))
    c->agent = mapping->start;
  if (!named_like_mono(path) && strcmp(path, c->exe) != 0)
    return;
  if (last && strncmp(last->path, path, sizeof(last->path) - 1) == 0) {
    last->end = mapping->end;
  } else if (c->count < c->max && strlen(path) < sizeof(last->path)) {
    last = &c->candidates[c->count++];
    *last =
        (candidate){.base = mapping->start, .end = mapping->end, .named = named_like_mono(path)};
    g_strlcpy(last->path, path, sizeof(last->path));
  }
}

/* The files that may be the runtime: at most max, each with its whole extent. */
static HRESULT
collect(int pid, candidate *candidates, size_t max, size_t *count, uint64_t *agent,
        cordbg_error *error)
{
  g_autofree cordbg_maps_iterator *iterator = g_new(cordbg_maps_iterator, 1);
  char link[32], exe[4096];
  snprintf(link, sizeof(link), "/proc/%d/exe", pid);
  ssize_t length = readlink(link, exe, sizeof(exe) - 1);
  collecting c = {.candidates = candidates, .max = max, .exe = exe};
  cordbg_maps maps;
  cordbg_mapping mapping;
  const char *path;
  HRESULT hr = cordbg_maps_open(&maps, pid, error);

  if (FAILED(hr))
    return hr;
  exe[length < 0 ? 0 : length] = 0;
  cordbg_maps_begin(iterator, &maps);
  while ((hr = cordbg_maps_next(iterator, &mapping, &path, error)) == S_OK)
    collect_one(&c, &mapping, path);
  cordbg_maps_close(&maps);
  *count = c.count;
  *agent = c.agent;
  return hr;
}

/*
 * The version is text that mono_get_runtime_build_info formats: its code loads the address of it.
 * Asked before any of the runtime's code runs, so the code is looked at instead of called.
 */
static void
find_version(int pid, uint64_t base, char *ret, size_t size)
{
  uint64_t function = cordbg_export_find(peek_process, &pid, base, "mono_get_runtime_build_info");
  uint8_t code[64];

  if (!function || !peek_process(&pid, function, code, sizeof(code)))
    return;
  for (size_t at = 0; at + 7 <= sizeof(code); at++) {
    char text[32] = {0};
    int32_t distance;
    unsigned part[4];
    int end = 0;
    if (code[at] != 0x48 || code[at + 1] != 0x8d || (code[at + 2] & 0xc7) != 0x05)
      continue; /* lea disp32(%rip), register */
    memcpy(&distance, code + at + 3, sizeof(distance));
    if (!peek_process(&pid, function + at + 7 + (uint64_t)(int64_t)distance, text,
                      sizeof(text) - 1) ||
        sscanf(text, "%u.%u.%u.%u%n", &part[0], &part[1], &part[2], &part[3], &end) != 4 ||
        end == 0 || text[end] != 0)
      continue;
    g_strlcpy(ret, text, size);
    return;
  }
}

HRESULT
cordbg_mono_detect(int pid, cordbg_mono_place *ret, cordbg_error *error)
{
  candidate candidates[16];
  size_t count = 0;
  uint64_t agent = 0;
  bool named = false;
  HRESULT hr = collect(pid, candidates, G_N_ELEMENTS(candidates), &count, &agent, error);

  if (FAILED(hr))
    return hr;
  for (size_t i = 0; i < count; i++) {
    const candidate *c = &candidates[i];
    named |= c->named;
    if (!cordbg_export_find(peek_process, &pid, c->base, "mono_get_root_domain"))
      continue;
    if (!cordbg_export_find(peek_process, &pid, c->base, "mono_profiler_create"))
      return cordbg_error_set(error, CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL, 0, 0,
                              "%s is a Mono older than 5.10 (no mono_profiler_create): it cannot "
                              "be debugged",
                              c->path);
    *ret = (cordbg_mono_place){.agent = agent};
    ret->info.name = "Mono";
    g_strlcpy(ret->info.library, c->path, sizeof(ret->info.library));
    ret->info.base = c->base;
    ret->info.size = c->end - c->base;
    find_version(pid, c->base, ret->info.version, sizeof(ret->info.version));
    return S_OK;
  }
  if (named && is_32_bit(pid))
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED), 0, 0,
                            "process %d is a 32-bit Mono: only 64-bit programs can be debugged",
                            pid);
  return S_FALSE;
}
