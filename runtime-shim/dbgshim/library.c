/* SPDX-License-Identifier: MIT */
/*
 * libdbgshim.so: the entry points under which existing debug adapters load a debugger's backend.
 *
 * Why a library of its own. An adapter brings libdbgshim.so in its own folder and looks its names
 * up by dlsym. Ours can be put in that place alone: it is a thin door that translates Microsoft's
 * contracts (dbgshim.h) and loads libcordbg.so, where everything happens, at the first call. Looked
 * for, in this order:
 *
 *   1. a libcordbg.so.0 that the process has loaded already
 *   2. the folder of this library
 *   3. the installed libdir that it was built for
 *   4. wherever the dynamic linker finds libcordbg.so.0
 *
 * The two talk through one versioned table (cordbg/icordebug/hosting.h). libcordbg finds its helper
 * programs by itself.
 *
 * startup.c has launching and waiting for a runtime, enumerate.c what is said about running ones,
 * debugging.c the rest. This library is never unloaded: its threads may be in a callback.
 */
#include "config.h"

#include "runtime-shim/dbgshim/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libcordbg.so.0"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const cordbg_hosting *hosting;

static bool
take_table(void *library)
{
  const cordbg_hosting *(*table)(ULONG32) =
      (const cordbg_hosting *(*)(ULONG32))dlsym(library, "cordbg_hosting_table");
  const cordbg_hosting *found = table != NULL ? table(CORDBG_HOSTING_VERSION) : NULL;
  if (found == NULL || found->version != CORDBG_HOSTING_VERSION || found->size < sizeof *found)
    return false;
  hosting = found;
  return true;
}

/* Says why a library was not taken, where somebody listens (CORDBG_LOG, as libcordbg has it). */
static void
complain(const char *path, const char *why)
{
  const char *level = getenv("CORDBG_LOG");
  if (level != NULL && *level >= '0' && *level <= '9')
    fprintf(stderr, "cordbg: libdbgshim cannot use %s: %s\n", path, why);
}

static bool
try_library(const char *path, int flags)
{
  void *library = dlopen(path, RTLD_NOW | flags);
  if (library == NULL) {
    if ((flags & RTLD_NOLOAD) == 0)
      complain(path, dlerror());
    return false;
  }
  if (take_table(library))
    return true; /* for good: the handle is kept */
  complain(path, "it is of another version");
  dlclose(library);
  return false;
}

static void
load(void)
{
  char path[4096];
  Dl_info self;
  if (try_library(LIBRARY, RTLD_NOLOAD))
    return;
  if (dladdr((void *)(uintptr_t)cordbg_dbgshim_library, &self) != 0 && self.dli_fname != NULL) {
    const char *slash = strrchr(self.dli_fname, '/');
    if (slash != NULL &&
        (size_t)snprintf(path, sizeof path, "%.*s/" LIBRARY, (int)(slash - self.dli_fname),
                         self.dli_fname) < sizeof path &&
        try_library(path, 0))
      return;
  }
  if (try_library(CORDBG_LIBDIR "/" LIBRARY, 0))
    return;
  try_library(LIBRARY, 0);
}

const cordbg_hosting *
cordbg_dbgshim_library(void)
{
  pthread_once(&once, load);
  return hosting;
}
