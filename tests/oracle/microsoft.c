/* SPDX-License-Identifier: MIT */
/*
 * metadata-microsoft LIBCORECLR IMAGE...: calls every method of IMetaDataImport2,
 * IMetaDataAssemblyImport and IMetaDataTables2 on Microsoft's own component and on cordbg's with
 * the same arguments - all tokens of an image, nil and wild ones, buffers of several sizes, outputs
 * left out - and compares results, outputs and what was left untouched. Exit 1 when they differ, 77
 * when the runtime cannot be hosted.
 *
 * Both are called through the same headers, so the comparison also proves the slots.
 */
#include "config.h"

#include <dlfcn.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cordbg/com/utf16.h"
#include "tests/oracle/microsoft.h"

enum { SHOWN_PER_METHOD = 2 };

side sides[2]; /* Microsoft's, ours */
static unsigned long calls, differences;
static GHashTable *per_method;

/* What a call gave, as text: two calls agree when the texts do. */
GString *results[2];

/*
 * With a buffer that has no room Microsoft's writes the whole name all the same, beyond the
 * caller's buffer; that is not imitated, nor compared.
 */
void
out_name(int i, const WCHAR *name, HRESULT hr, ULONG cch)
{
  if (cch == 0)
    return;
  size_t units = cordbg_utf16_length(name, NAME_ROOM);
  OUT(" name[%zu]", units);
  for (size_t u = 0; u < units && u < cch; u++)
    OUT("%04x", name[u]);
  (void)hr;
}

void
out_bytes(int i, const void *data, ULONG size)
{
  if (data == (const void *)-1) {
    OUT(" untouched");
    return;
  }
  uint64_t hash = 1469598103934665603u;
  for (ULONG b = 0; data && size != 0xcccccccc && b < size; b++)
    hash = (hash ^ ((const uint8_t *)data)[b]) * 1099511628211u;
  OUT(" %s %x:%" G_GINT64_MODIFIER "x", data ? "data" : "null", size, hash);
}

void
settle(const char *method, const char *shown_arguments)
{
  calls++;
  if (strcmp(results[0]->str, results[1]->str) != 0) {
    differences++;
    guint shown = GPOINTER_TO_UINT(g_hash_table_lookup(per_method, method));
    g_hash_table_insert(per_method, (gpointer)method, GUINT_TO_POINTER(shown + 1));
    if (shown < SHOWN_PER_METHOD)
      printf("%s(%s)\n  microsoft: %.6000s\n  cordbg:    %.6000s\n", method, shown_arguments,
             results[0]->str, results[1]->str);
  }
  g_string_truncate(results[0], 0);
  g_string_truncate(results[1], 0);
}

char arguments[256];
const room rooms[ROOMS] = {{true, NAME_ROOM, true}, {false, 0, true},         {true, 3, true},
                           {true, 0, true},         {true, NAME_ROOM, false}, {false, 0, false}};

static void
compare_type_def(mdToken tk)
{
  ROOM_LOOP
  {
    ARGS("%08x room %u", tk, r);
    BOTH
    {
      NAME_BUFFER;
      DWORD flags = UNSET;
      mdToken extends = UNSET;
      HRESULT hr = IMetaDataImport2_GetTypeDefProps(IMPORT, tk, buffer, rooms[r].cch, length,
                                                    r ? NULL : &flags, r ? NULL : &extends);
      OUT("%08x flags %x extends %x", (unsigned)hr, flags, extends);
      NAME_OUT;
    }
    settle("GetTypeDefProps", arguments);
  }
  BOTH
  {
    mdToken enclosing = UNSET;
    HRESULT hr = IMetaDataImport2_GetNestedClassProps(IMPORT, tk, &enclosing);
    OUT("%08x %x", (unsigned)hr, enclosing);
  }
  settle("GetNestedClassProps", arguments);
  for (ULONG max = 0; max < 1000; max += 3 + max * 60) {
    ARGS("%08x max %u", tk, max);
    BOTH
    {
      DWORD pack = UNSET;
      ULONG size = UNSET, count = UNSET;
      COR_FIELD_OFFSET offsets[1000];
      memset(offsets, 0xcc, sizeof offsets);
      HRESULT hr = IMetaDataImport2_GetClassLayout(IMPORT, tk, &pack, offsets, max, &count, &size);
      OUT("%08x pack %x size %x count %x", (unsigned)hr, pack, size, count);
      for (unsigned f = 0; f < 1000 && offsets[f].ridOfField != UNSET; f++)
        OUT(" %x:%x", offsets[f].ridOfField, offsets[f].ulOffset);
    }
    settle("GetClassLayout", arguments);
  }
}

static void
compare_type_ref(mdToken tk)
{
  ROOM_LOOP
  {
    ARGS("%08x room %u", tk, r);
    BOTH
    {
      NAME_BUFFER;
      mdToken scope = UNSET;
      HRESULT hr =
          IMetaDataImport2_GetTypeRefProps(IMPORT, tk, &scope, buffer, rooms[r].cch, length);
      OUT("%08x scope %x", (unsigned)hr, scope);
      NAME_OUT;
    }
    settle("GetTypeRefProps", arguments);
  }
}

