/* SPDX-License-Identifier: MIT */
/*
 * IMetaDataImport of cordbg against the one that .NET's own data access library gives, over all
 * modules of a live process: every row of every table, every enumeration. The library is loaded
 * into the test itself; the process stands still.
 */
#include "config.h"

#include "tests/live/mono-support.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cordbg/cordbg.h>
#include <cordbg/cormeta.h>

#include "cordbg/com/utf16.h"
#include "runtime-shim/coreclr/coreclr.h"
#include "runtime-shim/coreclr/dac-host/interfaces.h"
#include "runtime-shim/coreclr/dac.h"
#include "tests/live/dac-resilience.h"

enum { TEXT = 2048, NUMBERS = 8, BLOBS = 2, ENUM_MAX = 1 << 20, DIFFERENCES_MAX = 20 };
enum { CHUNK = 193 }; /* of an enumeration: no round number */

/* ---- The data target of the library ---- */

typedef struct data_target {
  ICLRDataTarget target;
  ICLRRuntimeLocator locator;
  cordbg_target *of;
  uint64_t base;
} data_target;

static data_target the_target;

static HRESULT
query(REFIID riid, void **object)
{
  if (memcmp(riid, &IID_IUnknown, sizeof(IID)) == 0 ||
      memcmp(riid, &IID_ICLRDataTarget, sizeof(IID)) == 0)
    *object = &the_target.target;
  else if (memcmp(riid, &IID_ICLRRuntimeLocator, sizeof(IID)) == 0)
    *object = &the_target.locator;
  else
    *object = NULL;
  return *object ? S_OK : E_NOINTERFACE;
}

static HRESULT
target_query(ICLRDataTarget *This, REFIID riid, void **object)
{
  (void)This;
  return query(riid, object);
}

static HRESULT
locator_query(ICLRRuntimeLocator *This, REFIID riid, void **object)
{
  (void)This;
  return query(riid, object);
}

static ULONG
target_count(ICLRDataTarget *This)
{
  (void)This;
  return 1;
}

static ULONG
locator_count(ICLRRuntimeLocator *This)
{
  (void)This;
  return 1;
}

static HRESULT
get_machine_type(ICLRDataTarget *This, ULONG32 *type)
{
  (void)This;
  *type = 0x8664;
  return S_OK;
}

static HRESULT
get_pointer_size(ICLRDataTarget *This, ULONG32 *size)
{
  (void)This;
  *size = 8;
  return S_OK;
}

static HRESULT
get_base(ICLRRuntimeLocator *This, CLRDATA_ADDRESS *base)
{
  (void)This;
  *base = the_target.base;
  return S_OK;
}

static HRESULT
read_virtual(ICLRDataTarget *This, CLRDATA_ADDRESS address, BYTE *buffer, ULONG32 size,
             ULONG32 *read)
{
  (void)This;
  HRESULT hr =
      cordbg_target_read_exact(the_target.of, CORDBG_VIEW_PRISTINE, address, buffer, size, NULL);
  if (read)
    *read = hr == S_OK ? size : 0;
  return hr == S_OK ? S_OK : E_FAIL;
}

/* Nothing else is asked for by what this test does. */
static HRESULT
get_context(ICLRDataTarget *This, ULONG32 thread, ULONG32 flags, ULONG32 size, BYTE *context)
{
  (void)This, (void)thread, (void)flags, (void)size, (void)context;
  return E_NOTIMPL;
}

static HRESULT
write_virtual(ICLRDataTarget *This, CLRDATA_ADDRESS address, BYTE *buffer, ULONG32 size,
              ULONG32 *written)
{
  (void)This, (void)address, (void)buffer, (void)size, (void)written;
  return E_NOTIMPL;
}

