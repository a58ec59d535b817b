/* SPDX-License-Identifier: MIT */
/* dprintf: Microsoft's printf to the calling thread's sink. */
#include "config.h"

#include "cordbg/memory/wdbgexts-private.h"
#include "cordbg/memory/wdbgexts-text.h"

#include <glib.h>
#include <stdio.h>

void
cordbg_extension_put(const char *text)
{
  cordbg_extension_session *session = cordbg_extension_current();
  if (session->output != NULL)
    session->output(session->output_data, text);
  else
    fputs(text, stdout);
}

void
cordbg_extension_output(PCSTR format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = cordbg_wdbgexts_format(format, arguments);
  va_end(arguments);
  cordbg_extension_put(text);
}