/*
 * Microsoft's takes a type of this module for a reference into another assembly when the names
 * agree (Mono's System.dll has one such); that is not imitated.
 */
static void
compare_resolving(mdToken tk)
{
  mdToken into = 0, found = 0;
  IUnknown *wrong = NULL;
  IMetaDataImport2_GetTypeRefProps(sides[0].import, tk, &into, NULL, 0, NULL);
  if (TypeFromToken(into) == mdtAssemblyRef &&
      IMetaDataImport2_ResolveTypeRef(sides[0].import, tk, &IID_IMetaDataImport, &wrong, &found) ==
          S_OK) {
    IUnknown_Release(wrong);
    return;
  }
  ARGS("%08x", tk);
  BOTH
  {
    IUnknown *scope = NULL;
    mdToken type = UNSET;
    HRESULT hr = IMetaDataImport2_ResolveTypeRef(IMPORT, tk, &IID_IMetaDataImport, &scope, &type);
    OUT("%08x %x %s", (unsigned)hr, type, scope ? "scope" : "none");
    if (scope)
      IUnknown_Release(scope);
  }
  settle("ResolveTypeRef", arguments);
}

static void
compare_method(mdToken tk)
{
  ROOM_LOOP
  {
    ARGS("%08x room %u", tk, r);
    BOTH
    {
      NAME_BUFFER;
      mdToken class = UNSET;
      DWORD attributes = UNSET, impl = UNSET;
      ULONG size = UNSET, rva = UNSET;
      PCCOR_SIGNATURE signature = DATA_UNSET;
      HRESULT hr = IMetaDataImport2_GetMethodProps(IMPORT, tk, &class, buffer, rooms[r].cch, length,
                                                   &attributes, &signature, &size, &rva, &impl);
      OUT("%08x class %x attr %x rva %x impl %x", (unsigned)hr, class, attributes, rva, impl);
      out_bytes(i, signature, size);
      NAME_OUT;
    }
    settle("GetMethodProps", arguments);
  }
  BOTH
  {
    ULONG rva = UNSET;
    DWORD impl = UNSET, flags = UNSET;
    mdToken module = UNSET;
    WCHAR name[NAME_ROOM + 1] = {0};
    ULONG pch = UNSET;
    HRESULT hr = IMetaDataImport2_GetRVA(IMPORT, tk, &rva, &impl);
    OUT("%08x %x %x", (unsigned)hr, rva, impl);
    hr = IMetaDataImport2_GetPinvokeMap(IMPORT, tk, &flags, name, NAME_ROOM, &pch, &module);
    OUT(" pinvoke %08x %x %x %x", (unsigned)hr, flags, module, pch);
    out_name(i, name, hr, NAME_ROOM);
    int global = (int)UNSET;
    hr = IMetaDataImport2_IsGlobal(IMPORT, tk, &global);
    OUT(" global %08x %x", (unsigned)hr, global);
    for (ULONG sequence = 0; sequence < 4; sequence++) {
      mdToken param = UNSET;
      hr = IMetaDataImport2_GetParamForMethodIndex(IMPORT, tk, sequence, &param);
      OUT(" param %08x %x", (unsigned)hr, param);
    }
  }
  settle("GetRVA, GetPinvokeMap, IsGlobal, GetParamForMethodIndex", arguments);
  BOTH
  {
    PCCOR_SIGNATURE signature = NULL;
    ULONG size = 0, convention = UNSET;
    if (SUCCEEDED(IMetaDataImport2_GetMethodProps(IMPORT, tk, NULL, NULL, 0, NULL, NULL, &signature,
                                                  &size, NULL, NULL))) {
      HRESULT hr = IMetaDataImport2_GetNativeCallConvFromSig(IMPORT, signature, size, &convention);
      OUT("%08x %x", (unsigned)hr, convention);
    }
  }
  settle("GetNativeCallConvFromSig", arguments);
}

static void
compare_field(mdToken tk)
{
  ROOM_LOOP
  {
    ARGS("%08x room %u", tk, r);
    BOTH
    {
      NAME_BUFFER;
      mdToken class = UNSET;
      DWORD attributes = UNSET, type = UNSET;
      ULONG size = UNSET, value_cch = UNSET;
      PCCOR_SIGNATURE signature = DATA_UNSET;
      UVCP_CONSTANT value = DATA_UNSET;
      HRESULT hr = IMetaDataImport2_GetFieldProps(IMPORT, tk, &class, buffer, rooms[r].cch, length,
                                                  &attributes, &signature, &size, &type,
                                                  r == 1 ? NULL : &value, &value_cch);
      OUT("%08x class %x attr %x type %x cch %x", (unsigned)hr, class, attributes, type, value_cch);
      out_bytes(i, signature, size);
      out_bytes(i, value, value_cch == UNSET ? 0 : value_cch * 2);
      NAME_OUT;
    }
    settle("GetFieldProps", arguments);
  }
  BOTH
  {
    ULONG rva = UNSET, size = UNSET;
    DWORD impl = UNSET;
    PCCOR_SIGNATURE marshal = DATA_UNSET;
    HRESULT hr = IMetaDataImport2_GetRVA(IMPORT, tk, &rva, &impl);
    OUT("%08x %x %x", (unsigned)hr, rva, impl);
    hr = IMetaDataImport2_GetFieldMarshal(IMPORT, tk, &marshal, &size);
    OUT(" marshal %08x", (unsigned)hr);
    if (hr == S_OK)
      out_bytes(i, marshal, size);
    int global = (int)UNSET;
    hr = IMetaDataImport2_IsGlobal(IMPORT, tk, &global);
    OUT(" global %08x %x", (unsigned)hr, global);
  }
  settle("GetRVA, GetFieldMarshal of a field", arguments);
}

