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

#include "runtime-shim/coreclr/coreclr-private.h"

enum { DESCRIPTOR_TEXT_MAX = 1 << 20, OFFSET_MAX = 1 << 16 };

#define DESCRIPTOR_MAGIC 0x0043414443434e44ull /* "DNCCDAC" */

typedef struct contract_descriptor {
  uint64_t magic;
  uint32_t flags;
  uint32_t text_size;
  uint64_t text;
  uint32_t pointer_count;
  uint32_t pad;
  uint64_t pointers;
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

static void
read_descriptor(cordbg_runtime *runtime)
{
  uint64_t address =
      cordbg_coreclr_export(runtime, runtime->info.base, "DotNetRuntimeContractDescriptor");
  contract_descriptor descriptor;
  cordbg_coreclr_descriptor *ret = &runtime->descriptor;

  if (!address ||
      FAILED(cordbg_coreclr_read(runtime, address, &descriptor, sizeof descriptor, NULL)) ||
      descriptor.magic != DESCRIPTOR_MAGIC || descriptor.text_size > DESCRIPTOR_TEXT_MAX)
    return;
  ret->text = g_malloc0(descriptor.text_size + 1);
  if (FAILED(cordbg_coreclr_read(runtime, descriptor.text, ret->text, descriptor.text_size, NULL)))
    g_clear_pointer(&ret->text, g_free);
  ret->pointers = descriptor.pointers;
  ret->pointer_count = descriptor.pointer_count;
}

const cordbg_coreclr_descriptor *
cordbg_coreclr_get_descriptor(cordbg_runtime *runtime)
{
  if (!runtime->descriptor_looked)
    read_descriptor(runtime);
  runtime->descriptor_looked = true;
  return runtime->descriptor.text ? &runtime->descriptor : NULL;
}

/* "name":[[N],"pointer"]: the N-th of the descriptor's addresses. */
bool
cordbg_coreclr_find_global(cordbg_runtime *runtime, const char *name, uint64_t *ret)
{
  const cordbg_coreclr_descriptor *descriptor = cordbg_coreclr_get_descriptor(runtime);
  const char *globals = descriptor ? strstr(descriptor->text, "\"globals\":{") : NULL;
  g_autofree char *key = g_strdup_printf("\"%s\":[[", name);
  const char *found = globals ? strstr(globals, key) : NULL;
  char *end = NULL;

  if (!found)
    return false;
  uint64_t index = g_ascii_strtoull(found + strlen(key), &end, 10);
  return end != found + strlen(key) && *end == ']' && index < descriptor->pointer_count &&
         SUCCEEDED(cordbg_coreclr_read(runtime, descriptor->pointers + index * sizeof *ret, ret,
                                       sizeof *ret, NULL));
}

/* Three numbers, kept with the runtime once they are known; found stays false when they are not. */
static const cordbg_coreclr_emitted *
find_layout(cordbg_runtime *runtime)
{
  cordbg_coreclr_emitted *layout = &runtime->emitted;

  if (!layout->looked) {
    const cordbg_coreclr_descriptor *descriptor = cordbg_coreclr_get_descriptor(runtime);
    const char *text = descriptor ? descriptor->text : NULL;
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
