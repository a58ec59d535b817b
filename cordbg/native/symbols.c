/* SPDX-License-Identifier: MIT */
/*
 * Which file a module's symbols come from, and the questions asked of them.
 *
 *   untouched -> loaded (exported known, or status says why not) -> all loaded (debug file looked
 * for)
 *
 * Invariants: a file is used only when its header and segments are those that the target has
 * mapped; a debug file only when it lies under the module's build id. A failure is remembered: a
 * module is tried once.
 */
#include "config.h"

#include "cordbg/native/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cordbg/native/module-files.h"

#define NAME_MAX_BYTES 4096u

void
cordbg_symbol_files_free(cordbg_symbol_files *files)
{
  if (!files)
    return;
  cordbg_symbol_table_free(files->exported);
  cordbg_symbol_table_free(files->all);
  g_free(files->build_id);
  g_free(files);
}

/* ------------------------------------------------------------------ files */

static HRESULT
load_from_fd(int fd, const cordbg_elf_headers *headers, cordbg_symbol_files *files,
             cordbg_error *error)
{
  return fd < 0 ? S_FALSE
                : cordbg_elf_file_symbols(fd, headers, &files->exported, &files->all,
                                          &files->build_id, error);
}

/* Everything but a separate debug file. */
static HRESULT
load(cordbg_modules *modules, const cordbg_module *module, cordbg_error *error)
{
  cordbg_symbol_files *files = module->files;
  g_autofree cordbg_elf_headers *headers = g_new(cordbg_elf_headers, 1);
  HRESULT hr;
  int fd;

  if (files->loaded)
    return files->status;
  files->loaded = true;
  files->status =
      cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_BAD_EXE_FORMAT), 0, module->start,
                       "%.120s has no ELF header in memory any more", module->path);
  if (!cordbg_elf_read_headers(&modules->memory, files->mapping_start, headers))
    return files->status;
  fd = cordbg_module_open_file(modules, module);
  hr = load_from_fd(fd, headers, files, error);
  if (fd >= 0)
    close(fd);
  if (hr != S_OK || !files->exported) {
    cordbg_symbol_table *exported = NULL;
    HRESULT memory = cordbg_elf_memory_symbols(&modules->memory, module, &exported, error);

    if (memory == S_OK)
      files->exported = exported;
    if (hr != S_OK)
      hr = memory;
  }
  if (!files->build_id)
    files->build_id = cordbg_elf_memory_build_id(&modules->memory, module, headers);
  files->status = hr;
  return hr;
}

/* A separate debug file, when the module's own has no .symtab: the target's, then ours. */
static void
load_debug_file(cordbg_modules *modules, const cordbg_module *module)
{
  cordbg_symbol_files *files = module->files;
  cordbg_symbol_table *exported = NULL;
  int fd, debug;

  if (files->all_loaded)
    return;
  files->all_loaded = true;
  if (files->all)
    return;
  fd = cordbg_module_open_file(modules, module);
  debug = cordbg_module_open_debug_file(modules, module, fd);
  if (debug >= 0)
    (void)cordbg_elf_file_symbols(debug, NULL, &exported, &files->all, NULL, NULL);
  if (!files->all && fd >= 0)
    files->all = cordbg_elf_file_mini_symbols(fd);
  cordbg_symbol_table_free(exported);
  if (debug >= 0)
    close(debug);
  if (fd >= 0)
    close(fd);
}

/* ------------------------------------------------------------------ questions */

static void
fill(const cordbg_module *module, const cordbg_symbol_table *table,
     const cordbg_table_symbol *symbol, bool exported, cordbg_symbol *ret)
{
  *ret = (cordbg_symbol){
      .module = module,
      .name = cordbg_symbol_table_name(table, symbol),
      .address = module->bias + symbol->value,
      .size = symbol->size,
      .type = symbol->type,
      .exported = exported,
  };
}

static HRESULT
find_exported(cordbg_modules *modules, const cordbg_module *module, const char *name,
              cordbg_symbol *ret, cordbg_error *error)
{
  const cordbg_table_symbol *symbol;
  HRESULT hr = load(modules, module, error);

  if (FAILED(hr))
    return hr;
  symbol = module->files->exported ? cordbg_symbol_table_find(module->files->exported, name) : NULL;
  if (!symbol)
    return S_FALSE;
  fill(module, module->files->exported, symbol, true, ret);
  return S_OK;
}

static HRESULT
find_local(cordbg_modules *modules, const cordbg_module *module, const char *name,
           cordbg_symbol *ret, cordbg_error *error)
{
  const cordbg_table_symbol *symbol;
  HRESULT hr = load(modules, module, error);

  if (FAILED(hr))
    return hr;
  load_debug_file(modules, module);
  symbol = module->files->all ? cordbg_symbol_table_find(module->files->all, name) : NULL;
  if (!symbol)
    return S_FALSE;
  fill(module, module->files->all, symbol, false, ret);
  return S_OK;
}

