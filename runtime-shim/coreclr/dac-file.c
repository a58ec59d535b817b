/* SPDX-License-Identifier: MIT */
/*
 * The file of the DAC, and the user that it is loaded as. Opened once, checked, and loaded by that
 * descriptor: what was checked is what runs.
 */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime-shim/coreclr/dac-private.h"

#define DAC_NAME "libmscordaccore.so"
#define VERSION_MARK "@(#)Version "
/* Bytes at the end of a file in which its version is said; most say it in the first so many. */
#define VERSION_SEARCH (1u << 20)
#define VERSION_NEAR (192u << 10)

/* ---- Who the target is ---- */

static bool
line_of(const char *text, const char *name, const char **ret)
{
  const char *line = strstr(text, name);

  if (line)
    *ret = line + strlen(name);
  return line != NULL;
}

HRESULT
cordbg_dac_credentials(int pid, cordbg_dac_request_start *start, cordbg_error *error)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents(path, &text, NULL, NULL))
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0, "process %d is gone", pid);
  /* real, effective, saved, file system: the effective one */
  if (!line_of(text, "\nUid:", &line) || sscanf(line, "%*u %u", &start->uid) != 1 ||
      !line_of(text, "\nGid:", &line) || sscanf(line, "%*u %u", &start->gid) != 1)
    return cordbg_error_set(error, E_FAIL, 0, 0, "process %d tells no user", pid);
  if (line_of(text, "\nGroups:", &line)) {
    const char *end = strchr(line, '\n');
    while (start->group_count < CORDBG_DAC_GROUPS_MAX) {
      char *next = NULL;
      unsigned long group = strtoul(line, &next, 10);
      if (next == line || (end && next > end))
        break;
      start->groups[start->group_count++] = (uint32_t)group;
      line = next;
    }
  }
  start->become = geteuid() == 0;
  return S_OK;
}

/* ---- The file ---- */

/* Opens a path as the target sees it; symbolic links stay inside its root. */
static int
open_in_root(int pid, const char *path)
{
  char root[64];
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_IN_ROOT};

  snprintf(root, sizeof root, "/proc/%d/root", pid);
  int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return -1;
  int fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
    g_autofree char *whole = g_strconcat(root, path, NULL);
    fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  }
  int why = errno;
  close(folder);
  errno = why;
  return fd;
}

static HRESULT
check_file(int fd, int pid, const char *path, cordbg_error *error)
{
  cordbg_dac_request_start *who = g_new0(cordbg_dac_request_start, 1);
  struct stat status;
  HRESULT hr = cordbg_dac_credentials(pid, who, error);
  uint32_t uid = who->uid;

  g_free(who);
  if (FAILED(hr))
    return hr;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    return cordbg_error_set(error, E_ACCESSDENIED, 0, 0, "%.150s is no regular file", path);
  if (status.st_uid != 0 && status.st_uid != uid)
    return cordbg_error_set(error, E_ACCESSDENIED, 0, 0,
                            "%.120s belongs to user %u, neither to root nor to the target's: it is "
                            "not loaded (CORDBG_DAC_PATH names another)",
                            path, (unsigned)status.st_uid);
  if (status.st_mode & (S_IWGRP | S_IWOTH))
    return cordbg_error_set(error, E_ACCESSDENIED, 0, 0,
                            "%.150s may be written by others: it is not loaded", path);
  return S_OK;
}

/* What is mapped behind a file's end would kill the host by SIGBUS. */
static bool
is_whole(int fd)
{
  Elf64_Ehdr header;
  Elf64_Phdr segment;
  struct stat status;

  if (fstat(fd, &status) != 0 || pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
      header.e_phentsize != sizeof segment)
    return false;
  for (unsigned i = 0; i < header.e_phnum; i++) {
    off_t at = (off_t)(header.e_phoff + i * sizeof segment);
    if (pread(fd, &segment, sizeof segment, at) != (ssize_t)sizeof segment ||
        segment.p_filesz > (uint64_t)status.st_size ||
        segment.p_offset > (uint64_t)status.st_size - segment.p_filesz)
      return false;
  }
  return true;
}

