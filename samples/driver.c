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

void
driver_parse_break(const char *text, driver_break *ret)
{
  const char *colon = strrchr(text, ':');
  const char *at = colon ? strchr(colon, '@') : NULL;
  const char *end = at ? at : text + strlen(text);
  if (colon == NULL || colon == text || end == colon + 1)
    driver_fail(DRIVER_USAGE,
                "'%s' names no method: write Namespace.Class:Method or "
                "Namespace.Class:Method@IL",
                text);
  *ret = (driver_break){.text = text};
  if (at) {
    char *rest;
    errno = 0;
    unsigned long offset = strtoul(at + 1, &rest, 0);
    if (rest == at + 1 || *rest != '\0' || errno != 0 || offset > G_MAXUINT32)
      driver_fail(DRIVER_USAGE, "'%s': the IL offset behind @ is not a number", text);
    ret->il_offset = (ULONG32)offset;
  }
  ret->type = g_strndup(text, (gsize)(colon - text));
  ret->method = g_strndup(colon + 1, (gsize)(end - colon - 1));
}

void
driver_break_clear(driver_break *parsed)
{
  g_free(parsed->type);
  g_free(parsed->method);
}

static bool
set_on_function(const driver_break *wanted, ICorDebugModule *module, mdMethodDef token,
                GPtrArray *breakpoints)
{
  ICorDebugFunction *function = NULL;
  ICorDebugCode *code = NULL;
  ICorDebugFunctionBreakpoint *breakpoint = NULL;
  HRESULT hr = ICorDebugModule_GetFunctionFromToken(module, token, &function);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunction_GetILCode(function, &code);
  if (SUCCEEDED(hr))
    hr = ICorDebugCode_CreateBreakpoint(code, wanted->il_offset, &breakpoint);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunctionBreakpoint_Activate(breakpoint, TRUE);
  if (SUCCEEDED(hr))
    g_ptr_array_add(breakpoints, breakpoint);
  else {
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

unsigned
driver_set_break(driver_break *wanted, ICorDebugModule *module, GPtrArray *breakpoints)
{
  mdMethodDef tokens[64];
  ULONG32 count = 0;
  unsigned set = 0;
  if (cordbg_find_methods(module, wanted->type, wanted->method, G_N_ELEMENTS(tokens), tokens,
                          &count) != S_OK)
    return 0;
  for (ULONG32 i = 0; i < MIN(count, G_N_ELEMENTS(tokens)); i++)
    set += set_on_function(wanted, module, tokens[i], breakpoints);
  wanted->bound += set;
  return set;
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

/* A managed program begins with "MZ": Linux leaves it to us to run it by its runtime. */
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
    append_argument(line, "mono");
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
