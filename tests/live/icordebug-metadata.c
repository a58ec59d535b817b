/* SPDX-License-Identifier: MIT */
/*
 * Metadata and source lines of modules of running programs, each case on Mono and on .NET. What is
 * compared with: the program's own file, opened by the dispenser.
 */
#include "config.h"

#include "icordebug-client.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "cordbg/cormeta.h"
#include "cordbg/corsym.h"
#include "cordbg/metadata/scope.h"
#include "cordbg/metadata/signature.h"

/* What lies beside an image, by how the name ends: its symbols first. */
static const char *const *
companions(void)
{
  static const char *const mono[] = {".exe.mdb", NULL};
  static const char *const net[] = {".pdb", ".runtimeconfig.json", NULL};
  return on_mono() ? mono : net;
}

/* Attached and stopped at the first hit of a method. */
typedef struct stopped {
  program p;
  client c;
  breaking b;
  ICorDebugFunction *function;
  ICorDebugModule *module;
} stopped;

static then
stop_hook(client *c, const told *what)
{
  stopped *s = c->data;
  c->data = &s->b;
  then next = breaking_hook(c, what);
  c->data = s;
  return next;
}

static stopped *
stop_in_command(char *const *argv, const char *type, const char *method)
{
  static stopped s;
  memset(&s, 0, sizeof s);
  s.b = (breaking){.type = type, .method = method, .limit = 1};
  program_start(&s.p, argv);
  client_open(&s.c, stop_hook, &s);
  assert_ok(client_attach(&s.c, s.p.pid, FALSE));
  client_await(&s.c, "Breakpoint", 1);
  assert_ok(ICorDebugFunctionBreakpoint_GetFunction(s.b.breakpoints[0], &s.function));
  assert_ok(ICorDebugFunction_GetModule(s.function, &s.module));
  return &s;
}

/* In a copy or in the original of Counter. */
static stopped *
stop_in(const char *path)
{
  char *argv[] = {(char *)(uintptr_t)on_runtime()->host, (char *)path, (char *)"60", NULL};
  return stop_in_command(argv, "Debuggees.Counter", "Tick");
}

static void
let_go(stopped *s)
{
  ICorDebugModule_Release(s->module);
  ICorDebugFunction_Release(s->function);
  breaking_drop(&s->b);
  client_close(&s->c);
  program_check_unharmed(&s->p);
  program_end(&s->p);
}

static IMetaDataImport2 *
import_of_file(const char *path)
{
  IMetaDataDispenser *dispenser;
  IMetaDataImport2 *import;
  g_autofree gunichar2 *wide = g_utf8_to_utf16(path, -1, NULL, NULL, NULL);
  assert_ok(CordbgCreate(&IID_IMetaDataDispenser, (void **)&dispenser));
  assert_ok(IMetaDataDispenser_OpenScope(dispenser, (LPCWSTR)wide, ofRead, &IID_IMetaDataImport2,
                                         (IUnknown **)&import));
  IMetaDataDispenser_Release(dispenser);
  return import;
}

static IMetaDataImport2 *
import_of(ICorDebugModule *module)
{
  IMetaDataImport2 *import;
  assert_ok(
      ICorDebugModule_GetMetaDataInterface(module, &IID_IMetaDataImport2, (IUnknown **)&import));
  return import;
}

/* The metadata's bytes. They live as long as import. */
static GBytes *
storage(IMetaDataImport2 *import)
{
  IMetaDataTables2 *tables;
  const void *bytes;
  ULONG size = 0;
  assert_ok(IMetaDataImport2_QueryInterface(import, &IID_IMetaDataTables2, (void **)&tables));
  assert_ok(IMetaDataTables2_GetMetaDataStorage(tables, &bytes, &size));
  IMetaDataTables2_Release(tables);
  return g_bytes_new_static(bytes, size);
}

