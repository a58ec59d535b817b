/* SPDX-License-Identifier: MIT */
/* The functions of cordbg.h: CordbgCreate, and what COM does not offer. Each is a door: errors are
 * remembered here, for cordbg_last_error. */
#include "config.h"

#include "cordbg/cordbg.h"

#include "cordbg/com/error.h"
#include "cordbg/icordebug/icordebug.h"
#include "cordbg/memory/doors.h"
#include "cordbg/memory/target.h"
#include "cordbg/metadata/scope.h"
#include "cordbg/metadata/sym-reader.h"
#include "cordbg/native/symbols.h"

#include <glib.h>

static HRESULT
answer(HRESULT hr, const cordbg_error *error)
{
  if (FAILED(hr))
    cordbg_error_remember(error);
  return hr;
}

static HRESULT
refuse(const char *sentence)
{
  cordbg_error error;
  return answer(cordbg_error_set(&error, E_INVALIDARG, 0, 0, "%s", sentence), &error);
}

const char *
cordbg_version(void)
{
  return PACKAGE_VERSION;
}

HRESULT
CordbgCreate(REFIID iid, void **object)
{
  cordbg_error error;
  if (object == NULL || iid == NULL)
    return refuse("CordbgCreate needs an interface id and room for the object");
  HRESULT hr = cordbg_cordebug_create(iid, object);
  if (hr == E_NOINTERFACE)
    hr = cordbg_metadata_dispenser_create(iid, object);
  if (hr == E_NOINTERFACE)
    hr = cordbg_sym_binder_create(iid, object);
  if (FAILED(hr))
    cordbg_error_set(&error, hr, 0, 0,
                     "CordbgCreate makes an ICorDebug, an IMetaDataDispenser or an "
                     "ISymUnmanagedBinder, and nothing else");
  return answer(hr, &error);
}

/* The target of a process that can still be worked with; *ret has a reference. */
static HRESULT
live_target(ICorDebugProcess *process, cordbg_target **ret)
{
  cordbg_error error;
  HRESULT hr = cordbg_process_alive(process, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_process_target(process, ret, &error);
  return answer(hr, &error);
}

HRESULT
cordbg_read(ICorDebugProcess *process, CordbgView view, CORDB_ADDRESS address, DWORD size,
            BYTE *buffer, SIZE_T *read)
{
  cordbg_target *target;
  HRESULT hr = live_target(process, &target);
  if (FAILED(hr)) {
    if (read != NULL)
      *read = 0;
    return hr;
  }
  hr = cordbg_icordebug_read_view(target, (cordbg_view)view, address, size, buffer, read);
  cordbg_target_unref(target);
  return hr;
}

/* What ReadMemory would have answered for one range of a batch. */
static HRESULT
range_result(HRESULT status)
{
  return status == S_FALSE ? HRESULT_FROM_WIN32(ERROR_PARTIAL_COPY) : status;
}

HRESULT
cordbg_read_batch(ICorDebugProcess *process, CordbgView view, CordbgRange *ranges, SIZE_T count)
{
  cordbg_target *target;
  cordbg_error error;
  if (count > 0 && ranges == NULL)
    return refuse("the ranges are NULL");
  if ((unsigned)view > CordbgViewPristine)
    return refuse("there is no such view");
  HRESULT hr = live_target(process, &target);
  if (FAILED(hr))
    return hr;
  cordbg_read_range few[64];
  cordbg_read_range *wanted =
      count <= G_N_ELEMENTS(few) ? few : g_try_new(cordbg_read_range, count);
  if (wanted == NULL) {
    cordbg_target_unref(target);
    return answer(cordbg_error_set(&error, E_OUTOFMEMORY, 0, 0, "out of memory"), &error);
  }
  for (SIZE_T i = 0; i < count; i++)
    wanted[i] = (cordbg_read_range){
        .address = ranges[i].address, .buffer = ranges[i].buffer, .size = ranges[i].size};
  hr = cordbg_target_read_batch(target, (cordbg_view)view, wanted, count, &error);
  bool whole = SUCCEEDED(hr);
  for (SIZE_T i = 0; i < count && SUCCEEDED(hr); i++) {
    ranges[i].read = wanted[i].read;
    ranges[i].result = range_result(wanted[i].status);
    /* Address 0 is no address, as for ReadMemory. */
    if (ranges[i].address == 0 && ranges[i].size > 0) {
      ranges[i].result = E_INVALIDARG;
      ranges[i].read = 0;
    }
    whole = whole && ranges[i].result == S_OK;
  }
  if (wanted != few)
    g_free(wanted);
  cordbg_target_unref(target);
  if (FAILED(hr))
    return answer(hr, &error);
  return whole ? S_OK : S_FALSE;
}

HRESULT
cordbg_find_methods(ICorDebugModule *module, const char *type, const char *method, ULONG32 capacity,
                    mdMethodDef *tokens, ULONG32 *count)
{
  cordbg_error error;
  return answer(cordbg_module_find_methods(module, type, method, capacity, tokens, count, &error),
                &error);
}

HRESULT
cordbg_find_line(ICorDebugModule *module, const char *file, ULONG32 line, ULONG32 capacity,
                 CordbgLine *lines, ULONG32 *count)
{
  cordbg_error error;
  return answer(cordbg_module_find_line(module, file, line, capacity, lines, count, &error),
                &error);
}

HRESULT
cordbg_symbol_reader(ICorDebugModule *module, REFIID iid, void **reader)
{
  cordbg_error error;
  return answer(cordbg_module_symbol_reader(module, iid, reader, &error), &error);
}

HRESULT
cordbg_find_symbol(ICorDebugProcess *process, const char *name, CORDB_ADDRESS *address)
{
  cordbg_target *target;
  cordbg_modules *modules;
  cordbg_error error;
  uint64_t found = 0;
  if (name == NULL || address == NULL)
    return refuse("cordbg_find_symbol needs a name and room for the address");
  HRESULT hr = live_target(process, &target);
  if (FAILED(hr))
    return hr;
  hr = cordbg_modules_create_for_target(target, &modules, &error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_symbol_resolve(modules, name, &found, &error);
    cordbg_modules_destroy(modules);
  }
  cordbg_target_unref(target);
  if (hr == HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND) ||
      hr == HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND))
    error.hr = hr = CORDBG_E_SYMBOLS_NOT_AVAILABLE;
  if (SUCCEEDED(hr))
    *address = found;
  return answer(hr, &error);
}

