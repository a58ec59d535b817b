/* SPDX-License-Identifier: MIT */
/*
 * What names stand for in a target, and what its addresses are called.
 *
 * Modules are called as WinDbg calls its own: the file's name up to its extension, every character
 * that could not stand in an expression an underscore (libmonosgen-2.0.so.1 is libmonosgen_2_0);
 * the file's own spelling is understood too. A module's name alone is its base.
 *
 * The list of modules is the session's, and never trusted to be up to date: each look-up by name
 * looks at it again. Addresses are named by the native room, managed code too.
 */
#include "config.h"

#include "cordbg/memory/wdbgexts-expression.h"
#include "cordbg/memory/wdbgexts-private.h"
#include "cordbg/native/stack.h"
#include "cordbg/native/symbols.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* ---- modules ---- */

void
cordbg_extension_reload(cordbg_extension_session *session)
{
  cordbg_modules_destroy(session->modules);
  session->modules = NULL;
}

static HRESULT
modules_now(cordbg_extension_session *session, cordbg_error *error)
{
  if (session->modules != NULL)
    return cordbg_modules_update(session->modules, error);
  return cordbg_modules_create_for_target(session->target, &session->modules, error);
}

/* What WinDbg would call the module of this file. */
static void
module_name(const char *path, char *name, size_t size)
{
  static const char *const extensions[] = {".so", ".dll", ".exe"};
  const char *slash = strrchr(path, '/');
  const char *from = slash == NULL ? path : slash + 1;
  size_t length = strlen(from);
  for (size_t i = 0; i < G_N_ELEMENTS(extensions); i++) {
    const char *at = strstr(from, extensions[i]);
    if (at != NULL && at > from && (size_t)(at - from) < length)
      length = (size_t)(at - from);
  }
  if (length > 2 && from[0] == '[' && from[length - 1] == ']') { /* [vdso] */
    from++;
    length -= 2;
  }
  if (length > size - 1)
    length = size - 1;
  for (size_t i = 0; i < length; i++)
    name[i] = g_ascii_isalnum(from[i]) ? from[i] : '_';
  name[length] = '\0';
}

/* The module that a user calls by this name, or NULL. */
static const cordbg_module *
module_called(const cordbg_modules *modules, const char *name)
{
  for (size_t i = 0; i < cordbg_modules_count(modules); i++) {
    const cordbg_module *module = cordbg_modules_get(modules, i);
    char own[CORDBG_EXTENSION_SYMBOL_MAX];
    module_name(module->path, own, sizeof own);
    if (g_ascii_strcasecmp(own, name) == 0)
      return module;
  }
  const cordbg_module *named = cordbg_modules_named(modules, name);
  /* That finds parts of paths too, which would make a module of any short word. */
  const char *slash = named == NULL ? NULL : strrchr(named->path, '/');
  const char *file = named == NULL ? "" : slash == NULL ? named->path : slash + 1;
  return named != NULL && g_str_has_prefix(file, name) ? named : NULL;
}

HRESULT
cordbg_extension_module_in(cordbg_extension_session *session, uint64_t start, uint64_t end,
                           uint64_t *base, uint64_t *size, cordbg_error *error)
{
  HRESULT hr = modules_now(session, error);
  if (FAILED(hr))
    return hr;
  const cordbg_module *first = NULL;
  for (size_t i = 0; i < cordbg_modules_count(session->modules); i++) {
    const cordbg_module *module = cordbg_modules_get(session->modules, i);
    if (module->start <= end && module->end > start &&
        (first == NULL || module->start < first->start))
      first = module;
  }
  if (first == NULL)
    return S_FALSE;
  *base = first->start;
  *size = first->end - first->start;
  return S_OK;
}

/* ---- from a name to an address ---- */

static bool
is_module(void *data, const char *name)
{
  cordbg_extension_session *session = data;
  return SUCCEEDED(modules_now(session, NULL)) && module_called(session->modules, name) != NULL;
}

