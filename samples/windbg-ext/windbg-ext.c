/* SPDX-License-Identifier: MIT */
/*
 * windbg-ext: attaches to a running managed program, stops it, runs one command of an extension
 * library that was written for WinDbg, and is gone. The program runs on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../driver.h"

static int
run(driver *session, DWORD thread, const char *library, const char *command, const char *arguments)
{
  CordbgExtension *extension = NULL;
  HRESULT hr = cordbg_set_extension_process(session->process, thread);
  if (SUCCEEDED(hr))
    hr = cordbg_load_extension(library, &extension);
  if (SUCCEEDED(hr))
    hr = cordbg_call_extension(extension, command, arguments);
  if (FAILED(hr))
    fprintf(stderr, "windbg-ext: %s\n", cordbg_last_error(NULL, NULL, NULL));
  cordbg_unload_extension(extension);
  cordbg_set_extension_process(NULL, 0);
  return SUCCEEDED(hr) ? DRIVER_OK : DRIVER_FAILED;
}

int
main(int count, char **arguments)
{
  if (count < 4 || count > 5) {
    fprintf(stderr, "usage: windbg-ext PID LIBRARY COMMAND [ARGUMENTS]\n");
    return DRIVER_USAGE;
  }
  static const sample_hooks hooks;
  driver session;
  int result = DRIVER_FAILED;
  driver_start(&session, &hooks, driver_parse_pid(arguments[1]), NULL);
  if (SUCCEEDED(ICorDebugProcess_Stop(session.process, 0))) {
    result = run(&session, 0, arguments[2], arguments[3], count == 5 ? arguments[4] : "");
    ICorDebugProcess_Continue(session.process, FALSE);
  }
  driver_end(&session);
  return result;
}
