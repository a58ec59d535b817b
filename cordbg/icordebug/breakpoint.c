/* SPDX-License-Identifier: MIT */
/*
 * Managed breakpoints.
 *
 * A breakpoint is a wish: "this method at this IL offset". The method may have no native code yet,
 * or several bodies of it: instances of a generic method, one for each domain, later ones. While
 * the breakpoint is active it has one binding in each body that exists, and the shim is asked to
 * tell of each body that is compiled later, before it runs for the first time.
 *
 *   inactive --Activate(TRUE)--> active: for all bodies, present and to come --> bindings
 *      ^                            |
 *      '------Activate(FALSE)-------'      bindings undone, the wish withdrawn
 *
 * Where in a body: wherever the statement at the offset begins (places.c); one breakpoint has a
 * binding at each.
 *
 * A *site* is an address with a trap. Several breakpoints may share it; the trap goes with the
 * last.
 *
 * Which breakpoints a hit is told for: those of the site whose function belongs to the domain of
 * the hit; when there is none, all of the site. Of these, those whose function is in the body's very
 * module; when there is none, all. So a client that sets a breakpoint once for each module it is
 * told of (one per domain, or one per load context that loaded the file) hears of each hit once, as
 * with Microsoft's implementation, and a client that set just one misses none.
 */
#include "cordbg/icordebug/private.h"

#include <errno.h>
#include <string.h>

void
cordbg_site_free(void *data)
{
  cordbg_site *site = data;
  g_ptr_array_free(site->breakpoints, TRUE);
  g_free(site);
}

static gint64
method_key(uint32_t image, uint32_t token)
{
  return (gint64)(((guint64)image << 32) | token);
}

/* ---- Sites ---- */

static HRESULT
plant(cordbg_session *session, uint64_t address, cordbg_error *error)
{
  cordbg_plant_result result = {0};
  HRESULT hr =
      cordbg_tracer_plant(session->tracer, CORDBG_LAYER_MANAGED, &address, 1, &result, error);
  if (FAILED(hr))
    return hr;
  if (result.status != 0)
    return cordbg_error_set(error, CORDBG_E_UNABLE_TO_SET_BREAKPOINT, result.status, address,
                            "no trap can be planted at 0x%llx: %s", (unsigned long long)address,
                            g_strerror(result.status));
  return S_OK;
}

static bool
is_bound(const cordbg_breakpoint *breakpoint, uint64_t address)
{
  for (guint i = 0; i < breakpoint->bindings->len; i++)
    if (g_array_index(breakpoint->bindings, cordbg_binding, i).address == address)
      return true;
  return false;
}

static HRESULT
bind_at(cordbg_breakpoint *breakpoint, const cordbg_rt_code *body, uint64_t address,
        cordbg_error *error)
{
  cordbg_session *session = breakpoint->session;
  if (is_bound(breakpoint, address))
    return S_OK;
  cordbg_site *site = g_hash_table_lookup(session->sites, GSIZE_TO_POINTER(address));
  if (site == NULL) {
    HRESULT hr = plant(session, address, error);
    if (FAILED(hr))
      return hr;
    site = g_new0(cordbg_site, 1);
    site->address = address;
    site->domain = body->domain;
    site->module = body->module;
    site->breakpoints = g_ptr_array_new();
    g_hash_table_insert(session->sites, GSIZE_TO_POINTER(address), site);
  }
  g_ptr_array_add(site->breakpoints, breakpoint);
  cordbg_binding binding = {address, body->id, body->module};
  g_array_append_val(breakpoint->bindings, binding);
  return S_OK;
}

static void
unbind_at(cordbg_breakpoint *breakpoint, guint index)
{
  cordbg_session *session = breakpoint->session;
  uint64_t address = g_array_index(breakpoint->bindings, cordbg_binding, index).address;
  g_array_remove_index_fast(breakpoint->bindings, index);
  cordbg_site *site = g_hash_table_lookup(session->sites, GSIZE_TO_POINTER(address));
  if (site == NULL)
    return;
  g_ptr_array_remove_fast(site->breakpoints, breakpoint);
  if (site->breakpoints->len > 0)
    return;
  cordbg_plant_result result;
  cordbg_tracer_remove(session->tracer, CORDBG_LAYER_MANAGED, &address, 1, &result, NULL);
  g_hash_table_remove(session->sites, GSIZE_TO_POINTER(address));
}

