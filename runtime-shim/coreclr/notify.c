/* SPDX-License-Identifier: MIT */
/*
 * From the runtime's notifications to the boundary's events (how they come: coreclr.c).
 *
 * A notification says where to look; what is told comes from the DAC and from comparing pictures,
 * so one that was missed (while a stop was made unsound by a collection) is made up for at the next
 * stop. Bodies of code are told once each.
 */
#include "config.h"

#include "runtime-shim/coreclr/coreclr-private.h"

enum {
  NOTIFICATION_CODE = 8, /* the first argument of one that tells of code */
  ARGUMENT_START = 16,   /* where such a one has the code's address */
};

static HRESULT
code_made(cordbg_runtime *runtime, const cordbg_dac_notification *what, int32_t tid, GArray *events,
          cordbg_error *error)
{
  cordbg_rt_event event = {.kind = CORDBG_RT_EVENT_CODE_COMPILED, .tid = tid};

  if (what->method.kind != CORDBG_DAC_CODE_METHOD)
    return S_OK;
  const cordbg_coreclr_module *module =
      cordbg_coreclr_meet_module(runtime, what->method.module, events, error);
  if (!module || !cordbg_coreclr_is_wanted(runtime, module->id, what->method.token))
    return S_OK;
  HRESULT hr =
      cordbg_coreclr_meet_code(runtime, what->method_desc, what->address, &event.code, error);
  cordbg_coreclr_publish_told(runtime, what->address);
  if (hr != S_OK || !g_hash_table_add(runtime->told, GSIZE_TO_POINTER(event.code.id)))
    return FAILED(hr) ? hr : S_OK;
  event.id = event.code.id;
  g_array_append_val(events, event);
  cordbg_coreclr_has_code(runtime, &event.code);
  return S_OK;
}

static HRESULT
take(cordbg_runtime *runtime, const cordbg_dac_notification *what, int32_t tid, GArray *events,
     cordbg_error *error)
{
  switch (what->kind) {
  case CORDBG_DAC_MODULE_LOADED:
    cordbg_coreclr_meet_module(runtime, what->module, events, error);
    return S_OK;
  case CORDBG_DAC_MODULE_UNLOADED:
    cordbg_coreclr_end_module(runtime, what->module, events);
    return S_OK;
  case CORDBG_DAC_CODE_GENERATED:
    return code_made(runtime, what, tid, events, error);
  default:
    return S_OK;
  }
}

/* What bodies are no more need not be remembered as told; ids are never used twice. */
static void
look_at_events(cordbg_runtime *runtime, const GArray *events)
{
  for (guint i = 0; i < events->len; i++) {
    const cordbg_rt_event *event = &g_array_index(events, cordbg_rt_event, i);
    if (event->kind == CORDBG_RT_EVENT_CODE_FREED)
      g_hash_table_remove(runtime->told, GSIZE_TO_POINTER(event->code.id));
    else if (event->kind == CORDBG_RT_EVENT_MODULE_UNLOADED) {
      cordbg_coreclr_forget_wanted(runtime, event->id);
      cordbg_coreclr_pass_notification(runtime, 0); /* another body may come to stand there */
    }
  }
}

/* Where the runtime says what a notification is about; 0: unknown. */
static uint64_t
arguments_of(cordbg_runtime *runtime)
{
  if (!runtime->arguments_looked &&
      !cordbg_coreclr_find_global(runtime, "ClrNotificationArguments", &runtime->arguments))
    runtime->arguments = 0;
  runtime->arguments_looked = true;
  return runtime->arguments;
}

void
cordbg_coreclr_pass_notification(cordbg_runtime *runtime, uint64_t start)
{
  uint64_t arguments = arguments_of(runtime);
  const cordbg_pass passes[] = {
      {.trap = runtime->throw_address, .words = {arguments}},
      {.trap = runtime->throw_address,
       .words = {arguments, arguments + ARGUMENT_START}, /* of another kind it has no address */
       .values = {NOTIFICATION_CODE, start}},
  };

  /* Without it the client looks at the notification itself. */
  if (arguments)
    cordbg_tracer_set_passes(runtime->tracer, passes, start ? 2 : 1, NULL);
}

/*
 * What the runtime says itself: that this exception is no notification, or that code was made. Of a
 * body that is known or can be read (bodies.c) nothing is left to ask. S_FALSE: ask the DAC.
 */