static HRESULT
check_image(int fd, const char *path, cordbg_error *error)
{
  uint8_t head[20] = {0};

  if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
      memcmp(head, "\177ELF\002\001", 6) != 0)
    return cordbg_error_set(error, CORDBG_E_INCOMPATIBLE_PLATFORMS, 0, 0,
                            "%.150s is no 64-bit ELF library", path);
  if (head[18] != 62 /* EM_X86_64 */ || head[19] != 0)
    return cordbg_error_set(error, CORDBG_E_INCOMPATIBLE_PLATFORMS, 0, 0,
                            "%.150s is for another processor than x86-64", path);
  if (!is_whole(fd))
    return cordbg_error_set(error, CORDBG_E_INCOMPATIBLE_PLATFORMS, 0, 0,
                            "%.150s is cut: it is shorter than its segments", path);
  return S_OK;
}

/* ---- The DAC's version is the runtime's ---- */

/* Both say "@(#)Version 10.0.1226.42308 @Commit: ..." in their data, at the end of the file. */
static char *
version_within(int fd, off_t most)
{
  struct stat status;

  if (fstat(fd, &status) != 0 || status.st_size <= 0)
    return NULL;
  size_t size = (size_t)MIN(most, status.st_size);
  g_autofree char *data = g_malloc(size);
  ssize_t got = pread(fd, data, size, status.st_size - (off_t)size);
  const char *mark = got > 0 ? memmem(data, (size_t)got, VERSION_MARK, strlen(VERSION_MARK)) : NULL;
  if (!mark)
    return NULL;
  mark += strlen(VERSION_MARK);
  size_t length = 0, left = (size_t)(data + got - mark);
  while (length < left && length < 40 && (g_ascii_isdigit(mark[length]) || mark[length] == '.'))
    length++;
  return length ? g_strndup(mark, length) : NULL;
}

static char *
version_of(int fd)
{
  char *version = version_within(fd, VERSION_NEAR);

  return version ? version : version_within(fd, VERSION_SEARCH);
}

/* A DAC of another version reads structures where they are not: it has no check of its own. */
static HRESULT
check_version(int fd, int pid, const char *path, const char *library, cordbg_error *error)
{
  int runtime = open_in_root(pid, library);

  if (runtime < 0)
    return S_OK; /* deleted since: what is loaded says nothing against it */
  g_autofree char *theirs = version_of(runtime);
  g_autofree char *its = version_of(fd);
  close(runtime);
  if (!theirs || !its || strcmp(theirs, its) == 0)
    return S_OK;
  return cordbg_error_set(error, CORDBG_E_INCOMPATIBLE_PLATFORMS, 0, 0,
                          "%.120s is of version %s, the runtime of %s: it needs its own", path, its,
                          theirs);
}

HRESULT
cordbg_dac_open_file(int pid, const char *library, int *ret, cordbg_error *error)
{
  const char *chosen = getenv("CORDBG_DAC_PATH");
  bool override = chosen && *chosen;
  g_autofree char *folder = g_path_get_dirname(library);
  g_autofree char *path = override ? g_strdup(chosen) : g_build_filename(folder, DAC_NAME, NULL);
  int fd = override ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : open_in_root(pid, path);

  if (fd < 0 && errno == ENOENT)
    return cordbg_error_set(error, CORDBG_E_DEBUG_COMPONENT_MISSING, ENOENT, 0,
                            "there is no %.150s: it comes with the .NET runtime's package; "
                            "CORDBG_DAC_PATH may name it",
                            path);
  if (fd < 0)
    return cordbg_error_set_errno(error, errno, 0, "%.150s cannot be opened: %s", path,
                                  strerror(errno));
  HRESULT hr = check_file(fd, pid, path, error);
  if (SUCCEEDED(hr))
    hr = check_image(fd, path, error);
  if (SUCCEEDED(hr))
    hr = check_version(fd, pid, path, library, error);
  if (FAILED(hr)) {
    close(fd);
    return hr;
  }
  *ret = fd;
  return S_OK;
}