static ISOSDacInterface *
load_library(const char *library)
{
  static const ICLRDataTargetVtbl target_table = {.QueryInterface = target_query,
                                                  .AddRef = target_count,
                                                  .Release = target_count,
                                                  .GetMachineType = get_machine_type,
                                                  .GetPointerSize = get_pointer_size,
                                                  .ReadVirtual = read_virtual,
                                                  .WriteVirtual = write_virtual,
                                                  .GetThreadContext = get_context};
  static const ICLRRuntimeLocatorVtbl locator_table = {.QueryInterface = locator_query,
                                                       .AddRef = locator_count,
                                                       .Release = locator_count,
                                                       .GetRuntimeBase = get_base};
  g_autofree char *folder = g_path_get_dirname(library);
  g_autofree char *path = g_build_filename(folder, "libmscordaccore.so", NULL);
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ISOSDacInterface *sos = NULL;

  if (!handle)
    fail_msg("%s", dlerror());
  BOOL(*initialise)
  (void *, DWORD, void *) = (BOOL(*)(void *, DWORD, void *))(uintptr_t)dlsym(handle, "DllMain");
  HRESULT(*create)
  (REFIID, ICLRDataTarget *, void **) = (HRESULT(*)(REFIID, ICLRDataTarget *, void **))(
      uintptr_t)dlsym(handle, "CLRDataCreateInstance");
  assert_non_null(initialise);
  assert_non_null(create);
  initialise(handle, 1, NULL);
  the_target.target.lpVtbl = &target_table;
  the_target.locator.lpVtbl = &locator_table;
  assert_int_equal(create(&IID_ISOSDacInterface, &the_target.target, (void **)&sos), S_OK);
  return sos;
}

/* ---- One question, asked of both ---- */

typedef struct result {
  HRESULT hr;
  ULONG number[NUMBERS];
  WCHAR text[TEXT];
  const void *blob[BLOBS];
  ULONG size[BLOBS];
} result;

typedef struct comparison {
  IMetaDataImport *dac, *ours;
  const char *module;
  uint64_t questions;
  unsigned differences;
} comparison;

typedef void (*question)(IMetaDataImport *m, mdToken token, result *r);

static bool
same_result(const result *a, const result *b)
{
  if (a->hr != b->hr)
    return false;
  if (FAILED(a->hr))
    return true;
  if (memcmp(a->number, b->number, sizeof a->number) != 0 ||
      memcmp(a->text, b->text, sizeof a->text) != 0 ||
      memcmp(a->size, b->size, sizeof a->size) != 0)
    return false;
  for (int i = 0; i < BLOBS; i++)
    if (a->size[i] && memcmp(a->blob[i], b->blob[i], a->size[i]) != 0)
      return false;
  return true;
}

static void
tell_difference(comparison *c, const char *what, mdToken token, const char *more)
{
  if (c->differences++ < DIFFERENCES_MAX)
    print_error("%s: %s of 0x%08x differs: %s\n", c->module, what, token, more);
}

static void
ask_both(comparison *c, const char *what, question ask, mdToken token)
{
  static result dac, ours;

  memset(&dac, 0, sizeof dac);
  memset(&ours, 0, sizeof ours);
  ask(c->dac, token, &dac);
  ask(c->ours, token, &ours);
  c->questions++;
  if (same_result(&dac, &ours))
    return;
  g_autoptr(GString) more = g_string_new(NULL);
  g_string_printf(more, "0x%08x and 0x%08x;", (unsigned)dac.hr, (unsigned)ours.hr);
  for (int i = 0; i < NUMBERS; i++)
    g_string_append_printf(more, " %x/%x", dac.number[i], ours.number[i]);
  for (int i = 0; i < BLOBS; i++)
    g_string_append_printf(more, " blob %u/%u", dac.size[i], ours.size[i]);
  tell_difference(c, what, token, more->str);
}

static void
type_def(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr =
      m->lpVtbl->GetTypeDefProps(m, t, r->text, TEXT, &r->number[0], &r->number[1], &r->number[2]);
}

static void
type_ref(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetTypeRefProps(m, t, &r->number[0], r->text, TEXT, &r->number[1]);
}

static void
method(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetMethodProps(m, t, &r->number[0], r->text, TEXT, &r->number[1],
                                    &r->number[2], (PCCOR_SIGNATURE *)&r->blob[0], &r->size[0],
                                    &r->number[3], &r->number[4]);
}

static void
field(IMetaDataImport *m, mdToken t, result *r)
{
  ULONG count = 0;

  r->hr = m->lpVtbl->GetFieldProps(m, t, &r->number[0], r->text, TEXT, &r->number[1], &r->number[2],
                                   (PCCOR_SIGNATURE *)&r->blob[0], &r->size[0], &r->number[3],
                                   (UVCP_CONSTANT *)&r->blob[1], &count);
  r->number[4] = count;
  r->number[5] = r->blob[1] != NULL;
}

static void
param(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetParamProps(m, t, &r->number[0], &r->number[1], r->text, TEXT, &r->number[2],
                                   &r->number[3], &r->number[4], (UVCP_CONSTANT *)&r->blob[0],
                                   &r->number[5]);
  r->number[6] = r->blob[0] != NULL;
}

