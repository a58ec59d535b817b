/* SPDX-License-Identifier: MIT */
/*
 * Code that was compiled ahead of time and that the runtime has not listed: it enters an AOT body
 * into its table of code only when it has to (a stack walk, a profiler that asks). A method of
 * mscorlib may so have run a thousand times and be in no table.
 *
 * An AOT image is a shared library beside the assembly; it exports `mono_aot_file_info`, whose
 * version, guid and tables are checked before they are used. Its method table has one `call` a
 * method, in the order of the tokens; the call's target is the body, or the table itself for a
 * method that has none. A body's size is not stored: it ends, at most, where the next one begins.
 * Its IL map is not read either (it lies in a packed blob): what is known is that IL 0 is at the
 * start. Once the runtime lists the body both are exact.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "runtime-shim/mono/mono-private.h"

#define AOT_METHODS_MAX (1u << 20)
#define AOT_IMAGES_MAX 4096u
#define AOT_ENTRY_BYTES 5u

/* MonoAotFileInfo, where it is read. */
enum {
  AOT_VERSION = 171, /* Mono 6.8 */
  AOT_CODE_START = 0x30,
  AOT_CODE_END = 0x38,
  AOT_METHOD_ADDRESSES = 0x40,
  AOT_ASSEMBLY_GUID = 0xb8,
  AOT_METHOD_COUNT = 0x144,
  AOT_INFO_BYTES = 0x148,
};

typedef struct aot_body {
  uint64_t start;
  uint32_t index; /* token - 1 */
  uint32_t size;
} aot_body;

struct cordbg_mono_aot {
  uint64_t base;
  uint8_t guid[16];
  uint64_t code_start, code_end;
  uint64_t table;
  uint32_t method_count;
  bool loaded;
  GArray *bodies;     /* of aot_body, by start */
  uint32_t *by_index; /* index -> position in bodies + 1; 0: no body */
};

static void
free_aot(void *data)
{
  struct cordbg_mono_aot *aot = data;

  if (aot->bodies)
    g_array_unref(aot->bodies);
  g_free(aot->by_index);
  g_free(aot);
}

/* ---- Finding the images ---- */

static uint64_t
word_at(const uint8_t *bytes, size_t at)
{
  uint64_t value;

  memcpy(&value, bytes + at, sizeof(value));
  return value;
}

static void
add_image(cordbg_runtime *runtime, uint64_t base)
{
  uint8_t info[AOT_INFO_BYTES];
  uint32_t version, count;
  uint64_t address =
      cordbg_mono_export(cordbg_mono_peek_target, runtime->target, base, "mono_aot_file_info");

  if (!address || cordbg_mono_read(runtime, address, info, sizeof(info), NULL) != S_OK)
    return;
  memcpy(&version, info, 4);
  memcpy(&count, info + AOT_METHOD_COUNT, 4);
  g_autofree char *guid = cordbg_mono_read_string(runtime, word_at(info, AOT_ASSEMBLY_GUID));
  if (version != AOT_VERSION || count == 0 || count > AOT_METHODS_MAX || !guid)
    return;
  struct cordbg_mono_aot *aot = g_new0(struct cordbg_mono_aot, 1);
  aot->base = base;
  cordbg_mono_parse_guid(guid, aot->guid);
  aot->code_start = word_at(info, AOT_CODE_START);
  aot->code_end = word_at(info, AOT_CODE_END);
  aot->table = word_at(info, AOT_METHOD_ADDRESSES);
  aot->method_count = count;
  if (aot->code_start < aot->code_end && aot->code_end - aot->code_start < UINT32_MAX)
    g_ptr_array_add(runtime->aot_images, aot);
  else
    free_aot(aot);
}

static bool
is_known(const cordbg_runtime *runtime, uint64_t base)
{
  for (guint i = 0; i < runtime->aot_images->len; i++)
    if (((struct cordbg_mono_aot *)runtime->aot_images->pdata[i])->base == base)
      return true;
  return false;
}

/* AOT images are never unloaded; a new one comes with a new module. */
static void
find_images(cordbg_runtime *runtime)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/maps", runtime->pid);
  FILE *maps = fopen(path, "re");
  char line[8192];
  uint64_t start, offset;

  while (maps && fgets(line, sizeof(line), maps) && runtime->aot_images->len < AOT_IMAGES_MAX)
    if ((strstr(line, ".dll.so") || strstr(line, ".exe.so")) &&
        sscanf(line, "%" G_GINT64_MODIFIER "x-%*s %*4s %" G_GINT64_MODIFIER "x", &start, &offset) ==
            2 &&
        offset == 0 && !is_known(runtime, start))
      add_image(runtime, start);
  if (maps)
    fclose(maps);
}