static void
assert_metadata_of_file(IMetaDataImport2 *import, const char *path)
{
  IMetaDataImport2 *other = import_of_file(path);
  g_autoptr(GBytes) ours = storage(import);
  g_autoptr(GBytes) theirs = storage(other);
  assert_true(g_bytes_get_size(ours) > 0);
  if (!g_bytes_equal(ours, theirs))
    fail_msg("the metadata is not that of %s", path);
  IMetaDataImport2_Release(other);
}

static mdMethodDef
find_method(IMetaDataImport2 *import, const char *type, const char *method)
{
  g_autofree gunichar2 *wide_type = g_utf8_to_utf16(type, -1, NULL, NULL, NULL);
  g_autofree gunichar2 *wide_method = g_utf8_to_utf16(method, -1, NULL, NULL, NULL);
  mdTypeDef found_type = 0;
  mdMethodDef found = 0;
  assert_ok(IMetaDataImport2_FindTypeDefByName(import, (LPCWSTR)wide_type, 0, &found_type));
  assert_ok(IMetaDataImport2_FindMethod(import, found_type, (LPCWSTR)wide_method, NULL, 0, &found));
  return found;
}

/* ---- GetMetaDataInterface ---- */

static void
every_metadata_interface_is_answered_by_one_object(void **state)
{
  (void)state;
  static const IID *const iids[] = {&IID_IMetaDataImport,         &IID_IMetaDataImport2,
                                    &IID_IMetaDataAssemblyImport, &IID_IMetaDataTables,
                                    &IID_IMetaDataTables2,        &IID_IUnknown};
  g_autofree char *path = debuggee("Counter");
  stopped *s = stop_in(path);
  IUnknown *first = NULL, *identity, *object;
  for (size_t i = 0; i < G_N_ELEMENTS(iids); i++) {
    assert_ok(ICorDebugModule_GetMetaDataInterface(s->module, iids[i], &object));
    assert_ok(IUnknown_QueryInterface(object, &IID_IUnknown, (void **)&identity));
    IUnknown_Release(object);
    if (first == NULL)
      first = identity;
    else {
      assert_ptr_equal(identity, first);
      IUnknown_Release(identity);
    }
  }
  object = first;
  assert_hr(ICorDebugModule_GetMetaDataInterface(s->module, &IID_ICorDebugProcess, &object),
            E_NOINTERFACE);
  assert_null(object);
  assert_hr(ICorDebugModule_GetMetaDataInterface(s->module, &IID_IMetaDataImport, NULL),
            E_INVALIDARG);
  IUnknown_Release(first);
  let_go(s);
}

static void
metadata_names_what_the_runtime_runs(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("Counter");
  stopped *s = stop_in(path);
  IMetaDataImport2 *import = import_of(s->module);
  mdMethodDef token = 0;
  mdTypeDef type = 0, enclosing = 0;
  WCHAR name[64];
  ULONG length = 0;
  ICorDebugClass *class;
  assert_ok(ICorDebugFunction_GetToken(s->function, &token));
  assert_int_equal(find_method(import, "Debuggees.Counter", "Tick"), token);
  assert_ok(IMetaDataImport2_GetMethodProps(import, token, &type, name, 64, &length, NULL, NULL,
                                            NULL, NULL, NULL));
  g_autofree char *text = g_utf16_to_utf8((const gunichar2 *)name, -1, NULL, NULL, NULL);
  assert_string_equal(text, "Tick");
  assert_int_equal(length, strlen("Tick") + 1);
  assert_ok(ICorDebugFunction_GetClass(s->function, &class));
  assert_ok(ICorDebugClass_GetToken(class, &enclosing));
  assert_int_equal(type, enclosing);
  ICorDebugClass_Release(class);
  IMetaDataImport2_Release(import);
  let_go(s);
}

