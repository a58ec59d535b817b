/* SPDX-License-Identifier: MIT */
/*
 * metadata-lines <TRACES: each line of standard input is a frame of a stack trace as the runtime
 * that ran it printed it (throws.cs): module, method token, IL offset, line, file. Compares file
 * and line with what cordbg makes of token and offset. Exit 1 when they differ, or when there are
 * fewer different frames than the program has.
 */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cordbg/metadata/symbols.h"

enum { FRAMES_AT_LEAST = 30 };

typedef struct frame {
  char module[512], file[256];
  uint32_t token, offset, line;
} frame;

static cordbg_symbols *
open_symbols(const char *module)
{
  cordbg_image *image;
  cordbg_symbols *symbols;
  cordbg_error error = {0};
  HRESULT hr = cordbg_image_open_file(module, &image, &error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_symbols_open(image, module, NULL, &symbols, &error);
    cordbg_image_unref(image);
  }
  if (SUCCEEDED(hr))
    return symbols;
  printf("%s: %s\n", module, error.sentence);
  exit(1);
}

/* "LINE FILE" as cordbg has it. */
static char *
own_place(const cordbg_symbols *symbols, const frame *f)
{
  cordbg_method_symbols *method;
  if (FAILED(cordbg_symbols_method(symbols, f->token, &method, NULL)))
    return g_strdup("no such method");
  const cordbg_sequence_point *point = cordbg_method_symbols_point_at(method, f->offset);
  const cordbg_document *document =
      point ? cordbg_symbols_document(symbols, point->document) : NULL;
  char *place = g_strdup("no line");
  if (document) {
    g_autofree char *name = g_path_get_basename(document->url);
    g_free(place);
    place = g_strdup_printf("%u %s", point->start_line, name);
  }
  cordbg_method_symbols_free(method);
  return place;
}

int
main(void)
{
  GHashTable *modules =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)cordbg_symbols_unref);
  GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  char line[1024];
  unsigned differences = 0, frames = 0;
  while (fgets(line, sizeof line, stdin)) {
    frame f;
    if (sscanf(line, "%511s %x %u %u %255s", f.module, &f.token, &f.offset, &f.line, f.file) != 5) {
      printf("not a frame: %s", line);
      return 1;
    }
    frames++;
    if (!g_hash_table_add(seen, g_strdup(line)))
      continue;
    cordbg_symbols *symbols = g_hash_table_lookup(modules, f.module);
    if (!symbols) {
      symbols = open_symbols(f.module);
      g_hash_table_insert(modules, g_strdup(f.module), symbols);
    }
    g_autofree char *theirs = g_strdup_printf("%u %s", f.line, f.file);
    g_autofree char *ours = own_place(symbols, &f);
    if (strcmp(theirs, ours) == 0)
      continue;
    differences++;
    printf("%08x at IL %u\n  runtime: %s\n  cordbg:  %s\n", f.token, f.offset, theirs, ours);
  }
  unsigned different = g_hash_table_size(seen);
  printf("%u frames, %u of them different ones, %u differences\n", frames, different, differences);
  g_hash_table_unref(seen);
  g_hash_table_unref(modules);
  return differences || different < FRAMES_AT_LEAST ? 1 : 0;
}
