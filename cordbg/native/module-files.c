/* SPDX-License-Identifier: MIT */
/*
 * Which files belong to a module. A name proves nothing: a file may have been replaced since it was
 * mapped, may lie in another mount namespace, or be made up. So a module's file must begin with the
 * headers that are mapped, and a debug file must carry the module's build id or have the check sum
 * that the module's debug link gives.
 */
#include "config.h"

#include "cordbg/native/module-files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define DEBUG_ROOT "/usr/lib/debug"
#define IMAGE_MAX (UINT64_C(256) << 20)
#define CHECKED_MAX (INT64_C(2) << 30)

/* ------------------------------------------------------------------ the module's own file */

/* Needs a privilege; serves files that have lost their name. */
static int
open_mapped(int pid, const cordbg_symbol_files *files)
{
  char path[96];

  snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, files->mapping_start,
           files->mapping_end);
  return open(path, OPEN_FLAGS);
}

int
cordbg_open_in_root(int pid, const char *path)
{
  struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_IN_ROOT};
  char root[48];
  int folder, fd;

  if (path[0] != '/')
    return -1;
  snprintf(root, sizeof(root), "/proc/%d/root", pid);
  folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return -1;
  fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* old kernels, some containers */
    fd = openat(folder, path + strspn(path, "/"), OPEN_FLAGS);
  close(folder);
  return fd;
}

/* fd is closed when it is not the file. */
static int
checked(int fd, const cordbg_elf_headers *headers)
{
  if (fd >= 0 && !cordbg_elf_file_is(fd, headers)) {
    close(fd);
    fd = -1;
  }
  return fd;
}

int
cordbg_module_open_file(const cordbg_modules *modules, const cordbg_module *module)
{
  g_autofree cordbg_elf_headers *headers = g_new(cordbg_elf_headers, 1);
  int fd;

  if (module->inode == 0 ||
      !cordbg_elf_read_headers(&modules->memory, module->files->mapping_start, headers))
    return -1;
  fd = checked(open_mapped(modules->pid, module->files), headers);
  if (fd < 0 && !module->deleted)
    fd = checked(cordbg_open_in_root(modules->pid, module->path), headers);
  return fd;
}

/* ------------------------------------------------------------------ debug files */

static bool
has_check_sum(int fd, uint32_t expected)
{
  g_autofree uint8_t *buffer = g_malloc(65536);
  struct stat status;
  uLong sum = crc32(0, NULL, 0);
  int64_t left;
  off_t at = 0;

  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > CHECKED_MAX)
    return false;
  for (left = status.st_size; left > 0;) {
    ssize_t n = pread(fd, buffer, 65536, at);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    sum = crc32(sum, buffer, (uInt)n);
    at += n;
    left -= n;
  }
  return (uint32_t)sum == expected;
}

/* Distributions name debug files like the program: beside it the link leads to itself. */
static bool
is_same_file(int a, int b)
{
  struct stat one, other;

  return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

static int
open_either(const cordbg_modules *modules, const char *path, int turn)
{
  return turn == 0 ? cordbg_open_in_root(modules->pid, path) : open(path, OPEN_FLAGS);
}

static int
open_by_build_id(const cordbg_modules *modules, const char *build_id)
{
  g_autofree char *path = NULL;

  if (!build_id || strlen(build_id) < 4)
    return -1;
  path = g_strdup_printf(DEBUG_ROOT "/.build-id/%.2s/%s.debug", build_id, build_id + 2);
  for (int turn = 0; turn < 2; turn++) {
    int fd = open_either(modules, path, turn);
    g_autofree char *found = fd >= 0 ? cordbg_elf_file_build_id(fd) : NULL;

    if (found && strcmp(found, build_id) == 0)
      return fd;
    if (fd >= 0)
      close(fd);
  }
  return -1;
}

static int
open_by_link(const cordbg_modules *modules, const cordbg_module *module, int fd)
{
  g_autofree char *name = NULL, *folder = NULL;
  uint32_t sum;

  if (fd < 0 || !cordbg_elf_file_debug_link(fd, &name, &sum))
    return -1;
  folder = g_path_get_dirname(module->path);
  for (int place = 0; place < 4; place++) {
    g_autofree char *path = place == 0   ? g_build_filename(folder, name, NULL)
                            : place == 1 ? g_build_filename(folder, ".debug", name, NULL)
                                         : g_build_filename(DEBUG_ROOT, folder, name, NULL);
    int found = open_either(modules, path, place == 3);

    if (found >= 0 && !is_same_file(found, fd) && has_check_sum(found, sum))
      return found;
    if (found >= 0)
      close(found);
  }
  return -1;
}

int
cordbg_module_open_debug_file(const cordbg_modules *modules, const cordbg_module *module, int fd)
{
  g_autofree char *build_id = fd >= 0 ? cordbg_elf_file_build_id(fd) : NULL;
  int found = open_by_build_id(modules, build_id ? build_id : module->files->build_id);

  return found >= 0 ? found : open_by_link(modules, module, fd);
}

/* ------------------------------------------------------------------ without a file */

void *
cordbg_module_image_from_memory(const cordbg_modules *modules, const cordbg_module *module,
                                size_t *size)
{
  g_autofree cordbg_elf_headers *headers = g_new(cordbg_elf_headers, 1);
  g_autofree uint8_t *image = NULL;
  uint64_t end = 0;

  if (!cordbg_elf_read_headers(&modules->memory, module->files->mapping_start, headers))
    return NULL;
  for (size_t i = 0; i < headers->segment_count; i++) {
    const Elf64_Phdr *segment = &headers->segments[i];

    if (segment->p_type != PT_LOAD)
      continue;
    if (segment->p_filesz > IMAGE_MAX || segment->p_offset > IMAGE_MAX)
      return NULL;
    end = MAX(end, segment->p_offset + segment->p_filesz);
  }
  if (end < sizeof(headers->header) || !(image = g_try_malloc0(end)))
    return NULL;
  for (size_t i = 0; i < headers->segment_count; i++) {
    const Elf64_Phdr *segment = &headers->segments[i];

    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_R) && segment->p_filesz > 0 &&
        !modules->memory.read(modules->memory.data, module->bias + segment->p_vaddr,
                              image + segment->p_offset, segment->p_filesz))
      return NULL;
  }
  /* what is not loaded is not there */
  headers->header.e_shoff = 0;
  headers->header.e_shnum = 0;
  headers->header.e_shstrndx = 0;
  memcpy(image, &headers->header, sizeof(headers->header));
  *size = end;
  return g_steal_pointer(&image);
}
