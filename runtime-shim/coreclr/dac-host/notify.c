/* SPDX-License-Identifier: MIT */
/*
 * Notifications: which the runtime raises, and what one says. The DAC decodes one by calling back
 * into an object of ours, whose every slot is filled: it asks for the newest interface it knows and
 * falls back to older ones, so the object answers to all of them.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/dac-host/host.h"

#define NOTIFY_EXCEPTION 0xe0444143u
#define ARGUMENTS 4

typedef struct listener {
  IXCLRDataExceptionNotification5 com;
  dac_host *host;
  bool code_told; /* the newer callback has told where the code is */
} listener;

static dac_host *
host_of(void *This)
{
  return ((listener *)This)->host;
}

static void
tell(void *This, cordbg_dac_notification_kind kind, IXCLRDataModule *module)
{
  cordbg_dac_notification note = {.kind = kind};

  if (module != NULL)
    note.module = host_module_address(module);
  host_add_element(host_of(This), &note, sizeof note);
}

static void
tell_code(void *This, cordbg_dac_notification_kind kind, IXCLRDataMethodInstance *method,
          uint64_t address, uint32_t offset)
{
  dac_host *host = host_of(This);
  cordbg_dac_notification note = {.kind = kind, .native_offset = offset, .address = address};
  CLRDATA_ADDRESS entry = address, method_desc = 0;
  mdMethodDef token = 0;
  IXCLRDataModule *module = NULL;

  if (entry == 0 && FAILED(method->lpVtbl->GetRepresentativeEntryAddress(method, &entry)))
    entry = 0;
  note.address = entry;
  if (entry != 0 &&
      SUCCEEDED(host->sos->lpVtbl->GetMethodDescPtrFromIP(host->sos, entry, &method_desc)) &&
      SUCCEEDED(host_describe_method(host, method_desc, &note.method)))
    note.method_desc = method_desc;
  else if (SUCCEEDED(method->lpVtbl->GetTokenAndScope(method, &token, &module)) && module != NULL) {
    note.method.module = host_module_address(module);
    note.method.token = token;
    module->lpVtbl->Release(module);
  }
  note.module = note.method.module;
  host_add_element(host, &note, sizeof note);
}

static HRESULT
query(IXCLRDataExceptionNotification5 *This, REFIID riid, void **object)
{
  static const IID *const known[] = {
      &IID_IUnknown,
      &IID_IXCLRDataExceptionNotification,
      &IID_IXCLRDataExceptionNotification2,
      &IID_IXCLRDataExceptionNotification3,
      &IID_IXCLRDataExceptionNotification4,
      &IID_IXCLRDataExceptionNotification5,
  };

  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (memcmp(riid, known[i], sizeof(IID)) == 0) {
      *object = This;
      return S_OK;
    }
  }
  *object = NULL;
  return E_NOINTERFACE;
}

static ULONG
count(IXCLRDataExceptionNotification5 *This)
{
  (void)This;
  return 1;
}

static HRESULT
code_generated(IXCLRDataExceptionNotification5 *This, IXCLRDataMethodInstance *method)
{
  if (!((listener *)This)->code_told)
    tell_code(This, CORDBG_DAC_CODE_GENERATED, method, 0, 0);
  return S_OK;
}

static HRESULT
code_generated_2(IXCLRDataExceptionNotification5 *This, IXCLRDataMethodInstance *method,
                 CLRDATA_ADDRESS address)
{
  dac_host *host = host_of(This);

  if (host->answer_count > 0) { /* the older callback came first, without the address */
    host->answer_size = sizeof(cordbg_dac_header) + sizeof(cordbg_dac_reply);
    host->answer_count = 0;
  }
  ((listener *)This)->code_told = true;
  tell_code(This, CORDBG_DAC_CODE_GENERATED, method, address, 0);
  return S_OK;
}

static HRESULT
code_discarded(IXCLRDataExceptionNotification5 *This, IXCLRDataMethodInstance *method)
{
  tell_code(This, CORDBG_DAC_CODE_DISCARDED, method, 0, 0);
  return S_OK;
}

static HRESULT
module_loaded(IXCLRDataExceptionNotification5 *This, IXCLRDataModule *module)
{
  tell(This, CORDBG_DAC_MODULE_LOADED, module);
  return S_OK;
}

static HRESULT
module_unloaded(IXCLRDataExceptionNotification5 *This, IXCLRDataModule *module)
{
  tell(This, CORDBG_DAC_MODULE_UNLOADED, module);
  return S_OK;
}

static HRESULT
catcher_enter(IXCLRDataExceptionNotification5 *This, IXCLRDataMethodInstance *method, DWORD offset)
{
  tell_code(This, CORDBG_DAC_CATCH_ENTERED, method, 0, offset);
  return S_OK;
}

