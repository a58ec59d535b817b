/* SPDX-License-Identifier: MIT */
/*
 * metadata-compare DUMP: reads the output of dump.cs (DUMP, "-" for standard input) and makes the
 * same text from cordbg's own reading of each image that it names. Prints the differences, the
 * first few of each image in full, and a summary. Exit 1 when there are any.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/oracle/describe.h"

enum { SHOWN_PER_IMAGE = 3 };

typedef struct comparison {
  char *path;
  GString *own; /* cordbg's text of the image, NULL before the first */
  gsize at;     /* what of it has been compared */
  unsigned shown;
  bool skipped;
  unsigned long images, lines, differences, native, undecodable;
} comparison;

static void
report(comparison *c, const char *oracle, const char *own)
{
  c->differences++;
  if (c->shown++ >= SHOWN_PER_IMAGE)
    return;
  printf("%s\n  oracle: %s\n  cordbg: %s\n", c->path, oracle, own);
}

static void
finish_image(comparison *c)
{
  if (c->own && !c->skipped && c->at < c->own->len)
    report(c, "(end)", c->own->str + c->at);
}

/* The image that a file of symbols lies beside; NULL: none. */
static cordbg_image *
image_beside(const char *path)
{
  cordbg_image *image = NULL;
  g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".pdb"));
  g_autofree char *beside =
      g_str_has_suffix(path, ".pdb") ? g_strconcat(stem, ".dll", NULL) : g_strdup(stem);
  return SUCCEEDED(cordbg_image_open_file(beside, &image, NULL)) ? image : NULL;
}

/* Symbols: a file of them, or the image that carries them. */
static HRESULT
describe_symbols_of(const char *path, GString *text, cordbg_error *error)
{
  cordbg_symbols *symbols;
  cordbg_image *image = NULL;
  HRESULT hr;
  if (g_str_has_suffix(path, ".pdb") || g_str_has_suffix(path, ".mdb")) {
    image = image_beside(path);
    hr = cordbg_symbols_open_file(path, NULL, &symbols, error);
  } else {
    hr = cordbg_image_open_file(path, &image, error);
    if (SUCCEEDED(hr))
      hr = cordbg_symbols_open(image, path, NULL, &symbols, error);
  }
  if (SUCCEEDED(hr)) {
    describe_symbols(symbols, image ? cordbg_image_metadata(image) : NULL, 100000, text);
    cordbg_symbols_unref(symbols);
  }
  cordbg_image_unref(image);
  return hr;
}

static void
begin_image(comparison *c, const char *path)
{
  finish_image(c);
  g_free(c->path);
  c->path = g_strdup(path);
  c->at = 0;
  c->shown = 0;
  c->skipped = false;
  c->images++;
  if (!c->own)
    c->own = g_string_sized_new(1 << 24);
  g_string_truncate(c->own, 0);

  cordbg_image *image;
  cordbg_error error = {0};
  if (g_str_has_prefix(path, "symbols ")) {
    if (FAILED(describe_symbols_of(path + 8, c->own, &error)))
      g_string_append_printf(c->own, "cannot open: %s\n", error.sentence);
    return;
  }
  HRESULT hr = cordbg_image_open_file(path, &image, &error);
  if (hr == CLDB_E_NO_DATA || hr == CLDB_E_FILE_CORRUPT) {
    g_string_append(c->own, "native\n");
  } else if (FAILED(hr)) {
    g_string_append_printf(c->own, "cannot open: %s\n", error.sentence);
  } else {
    describe_image(image, c->own);
    cordbg_image_unref(image);
  }
}

static void
compare_line(comparison *c, const char *line, size_t length)
{
  if (c->skipped || !c->own)
    return;
  c->lines++;
  if (g_str_has_prefix(line, "!! ")) {
    /* The oracle gave up on this image: shown and counted, never passed over in silence. */
    printf("%s: %s\n", c->path, line);
    c->undecodable++;
    c->skipped = true;
    return;
  }
  if (strcmp(line, "native") == 0)
    c->native++;
  const char *own = c->own->str + c->at;
  const char *end = memchr(own, '\n', c->own->len - c->at);
  size_t own_length = end ? (size_t)(end - own) : c->own->len - c->at;
  if (own_length != length || memcmp(own, line, length) != 0) {
    g_autofree char *shown = g_strndup(own, own_length);
    report(c, line, shown);
  }
  c->at += own_length + (end != NULL);
}

int
main(int argc, char **argv)
{
  FILE *input = argc < 2 || strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "r");
  if (!input) {
    perror(argv[1]);
    return 2;
  }
  comparison c = {0};
  char *line = NULL;
  size_t size = 0;
  ssize_t length;
  while ((length = getline(&line, &size, input)) > 0) {
    if (line[length - 1] == '\n')
      line[--length] = '\0';
    if (g_str_has_prefix(line, "== "))
      begin_image(&c, line + 3);
    else
      compare_line(&c, line, (size_t)length);
  }
  finish_image(&c);
  printf("%lu images (%lu without metadata, %lu that the oracle could not read), %lu lines "
         "compared, %lu differences\n",
         c.images, c.native, c.undecodable, c.lines, c.differences);
  free(line);
  g_free(c.path);
  if (c.own)
    g_string_free(c.own, TRUE);
  return c.differences || c.images == 0 ? 1 : 0;
}