static void
interface_impl(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetInterfaceImplProps(m, t, &r->number[0], &r->number[1]);
}

static void
member_ref(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetMemberRefProps(m, t, &r->number[0], r->text, TEXT, &r->number[1],
                                       (PCCOR_SIGNATURE *)&r->blob[0], &r->size[0]);
}

static void
property(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetPropertyProps(m, t, &r->number[0], r->text, TEXT, &r->number[1],
                                      &r->number[2], (PCCOR_SIGNATURE *)&r->blob[0], &r->size[0],
                                      &r->number[3], (UVCP_CONSTANT *)&r->blob[1], &r->number[4],
                                      &r->number[5], &r->number[6], NULL, 0, &r->number[7]);
}

static void
event(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetEventProps(m, t, &r->number[0], r->text, TEXT, &r->number[1], &r->number[2],
                                   &r->number[3], &r->number[4], &r->number[5], &r->number[6], NULL,
                                   0, &r->number[7]);
}

static void
signature(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetSigFromToken(m, t, (PCCOR_SIGNATURE *)&r->blob[0], &r->size[0]);
}

static void
type_spec(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetTypeSpecFromToken(m, t, (PCCOR_SIGNATURE *)&r->blob[0], &r->size[0]);
}

static void
module_ref(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetModuleRefProps(m, t, r->text, TEXT, &r->number[0]);
}

static void
user_string(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetUserString(m, t, r->text, TEXT, &r->number[0]);
}

static void
attribute(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetCustomAttributeProps(m, t, &r->number[0], &r->number[1], &r->blob[0],
                                             &r->size[0]);
}

static void
pinvoke(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr =
      m->lpVtbl->GetPinvokeMap(m, t, &r->number[0], r->text, TEXT, &r->number[1], &r->number[2]);
}

static void
rva(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetRVA(m, t, &r->number[0], &r->number[1]);
}

static void
nested(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetNestedClassProps(m, t, &r->number[0]);
}

static void
layout(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetClassLayout(m, t, &r->number[0], NULL, 0, &r->number[1], &r->number[2]);
}

static void
marshal(IMetaDataImport *m, mdToken t, result *r)
{
  r->hr = m->lpVtbl->GetFieldMarshal(m, t, (PCCOR_SIGNATURE *)&r->blob[0], &r->size[0]);
}

static void
member(IMetaDataImport *m, mdToken t, result *r)
{
  UVCP_CONSTANT value = NULL;

  r->hr =
      m->lpVtbl->GetMemberProps(m, t, &r->number[0], r->text, TEXT, &r->number[1], &r->number[2],
                                (PCCOR_SIGNATURE *)&r->blob[0], &r->size[0], &r->number[3],
                                &r->number[4], &r->number[5], &value, &r->number[6]);
}

static void
scope(IMetaDataImport *m, mdToken t, result *r)
{
  GUID mvid;

  (void)t;
  memset(&mvid, 0, sizeof mvid);
  r->hr = m->lpVtbl->GetScopeProps(m, r->text, TEXT, &r->number[0], &mvid);
  memcpy(&r->number[1], &mvid, sizeof mvid);
}

/* ---- Enumerations ---- */

typedef HRESULT (*lister)(IMetaDataImport *m, HCORENUM *h, mdToken of, mdToken *tokens, ULONG max,
                          ULONG *count);

#define LISTER(name, call)                                                                         \
  static HRESULT name(IMetaDataImport *m, HCORENUM *h, mdToken of, mdToken *tokens, ULONG max,     \
                      ULONG *count)                                                                \
  {                                                                                                \
    (void)of;                                                                                      \
    return m->lpVtbl->call;                                                                        \
  }
