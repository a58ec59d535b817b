/* SPDX-License-Identifier: MIT */
/*
 * A module's metadata and symbols, opened at the first question and kept.
 *
 * Where metadata comes from, in this order: the image bytes in the target, which are what the
 * runtime itself uses; what the runtime has apart (cordbg_runtime_ops.metadata); the file that the
 * module names, which may have been replaced meanwhile and is therefore believed only when its
 * version id (MVID) is the module's. Bytes in the target may lie as in a file or as a loader maps
 * them, and no runtime says which: both are tried, and the version id decides.
 *
 * One image serves all domains that have it (cordbg_loaded_image): its metadata, the object behind
 * the metadata interfaces, and its symbols are opened once. A dynamic module grows: its metadata is
 * fetched at each question, and what was handed out before stays as it was.
 *
 * Lifetime. Metadata is a copy in our memory. The interfaces count it, so that they answer after
 * the module was unloaded and after the session is over; only what is read when it is asked for
 * (IL, resources) then fails.
 *
 * Locks: all functions with the session's lock held.
 */
#include "cordbg/icordebug/private.h"

#include <string.h>
#include <sys/stat.h>

#include "cordbg/metadata/scope.h"
#include "cordbg/metadata/symbols.h"

/* For a module whose size the runtime does not say: reads beyond the mapping fail by themselves. */
enum { IMAGE_SIZE_UNKNOWN = 256 << 20 };

typedef struct target_bytes {
  cordbg_target *target; /* a reference */
  uint64_t base;
} target_bytes;

static HRESULT
read_target(void *context, uint64_t offset, void *buffer, size_t size, cordbg_error *error)
{
  const target_bytes *bytes = context;
  return cordbg_target_read_exact(bytes->target, CORDBG_VIEW_PRISTINE, bytes->base + offset, buffer,
                                  size, error);
}

static void
free_target_bytes(void *context)
{
  target_bytes *bytes = context;
  cordbg_target_unref(bytes->target);
  g_free(bytes);
}

static bool
mvid_known(const uint8_t mvid[16])
{
  static const uint8_t none[16];
  return memcmp(mvid, none, sizeof none) != 0;
}

/* Takes over *ret only when it is the module's. */
static HRESULT
check_identity(cordbg_image *image, const uint8_t mvid[16], cordbg_error *error)
{
  const uint8_t *actual = cordbg_image_mvid(image);
  if (actual != NULL && (!mvid_known(mvid) || memcmp(actual, mvid, 16) == 0))
    return S_OK;
  cordbg_image_unref(image);
  return cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0,
                          "the version id is not that of the loaded module");
}

static HRESULT
open_in_target(const cordbg_module *module, const uint8_t mvid[16], cordbg_image **ret,
               cordbg_error *error)
{
  static const cordbg_image_layout layouts[] = {CORDBG_IMAGE_LAYOUT_FILE,
                                                CORDBG_IMAGE_LAYOUT_MEMORY};
  HRESULT hr = E_FAIL;
  for (size_t i = 0; i < G_N_ELEMENTS(layouts); i++) {
    cordbg_image *image = NULL;
    target_bytes *bytes = g_new(target_bytes, 1);
    *bytes = (target_bytes){cordbg_target_ref(module->session->target), module->base};
    hr = cordbg_image_open_reader(read_target, module->size ? module->size : IMAGE_SIZE_UNKNOWN,
                                  layouts[i], free_target_bytes, bytes, &image, error);
    if (FAILED(hr))
      free_target_bytes(bytes);
    else
      hr = check_identity(image, mvid, error);
    if (SUCCEEDED(hr)) {
      *ret = image;
      return S_OK;
    }
  }
  return hr;
}

