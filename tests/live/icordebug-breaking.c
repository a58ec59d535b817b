/* SPDX-License-Identifier: MIT */
/* Breakpoints by name, and what a stop at one of them is (icordebug-client.h). */
#include "config.h"

#include "icordebug-client.h"

#include <string.h>

static HRESULT
break_in(breaking *b, ICorDebugModule *module, mdMethodDef token)
{
  ICorDebugFunction *function;
  ICorDebugCode *code;
  HRESULT hr = ICorDebugModule_GetFunctionFromToken(module, token, &function);
  if (FAILED(hr))
    return hr;
  hr = ICorDebugFunction_GetILCode(function, &code);
  if (SUCCEEDED(hr)) {
    ICorDebugFunctionBreakpoint *made = NULL;
    hr = ICorDebugCode_CreateBreakpoint(code, b->il, &made);
    if (SUCCEEDED(hr)) /* two sessions' threads may be here at once */
      b->breakpoints[__atomic_fetch_add(&b->set, 1, __ATOMIC_SEQ_CST)] = made;
    ICorDebugCode_Release(code);
  }
  ICorDebugFunction_Release(function);
  return hr;
}

void
breaking_set(breaking *b, ICorDebugModule *module)
{
  mdMethodDef tokens[8];
  ULONG32 count = 0;
  /* A client of two processes has two threads here. */
  static pthread_mutex_t setting = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&setting);
  HRESULT hr = b->once && b->set > 0
                   ? S_FALSE
                   : cordbg_find_methods(module, b->type, b->method, 8, tokens, &count);
  for (ULONG32 i = 0; i < count && i < 8 && hr == S_OK && b->set < BREAKING_MAX; i++)
    hr = break_in(b, module, tokens[i]);
  pthread_mutex_unlock(&setting);
  hook_true(hr == S_OK || hr == S_FALSE || (b->left && hr == CORDBG_E_OBJECT_NEUTERED));
}

then
breaking_hook(client *c, const told *what)
{
  breaking *b = c->data;
  if (strcmp(what->name, "LoadModule") == 0)
    breaking_set(b, what->module);
  if (strcmp(what->name, "Breakpoint") != 0)
    return GO_ON;
  return __atomic_add_fetch(&b->hits, 1, __ATOMIC_SEQ_CST) == b->limit ? STAY : GO_ON;
}

void
breaking_drop(breaking *b)
{
  for (unsigned i = 0; i < b->set; i++)
    ICorDebugFunctionBreakpoint_Release(b->breakpoints[i]);
  b->set = 0;
}

void
breaking_place(const told *what, DWORD *tid, CORDB_ADDRESS *pc)
{
  ICorDebugRegisterSet *set;
  hook_ok(ICorDebugThread_GetID(what->thread, tid));
  hook_ok(ICorDebugThread_GetRegisterSet(what->thread, &set));
  hook_ok(ICorDebugRegisterSet_GetRegisters(set, 1, 1, pc));
  ICorDebugRegisterSet_Release(set);
}
