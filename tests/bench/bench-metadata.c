/* SPDX-License-Identifier: MIT */
/*
 * The metadata rows: opening the core library and finding a method by name, cold (a new image each
 * time, its file in the page cache), and walking all methods with their names and signatures; alone
 * and beside System.Reflection.Metadata (reflection.cs, a process that does the same on request;
 * its code is compiled by then: the rounds before the measured ones are its own).
 */
#include "config.h"

#include <glib.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cordbg/metadata/image.h"
#include "cordbg/metadata/signature.h"
#include "tests/bench/bench.h"
#include "tests/bench/program.h"

enum { WARM_UP = 40 };

typedef struct fixture {
  char path[512];
  program reflection; /* System.Reflection.Metadata's */
  FILE *ask;          /* its input; NULL: there is none */
} fixture;

/* .NET's core library, else Mono's. */
static bool
find_core_library(fixture *f)
{
  static const char *const patterns[] = {
      "/usr/share/dotnet/shared/Microsoft.NETCore.App/*/System.Private.CoreLib.dll",
      "/usr/lib/dotnet/shared/Microsoft.NETCore.App/*/System.Private.CoreLib.dll",
      "/usr/lib/mono/4.5/mscorlib.dll"};
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    glob_t found;
    bool any = glob(patterns[i], 0, NULL, &found) == 0 && found.gl_pathc > 0;
    if (any)
      snprintf(f->path, sizeof f->path, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    if (any)
      return true;
  }
  return false;
}

static cordbg_image *
open_image(const fixture *f)
{
  cordbg_image *image;
  cordbg_error error = {0};
  if (FAILED(cordbg_image_open_file(f->path, &image, &error)))
    bench_die("%s: %s", f->path, error.sentence);
  return image;
}

static double
open_and_find(void *data)
{
  uint64_t begin = bench_now();
  cordbg_image *image = open_image(data);
  const cordbg_metadata *md = cordbg_image_metadata(image);
  uint32_t type = cordbg_metadata_find_type(md, "System", 6, "String", 6, 0), found = 0;
  cordbg_run run = cordbg_metadata_type_methods(md, type);
  for (uint32_t p = run.first; p < run.end && !found; p++)
    if (strcmp(cordbg_metadata_column_string(md, CORDBG_TABLE_METHOD_DEF,
                                             cordbg_metadata_run_rid(md, &run, p),
                                             CORDBG_METHOD_DEF_NAME),
               "Substring") == 0)
      found = p;
  double took = (double)(bench_now() - begin);
  cordbg_image_unref(image);
  return found ? took : -1;
}

static double
walk_methods(void *data)
{
  cordbg_image *image = open_image(data);
  const cordbg_metadata *md = cordbg_image_metadata(image);
  GString *text = g_string_new(NULL);
  uint32_t methods = 0;
  uint64_t begin = bench_now();
  for (uint32_t type = 1; type <= cordbg_metadata_rows(md, CORDBG_TABLE_TYPE_DEF); type++) {
    cordbg_run run = cordbg_metadata_type_methods(md, type);
    for (uint32_t p = run.first; p < run.end; p++, methods++) {
      uint32_t rid = cordbg_metadata_run_rid(md, &run, p);
      cordbg_signature signature = cordbg_signature_of_blob(cordbg_metadata_column_blob(
          md, CORDBG_TABLE_METHOD_DEF, rid, CORDBG_METHOD_DEF_SIGNATURE));
      g_string_truncate(text, 0);
      cordbg_signature_format_method(
          md, &signature,
          cordbg_metadata_column_string(md, CORDBG_TABLE_METHOD_DEF, rid, CORDBG_METHOD_DEF_NAME),
          text);
    }
  }
  double took = (double)(bench_now() - begin);
  g_string_free(text, TRUE);
  cordbg_image_unref(image);
  return methods > 1000 ? took : -1;
}

static double
ask(fixture *f, const char *what)
{
  char line[64];
  fprintf(f->ask, "%s %s\n", what, f->path);
  fflush(f->ask);
  if (!fgets(line, sizeof line, f->reflection.output))
    return -1;
  return strtod(line, NULL);
}

static double
reflection_open(void *data)
{
  return ask(data, "open");
}

static double
reflection_walk(void *data)
{
  return ask(data, "walk");
}

/* Starts it and lets it compile its code. */
static bool
start_reflection(fixture *f)
{
  char *argv[] = {(char *)"dotnet", (char *)"tests/bench/net/reflection.dll", NULL};
  g_autofree char *found = g_find_program_in_path(argv[0]);
  if (access(argv[1], R_OK) != 0 || found == NULL)
    return false;
  program_start(&f->reflection, argv);
  f->ask = fdopen(f->reflection.input, "w");
  for (int i = 0; i < WARM_UP; i++)
    if (ask(f, "open") < 0 || ask(f, "walk") < 0)
      return false;
  return true;
}

static void
stop_reflection(fixture *f)
{
  if (f->ask)
    program_end(&f->reflection);
}

static void
beside_reflection(fixture *f)
{
  if (!start_reflection(f)) {
    bench_skip("beside System.Reflection.Metadata", "dotnet or its compiler is not installed");
  } else {
    bench_compare(&(bench_job){.row = "open and find, beside System.Reflection.Metadata",
                               .unit = "us",
                               .threads = 1,
                               .ratio = BENCH_AT_MOST,
                               .goal = 1,
                               .ours = open_and_find,
                               .bare = reflection_open,
                               .data = f});
    bench_compare(&(bench_job){.row = "all methods, beside System.Reflection.Metadata",
                               .unit = "ms",
                               .threads = 1,
                               .ratio = BENCH_AT_MOST,
                               .goal = 1,
                               .ours = walk_methods,
                               .bare = reflection_walk,
                               .data = f});
  }
  stop_reflection(f);
}

int
main(int argc, char **argv)
{
  bench_begin(&argc, argv, "bench-metadata");
  fixture f = {0};
  if (!find_core_library(&f)) {
    bench_skip("metadata", "neither .NET's core library nor Mono's is installed");
    return bench_end();
  }
  bench_compare(&(bench_job){.row = "open CoreLib, find a type and a method by name",
                             .unit = "us",
                             .threads = 1,
                             .ratio = BENCH_ALONE,
                             .goal = 1e6,
                             .ours = open_and_find,
                             .data = &f});
  bench_compare(&(bench_job){.row = "all methods of CoreLib with names and signatures",
                             .unit = "ms",
                             .threads = 1,
                             .ratio = BENCH_ALONE,
                             .goal = 15e6,
                             .ours = walk_methods,
                             .data = &f});
  beside_reflection(&f);
  return bench_end();
}
