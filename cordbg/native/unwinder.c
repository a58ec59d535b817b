/* SPDX-License-Identifier: MIT */
/*
 * What is kept of a process between walks: its modules, their unwind data, symbols and lines.
 *
 * All of it comes from files and read-only segments; what stands on stacks and in registers is read
 * anew by each walk. Whether it is still true is checked where it is used: the first time that a
 * walk meets a module, the mapping that holds the PC is compared with the module's file (one
 * ioctl); code in a file's mapping that is no known module's makes the modules be listed again.
 *
 *   stale --list--> listed --a mapping differs, or is new--> stale
 *
 * Invariants
 *   - a module that was listed while a read failed is not believed in the next walk.
 *   - an image lives no longer than its module.
 *   - the unwinder of a target holds no reference of it: it is freed with it.
 */
#include "config.h"

#include "cordbg/native/unwinder-private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cordbg/native/module-files.h"
#include "cordbg/tracer/client.h"

/* Names that are asked for in a row are answered by one look at the mappings. */
#define QUESTIONS_TOGETHER_US 10000

/* ------------------------------------------------------------------ memory */

static size_t
read_own(void *data, uint64_t address, void *buffer, size_t size)
{
  cordbg_unwinder *unwinder = data;
  size_t read = 0;

  if (unwinder->target)
    (void)cordbg_target_read(unwinder->target, CORDBG_VIEW_PRISTINE, address, buffer, size, &read,
                             NULL);
  else
    (void)cordbg_reader_read(unwinder->plain, CORDBG_VIEW_PRISTINE, address, buffer, size, &read,
                             NULL);
  return read;
}

static bool
read_for_modules(void *data, uint64_t address, void *buffer, size_t size)
{
  cordbg_unwinder *unwinder = data;

  return cordbg_walk_memory_read(&unwinder->memory, address, buffer, size);
}

static HRESULT
find_mapping(cordbg_unwinder *unwinder, uint64_t address, cordbg_mapping *ret)
{
  return unwinder->target
             ? cordbg_target_find_mapping(unwinder->target, address, false, ret, NULL, 0, NULL)
             : cordbg_reader_find_mapping(unwinder->plain, address, false, ret, NULL, 0, NULL);
}

/* ------------------------------------------------------------------ images */

static void
image_free(void *data)
{
  cordbg_native_image *image = data;

  cordbg_unwind_data_free(image->unwind);
  cordbg_debug_info_free(image->debug);
  g_free(image);
}

static gboolean
has_left(gpointer module, gpointer image, gpointer data)
{
  const cordbg_unwinder *unwinder = data;

  (void)image;
  for (size_t i = 0; i < cordbg_modules_count(unwinder->modules); i++)
    if (cordbg_modules_get(unwinder->modules, i) == module)
      return FALSE;
  return TRUE;
}

static HRESULT
list_modules(cordbg_unwinder *unwinder, cordbg_error *error)
{
  uint64_t failures = unwinder->memory.failures;
  HRESULT hr;

  if (unwinder->modules)
    hr = cordbg_modules_update(unwinder->modules, error);
  else
    hr =
        cordbg_modules_create(unwinder->pid, read_for_modules, unwinder, &unwinder->modules, error);
  if (FAILED(hr))
    return hr;
  g_hash_table_foreach_remove(unwinder->images, has_left, unwinder);
  g_hash_table_remove_all(unwinder->strange);
  g_hash_table_remove_all(unwinder->names);
  unwinder->listed = unwinder->walk;
  unwinder->stale = unwinder->memory.failures != failures;
  return S_OK;
}

static cordbg_native_image *
image_of(cordbg_unwinder *unwinder, const cordbg_module *module)
{
  cordbg_native_image *image = g_hash_table_lookup(unwinder->images, module);

  if (!image) {
    image = g_new0(cordbg_native_image, 1);
    image->module = module;
    g_hash_table_insert(unwinder->images, (gpointer)module, image);
  }
  return image;
}

static bool
is_mapped(const cordbg_module *module, const cordbg_mapping *mapping)
{
  return mapping->inode == module->inode &&
         (module->inode == 0 || mapping->device == module->device);
}

