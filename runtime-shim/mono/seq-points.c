/* SPDX-License-Identifier: MIT */
/*
 * Mono's sequence points: pairs of IL and native offset as zigzag LEB128 differences, in the order
 * of the native code. They exist without --debug.
 */
#include "config.h"

#include "runtime-shim/mono/mono-private.h"

/* What Mono writes for the method's entry and its exit. */
#define IL_ENTRY (-1)
#define IL_EXIT 0xffffff
#define FLAG_EXIT 2u

typedef struct point {
  int64_t il, native;
} point;

bool
cordbg_mono_leb128(const uint8_t *data, size_t size, size_t *at, uint32_t *ret)
{
  uint32_t value = 0;

  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (*at >= size)
      return false;
    uint8_t byte = data[(*at)++];
    if (shift == 28 && byte > 0x0f)
      return false;
    value |= (uint32_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) {
      *ret = value;
      return true;
    }
  }
  return false;
}

static bool
read_zigzag(const uint8_t *data, size_t size, size_t *at, int32_t *ret)
{
  uint32_t value;

  if (!cordbg_mono_leb128(data, size, at, &value))
    return false;
  *ret = (int32_t)(value >> 1) ^ -(int32_t)(value & 1);
  return true;
}

/* One point behind *last; false: the data is not sound. */
static bool
read_point(const uint8_t *data, size_t size, size_t *at, bool has_debug_data, point *last)
{
  int32_t il, native;
  uint32_t flags, successors, successor;

  if (!read_zigzag(data, size, at, &il) || !read_zigzag(data, size, at, &native))
    return false;
  last->il += il;
  last->native += native;
  if (!has_debug_data)
    return true;
  if (!cordbg_mono_leb128(data, size, at, &flags) ||
      !cordbg_mono_leb128(data, size, at, &successors) || successors > size)
    return false;
  if (flags & FLAG_EXIT)
    last->il = IL_EXIT;
  while (successors-- > 0)
    if (!cordbg_mono_leb128(data, size, at, &successor))
      return false;
  return true;
}

static gint
by_native(gconstpointer a, gconstpointer b)
{
  const cordbg_rt_map *left = a, *right = b;

  return left->native_start < right->native_start   ? -1
         : left->native_start > right->native_start ? 1
                                                    : 0;
}

static int32_t
il_of(int64_t il)
{
  if (il == IL_ENTRY)
    return CORDBG_RT_IL_PROLOG;
  if (il == IL_EXIT)
    return CORDBG_RT_IL_EPILOG;
  return (int32_t)il;
}

/* Sets the ends: each range reaches to the next; of several points at one place the first stays. */
static void
close_ranges(GArray *map, uint32_t code_size)
{
  guint kept = 0;

  for (guint i = 0; i < map->len; i++) {
    cordbg_rt_map *entry = &g_array_index(map, cordbg_rt_map, i);
    if (kept && g_array_index(map, cordbg_rt_map, kept - 1).native_start == entry->native_start)
      continue;
    g_array_index(map, cordbg_rt_map, kept++) = *entry;
  }
  g_array_set_size(map, kept);
  for (guint i = 0; i < kept; i++)
    g_array_index(map, cordbg_rt_map, i).native_end =
        i + 1 < kept ? g_array_index(map, cordbg_rt_map, i + 1).native_start : code_size;
}

HRESULT
cordbg_mono_decode_seq_points(const uint8_t *data, size_t size, bool has_debug_data,
                              uint32_t code_size, cordbg_rt_map **map, size_t *count)
{
  g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_map));
  cordbg_rt_map prolog = {.il = CORDBG_RT_IL_PROLOG, .native_start = 0};
  point last = {0, 0};

  for (size_t at = 0; at < size && points->len < CORDBG_RT_MAP_MAX;) {
    if (!read_point(data, size, &at, has_debug_data, &last))
      return E_INVALIDARG;
    if (last.native < 0 || last.native > code_size || last.il < IL_ENTRY || last.il > IL_EXIT)
      return E_INVALIDARG;
    cordbg_rt_map entry = {.il = il_of(last.il), .native_start = (uint32_t)last.native};
    if (entry.native_start < code_size)
      g_array_append_val(points, entry);
  }
  g_array_sort(points, by_native);
  if (points->len == 0 || g_array_index(points, cordbg_rt_map, 0).native_start != 0)
    g_array_prepend_val(points, prolog);
  close_ranges(points, code_size);
  *count = points->len;
  *map = (cordbg_rt_map *)(void *)g_array_free(g_steal_pointer(&points), FALSE);
  return S_OK;
}
