/* SPDX-License-Identifier: MIT */
/*
 * Metadata of modules that are emitted at run time (AssemblyBuilder).
 *
 * The DAC gives no address for it. The runtime keeps a copy of such a module's metadata as it is
 * after each finished type (Module::DynamicMetadata, a length and the bytes), made for debuggers,
 * and says in its data-contract descriptor where the members lie: compact JSON, of which two types
 * are looked up here. A runtime whose descriptor has them not leaves its emitted modules without
 * metadata; nothing is guessed.
 */
#include "config.h"

#include <string.h>

#include "cordbg/native/symbols.h"
#include "runtime-shim/coreclr/coreclr-private.h"

enum { DESCRIPTOR_TEXT_MAX = 1 << 20, OFFSET_MAX = 1 << 16 };

#define DESCRIPTOR_MAGIC 0x0043414443434e44ull /* "DNCCDAC" */

typedef struct contract_descriptor {
  uint64_t magic;
  uint32_t flags;
  uint32_t text_size;
  uint64_t text;
} contract_descriptor;

/* The offset of a type's member: "type":{..."member":N... or [N,"its type"]. */
bool
cordbg_coreclr_find_member(const char *text, const char *type, const char *member, uint64_t *ret)
{
  g_autofree char *opening = g_strdup_printf("\"%s\":{", type);
  g_autofree char *key = g_strdup_printf("\"%s\":", member);
  const char *begin = strstr(text, opening);
  const char *end = begin ? strchr(begin, '}') : NULL;
  if (!end)
    return false;
  const char *found =
      g_strstr_len(begin + strlen(opening), end - begin - (gssize)strlen(opening), key);
  if (!found)
    return false;
  found += strlen(key);
  found += *found == '[';
  if (!g_ascii_isdigit(*found))
    return false;
  *ret = g_ascii_strtoull(found, NULL, 10);
  return *ret < OFFSET_MAX;
}

/* The descriptor's text, NUL-terminated; NULL: the runtime has none. */
char *
cordbg_coreclr_read_descriptor(cordbg_runtime *runtime)
{
  cordbg_modules *modules = NULL;
  cordbg_symbol symbol;
  contract_descriptor descriptor;
  char *text = NULL;

  if (FAILED(cordbg_modules_create_for_target(runtime->target, &modules, NULL)))
    return NULL;
  if (cordbg_symbol_find(modules, "/libcoreclr.so", "DotNetRuntimeContractDescriptor",
                         CORDBG_SYMBOLS_EXPORTED, &symbol, NULL) == S_OK &&
      SUCCEEDED(
          cordbg_coreclr_read(runtime, symbol.address, &descriptor, sizeof descriptor, NULL)) &&
      descriptor.magic == DESCRIPTOR_MAGIC && descriptor.text_size <= DESCRIPTOR_TEXT_MAX) {
    text = g_malloc0(descriptor.text_size + 1);
    if (FAILED(cordbg_coreclr_read(runtime, descriptor.text, text, descriptor.text_size, NULL)))
      g_clear_pointer(&text, g_free);
  }
  cordbg_modules_destroy(modules);
  return text;
}

/* Three numbers, kept with the runtime once they are known; found stays false when they are not. */
static const cordbg_coreclr_emitted *
find_layout(cordbg_runtime *runtime)
{
  cordbg_coreclr_emitted *layout = &runtime->emitted;

  if (!layout->looked) {
    g_autofree char *text = cordbg_coreclr_read_descriptor(runtime);
    layout->looked = true;
    layout->found =
        text && cordbg_coreclr_find_member(text, "Module", "DynamicMetadata", &layout->pointer) &&
        cordbg_coreclr_find_member(text, "DynamicMetadata", "Size", &layout->size) &&
        cordbg_coreclr_find_member(text, "DynamicMetadata", "Data", &layout->data);
  }
  return layout;
}

HRESULT
cordbg_coreclr_emitted_metadata(cordbg_runtime *runtime, const cordbg_coreclr_module *module,
                                cordbg_rt_metadata *ret, cordbg_error *error)
{
  const cordbg_coreclr_emitted *layout = find_layout(runtime);
  uint64_t copy = 0;
  uint32_t size = 0;

  if (!layout->found)
    return cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0,
                            "no metadata of %.80s: this runtime does not say where it keeps that "
                            "of emitted modules",
                            module->name);
  if (FAILED(cordbg_coreclr_read(runtime, module->module + layout->pointer, &copy, sizeof copy,
                                 error)))
    return CORDBG_E_MISSING_METADATA;
  if (!copy)
    return cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0,
                            "no metadata of %.80s: it has no finished type yet, or the runtime "
                            "keeps none (a collectible module)",
                            module->name);
  if (FAILED(cordbg_coreclr_read(runtime, copy + layout->size, &size, sizeof size, error)))
    return CORDBG_E_MISSING_METADATA;
  *ret = (cordbg_rt_metadata){.address = copy + layout->data, .size = size};
  return S_OK;
}