/* What the runtime has apart. S_FALSE: nothing. */
static HRESULT
open_from_runtime(const cordbg_module *module, cordbg_image **ret, cordbg_error *error)
{
  cordbg_session *session = module->session;
  cordbg_rt_metadata found = {0};
  if (session->ops->metadata == NULL)
    return S_FALSE;
  if (session->stop_count == 0)
    return cordbg_error_set(error, CORDBG_E_PROCESS_NOT_SYNCHRONIZED, 0, 0,
                            "the process is running, and this module's metadata is the runtime's "
                            "to tell: call Stop first");
  HRESULT hr = session->ops->metadata(session->runtime, module->id, &found, error);
  if (hr != S_OK)
    return hr;
  if (found.bytes != NULL) {
    hr = cordbg_image_open_bytes(found.bytes, (size_t)found.size, CORDBG_IMAGE_LAYOUT_FILE, g_free,
                                 found.bytes, ret, error);
    if (FAILED(hr))
      g_free(found.bytes);
    return hr;
  }
  target_bytes bytes = {session->target, found.address};
  return cordbg_image_open_metadata_reader(read_target, found.size, &bytes, ret, error);
}

/*
 * The module's file as this process finds it: through the target's root when that is another one.
 * NULL: it has none.
 */
static char *
file_of(const cordbg_module *module)
{
  char root[48];
  struct stat theirs, ours;
  if (module->flags & (CORDBG_RT_MODULE_DYNAMIC | CORDBG_RT_MODULE_IN_MEMORY) ||
      module->name == NULL || module->name[0] != '/')
    return NULL;
  g_snprintf(root, sizeof root, "/proc/%d/root/.", module->session->pid);
  if (stat(root, &theirs) == 0 && stat("/", &ours) == 0 &&
      (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino))
    return g_strdup_printf("/proc/%d/root%s", module->session->pid, module->name);
  return g_strdup(module->name);
}

static HRESULT
open_file(const cordbg_module *module, const uint8_t mvid[16], cordbg_image **ret,
          cordbg_error *error)
{
  cordbg_image *image = NULL;
  g_autofree char *path = file_of(module);
  if (path == NULL || !mvid_known(mvid))
    return cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0,
                            "the module has no file that could be told to be its own");
  HRESULT hr = cordbg_image_open_file(path, &image, error);
  if (SUCCEEDED(hr))
    hr = check_identity(image, mvid, error);
  if (SUCCEEDED(hr))
    *ret = image;
  return hr;
}

static HRESULT
open_metadata(const cordbg_module *module, const uint8_t mvid[16], cordbg_image **ret,
              cordbg_error *error)
{
  cordbg_error first = {.sentence = "it has no image in the target's memory"}, other;
  HRESULT hr = E_FAIL;
  if (module->base != 0)
    hr = open_in_target(module, mvid, ret, &first);
  if (FAILED(hr))
    hr = open_from_runtime(module, ret, &other);
  /* What the runtime says of its own module stands. */
  if (hr == S_OK || hr == CORDBG_E_PROCESS_NOT_SYNCHRONIZED || hr == CORDBG_E_MISSING_METADATA) {
    if (FAILED(hr) && error != NULL)
      *error = other;
    return hr;
  }
  if (SUCCEEDED(open_file(module, mvid, ret, &other)))
    return S_OK;
  const char *base = strrchr(module->name ? module->name : "", '/');
  return cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0, "no metadata of %.60s: %.140s",
                          base ? base + 1 : module->name, first.sentence);
}

static cordbg_loaded_image *
loaded_of(const cordbg_module *module)
{
  return module->session->images->pdata[module->image];
}

static bool
same_metadata(cordbg_image *a, cordbg_image *b)
{
  const cordbg_metadata *x = cordbg_image_metadata(a), *y = cordbg_image_metadata(b);
  return x->size == y->size && memcmp(x->data, y->data, x->size) == 0;
}

void
cordbg_loaded_image_forget(cordbg_loaded_image *loaded)
{
  cordbg_unknown_unref(loaded->scope);
  cordbg_symbols_unref(loaded->symbols);
  cordbg_image_unref(loaded->metadata);
  g_clear_pointer(&loaded->no_symbols, g_free);
  loaded->scope = NULL;
  loaded->symbols = NULL;
  loaded->metadata = NULL;
}

