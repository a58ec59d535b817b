/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "driver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
driver_fail(int code, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fflush(stdout);
  fprintf(stderr, "%s: %s\n", program_invocation_short_name, message);
  exit(code);
}

DWORD
driver_parse_pid(const char *text)
{
  char *end;
  errno = 0;
  unsigned long pid = strtoul(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || pid == 0 || pid > G_MAXINT32 || *text == '-')
    driver_fail(DRIVER_USAGE, "'%s' is not a process id: give a decimal number", text);
  return (DWORD)pid;
}

static ULONG32
parse_number(const char *text, const char *digits, int base, const char *what)
{
  char *rest;
  errno = 0;
  unsigned long number = strtoul(digits, &rest, base);
  if (rest == digits || *rest != '\0' || errno != 0 || number > G_MAXUINT32 || *digits == '-')
    driver_fail(DRIVER_USAGE, "'%s': the %s is not a number", text, what);
  return (ULONG32)number;
}

/* No method's name begins with a digit: what does is a line. */
void
driver_parse_break(const char *text, driver_break *ret)
{
  const char *colon = strrchr(text, ':');
  const char *at = colon ? strchr(colon, '@') : NULL;
  const char *end = at ? at : text + strlen(text);
  if (colon == NULL || colon == text || end == colon + 1)
    driver_fail(DRIVER_USAGE,
                "'%s' names no method: write Namespace.Class:Method, "
                "Namespace.Class:Method@IL or file.cs:LINE",
                text);
  *ret = (driver_break){.text = text};
  if (g_ascii_isdigit(colon[1])) {
    ret->line = parse_number(text, colon + 1, 10, "line behind the colon");
    if (ret->line == 0)
      driver_fail(DRIVER_USAGE, "'%s': lines count from 1", text);
    ret->file = g_strndup(text, (gsize)(colon - text));
    ret->blind = g_ptr_array_new_with_free_func(g_free);
    return;
  }
  if (at)
    ret->il_offset = parse_number(text, at + 1, 0, "IL offset behind @");
  ret->type = g_strndup(text, (gsize)(colon - text));
  ret->method = g_strndup(colon + 1, (gsize)(end - colon - 1));
}

void
driver_break_clear(driver_break *parsed)
{
  g_free(parsed->type);
  g_free(parsed->method);
  g_free(parsed->file);
  g_free(parsed->problem);
  if (parsed->blind)
    g_ptr_array_free(parsed->blind, TRUE);
}

static bool
set_on_function(const driver_break *wanted, ICorDebugModule *module, mdMethodDef token,
                ULONG32 il_offset, GPtrArray *breakpoints)
{
  ICorDebugFunction *function = NULL;
  ICorDebugCode *code = NULL;
  ICorDebugFunctionBreakpoint *breakpoint = NULL;
  HRESULT hr = ICorDebugModule_GetFunctionFromToken(module, token, &function);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunction_GetILCode(function, &code);
  if (SUCCEEDED(hr))
    hr = ICorDebugCode_CreateBreakpoint(code, il_offset, &breakpoint);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunctionBreakpoint_Activate(breakpoint, TRUE);
  if (SUCCEEDED(hr))
    g_ptr_array_add(breakpoints, breakpoint);
  else {
    if (wanted->file == NULL)
      fprintf(stderr, "%s: no breakpoint on %s: %s\n", program_invocation_short_name, wanted->text,
              cordbg_last_error(NULL, NULL, NULL));
    if (breakpoint)
      ICorDebugFunctionBreakpoint_Release(breakpoint);
  }
  if (code)
    ICorDebugCode_Release(code);
  if (function)
    ICorDebugFunction_Release(function);
  return SUCCEEDED(hr);
}

static unsigned
set_on_method(const driver_break *wanted, ICorDebugModule *module, GPtrArray *breakpoints)
{
  mdMethodDef tokens[64];
  ULONG32 count = 0;
  unsigned set = 0;
  if (cordbg_find_methods(module, wanted->type, wanted->method, G_N_ELEMENTS(tokens), tokens,
                          &count) != S_OK)
    return 0;
  for (ULONG32 i = 0; i < MIN(count, G_N_ELEMENTS(tokens)); i++)
    set += set_on_function(wanted, module, tokens[i], wanted->il_offset, breakpoints);
  return set;
}

