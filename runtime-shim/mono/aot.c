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
#define GROUP_MAX 64u
#define EX_INFO_HOLES 0x20u

/* MonoAotFileInfo, where it is read. */
enum {
  AOT_VERSION = 171, /* Mono 6.8 */
  AOT_CODE_START = 0x30,
  AOT_CODE_END = 0x38,
  AOT_METHOD_ADDRESSES = 0x40,
  AOT_BLOB = 0x58,
  AOT_EX_INFO_OFFSETS = 0x78,
  AOT_ASSEMBLY_GUID = 0xb8,
  AOT_PLT = 0x108,
  AOT_PLT_END = 0x110,
  AOT_UNWIND_INFO = 0x118,
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
  uint64_t plt, plt_end;
  uint64_t blob, ex_info_offsets, unwind_info;
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
      cordbg_export_find(cordbg_mono_peek_target, runtime->target, base, "mono_aot_file_info");

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
  aot->plt = word_at(info, AOT_PLT);
  aot->plt_end = word_at(info, AOT_PLT_END);
  aot->blob = word_at(info, AOT_BLOB);
  aot->ex_info_offsets = word_at(info, AOT_EX_INFO_OFFSETS);
  aot->unwind_info = word_at(info, AOT_UNWIND_INFO);
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

/* NULL: no body holds address. */
static const aot_body *
body_at(cordbg_runtime *runtime, struct cordbg_mono_aot *aot, uint64_t address)
{
  if (address < aot->code_start || address >= aot->code_end || !load(runtime, aot))
    return NULL;
  guint low = 0, high = aot->bodies->len;
  while (low < high) { /* the last body that starts at or below address */
    guint middle = low + (high - low) / 2;
    if (g_array_index(aot->bodies, aot_body, middle).start <= address)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0)
    return NULL;
  const aot_body *body = &g_array_index(aot->bodies, aot_body, low - 1);
  return address - body->start < body->size ? body : NULL;
}

bool
cordbg_mono_aot_at(cordbg_runtime *runtime, cordbg_mono_module *module, uint64_t address,
                   uint32_t *token)
{
  struct cordbg_mono_aot *aot = image_of(runtime, module);
  const aot_body *body = aot ? body_at(runtime, aot, address) : NULL;
  const cordbg_image *image = body ? cordbg_mono_metadata(runtime, module, NULL) : NULL;

  /* Behind the methods of the metadata come wrappers and instances. */
  if (!image ||
      body->index >= cordbg_metadata_rows(cordbg_image_metadata(image), CORDBG_TABLE_METHOD_DEF))
    return false;
  *token = 0x06000000u | (body->index + 1);
  return true;
}

/* ---- Their unwind information ---- */

static struct cordbg_mono_aot *
image_at(cordbg_runtime *runtime, uint64_t address)
{
  for (guint i = 0; i < runtime->modules->len; i++)
    image_of(runtime, runtime->modules->pdata[i]);
  for (guint i = 0; i < runtime->aot_images->len; i++) {
    struct cordbg_mono_aot *aot = runtime->aot_images->pdata[i];
    if ((address >= aot->code_start && address < aot->code_end) ||
        (address >= aot->plt && address < aot->plt_end))
      return aot;
  }
  return NULL;
}

bool
cordbg_mono_aot_holds(cordbg_runtime *runtime, uint64_t address)
{
  return image_at(runtime, address) != NULL;
}

uint64_t
cordbg_mono_aot_unwind_base(cordbg_runtime *runtime, uint64_t address)
{
  const struct cordbg_mono_aot *aot = image_at(runtime, address);

  return aot ? aot->unwind_info : 0;
}

bool
cordbg_mono_aot_number(const uint8_t *data, size_t size, size_t *at, uint32_t *ret)
{
  static const struct {
    uint8_t limit, mask, bytes;
  } forms[] = {{0x80, 0x7f, 1}, {0xc0, 0x3f, 2}, {0xff, 0x1f, 4}};

  if (*at >= size)
    return false;
  uint8_t first = data[*at];
  size_t bytes = 5;
  uint32_t value = 0;
  for (size_t i = G_N_ELEMENTS(forms); i-- > 0;)
    if (first < forms[i].limit) {
      bytes = forms[i].bytes;
      value = first & forms[i].mask;
    }
  if (size - *at < bytes)
    return false;
  for (size_t i = 1; i < bytes; i++)
    value = value << 8 | data[*at + i];
  *at += bytes;
  *ret = value;
  return true;
}

/* Where a body's ex_info is in the blob: offsets are kept in groups of differences. */
static bool
ex_info_offset(cordbg_runtime *runtime, const struct cordbg_mono_aot *aot, uint32_t index,
               uint32_t *ret)
{
  uint32_t head[4]; /* bodies, bodies in a group, groups, bytes of an entry of the group index */
  uint8_t data[GROUP_MAX * 5] = {0};
  uint32_t start = 0, offset = 0;
  size_t got = 0, at = 0;

  if (cordbg_mono_read(runtime, aot->ex_info_offsets, head, sizeof(head), NULL) != S_OK ||
      index >= head[0] || head[1] == 0 || head[1] > GROUP_MAX || index / head[1] >= head[2] ||
      head[2] > AOT_METHODS_MAX || (head[3] != 2 && head[3] != 4))
    return false;
  uint64_t groups = aot->ex_info_offsets + sizeof(head);
  if (cordbg_mono_read(runtime, groups + (uint64_t)(index / head[1]) * head[3], &start, head[3],
                       NULL) != S_OK)
    return false;
  cordbg_target_read(runtime->target, CORDBG_VIEW_PRISTINE,
                     groups + (uint64_t)head[2] * head[3] + start, data, sizeof(data), &got, NULL);
  for (uint32_t i = 0; i <= index % head[1]; i++) {
    uint32_t difference;
    if (!cordbg_mono_aot_number(data, got, &at, &difference))
      return false;
    offset += difference;
  }
  *ret = offset;
  return true;
}

bool
cordbg_mono_aot_unwind(cordbg_runtime *runtime, uint64_t address, uint64_t *start, uint32_t *size,
                       uint32_t *unwind_info)
{
  struct cordbg_mono_aot *aot = image_at(runtime, address);
  const aot_body *body = aot ? body_at(runtime, aot, address) : NULL;
  uint8_t data[4 * 5] = {0};
  uint32_t offset, flags, holes;
  size_t got = 0, at = 0;

  if (!body || !ex_info_offset(runtime, aot, body->index, &offset))
    return false;
  cordbg_target_read(runtime->target, CORDBG_VIEW_PRISTINE, aot->blob + offset, data, sizeof(data),
                     &got, NULL);
  if (!cordbg_mono_aot_number(data, got, &at, &flags) ||
      !cordbg_mono_aot_number(data, got, &at, unwind_info) ||
      ((flags & EX_INFO_HOLES) && !cordbg_mono_aot_number(data, got, &at, &holes)) ||
      !cordbg_mono_aot_number(data, got, &at, size))
    return false;
  *start = body->start;
  /* What stands behind the body is no part of it: a PLT, trampolines. */
  return *size <= body->size && address - body->start < *size;
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