static void
compare_param(mdToken tk)
{
  ROOM_LOOP
  {
    ARGS("%08x room %u", tk, r);
    BOTH
    {
      NAME_BUFFER;
      mdToken method = UNSET;
      ULONG sequence = UNSET, value_cch = UNSET;
      DWORD attributes = UNSET, type = UNSET;
      UVCP_CONSTANT value = DATA_UNSET;
      HRESULT hr =
          IMetaDataImport2_GetParamProps(IMPORT, tk, &method, &sequence, buffer, rooms[r].cch,
                                         length, &attributes, &type, &value, &value_cch);
      OUT("%08x method %x seq %x attr %x type %x cch %x", (unsigned)hr, method, sequence,
          attributes, type, value_cch);
      out_bytes(i, value, value_cch == UNSET ? 0 : value_cch * 2);
      NAME_OUT;
    }
    settle("GetParamProps", arguments);
  }
}

static void
compare_property(mdToken tk)
{
  ROOM_LOOP
  {
    ARGS("%08x room %u", tk, r);
    BOTH
    {
      NAME_BUFFER;
      mdToken class = UNSET, setter = UNSET, getter = UNSET, others[2] = {UNSET, UNSET};
      DWORD flags = UNSET, type = UNSET;
      ULONG size = UNSET, value_cch = UNSET, count = UNSET;
      PCCOR_SIGNATURE signature = DATA_UNSET;
      UVCP_CONSTANT value = DATA_UNSET;
      HRESULT hr = IMetaDataImport2_GetPropertyProps(
          IMPORT, tk, &class, buffer, rooms[r].cch, length, &flags, &signature, &size, &type,
          &value, &value_cch, &setter, &getter, others, 2, &count);
      OUT("%08x class %x flags %x type %x cch %x set %x get %x other %x %x %x", (unsigned)hr, class,
          flags, type, value_cch, setter, getter, others[0], others[1], count);
      out_bytes(i, signature, size);
      NAME_OUT;
      int global = (int)UNSET;
      hr = IMetaDataImport2_IsGlobal(IMPORT, tk, &global);
      OUT(" global %08x %x", (unsigned)hr, global);
      if (getter != UNSET) {
        DWORD semantics = UNSET;
        hr = IMetaDataImport2_GetMethodSemantics(IMPORT, getter, tk, &semantics);
        OUT(" semantics %08x %x", (unsigned)hr, semantics);
      }
    }
    settle("GetPropertyProps", arguments);
  }
}

static void
compare_event(mdToken tk)
{
  ROOM_LOOP
  {
    ARGS("%08x room %u", tk, r);
    BOTH
    {
      NAME_BUFFER;
      mdToken class = UNSET, add = UNSET, rem = UNSET, fire = UNSET, others[2] = {UNSET, UNSET};
      DWORD flags = UNSET;
      mdToken type = UNSET;
      ULONG count = UNSET;
      HRESULT hr =
          IMetaDataImport2_GetEventProps(IMPORT, tk, &class, buffer, rooms[r].cch, length, &flags,
                                         &type, &add, &rem, &fire, others, 2, &count);
      OUT("%08x class %x flags %x type %x add %x remove %x fire %x other %x %x %x", (unsigned)hr,
          class, flags, type, add, rem, fire, others[0], others[1], count);
      NAME_OUT;
    }
    settle("GetEventProps", arguments);
  }
}

static void
compare_member_ref(mdToken tk)
{
  ROOM_LOOP
  {
    ARGS("%08x room %u", tk, r);
    BOTH
    {
      NAME_BUFFER;
      mdToken parent = UNSET;
      PCCOR_SIGNATURE signature = DATA_UNSET;
      ULONG size = UNSET;
      HRESULT hr = IMetaDataImport2_GetMemberRefProps(IMPORT, tk, &parent, buffer, rooms[r].cch,
                                                      length, &signature, &size);
      OUT("%08x parent %x", (unsigned)hr, parent);
      out_bytes(i, signature, size);
      NAME_OUT;
    }
    settle("GetMemberRefProps", arguments);
  }
}

