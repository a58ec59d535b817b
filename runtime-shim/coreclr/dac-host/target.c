/* SPDX-License-Identifier: MIT */
/*
 * The target as the DAC sees it (ICLRDataTarget): memory by descriptor, without any trap in it, the
 * registers that came with the request, and where libcoreclr is. Pages are kept until the target
 * runs: the DAC reads some structures field by field.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cordbg/memory/context.h"
#include "runtime-shim/coreclr/dac-host/host.h"

#define TRIES 64

/* ---- Memory ---- */

static size_t
fetch(dac_host *host, uint64_t address, void *buffer, size_t size)
{
  for (int i = 0; i < TRIES; i++) {
    uint64_t generation = cordbg_patch_table_begin(&host->table);
    ssize_t got = pread(host->memory, buffer, size, (off_t)address);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0 || cordbg_patch_table_gone(&host->table) != CORDBG_GONE_NO)
      return 0;
    cordbg_overlay_result result = cordbg_patch_table_overlay(
        &host->table, CORDBG_VIEW_PRISTINE, generation, address, buffer, (size_t)got);
    if (result == CORDBG_OVERLAY_DONE)
      return (size_t)got;
    if (result == CORDBG_OVERLAY_CORRUPT)
      return 0;
  }
  return 0;
}

void
host_forget_pages(dac_host *host)
{
  for (size_t i = 0; i < HOST_PAGES; i++)
    host->page_addresses[i] = 1;
}

static const uint8_t *
page_of(dac_host *host, uint64_t address)
{
  size_t i = address / HOST_PAGE % HOST_PAGES;

  if (host->page_addresses[i] != address) {
    host->page_addresses[i] = 1;
    if (fetch(host, address, host->pages[i], HOST_PAGE) != HOST_PAGE)
      return NULL;
    host->page_addresses[i] = address;
  }
  return host->pages[i];
}

static size_t
read_pages(dac_host *host, uint64_t address, void *buffer, size_t size)
{
  if (size > (size_t)8 * HOST_PAGE)
    return fetch(host, address, buffer, size);
  size_t done = 0;
  while (done < size) {
    uint64_t at = address + done;
    size_t offset = at % HOST_PAGE;
    size_t part = HOST_PAGE - offset < size - done ? HOST_PAGE - offset : size - done;
    const uint8_t *page = page_of(host, at - offset);
    if (page == NULL)
      return done;
    memcpy((uint8_t *)buffer + done, page + offset, part);
    done += part;
  }
  return done;
}

size_t
host_read(dac_host *host, uint64_t address, void *buffer, size_t size)
{
  size_t done = read_pages(host, address, buffer, size);

  if (done == size)
    host_record_read(host, address, buffer, size);
  else
    host_record_spoil(host);
  return done;
}

/* ---- Registers ---- */

void
host_context_from(CONTEXT *context, const struct user_regs_struct *registers)
{
  cordbg_registers all = {.general = *registers};

  memset(context, 0, sizeof *context);
  context->ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER | CONTEXT_SEGMENTS;
  cordbg_context_from_registers(context, &all);
}

void
host_context_to(const CONTEXT *context, struct user_regs_struct *registers)
{
  cordbg_registers all = {.general = *registers};
  CONTEXT general = *context;

  general.ContextFlags = CONTEXT_INTEGER;
  cordbg_context_to_registers(&general, &all);
  *registers = all.general;
  registers->rip = context->Rip;
  registers->rsp = context->Rsp;
}

/* ---- ICLRDataTarget ---- */

static dac_host *
of_target(ICLRDataTarget *This)
{
  return (dac_host *)(void *)((char *)This - offsetof(dac_host, target));
}

static dac_host *
of_locator(ICLRRuntimeLocator *This)
{
  return (dac_host *)(void *)((char *)This - offsetof(dac_host, locator));
}

static HRESULT
query(dac_host *host, REFIID riid, void **object)
{
  if (memcmp(riid, &IID_IUnknown, sizeof(IID)) == 0 ||
      memcmp(riid, &IID_ICLRDataTarget, sizeof(IID)) == 0)
    *object = &host->target;
  else if (memcmp(riid, &IID_ICLRRuntimeLocator, sizeof(IID)) == 0)
    *object = &host->locator;
  else {
    *object = NULL;
    return E_NOINTERFACE;
  }
  return S_OK;
}

