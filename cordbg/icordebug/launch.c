/* SPDX-License-Identifier: MIT */
/* What ICorDebug::CreateProcess is given, in the terms of Linux: an argument vector instead of a
 * command line, an environment as an array. */
#include "cordbg/icordebug/private.h"

#include <stdlib.h>
#include <string.h>

/*
 * The rules are those of the Windows C runtime (CommandLineToArgvW): blanks separate; double quotes
 * keep blanks; 2n backslashes before a quote are n of them, 2n+1 make the quote an ordinary
 * character; "" within quotes is one quote; a backslash elsewhere is itself.
 */
static char *
next_argument(const char **line)
{
  GString *argument = g_string_new(NULL);
  const char *c = *line;
  bool quoted = false;
  for (; *c != '\0' && (quoted || (*c != ' ' && *c != '\t')); c++) {
    size_t backslashes = strspn(c, "\\");
    c += backslashes;
    bool before_quote = *c == '"';
    for (size_t i = 0; i < (before_quote ? backslashes / 2 : backslashes); i++)
      g_string_append_c(argument, '\\');
    if (!before_quote) {
      if (backslashes > 0)
        c--; /* the loop's step goes to what follows the backslashes */
      else
        g_string_append_c(argument, *c);
    } else if (backslashes % 2 != 0)
      g_string_append_c(argument, '"');
    else if (quoted && c[1] == '"') {
      g_string_append_c(argument, '"');
      c++;
    } else
      quoted = !quoted;
  }
  *line = c;
  return g_string_free(argument, FALSE);
}

HRESULT
cordbg_command_line_split(const char *line, char ***ret, cordbg_error *error)
{
  GPtrArray *arguments = g_ptr_array_new();
  while (*(line += strspn(line, " \t")) != '\0')
    g_ptr_array_add(arguments, next_argument(&line));
  if (arguments->len == 0) {
    g_ptr_array_free(arguments, TRUE);
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "the command line is empty");
  }
  g_ptr_array_add(arguments, NULL);
  *ret = (char **)g_ptr_array_free(arguments, FALSE);
  return S_OK;
}

char **
cordbg_environment_split(const void *block, bool wide)
{
  GPtrArray *variables = g_ptr_array_new();
  if (wide)
    for (const WCHAR *text = block; *text != 0; text += cordbg_utf16_length(text, SIZE_MAX) + 1) {
      char *converted = cordbg_utf8_new(text);
      g_ptr_array_add(variables, g_strdup(converted));
      free(converted);
    }
  else
    for (const char *text = block; *text != '\0'; text += strlen(text) + 1)
      g_ptr_array_add(variables, g_strdup(text));
  g_ptr_array_add(variables, NULL);
  return (char **)g_ptr_array_free(variables, FALSE);
}