static void
compare_small_tables(mdToken rid)
{
  ARGS("rid %x", rid);
  BOTH
  {
    PCCOR_SIGNATURE data = DATA_UNSET;
    ULONG size = UNSET;
    HRESULT hr = IMetaDataImport2_GetSigFromToken(IMPORT, mdtSignature | rid, &data, &size);
    OUT("sig %08x", (unsigned)hr);
    out_bytes(i, data, size);
    data = DATA_UNSET, size = UNSET;
    hr = IMetaDataImport2_GetTypeSpecFromToken(IMPORT, mdtTypeSpec | rid, &data, &size);
    OUT(" spec %08x", (unsigned)hr);
    out_bytes(i, data, size);
    mdToken a = UNSET, b = UNSET;
    data = DATA_UNSET, size = UNSET;
    hr = IMetaDataImport2_GetMethodSpecProps(IMPORT, mdtMethodSpec | rid, &a, &data, &size);
    OUT(" methodspec %08x %x", (unsigned)hr, a);
    out_bytes(i, data, size);
    a = UNSET;
    hr = IMetaDataImport2_GetInterfaceImplProps(IMPORT, mdtInterfaceImpl | rid, &a, &b);
    OUT(" interface %08x %x %x", (unsigned)hr, a, b);
    a = b = UNSET;
    hr = IMetaDataImport2_GetGenericParamConstraintProps(IMPORT, mdtGenericParamConstraint | rid,
                                                         &a, &b);
    OUT(" constraint %08x %x %x", (unsigned)hr, a, b);
    DWORD action = UNSET;
    const void *permission = DATA_UNSET;
    size = UNSET;
    hr = IMetaDataImport2_GetPermissionSetProps(IMPORT, mdtPermission | rid, &action, &permission,
                                                &size);
    OUT(" permission %08x %x", (unsigned)hr, action);
    out_bytes(i, permission, size);
    a = b = UNSET, size = UNSET;
    permission = DATA_UNSET;
    hr = IMetaDataImport2_GetCustomAttributeProps(IMPORT, mdtCustomAttribute | rid, &a, &b,
                                                  &permission, &size);
    OUT(" attribute %08x %x %x", (unsigned)hr, a, b);
    out_bytes(i, permission, size);
    for (unsigned t = 0; t < 0x2d; t++) {
      MDUTF8CSTR text = DATA_UNSET;
      hr = IMetaDataImport2_GetNameFromToken(IMPORT, t << 24 | rid, &text);
      OUT(" %x:%s:%d", (unsigned)hr, SUCCEEDED(hr) ? text : "",
          (int)IMetaDataImport2_IsValidToken(IMPORT, t << 24 | rid));
    }
  }
  settle("small tables", arguments);
  ROOM_LOOP
  {
    ARGS("rid %x room %u", rid, r);
    BOTH
    {
      NAME_BUFFER;
      HRESULT hr = IMetaDataImport2_GetModuleRefProps(IMPORT, mdtModuleRef | rid, buffer,
                                                      rooms[r].cch, length);
      OUT("%08x", (unsigned)hr);
      NAME_OUT;
      ULONG sequence = UNSET;
      DWORD flags = UNSET, reserved = UNSET;
      mdToken owner = UNSET;
      pch = UNSET;
      memset(name, 0, sizeof name);
      hr = IMetaDataImport2_GetGenericParamProps(IMPORT, mdtGenericParam | rid, &sequence, &flags,
                                                 &owner, &reserved, buffer, rooms[r].cch, length);
      OUT(" generic %08x %x %x %x", (unsigned)hr, sequence, flags, owner);
      NAME_OUT;
    }
    settle("GetModuleRefProps, GetGenericParamProps", arguments);
  }
}

/* Runs an enumeration to its end in steps, on both sides. */
typedef HRESULT (*enum_fn)(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max,
                           ULONG *count);

static void
compare_enum(const char *method, enum_fn next, mdToken tk)
{
  static const ULONG steps[] = {0, 1, 3, 64};
  for (unsigned s = 0; s < G_N_ELEMENTS(steps); s++) {
    ARGS("%08x step %u", tk, steps[s]);
    BOTH
    {
      HCORENUM e = NULL;
      mdToken tokens[64];
      ULONG count = UNSET, total = UNSET;
      HRESULT hr;
      for (unsigned round = 0; round < (steps[s] == 1 ? 5 : 2000); round++) {
        memset(tokens, 0xcc, sizeof tokens);
        hr = next(i, &e, tk, tokens, steps[s], round == 1 ? NULL : &count);
        OUT("%x,%x", (unsigned)hr, count);
        for (unsigned t = 0; t < 64 && tokens[t] != UNSET; t++)
          OUT(" %x", tokens[t]);
        if (round == 0) {
          HRESULT counted = IMetaDataImport2_CountEnum(IMPORT, e, &total);
          OUT(" (%x %u %s)", (unsigned)counted, total, e ? "open" : "closed");
        }
        if (hr != S_OK || count == 0)
          break;
      }
      if (e) {
        OUT(" reset %x", (unsigned)IMetaDataImport2_ResetEnum(IMPORT, e, 1));
        if (total > 1) {
          memset(tokens, 0xcc, sizeof tokens);
          hr = next(i, &e, tk, tokens, 2, &count);
          OUT(" %x %x %x", (unsigned)hr, count, tokens[0]);
        }
      }
      if (e)
        IMetaDataImport2_CloseEnum(IMPORT, e);
    }
    settle(method, arguments);
  }
}

