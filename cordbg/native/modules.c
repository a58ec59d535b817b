/* SPDX-License-Identifier: MIT */
/*
 * The list of loaded ELF modules.
 *
 * Why from the maps and not from the dynamic linker's list: the maps are the kernel's word and
 * exist from the first instruction on; the list is the program's, and says only in which order.
 *
 * A module is found where a file's offset 0 is mapped, an ELF header stands there, and a part of
 * what its segments span is executable and mapped from the same file; so files that are only read
 * (data, or an ELF file opened by a debugger) are not taken for loaded ones.
 *
 * Invariants: list holds at most CORDBG_MODULES_MAX modules; a cordbg_module keeps its address and
 * its symbols from update to update for as long as the same file is mapped at the same place.
 */
#include "config.h"

#include "cordbg/native/modules-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cordbg/memory/maps.h"
#include "cordbg/native/linker.h"

#define DELETED " (deleted)"
#define VDSO "[vdso]"

/* ------------------------------------------------------------------ memory */

/* Where a seccomp filter refuses process_vm_readv. One descriptor a read: it is rare. */
static bool
read_by_file(pid_t pid, uint64_t address, void *buffer, size_t size)
{
  char path[48];
  ssize_t n;
  int fd;

  snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || address > INT64_MAX)
    n = -1;
  else
    n = pread(fd, buffer, size, (off_t)address);
  if (fd >= 0)
    close(fd);
  return n == (ssize_t)size;
}

static bool
read_by_pid(void *data, uint64_t address, void *buffer, size_t size)
{
  struct iovec local = {buffer, size};
  struct iovec remote = {(void *)(uintptr_t)address, size};
  pid_t pid = (pid_t)(intptr_t)data;
  ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

  if (n < 0 && (errno == EPERM || errno == ENOSYS))
    return read_by_file(pid, address, buffer, size);
  return n == (ssize_t)size;
}

/* ------------------------------------------------------------------ one module */

static void
module_free(void *data)
{
  cordbg_module *module = data;

  if (!module)
    return;
  cordbg_symbol_files_free(module->files);
  g_free(module->path);
  g_free(module);
}

static bool
module_same(const cordbg_module *a, const cordbg_module *b)
{
  return a->start == b->start && a->end == b->end && a->bias == b->bias && a->device == b->device &&
         a->inode == b->inode && a->deleted == b->deleted && strcmp(a->path, b->path) == 0;
}

/* NULL when what is mapped there is no image. */
static cordbg_module *
module_new(const cordbg_memory_reader *memory, const cordbg_mapping *mapping, const char *path)
{
  cordbg_elf_headers headers;
  cordbg_module found = {0};
  cordbg_module *module;
  size_t length = strlen(path), suffix = strlen(DELETED);

  if (!cordbg_elf_read_headers(memory, mapping->start, &headers) ||
      !cordbg_elf_place(&headers, mapping->start, &found))
    return NULL;
  module = g_memdup2(&found, sizeof(found));
  module->device = mapping->device;
  module->inode = mapping->inode;
  module->deleted = length > suffix && strcmp(path + length - suffix, DELETED) == 0;
  module->path = g_strndup(path, module->deleted ? length - suffix : length);
  module->files = g_new0(cordbg_symbol_files, 1);
  module->files->mapping_start = mapping->start;
  module->files->mapping_end = mapping->end;
  return module;
}

/* ------------------------------------------------------------------ the walk over the maps */

typedef struct walk {
  const cordbg_memory_reader *memory;
  GPtrArray *found;
  cordbg_module *candidate; /* not yet seen to be executable */
  cordbg_module *current;   /* the last one found or the candidate */
} walk;

static bool
belongs(const cordbg_module *module, const cordbg_mapping *mapping)
{
  return module && mapping->start >= module->start && mapping->start < module->end &&
         mapping->inode == module->inode && mapping->device == module->device;
}

