/* SPDX-License-Identifier: MIT */
#include "cordbg/icordebug/hosting.h"

#include "cordbg/icordebug/private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "cordbg/export.h"
#include "cordbg/icordebug/hold.h"
#include "runtime-shim/await.h"

static HRESULT
hosting_find(int pid, cordbg_hosting_runtime *ret)
{
  const cordbg_runtime_ops *shim;
  cordbg_runtime_info info = {.base = 0};
  cordbg_error error;
  if (pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH))
    return cordbg_fail(HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), "there is no process %d", pid);
  HRESULT hr = cordbg_runtime_find(pid, &shim, &info, &error);
  if (hr == S_OK) {
    g_strlcpy(ret->library, info.library, sizeof ret->library);
    ret->base = info.base;
  }
  return cordbg_answer(hr, &error);
}

static HRESULT
hosting_launch(const WCHAR *command_line, const void *environment, const WCHAR *folder,
               cordbg_hold **ret)
{
  cordbg_error error;
  cordbg_launch launch = {.stdio = {-1, -1, -1}};
  char *line = cordbg_utf8_new(command_line), *where = cordbg_utf8_new(folder);
  char **arguments = NULL;
  char **variables = environment ? cordbg_environment_split(environment, false) : NULL;
  HRESULT hr = line ? cordbg_command_line_split(line, &arguments, &error)
                    : cordbg_error_set(&error, E_OUTOFMEMORY, ENOMEM, 0, "out of memory");
  if (SUCCEEDED(hr)) {
    launch.argv = arguments;
    launch.path = arguments[0];
    launch.envp = variables;
    launch.folder = where;
    hr = cordbg_hold_launch(&launch, ret, &error);
  }
  g_strfreev(arguments);
  g_strfreev(variables);
  free(line);
  free(where);
  return cordbg_answer(hr, &error);
}

static HRESULT
hosting_attach(int pid, cordbg_hold **ret)
{
  cordbg_error error;
  return cordbg_answer(cordbg_hold_attach(pid, ret, &error), &error);
}

static HRESULT
hosting_await(cordbg_hold *hold)
{
  cordbg_error error;
  return cordbg_answer(cordbg_hold_await(hold, &error), &error);
}

static HRESULT
hosting_fail(HRESULT hr, const char *sentence)
{
  return cordbg_fail(hr, "%s", sentence);
}

static const cordbg_hosting hosting = {
    .version = CORDBG_HOSTING_VERSION,
    .size = sizeof hosting,
    .create = cordbg_cordebug_create,
    .find = hosting_find,
    .launch = hosting_launch,
    .attach = hosting_attach,
    .await = hosting_await,
    .cancel = cordbg_hold_cancel,
    .let_go = cordbg_hold_let_go,
    .ref = cordbg_hold_ref,
    .unref = cordbg_hold_unref,
    .pid = cordbg_hold_pid,
    .fail = hosting_fail,
};

CORDBG_EXPORT const cordbg_hosting *
cordbg_hosting_table(ULONG32 version)
{
  return version == CORDBG_HOSTING_VERSION ? &hosting : NULL;
}
