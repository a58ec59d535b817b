/* SPDX-License-Identifier: MIT */
/*
 * Bodies of native code. The DAC's own enumerations describe the default version of a method only;
 * all versions are those that GetTieredVersions lists for each MethodDesc: the method's own, or, of
 * generic methods, one for each instantiation that has code.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/dac-host/host.h"

#define VERSIONS_MAX 1024
#define INSTANCES_MAX 16384
#define SWEEP_MAX (4u << 20) /* bytes of code whose map is made */
enum { JIT_TYPE_PRECOMPILED = 2 };

/* ---- Methods ---- */

HRESULT
host_describe_method(dac_host *host, uint64_t method_desc, cordbg_dac_method *ret)
{
  DacpMethodDescData data = {0};
  DacpMethodTableData table = {0};
  ULONG reverted = 0;
  HRESULT hr =
      host->sos->lpVtbl->GetMethodDescData(host->sos, method_desc, 0, &data, 0, NULL, &reverted);

  if (FAILED(hr))
    return hr;
  *ret = (cordbg_dac_method){.kind = CORDBG_DAC_CODE_METHOD};
  /* Stubs for P/Invoke stand under the nil token of the module that declares it. */
  if (data.bIsDynamic || (data.MDToken & 0xffffff) == 0) {
    ret->kind =
        data.managedDynamicMethodObject != 0 ? CORDBG_DAC_CODE_DYNAMIC : CORDBG_DAC_CODE_STUB;
    return S_OK;
  }
  ret->module = data.ModulePtr;
  ret->token = data.MDToken;
  if (SUCCEEDED(host->sos->lpVtbl->GetMethodTableData(host->sos, data.MethodTablePtr, &table)) &&
      table.cl >> 24 == mdtTypeDef >> 24 && (table.cl & 0xffffff) != 0)
    ret->class_token = table.cl;
  CLRDATA_ADDRESS definition = 0;
  if (FAILED(host->sos->lpVtbl->GetMethodDescFromToken(host->sos, data.ModulePtr, data.MDToken,
                                                       &definition)) ||
      definition != method_desc)
    ret->instance = method_desc;
  return S_OK;
}

HRESULT
host_method_at(dac_host *host, cordbg_error *error)
{
  cordbg_dac_method method;
  HRESULT hr = host_describe_method(host, host->request.address, &method);

  if (FAILED(hr))
    return host_set(error, hr, "GetMethodDescData");
  host_add_element(host, &method, sizeof method);
  return S_OK;
}

/* ---- One body ---- */

static HRESULT
list_versions(dac_host *host, uint64_t method_desc, DacpTieredVersionData *versions, int *count)
{
  int got = 0;
  HRESULT hr = host->sos5->lpVtbl->GetTieredVersions(host->sos5, method_desc, 0, versions,
                                                     VERSIONS_MAX, &got);

  *count = got < 0 ? 0 : got > VERSIONS_MAX ? VERSIONS_MAX : got;
  return hr;
}

static HRESULT
describe_body(dac_host *host, uint64_t address, cordbg_dac_code *ret)
{
  DacpCodeHeaderData header = {0};

  if (FAILED(host->sos->lpVtbl->GetCodeHeaderData(host->sos, address, &header)) ||
      header.MethodStart == 0 || header.MethodDescPtr == 0)
    return S_FALSE;
  *ret = (cordbg_dac_code){.precompiled = header.JITType == JIT_TYPE_PRECOMPILED,
                           .method_desc = header.MethodDescPtr,
                           .start = header.MethodStart,
                           .size = header.HotRegionSize ? header.HotRegionSize : header.MethodSize,
                           .cold_size = header.ColdRegionSize,
                           .cold_start = header.ColdRegionSize ? header.ColdRegionStart : 0};
  return S_OK;
}