static void
walk_visit(walk *w, const cordbg_mapping *mapping, const char *path)
{
  bool image = mapping->inode != 0 || strcmp(path, VDSO) == 0;

  if (!image)
    return;
  if (!belongs(w->current, mapping)) {
    g_clear_pointer(&w->candidate, module_free);
    w->current = NULL;
    if (mapping->offset != 0 || !(mapping->prot & PROT_READ))
      return;
    w->current = w->candidate = module_new(w->memory, mapping, path);
  }
  if (w->candidate && (mapping->prot & PROT_EXEC)) {
    g_ptr_array_add(w->found, w->candidate);
    w->candidate = NULL;
  }
}

static HRESULT
walk_maps(cordbg_modules *modules, GPtrArray **ret, cordbg_error *error)
{
  g_autofree cordbg_maps_iterator *iterator = g_new(cordbg_maps_iterator, 1);
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(module_free);
  walk w = {.memory = &modules->memory, .found = found};
  cordbg_maps maps = CORDBG_MAPS_NONE;
  cordbg_mapping mapping;
  const char *path;
  HRESULT hr = cordbg_maps_open(&maps, modules->pid, error);

  if (FAILED(hr))
    return hr;
  cordbg_maps_begin(iterator, &maps);
  while (found->len < CORDBG_MODULES_MAX &&
         (hr = cordbg_maps_next(iterator, &mapping, &path, error)) == S_OK)
    walk_visit(&w, &mapping, path);
  module_free(w.candidate);
  cordbg_maps_close(&maps);
  if (FAILED(hr))
    return hr;
  *ret = g_steal_pointer(&found);
  return S_OK;
}

/* ------------------------------------------------------------------ load order */

/* The element of list whose dynamic section stands at address, taken out; NULL: none. */
static cordbg_module *
take(GPtrArray *list, uint64_t dynamic, uint64_t entry)
{
  for (guint i = 0; i < list->len; i++) {
    cordbg_module *module = list->pdata[i];

    if ((dynamic && module->dynamic == dynamic) ||
        (entry && entry >= module->start && entry < module->end))
      return g_ptr_array_steal_index(list, i);
  }
  return NULL;
}

/* Moves the modules that the dynamic linker lists to the front, in its order. */
static void
order_by_linker(cordbg_modules *modules)
{
  struct {
    uint64_t bias, name, dynamic, next, previous;
  } map;
  GPtrArray *ordered = g_ptr_array_new_with_free_func(module_free);
  cordbg_linker linker = {0};
  cordbg_module *module = take(modules->list, 0, modules->entry);
  uint64_t at;

  /* the linker is found through the program: it must be in the list meanwhile */
  if (module) {
    g_ptr_array_insert(modules->list, 0, module);
    if (cordbg_linker_read(modules, &linker, NULL) != S_OK)
      linker.map = 0;
    g_ptr_array_add(ordered, g_ptr_array_steal_index(modules->list, 0));
  }
  at = linker.map;
  for (guint i = 0; at != 0 && i < CORDBG_MODULES_MAX; i++) {
    if (!modules->memory.read(modules->memory.data, at, &map, sizeof(map)))
      break;
    module = take(modules->list, map.dynamic, 0);
    if (module)
      g_ptr_array_add(ordered, module);
    at = map.next;
  }
  while (modules->list->len > 0)
    g_ptr_array_add(ordered, g_ptr_array_steal_index(modules->list, 0));
  g_ptr_array_unref(modules->list);
  modules->list = ordered;
}

/* Puts the known modules into the place of their new equals. */
static void
keep_known(GPtrArray *fresh, GPtrArray *known)
{
  for (guint i = 0; i < fresh->len; i++) {
    for (guint k = 0; k < known->len; k++) {
      cordbg_module *old = known->pdata[k];
      cordbg_module *now = fresh->pdata[i];

      if (module_same(now, old)) {
        old->files->mapping_end = now->files->mapping_end; /* mprotect cuts mappings */
        module_free(now);
        fresh->pdata[i] = old;
        g_ptr_array_steal_index_fast(known, k);
        break;
      }
    }
  }
}

/* ------------------------------------------------------------------ the snapshot */

