/* SPDX-License-Identifier: MIT */
/* Enumerations, lookups by name, and the walk over a whole image that leads to everything else. */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include "tests/oracle/microsoft.h"

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
  BOTH
  {
    IUnknown *found = (IUnknown *)DATA_UNSET;
    ULONG count = UNSET;
    HRESULT hr = IMetaDataAssemblyImport_FindAssembliesByName(ASSEMBLY, u"", u"", u"mscorlib",
                                                              &found, 1, &count);
    OUT("%08x", (unsigned)hr);
  }
  settle("FindAssembliesByName", "mscorlib");
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

void
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
    if (!by_dac) {
      compare_resolving(mdtTypeRef | t);
      compare_resolving(mdtTypeDef | t);
    }
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
      if (!by_dac)
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