/* Each module with a file has its file's metadata, and leads from it back to the module. */
static then
compare_hook(client *c, const told *what)
{
  unsigned *compared = c->data;
  if (strcmp(what->name, "LoadModule") != 0)
    return GO_ON;
  IMetaDataImport2 *import;
  ICorDebugAppDomain *domain;
  ICorDebugAssembly *assembly;
  ICorDebugModule *back;
  WCHAR name[1024];
  ULONG32 length = 0;
  hook_ok(ICorDebugModule_GetMetaDataInterface(what->module, &IID_IMetaDataImport2,
                                               (IUnknown **)&import));
  hook_ok(ICorDebugModule_GetName(what->module, 1024, &length, name));
  g_autofree char *path = g_utf16_to_utf8((const gunichar2 *)name, -1, NULL, NULL, NULL);
  if (path[0] == '/') {
    IMetaDataDispenser *dispenser;
    IMetaDataImport2 *other;
    hook_ok(CordbgCreate(&IID_IMetaDataDispenser, (void **)&dispenser));
    hook_ok(IMetaDataDispenser_OpenScope(dispenser, name, ofRead, &IID_IMetaDataImport2,
                                         (IUnknown **)&other));
    g_autoptr(GBytes) ours = storage(import);
    g_autoptr(GBytes) theirs = storage(other);
    hook_true(g_bytes_get_size(ours) > 0 && g_bytes_equal(ours, theirs));
    IMetaDataImport2_Release(other);
    IMetaDataDispenser_Release(dispenser);
    ++*compared;
  }
  hook_ok(ICorDebugModule_GetAssembly(what->module, &assembly));
  hook_ok(ICorDebugAssembly_GetAppDomain(assembly, &domain));
  hook_ok(ICorDebugAppDomain_GetModuleFromMetaDataInterface(domain, (IUnknown *)import, &back));
  hook_true(back == what->module);
  ICorDebugModule_Release(back);
  ICorDebugAppDomain_Release(domain);
  ICorDebugAssembly_Release(assembly);
  IMetaDataImport2_Release(import);
  return GO_ON;
}

static void
every_module_has_the_metadata_of_its_file(void **state)
{
  (void)state;
  program p;
  static client c;
  unsigned compared = 0;
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, compare_hook, &compared);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "CreateThread", 1);
  client_close(&c);
  assert_true(compared >= 2); /* the program and mscorlib */
  program_check_unharmed(&p);
  program_end(&p);
}

static void
metadata_is_told_while_the_program_runs(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("Counter");
  stopped *s = stop_in(path);
  assert_ok(ICorDebugProcess_Continue(s->c.process, FALSE));
  client_await_continued(&s->c);
  IMetaDataImport2 *import = import_of(s->module);
  assert_metadata_of_file(import, path);
  IMetaDataImport2_Release(import);
  let_go(s);
}

static void
metadata_outlives_the_session_and_the_program(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("Counter");
  stopped *s = stop_in(path);
  IMetaDataImport2 *import = import_of(s->module);
  mdMethodDef token = 0;
  IUnknown *object;
  assert_ok(ICorDebugFunction_GetToken(s->function, &token));
  ICorDebugModule_AddRef(s->module);
  ICorDebugModule *module = s->module;
  let_go(s);
  assert_int_equal(find_method(import, "Debuggees.Counter", "Tick"), token);
  assert_metadata_of_file(import, path);
  assert_true(FAILED(ICorDebugModule_GetMetaDataInterface(module, &IID_IUnknown, &object)));
  ICorDebugModule_Release(module);
  IMetaDataImport2_Release(import);
}

/* ---- Files that are not what runs ---- */

static void
copy_file(const char *from, const char *to)
{
  g_autofree char *bytes = NULL;
  gsize size;
  assert_true(g_file_get_contents(from, &bytes, &size, NULL));
  /* A new file in the old one's place, as installers do: the old one stays mapped. */
  assert_true(g_file_set_contents(to, bytes, (gssize)size, NULL));
}

/* path with another end than the image's. */
static char *
companion(const char *path, const char *end)
{
  size_t stem = strlen(path) - strlen(on_runtime()->ending);
  return g_strdup_printf("%.*s%s", (int)stem, path, end);
}