#define ENUM_PLAIN(name, method)                                                                   \
  static HRESULT name(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)    \
  {                                                                                                \
    (void)tk;                                                                                      \
    return IMetaDataImport2_##method(IMPORT, e, tokens, max, count);                               \
  }
#define ENUM_OF(name, method)                                                                      \
  static HRESULT name(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)    \
  {                                                                                                \
    return IMetaDataImport2_##method(IMPORT, e, tk, tokens, max, count);                           \
  }
#define ENUM_ASSEMBLY(name, method)                                                                \
  static HRESULT name(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)    \
  {                                                                                                \
    (void)tk;                                                                                      \
    return IMetaDataAssemblyImport_##method(ASSEMBLY, e, tokens, max, count);                      \
  }
ENUM_PLAIN(enum_type_defs, EnumTypeDefs)
ENUM_PLAIN(enum_type_refs, EnumTypeRefs)
ENUM_PLAIN(enum_module_refs, EnumModuleRefs)
ENUM_PLAIN(enum_signatures, EnumSignatures)
ENUM_PLAIN(enum_type_specs, EnumTypeSpecs)
ENUM_PLAIN(enum_user_strings, EnumUserStrings)
ENUM_PLAIN(enum_unresolved, EnumUnresolvedMethods)
ENUM_OF(enum_interface_impls, EnumInterfaceImpls)
ENUM_OF(enum_members, EnumMembers)
ENUM_OF(enum_methods, EnumMethods)
ENUM_OF(enum_fields, EnumFields)
ENUM_OF(enum_params, EnumParams)
ENUM_OF(enum_member_refs, EnumMemberRefs)
ENUM_OF(enum_properties, EnumProperties)
ENUM_OF(enum_events, EnumEvents)
ENUM_OF(enum_semantics, EnumMethodSemantics)
ENUM_OF(enum_generic_params, EnumGenericParams)
ENUM_OF(enum_constraints, EnumGenericParamConstraints)
ENUM_OF(enum_method_specs, EnumMethodSpecs)
ENUM_ASSEMBLY(enum_assembly_refs, EnumAssemblyRefs)
ENUM_ASSEMBLY(enum_files, EnumFiles)
ENUM_ASSEMBLY(enum_exported, EnumExportedTypes)
ENUM_ASSEMBLY(enum_resources, EnumManifestResources)

static HRESULT
enum_method_impls(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)
{
  mdToken declarations[64];
  HRESULT hr = IMetaDataImport2_EnumMethodImpls(IMPORT, e, tk, tokens, declarations, max, count);
  for (ULONG t = 0; hr == S_OK && t < max && tokens[t] != UNSET; t++)
    OUT(" decl %x", declarations[t]);
  return hr;
}

static HRESULT
enum_permissions(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)
{
  return IMetaDataImport2_EnumPermissionSets(IMPORT, e, tk, 0, tokens, max, count);
}

static HRESULT
enum_attributes(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)
{
  return IMetaDataImport2_EnumCustomAttributes(IMPORT, e, tk, 0, tokens, max, count);
}

static const WCHAR *wanted_name;

static HRESULT
enum_members_named(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)
{
  return IMetaDataImport2_EnumMembersWithName(IMPORT, e, tk, wanted_name, tokens, max, count);
}

static HRESULT
enum_methods_named(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)
{
  return IMetaDataImport2_EnumMethodsWithName(IMPORT, e, tk, wanted_name, tokens, max, count);
}

static HRESULT
enum_fields_named(int i, HCORENUM *e, mdToken tk, mdToken *tokens, ULONG max, ULONG *count)
{
  return IMetaDataImport2_EnumFieldsWithName(IMPORT, e, tk, wanted_name, tokens, max, count);
}

static void
compare_scope(void)
{
  ROOM_LOOP
  {
    ARGS("room %u", r);
    BOTH
    {
      NAME_BUFFER;
      GUID mvid = {0};
      HRESULT hr = IMetaDataImport2_GetScopeProps(IMPORT, buffer, rooms[r].cch, length, &mvid);
      OUT("%08x %08x", (unsigned)hr, (unsigned)mvid.Data1);
      NAME_OUT;
      memset(name, 0, sizeof name);
      pch = UNSET;
      hr = IMetaDataImport2_GetVersionString(IMPORT, buffer, buffer ? rooms[r].cch : 0, length);
      OUT(" version %08x", (unsigned)hr);
      NAME_OUT;
      mdToken module = UNSET, assembly = UNSET;
      hr = IMetaDataImport2_GetModuleFromScope(IMPORT, &module);
      OUT(" module %08x %x", (unsigned)hr, module);
      hr = IMetaDataAssemblyImport_GetAssemblyFromScope(ASSEMBLY, &assembly);
      OUT(" assembly %08x %x", (unsigned)hr, assembly);
      DWORD kind = UNSET, machine = UNSET;
      hr = IMetaDataImport2_GetPEKind(IMPORT, &kind, &machine);
      OUT(" pe %08x %x %x", (unsigned)hr, kind, machine);
    }
    settle("GetScopeProps, GetVersionString, GetPEKind", arguments);
  }
  compare_enum("EnumTypeDefs", enum_type_defs, 0);
  compare_enum("EnumTypeRefs", enum_type_refs, 0);
  compare_enum("EnumModuleRefs", enum_module_refs, 0);
  compare_enum("EnumSignatures", enum_signatures, 0);
  compare_enum("EnumTypeSpecs", enum_type_specs, 0);
  compare_enum("EnumUserStrings", enum_user_strings, 0);
  compare_enum("EnumAssemblyRefs", enum_assembly_refs, 0);
  compare_enum("EnumFiles", enum_files, 0);
  compare_enum("EnumExportedTypes", enum_exported, 0);
  compare_enum("EnumManifestResources", enum_resources, 0);
  compare_enum("EnumPermissionSets", enum_permissions, 0);
  compare_enum("EnumCustomAttributes", enum_attributes, 0);
  compare_enum("EnumMethodSpecs", enum_method_specs, 0);
  compare_enum("EnumUnresolvedMethods", enum_unresolved, 0);
}

