/* SPDX-License-Identifier: MIT */
/*
 * The dynamic linker calls r_debug.r_brk before and after it changes its list (System V ABI, glibc
 * and musl); what is there at the second call is compared with what was told.
 */
#include "config.h"

#include "cordbg/icordebug/unmanaged-images.h"

#include <stddef.h>

#include "cordbg/native/linker.h"

/* The start of glibc's and musl's struct link_map. */
typedef struct remote_map {
  uint64_t bias;
  uint64_t name;
  uint64_t dynamic;
  uint64_t next;
} remote_map;

struct cordbg_native_images {
  cordbg_target *target;   /* the modules hold a reference */
  cordbg_modules *modules; /* as of the last update */
  bool fresh;              /* made of the stop in progress: not to be updated at once */
  GArray *told;            /* cordbg_native_image */
};

HRESULT
cordbg_native_images_create(cordbg_target *target, cordbg_native_images **ret, cordbg_error *error)
{
  cordbg_modules *modules;
  HRESULT hr = cordbg_modules_create_for_target(target, &modules, error);
  if (FAILED(hr))
    return hr;
  cordbg_native_images *images = g_new0(cordbg_native_images, 1);
  images->target = target;
  images->modules = modules;
  images->fresh = true;
  images->told = g_array_new(FALSE, FALSE, sizeof(cordbg_native_image));
  *ret = images;
  return S_OK;
}

void
cordbg_native_images_destroy(cordbg_native_images *images)
{
  if (images == NULL)
    return;
  cordbg_modules_destroy(images->modules);
  g_array_free(images->told, TRUE);
  g_free(images);
}

/* An entry of the linker's list. */
typedef struct entry {
  uint64_t dynamic;
  uint64_t name_place; /* 0: no name */
} entry;

static GArray *
read_list(cordbg_native_images *images, uint64_t map_at)
{
  GArray *list = g_array_new(FALSE, FALSE, sizeof(entry));
  remote_map map;
  while (list->len < CORDBG_MODULES_MAX && map_at != 0 &&
         SUCCEEDED(cordbg_target_read_exact(images->target, CORDBG_VIEW_PRISTINE, map_at, &map,
                                            sizeof map, NULL))) {
    entry next = {map.dynamic, map.name != 0 ? map_at + offsetof(remote_map, name) : 0};
    g_array_append_val(list, next);
    map_at = map.next;
  }
  return list;
}

static uint64_t
name_place(const GArray *list, const cordbg_module *module)
{
  for (guint i = 0; i < list->len && module->dynamic != 0; i++)
    if (g_array_index(list, entry, i).dynamic == module->dynamic)
      return g_array_index(list, entry, i).name_place;
  return 0;
}

static bool
same(const cordbg_native_image *image, const cordbg_module *module)
{
  return image->start == module->start && image->dynamic == module->dynamic;
}

static bool
was_told(const GArray *told, const cordbg_module *module)
{
  for (guint i = 0; i < told->len; i++)
    if (same(&g_array_index(told, cordbg_native_image, i), module))
      return true;
  return false;
}

static bool
is_there(const cordbg_modules *modules, const cordbg_native_image *image)
{
  for (size_t i = 0; i < cordbg_modules_count(modules); i++)
    if (same(image, cordbg_modules_get(modules, i)))
      return true;
  return false;
}

HRESULT
cordbg_native_images_update(cordbg_native_images *images, GArray *loaded, GArray *unloaded,
                            cordbg_error *error)
{
  cordbg_linker linker = {0};
  const cordbg_module *program;
  bool fresh = images->fresh;
  images->fresh = false;
  if (cordbg_linker_read(images->modules, &linker, NULL) == S_OK &&
      (linker.state == CORDBG_LINKER_ADDING || linker.state == CORDBG_LINKER_DELETING))
    return S_FALSE;
  HRESULT hr = fresh ? S_OK : cordbg_modules_update(images->modules, error);
  if (FAILED(hr))
    return hr;
  for (guint i = images->told->len; i-- > 0;) {
    cordbg_native_image image = g_array_index(images->told, cordbg_native_image, i);
    if (!is_there(images->modules, &image)) {
      g_array_append_val(unloaded, image);
      g_array_remove_index(images->told, i);
    }
  }
  GArray *list = NULL;
  program = cordbg_modules_program(images->modules);
  for (size_t i = 0; i < cordbg_modules_count(images->modules); i++) {
    const cordbg_module *module = cordbg_modules_get(images->modules, i);
    if (module == program || was_told(images->told, module))
      continue;
    if (list == NULL)
      list = read_list(images, linker.map);
    cordbg_native_image image = {module->start, module->dynamic, module->entry,
                                 name_place(list, module)};
    g_array_append_val(images->told, image);
    g_array_append_val(loaded, image);
  }
  if (list != NULL)
    g_array_free(list, TRUE);
  return S_OK;
}

bool
cordbg_native_images_cover(const cordbg_native_images *images, uint64_t address)
{
  return cordbg_modules_at(images->modules, address) != NULL;
}

cordbg_native_image
cordbg_native_images_program(const cordbg_native_images *images)
{
  const cordbg_module *program = cordbg_modules_program(images->modules);
  if (program == NULL)
    return (cordbg_native_image){0};
  return (cordbg_native_image){program->start, program->dynamic, program->entry, 0};
}

uint64_t
cordbg_native_images_trap(cordbg_native_images *images)
{
  cordbg_linker linker = {0};
  return cordbg_linker_read(images->modules, &linker, NULL) == S_OK ? linker.breakpoint : 0;
}