HRESULT
cordbg_module_metadata(cordbg_module *module, cordbg_image **ret, cordbg_error *error)
{
  cordbg_loaded_image *loaded = loaded_of(module);
  bool grows = (module->flags & CORDBG_RT_MODULE_DYNAMIC) != 0;
  if (loaded->metadata == NULL || grows) {
    cordbg_image *image = NULL;
    HRESULT hr = open_metadata(module, loaded->mvid, &image, error);
    if (FAILED(hr))
      return hr;
    if (loaded->metadata != NULL && same_metadata(loaded->metadata, image))
      cordbg_image_unref(image);
    else {
      cordbg_loaded_image_forget(loaded);
      loaded->metadata = image;
    }
  }
  *ret = loaded->metadata;
  return S_OK;
}

HRESULT
cordbg_module_scope(cordbg_module *module, IUnknown **ret, cordbg_error *error)
{
  cordbg_loaded_image *loaded = loaded_of(module);
  cordbg_image *image;
  HRESULT hr = cordbg_module_metadata(module, &image, error);
  if (SUCCEEDED(hr) && loaded->scope == NULL) {
    hr = cordbg_metadata_scope_create(image, &IID_IUnknown, (void **)&loaded->scope);
    if (FAILED(hr))
      cordbg_error_set(error, hr, 0, 0, "out of memory");
  }
  if (SUCCEEDED(hr))
    *ret = loaded->scope;
  return hr;
}

HRESULT
cordbg_session_module_of_metadata(cordbg_session *session, cordbg_rt_id domain, IUnknown *metadata,
                                  cordbg_module **ret, cordbg_error *error)
{
  cordbg_image *image = cordbg_metadata_scope_image(metadata);
  GHashTableIter iterator;
  void *object;
  if (image == NULL)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "the metadata is not of cordbg's");
  g_hash_table_iter_init(&iterator, session->modules);
  while (g_hash_table_iter_next(&iterator, NULL, &object)) {
    cordbg_module *module = object;
    if (module->domain == domain && loaded_of(module)->metadata == image) {
      *ret = module;
      return S_OK;
    }
  }
  return cordbg_error_set(error, E_INVALIDARG, 0, 0,
                          "the metadata is that of no module in this domain");
}

/* ---- Symbols ---- */

static HRESULT
open_symbols(cordbg_module *module, cordbg_symbols **ret, cordbg_error *error)
{
  cordbg_loaded_image *loaded = loaded_of(module);
  cordbg_image *image, *file = NULL;
  HRESULT hr = cordbg_module_metadata(module, &image, error);
  if (FAILED(hr))
    return hr;
  /* Bare metadata does not say which symbols belong to it; the file that it came from does. */
  if (cordbg_image_pe(image) == NULL && SUCCEEDED(open_file(module, loaded->mvid, &file, NULL)))
    image = file;
  g_autofree char *path = file_of(module);
  hr = cordbg_symbols_open(image, path, NULL, ret, error);
  cordbg_image_unref(file);
  return hr;
}

HRESULT
cordbg_module_symbols(cordbg_module *module, cordbg_symbols **ret, cordbg_error *error)
{
  cordbg_loaded_image *loaded = loaded_of(module);
  if (loaded->symbols == NULL && loaded->no_symbols == NULL) {
    cordbg_error why = {.hr = S_OK};
    if (module->flags & CORDBG_RT_MODULE_DYNAMIC)
      return cordbg_error_set(error, CORDBG_E_SYMBOLS_NOT_AVAILABLE, 0, 0,
                              "a module emitted at run time has no symbols");
    if (FAILED(open_symbols(module, &loaded->symbols, &why))) {
      loaded->symbols = NULL;
      loaded->no_symbols = g_memdup2(&why, sizeof why);
    }
  }
  if (loaded->symbols == NULL)
    return cordbg_error_set(error, CORDBG_E_SYMBOLS_NOT_AVAILABLE, 0, 0, "%s",
                            loaded->no_symbols->sentence);
  *ret = loaded->symbols;
  return S_OK;
}