/* Looks each type and its members up by the names that it has, and by wrong ones. */
static void
compare_finding(mdToken type)
{
  WCHAR name[NAME_ROOM];
  ULONG pch;
  mdToken enclosing = 0;
  IMetaDataImport2 *real = sides[0].import;
  if (FAILED(IMetaDataImport2_GetTypeDefProps(real, type, name, NAME_ROOM, &pch, NULL, NULL)))
    return;
  IMetaDataImport2_GetNestedClassProps(real, type, &enclosing);
  for (unsigned wrong = 0; wrong < 3; wrong++) {
    ARGS("%08x wrong %u", type, wrong);
    if (wrong == 1)
      name[0] ^= 1;
    BOTH
    {
      mdToken found = UNSET;
      HRESULT hr = IMetaDataImport2_FindTypeDefByName(
          IMPORT, name, wrong == 2 ? enclosing + 1 : enclosing, &found);
      OUT("%08x %x", (unsigned)hr, found);
    }
    settle("FindTypeDefByName", arguments);
    if (wrong == 1)
      name[0] ^= 1;
  }

  HCORENUM e = NULL;
  mdToken members[64];
  ULONG count = 0;
  IMetaDataImport2_EnumMembers(real, &e, type, members, 64, &count);
  for (ULONG m = 0; m < count; m++) {
    PCCOR_SIGNATURE signature;
    ULONG size;
    if (FAILED(IMetaDataImport2_GetMemberProps(real, members[m], NULL, name, NAME_ROOM, &pch, NULL,
                                               &signature, &size, NULL, NULL, NULL, NULL, NULL)))
      continue;
    ARGS("%08x of %08x", members[m], type);
    for (unsigned with = 0; with < 2; with++) {
      BOTH
      {
        mdToken found[3] = {UNSET, UNSET, UNSET};
        HRESULT hr[3];
        const uint8_t *blob = with ? signature : NULL;
        ULONG blob_size = with ? size : 0;
        hr[0] = IMetaDataImport2_FindMethod(IMPORT, type, name, blob, blob_size, &found[0]);
        hr[1] = IMetaDataImport2_FindField(IMPORT, type, name, blob, blob_size, &found[1]);
        hr[2] = IMetaDataImport2_FindMember(IMPORT, type, name, blob, blob_size, &found[2]);
        /* Microsoft's FindField answers methods, by its hash of all members: not imitated. */
        unsigned other = TypeFromToken(members[m]) == mdtMethodDef ? 1 : 0;
        for (unsigned k = 0; k < 3; k++)
          /* Which overload a name alone finds is chance with Microsoft's: the first with ours. */
          if (k != other && with)
            OUT(" %08x %x", (unsigned)hr[k], found[k]);
          else if (k != other)
            OUT(" %08x", (unsigned)hr[k]);
      }
      settle("FindMethod, FindField, FindMember", arguments);
    }
    wanted_name = name;
    if (m < 4) {
      compare_enum("EnumMembersWithName", enum_members_named, type);
      compare_enum("EnumMethodsWithName", enum_methods_named, type);
      compare_enum("EnumFieldsWithName", enum_fields_named, type);
    }
  }
  IMetaDataImport2_CloseEnum(real, e);
}