/* A folder with a copy of a debuggee; its symbols too when that is wanted. */
static char *
copy_debuggee(const char *original, bool symbols, char **folder)
{
  *folder = g_dir_make_tmp("cordbg-metadata-XXXXXX", NULL);
  assert_non_null(*folder);
  char *copy = g_strconcat(*folder, "/Copy", on_runtime()->ending, NULL);
  copy_file(original, copy);
  for (size_t i = symbols ? 0 : 1; companions()[i] != NULL; i++) {
    g_autofree char *from = companion(original, companions()[i]);
    g_autofree char *to = companion(copy, companions()[i]);
    copy_file(from, to);
  }
  return copy;
}

static void
remove_copy(const char *copy, const char *folder)
{
  g_unlink(copy);
  for (size_t i = 0; companions()[i] != NULL; i++) {
    g_autofree char *path = companion(copy, companions()[i]);
    g_unlink(path);
  }
  assert_int_equal(g_rmdir(folder), 0);
}

static void
a_replaced_file_is_not_mistaken_for_what_runs(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("Counter");
  g_autofree char *other = debuggee("ManyThreads");
  g_autofree char *folder = NULL;
  g_autofree char *copy = copy_debuggee(path, true, &folder);
  stopped *s = stop_in(copy);
  copy_file(other, copy);
  IMetaDataImport2 *import = import_of(s->module);
  assert_metadata_of_file(import, path);
  IMetaDataImport2_Release(import);
  let_go(s);
  remove_copy(copy, folder);
}

static void
a_module_without_a_file_has_the_metadata_of_its_bytes(void **state)
{
  (void)state;
  g_autofree char *loader = debuggee("../../tests/live/InMemory");
  g_autofree char *path = debuggee("Counter");
  char *argv[] = {(char *)(uintptr_t)on_runtime()->host, loader, path, (char *)"60", NULL};
  stopped *s = stop_in_command(argv, "Debuggees.Counter", "Tick");
  IMetaDataImport2 *import = import_of(s->module);
  BOOL in_memory = FALSE;
  assert_ok(ICorDebugModule_IsInMemory(s->module, &in_memory));
  assert_true(in_memory);
  assert_metadata_of_file(import, path);
  IMetaDataImport2_Release(import);
  let_go(s);
}

/*
 * The metadata of what a program emitted: asked for at the module's load, when nothing may be there
 * yet, and again at the first hit of a method of the program that runs afterwards.
 */
typedef struct emitting {
  breaking b;
  ICorDebugModule *modules[8]; /* Mono has one for the manifest, too */
  unsigned count;
} emitting;

static then
emitting_hook(client *c, const told *what)
{
  emitting *e = c->data;
  BOOL dynamic = FALSE;
  IMetaDataImport2 *import = NULL;
  CordbgLine line;
  ULONG32 count = 0;
  if (strcmp(what->name, "LoadModule") == 0) {
    hook_ok(ICorDebugModule_IsDynamic(what->module, &dynamic));
    if (dynamic && e->count < G_N_ELEMENTS(e->modules)) {
      ICorDebugModule_AddRef(what->module);
      e->modules[e->count++] = what->module;
      HRESULT hr = ICorDebugModule_GetMetaDataInterface(what->module, &IID_IMetaDataImport2,
                                                        (IUnknown **)&import);
      hook_true(hr == S_OK || (hr == CORDBG_E_MISSING_METADATA && import == NULL));
      if (hr == S_OK)
        IMetaDataImport2_Release(import);
      hook_true(cordbg_find_line(what->module, "A.cs", 1, 1, &line, &count) ==
                CORDBG_E_SYMBOLS_NOT_AVAILABLE);
    }
  }
  c->data = &e->b;
  then next = breaking_hook(c, what);
  c->data = e;
  return next;
}

/* The name of a TypeDef or TypeRef. */
static char *
type_name(IMetaDataImport2 *import, mdToken token)
{
  WCHAR name[256] = {0};
  ULONG length = 0;
  if (TypeFromToken(token) == mdtTypeDef)
    assert_ok(IMetaDataImport2_GetTypeDefProps(import, token, name, 256, &length, NULL, NULL));
  else
    assert_ok(IMetaDataImport2_GetTypeRefProps(import, token, NULL, name, 256, &length));
  return g_utf16_to_utf8((const gunichar2 *)name, -1, NULL, NULL, NULL);
}

