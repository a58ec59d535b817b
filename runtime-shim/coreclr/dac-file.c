/* SPDX-License-Identifier: MIT */
/*
 * The file of the DAC, and the user that it is loaded as. Opened once, checked, and loaded by that
 * descriptor: what was checked is what runs.
 */
#include "config.h"

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

/* A DAC built for another C library says so in what it needs. */
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
  return S_OK;
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
  if (FAILED(hr)) {
    close(fd);
    return hr;
  }
  *ret = fd;
  return S_OK;
}
