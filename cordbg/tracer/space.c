/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cordbg/tracer/space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define SPACE_IOV 512u

HRESULT
cordbg_space_open(cordbg_space *space, int tid, cordbg_error *error)
{
  char path[64];
  *space = CORDBG_SPACE_NONE;
  snprintf(path, sizeof path, "/proc/%d/mem", tid);
  int mem = open(path, O_RDWR | O_CLOEXEC);
  if (mem < 0)
    return cordbg_error_set_errno(error, errno, 0, "cannot open %s: %s", path, strerror(errno));
  cordbg_maps maps = CORDBG_MAPS_NONE;
  HRESULT hr = cordbg_maps_open(&maps, tid, error);
  if (FAILED(hr)) {
    close(mem);
    return hr;
  }
  space->tid = tid;
  space->mem = mem;
  space->maps = maps;
  space->vm_calls = true;
  return S_OK;
}

void
cordbg_space_close(cordbg_space *space)
{
  if (space->mem >= 0)
    close(space->mem);
  if (space->maps.fd >= 0)
    cordbg_maps_close(&space->maps);
  for (unsigned i = 0; i < space->file_count; i++)
    close(space->files[i].fd);
  *space = CORDBG_SPACE_NONE;
}

int
cordbg_space_find(cordbg_space *space, uint64_t address, cordbg_mapping *ret)
{
  cordbg_error error = {0};
  cordbg_mapping mapping;
  HRESULT hr = cordbg_maps_find(&space->maps, address, &mapping, NULL, 0, &error);
  if (FAILED(hr))
    return error.sys != 0 ? error.sys : EIO;
  if (hr != S_OK || (mapping.prot & PROT_READ) == 0)
    return EFAULT;
  *ret = mapping;
  return 0;
}

/* A file system that lives in memory: what is written to it reaches no disk. */
static bool
is_memory_file(int fd)
{
  struct statfs about;
  if (fstatfs(fd, &about) != 0)
    return false;
  return about.f_type == TMPFS_MAGIC || about.f_type == HUGETLBFS_MAGIC;
}

/* Reopens the file at path for reading and writing if it is the one that the mapping shows. */
static int
reopen_if_same(const char *path, const cordbg_mapping *mapping)
{
  struct stat about;
  /* Stat before open: opening a device or a FIFO of the target's could have effects. */
  if (stat(path, &about) != 0 || !S_ISREG(about.st_mode) || about.st_ino != mapping->inode)
    return -1;
  int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0)
    return -1;
  /* st_dev and the device in maps differ on some file systems, never on tmpfs: where they agree
     not, the inode alone would be a guess. */
  if (fstat(fd, &about) != 0 || about.st_ino != mapping->inode || about.st_dev != mapping->device ||
      !is_memory_file(fd)) {
    close(fd);
    return -1;
  }
  return fd;
}

static int
open_mapped_file(const cordbg_space *space, const cordbg_mapping *mapping)
{
  char path[96];
  snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", space->tid,
           (unsigned long long)mapping->start, (unsigned long long)mapping->end);
  int fd = reopen_if_same(path, mapping);
  if (fd >= 0)
    return fd;
  /* Without the capability for map_files: one of the target's descriptors, if it kept one. */
  snprintf(path, sizeof path, "/proc/%d/fd", space->tid);
  DIR *directory = opendir(path);
  if (directory == NULL)
    return -1;
  struct dirent *entry;
  while (fd < 0 && (entry = readdir(directory)) != NULL) {
    char *end;
    unsigned long number = strtoul(entry->d_name, &end, 10);
    if (end == entry->d_name || *end != '\0')
      continue;
    snprintf(path, sizeof path, "/proc/%d/fd/%lu", space->tid, number);
    fd = reopen_if_same(path, mapping);
  }
  closedir(directory);
  return fd;
}

/* The memory file behind a shared mapping; -1: there is none, or no way to it. */
static int
file_of(cordbg_space *space, const cordbg_mapping *mapping)
{
  for (unsigned i = 0; i < space->file_count; i++) {
    if (space->files[i].inode == mapping->inode && space->files[i].device == mapping->device)
      return space->files[i].fd;
  }
  int fd = open_mapped_file(space, mapping);
  if (fd < 0)
    return -1;
  if (space->file_count == CORDBG_SPACE_FILES) {
    close(space->files[0].fd);
    memmove(space->files, space->files + 1, sizeof space->files - sizeof space->files[0]);
    space->file_count--;
  }
  space->files[space->file_count++] =
      (cordbg_space_file){.device = mapping->device, .inode = mapping->inode, .fd = fd};
  return fd;
}

