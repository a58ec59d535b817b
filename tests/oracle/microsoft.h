/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_TESTS_ORACLE_MICROSOFT_H
#define CORDBG_TESTS_ORACLE_MICROSOFT_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "cordbg/metadata/scope.h"

/*
 * Comparing calls on two scopes, Microsoft's (side 0) and ours (side 1): a comparison makes each
 * call on BOTH, writes what it gave with OUT, and settles.
 */
enum { NAME_ROOM = 1200 };

typedef struct side {
  IMetaDataImport2 *import;
  IMetaDataAssemblyImport *assembly;
  IMetaDataTables2 *tables;
} side;

extern side sides[2];
extern GString *results[2];
/*
 * Side 0 is the DAC's: its objects have no streams of their own (to ask for one is a crash),
 * ResolveTypeRef is left out of it, and it misses the MethodSpecs of a method (EnumMethodSpecs),
 * which the runtime's own library finds. These three are not compared.
 */
extern bool by_dac;

#define OUT(...) g_string_append_printf(results[i], __VA_ARGS__)

void out_name(int i, const WCHAR *name, HRESULT hr, ULONG cch);
void out_bytes(int i, const void *data, ULONG size);
/* Compares the results and clears them; differences are counted, the first of a method shown. */
void settle(const char *method, const char *arguments);

/* microsoft-rows.c: any token, also one of another kind or of no row. */
void compare_type_def(mdToken tk);
void compare_type_ref(mdToken tk);
void compare_resolving(mdToken tk);
void compare_method(mdToken tk);
void compare_field(mdToken tk);
void compare_param(mdToken tk);
void compare_property(mdToken tk);
void compare_event(mdToken tk);
void compare_member_ref(mdToken tk);
void compare_small_tables(mdToken tk);

/*
 * microsoft-dac.c: all modules with a file of a .NET program, which it runs. dispenser: ours.
 * Returns how many were compared.
 */
unsigned compare_with_dac(IMetaDataDispenser *dispenser, const char *library, const char *program);
void close_side(side *s);

/* microsoft-walk.c */
void compare_everything(void);

/* microsoft-tables.c */
void compare_manifest(ULONG rid);
void compare_tables(void);
void compare_heaps(void);

extern char arguments[256];
#define ARGS(...) snprintf(arguments, sizeof arguments, __VA_ARGS__)
#define BOTH for (int i = 0; i < 2; i++)
#define IMPORT sides[i].import
#define ASSEMBLY sides[i].assembly
#define TABLES sides[i].tables
#define UNSET 0xcccccccc
#define DATA_UNSET ((const void *)-1)

/* Rooms for a name: none, ample, tight, a buffer of no units. */
typedef struct room {
  bool buffer;
  ULONG cch;
  bool wants_length;
} room;
enum { ROOMS = 6 };
extern const room rooms[ROOMS];
#define ROOM_LOOP for (unsigned r = 0; r < ROOMS; r++)
#define NAME_BUFFER                                                                                \
  WCHAR name[NAME_ROOM + 1] = {0};                                                                 \
  ULONG pch = UNSET;                                                                               \
  WCHAR *buffer = rooms[r].buffer ? name : NULL;                                                   \
  ULONG *length = rooms[r].wants_length ? &pch : NULL
#define NAME_OUT                                                                                   \
  do {                                                                                             \
    OUT(" pch %x", pch);                                                                           \
    out_name(i, name, hr, rooms[r].cch);                                                           \
  } while (0)

#endif
