/* SPDX-License-Identifier: MIT */
/*
 * A program of its own that hosts .NET and calls one managed method, Debuggees.Hosted.Work; the
 * method's answer is its exit code. It never calls coreclr_execute_assembly.
 *
 *   startup-host coreclr FRAMEWORK PROGRAM.dll   libcoreclr.so itself: coreclr_create_delegate
 *   startup-host hostfxr LIBRARY PROGRAM.dll     libhostfxr.so, by the program's runtimeconfig
 */
#include <dlfcn.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The leak checker of a sanitized build cannot work in a process that is traced. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
  return "detect_leaks=0";
}

typedef int (*work_function)(void *argument, int32_t size);

static void *
open_library(const char *path)
{
  void *library = dlopen(path, RTLD_NOW);
  if (library == NULL)
    fprintf(stderr, "%s\n", dlerror());
  return library;
}

/* "A.dll:B.dll:..PROGRAM.dll" */
static char *
trusted_assemblies(const char *framework, const char *program)
{
  char pattern[4096];
  glob_t found = {0};
  size_t length = strlen(program) + 1;
  snprintf(pattern, sizeof pattern, "%s/*.dll", framework);
  if (glob(pattern, 0, NULL, &found) != 0)
    return NULL;
  for (size_t i = 0; i < found.gl_pathc; i++)
    length += strlen(found.gl_pathv[i]) + 1;
  char *list = calloc(1, length), *at = list;
  for (size_t i = 0; list != NULL && i < found.gl_pathc; i++)
    at += sprintf(at, "%s:", found.gl_pathv[i]);
  globfree(&found);
  if (list != NULL)
    strcpy(at, program);
  return list;
}

static int
by_coreclr(const char *framework, const char *program)
{
  char path[4096];
  void *host = NULL;
  unsigned domain = 0;
  work_function work = NULL;
  snprintf(path, sizeof path, "%s/libcoreclr.so", framework);
  void *library = open_library(path);
  char *list = trusted_assemblies(framework, program);
  if (library == NULL || list == NULL)
    return 101;
  int (*initialize)(const char *, const char *, int, const char **, const char **, void **,
                    unsigned *) =
      (int (*)(const char *, const char *, int, const char **, const char **, void **,
               unsigned *))dlsym(library, "coreclr_initialize");
  int (*create)(void *, unsigned, const char *, const char *, const char *, void **) =
      (int (*)(void *, unsigned, const char *, const char *, const char *, void **))dlsym(
          library, "coreclr_create_delegate");
  const char *name = "TRUSTED_PLATFORM_ASSEMBLIES", *value = list;
  if (initialize == NULL || create == NULL ||
      initialize(program, "host", 1, &name, &value, &host, &domain) != 0)
    return 102;
  if (create(host, domain, "Hosted", "Debuggees.Hosted", "Work", (void **)&work) != 0)
    return 103;
  return work(NULL, 0);
}

static int
by_hostfxr(const char *path, const char *program)
{
  enum { LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER = 5 };
  char config[4096];
  void *context = NULL, *delegate = NULL, *work = NULL;
  void *library = open_library(path);
  if (library == NULL || strlen(program) < 4)
    return 101;
  snprintf(config, sizeof config, "%.*s.runtimeconfig.json", (int)strlen(program) - 4, program);
  int32_t (*initialize)(const char *, const void *, void **) = (int32_t(*)(
      const char *, const void *, void **))dlsym(library, "hostfxr_initialize_for_runtime_config");
  int32_t (*get)(void *, int, void **) =
      (int32_t(*)(void *, int, void **))dlsym(library, "hostfxr_get_runtime_delegate");
  if (initialize == NULL || get == NULL || initialize(config, NULL, &context) != 0 ||
      get(context, LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER, &delegate) != 0)
    return 102;
  int (*load)(const char *, const char *, const char *, const char *, void *, void **) =
      (int (*)(const char *, const char *, const char *, const char *, void *, void **))delegate;
  if (load(program, "Debuggees.Hosted, Hosted", "Work", NULL, NULL, &work) != 0)
    return 103;
  return ((work_function)work)(NULL, 0);
}

int
main(int argc, char **argv)
{
  if (argc == 4 && strcmp(argv[1], "coreclr") == 0)
    return by_coreclr(argv[2], argv[3]);
  if (argc == 4 && strcmp(argv[1], "hostfxr") == 0)
    return by_hostfxr(argv[2], argv[3]);
  fprintf(stderr, "usage: %s coreclr FRAMEWORK PROGRAM.dll | hostfxr LIBRARY PROGRAM.dll\n",
          argv[0]);
  return 100;
}
