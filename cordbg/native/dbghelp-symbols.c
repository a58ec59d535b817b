/* SPDX-License-Identifier: MIT */
/*
 * DbgHelp's symbol functions, over cordbg's unwinder of the process.
 *
 * A handle of a process under debug is its session's: native and managed code are named alike. Any
 * other process has an unwinder of its own, made by SymInitialize or by the first question, kept
 * until SymCleanup. The modules are looked at again by themselves as they come and go.
 */
#include "config.h"

#include "cordbg/native/dbghelp-private.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cordbg/com/hresult.h"
#include "cordbg/memory/handles.h"

#define TAG_FUNCTION 5u /* SymTagFunction of cvconst.h */

typedef struct cordbg_dbghelp_entry {
  int references;
  cordbg_unwinder *unwinder;
} cordbg_dbghelp_entry;

static GMutex lock;
static GHashTable *entries; /* HANDLE -> cordbg_dbghelp_entry */
static _Atomic DWORD options = SYMOPT_UNDNAME | SYMOPT_LOAD_LINES;

BOOL
cordbg_dbghelp_fail(DWORD code, const char *format, ...)
{
  cordbg_error error;
  char text[sizeof(error.sentence)];
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  cordbg_error_set(&error, HRESULT_FROM_WIN32(code), 0, 0, "%s", text);
  cordbg_error_remember(&error);
  SetLastError(code);
  return FALSE;
}

static void
entry_unref(void *data) /* the lock is held */
{
  cordbg_dbghelp_entry *entry = data;

  if (--entry->references > 0)
    return;
  cordbg_unwinder_destroy(entry->unwinder);
  g_free(entry);
}

/* The entry of a process without a session, with a reference. */
static cordbg_dbghelp_entry *
take_entry(HANDLE process, int pid, cordbg_error *error)
{
  cordbg_dbghelp_entry *entry;
  cordbg_unwinder *unwinder;

  g_mutex_lock(&lock);
  if (!entries)
    entries = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, entry_unref);
  entry = g_hash_table_lookup(entries, process);
  if (!entry && SUCCEEDED(cordbg_unwinder_create(pid, &unwinder, error))) {
    entry = g_new0(cordbg_dbghelp_entry, 1);
    entry->references = 1;
    entry->unwinder = unwinder;
    g_hash_table_insert(entries, process, entry);
  }
  if (entry)
    entry->references++;
  g_mutex_unlock(&lock);
  return entry;
}

bool
cordbg_dbghelp_begin(HANDLE process, cordbg_dbghelp *ret)
{
  cordbg_dbghelp found = {0};
  cordbg_error error;
  DWORD code;
  cordbg_handle *handle = cordbg_handle_check(process, PROCESS_VM_READ, &code, &error);

  if (!handle) {
    cordbg_error_remember(&error);
    SetLastError(code);
    return false;
  }
  found.target = cordbg_handle_target(handle);
  if (!found.target || FAILED(cordbg_target_unwinder(found.target, &found.unwinder, &error))) {
    cordbg_target_unref(found.target);
    found.target = NULL;
    found.entry = take_entry(process, handle->pid, &error);
    found.unwinder = found.entry ? found.entry->unwinder : NULL;
  }
  cordbg_handle_drop(handle);
  if (!found.unwinder) {
    cordbg_error_remember(&error);
    SetLastError(ERROR_ACCESS_DENIED);
    return false;
  }
  *ret = found;
  return true;
}

void
cordbg_dbghelp_end(cordbg_dbghelp *process)
{
  cordbg_target_unref(process->target);
  if (!process->entry)
    return;
  g_mutex_lock(&lock);
  entry_unref(process->entry);
  g_mutex_unlock(&lock);
}

BOOL
SymInitialize(HANDLE process, PCSTR search_path, BOOL invade)
{
  cordbg_dbghelp found;

  (void)invade; /* the modules are listed when they are needed */
  if (search_path && *search_path)
    return cordbg_dbghelp_fail(ERROR_NOT_SUPPORTED,
                               "a search path for symbols is not supported: pass NULL");
  if (!cordbg_dbghelp_begin(process, &found))
    return FALSE;
  cordbg_dbghelp_end(&found);
  return TRUE;
}

BOOL
SymCleanup(HANDLE process)
{
  g_mutex_lock(&lock);
  if (entries)
    g_hash_table_remove(entries, process);
  g_mutex_unlock(&lock);
  return TRUE;
}

DWORD
SymSetOptions(DWORD wanted)
{
  options = wanted;
  return wanted;
}

DWORD
SymGetOptions(void)
{
  return options;
}

/* ------------------------------------------------------------------ questions */

static uint32_t
wanted_of_options(bool line)
{
  DWORD now = options;

  return (now & SYMOPT_UNDNAME ? 0 : (uint32_t)CORDBG_PLACE_MANGLED) |
         (line ? (uint32_t)CORDBG_PLACE_NO_SYMBOL : 0) |
         (line && (now & SYMOPT_LOAD_LINES) ? (uint32_t)CORDBG_PLACE_LINE : 0);
}