uint64_t
host_gc_info(dac_host *host, uint64_t address)
{
  DacpCodeHeaderData header = {0};

  return SUCCEEDED(host->sos->lpVtbl->GetCodeHeaderData(host->sos, address, &header))
             ? header.GCInfo
             : 0;
}

static void
set_method(cordbg_dac_code *code, const cordbg_dac_method *method)
{
  code->kind = method->kind;
  code->module = method->module;
  code->token = method->token;
  code->class_token = method->class_token;
  code->instance = method->instance;
}

HRESULT
host_describe_code(dac_host *host, uint64_t address, bool tier, cordbg_dac_code *ret)
{
  static DacpTieredVersionData versions[VERSIONS_MAX];
  cordbg_dac_code code;
  cordbg_dac_method method;
  int count = 0;

  if (describe_body(host, address, &code) != S_OK)
    return S_FALSE;
  HRESULT hr = host_describe_method(host, code.method_desc, &method);
  if (FAILED(hr))
    return hr;
  set_method(&code, &method);
  if (tier && code.kind == CORDBG_DAC_CODE_METHOD &&
      SUCCEEDED(list_versions(host, code.method_desc, versions, &count))) {
    for (int i = 0; i < count; i++) {
      if (versions[i].NativeCodeAddr == code.start)
        code.tier = (uint32_t)versions[i].OptimizationTier;
    }
  }
  if (code.tier == CORDBG_DAC_TIER_UNKNOWN && code.precompiled)
    code.tier = CORDBG_DAC_TIER_READY_TO_RUN;
  *ret = code;
  return S_OK;
}

HRESULT
host_code_at(dac_host *host, cordbg_error *error)
{
  cordbg_dac_code code;
  HRESULT hr = host_describe_code(host, host->request.address, true, &code);

  if (FAILED(hr))
    return host_set(error, hr, "GetMethodDescData");
  if (hr == S_OK)
    host_add_element(host, &code, sizeof code);
  return hr;
}

/* ---- All bodies of a method ---- */

static void
add_versions(dac_host *host, uint64_t method_desc)
{
  static DacpTieredVersionData versions[VERSIONS_MAX];
  cordbg_dac_method method;
  int count = 0;

  if (FAILED(host_describe_method(host, method_desc, &method)) ||
      method.token != host->request.token || method.module != host->request.address ||
      FAILED(list_versions(host, method_desc, versions, &count)))
    return;
  for (int i = 0; i < count && host->answer_count < CORDBG_DAC_CODES_MAX; i++) {
    cordbg_dac_code code;
    if (versions[i].NativeCodeAddr == 0 ||
        describe_body(host, versions[i].NativeCodeAddr, &code) != S_OK)
      continue; /* asked for, not made yet */
    set_method(&code, &method);
    code.tier = (uint32_t)versions[i].OptimizationTier;
    host_add_element(host, &code, sizeof code);
  }
}

static void
add_instances(dac_host *host, IXCLRDataMethodDefinition *definition)
{
  CLRDATA_ENUM walk = 0;
  HRESULT hr = definition->lpVtbl->StartEnumInstances(definition, NULL, &walk);

  if (hr != S_OK)
    return;
  for (unsigned i = 0; i < INSTANCES_MAX; i++) {
    IXCLRDataMethodInstance *instance = NULL;
    CLRDATA_ADDRESS entry = 0, method_desc = 0;
    if (definition->lpVtbl->EnumInstance(definition, &walk, &instance) != S_OK || instance == NULL)
      break;
    if (SUCCEEDED(instance->lpVtbl->GetRepresentativeEntryAddress(instance, &entry)) &&
        SUCCEEDED(host->sos->lpVtbl->GetMethodDescPtrFromIP(host->sos, entry, &method_desc)))
      add_versions(host, method_desc);
    instance->lpVtbl->Release(instance);
  }
  definition->lpVtbl->EndEnumInstances(definition, walk);
}