static HRESULT
process_execution(IXCLRDataExceptionNotification5 *This, ULONG32 state)
{
  (void)state;
  tell(This, CORDBG_DAC_OTHER, NULL);
  return S_OK;
}

static HRESULT
task_execution(IXCLRDataExceptionNotification5 *This, IXCLRDataTask *task, ULONG32 state)
{
  (void)task, (void)state;
  tell(This, CORDBG_DAC_OTHER, NULL);
  return S_OK;
}

static HRESULT
type_event(IXCLRDataExceptionNotification5 *This, IXCLRDataTypeInstance *type)
{
  (void)type;
  tell(This, CORDBG_DAC_OTHER, NULL);
  return S_OK;
}

static HRESULT
domain_event(IXCLRDataExceptionNotification5 *This, IXCLRDataAppDomain *domain)
{
  (void)domain;
  tell(This, CORDBG_DAC_OTHER, NULL);
  return S_OK;
}

static HRESULT
exception_event(IXCLRDataExceptionNotification5 *This, IXCLRDataExceptionState *exception)
{
  (void)exception;
  tell(This, CORDBG_DAC_OTHER, NULL);
  return S_OK;
}

static HRESULT
gc_event(IXCLRDataExceptionNotification5 *This, GcEvtArgs arguments)
{
  (void)arguments;
  tell(This, CORDBG_DAC_OTHER, NULL);
  return S_OK;
}

static const IXCLRDataExceptionNotification5Vtbl listener_table = {
    .QueryInterface = query,
    .AddRef = count,
    .Release = count,
    .OnCodeGenerated = code_generated,
    .OnCodeDiscarded = code_discarded,
    .OnProcessExecution = process_execution,
    .OnTaskExecution = task_execution,
    .OnModuleLoaded = module_loaded,
    .OnModuleUnloaded = module_unloaded,
    .OnTypeLoaded = type_event,
    .OnTypeUnloaded = type_event,
    .OnAppDomainLoaded = domain_event,
    .OnAppDomainUnloaded = domain_event,
    .OnException = exception_event,
    .OnGcEvent = gc_event,
    .ExceptionCatcherEnter = catcher_enter,
    .OnCodeGenerated2 = code_generated_2,
};

HRESULT
host_decode(dac_host *host, cordbg_error *error)
{
  CLRDATA_ADDRESS arguments[ARGUMENTS] = {0};
  int needed = 0;
  struct {
    uint32_t code, flags;
    uint64_t next, address;
    uint32_t parameters, pad;
    uint64_t information[15];
  } record = {.code = NOTIFY_EXCEPTION, .parameters = ARGUMENTS};
  listener sink = {.com = {&listener_table}, .host = host};

  if (FAILED(host->sos4->lpVtbl->GetClrNotification(host->sos4, arguments, ARGUMENTS, &needed)) ||
      arguments[0] == 0)
    return S_FALSE;
  for (int i = 0; i < ARGUMENTS; i++)
    record.information[i] = arguments[i];
  HRESULT hr = host->process->lpVtbl->TranslateExceptionRecordToNotification(
      host->process, (EXCEPTION_RECORD64 *)(void *)&record,
      (IXCLRDataExceptionNotification *)(void *)&sink.com);
  if (FAILED(hr))
    return host_set(error, hr, "TranslateExceptionRecordToNotification");
  return S_OK;
}

/* ---- Wanting ---- */

HRESULT
host_notify(dac_host *host, cordbg_error *error)
{
  HRESULT hr = host->process->lpVtbl->SetOtherNotificationFlags(host->process, host->request.token);

  return FAILED(hr) ? host_set(error, hr, "SetOtherNotificationFlags") : S_OK;
}

HRESULT
host_want(dac_host *host, const uint32_t *tokens, size_t tokens_count, cordbg_error *error)
{
  IXCLRDataModule *module = NULL;
  static mdMethodDef copies[CORDBG_DAC_TOKENS_MAX];

  if (tokens_count > CORDBG_DAC_TOKENS_MAX)
    return E_INVALIDARG;
  HRESULT hr = host->sos->lpVtbl->GetModule(host->sos, host->request.address, &module);
  if (FAILED(hr) || module == NULL)
    return host_set(error, hr, "GetModule");
  memcpy(copies, tokens, tokens_count * sizeof *tokens);
  hr = host->process->lpVtbl->SetCodeNotifications(
      host->process, (ULONG32)tokens_count, NULL, module, copies, NULL,
      host->request.token ? METHOD_NOTIFY_GENERATED : METHOD_NOTIFY_NONE);
  module->lpVtbl->Release(module);
  if (hr == E_OUTOFMEMORY)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0,
                            "the runtime's table of wanted methods is full");
  return FAILED(hr) ? host_set(error, hr, "SetCodeNotifications") : S_OK;
}
