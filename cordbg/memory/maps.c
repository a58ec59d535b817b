/* SPDX-License-Identifier: MIT */
/*
 * Mappings of a process by ioctl or by text; maps.h says what callers may rely on.
 *
 * The walk reads the text: one system call gives some hundred mappings. Single look-ups ask the
 * ioctl, whose cost does not grow with the number of mappings. Both read the same list in the
 * kernel; the text alone also shows the vsyscall page, so a look-up that finds nothing near the
 * top of the address space answers for it itself.
 */
#include "config.h"

#include "cordbg/memory/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* linux/fs.h of 6.11; older headers lack it. */
typedef struct procmap_query {
  uint64_t size;
  uint64_t query_flags;
  uint64_t query_addr;
  uint64_t vma_start;
  uint64_t vma_end;
  uint64_t vma_flags;
  uint64_t vma_page_size;
  uint64_t vma_offset;
  uint64_t inode;
  uint32_t dev_major;
  uint32_t dev_minor;
  uint32_t vma_name_size;
  uint32_t build_id_size;
  uint64_t vma_name_addr;
  uint64_t build_id_addr;
} procmap_query;
_Static_assert(sizeof(procmap_query) == 104, "the kernel's layout");

#define QUERY _IOWR('f', 17, procmap_query)
enum {
  QUERY_READABLE = 1,
  QUERY_WRITABLE = 2,
  QUERY_EXECUTABLE = 4,
  QUERY_SHARED = 8,
  QUERY_COVERING_OR_NEXT = 16,
};

#define VSYSCALL_START 0xffffffffff600000ull

bool
cordbg_mapping_same(const cordbg_mapping *a, const cordbg_mapping *b, uint64_t address)
{
  if (a->inode != b->inode || a->device != b->device || a->shared != b->shared)
    return false;
  /* Without a file the offset says nothing; with one, the byte must be the same byte of it. */
  return a->inode == 0 || address - a->start + a->offset == address - b->start + b->offset;
}

HRESULT
cordbg_maps_open(cordbg_maps *maps, int pid, cordbg_error *error)
{
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/maps", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return cordbg_error_set_errno(error, errno, 0, "%s cannot be opened", path);
  cordbg_maps_adopt(maps, fd);
  return S_OK;
}

void
cordbg_maps_adopt(cordbg_maps *maps, int fd)
{
  maps->fd = fd;
  maps->query_fails = false;
}

void
cordbg_maps_close(cordbg_maps *maps)
{
  if (maps->fd >= 0)
    close(maps->fd);
  maps->fd = -1;
}

static void
copy_path(char *path, size_t path_size, const char *name)
{
  if (path != NULL && path_size > 0)
    snprintf(path, path_size, "%s", name);
}

/* 0, or an errno; ENOENT: no such mapping; anything unforeseen: parse instead. */
static int
query(cordbg_maps *maps, uint64_t address, uint64_t flags, cordbg_mapping *ret, char *name,
      size_t name_size)
{
  procmap_query query = {
      .size = sizeof query,
      .query_flags = flags,
      .query_addr = address,
      .vma_name_addr = name_size == 0 ? 0 : (uintptr_t)name,
      .vma_name_size = (uint32_t)name_size,
  };
  if (ioctl(maps->fd, QUERY, &query) < 0)
    return errno;
  if (name_size > 0 && query.vma_name_size == 0)
    name[0] = '\0';
  *ret = (cordbg_mapping){
      .start = query.vma_start,
      .end = query.vma_end,
      .prot = ((query.vma_flags & QUERY_READABLE) != 0 ? PROT_READ : 0u) |
              ((query.vma_flags & QUERY_WRITABLE) != 0 ? PROT_WRITE : 0u) |
              ((query.vma_flags & QUERY_EXECUTABLE) != 0 ? PROT_EXEC : 0u),
      .shared = (query.vma_flags & QUERY_SHARED) != 0,
      .offset = query.vma_offset,
      .inode = query.inode,
      .device = makedev(query.dev_major, query.dev_minor),
  };
  return 0;
}

static HRESULT
find_by_text(cordbg_maps *maps, uint64_t address, bool or_next, cordbg_mapping *ret, char *path,
             size_t path_size, cordbg_error *error)
{
  cordbg_maps_iterator iterator;
  cordbg_mapping mapping;
  const char *name;
  cordbg_maps_begin(&iterator, maps);
  for (;;) {
    HRESULT hr = cordbg_maps_next(&iterator, &mapping, &name, error);
    if (hr != S_OK)
      return hr;
    if (mapping.end <= address)
      continue;
    if (mapping.start > address && !or_next)
      return S_FALSE;
    *ret = mapping;
    copy_path(path, path_size, name);
    return S_OK;
  }
}

static HRESULT
find(cordbg_maps *maps, uint64_t address, bool or_next, cordbg_mapping *ret, char *path,
     size_t path_size, cordbg_error *error)
{
  if (!maps->query_fails && address < VSYSCALL_START) {
    char name[PATH_MAX];
    cordbg_mapping mapping;
    uint64_t flags = or_next ? QUERY_COVERING_OR_NEXT : 0;
    int sys = query(maps, address, flags, &mapping, name, path == NULL ? 0 : sizeof name);
    if (sys == 0) {
      *ret = mapping;
      copy_path(path, path_size, name);
      return S_OK;
    }
    if (sys == ENOENT && !or_next)
      return S_FALSE;
    if (sys == ESRCH) /* the address space is no more */
      return S_FALSE;
    /* ENAMETOOLONG: this one mapping only. ENOENT: the vsyscall page may be above. */
    if (sys != ENOENT && sys != ENAMETOOLONG)
      maps->query_fails = true;
  }
  return find_by_text(maps, address, or_next, ret, path, path_size, error);
}