/* S_FALSE: no instruction of the body begins the offset. */
static HRESULT
bind_in_body(cordbg_breakpoint *breakpoint, const cordbg_rt_code *body, cordbg_error *error)
{
  if (body->kind == CORDBG_RT_CODE_INTERPRETED)
    return S_FALSE;
  g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  HRESULT hr =
      cordbg_breakpoint_places(breakpoint->session, body, breakpoint->offset, places, error);
  for (guint i = 0; i < places->len && hr == S_OK; i++)
    hr = bind_at(breakpoint, body, g_array_index(places, uint64_t, i), error);
  return hr;
}

/* ---- Wishes ---- */

static HRESULT
want(cordbg_breakpoint *breakpoint, cordbg_rt_id module, cordbg_error *error)
{
  cordbg_session *session = breakpoint->session;
  cordbg_rt_want_status status = CORDBG_RT_WANT_OK;
  uint32_t token = breakpoint->function->method.token;
  for (guint i = 0; i < breakpoint->wanted->len; i++)
    if (g_array_index(breakpoint->wanted, cordbg_rt_id, i) == module)
      return S_OK;
  HRESULT hr = session->ops->want_method(session->runtime, module, token, true, &status, error);
  if (FAILED(hr))
    return hr;
  g_array_append_val(breakpoint->wanted, module);
  if (status == CORDBG_RT_WANT_INTERPRETED)
    return cordbg_error_set(error, CORDBG_E_UNABLE_TO_SET_BREAKPOINT, 0, 0,
                            "method 0x%08x runs in the interpreter: there is no native code to put "
                            "a breakpoint on",
                            token);
  if (status == CORDBG_RT_WANT_NO_BODY)
    return cordbg_error_set(error, CORDBG_E_UNABLE_TO_SET_BREAKPOINT, 0, 0,
                            "method 0x%08x has no body (abstract, extern, or the runtime's own)",
                            token);
  return S_OK;
}

/* Wishes and binds in one module. *placed counts bodies with a binding, *bodies all. */
static HRESULT
bind_in_module(cordbg_breakpoint *breakpoint, cordbg_rt_id module, size_t *placed, size_t *bodies,
               cordbg_error *error)
{
  cordbg_session *session = breakpoint->session;
  cordbg_rt_code *codes = NULL;
  size_t count = 0;
  HRESULT hr = want(breakpoint, module, error);
  if (SUCCEEDED(hr))
    hr = session->ops->codes(session->runtime, module, breakpoint->function->method.token, &codes,
                             &count, error);
  for (size_t i = 0; i < count && SUCCEEDED(hr); i++) {
    hr = bind_in_body(breakpoint, &codes[i], error);
    *placed += hr == S_OK;
    ++*bodies;
  }
  g_free(codes);
  return hr;
}

static HRESULT
bind_everywhere(cordbg_breakpoint *breakpoint, cordbg_error *error)
{
  cordbg_session *session = breakpoint->session;
  const cordbg_rt_method *method = &breakpoint->function->method;
  size_t placed = 0, bodies = 0;
  HRESULT hr = S_OK;
  if (breakpoint->offset != 0 && method->il_size != 0 && breakpoint->offset >= method->il_size)
    return cordbg_error_set(error, CORDBG_E_UNABLE_TO_SET_BREAKPOINT, 0, 0,
                            "IL offset 0x%x lies beyond the method's %u bytes of IL",
                            breakpoint->offset, method->il_size);
  const cordbg_loaded_image *image = session->images->pdata[breakpoint->function->image];
  for (guint i = 0; i < image->modules->len && SUCCEEDED(hr); i++)
    hr = bind_in_module(breakpoint, g_array_index(image->modules, cordbg_rt_id, i), &placed,
                        &bodies, error);
  if (SUCCEEDED(hr) && bodies > 0 && placed == 0)
    hr = cordbg_error_set(error, CORDBG_E_UNABLE_TO_SET_BREAKPOINT, 0, 0,
                          "no instruction of method 0x%08x begins IL offset 0x%x", method->token,
                          breakpoint->offset);
  return FAILED(hr) ? hr : S_OK;
}