static void
compare_finding_refs(ULONG rid)
{
  WCHAR name[NAME_ROOM];
  mdToken scope = 0;
  ULONG pch;
  PCCOR_SIGNATURE signature;
  ULONG size;
  IMetaDataImport2 *real = sides[0].import;
  ARGS("rid %x", rid);
  if (IMetaDataImport2_GetTypeRefProps(real, mdtTypeRef | rid, &scope, name, NAME_ROOM, &pch) ==
      S_OK) {
    BOTH
    {
      mdToken found[2] = {UNSET, UNSET};
      HRESULT hr = IMetaDataImport2_FindTypeRef(IMPORT, scope, name, &found[0]);
      HRESULT nil = IMetaDataImport2_FindTypeRef(IMPORT, 0, name, &found[1]);
      OUT("%08x %x %08x %x", (unsigned)hr, found[0], (unsigned)nil, found[1]);
    }
    settle("FindTypeRef", arguments);
  }
  if (IMetaDataImport2_GetMemberRefProps(real, mdtMemberRef | rid, &scope, name, NAME_ROOM, &pch,
                                         &signature, &size) == S_OK) {
    BOTH
    {
      mdToken found[2] = {UNSET, UNSET};
      HRESULT hr = IMetaDataImport2_FindMemberRef(IMPORT, scope, name, signature, size, &found[0]);
      HRESULT any = IMetaDataImport2_FindMemberRef(IMPORT, scope, name, NULL, 0, &found[1]);
      OUT("%08x %x %08x %x", (unsigned)hr, found[0], (unsigned)any, found[1]);
    }
    settle("FindMemberRef", arguments);
  }
}

static void
compare_user_strings(void)
{
  HCORENUM e = NULL;
  mdToken strings[64];
  ULONG count = 0;
  while (IMetaDataImport2_EnumUserStrings(sides[0].import, &e, strings, 64, &count) == S_OK)
    for (ULONG s = 0; s < count; s++)
      ROOM_LOOP
      {
        ARGS("%08x room %u", strings[s], r);
        BOTH
        {
          NAME_BUFFER;
          HRESULT hr =
              IMetaDataImport2_GetUserString(IMPORT, strings[s], buffer, rooms[r].cch, length);
          OUT("%08x", (unsigned)hr);
          OUT(" pch %x", pch);
          for (unsigned u = 0; u < 8; u++)
            OUT(" %x", name[u]);
        }
        settle("GetUserString", arguments);
      }
  IMetaDataImport2_CloseEnum(sides[0].import, e);
}

static void
compare_attribute_names(void)
{
  static const char *const names[] = {"System.Reflection.AssemblyTitleAttribute",
                                      "System.Diagnostics.DebuggableAttribute",
                                      "System.ObsoleteAttribute", "No.Such", ""};
  for (unsigned n = 0; n < G_N_ELEMENTS(names); n++)
    for (unsigned o = 0; o < 40; o++) {
      mdToken owner = o == 0 ? 0x20000001 : 0x02000000 | (o * 3);
      g_autofree gunichar2 *name = g_utf8_to_utf16(names[n], -1, NULL, NULL, NULL);
      ARGS("%08x %s", owner, names[n]);
      BOTH
      {
        const void *data = DATA_UNSET;
        ULONG size = UNSET;
        HRESULT hr = IMetaDataImport2_GetCustomAttributeByName(IMPORT, owner, name, &data, &size);
        OUT("%08x", (unsigned)hr);
        out_bytes(i, data, size);
      }
      settle("GetCustomAttributeByName", arguments);
    }
}

static ULONG
rows_of(ULONG table)
{
  ULONG rows = 0;
  IMetaDataTables2_GetTableInfo(sides[0].tables, table, NULL, &rows, NULL, NULL, NULL);
  return rows;
}