static void
note_blind(driver_break *wanted, ICorDebugModule *module)
{
  WCHAR name[1024];
  ULONG32 length = 0;
  if (FAILED(ICorDebugModule_GetName(module, G_N_ELEMENTS(name), &length, name)))
    return;
  g_autofree char *path = g_utf16_to_utf8((const gunichar2 *)name, -1, NULL, NULL, NULL);
  char *base = path ? g_path_get_basename(path) : NULL;
  if (base && !g_ptr_array_find_with_equal_func(wanted->blind, base, g_str_equal, NULL))
    g_ptr_array_add(wanted->blind, base);
  else
    g_free(base);
}

static unsigned
set_on_line(driver_break *wanted, ICorDebugModule *module, GPtrArray *breakpoints)
{
  CordbgLine places[64];
  ULONG32 count = 0;
  unsigned set = 0;
  HRESULT hr =
      cordbg_find_line(module, wanted->file, wanted->line, G_N_ELEMENTS(places), places, &count);
  if (hr == CORDBG_E_SYMBOLS_NOT_AVAILABLE)
    note_blind(wanted, module);
  if (hr == CORDBG_E_SYMBOLS_NOT_AVAILABLE || hr == CLDB_E_RECORD_NOTFOUND)
    return 0;
  if (hr != S_OK) {
    g_free(wanted->problem);
    wanted->problem =
        FAILED(hr) ? g_strdup(cordbg_last_error(NULL, NULL, NULL))
        : count == 0
            ? g_strdup("the file has no code")
            : g_strdup_printf("no code begins on line %u; the nearest line with code is %u",
                              wanted->line, places[0].line);
    return 0;
  }
  for (ULONG32 i = 0; i < MIN(count, G_N_ELEMENTS(places)); i++)
    set += set_on_function(wanted, module, places[i].method, places[i].ilOffset, breakpoints);
  if (set == 0 && wanted->problem == NULL)
    wanted->problem = g_strdup(cordbg_last_error(NULL, NULL, NULL));
  return set;
}

unsigned
driver_set_break(driver_break *wanted, ICorDebugModule *module, GPtrArray *breakpoints)
{
  unsigned set = wanted->file ? set_on_line(wanted, module, breakpoints)
                              : set_on_method(wanted, module, breakpoints);
  wanted->bound += set;
  return set;
}

char *
driver_break_problem(const driver_break *wanted, bool complete)
{
  enum { NAMES_MAX = 6 };
  if (wanted->bound > 0 || wanted->file == NULL)
    return NULL;
  if (wanted->problem)
    return g_strdup_printf("--break %s: %s", wanted->text, wanted->problem);
  if (!complete)
    return NULL;
  GString *text = g_string_new(NULL);
  g_string_printf(text, "--break %s: no module with symbols has such a source file", wanted->text);
  for (guint i = 0; i < MIN(wanted->blind->len, NAMES_MAX); i++)
    g_string_append_printf(text, "%s%s", i == 0 ? "; without symbols: " : ", ",
                           (const char *)wanted->blind->pdata[i]);
  if (wanted->blind->len > NAMES_MAX)
    g_string_append_printf(text, " and %u more", wanted->blind->len - NAMES_MAX);
  return g_string_free(text, FALSE);
}

/* One argument of a command line, quoted by the rules that CreateProcess documents. */
static void
append_argument(GString *line, const char *argument)
{
  if (line->len > 0)
    g_string_append_c(line, ' ');
  if (*argument != '\0' && strpbrk(argument, " \t\"") == NULL) {
    g_string_append(line, argument);
    return;
  }
  unsigned backslashes = 0;
  g_string_append_c(line, '"');
  for (const char *c = argument; *c != '\0'; c++) {
    if (*c == '"')
      for (backslashes++; backslashes > 0; backslashes--)
        g_string_append_c(line, '\\');
    backslashes = *c == '\\' ? backslashes + 1 : 0;
    g_string_append_c(line, *c);
  }
  for (; backslashes > 0; backslashes--)
    g_string_append_c(line, '\\');
  g_string_append_c(line, '"');
}