static void
undo(cordbg_breakpoint *breakpoint)
{
  cordbg_session *session = breakpoint->session;
  cordbg_rt_want_status status;
  while (breakpoint->bindings->len > 0)
    unbind_at(breakpoint, breakpoint->bindings->len - 1);
  for (guint i = 0; i < breakpoint->wanted->len && session->runtime != NULL; i++)
    session->ops->want_method(session->runtime, g_array_index(breakpoint->wanted, cordbg_rt_id, i),
                              breakpoint->function->method.token, false, &status, NULL);
  g_array_set_size(breakpoint->wanted, 0);
}

static void
list_by_method(cordbg_breakpoint *breakpoint)
{
  GHashTable *methods = breakpoint->session->methods;
  gint64 key = method_key(breakpoint->function->image, breakpoint->function->method.token);
  GPtrArray *list = g_hash_table_lookup(methods, &key);
  if (list == NULL) {
    gint64 *owned = g_new(gint64, 1);
    *owned = key;
    list = g_ptr_array_new();
    g_hash_table_insert(methods, owned, list);
  }
  g_ptr_array_add(list, breakpoint);
}

static void
unlist_by_method(cordbg_breakpoint *breakpoint)
{
  GHashTable *methods = breakpoint->session->methods;
  gint64 key = method_key(breakpoint->function->image, breakpoint->function->method.token);
  GPtrArray *list = g_hash_table_lookup(methods, &key);
  if (list != NULL && g_ptr_array_remove_fast(list, breakpoint) && list->len == 0)
    g_hash_table_remove(methods, &key);
}

HRESULT
cordbg_breakpoint_activate(cordbg_breakpoint *breakpoint, cordbg_error *error)
{
  cordbg_session *session = breakpoint->session;
  uint64_t address;
  HRESULT hr;
  if (breakpoint->active)
    return S_OK;
  if (breakpoint->native.id == 0)
    hr = bind_everywhere(breakpoint, error);
  else if (cordbg_native_address(&breakpoint->native, breakpoint->offset, &address))
    hr = bind_at(breakpoint, &breakpoint->native, address, error);
  else
    hr = cordbg_error_set(error, CORDBG_E_UNABLE_TO_SET_BREAKPOINT, 0, 0,
                          "native offset 0x%x lies beyond the code", breakpoint->offset);
  if (FAILED(hr)) {
    undo(breakpoint);
    return hr;
  }
  breakpoint->active = true;
  cordbg_object_ref(breakpoint);
  g_ptr_array_add(session->breakpoints, breakpoint);
  if (breakpoint->native.id == 0)
    list_by_method(breakpoint);
  return S_OK;
}

void
cordbg_breakpoint_deactivate(cordbg_breakpoint *breakpoint)
{
  if (!breakpoint->active)
    return;
  breakpoint->active = false;
  undo(breakpoint);
  if (breakpoint->native.id == 0)
    unlist_by_method(breakpoint);
  g_ptr_array_remove_fast(breakpoint->session->breakpoints, breakpoint);
}

/* ---- What happens to code ---- */

static void
queue_set_error(cordbg_breakpoint *breakpoint, const cordbg_rt_code *body, int tid, HRESULT why)
{
  cordbg_session *session = breakpoint->session;
  cordbg_thread *thread = NULL;
  cordbg_domain *domain = NULL;
  if (breakpoint->told)
    return;
  cordbg_rt_id where = body->domain != 0 ? body->domain : breakpoint->domain;
  if (FAILED(cordbg_session_domain(session, where, &domain, NULL)))
    return;
  if (tid != 0)
    cordbg_session_thread_at(session, tid, where, &thread, NULL);
  breakpoint->told = true;
  cordbg_dispatch_queue(session, CORDBG_CALLBACK_BREAKPOINT_ERROR, domain, thread, breakpoint, why);
}

void
cordbg_breakpoints_code_compiled(cordbg_session *session, const cordbg_rt_code *body, int tid)
{
  cordbg_module *module;
  if (FAILED(cordbg_tell_module(session, body->module, &module, NULL)))
    return;
  gint64 key = method_key(module->image, body->token);
  GPtrArray *list = g_hash_table_lookup(session->methods, &key);
  for (guint i = 0; list != NULL && i < list->len; i++) {
    cordbg_breakpoint *breakpoint = list->pdata[i];
    cordbg_error error = {.sentence = "no instruction begins the IL offset"};
    HRESULT hr = bind_in_body(breakpoint, body, &error);
    if (hr == S_OK)
      continue;
    cordbg_log(CORDBG_LOG_WARNING, "a breakpoint on method 0x%08x at IL 0x%x was not bound: %s",
               body->token, breakpoint->offset, error.sentence);
    if (breakpoint->bindings->len == 0)
      queue_set_error(breakpoint, body, tid, FAILED(hr) ? hr : CORDBG_E_UNABLE_TO_SET_BREAKPOINT);
  }
}