cordbg_native_image *
cordbg_unwinder_image(cordbg_unwinder *unwinder, uint64_t address)
{
  for (int turn = 0; turn < 2; turn++) {
    const cordbg_module *module = cordbg_modules_at(unwinder->modules, address);
    cordbg_native_image *image = module ? image_of(unwinder, module) : NULL;
    cordbg_mapping mapping;

    if (image && image->seen == unwinder->walk)
      return image;
    if (find_mapping(unwinder, address, &mapping) != S_OK)
      return NULL;
    if (image && is_mapped(module, &mapping)) {
      image->seen = unwinder->walk;
      return image;
    }
    if (unwinder->listed == unwinder->walk || mapping.inode == 0 ||
        (!image && g_hash_table_contains(unwinder->strange, (gpointer)(uintptr_t)mapping.start)))
      return NULL;
    if (FAILED(list_modules(unwinder, NULL)))
      return NULL;
    if (!cordbg_modules_at(unwinder->modules, address))
      g_hash_table_add(unwinder->strange, (gpointer)(uintptr_t)mapping.start);
  }
  return NULL;
}

cordbg_unwind_data *
cordbg_image_unwind_data(cordbg_unwinder *unwinder, cordbg_native_image *image)
{
  uint64_t failures = unwinder->memory.failures;
  int fd;

  if (image->unwind_tried)
    return image->unwind;
  fd = cordbg_module_open_file(unwinder->modules, image->module);
  if (fd >= 0) {
    image->unwind = cordbg_unwind_data_from_file(fd);
  } else {
    size_t size;
    void *bytes = cordbg_module_image_from_memory(unwinder->modules, image->module, &size);

    if (bytes)
      image->unwind = cordbg_unwind_data_from_bytes(bytes, size);
  }
  image->unwind_tried = image->unwind || unwinder->memory.failures == failures;
  return image->unwind;
}

cordbg_debug_info *
cordbg_image_debug_info(cordbg_unwinder *unwinder, cordbg_native_image *image)
{
  int fd, debug;

  if (image->debug_tried)
    return image->debug;
  image->debug_tried = true;
  fd = cordbg_module_open_file(unwinder->modules, image->module);
  if (fd >= 0)
    image->debug = cordbg_debug_info_open(fd);
  if (image->debug)
    return image->debug;
  fd = cordbg_module_open_file(unwinder->modules, image->module);
  debug = cordbg_module_open_debug_file(unwinder->modules, image->module, fd);
  if (fd >= 0)
    close(fd);
  if (debug >= 0)
    image->debug = cordbg_debug_info_open(debug);
  return image->debug;
}

bool
cordbg_unwinder_is_code(cordbg_unwinder *unwinder, uint64_t address)
{
  cordbg_mapping mapping;

  return find_mapping(unwinder, address, &mapping) == S_OK && (mapping.prot & PROT_EXEC) != 0;
}

/* ------------------------------------------------------------------ life */

static cordbg_unwinder *
unwinder_new(int pid)
{
  cordbg_unwinder *unwinder = g_new0(cordbg_unwinder, 1);

  g_mutex_init(&unwinder->lock);
  g_mutex_init(&unwinder->managed_lock);
  unwinder->pid = pid;
  unwinder->stale = true;
  unwinder->images = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, image_free);
  unwinder->strange = g_hash_table_new(g_direct_hash, g_direct_equal);
  unwinder->names = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
  unwinder->place = g_new0(cordbg_managed_place, 1);
  unwinder->kept = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  unwinder->texts = g_string_chunk_new(4096);
  return unwinder;
}

static void
unwinder_free(void *data)
{
  cordbg_unwinder *unwinder = data;

  g_hash_table_unref(unwinder->images);
  g_hash_table_unref(unwinder->strange);
  g_hash_table_unref(unwinder->names);
  g_hash_table_unref(unwinder->kept);
  g_string_chunk_free(unwinder->texts);
  cordbg_modules_destroy(unwinder->modules);
  if (unwinder->managed.unwind)
    unwinder->managed.unref(unwinder->managed.data);
  if (unwinder->plain) {
    cordbg_reader_deinit(unwinder->plain);
    g_free(unwinder->plain);
  }
  g_mutex_clear(&unwinder->lock);
  g_mutex_clear(&unwinder->managed_lock);
  g_free(unwinder->place);
  g_free(unwinder);
}

