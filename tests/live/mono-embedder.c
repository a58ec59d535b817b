/* SPDX-License-Identifier: MIT */
/*
 * A program that embeds Mono: loads the runtime's library at run time, so that it is built where no
 * Mono is installed. Usage: mono-embedder LIBRARY [idle | PROGRAM.exe arguments...]
 *   idle  loads the library, does not start the runtime (there is no Finalizer thread), waits
 * The runtime is loaded for this program alone (RTLD_LOCAL), as a host with plug-ins would.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *library;

static void *
find(const char *name)
{
  void *symbol = dlsym(library, name);
  if (!symbol) {
    fprintf(stderr, "no %s\n", name);
    exit(3);
  }
  return symbol;
}

int
main(int argc, char **argv)
{
  alarm(120); /* outlives no test */
  if (argc < 3)
    return 2;
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 3;
  }
  if (strcmp(argv[2], "idle") == 0) {
    puts("ready");
    fflush(stdout);
    for (;;)
      pause();
  }
  void *(*init)(const char *) = (void *(*)(const char *))find("mono_jit_init");
  void *(*open_assembly)(void *, const char *) =
      (void *(*)(void *, const char *))find("mono_domain_assembly_open");
  int (*execute)(void *, void *, int, char **) =
      (int (*)(void *, void *, int, char **))find("mono_jit_exec");
  void (*cleanup)(void *) = (void (*)(void *))find("mono_jit_cleanup");
  void *domain = init("embedder");
  void *assembly = open_assembly(domain, argv[2]);
  if (!assembly)
    return 4;
  int code = execute(domain, assembly, argc - 2, argv + 2);
  cleanup(domain);
  return code;
}