static void
drop_bindings(cordbg_session *session, cordbg_rt_id code, cordbg_rt_id module)
{
  for (guint i = 0; i < session->breakpoints->len; i++) {
    cordbg_breakpoint *breakpoint = session->breakpoints->pdata[i];
    for (guint j = breakpoint->bindings->len; j > 0; j--) {
      const cordbg_binding *binding = &g_array_index(breakpoint->bindings, cordbg_binding, j - 1);
      if (binding->code == code || binding->module == module)
        unbind_at(breakpoint, j - 1);
    }
  }
}

/* The memory still holds the body: its bytes are put back before it can become another's. */
void
cordbg_breakpoints_code_freed(cordbg_session *session, const cordbg_rt_code *body)
{
  drop_bindings(session, body->id, 0);
}

void
cordbg_breakpoints_module_loaded(cordbg_session *session, cordbg_module *module)
{
  for (guint i = 0; i < session->breakpoints->len; i++) {
    cordbg_breakpoint *breakpoint = session->breakpoints->pdata[i];
    size_t placed = 0, bodies = 0;
    cordbg_error error;
    if (breakpoint->native.id == 0 && breakpoint->function->image == module->image &&
        FAILED(bind_in_module(breakpoint, module->id, &placed, &bodies, &error)))
      cordbg_log(CORDBG_LOG_WARNING, "a breakpoint does not reach another domain: %s",
                 error.sentence);
  }
}

void
cordbg_breakpoints_module_gone(cordbg_session *session, cordbg_module *module, HRESULT why)
{
  for (guint i = session->breakpoints->len; i > 0; i--) {
    cordbg_breakpoint *breakpoint = session->breakpoints->pdata[i - 1];
    for (guint j = 0; j < breakpoint->wanted->len; j++)
      if (g_array_index(breakpoint->wanted, cordbg_rt_id, j) == module->id) {
        g_array_remove_index_fast(breakpoint->wanted, j);
        break;
      }
    if (breakpoint->function->method.module == module->id) {
      cordbg_object_neuter(breakpoint, why);
      cordbg_breakpoint_deactivate(breakpoint);
    }
  }
  drop_bindings(session, 0, module->id);
}

/* ---- Hits ---- */

/* 0 for the domain, or for the module: any. */
static bool
belongs(const cordbg_breakpoint *breakpoint, cordbg_rt_id domain, cordbg_rt_id module)
{
  return (domain == 0 || breakpoint->domain == domain) &&
         (module == 0 || breakpoint->function->method.module == module);
}

static bool
any_belongs(const cordbg_site *site, cordbg_rt_id domain, cordbg_rt_id module)
{
  for (guint i = 0; i < site->breakpoints->len; i++)
    if (belongs(site->breakpoints->pdata[i], domain, module))
      return true;
  return false;
}