static void
assert_il_of(ICorDebugModule *module, mdMethodDef method, const BYTE *expected, ULONG32 size)
{
  ICorDebugFunction *function;
  ICorDebugCode *code;
  BYTE il[64];
  ULONG32 il_size = 0;
  assert_ok(ICorDebugModule_GetFunctionFromToken(module, method, &function));
  assert_ok(ICorDebugFunction_GetILCode(function, &code));
  assert_ok(ICorDebugCode_GetSize(code, &il_size));
  assert_int_equal(il_size, size);
  assert_ok(ICorDebugCode_GetCode(code, 0, il_size, sizeof il, il, &il_size));
  assert_memory_equal(il, expected, size);
  ICorDebugCode_Release(code);
  ICorDebugFunction_Release(function);
}

static void
an_emitted_module_has_metadata_of_its_types(void **state)
{
  (void)state;
  static const BYTE int_of_int[] = {IMAGE_CEE_CS_CALLCONV_DEFAULT, 1, ELEMENT_TYPE_I4,
                                    ELEMENT_TYPE_I4};
  static const BYTE twice[] = {0x02, 0x02, 0x58, 0x2a}; /* ldarg.0, ldarg.0, add, ret */
  program p;
  static client c;
  emitting e = {.b = {.type = "Debuggees.DynamicMethods", .method = "Make", .limit = 1}};
  program_start_managed(&p, "DynamicMethods", "60", NULL);
  client_open(&c, emitting_hook, &e);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 1);

  /* The runtime's own view of the method, by name. */
  mdMethodDef found = 0;
  ULONG32 count = 0;
  ICorDebugModule *module = NULL;
  for (unsigned i = 0; i < e.count && module == NULL; i++)
    if (cordbg_find_methods(e.modules[i], "EmittedType", "Twice", 1, &found, &count) == S_OK)
      module = e.modules[i];
  assert_non_null(module);
  IMetaDataImport2 *import = import_of(module);
  mdMethodDef method = find_method(import, "EmittedType", "Twice");
  mdTypeDef type = 0;
  mdToken base = 0;
  DWORD flags = 0, type_flags = 0;
  PCCOR_SIGNATURE signature = NULL;
  ULONG size = 0;
  assert_ok(IMetaDataImport2_GetMethodProps(import, method, &type, NULL, 0, NULL, &flags,
                                            &signature, &size, NULL, NULL));
  assert_int_equal(size, sizeof int_of_int);
  assert_memory_equal(signature, int_of_int, sizeof int_of_int);
  assert_int_equal(flags & (mdPublic | mdStatic), mdPublic | mdStatic);
  assert_ok(IMetaDataImport2_GetTypeDefProps(import, type, NULL, 0, NULL, &type_flags, &base));
  assert_true(type_flags & tdPublic);
  g_autofree char *base_name = type_name(import, base);
  assert_string_equal(base_name, "System.Object");
  assert_int_equal(found, method);

  /* A breakpoint in it is hit: nothing else that has one is active any more. */
  ICorDebugFunction *function;
  ICorDebugFunctionBreakpoint *breakpoint;
  assert_ok(ICorDebugFunctionBreakpoint_Activate(e.b.breakpoints[0], FALSE));
  assert_ok(ICorDebugModule_GetFunctionFromToken(module, method, &function));
  assert_ok(ICorDebugFunction_CreateBreakpoint(function, &breakpoint));
  ICorDebugFunction_Release(function);
  assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  client_await(&c, "Breakpoint", 2);
  client_await_continued(&c);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  assert_ok(ICorDebugFunctionBreakpoint_Activate(breakpoint, FALSE));
  ICorDebugFunctionBreakpoint_Release(breakpoint);

  /* .NET keeps emitted IL where no metadata points to. */
  if (on_mono())
    assert_il_of(module, method, twice, sizeof twice);
  IMetaDataImport2_Release(import);
  for (unsigned i = 0; i < e.count; i++)
    ICorDebugModule_Release(e.modules[i]);
  breaking_drop(&e.b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* One fact that reflection told of what was emitted, against the metadata. */
static void
assert_fact(IMetaDataImport2 *import, const char *fact)
{
  char kind[16], name[128];
  unsigned token = 0, type = 0, parameters = 0;
  WCHAR wide[256] = {0};
  ULONG length = 0, size = 0;
  mdTypeDef owner = 0;
  PCCOR_SIGNATURE signature = NULL;
  if (sscanf(fact, "fact %15s %x", kind, &token) != 2)
    fail_msg("not a fact: %s", fact);
  if (strcmp(kind, "type") == 0) {
    assert_int_equal(sscanf(fact, "fact type %x %127s", &token, name), 2);
    assert_ok(IMetaDataImport2_GetTypeDefProps(import, token, wide, 256, &length, NULL, NULL));
    g_autofree char *full = g_utf16_to_utf8((const gunichar2 *)wide, -1, NULL, NULL, NULL);
    const char *simple = strrchr(full, '.') ? strrchr(full, '.') + 1 : full;
    assert_string_equal(simple, name);
    return;
  }
  if (strcmp(kind, "method") == 0) {
    assert_int_equal(sscanf(fact, "fact method %x %x %127s %u", &token, &type, name, &parameters),
                     4);
    assert_ok(IMetaDataImport2_GetMethodProps(import, token, &owner, wide, 256, &length, NULL,
                                              &signature, &size, NULL, NULL));
    assert_true(size >= 3);
    assert_int_equal(signature[1], parameters);
  } else {
    assert_int_equal(sscanf(fact, "fact field %x %x %127s", &token, &type, name), 3);
    assert_ok(IMetaDataImport2_GetFieldProps(import, token, &owner, wide, 256, &length, NULL,
                                             &signature, &size, NULL, NULL, NULL));
    assert_true(size >= 2);
    assert_int_equal(signature[0], IMAGE_CEE_CS_CALLCONV_FIELD);
  }
  g_autofree char *own = g_utf16_to_utf8((const gunichar2 *)wide, -1, NULL, NULL, NULL);
  assert_string_equal(own, name);
  assert_int_equal(owner, type);
}

/* A member's signature as text. */
static char *
signature_of(IMetaDataImport2 *import, const char *type, const char *member, bool field)
{
  const cordbg_metadata *md =
      cordbg_image_metadata(cordbg_metadata_scope_image((IUnknown *)import));
  g_autofree gunichar2 *wide_type = g_utf8_to_utf16(type, -1, NULL, NULL, NULL);
  g_autofree gunichar2 *wide_member = g_utf8_to_utf16(member, -1, NULL, NULL, NULL);
  mdTypeDef owner = 0;
  mdToken token = 0;
  PCCOR_SIGNATURE signature = NULL;
  ULONG size = 0;
  assert_ok(IMetaDataImport2_FindTypeDefByName(import, (LPCWSTR)wide_type, 0, &owner));
  if (field) {
    assert_ok(IMetaDataImport2_FindField(import, owner, (LPCWSTR)wide_member, NULL, 0, &token));
    assert_ok(IMetaDataImport2_GetFieldProps(import, token, NULL, NULL, 0, NULL, NULL, &signature,
                                             &size, NULL, NULL, NULL));
  } else {
    assert_ok(IMetaDataImport2_FindMethod(import, owner, (LPCWSTR)wide_member, NULL, 0, &token));
    assert_ok(IMetaDataImport2_GetMethodProps(import, token, NULL, NULL, 0, NULL, NULL, &signature,
                                              &size, NULL, NULL));
  }
  GString *text = g_string_new(NULL);
  assert_true(cordbg_signature_format(md, (cordbg_blob){signature, size}, text));
  return g_string_free(text, FALSE);
}

static void
emitted_members_have_the_tokens_and_types_that_reflection_tells(void **state)
{
  (void)state;
  static const struct {
    const char *type, *member, *text;
    bool field;
  } signatures[] = {
      {"Second", "One", "string(int32,System.DateTime,object,uint8[])", false},
      {"Name.Space.First", "Zero",
       "instance System.Collections.Generic.List`1<int32>(Second&,int32*,int32[,])", false},
      {"Second", "Two", "void(Name.Space.First+Inner,Name.Space.First)", false},
      {"Generic`1", "Same", "!0(!0)", false},
      {"Second", "names", "string[]", true},
      {"Second", "map",
       "System.Collections.Generic.Dictionary`2<string,System.Collections.Generic.List`1<"
       "System.DateTime>>",
       true},
  };
  program p;
  static client c;
  /* Mono tells of an emitted module by the first code of it that is compiled: before the second. */
  emitting e = {.b = {.type = "Debuggees.Emitted", .method = "Call", .limit = 2}};
  program_start_managed(&p, "../../tests/live/Emitted", "60", NULL);
  client_open(&c, emitting_hook, &e);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 2);
  mdMethodDef found;
  ULONG32 count;
  ICorDebugModule *module = NULL;
  for (unsigned i = 0; i < e.count && module == NULL; i++)
    if (cordbg_find_methods(e.modules[i], "Second", "One", 1, &found, &count) == S_OK)
      module = e.modules[i];
  assert_non_null(module);
  IMetaDataImport2 *import = import_of(module);
  unsigned facts = 0;
  for (;; facts++) {
    g_autofree char *fact = program_line(p.out, "fact ");
    if (strcmp(fact, "fact end") == 0)
      break;
    assert_fact(import, fact);
  }
  assert_true(facts >= 12);
  for (size_t i = 0; i < G_N_ELEMENTS(signatures); i++) {
    g_autofree char *text =
        signature_of(import, signatures[i].type, signatures[i].member, signatures[i].field);
    assert_string_equal(text, signatures[i].text);
  }
  IMetaDataImport2_Release(import);
  for (unsigned i = 0; i < e.count; i++)
    ICorDebugModule_Release(e.modules[i]);
  breaking_drop(&e.b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- Source lines ---- */

/* The number of the first line of a debuggee's source with that text, from 1. */
static ULONG32
line_with(const char *source, const char *text)
{
  const char *folder = g_getenv("top_srcdir");
  if (folder == NULL)
    folder = g_getenv("srcdir");
  g_autofree char *path =
      g_build_filename(folder ? folder : ".", "samples", "debuggees", source, NULL);
  g_autofree char *all = NULL;
  if (!g_file_get_contents(path, &all, NULL, NULL))
    fail_msg("%s: %s", path, g_strerror(errno));
  g_auto(GStrv) lines = g_strsplit(all, "\n", -1);
  for (ULONG32 i = 0; lines[i] != NULL; i++)
    if (strstr(lines[i], text) != NULL)
      return i + 1;
  fail_msg("no line of %s has '%s'", source, text);
  return 0;
}

static void
source_lines_become_methods_and_il_offsets(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("Counter");
  stopped *s = stop_in(path);
  CordbgLine found[4];
  ULONG32 count = 0;
  mdMethodDef token = 0;
  ULONG32 line = line_with("Counter.cs", "long next = value + 1;");
  assert_ok(ICorDebugFunction_GetToken(s->function, &token));
  assert_ok(cordbg_find_line(s->module, "Counter.cs", line, 4, found, &count));
  assert_int_equal(count, 1);
  assert_int_equal(found[0].method, token);
  assert_int_equal(found[0].line, line);
  ULONG32 before = found[0].ilOffset;

  /* A longer path says the same; a later line lies behind it. */
  assert_ok(cordbg_find_line(s->module, "debuggees/Counter.cs", line + 1, 4, found, &count));
  assert_int_equal(found[0].method, token);
  assert_true(found[0].ilOffset > before);

  /* A line without code leads to the next that has some. */
  ULONG32 bare = line_with("Counter.cs", "public class Counter");
  assert_hr(cordbg_find_line(s->module, "Counter.cs", bare, 4, found, &count), S_FALSE);
  assert_true(count >= 1 && found[0].line > bare);

  assert_hr(cordbg_find_line(s->module, "Other.cs", 1, 4, found, &count), CLDB_E_RECORD_NOTFOUND);
  assert_hr(cordbg_find_line(s->module, "ounter.cs", 1, 4, found, &count), CLDB_E_RECORD_NOTFOUND);
  assert_hr(cordbg_find_line(s->module, "Counter.cs", 0, 4, found, &count), E_INVALIDARG);
  assert_hr(cordbg_find_line(NULL, "Counter.cs", 1, 4, found, &count), E_INVALIDARG);
  let_go(s);
}

/* The same method by Microsoft's interface, and still when the session is over. */
static void
a_symbol_reader_outlives_the_module(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("Counter");
  stopped *s = stop_in(path);
  ISymUnmanagedReader *reader;
  ISymUnmanagedMethod *method;
  mdMethodDef token = 0;
  ULONG32 count = 0, line = line_with("Counter.cs", "long next = value + 1;");
  assert_ok(ICorDebugFunction_GetToken(s->function, &token));
  assert_ok(cordbg_symbol_reader(s->module, &IID_ISymUnmanagedReader, (void **)&reader));
  let_go(s);
  assert_ok(ISymUnmanagedReader_GetMethod(reader, token, &method));
  assert_ok(ISymUnmanagedMethod_GetSequencePointCount(method, &count));
  assert_in_range(count, 4, 64);
  ULONG32 lines[64], stored = 0;
  bool found = false;
  assert_ok(ISymUnmanagedMethod_GetSequencePoints(method, 64, &stored, NULL, NULL, lines, NULL,
                                                  NULL, NULL));
  for (ULONG32 i = 0; i < stored; i++)
    found = found || lines[i] == line;
  assert_true(found);
  ISymUnmanagedMethod_Release(method);
  ISymUnmanagedReader_Release(reader);
}

static void
a_module_without_symbols_says_so(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("Counter");
  g_autofree char *folder = NULL;
  g_autofree char *copy = copy_debuggee(path, false, &folder);
  stopped *s = stop_in(copy);
  CordbgLine found[4];
  ULONG32 count = 0;
  void *reader = s;
  assert_hr(cordbg_find_line(s->module, "Counter.cs", 14, 4, found, &count),
            CORDBG_E_SYMBOLS_NOT_AVAILABLE);
  assert_hr(cordbg_symbol_reader(s->module, &IID_ISymUnmanagedReader, &reader),
            CORDBG_E_SYMBOLS_NOT_AVAILABLE);
  assert_null(reader);
  let_go(s);
  remove_copy(copy, folder);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(every_metadata_interface_is_answered_by_one_object),
      CASE_ON_BOTH(metadata_names_what_the_runtime_runs),
      CASE_ON_BOTH(every_module_has_the_metadata_of_its_file),
      CASE_ON_BOTH(metadata_is_told_while_the_program_runs),
      CASE_ON_BOTH(metadata_outlives_the_session_and_the_program),
      CASE_ON_BOTH(a_replaced_file_is_not_mistaken_for_what_runs),
      CASE_ON_BOTH(a_module_without_a_file_has_the_metadata_of_its_bytes),
      CASE_ON_BOTH(an_emitted_module_has_metadata_of_its_types),
      CASE_ON_BOTH(emitted_members_have_the_tokens_and_types_that_reflection_tells),
      CASE_ON_BOTH(source_lines_become_methods_and_il_offsets),
      CASE_ON_BOTH(a_symbol_reader_outlives_the_module),
      CASE_ON_BOTH(a_module_without_symbols_says_so),
  };
  return CLIENT_RUN(tests);
}
