/* SPDX-License-Identifier: MIT */
/* What an address is: module, symbol, line; native ones by the files, managed ones by the runtime.
 */
#include "config.h"

#include <string.h>

#include "cordbg/native/demangle.h"
#include "cordbg/native/unwinder-private.h"

#define NAMES_MAX 65536u

/* The name as it is shown: of one symbol it is made once. */
static const char *
shown_name(cordbg_unwinder *unwinder, const char *name)
{
  const char *shown;

  if (name[0] != '_' || name[1] != 'Z')
    return name;
  shown = g_hash_table_lookup(unwinder->names, name);
  if (!shown) {
    char *fresh = cordbg_demangle(name);

    if (g_hash_table_size(unwinder->names) >= NAMES_MAX)
      g_hash_table_remove_all(unwinder->names);
    shown = fresh ? fresh : g_strdup(name);
    g_hash_table_insert(unwinder->names, (gpointer)name, (gpointer)shown);
  }
  return shown;
}

static void
native_place(cordbg_unwinder *unwinder, cordbg_native_image *image, uint64_t address,
             uint32_t wanted, cordbg_place *ret)
{
  const cordbg_module *module = image->module;
  cordbg_debug_info *debug;
  cordbg_source_line line;
  cordbg_symbol symbol;

  ret->kind = CORDBG_FRAME_NATIVE;
  ret->module = module->path;
  ret->module_base = module->start;
  ret->offset = address - module->start;
  if (!(wanted & CORDBG_PLACE_NO_SYMBOL) &&
      cordbg_symbol_at(unwinder->modules, address, &symbol, NULL, NULL) == S_OK) {
    ret->symbol = wanted & CORDBG_PLACE_MANGLED ? symbol.name : shown_name(unwinder, symbol.name);
    ret->symbol_start = symbol.address;
    ret->symbol_size = symbol.size;
    ret->exported = symbol.exported;
    ret->offset = address - symbol.address;
  }
  if ((wanted & CORDBG_PLACE_LINE) && (debug = cordbg_image_debug_info(unwinder, image)) &&
      cordbg_debug_info_line(debug, address - module->bias, &line)) {
    ret->file = line.file;
    ret->line = line.line;
    ret->column = line.column;
    ret->line_start = line.start + module->bias;
  }
}

/* What the runtime said of an address: good while the process stands still. */
typedef struct kept_place {
  uint64_t address;
  uint32_t wanted;
  HRESULT hr;
  cordbg_place place;
} kept_place;

#define KEPT_MAX 65536u

static const kept_place *
kept_at(cordbg_unwinder *unwinder, uint64_t address, uint32_t wanted)
{
  const kept_place *kept;

  if (unwinder->kept_of != unwinder->stillness || g_hash_table_size(unwinder->kept) >= KEPT_MAX) {
    g_hash_table_remove_all(unwinder->kept);
    g_string_chunk_clear(unwinder->texts);
    unwinder->kept_of = unwinder->stillness;
  }
  kept = g_hash_table_lookup(unwinder->kept, &address);
  return kept && (kept->wanted & wanted & CORDBG_PLACE_LINE) == (wanted & CORDBG_PLACE_LINE) ? kept
                                                                                             : NULL;
}

static void
keep(cordbg_unwinder *unwinder, uint64_t address, uint32_t wanted, HRESULT hr,
     const cordbg_place *place)
{
  kept_place *kept;

  if (unwinder->stillness == 0)
    return;
  kept = g_new(kept_place, 1);
  *kept = (kept_place){.address = address, .wanted = wanted, .hr = hr, .place = *place};
  kept->place.module = g_string_chunk_insert_const(unwinder->texts, place->module);
  kept->place.symbol = g_string_chunk_insert_const(unwinder->texts, place->symbol);
  kept->place.file = g_string_chunk_insert_const(unwinder->texts, place->file);
  g_hash_table_replace(unwinder->kept, &kept->address, kept);
}

