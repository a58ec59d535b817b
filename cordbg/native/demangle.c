/* SPDX-License-Identifier: MIT */
/*
 * __cxa_demangle, out of the C++ runtime where the machine has one: it is looked for at the first
 * C++ name, so that a C library does not bring a C++ runtime into every client.
 *
 * Names come from the target and may be made up: one whose parts refer back to each other grows
 * exponentially when it is written out. Hence the limits, under which the result stays small.
 */
#include "config.h"

#include "cordbg/native/demangle.h"

#include <dlfcn.h>
#include <glib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX 1024u
#define REFERENCES_MAX 32u
#define RESULT_MAX 8192u

typedef char *(*demangler)(const char *name, char *buffer, size_t *size, int *status);

static demangler
find_demangler(void)
{
  static gsize found; /* 1: there is none */

  if (g_once_init_enter(&found)) {
    void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "__cxa_demangle") : NULL;

    g_once_init_leave(&found, symbol ? (gsize)symbol : 1);
  }
  return found == 1 ? NULL : (demangler)found;
}

/* How often the name says "as before": S_, S1A_, T_, T0_. */
static unsigned
count_references(const char *name)
{
  unsigned count = 0;

  for (const char *c = name; *c; c++) {
    const char *end = c + 1;

    if (*c != 'S' && *c != 'T')
      continue;
    while (g_ascii_isdigit(*end) || (*c == 'S' && g_ascii_isupper(*end)))
      end++;
    count += *end == '_';
  }
  return count;
}

char *
cordbg_demangle(const char *name)
{
  demangler function;
  char *text, *ret = NULL;
  int status = 0;

  if (name[0] != '_' || name[1] != 'Z' || strnlen(name, LENGTH_MAX) == LENGTH_MAX ||
      count_references(name) > REFERENCES_MAX || !(function = find_demangler()))
    return NULL;
  text = function(name, NULL, NULL, &status);
  if (text && status == 0 && strnlen(text, RESULT_MAX) < RESULT_MAX)
    ret = g_strdup(text);
  free(text);
  return ret;
}