HRESULT
cordbg_symbol_find_in(cordbg_modules *modules, const cordbg_module *module, const char *name,
                      cordbg_symbol_scope scope, cordbg_symbol *ret, cordbg_error *error)
{
  HRESULT hr = find_exported(modules, module, name, ret, error);

  if (hr == S_FALSE && scope == CORDBG_SYMBOLS_ALL)
    hr = find_local(modules, module, name, ret, error);
  return hr;
}

typedef HRESULT (*finder)(cordbg_modules *modules, const cordbg_module *module, const char *name,
                          cordbg_symbol *ret, cordbg_error *error);

HRESULT
cordbg_symbol_find(cordbg_modules *modules, const char *module_text, const char *name,
                   cordbg_symbol_scope scope, cordbg_symbol *ret, cordbg_error *error)
{
  static const finder finders[] = {find_exported, find_local};
  size_t rounds = scope == CORDBG_SYMBOLS_ALL ? 2 : 1;
  HRESULT failure = S_FALSE;
  bool any = false;

  for (size_t round = 0; round < rounds; round++) {
    for (guint i = 0; i < modules->list->len; i++) {
      const cordbg_module *module = modules->list->pdata[i];
      HRESULT hr;

      if (module_text && !strstr(module->path, module_text))
        continue;
      hr = finders[round](modules, module, name, ret, error);
      if (hr == S_OK)
        return S_OK;
      if (FAILED(hr))
        failure = hr;
      else
        any = true;
    }
  }
  return any ? S_FALSE : failure;
}

HRESULT
cordbg_symbol_at(cordbg_modules *modules, uint64_t address, cordbg_symbol *ret, uint64_t *offset,
                 cordbg_error *error)
{
  const cordbg_module *module = cordbg_modules_at(modules, address);
  const cordbg_table_symbol *symbol = NULL;
  const cordbg_symbol_table *table;
  HRESULT hr;

  if (!module)
    return S_FALSE;
  hr = load(modules, module, error);
  if (FAILED(hr))
    return hr;
  load_debug_file(modules, module);
  table = module->files->all;
  if (table)
    symbol = cordbg_symbol_table_at(table, address - module->bias);
  if (!symbol) {
    table = module->files->exported;
    symbol = table ? cordbg_symbol_table_at(table, address - module->bias) : NULL;
  }
  if (!symbol)
    return S_FALSE;
  fill(module, table, symbol, table == module->files->exported, ret);
  if (offset)
    *offset = address - ret->address;
  return S_OK;
}

/* ------------------------------------------------------------------ what a user writes */

/* A whole number, decimal or 0x...; false: anything else, or too large. */
static bool
parse_number(const char *text, uint64_t *ret)
{
  char *end;
  int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
  const char *digits = base == 16 ? text + 2 : text;

  if (base == 16 ? !g_ascii_isxdigit(*digits) : !g_ascii_isdigit(*digits))
    return false;
  errno = 0;
  *ret = strtoull(digits, &end, base);
  return errno == 0 && *end == 0;
}

static HRESULT
no_place(cordbg_error *error, const char *text)
{
  return cordbg_error_set(error, E_INVALIDARG, 0, 0,
                          "\"%.100s\" names no place: write symbol, library!symbol, either with "
                          "+OFFSET, or 0xADDRESS",
                          text);
}

HRESULT
cordbg_symbol_resolve(cordbg_modules *modules, const char *text, uint64_t *address,
                      cordbg_error *error)
{
  g_autofree char *copy = NULL;
  const cordbg_module *module = NULL;
  const char *name;
  char *mark;
  uint64_t number = 0;
  cordbg_symbol symbol;
  HRESULT hr;

  if (strnlen(text, NAME_MAX_BYTES) == NAME_MAX_BYTES)
    return no_place(error, text);
  if (parse_number(text, &number)) {
    *address = number;
    return S_OK;
  }
  name = copy = g_strdup(text);
  mark = strrchr(copy, '+');
  if (mark) {
    *mark = 0;
    if (!parse_number(mark + 1, &number))
      return no_place(error, text);
  }
  mark = strchr(copy, '!');
  if (mark) {
    *mark = 0;
    name = mark + 1;
    if (!*copy)
      return no_place(error, text);
    module = cordbg_modules_named(modules, copy);
    if (!module)
      return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND), 0, 0,
                              "no loaded module is called \"%.100s\"", copy);
  }
  if (!*name)
    return no_place(error, text);
  if (module)
    hr = cordbg_symbol_find_in(modules, module, name, CORDBG_SYMBOLS_ALL, &symbol, error);
  else
    hr = cordbg_symbol_find(modules, NULL, name, CORDBG_SYMBOLS_ALL, &symbol, error);
  if (hr == S_FALSE)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND), 0, 0,
                            "no symbol \"%.100s\" in %s", name,
                            module ? module->path : "the loaded modules");
  if (FAILED(hr))
    return hr;
  if (number > UINT64_MAX - symbol.address)
    return no_place(error, text);
  *address = symbol.address + number;
  return S_OK;
}