HRESULT
cordbg_force_unmanaged_breakpoint(ICorDebugProcess *process, CORDB_ADDRESS address, BYTE *original)
{
  cordbg_error error;
  return answer(cordbg_process_force_unmanaged(process, address, original, &error), &error);
}

HRESULT
cordbg_data_spaces(ICorDebugProcess *process, REFIID iid, void **object)
{
  cordbg_target *target;
  cordbg_error error;
  if (iid == NULL || object == NULL)
    return refuse("cordbg_data_spaces needs an interface id and room for the object");
  HRESULT hr = live_target(process, &target);
  if (FAILED(hr))
    return hr;
  hr = cordbg_data_spaces_create(target, iid, object);
  cordbg_target_unref(target);
  if (FAILED(hr))
    cordbg_error_set(&error, hr, 0, 0, "what DebugCreate makes can be had, and nothing else");
  return answer(hr, &error);
}

/* The three tables differ in their types only; fill(target, apis) and its failures are alike. */
#define FILL(name, table, fill)                                                                    \
  HRESULT name(ICorDebugProcess *process, table apis)                                              \
  {                                                                                                \
    cordbg_target *target;                                                                         \
    if (apis == NULL)                                                                              \
      return refuse("the table is NULL");                                                          \
    HRESULT hr = live_target(process, &target);                                                    \
    if (FAILED(hr))                                                                                \
      return hr;                                                                                   \
    hr = fill(target, apis);                                                                       \
    cordbg_target_unref(target);                                                                   \
    return hr == E_INVALIDARG ? refuse("nSize is not the table's size") : hr;                      \
  }

FILL(cordbg_fill_extension_apis, PWINDBG_EXTENSION_APIS, cordbg_wdbgexts_fill)
FILL(cordbg_fill_extension_apis32, PWINDBG_EXTENSION_APIS32, cordbg_wdbgexts_fill32)
FILL(cordbg_fill_extension_apis64, PWINDBG_EXTENSION_APIS64, cordbg_wdbgexts_fill64)

HRESULT
cordbg_set_extension_process(ICorDebugProcess *process, DWORD thread)
{
  cordbg_target *target = NULL;
  HRESULT hr = process == NULL ? S_OK : live_target(process, &target);
  if (FAILED(hr))
    return hr;
  if (thread > INT32_MAX) {
    cordbg_target_unref(target);
    return refuse("no thread has such an id");
  }
  cordbg_wdbgexts_set_current(target, (int)thread);
  cordbg_target_unref(target);
  return S_OK;
}

void
cordbg_set_extension_output(cordbg_extension_output_function function, void *data)
{
  cordbg_wdbgexts_set_output(function, data);
}

HRESULT
cordbg_interrupt_extension(ICorDebugProcess *process)
{
  cordbg_target *target;
  HRESULT hr = live_target(process, &target);
  if (FAILED(hr))
    return hr;
  cordbg_wdbgexts_interrupt(target);
  cordbg_target_unref(target);
  return S_OK;
}

HRESULT
cordbg_load_extension(const char *path, CordbgExtension **extension)
{
  cordbg_error error = {0};
  return answer(cordbg_wdbgexts_load(path, extension, &error), &error);
}

HRESULT
cordbg_call_extension(CordbgExtension *extension, const char *command, const char *arguments)
{
  cordbg_error error = {0};
  return answer(cordbg_wdbgexts_call(extension, command, arguments, &error), &error);
}

void
cordbg_unload_extension(CordbgExtension *extension)
{
  cordbg_wdbgexts_unload(extension);
}

HRESULT
cordbg_read_statistics(ICorDebugProcess *process, CordbgStatistics *ret)
{
  cordbg_target *target;
  cordbg_statistics statistics;
  cordbg_error error;
  if (ret == NULL)
    return refuse("there is no room for the statistics");
  HRESULT hr = live_target(process, &target);
  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_statistics(cordbg_target_tracer(target), &statistics, &error);
  cordbg_target_unref(target);
  if (SUCCEEDED(hr))
    *ret = (CordbgStatistics){.hits = statistics.hits,
                              .emulated = statistics.emulated,
                              .stepped = statistics.stepped,
                              .interrupts = statistics.interrupts,
                              .signalsPassed = statistics.signals_passed,
                              .signalsSwallowed = statistics.signals_swallowed,
                              .lost = statistics.lost,
                              .dropped = statistics.dropped};
  return answer(hr, &error);
}

const char *
cordbg_last_error(HRESULT *result, int *system_error, ULONG64 *address)
{
  const cordbg_error *error = cordbg_error_last();
  if (result != NULL)
    *result = error->hr;
  if (system_error != NULL)
    *system_error = error->sys;
  if (address != NULL)
    *address = error->address;
  return error->sentence;
}