/* Every row of small tables, a sample of large ones, and both ends beyond. */
#define EACH_RID(table, rid)                                                                       \
  for (ULONG rid = 0, rows_##rid = rows_of(table); rid <= rows_##rid + 1;                          \
       rid += rid < 300 || rid >= rows_##rid ? 1 : 1 + rows_##rid / 1500)

static void
compare_everything(void)
{
  compare_scope();
  EACH_RID(0x02, t)
  {
    mdToken type = mdtTypeDef | t;
    compare_type_def(type);
    compare_enum("EnumInterfaceImpls", enum_interface_impls, type);
    compare_enum("EnumMembers", enum_members, type);
    compare_enum("EnumMethods", enum_methods, type);
    compare_enum("EnumFields", enum_fields, type);
    compare_enum("EnumProperties", enum_properties, type);
    compare_enum("EnumEvents", enum_events, type);
    compare_enum("EnumMethodImpls", enum_method_impls, type);
    compare_enum("EnumGenericParams", enum_generic_params, type);
    compare_enum("EnumCustomAttributes", enum_attributes, type);
    compare_enum("EnumPermissionSets", enum_permissions, type);
    if (t < 40)
      compare_enum("EnumMemberRefs", enum_member_refs, type);
    compare_finding(type);
  }
  EACH_RID(0x01, t)
  {
    compare_type_ref(mdtTypeRef | t);
    compare_resolving(mdtTypeRef | t);
    compare_resolving(mdtTypeDef | t);
    if (t < 60)
      compare_enum("EnumMemberRefs", enum_member_refs, mdtTypeRef | t);
  }
  EACH_RID(0x06, m)
  {
    compare_method(mdtMethodDef | m);
    compare_enum("EnumParams", enum_params, mdtMethodDef | m);
    compare_enum("EnumGenericParams", enum_generic_params, mdtMethodDef | m);
    compare_enum("EnumCustomAttributes", enum_attributes, mdtMethodDef | m);
    if (m < 100) {
      compare_enum("EnumMethodSemantics", enum_semantics, mdtMethodDef | m);
      compare_enum("EnumMethodSpecs", enum_method_specs, mdtMethodDef | m);
    }
  }
  EACH_RID(0x04, f) compare_field(mdtFieldDef | f);
  EACH_RID(0x08, p) compare_param(mdtParamDef | p);
  EACH_RID(0x17, p) compare_property(mdtProperty | p);
  EACH_RID(0x14, e) compare_event(mdtEvent | e);
  EACH_RID(0x0a, m) compare_member_ref(mdtMemberRef | m);
  EACH_RID(0x2a, g)
  compare_enum("EnumGenericParamConstraints", enum_constraints, mdtGenericParam | g);
  for (ULONG rid = 0; rid < 800; rid++)
    compare_small_tables(rid);
  for (ULONG rid = 0; rid < 60; rid++)
    compare_manifest(rid);
  for (ULONG rid = 1; rid < 300; rid++)
    compare_finding_refs(rid);
  /* Tokens of the wrong kind. */
  for (ULONG t = 0; t < 0x2d; t++) {
    mdToken tk = t << 24 | 1;
    compare_type_def(tk);
    compare_type_ref(tk);
    compare_enum("EnumCustomAttributes of any token", enum_attributes, tk);
    compare_enum("EnumPermissionSets of any token", enum_permissions, tk);
  }
  compare_user_strings();
  compare_attribute_names();
  compare_tables();
  compare_heaps();
}

typedef int (*initialize_fn)(const char *, const char *, int, const char **, const char **, void **,
                             unsigned *);
typedef HRESULT (*get_dispenser_fn)(const GUID *, const GUID *, void **);

static IMetaDataDispenser *
host(const char *library)
{
  void *handle = dlopen(library, RTLD_NOW);
  if (!handle) {
    printf("SKIP: %s\n", dlerror());
    return NULL;
  }
  g_autofree char *directory = g_path_get_dirname(library);
  g_autofree char *core = g_build_filename(directory, "System.Private.CoreLib.dll", NULL);
  const char *keys[] = {"TRUSTED_PLATFORM_ASSEMBLIES"}, *values[] = {core};
  initialize_fn initialize = (initialize_fn)dlsym(handle, "coreclr_initialize");
  get_dispenser_fn get = (get_dispenser_fn)dlsym(handle, "MetaDataGetDispenser");
  void *runtime;
  unsigned domain;
  if (!initialize || !get || initialize(core, "oracle", 1, keys, values, &runtime, &domain) < 0) {
    printf("SKIP: %s cannot be started\n", library);
    return NULL;
  }
  IMetaDataDispenser *dispenser = NULL;
  if (FAILED(get(&CLSID_CorMetaDataDispenser, &IID_IMetaDataDispenser, (void **)&dispenser)))
    printf("SKIP: %s gives no dispenser\n", library);
  return dispenser;
}

static HRESULT
open_side(IMetaDataDispenser *dispenser, const char *path, side *ret)
{
  g_autofree gunichar2 *wide = g_utf8_to_utf16(path, -1, NULL, NULL, NULL);
  HRESULT hr = IMetaDataDispenser_OpenScope(dispenser, wide, 0, &IID_IMetaDataImport2,
                                            (IUnknown **)&ret->import);
  if (FAILED(hr))
    return hr;
  IMetaDataImport2_QueryInterface(ret->import, &IID_IMetaDataAssemblyImport,
                                  (void **)&ret->assembly);
  IMetaDataImport2_QueryInterface(ret->import, &IID_IMetaDataTables2, (void **)&ret->tables);
  return hr;
}

static void
close_side(side *s)
{
  IMetaDataTables2_Release(s->tables);
  IMetaDataAssemblyImport_Release(s->assembly);
  IMetaDataImport2_Release(s->import);
}

int
main(int argc, char **argv)
{
  IMetaDataDispenser *dispensers[2] = {argc > 1 ? host(argv[1]) : NULL, NULL};
  if (!dispensers[0])
    return 77;
  if (FAILED(cordbg_metadata_dispenser_create(&IID_IMetaDataDispenser, (void **)&dispensers[1])))
    return 2;
  per_method = g_hash_table_new(g_str_hash, g_str_equal);
  results[0] = g_string_new(NULL);
  results[1] = g_string_new(NULL);

  for (int a = 2; a < argc; a++) {
    HRESULT hr[2];
    BOTH hr[i] = open_side(dispensers[i], argv[a], &sides[i]);
    BOTH OUT("%08x", (unsigned)hr[i]);
    settle("OpenScope", argv[a]);
    if (SUCCEEDED(hr[0]) && SUCCEEDED(hr[1]))
      compare_everything();
    BOTH if (SUCCEEDED(hr[i])) close_side(&sides[i]);
  }
  printf("%d images, %lu comparisons, %lu differences\n", argc - 2, calls, differences);
  GHashTableIter iter;
  gpointer method, count;
  g_hash_table_iter_init(&iter, per_method);
  while (g_hash_table_iter_next(&iter, &method, &count))
    printf("  %s: %u\n", (char *)method, GPOINTER_TO_UINT(count));
  return differences ? 1 : 0;
}