static HRESULT
decode_here(cordbg_runtime *runtime, int32_t tid, GArray *events, cordbg_error *error)
{
  uint64_t arguments[3]; /* kind, MethodDesc, code */
  cordbg_dac_method method;

  if (!arguments_of(runtime) ||
      FAILED(cordbg_coreclr_read(runtime, runtime->arguments, arguments, sizeof arguments, NULL)))
    return S_FALSE;
  if (arguments[0] == 0)
    return S_OK;
  if (arguments[0] != NOTIFICATION_CODE)
    return S_FALSE;
  if (cordbg_coreclr_was_told(runtime, arguments[1], arguments[2])) {
    cordbg_coreclr_publish_told(runtime, arguments[2]);
    return S_OK;
  }
  if (!cordbg_coreclr_method_token(runtime, arguments[1], &method))
    return S_FALSE;
  const cordbg_coreclr_module *module = cordbg_coreclr_module_at(runtime, method.module);
  if (!module)
    return S_FALSE;
  if (!cordbg_coreclr_is_wanted(runtime, module->id, method.token))
    return S_OK;
  HRESULT hr = cordbg_coreclr_tell_body(runtime, arguments[1], arguments[2], tid, events, error);
  if (hr == S_OK)
    cordbg_coreclr_publish_told(runtime, arguments[2]);
  return hr;
}

static HRESULT
decode(cordbg_runtime *runtime, int32_t tid, GArray *events, cordbg_error *error)
{
  cordbg_dac_notification *notes = NULL;
  size_t count = 0;
  HRESULT hr = decode_here(runtime, tid, events, error);

  if (hr != S_FALSE)
    return hr;
  hr = cordbg_dac_decode(runtime->dac, &notes, &count, error);
  for (size_t i = 0; hr == S_OK && i < count; i++)
    hr = take(runtime, &notes[i], tid, events, error);
  g_free(notes);
  return FAILED(hr) ? hr : S_OK;
}

/* At any other stop: threads and what else changed. */
static HRESULT
look_around(cordbg_runtime *runtime, GArray *events, cordbg_error *error)
{
  HRESULT hr = cordbg_coreclr_scan_modules(runtime, events, error);

  if (SUCCEEDED(hr))
    hr = cordbg_coreclr_scan_threads(runtime, events, error);
  return hr;
}

/* An int3 of the runtime's own: Debugger.Break, or the runtime on its way to an abort. */
static bool
is_break(const cordbg_runtime *runtime, const cordbg_event *event)
{
  return event->kind == CORDBG_EVENT_TRAP && event->registers.rip == event->address + 1 &&
         event->address - runtime->info.base < runtime->info.size;
}

HRESULT
cordbg_coreclr_handle_event(cordbg_runtime *runtime, const cordbg_event *event,
                            cordbg_rt_event **events, size_t *count, cordbg_error *error)
{
  bool publishing = event && cordbg_coreclr_publish_is(runtime, event);
  if (event && is_break(runtime, event)) {
    *events = g_new0(cordbg_rt_event, 1);
    **events = (cordbg_rt_event){.kind = CORDBG_RT_EVENT_BREAK, .tid = event->tid};
    *count = 1;
    return S_OK;
  }
  bool starting = event && !publishing && cordbg_coreclr_starts_is(runtime, event);
  if (event && !publishing && !starting &&
      (event->kind != CORDBG_EVENT_TRAP || event->address != runtime->throw_address))
    return S_FALSE;
  cordbg_coreclr_free_retired(runtime);
  if (!publishing && !starting)
    cordbg_dac_flush(runtime->dac);
  GArray *told = runtime->pending;
  runtime->pending = g_array_new(FALSE, TRUE, sizeof(cordbg_rt_event));
  HRESULT hr = publishing ? cordbg_coreclr_publish_take(runtime, event, told, error)
               : starting ? cordbg_coreclr_starts_take(runtime, event, told, error)
               : event    ? decode(runtime, event->tid, told, error)
                          : look_around(runtime, told, error);

  if (FAILED(hr)) { /* what was found stays to be told */
    g_array_unref(runtime->pending);
    runtime->pending = told;
    return hr;
  }
  look_at_events(runtime, told);
  *count = told->len;
  *events = told->len ? (cordbg_rt_event *)(void *)told->data : NULL;
  g_array_free(told, told->len == 0);
  return S_OK;
}

HRESULT
cordbg_coreclr_synchronised(cordbg_runtime *runtime, cordbg_error *error)
{
  uint64_t stillness = cordbg_tracer_stillness(runtime->tracer);
  bool sound = false;

  /* What stands still stays as it is: an attach asks for each thread and each image. */
  if (runtime->sound_known && stillness != 0 && runtime->sound_at == stillness)
    return S_OK;
  HRESULT hr = cordbg_dac_is_sound(runtime->dac, &sound, error);
  if (FAILED(hr))
    return hr;
  runtime->sound_known = sound;
  runtime->sound_at = stillness;
  if (sound)
    return S_OK;
  cordbg_error_set(error, S_FALSE, 0, 0, "a garbage collection is in progress");
  return S_FALSE;
}