HRESULT
cordbg_modules_update(cordbg_modules *modules, cordbg_error *error)
{
  GPtrArray *fresh = NULL;
  cordbg_auxv auxv;
  HRESULT hr = walk_maps(modules, &fresh, error);

  if (FAILED(hr))
    return hr;
  hr = cordbg_auxv_read(modules->pid, &auxv, error);
  if (FAILED(hr)) {
    g_ptr_array_unref(fresh);
    return hr;
  }
  keep_known(fresh, modules->list);
  g_ptr_array_unref(modules->list);
  modules->list = fresh;
  modules->entry = auxv.entry;
  order_by_linker(modules);
  return S_OK;
}

HRESULT
cordbg_modules_create_owning(int pid, cordbg_modules_read read, void *data,
                             void (*release)(void *data), cordbg_modules **ret, cordbg_error *error)
{
  cordbg_modules *modules = g_new0(cordbg_modules, 1);
  HRESULT hr;

  modules->pid = pid;
  modules->memory.read = read ? read : read_by_pid;
  modules->memory.data = read ? data : (void *)(intptr_t)pid;
  modules->list = g_ptr_array_new_with_free_func(module_free);
  hr = cordbg_modules_update(modules, error);
  if (FAILED(hr)) {
    cordbg_modules_destroy(modules);
    return hr;
  }
  modules->release = release;
  *ret = modules;
  return S_OK;
}

HRESULT
cordbg_modules_create(int pid, cordbg_modules_read read, void *data, cordbg_modules **ret,
                      cordbg_error *error)
{
  return cordbg_modules_create_owning(pid, read, data, NULL, ret, error);
}

void
cordbg_modules_destroy(cordbg_modules *modules)
{
  if (!modules)
    return;
  if (modules->release)
    modules->release(modules->memory.data);
  g_ptr_array_unref(modules->list);
  g_free(modules);
}

size_t
cordbg_modules_count(const cordbg_modules *modules)
{
  return modules->list->len;
}

const cordbg_module *
cordbg_modules_get(const cordbg_modules *modules, size_t index)
{
  return index < modules->list->len ? modules->list->pdata[index] : NULL;
}

/* Of modules that claim to overlap, the one that begins nearest. */
const cordbg_module *
cordbg_modules_at(const cordbg_modules *modules, uint64_t address)
{
  const cordbg_module *best = NULL;

  for (guint i = 0; i < modules->list->len; i++) {
    const cordbg_module *module = modules->list->pdata[i];

    if (address >= module->start && address < module->end && (!best || module->start > best->start))
      best = module;
  }
  return best;
}

const cordbg_module *
cordbg_modules_containing(const cordbg_modules *modules, const char *text)
{
  for (guint i = 0; i < modules->list->len; i++) {
    const cordbg_module *module = modules->list->pdata[i];

    if (strstr(module->path, text))
      return module;
  }
  return NULL;
}

/* 0: it is the name; 1: it begins with it; 2: it contains it; 3: none of these. */
static int
name_distance(const cordbg_module *module, const char *name)
{
  const char *slash = strrchr(module->path, '/');
  const char *file = slash ? slash + 1 : module->path;
  size_t length = strlen(name);

  if (strcmp(file, name) == 0)
    return 0;
  if (strncmp(file, name, length) == 0 && (file[length] == '.' || file[length] == '-'))
    return 1;
  return strstr(module->path, name) ? 2 : 3;
}

const cordbg_module *
cordbg_modules_named(const cordbg_modules *modules, const char *name)
{
  const cordbg_module *best = NULL;
  int best_distance = 3;

  if (!*name)
    return NULL;
  for (guint i = 0; i < modules->list->len; i++) {
    const cordbg_module *module = modules->list->pdata[i];
    int distance = name_distance(module, name);

    if (distance < best_distance) {
      best = module;
      best_distance = distance;
    }
  }
  return best;
}

const cordbg_module *
cordbg_modules_program(const cordbg_modules *modules)
{
  return modules->entry ? cordbg_modules_at(modules, modules->entry) : NULL;
}
