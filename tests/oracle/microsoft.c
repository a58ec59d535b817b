/* SPDX-License-Identifier: MIT */
/*
 * metadata-microsoft LIBCORECLR IMAGE...
 * metadata-microsoft --dac LIBCORECLR PROGRAM: calls every method of IMetaDataImport2,
 * IMetaDataAssemblyImport and IMetaDataTables2 on Microsoft's own component and on cordbg's with
 * the same arguments - all tokens of an image, nil and wild ones, buffers of several sizes, outputs
 * left out - and compares results, outputs and what was left untouched. Exit 1 when they differ, 77
 * when the runtime cannot be hosted.
 *
 * Both are called through the same headers, so the comparison also proves the slots.
 */
#include "config.h"

#include <dlfcn.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cordbg/com/utf16.h"
#include "tests/oracle/microsoft.h"

enum { SHOWN_PER_METHOD = 2 };

side sides[2]; /* Microsoft's, ours */
bool by_dac;
static unsigned long calls, differences;
static GHashTable *per_method;

/* What a call gave, as text: two calls agree when the texts do. */
GString *results[2];

/*
 * With a buffer that has no room Microsoft's writes the whole name all the same, beyond the
 * caller's buffer; that is not imitated, nor compared.
 */
void
out_name(int i, const WCHAR *name, HRESULT hr, ULONG cch)
{
  if (cch == 0)
    return;
  size_t units = cordbg_utf16_length(name, NAME_ROOM);
  OUT(" name[%zu]", units);
  for (size_t u = 0; u < units && u < cch; u++)
    OUT("%04x", name[u]);
  (void)hr;
}

void
out_bytes(int i, const void *data, ULONG size)
{
  if (data == (const void *)-1) {
    OUT(" untouched");
    return;
  }
  uint64_t hash = 1469598103934665603u;
  for (ULONG b = 0; data && size != 0xcccccccc && b < size; b++)
    hash = (hash ^ ((const uint8_t *)data)[b]) * 1099511628211u;
  OUT(" %s %x:%" G_GINT64_MODIFIER "x", data ? "data" : "null", size, hash);
}

void
settle(const char *method, const char *shown_arguments)
{
  calls++;
  if (strcmp(results[0]->str, results[1]->str) != 0) {
    differences++;
    guint shown = GPOINTER_TO_UINT(g_hash_table_lookup(per_method, method));
    g_hash_table_insert(per_method, (gpointer)method, GUINT_TO_POINTER(shown + 1));
    if (shown < SHOWN_PER_METHOD)
      printf("%s(%s)\n  microsoft: %.6000s\n  cordbg:    %.6000s\n", method, shown_arguments,
             results[0]->str, results[1]->str);
  }
  g_string_truncate(results[0], 0);
  g_string_truncate(results[1], 0);
}

char arguments[256];
const room rooms[ROOMS] = {{true, NAME_ROOM, true}, {false, 0, true},         {true, 3, true},
                           {true, 0, true},         {true, NAME_ROOM, false}, {false, 0, false}};

typedef int (*initialize_fn)(const char *, const char *, int, const char **, const char **, void **,
                             unsigned *);
typedef HRESULT (*get_dispenser_fn)(const GUID *, const GUID *, void **);

static IMetaDataDispenser *
host(const char *library)
{
  void *handle = dlopen(library, RTLD_NOW);
  if (!handle) {
    printf("SKIP: %s\n", dlerror());
    return NULL;
  }
  g_autofree char *directory = g_path_get_dirname(library);
  g_autofree char *core = g_build_filename(directory, "System.Private.CoreLib.dll", NULL);
  const char *keys[] = {"TRUSTED_PLATFORM_ASSEMBLIES"}, *values[] = {core};
  initialize_fn initialize = (initialize_fn)dlsym(handle, "coreclr_initialize");
  get_dispenser_fn get = (get_dispenser_fn)dlsym(handle, "MetaDataGetDispenser");
  void *runtime;
  unsigned domain;
  if (!initialize || !get || initialize(core, "oracle", 1, keys, values, &runtime, &domain) < 0) {
    printf("SKIP: %s cannot be started\n", library);
    return NULL;
  }
  IMetaDataDispenser *dispenser = NULL;
  if (FAILED(get(&CLSID_CorMetaDataDispenser, &IID_IMetaDataDispenser, (void **)&dispenser)))
    printf("SKIP: %s gives no dispenser\n", library);
  return dispenser;
}

static HRESULT
open_side(IMetaDataDispenser *dispenser, const char *path, side *ret)
{
  g_autofree gunichar2 *wide = g_utf8_to_utf16(path, -1, NULL, NULL, NULL);
  HRESULT hr = IMetaDataDispenser_OpenScope(dispenser, wide, 0, &IID_IMetaDataImport2,
                                            (IUnknown **)&ret->import);
  if (FAILED(hr))
    return hr;
  IMetaDataImport2_QueryInterface(ret->import, &IID_IMetaDataAssemblyImport,
                                  (void **)&ret->assembly);
  IMetaDataImport2_QueryInterface(ret->import, &IID_IMetaDataTables2, (void **)&ret->tables);
  return hr;
}

void
close_side(side *s)
{
  IMetaDataTables2_Release(s->tables);
  IMetaDataAssemblyImport_Release(s->assembly);
  IMetaDataImport2_Release(s->import);
}

/* The images named, opened by the runtime's dispenser. How many there were; 0: it cannot be hosted.
 */
static unsigned
compare_files(IMetaDataDispenser *ours, int argc, char **argv)
{
  IMetaDataDispenser *dispensers[2] = {argc > 1 ? host(argv[1]) : NULL, ours};
  if (!dispensers[0])
    return 0;
  for (int a = 2; a < argc; a++) {
    HRESULT hr[2];
    BOTH hr[i] = open_side(dispensers[i], argv[a], &sides[i]);
    BOTH OUT("%08x", (unsigned)hr[i]);
    settle("OpenScope", argv[a]);
    if (SUCCEEDED(hr[0]) && SUCCEEDED(hr[1]))
      compare_everything();
    BOTH if (SUCCEEDED(hr[i])) close_side(&sides[i]);
  }
  return (unsigned)(argc - 2);
}

int
main(int argc, char **argv)
{
  IMetaDataDispenser *ours;
  bool dac = argc == 4 && strcmp(argv[1], "--dac") == 0;
  if (FAILED(cordbg_metadata_dispenser_create(&IID_IMetaDataDispenser, (void **)&ours)))
    return 2;
  per_method = g_hash_table_new(g_str_hash, g_str_equal);
  results[0] = g_string_new(NULL);
  results[1] = g_string_new(NULL);
  unsigned compared =
      dac ? compare_with_dac(ours, argv[2], argv[3]) : compare_files(ours, argc, argv);
  if (compared == 0 && !dac)
    return 77;
  printf("%u %s, %lu comparisons, %lu differences\n", compared,
         dac ? "modules of a process, by the DAC" : "images", calls, differences);
  GHashTableIter iter;
  gpointer method, count;
  g_hash_table_iter_init(&iter, per_method);
  while (g_hash_table_iter_next(&iter, &method, &count))
    printf("  %s: %u\n", (char *)method, GPOINTER_TO_UINT(count));
  return differences || compared == 0 ? 1 : 0;
}