HRESULT
host_codes(dac_host *host, cordbg_error *error)
{
  IXCLRDataModule *module = NULL;
  IXCLRDataMethodDefinition *definition = NULL;
  CLRDATA_ADDRESS method_desc = 0;
  BOOL generic = FALSE;
  HRESULT hr = host->sos->lpVtbl->GetModule(host->sos, host->request.address, &module);

  if (FAILED(hr) || module == NULL)
    return host_set(error, hr, "GetModule");
  hr = module->lpVtbl->GetMethodDefinitionByToken(module, host->request.token, &definition);
  if (SUCCEEDED(hr) && definition != NULL) {
    if (FAILED(definition->lpVtbl->HasClassOrMethodInstantiation(definition, &generic)))
      generic = TRUE;
    if (generic)
      add_instances(host, definition);
    else if (SUCCEEDED(host->sos->lpVtbl->GetMethodDescFromToken(
                 host->sos, host->request.address, host->request.token, &method_desc)) &&
             method_desc != 0)
      add_versions(host, method_desc);
    definition->lpVtbl->Release(definition);
  }
  module->lpVtbl->Release(module);
  return FAILED(hr) ? host_set(error, hr, "GetMethodDefinitionByToken") : S_OK;
}

/* ---- IL maps ---- */

static IXCLRDataMethodInstance *
instance_at(dac_host *host, uint64_t address)
{
  CLRDATA_ENUM walk = 0;
  IXCLRDataMethodInstance *instance = NULL;

  if (host->process->lpVtbl->StartEnumMethodInstancesByAddress(host->process, address, NULL,
                                                               &walk) != S_OK)
    return NULL;
  if (host->process->lpVtbl->EnumMethodInstanceByAddress(host->process, &walk, &instance) != S_OK)
    instance = NULL;
  host->process->lpVtbl->EndEnumMethodInstancesByAddress(host->process, walk);
  return instance;
}

/* The IL offset that the runtime gives for the instruction at address. false: none. */
static bool
il_at(IXCLRDataMethodInstance *instance, uint64_t address, int32_t *ret)
{
  ULONG32 offsets[8] = {0};
  ULONG32 needed = 0;

  if (FAILED(instance->lpVtbl->GetILOffsetsByAddress(instance, address, 8, &needed, offsets)) ||
      needed == 0)
    return false;
  uint32_t last = (needed < 8 ? needed : 8) - 1;
  *ret = (int32_t)offsets[last];
  return true;
}

HRESULT
host_il_map(dac_host *host, cordbg_error *error)
{
  cordbg_dac_code code;
  uint64_t start = host->request.address;

  if (describe_body(host, start, &code) != S_OK || code.start != start)
    return cordbg_error_set(error, CORDBG_E_CODE_NOT_AVAILABLE, 0, start,
                            "no body of code begins at 0x%llx", (unsigned long long)start);
  uint64_t total = (uint64_t)code.size + code.cold_size;
  if (total > SWEEP_MAX)
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, start,
                            "the body at 0x%llx is too long for an IL map",
                            (unsigned long long)start);
  IXCLRDataMethodInstance *instance = instance_at(host, start);
  if (instance == NULL)
    return S_FALSE;
  cordbg_rt_map run = {0};
  bool open = false;
  for (uint32_t offset = 0; offset < total; offset++) {
    uint64_t address = offset < code.size ? start + offset : code.cold_start + (offset - code.size);
    int32_t il = 0;
    bool has = il_at(instance, address, &il);
    if (open && (!has || il != run.il)) {
      run.native_end = offset;
      host_add_element(host, &run, sizeof run);
      open = false;
    }
    if (has && !open) {
      run = (cordbg_rt_map){.il = il, .native_start = offset};
      open = true;
    }
    if (host->answer_count >= CORDBG_RT_MAP_MAX)
      break;
  }
  if (open) {
    run.native_end = (uint32_t)total;
    host_add_element(host, &run, sizeof run);
  }
  instance->lpVtbl->Release(instance);
  return host->answer_count > 0 ? S_OK : S_FALSE;
}