static void *
make_for_target(cordbg_target *target)
{
  cordbg_unwinder *unwinder = unwinder_new(cordbg_target_pid(target));

  unwinder->target = target;
  return unwinder;
}

HRESULT
cordbg_target_unwinder(cordbg_target *target, cordbg_unwinder **ret, cordbg_error *error)
{
  HRESULT hr = cordbg_target_state(target);

  if (FAILED(hr))
    return cordbg_error_set(error, hr, 0, 0, "process %d is not there any more",
                            cordbg_target_pid(target));
  *ret = cordbg_target_companion(target, make_for_target, unwinder_free);
  return S_OK;
}

HRESULT
cordbg_unwinder_create(int pid, cordbg_unwinder **ret, cordbg_error *error)
{
  int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  cordbg_unwinder *unwinder;

  if (pidfd < 0)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER),
                            pid > 0 ? errno : EINVAL, 0, "there is no process %d", pid);
  unwinder = unwinder_new(pid);
  unwinder->plain = g_new0(cordbg_reader, 1);
  cordbg_reader_init(unwinder->plain, pid, pidfd, NULL);
  *ret = unwinder;
  return S_OK;
}

void
cordbg_unwinder_destroy(cordbg_unwinder *unwinder)
{
  if (unwinder && !unwinder->target)
    unwinder_free(unwinder);
}

/* Whether the pages that the last step read are still good: the next step of the same walk. */
static bool
follows(const cordbg_unwinder *unwinder, gint64 now)
{
  return unwinder->stillness != 0 && unwinder->pages_of == unwinder->stillness &&
         now - unwinder->last < QUESTIONS_TOGETHER_US;
}

HRESULT
cordbg_unwinder_begin(cordbg_unwinder *unwinder, const cordbg_stack_memory *memory, bool walks,
                      cordbg_error *error)
{
  const cordbg_stack_memory own = {.read = read_own, .data = unwinder};
  HRESULT hr = S_OK;

  gint64 now = g_get_monotonic_time();

  g_mutex_lock(&unwinder->lock);
  if (walks || now - unwinder->began > QUESTIONS_TOGETHER_US) {
    unwinder->walk++;
    unwinder->began = now;
  }
  unwinder->foreign = memory != NULL;
  unwinder->stillness =
      unwinder->target ? cordbg_tracer_stillness(cordbg_target_tracer(unwinder->target)) : 0;
  if (memory || !follows(unwinder, now)) {
    cordbg_walk_memory_begin(&unwinder->memory, memory ? memory : &own);
    unwinder->pages_of = memory ? 0 : unwinder->stillness;
  }
  unwinder->last = now;
  if (unwinder->stale)
    hr = list_modules(unwinder, error);
  if (FAILED(hr))
    g_mutex_unlock(&unwinder->lock);
  return hr;
}

void
cordbg_unwinder_end(cordbg_unwinder *unwinder)
{
  g_mutex_unlock(&unwinder->lock);
}

/* ------------------------------------------------------------------ managed frames */

void
cordbg_target_set_managed_frames(cordbg_target *target, const cordbg_managed_frames *frames)
{
  cordbg_unwinder *unwinder = cordbg_target_companion(target, make_for_target, unwinder_free);
  cordbg_managed_frames before;

  g_mutex_lock(&unwinder->managed_lock);
  before = unwinder->managed;
  memset(&unwinder->managed, 0, sizeof(unwinder->managed));
  if (frames) {
    frames->ref(frames->data);
    unwinder->managed = *frames;
  }
  g_mutex_unlock(&unwinder->managed_lock);
  if (before.unwind)
    before.unref(before.data);
}

bool
cordbg_unwinder_managed(cordbg_unwinder *unwinder, cordbg_managed_frames *ret)
{
  bool any;

  g_mutex_lock(&unwinder->managed_lock);
  *ret = unwinder->managed;
  any = ret->unwind != NULL;
  if (any)
    ret->ref(ret->data);
  g_mutex_unlock(&unwinder->managed_lock);
  return any;
}