LISTER(list_type_defs, EnumTypeDefs(m, h, tokens, max, count))
LISTER(list_type_refs, EnumTypeRefs(m, h, tokens, max, count))
LISTER(list_type_specs, EnumTypeSpecs(m, h, tokens, max, count))
LISTER(list_signatures, EnumSignatures(m, h, tokens, max, count))
LISTER(list_module_refs, EnumModuleRefs(m, h, tokens, max, count))
LISTER(list_user_strings, EnumUserStrings(m, h, tokens, max, count))
LISTER(list_impls, EnumInterfaceImpls(m, h, of, tokens, max, count))
LISTER(list_members, EnumMembers(m, h, of, tokens, max, count))
LISTER(list_methods, EnumMethods(m, h, of, tokens, max, count))
LISTER(list_fields, EnumFields(m, h, of, tokens, max, count))
LISTER(list_params, EnumParams(m, h, of, tokens, max, count))
LISTER(list_member_refs, EnumMemberRefs(m, h, of, tokens, max, count))
LISTER(list_properties, EnumProperties(m, h, of, tokens, max, count))
LISTER(list_events, EnumEvents(m, h, of, tokens, max, count))
LISTER(list_semantics, EnumMethodSemantics(m, h, of, tokens, max, count))
LISTER(list_attributes, EnumCustomAttributes(m, h, of, 0, tokens, max, count))

static GArray *
take_all(IMetaDataImport *m, lister list, mdToken of, HRESULT *last)
{
  GArray *all = g_array_new(FALSE, FALSE, sizeof(mdToken));
  HCORENUM handle = NULL;
  mdToken tokens[CHUNK];
  ULONG count = 0;

  do {
    count = 0;
    *last = list(m, &handle, of, tokens, CHUNK, &count);
    if (FAILED(*last) || count > CHUNK)
      break;
    g_array_append_vals(all, tokens, count);
  } while (count > 0 && all->len < ENUM_MAX);
  m->lpVtbl->CloseEnum(m, handle);
  return all;
}

/* What both list, the caller's to free. */
static GArray *
list_both(comparison *c, const char *what, lister list, mdToken of)
{
  HRESULT dac_hr, ours_hr;
  g_autoptr(GArray) dac = take_all(c->dac, list, of, &dac_hr);
  GArray *ours = take_all(c->ours, list, of, &ours_hr);

  c->questions++;
  if (dac_hr != ours_hr || dac->len != ours->len ||
      (dac->len && memcmp(dac->data, ours->data, dac->len * sizeof(mdToken)) != 0)) {
    g_autofree char *more = g_strdup_printf("0x%08x, %u of them, and 0x%08x, %u", (unsigned)dac_hr,
                                            dac->len, (unsigned)ours_hr, ours->len);
    tell_difference(c, what, of, more);
  }
  return ours;
}

static void
list_and_ask(comparison *c, const char *what, lister list, mdToken of, question ask)
{
  g_autoptr(GArray) all = list_both(c, what, list, of);

  for (guint i = 0; ask && i < all->len; i++)
    ask_both(c, what, ask, g_array_index(all, mdToken, i));
}

/* ---- One module ---- */

static void
compare_methods(comparison *c, mdToken type)
{
  g_autoptr(GArray) methods = list_both(c, "methods", list_methods, type);

  for (guint i = 0; i < methods->len; i++) {
    mdToken token = g_array_index(methods, mdToken, i);
    ask_both(c, "method", method, token);
    ask_both(c, "member", member, token);
    ask_both(c, "pinvoke", pinvoke, token);
    ask_both(c, "rva", rva, token);
    list_and_ask(c, "params", list_params, token, param);
    list_and_ask(c, "params' marshalling", list_params, token, marshal);
    list_and_ask(c, "semantics", list_semantics, token, NULL);
    list_and_ask(c, "attributes", list_attributes, token, NULL);
  }
}

static void
compare_type(comparison *c, mdToken type)
{
  ask_both(c, "type", type_def, type);
  ask_both(c, "enclosing type", nested, type);
  ask_both(c, "layout", layout, type);
  list_and_ask(c, "interfaces", list_impls, type, interface_impl);
  list_and_ask(c, "members", list_members, type, NULL);
  list_and_ask(c, "fields", list_fields, type, field);
  list_and_ask(c, "fields' marshalling", list_fields, type, marshal);
  list_and_ask(c, "properties", list_properties, type, property);
  list_and_ask(c, "events", list_events, type, event);
  list_and_ask(c, "attributes", list_attributes, type, NULL);
  compare_methods(c, type);
}

