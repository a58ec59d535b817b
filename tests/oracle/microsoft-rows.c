/* SPDX-License-Identifier: MIT */
/* One row at a time: the properties of each token. */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include "tests/oracle/microsoft.h"

void
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

void
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
void
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

void
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

void
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

void
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

void
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

void
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

void
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

void
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