/* The place of an address that is in some module. */
static bool
find_place(cordbg_dbghelp *process, DWORD64 address, bool line, cordbg_place *ret)
{
  cordbg_error error;
  HRESULT hr = cordbg_place_at(process->unwinder, address, wanted_of_options(line), ret, &error);

  if (hr == S_OK)
    return true;
  if (hr == S_FALSE)
    return cordbg_dbghelp_fail(ERROR_MOD_NOT_FOUND, "0x%llx is in no module",
                               (unsigned long long)address);
  cordbg_error_remember(&error);
  SetLastError(cordbg_win32_from_hresult(hr));
  return false;
}

static void
fill_symbol(const cordbg_place *place, PSYMBOL_INFO symbol)
{
  size_t length = strlen(place->symbol);

  symbol->TypeIndex = 0;
  symbol->Index = place->token;
  symbol->Size = place->symbol_size < UINT32_MAX ? (ULONG)place->symbol_size : UINT32_MAX;
  symbol->ModBase = place->module_base;
  symbol->Flags = SYMFLAG_FUNCTION | (place->exported ? SYMFLAG_EXPORT : 0);
  symbol->Value = symbol->Address = place->symbol_start;
  symbol->Register = symbol->Scope = 0;
  symbol->Tag = TAG_FUNCTION;
  symbol->NameLen = (ULONG)length;
  if (symbol->MaxNameLen > 0)
    g_strlcpy(symbol->Name, place->symbol, symbol->MaxNameLen);
}

BOOL
SymFromAddr(HANDLE process, DWORD64 address, PDWORD64 displacement, PSYMBOL_INFO symbol)
{
  cordbg_dbghelp found;
  cordbg_place place;
  BOOL ok = FALSE;

  if (!symbol || symbol->SizeOfStruct != sizeof(*symbol))
    return cordbg_dbghelp_fail(ERROR_INVALID_PARAMETER,
                               "SYMBOL_INFO is NULL or its SizeOfStruct is not its size");
  if (!cordbg_dbghelp_begin(process, &found))
    return FALSE;
  if (find_place(&found, address, false, &place)) {
    ok = *place.symbol != 0;
    if (ok) {
      fill_symbol(&place, symbol);
      if (displacement)
        *displacement = place.offset;
    } else
      cordbg_dbghelp_fail(ERROR_INVALID_ADDRESS, "%.150s has no symbol for 0x%llx", place.module,
                          (unsigned long long)address);
  }
  cordbg_dbghelp_end(&found);
  return ok;
}

BOOL
SymGetLineFromAddr64(HANDLE process, DWORD64 address, PDWORD displacement, PIMAGEHLP_LINE64 line)
{
  static GPrivate file_of_thread = G_PRIVATE_INIT(g_free);
  cordbg_dbghelp found;
  cordbg_place place;
  BOOL ok = FALSE;

  if (!line || line->SizeOfStruct != sizeof(*line))
    return cordbg_dbghelp_fail(ERROR_INVALID_PARAMETER,
                               "IMAGEHLP_LINE64 is NULL or its SizeOfStruct is not its size");
  if (!cordbg_dbghelp_begin(process, &found))
    return FALSE;
  if (find_place(&found, address, true, &place)) {
    ok = place.line != 0;
    if (ok) {
      char *file = g_strdup(place.file);

      g_private_replace(&file_of_thread, file);
      line->Key = NULL;
      line->LineNumber = place.line;
      line->FileName = file;
      line->Address = place.line_start ? place.line_start : address;
      if (displacement)
        *displacement = (DWORD)(address - line->Address);
    } else
      cordbg_dbghelp_fail(ERROR_INVALID_ADDRESS, "no source line is known of 0x%llx",
                          (unsigned long long)address);
  }
  cordbg_dbghelp_end(&found);
  return ok;
}

DWORD64
SymGetModuleBase64(HANDLE process, DWORD64 address)
{
  cordbg_dbghelp found;
  cordbg_place place;
  DWORD64 base = 0;

  if (!cordbg_dbghelp_begin(process, &found))
    return 0;
  if (find_place(&found, address, false, &place)) {
    base = place.module_base;
    if (!base)
      cordbg_dbghelp_fail(ERROR_MOD_NOT_FOUND, "0x%llx is in code without a module",
                          (unsigned long long)address);
  }
  cordbg_dbghelp_end(&found);
  return base;
}

PVOID
SymFunctionTableAccess64(HANDLE process, DWORD64 address)
{
  static _Thread_local struct {
    DWORD begin, end, unwind;
  } entry;
  cordbg_dbghelp found;
  cordbg_place place;
  PVOID ret = NULL;

  if (!cordbg_dbghelp_begin(process, &found))
    return NULL;
  if (find_place(&found, address, false, &place)) {
    uint64_t base = place.module_base, start = place.symbol_start;

    if (base && start >= base && start - base + place.symbol_size <= UINT32_MAX) {
      entry.begin = (DWORD)(start - base);
      entry.end = (DWORD)(start - base + place.symbol_size);
      entry.unwind = 0;
      ret = &entry;
    } else
      cordbg_dbghelp_fail(ERROR_INVALID_ADDRESS, "no function is known at 0x%llx",
                          (unsigned long long)address);
  }
  cordbg_dbghelp_end(&found);
  return ret;
}