HRESULT
cordbg_maps_find(cordbg_maps *maps, uint64_t address, cordbg_mapping *ret, char *path,
                 size_t path_size, cordbg_error *error)
{
  return find(maps, address, false, ret, path, path_size, error);
}

HRESULT
cordbg_maps_find_next(cordbg_maps *maps, uint64_t address, cordbg_mapping *ret, char *path,
                      size_t path_size, cordbg_error *error)
{
  return find(maps, address, true, ret, path, path_size, error);
}

/* ---- the text ---- */

void
cordbg_maps_begin(cordbg_maps_iterator *iterator, cordbg_maps *maps)
{
  iterator->maps = maps;
  iterator->position = 0;
  iterator->above = 0;
  iterator->begin = 0;
  iterator->end = 0;
  iterator->last = false;
}

/* A hexadecimal or decimal number and the character that must follow it. */
static bool
scan_number(char **text, unsigned base, char then, uint64_t *ret)
{
  uint64_t value = 0;
  char *at = *text;
  unsigned digits = 0;
  for (;; at++, digits++) {
    unsigned digit;
    if (*at >= '0' && *at <= '9')
      digit = (unsigned)(*at - '0');
    else if (base == 16 && *at >= 'a' && *at <= 'f')
      digit = (unsigned)(*at - 'a') + 10;
    else
      break;
    value = value * base + digit;
  }
  if (digits == 0 || digits > 20 || *at != then)
    return false;
  *text = at + 1;
  *ret = value;
  return true;
}

/* "start-end rwxp offset major:minor inode   path" */
static bool
scan_line(char *line, cordbg_mapping *ret, const char **path)
{
  uint64_t offset, major_number, minor_number, inode;
  cordbg_mapping mapping = {0};
  if (!scan_number(&line, 16, '-', &mapping.start) || !scan_number(&line, 16, ' ', &mapping.end))
    return false;
  if (strlen(line) < 5 || line[4] != ' ')
    return false;
  mapping.prot = (line[0] == 'r' ? PROT_READ : 0u) | (line[1] == 'w' ? PROT_WRITE : 0u) |
                 (line[2] == 'x' ? PROT_EXEC : 0u);
  mapping.shared = line[3] == 's';
  line += 5;
  if (!scan_number(&line, 16, ' ', &offset) || !scan_number(&line, 16, ':', &major_number) ||
      !scan_number(&line, 16, ' ', &minor_number))
    return false;
  /* The inode is followed by blanks and the name, by one blank, or by nothing. */
  size_t digits = strspn(line, "0123456789");
  char after = line[digits];
  if (after != '\0' && after != ' ')
    return false;
  char *name = line + digits;
  name += strspn(name, " ");
  if (!scan_number(&line, 10, after, &inode))
    return false;
  mapping.offset = offset;
  mapping.inode = inode;
  mapping.device = makedev((unsigned)major_number, (unsigned)minor_number);
  *ret = mapping;
  *path = name;
  return true;
}

/* Moves the rest to the front and reads on. false: errno tells. */
static bool
refill(cordbg_maps_iterator *iterator)
{
  memmove(iterator->buffer, iterator->buffer + iterator->begin, iterator->end - iterator->begin);
  iterator->end -= iterator->begin;
  iterator->begin = 0;
  size_t room = sizeof iterator->buffer - 1 - iterator->end;
  ssize_t count;
  do
    count = pread(iterator->maps->fd, iterator->buffer + iterator->end, room, iterator->position);
  while (count < 0 && errno == EINTR);
  if (count < 0)
    return false;
  iterator->last = count == 0;
  iterator->end += (size_t)count;
  iterator->position += count;
  return true;
}

HRESULT
cordbg_maps_next(cordbg_maps_iterator *iterator, cordbg_mapping *ret, const char **path,
                 cordbg_error *error)
{
  for (;;) {
    char *line = iterator->buffer + iterator->begin;
    char *newline = memchr(line, '\n', iterator->end - iterator->begin);
    if (newline == NULL) {
      if (iterator->last)
        return S_FALSE;
      if (iterator->end - iterator->begin >= sizeof iterator->buffer - 1)
        return cordbg_error_set(error, E_FAIL, 0, iterator->above,
                                "a line of the process's maps is longer than any name can be");
      if (!refill(iterator)) {
        if (errno == ESRCH)
          return S_FALSE;
        return cordbg_error_set_errno(error, errno, 0, "the process's maps cannot be read");
      }
      continue;
    }
    *newline = '\0';
    iterator->begin = (size_t)(newline - iterator->buffer) + 1;
    cordbg_mapping mapping;
    const char *name;
    if (!scan_line(line, &mapping, &name) || mapping.end <= mapping.start)
      return cordbg_error_set(error, E_FAIL, 0, iterator->above,
                              "a line of the process's maps cannot be understood");
    /* The list may have changed between two reads of it: never go back. */
    if (mapping.end <= iterator->above)
      continue;
    iterator->above = mapping.end;
    *ret = mapping;
    if (path != NULL)
      *path = name;
    return S_OK;
  }
}