/* A managed program begins with "MZ": Linux leaves it to us to run it by its runtime, .NET's .dll
 * by dotnet and Mono's .exe by mono. A .NET app host is a program like any other. */
static bool
is_managed_program(const char *path)
{
  char start[2] = {0};
  FILE *file = fopen(path, "rbe");
  if (file == NULL)
    return false;
  bool managed = fread(start, 1, sizeof start, file) == sizeof start && memcmp(start, "MZ", 2) == 0;
  fclose(file);
  return managed;
}

static HRESULT
launch(driver *session, char **arguments)
{
  g_autoptr(GString) line = g_string_new(NULL);
  if (strchr(arguments[0], '/') && access(arguments[0], R_OK) != 0)
    driver_fail(DRIVER_USAGE, "%s: %s", arguments[0], g_strerror(errno));
  if (is_managed_program(arguments[0]))
    append_argument(line, g_str_has_suffix(arguments[0], ".dll") ? "dotnet" : "mono");
  for (char **argument = arguments; *argument; argument++)
    append_argument(line, *argument);
  g_autofree gunichar2 *command = g_utf8_to_utf16(line->str, -1, NULL, NULL, NULL);
  if (command == NULL)
    driver_fail(DRIVER_USAGE, "the arguments are not valid UTF-8");
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION information = {0};
  session->launched = true;
  return ICorDebug_CreateProcess(session->cordebug, NULL, (LPWSTR)command, NULL, NULL, TRUE,
                                 DEBUG_ONLY_THIS_PROCESS, NULL, NULL, &startup, &information,
                                 DEBUG_NO_SPECIAL_OPTIONS, &session->process);
}

static void
on_ended(void *data)
{
  driver *session = data;
  pthread_mutex_lock(&session->lock);
  session->exited = true;
  pthread_cond_signal(&session->changed);
  pthread_mutex_unlock(&session->lock);
}

/* ExitProcess is the last callback: before it was told, the hooks may still be called. */
static void
await_end(driver *session)
{
  pthread_mutex_lock(&session->lock);
  while (!session->exited)
    pthread_cond_wait(&session->changed, &session->lock);
  pthread_mutex_unlock(&session->lock);
}

void
driver_start(driver *session, const sample_hooks *hooks, DWORD pid, char **arguments)
{
  *session = (driver){.pid = pid,
                      .own = *hooks,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .changed = PTHREAD_COND_INITIALIZER};
  session->own.ended = on_ended;
  session->own.ended_data = session;
  HRESULT hr = CordbgCreate(&IID_ICorDebug, (void **)&session->cordebug);
  if (SUCCEEDED(hr))
    hr = ICorDebug_Initialize(session->cordebug);
  if (FAILED(hr))
    driver_fail(DRIVER_FAILED, "%s", cordbg_last_error(NULL, NULL, NULL));

  ICorDebugManagedCallback *managed = sample_managed_callback(&session->own);
  ICorDebugUnmanagedCallback *unmanaged =
      sample_unmanaged_callback(&session->own, session->cordebug);
  ICorDebug_SetManagedHandler(session->cordebug, managed);
  ICorDebug_SetUnmanagedHandler(session->cordebug, unmanaged);
  ICorDebugManagedCallback_Release(managed);
  ICorDebugUnmanagedCallback_Release(unmanaged);

  if (arguments)
    hr = launch(session, arguments);
  else
    hr = ICorDebug_DebugActiveProcess(session->cordebug, pid, TRUE, &session->process);
  if (FAILED(hr))
    driver_fail(DRIVER_USAGE, "%s", cordbg_last_error(NULL, NULL, NULL));
  ICorDebugProcess_GetID(session->process, &session->pid);
}

void
driver_end(driver *session)
{
  if (session->process) {
    /* Stops are counted: one more does no harm where the process is stopped already. */
    ICorDebugProcess_Stop(session->process, 0);
    if (session->launched) {
      ICorDebugProcess_Terminate(session->process, 0);
      await_end(session);
    } else {
      ICorDebugProcess_Detach(session->process);
    }
    ICorDebugProcess_Release(session->process);
  }
  ICorDebug_Terminate(session->cordebug);
  ICorDebug_Release(session->cordebug);
}