static HRESULT
find_symbol(void *data, const char *text, uint64_t *ret, cordbg_error *error)
{
  cordbg_extension_session *session = data;
  const char *mark = strchr(text, '!');
  const char *name = mark == NULL ? text : mark + 1;
  const cordbg_module *module = NULL;
  cordbg_symbol symbol;
  HRESULT hr = modules_now(session, error);
  if (FAILED(hr))
    return hr;
  if (mark != NULL) {
    g_autofree char *library = g_strndup(text, (gsize)(mark - text));
    module = module_called(session->modules, library);
    if (module == NULL)
      return S_FALSE;
    hr = cordbg_symbol_find_in(session->modules, module, name, CORDBG_SYMBOLS_ALL, &symbol, error);
  } else {
    hr = cordbg_symbol_find(session->modules, NULL, name, CORDBG_SYMBOLS_ALL, &symbol, error);
    if (hr != S_OK && (module = module_called(session->modules, name)) != NULL) {
      *ret = module->start;
      return S_OK;
    }
  }
  if (hr == S_OK)
    *ret = symbol.address;
  return hr;
}

/* ---- registers ---- */

#define REGISTER(name, field, size)                                                                \
  {                                                                                                \
    name, offsetof(struct user_regs_struct, field), size, 0                                        \
  }