static void
compare_module(comparison *c)
{
  g_autoptr(GArray) types = list_both(c, "types", list_type_defs, 0);
  g_autoptr(GArray) refs = list_both(c, "type references", list_type_refs, 0);

  ask_both(c, "scope", scope, 0);
  for (guint i = 0; i < types->len; i++)
    compare_type(c, g_array_index(types, mdToken, i));
  compare_methods(c, 0x02000001); /* global functions */
  for (guint i = 0; i < refs->len; i++) {
    ask_both(c, "type reference", type_ref, g_array_index(refs, mdToken, i));
    list_and_ask(c, "member references", list_member_refs, g_array_index(refs, mdToken, i),
                 member_ref);
  }
  list_and_ask(c, "type specifications", list_type_specs, 0, type_spec);
  list_and_ask(c, "signatures", list_signatures, 0, signature);
  list_and_ask(c, "module references", list_module_refs, 0, module_ref);
  list_and_ask(c, "user strings", list_user_strings, 0, user_string);
  list_and_ask(c, "all attributes", list_attributes, 0, attribute);
}

/* ---- All modules ---- */

static IMetaDataImport *
open_ours(session *s, const cordbg_dac_module *module)
{
  IMetaDataDispenser *dispenser = NULL;
  IMetaDataImport *import = NULL;
  g_autofree uint8_t *bytes = g_malloc(module->metadata_size);

  assert_ok(cordbg_target_read_exact(s->target, CORDBG_VIEW_PRISTINE, module->metadata, bytes,
                                     module->metadata_size, &test_error));
  assert_int_equal(CordbgCreate(&IID_IMetaDataDispenser, (void **)&dispenser), S_OK);
  assert_int_equal(dispenser->lpVtbl->OpenScopeOnMemory(
                       dispenser, bytes, (ULONG)module->metadata_size, ofRead | ofCopyMemory,
                       &IID_IMetaDataImport, (IUnknown **)&import),
                   S_OK);
  dispenser->lpVtbl->Release(dispenser);
  return import;
}

/* False: the library has none for it. */
static bool
compare(session *s, ISOSDacInterface *sos, const cordbg_dac_module *module)
{
  IXCLRDataModule *of_dac = NULL;
  comparison c = {.module = module->path};
  GUID mvid;
  WCHAR name[8];
  ULONG length = 0;

  assert_int_equal(sos->lpVtbl->GetModule(sos, module->module, &of_dac), S_OK);
  HRESULT hr = of_dac->lpVtbl->QueryInterface(of_dac, &IID_IMetaDataImport, (void **)&c.dac);
  if (FAILED(hr)) {
    of_dac->lpVtbl->Release(of_dac);
    return false;
  }
  c.ours = open_ours(s, module);
  compare_module(&c);
  memset(&mvid, 0, sizeof mvid);
  assert_true(SUCCEEDED(c.dac->lpVtbl->GetScopeProps(c.dac, name, 8, &length, &mvid)));
  assert_memory_equal(&mvid, module->mvid, sizeof mvid);
  printf("%s: %llu questions, %u differences\n", module->path, (unsigned long long)c.questions,
         c.differences);
  c.ours->lpVtbl->Release(c.ours);
  c.dac->lpVtbl->Release(c.dac);
  of_dac->lpVtbl->Release(of_dac);
  assert_int_equal(c.differences, 0);
  return true;
}

static void
every_answer_is_that_of_the_runtimes_own_library(void **state)
{
  g_autofree char *path = g_strdup_printf("%s/tests/live/net/ShadowStack.dll", TEST_BUILD_FOLDER);
  const char *const argv[] = {"dotnet", path, NULL};
  debuggee d;
  session s;
  cordbg_runtime_info info;
  cordbg_dac_module *modules = NULL;
  size_t count = 0;
  unsigned compared = 0;

  (void)state;
  debuggee_start(&d, argv, NULL);
  debuggee_expect(&d, "shadow ");
  session_ops = &cordbg_coreclr_ops;
  session_attach(&s, d.pid);
  assert_ok(cordbg_coreclr_ops.detect(d.pid, &info, &test_error));
  the_target.of = s.target;
  the_target.base = info.base;
  ISOSDacInterface *sos = load_library(info.library);
  assert_ok(cordbg_dac_modules(dac_of_runtime(s.runtime), &modules, &count, &test_error));
  for (size_t i = 0; i < count; i++)
    compared += compare(&s, sos, &modules[i]);
  assert_true(compared >= 5);
  assert_int_equal(compared, count);
  g_free(modules);
  sos->lpVtbl->Release(sos);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_answer_is_that_of_the_runtimes_own_library),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");

  if (!dotnet) {
    puts("SKIP: dotnet is not installed");
    return 77;
  }
  return cmocka_run_group_tests_name("dac-metadata", tests, NULL, NULL);
}