int
cordbg_space_check(cordbg_space *space, const cordbg_mapping *mapping)
{
  if (!mapping->shared)
    return 0;
  return file_of(space, mapping) >= 0 ? 0 : EPERM;
}

size_t
cordbg_space_read(cordbg_space *space, uint64_t address, void *buffer, size_t size)
{
  cordbg_space_piece piece = {.address = address, .size = (uint32_t)size, .buffer = buffer};
  cordbg_space_read_pieces(space, &piece, 1);
  return piece.read;
}

/* Where process_vm_readv is refused: /proc/PID/mem, with the protection looked at first. */
static size_t
read_by_mem(cordbg_space *space, uint64_t address, uint8_t *buffer, size_t size)
{
  size_t done = 0;
  while (done < size) {
    cordbg_mapping mapping;
    if (cordbg_space_find(space, address + done, &mapping) != 0)
      break;
    size_t part = size - done;
    if (part > mapping.end - (address + done))
      part = (size_t)(mapping.end - (address + done));
    ssize_t count = pread(space->mem, buffer + done, part, (off_t)(address + done));
    if (count <= 0)
      break;
    done += (size_t)count;
  }
  return done;
}

void
cordbg_space_read_pieces(cordbg_space *space, cordbg_space_piece *pieces, size_t count)
{
  struct iovec local[SPACE_IOV], remote[SPACE_IOV];
  size_t next = 0;
  while (next < count) {
    size_t batch = count - next < SPACE_IOV ? count - next : SPACE_IOV;
    for (size_t i = 0; i < batch; i++) {
      cordbg_space_piece *piece = &pieces[next + i];
      local[i] = (struct iovec){piece->buffer, piece->size};
      remote[i] = (struct iovec){(void *)(uintptr_t)piece->address, piece->size};
      piece->read = 0;
    }
    ssize_t got = -1;
    if (space->vm_calls) {
      got = process_vm_readv(space->tid, local, batch, remote, batch, 0);
      if (got < 0 && (errno == EPERM || errno == ENOSYS))
        space->vm_calls = false;
    }
    if (!space->vm_calls) {
      for (size_t i = 0; i < batch; i++, next++)
        pieces[next].read = (uint32_t)read_by_mem(space, pieces[next].address, pieces[next].buffer,
                                                  pieces[next].size);
      continue;
    }
    size_t left = got < 0 ? 0 : (size_t)got;
    size_t i = 0;
    for (; i < batch; i++, next++) {
      size_t part = left < pieces[next].size ? left : pieces[next].size;
      pieces[next].read = (uint32_t)part;
      left -= part;
      if (part < pieces[next].size) {
        next++; /* this one is cut by a hole; go on behind it */
        break;
      }
    }
  }
}

int
cordbg_space_write(cordbg_space *space, const cordbg_mapping *mapping, uint64_t address,
                   const void *data, size_t size, size_t *written)
{
  *written = 0;
  if (address < mapping->start || address >= mapping->end || size > mapping->end - address)
    return EFAULT;
  if (!mapping->shared || (mapping->prot & PROT_WRITE) != 0) {
    ssize_t count = pwrite(space->mem, data, size, (off_t)address);
    if (count < 0)
      return errno == EIO ? EFAULT : errno;
    *written = (size_t)count;
    return *written == size ? 0 : EFAULT;
  }
  int fd = file_of(space, mapping);
  if (fd < 0)
    return EPERM;
  ssize_t count = pwrite(fd, data, size, (off_t)(mapping->offset + (address - mapping->start)));
  if (count < 0)
    return errno;
  uint8_t check;
  if (count > 0 &&
      (cordbg_space_read(space, address, &check, 1) != 1 || check != *(const uint8_t *)data))
    return EIO;
  *written = (size_t)count;
  return *written == size ? 0 : EFAULT;
}

bool
cordbg_space_load(cordbg_space *space, uint64_t address, void *buffer, size_t size)
{
  return cordbg_space_read(space, address, buffer, size) == size;
}

bool
cordbg_space_store(cordbg_space *space, uint64_t address, const void *data, size_t size)
{
  if (space->vm_calls) {
    struct iovec local = {(void *)(uintptr_t)data, size};
    struct iovec remote = {(void *)(uintptr_t)address, size};
    ssize_t count = process_vm_writev(space->tid, &local, 1, &remote, 1, 0);
    if (count >= 0 || (errno != EPERM && errno != ENOSYS))
      return count == (ssize_t)size;
    space->vm_calls = false;
  }
  cordbg_mapping mapping;
  if (cordbg_space_find(space, address, &mapping) != 0 || (mapping.prot & PROT_WRITE) == 0 ||
      size > mapping.end - address)
    return false;
  return pwrite(space->mem, data, size, (off_t)address) == (ssize_t)size;
}