#define LETTERED(letter)                                                                           \
  REGISTER("r" #letter "x", r##letter##x, 8), REGISTER("e" #letter "x", r##letter##x, 4),          \
      REGISTER(#letter "x", r##letter##x, 2), REGISTER(#letter "l", r##letter##x, 1),              \
  {                                                                                                \
#letter "h", offsetof(struct user_regs_struct, r##letter##x), 1, 8                             \
  }
#define POINTING(word)                                                                             \
  REGISTER("r" #word, r##word, 8), REGISTER("e" #word, r##word, 4), REGISTER(#word, r##word, 2),   \
      REGISTER(#word "l", r##word, 1)
#define NUMBERED(name)                                                                             \
  REGISTER(#name, name, 8), REGISTER(#name "d", name, 4), REGISTER(#name "w", name, 2),            \
      REGISTER(#name "b", name, 1)

static const struct {
  const char *name;
  size_t offset;
  unsigned size, shift;
} registers[] = {
    LETTERED(a), LETTERED(b), LETTERED(c), LETTERED(d), POINTING(si), POINTING(di), POINTING(bp),
    POINTING(sp), NUMBERED(r8), NUMBERED(r9), NUMBERED(r10), NUMBERED(r11), NUMBERED(r12),
    NUMBERED(r13), NUMBERED(r14), NUMBERED(r15), REGISTER("rip", rip, 8), REGISTER("eip", rip, 4),
    REGISTER("ip", rip, 2), REGISTER("efl", eflags, 4), REGISTER("eflags", eflags, 4),
    REGISTER("cs", cs, 2), REGISTER("ss", ss, 2), REGISTER("ds", ds, 2), REGISTER("es", es, 2),
    REGISTER("fs", fs, 2), REGISTER("gs", gs, 2), REGISTER("fs_base", fs_base, 8),
    REGISTER("gs_base", gs_base, 8),
    /* WinDbg's pseudo-registers */
    REGISTER("$ip", rip, 8), REGISTER("$scopeip", rip, 8), REGISTER("$csp", rsp, 8),
    REGISTER("$retreg", rax, 8), REGISTER("$retreg64", rax, 8),
    REGISTER("$teb", fs_base, 8), /* the thread's own block, as IG_GET_TEB_ADDRESS has it */
};

static HRESULT
find_register(void *data, const char *name, uint64_t *ret, cordbg_error *error)
{
  cordbg_extension_session *session = data;
  if (g_ascii_strcasecmp(name, "$tid") == 0) {
    *ret = (uint64_t)cordbg_extension_thread(session);
    return S_OK;
  }
  if (g_ascii_strcasecmp(name, "$tpid") == 0) {
    *ret = (uint64_t)cordbg_target_pid(session->target);
    return S_OK;
  }
  if (g_ascii_strcasecmp(name, "$ptrsize") == 0 || g_ascii_strcasecmp(name, "$pagesize") == 0) {
    *ret = g_ascii_tolower(name[2]) == 't' ? 8 : 4096;
    return S_OK;
  }
  if (g_ascii_strcasecmp(name, "$exentry") == 0) {
    HRESULT hr = modules_now(session, error);
    const cordbg_module *program = FAILED(hr) ? NULL : cordbg_modules_program(session->modules);
    if (program == NULL)
      return FAILED(hr) ? hr : S_FALSE;
    *ret = program->entry;
    return S_OK;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(registers); i++) {
    if (g_ascii_strcasecmp(registers[i].name, name) != 0)
      continue;
    cordbg_registers values;
    uint64_t value;
    HRESULT hr =
        cordbg_extension_registers(session, cordbg_extension_thread(session), &values, error);
    if (FAILED(hr))
      return hr;
    memcpy(&value, (const char *)&values.general + registers[i].offset, sizeof value);
    value >>= registers[i].shift;
    *ret = registers[i].size == 8 ? value : value & ((1ull << (8 * registers[i].size)) - 1);
    return S_OK;
  }
  return S_FALSE;
}

/* ---- memory and expressions ---- */

static HRESULT
read_value(void *data, uint64_t address, size_t size, uint64_t *ret, cordbg_error *error)
{
  cordbg_extension_session *session = data;
  uint64_t value = 0;
  HRESULT hr =
      cordbg_target_read_exact(session->target, CORDBG_VIEW_CLIENT, address, &value, size, error);
  if (FAILED(hr))
    return cordbg_error_set(error, E_FAIL, 0, address, "Memory access error at 0x%llx",
                            (unsigned long long)address);
  *ret = value;
  return S_OK;
}

HRESULT
cordbg_extension_evaluate(cordbg_extension_session *session, const char *text, uint64_t *ret,
                          size_t *rest, cordbg_error *error)
{
  const cordbg_expression_names names = {.symbol = find_symbol,
                                         .module = is_module,
                                         .reg = find_register,
                                         .read = read_value,
                                         .data = session};
  return cordbg_expression_evaluate(text, session->radix, &names, ret, rest, error);
}

ULONG64
cordbg_extension_expression(PCSTR text)
{
  cordbg_error error = {0};
  uint64_t value = 0;
  if (cordbg_extension_target() == NULL)
    return 0;
  if (SUCCEEDED(cordbg_extension_evaluate(cordbg_extension_current(), text, &value, NULL, &error)))
    return value;
  cordbg_extension_failed(&error);
  cordbg_extension_output("%s\n", error.sentence);
  return 0;
}

/* ---- from an address to a name ---- */

HRESULT
cordbg_extension_name(cordbg_extension_session *session, uint64_t address, char *buffer,
                      size_t size, uint64_t *displacement, cordbg_error *error)
{
  cordbg_unwinder *unwinder;
  cordbg_place place;
  char module[CORDBG_EXTENSION_SYMBOL_MAX];
  buffer[0] = '\0';
  *displacement = address;
  HRESULT hr = cordbg_target_unwinder(session->target, &unwinder, error);
  if (SUCCEEDED(hr))
    hr = cordbg_place_at(unwinder, address, 0, &place, error);
  if (hr != S_OK)
    return hr;
  module_name(place.module, module, sizeof module);
  if (place.symbol[0] != '\0')
    snprintf(buffer, size, "%s%s%s", module, module[0] == '\0' ? "" : "!", place.symbol);
  else
    snprintf(buffer, size, "%s", module);
  if (buffer[0] == '\0')
    return S_FALSE;
  *displacement = place.offset;
  return S_OK;
}

void
cordbg_extension_symbol(ULONG64 offset, PCHAR buffer, PULONG64 displacement)
{
  char name[CORDBG_EXTENSION_SYMBOL_MAX] = "";
  cordbg_error error = {0};
  *displacement = offset;
  if (cordbg_extension_target() != NULL) {
    HRESULT hr = cordbg_extension_name(cordbg_extension_current(), offset, name, sizeof name,
                                       displacement, &error);
    if (FAILED(hr))
      cordbg_extension_failed(&error);
  }
  if (buffer != NULL)
    strcpy(buffer, name);
}