static HRESULT
ask_runtime(cordbg_unwinder *unwinder, uint64_t address, uint32_t wanted, cordbg_place *ret,
            cordbg_error *error)
{
  cordbg_managed_place *place = unwinder->place;
  cordbg_managed_frames managed;
  HRESULT hr;

  if (!cordbg_unwinder_managed(unwinder, &managed))
    return E_NOTIMPL;
  memset(place, 0, sizeof(*place));
  place->il_offset = -1;
  hr = managed.describe(managed.data, address, wanted & CORDBG_PLACE_LINE, place, error);
  managed.unref(managed.data);
  if (hr != S_OK)
    return hr;
  place->name[sizeof(place->name) - 1] = 0;
  place->module[sizeof(place->module) - 1] = 0;
  place->file[sizeof(place->file) - 1] = 0;
  ret->kind = CORDBG_FRAME_MANAGED;
  ret->module = place->module;
  ret->module_base = place->module_base;
  ret->symbol = place->name;
  ret->symbol_start = place->start;
  ret->symbol_size = place->size;
  ret->offset = address - place->start;
  ret->token = place->token;
  ret->il_offset = place->il_offset;
  ret->file = place->file;
  ret->line = place->line;
  ret->column = place->column;
  return S_OK;
}

static HRESULT
managed_place(cordbg_unwinder *unwinder, uint64_t address, uint32_t wanted, cordbg_place *ret,
              cordbg_error *error)
{
  const kept_place *kept = kept_at(unwinder, address, wanted);
  HRESULT hr;

  if (kept) {
    if (kept->hr == S_OK)
      *ret = kept->place;
    return kept->hr;
  }
  hr = ask_runtime(unwinder, address, wanted, ret, error);
  if (hr == E_NOTIMPL) /* there is none */
    return S_FALSE;
  if (hr == S_OK || hr == S_FALSE)
    keep(unwinder, address, wanted, hr, ret);
  return hr;
}

/* An image of code that a runtime compiled ahead: an ELF file whose functions unwind by other
   means than ELF's. */
static bool
is_of_runtime(cordbg_unwinder *unwinder, cordbg_native_image *image)
{
  cordbg_managed_frames managed;

  if (!image->kind_known && cordbg_unwinder_managed(unwinder, &managed)) {
    cordbg_unwind_data *data = cordbg_image_unwind_data(unwinder, image);

    managed.unref(managed.data);
    image->of_runtime = data && cordbg_unwind_data_is_empty(data);
    image->kind_known = true;
  }
  return image->of_runtime;
}

/*
 * Of a runtime's own images the runtime is asked first: it knows methods and lines, where the file
 * has mangled names at best. Elsewhere the file is, and the runtime where that has no symbol.
 */
static HRESULT
place_at(cordbg_unwinder *unwinder, uint64_t address, uint32_t wanted, cordbg_place *ret,
         cordbg_error *error)
{
  const kept_place *kept = kept_at(unwinder, address, wanted);
  cordbg_native_image *image;
  HRESULT hr = S_FALSE;
  bool asked;

  if (kept && kept->hr == S_OK) { /* not even its mapping is looked at */
    *ret = kept->place;
    return S_OK;
  }
  image = cordbg_unwinder_image(unwinder, address);
  asked = !image || is_of_runtime(unwinder, image);
  memset(ret, 0, sizeof(*ret));
  ret->module = ret->symbol = ret->file = "";
  ret->il_offset = -1;
  if (asked)
    hr = managed_place(unwinder, address, wanted, ret, error);
  if (!image || hr == S_OK)
    return hr;
  native_place(unwinder, image, address, wanted, ret);
  if (!asked && !*ret->symbol && !(wanted & CORDBG_PLACE_NO_SYMBOL))
    (void)managed_place(unwinder, address, wanted, ret, NULL);
  return S_OK;
}

static void
shift(cordbg_place *place, uint64_t by)
{
  if (place->symbol_start || place->module_base)
    place->offset += by;
}

HRESULT
cordbg_place_at(cordbg_unwinder *unwinder, uint64_t address, uint32_t wanted, cordbg_place *ret,
                cordbg_error *error)
{
  HRESULT hr = cordbg_unwinder_begin(unwinder, NULL, false, error);

  if (FAILED(hr))
    return hr;
  hr = place_at(unwinder, address, wanted, ret, error);
  cordbg_unwinder_end(unwinder);
  return hr;
}

HRESULT
cordbg_stack_describe(cordbg_unwinder *unwinder, const cordbg_frame *frame, uint32_t wanted,
                      cordbg_place *ret, cordbg_error *error)
{
  uint64_t before = frame->returns;
  HRESULT hr = cordbg_place_at(unwinder, frame->registers.rip - before, wanted, ret, error);

  if (SUCCEEDED(hr)) {
    shift(ret, before);
    if (frame->kind == CORDBG_FRAME_STUB)
      ret->kind = CORDBG_FRAME_STUB;
  }
  return hr;
}
