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

/* One line of maps: the address of its path within it, or NULL for other mappings. */
static char *
parse_line(char *line, uint64_t *start, uint64_t *end, uint64_t *offset)
{
  int at = 0;

  if (sscanf(line,
             "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %*4s %" G_GINT64_MODIFIER
             "x %*s %*s %n",
             start, end, offset, &at) != 3 ||
      at == 0 || line[at] != '/')
    return NULL;
  line[at + (int)strcspn(line + at, "\n")] = 0;
  return line + at;
}

uint64_t
cordbg_mono_find_base(int pid, const char *name, char *path, size_t path_size)
{
  g_autofree char *file = g_strdup_printf("/proc/%d/maps", pid);
  FILE *maps = fopen(file, "re");
  char line[8192];
  uint64_t found = 0;

  while (!found && maps && fgets(line, sizeof(line), maps)) {
    uint64_t start, end, offset;
    char *there = parse_line(line, &start, &end, &offset);
    const char *slash = there ? strrchr(there, '/') : NULL;
    if (!slash || offset != 0 || !g_str_has_prefix(slash + 1, name))
      /* A memory file is shown as "/memfd:NAME (deleted)". */
      if (!there || offset != 0 || !g_str_has_prefix(there, "/memfd:") ||
          !g_str_has_prefix(there + strlen("/memfd:"), name))
        continue;
    found = start;
    if (path)
      g_strlcpy(path, there, path_size);
  }
  if (maps)
    fclose(maps);
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

/* The files that may be the runtime: at most max, each with its whole extent. */
static HRESULT
collect(int pid, candidate *candidates, size_t max, size_t *count, uint64_t *agent,
        cordbg_error *error)
{
  g_autofree char *file = g_strdup_printf("/proc/%d/maps", pid);
  g_autofree char *link = g_strdup_printf("/proc/%d/exe", pid);
  char exe[4096];
  char line[8192];
  ssize_t length = readlink(link, exe, sizeof(exe) - 1);
  FILE *maps = fopen(file, "re");

  if (!maps)
    return cordbg_error_set_errno(error, errno, 0, "the memory maps of process %d cannot be read",
                                  pid);
  exe[length < 0 ? 0 : length] = 0;
  *count = 0;
  *agent = 0;
  while (fgets(line, sizeof(line), maps)) {
    uint64_t start, end, offset;
    const char *path = parse_line(line, &start, &end, &offset);
    if (!path)
      continue;
    if (!*agent && offset == 0 && strstr(path, CORDBG_AGENT_LIBRARY))
      *agent = start;
    if (!named_like_mono(path) && strcmp(path, exe) != 0)
      continue;
    candidate *last = *count ? &candidates[*count - 1] : NULL;
    if (last && strncmp(last->path, path, sizeof(last->path) - 1) == 0)
      last->end = end;
    else if (*count < max && strlen(path) < sizeof(last->path)) {
      candidate *next = &candidates[(*count)++];
      *next = (candidate){.base = start, .end = end, .named = named_like_mono(path)};
      g_strlcpy(next->path, path, sizeof(next->path));
    }
  }
  fclose(maps);
  return S_OK;
}

/*
 * The version is text that mono_get_runtime_build_info formats: its code loads the address of it.
 * Asked before any of the runtime's code runs, so the code is looked at instead of called.
 */
static void
find_version(int pid, uint64_t base, char *ret, size_t size)
{
  uint64_t function = cordbg_mono_export(peek_process, &pid, base, "mono_get_runtime_build_info");
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
    if (!cordbg_mono_export(peek_process, &pid, c->base, "mono_get_root_domain"))
      continue;
    if (!cordbg_mono_export(peek_process, &pid, c->base, "mono_profiler_create"))
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