void
cordbg_breakpoints_hit(cordbg_session *session, const cordbg_event *event)
{
  cordbg_site *site = g_hash_table_lookup(session->sites, GSIZE_TO_POINTER(event->address));
  cordbg_thread *thread = NULL;
  cordbg_domain *domain = NULL;
  cordbg_error error = {.sentence = ""};
  if (site == NULL)
    return; /* removed while the hit was on its way */
  /* Of code that belongs to no domain: that of the breakpoint, when the runtime has no such thread.
   */
  cordbg_rt_id where = site->domain;
  cordbg_rt_id fallback = where != 0 || site->breakpoints->len == 0
                              ? where
                              : ((cordbg_breakpoint *)site->breakpoints->pdata[0])->domain;
  HRESULT hr = cordbg_session_thread_at(session, event->tid, fallback, &thread, &error);
  if (SUCCEEDED(hr) && where == 0)
    where = thread->domain;
  if (SUCCEEDED(hr))
    hr = cordbg_tell_domain(session, where, &domain, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_tell_thread(session, thread, &error);
  if (FAILED(hr)) {
    cordbg_log(CORDBG_LOG_ERROR, "a hit at 0x%llx on thread %d cannot be told: %s",
               (unsigned long long)event->address, event->tid, error.sentence);
    return;
  }
  cordbg_rt_id only_domain = any_belongs(site, where, 0) ? where : 0;
  cordbg_rt_id only_module = any_belongs(site, only_domain, site->module) ? site->module : 0;
  for (guint i = 0; i < site->breakpoints->len; i++) {
    cordbg_breakpoint *breakpoint = site->breakpoints->pdata[i];
    if (belongs(breakpoint, only_domain, only_module))
      cordbg_dispatch_queue(session, CORDBG_CALLBACK_BREAKPOINT, domain, thread, breakpoint, S_OK);
  }
}

/* ---- ICorDebugFunctionBreakpoint ---- */

static HRESULT
breakpoint_activate(ICorDebugFunctionBreakpoint *This, BOOL active)
{
  cordbg_breakpoint *self = CORDBG_SELF(cordbg_breakpoint, This);
  cordbg_error error;
  HRESULT hr = cordbg_enter_stopping(&self->child, true);
  if (FAILED(hr))
    return hr;
  if (active)
    hr = cordbg_breakpoint_activate(self, &error);
  else
    cordbg_breakpoint_deactivate(self);
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
breakpoint_is_active(ICorDebugFunctionBreakpoint *This, BOOL *active)
{
  cordbg_breakpoint *self = CORDBG_SELF(cordbg_breakpoint, This);
  HRESULT hr = cordbg_enter_attached(&self->child, active != NULL);
  if (FAILED(hr))
    return hr;
  *active = self->active;
  cordbg_leave(&self->child);
  return S_OK;
}

static HRESULT
breakpoint_get_function(ICorDebugFunctionBreakpoint *This, ICorDebugFunction **function)
{
  cordbg_breakpoint *self = CORDBG_SELF(cordbg_breakpoint, This);
  HRESULT hr = cordbg_check(&self->child, function != NULL);
  if (FAILED(hr))
    return hr;
  cordbg_object_ref(self->function);
  *function = &self->function->as_function.iface;
  return S_OK;
}

static HRESULT
breakpoint_get_offset(ICorDebugFunctionBreakpoint *This, ULONG32 *offset)
{
  cordbg_breakpoint *self = CORDBG_SELF(cordbg_breakpoint, This);
  HRESULT hr = cordbg_check(&self->child, offset != NULL);
  if (FAILED(hr))
    return hr;
  *offset = self->offset;
  return S_OK;
}

static void
breakpoint_dispose(void *object)
{
  cordbg_breakpoint *self = object;
  cordbg_object_unref(self->function);
  g_array_free(self->bindings, TRUE);
  g_array_free(self->wanted, TRUE);
  cordbg_session_unref(self->session);
}

CORDBG_VTBL(ICorDebugFunctionBreakpoint, breakpoint_vtbl, .Activate = breakpoint_activate,
            .IsActive = breakpoint_is_active, .GetFunction = breakpoint_get_function,
            .GetOffset = breakpoint_get_offset);

static const cordbg_interface breakpoint_interfaces[] = {
    CORDBG_INTERFACE(cordbg_breakpoint, as_breakpoint, ICorDebugFunctionBreakpoint,
                     breakpoint_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_breakpoint, as_breakpoint, ICorDebugBreakpoint, breakpoint_vtbl),
};

const cordbg_class cordbg_breakpoint_class =
    CORDBG_CLASS(cordbg_breakpoint, breakpoint_interfaces, breakpoint_dispose);

HRESULT
cordbg_breakpoint_new(cordbg_function *function, const cordbg_rt_code *native, uint32_t offset,
                      cordbg_breakpoint **ret, cordbg_error *error)
{
  cordbg_module *module;
  HRESULT hr = cordbg_session_module(function->session, function->method.module, &module, error);
  if (FAILED(hr))
    return hr;
  cordbg_breakpoint *self = cordbg_child_new(function->session, &cordbg_breakpoint_class);
  if (self == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
  cordbg_object_ref(function);
  self->function = function;
  self->domain = module->domain;
  self->offset = offset;
  if (native != NULL)
    self->native = *native;
  self->bindings = g_array_new(FALSE, FALSE, sizeof(cordbg_binding));
  self->wanted = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_id));
  *ret = self;
  return S_OK;
}