static struct cordbg_mono_aot *
image_of(cordbg_runtime *runtime, cordbg_mono_module *module)
{
  static const uint8_t none[16];

  if (module->aot_checked)
    return module->aot;
  module->aot_checked = true;
  if (memcmp(module->mvid, none, sizeof(none)) == 0)
    return NULL;
  find_images(runtime);
  for (guint i = 0; i < runtime->aot_images->len; i++) {
    struct cordbg_mono_aot *aot = runtime->aot_images->pdata[i];
    if (memcmp(aot->guid, module->mvid, sizeof(aot->guid)) == 0)
      module->aot = aot;
  }
  return module->aot;
}

/* ---- Their methods ---- */

static gint
by_start(gconstpointer a, gconstpointer b)
{
  const aot_body *left = a, *right = b;

  return left->start < right->start ? -1 : left->start > right->start;
}

/* Reads the method table, at the first question. False: it is not as expected. */
static bool
load(cordbg_runtime *runtime, struct cordbg_mono_aot *aot)
{
  size_t size = (size_t)aot->method_count * AOT_ENTRY_BYTES;

  if (aot->loaded)
    return aot->bodies != NULL;
  aot->loaded = true;
  g_autofree uint8_t *entries = g_malloc(size);
  if (cordbg_mono_read(runtime, aot->table, entries, size, NULL) != S_OK)
    return false;
  g_autoptr(GArray) bodies = g_array_new(FALSE, FALSE, sizeof(aot_body));
  for (uint32_t i = 0; i < aot->method_count; i++) {
    const uint8_t *entry = entries + (size_t)i * AOT_ENTRY_BYTES;
    int32_t distance;
    if (entry[0] != 0xe8) /* call */
      return false;
    memcpy(&distance, entry + 1, sizeof(distance));
    aot_body body = {.index = i,
                     .start = aot->table + (uint64_t)(i + 1) * AOT_ENTRY_BYTES + (int64_t)distance};
    if (body.start >= aot->code_start && body.start < aot->code_end)
      g_array_append_val(bodies, body);
  }
  g_array_sort(bodies, by_start);
  aot->by_index = g_new0(uint32_t, aot->method_count);
  for (guint i = 0; i < bodies->len; i++) {
    aot_body *body = &g_array_index(bodies, aot_body, i);
    uint64_t end =
        i + 1 < bodies->len ? g_array_index(bodies, aot_body, i + 1).start : aot->code_end;
    body->size = (uint32_t)MIN(end - body->start, CORDBG_MONO_CODE_MAX);
    aot->by_index[body->index] = i + 1;
  }
  aot->bodies = g_steal_pointer(&bodies);
  return true;
}

bool
cordbg_mono_aot_body(cordbg_runtime *runtime, cordbg_mono_module *module, uint32_t token,
                     uint64_t *start, uint32_t *size)
{
  struct cordbg_mono_aot *aot = image_of(runtime, module);
  uint32_t index = (token & 0xffffff) - 1;

  if (!aot || token >> 24 != 0x06 || !load(runtime, aot) || index >= aot->method_count ||
      !aot->by_index[index])
    return false;
  const aot_body *body = &g_array_index(aot->bodies, aot_body, aot->by_index[index] - 1);
  *start = body->start;
  *size = body->size;
  return true;
}

bool
cordbg_mono_aot_at(cordbg_runtime *runtime, cordbg_mono_module *module, uint64_t address,
                   uint32_t *token)
{
  struct cordbg_mono_aot *aot = image_of(runtime, module);

  if (!aot || address < aot->code_start || address >= aot->code_end || !load(runtime, aot))
    return false;
  guint low = 0, high = aot->bodies->len;
  while (low < high) { /* the last body that starts at or below address */
    guint middle = low + (high - low) / 2;
    if (g_array_index(aot->bodies, aot_body, middle).start <= address)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0)
    return false;
  const aot_body *body = &g_array_index(aot->bodies, aot_body, low - 1);
  if (address - body->start >= body->size)
    return false;
  *token = 0x06000000u | (body->index + 1);
  return true;
}

void
cordbg_mono_make_aot(cordbg_runtime *runtime)
{
  runtime->aot_images = g_ptr_array_new_with_free_func(free_aot);
}

void
cordbg_mono_free_aot(cordbg_runtime *runtime)
{
  g_ptr_array_unref(runtime->aot_images);
}