static HRESULT
target_query(ICLRDataTarget *This, REFIID riid, void **object)
{
  return query(of_target(This), riid, object);
}

static HRESULT
locator_query(ICLRRuntimeLocator *This, REFIID riid, void **object)
{
  return query(of_locator(This), riid, object);
}

/* They live as long as the process. */
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
get_image_base(ICLRDataTarget *This, LPCWSTR path, CLRDATA_ADDRESS *base)
{
  (void)path; /* only ever the runtime's own */
  *base = of_target(This)->base;
  return S_OK;
}

static HRESULT
read_virtual(ICLRDataTarget *This, CLRDATA_ADDRESS address, BYTE *buffer, ULONG32 size,
             ULONG32 *read)
{
  size_t got = host_read(of_target(This), address, buffer, size);

  if (read != NULL)
    *read = (ULONG32)got;
  return got > 0 || size == 0 ? S_OK : E_FAIL;
}

static HRESULT
write_virtual(ICLRDataTarget *This, CLRDATA_ADDRESS address, BYTE *buffer, ULONG32 size,
              ULONG32 *written)
{
  HRESULT hr = host_write(of_target(This), address, buffer, size);

  host_forget_pages(of_target(This));
  host_record_spoil(of_target(This));
  if (SUCCEEDED(hr) && written != NULL)
    *written = size;
  return hr;
}

static HRESULT
get_tls_value(ICLRDataTarget *This, ULONG32 thread, ULONG32 index, CLRDATA_ADDRESS *value)
{
  (void)This, (void)thread, (void)index, (void)value;
  return E_NOTIMPL;
}

static HRESULT
set_tls_value(ICLRDataTarget *This, ULONG32 thread, ULONG32 index, CLRDATA_ADDRESS value)
{
  (void)This, (void)thread, (void)index, (void)value;
  return E_NOTIMPL;
}

static HRESULT
get_current_thread(ICLRDataTarget *This, ULONG32 *thread)
{
  (void)This, (void)thread;
  return E_NOTIMPL;
}

static HRESULT
get_thread_context(ICLRDataTarget *This, ULONG32 thread, ULONG32 flags, ULONG32 size, BYTE *buffer)
{
  dac_host *host = of_target(This);
  CONTEXT context;

  (void)flags;
  if (host->request.tid == 0 || (int32_t)thread != host->request.tid)
    return E_FAIL;
  host_context_from(&context, &host->request.registers);
  memset(buffer, 0, size);
  memcpy(buffer, &context, size < sizeof context ? size : sizeof context);
  return S_OK;
}

static HRESULT
set_thread_context(ICLRDataTarget *This, ULONG32 thread, ULONG32 size, BYTE *context)
{
  (void)This, (void)thread, (void)size, (void)context;
  return E_NOTIMPL;
}

static HRESULT
request(ICLRDataTarget *This, ULONG32 code, ULONG32 in_size, BYTE *in, ULONG32 out_size, BYTE *out)
{
  (void)This, (void)code, (void)in_size, (void)in, (void)out_size, (void)out;
  return E_NOTIMPL;
}

static HRESULT
get_runtime_base(ICLRRuntimeLocator *This, CLRDATA_ADDRESS *base)
{
  *base = of_locator(This)->base;
  return S_OK;
}

static const ICLRDataTargetVtbl target_table = {
    .QueryInterface = target_query,
    .AddRef = target_count,
    .Release = target_count,
    .GetMachineType = get_machine_type,
    .GetPointerSize = get_pointer_size,
    .GetImageBase = get_image_base,
    .ReadVirtual = read_virtual,
    .WriteVirtual = write_virtual,
    .GetTLSValue = get_tls_value,
    .SetTLSValue = set_tls_value,
    .GetCurrentThreadID = get_current_thread,
    .GetThreadContext = get_thread_context,
    .SetThreadContext = set_thread_context,
    .Request = request,
};

static const ICLRRuntimeLocatorVtbl locator_table = {
    .QueryInterface = locator_query,
    .AddRef = locator_count,
    .Release = locator_count,
    .GetRuntimeBase = get_runtime_base,
};

void
host_make_target(dac_host *host)
{
  host->target.lpVtbl = &target_table;
  host->locator.lpVtbl = &locator_table;
}
