/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in the runtime's structures. Mono promises no layout, so it is discovered: the
 * agent publishes, for things that every Mono has (the root domain, mscorlib, System.Object, one
 * method, one thread), both their address and what the API says about them; the offset at which a
 * structure holds that answer is the member's. What cannot be found so (the table of code) is
 * recognised by its shape, and the known shape of MonoJitInfo is checked against what is there.
 * A runtime that does not fit is refused, never guessed at.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/mono/mono-private.h"

enum {
  DOMAIN_BYTES = 1024,
  ASSEMBLY_BYTES = 256,
  IMAGE_BYTES = 2048,
  CLASS_BYTES = 256,
  METHOD_BYTES = 64,
  TLS_BYTES = 16384,
  PTHREAD_BYTES = 2048,
};

static HRESULT
unknown(cordbg_error *error, const char *what)
{
  return cordbg_error_set(error, CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL, 0, 0,
                          "this build of Mono lays out its structures in an unknown way: %s", what);
}

/* The first offset, from `from` on, at which bytes hold value in width bytes; -1: none. */
static int32_t
find_value(const uint8_t *bytes, size_t size, size_t from, uint64_t value, size_t width)
{
  for (size_t at = from; at + width <= size; at += width) {
    uint64_t there = 0;
    memcpy(&there, bytes + at, width);
    if (there == value)
      return (int32_t)at;
  }
  return -1;
}

/* Reads what is readable of size bytes; the rest is zeros. */
static void
read_some(cordbg_runtime *runtime, uint64_t address, uint8_t *buffer, size_t size)
{
  size_t got = 0;

  memset(buffer, 0, size);
  cordbg_target_read(runtime->target, CORDBG_VIEW_PRISTINE, address, buffer, size, &got, NULL);
}

static bool
member(cordbg_runtime *runtime, uint64_t object, size_t size, uint64_t value, size_t width,
       uint32_t *ret)
{
  uint8_t bytes[IMAGE_BYTES];

  read_some(runtime, object, bytes, size);
  int32_t offset = value ? find_value(bytes, size, 0, value, width) : -1;
  if (offset < 0)
    return false;
  *ret = (uint32_t)offset;
  return true;
}

/* The member of MonoAssembly that points to the simple name, which the API gives as text. */
static bool
find_assembly_name(cordbg_runtime *runtime)
{
  g_autofree char *name = cordbg_mono_read_string(runtime, runtime->block.corlib_image_name);
  uint8_t bytes[ASSEMBLY_BYTES];

  read_some(runtime, runtime->block.corlib_assembly, bytes, sizeof(bytes));
  for (uint32_t at = 0; name && at + 8 <= sizeof(bytes); at += 8) {
    uint64_t word;
    memcpy(&word, bytes + at, 8);
    g_autofree char *there = word > 0x1000 ? cordbg_mono_read_string(runtime, word) : NULL;
    if (there && strcmp(there, name) == 0) {
      runtime->layout.assembly_name = at;
      return true;
    }
  }
  return false;
}

static HRESULT
discover_image(cordbg_runtime *runtime, cordbg_error *error)
{
  const cordbg_agent_block *block = &runtime->block;
  cordbg_mono_layout *layout = &runtime->layout;
  uint8_t bytes[IMAGE_BYTES];
  uint32_t assembly_name;

  if (!member(runtime, block->corlib_assembly, ASSEMBLY_BYTES, block->corlib_image, 8,
              &layout->assembly_image))
    return unknown(error, "MonoAssembly.image");
  if (!find_assembly_name(runtime))
    return unknown(error, "MonoAssembly.aname");
  if (!member(runtime, block->corlib_image, IMAGE_BYTES, block->corlib_assembly, 8,
              &layout->image_assembly))
    return unknown(error, "MonoImage.assembly");
  if (!member(runtime, block->corlib_image, 512, block->corlib_guid, 8, &layout->image_guid))
    return unknown(error, "MonoImage.guid");
  /* The simple name; the file's name stands one or two members before it. */
  if (!member(runtime, block->corlib_image, 512, block->corlib_image_name, 8, &assembly_name) ||
      assembly_name < 16)
    return unknown(error, "MonoImage.assembly_name");
  read_some(runtime, block->corlib_image, bytes, sizeof(bytes));
  layout->image_name = 0;
  for (uint32_t at = assembly_name; at >= 16 && at + 24 > assembly_name; at -= 8) {
    g_autofree char *name = cordbg_mono_read_string(runtime, *(uint64_t *)(void *)(bytes + at));
    if (name && strchr(name, '/')) {
      layout->image_name = at;
      break;
    }
  }
  if (!layout->image_name)
    return unknown(error, "MonoImage.name");
  for (uint32_t at = 8; at + 12 <= layout->image_name; at += 8) {
    uint64_t data;
    uint32_t size;
    uint16_t magic;
    memcpy(&data, bytes + at, 8);
    memcpy(&size, bytes + at + 8, 4);
    if (data && size > 512 &&
        cordbg_mono_read(runtime, data, &magic, sizeof(magic), NULL) == S_OK && magic == 0x5a4d) {
      layout->image_raw = at;
      return S_OK;
    }
  }
  return unknown(error, "MonoImage.raw_data");
}

static HRESULT
discover_class(cordbg_runtime *runtime, cordbg_error *error)
{
  const cordbg_agent_block *block = &runtime->block;
  cordbg_mono_layout *layout = &runtime->layout;

  if (!member(runtime, block->object_class, CLASS_BYTES, block->corlib_image, 8,
              &layout->class_image))
    return unknown(error, "MonoClass.image");
  if (!member(runtime, block->object_class, CLASS_BYTES, block->object_class_token, 4,
              &layout->class_token))
    return unknown(error, "MonoClass.type_token");
  if (!member(runtime, block->method, METHOD_BYTES, block->object_class, 8, &layout->method_class))
    return unknown(error, "MonoMethod.klass");
  if (!member(runtime, block->method, METHOD_BYTES, block->method_token, 4, &layout->method_token))
    return unknown(error, "MonoMethod.token");
  /* code.c reads these many bytes of each. */
  if (layout->class_image + 8 > 128 || layout->class_token + 4 > 128 ||
      layout->method_class + 8 > 32 || layout->method_token + 4 > 32)
    return unknown(error, "MonoClass, MonoMethod");
  return S_OK;
}

/* A GSList whose members are assemblies, mscorlib among them. */
static bool
is_assembly_list(cordbg_runtime *runtime, uint64_t node)
{
  for (unsigned i = 0; node && i < CORDBG_MONO_ASSEMBLIES_MAX; i++) {
    uint64_t link[2]; /* data, next */
    uint64_t image, back;
    if (cordbg_mono_read(runtime, node, link, sizeof(link), NULL) != S_OK)
      return false;
    if (link[0] == runtime->block.corlib_assembly)
      return true;
    if (!cordbg_mono_read_word(runtime, link[0] + runtime->layout.assembly_image, &image) ||
        !cordbg_mono_read_word(runtime, image + runtime->layout.image_assembly, &back) ||
        back != link[0])
      return false;
    node = link[1];
  }
  return false;
}

/* MonoJitInfoTable: {domain, num_chunks, num_valid, chunks[]}. */
static bool
is_jit_table(cordbg_runtime *runtime, uint64_t address)
{
  struct {
    uint64_t domain;
    int32_t chunks, valid;
    uint64_t first;
  } table;
  struct {
    int32_t references, elements;
  } chunk;

  return cordbg_mono_read(runtime, address, &table, sizeof(table), NULL) == S_OK &&
         table.domain == runtime->block.root_domain && table.chunks > 0 &&
         (uint32_t)table.chunks <= CORDBG_MONO_CHUNKS_MAX &&
         cordbg_mono_read(runtime, table.first, &chunk, sizeof(chunk), NULL) == S_OK &&
         chunk.references > 0 && chunk.references < 1024 && chunk.elements >= 0 &&
         (uint32_t)chunk.elements <= CORDBG_MONO_CHUNK_ENTRIES;
}

static HRESULT
discover_domain(cordbg_runtime *runtime, cordbg_error *error)
{
  cordbg_mono_layout *layout = &runtime->layout;
  uint8_t bytes[DOMAIN_BYTES];

  if (!member(runtime, runtime->block.root_domain, DOMAIN_BYTES, runtime->block.root_name, 8,
              &layout->domain_name))
    return unknown(error, "MonoDomain.friendly_name");
  read_some(runtime, runtime->block.root_domain, bytes, sizeof(bytes));
  layout->domain_assemblies = 0;
  layout->domain_jit_table = 0;
  for (uint32_t at = 0; at + 8 <= sizeof(bytes); at += 8) {
    uint64_t word;
    memcpy(&word, bytes + at, 8);
    if (word < 0x1000 || word % 8 != 0)
      continue;
    if (!layout->domain_assemblies && is_assembly_list(runtime, word))
      layout->domain_assemblies = at;
    else if (!layout->domain_jit_table && is_jit_table(runtime, word))
      layout->domain_jit_table = at;
  }
  if (!layout->domain_assemblies)
    return unknown(error, "MonoDomain.domain_assemblies");
  if (!layout->domain_jit_table)
    return unknown(error, "MonoDomain.jit_info_table");
  return S_OK;
}

/*
 * The thread-local variables that hold a thread's domain and its internal thread. The agent's
 * service thread has neither: a slot that is set there holds something else. Without them every
 * thread counts as one of the root domain.
 */
static void
discover_tls(cordbg_runtime *runtime)
{
  const cordbg_agent_block *block = &runtime->block;
  cordbg_mono_layout *layout = &runtime->layout;
  g_autofree uint8_t *started = g_malloc0(TLS_BYTES);
  uint8_t *bytes = started;
  size_t size = TLS_BYTES;

  /* Static blocks lie right below the pthread_t; the stack below them may end sooner. */
  for (size_t have = 512;; have *= 2) {
    size_t got = 0;
    cordbg_target_read(runtime->target, CORDBG_VIEW_PRISTINE, block->start_pthread - have, bytes,
                       have, &got, NULL);
    if (got != have)
      return;
    size = have;
    layout->has_tls = false;
    bool domain = false, thread = false;
    for (size_t at = size - 8;; at -= 8) {
      uint64_t here, service;
      int32_t offset = (int32_t)at - (int32_t)size;
      memcpy(&here, bytes + at, 8);
      if ((here == block->start_domain || here == block->start_internal) &&
          cordbg_mono_read_word(runtime, block->service_pthread + (int64_t)offset, &service) &&
          service == 0) {
        if (here == block->start_domain && !domain) {
          layout->tls_domain = offset;
          domain = true;
        } else if (here == block->start_internal && !thread) {
          layout->tls_thread = offset;
          thread = true;
        }
      }
      if (at == 0)
        break;
    }
    layout->has_tls = domain && thread;
    if (layout->has_tls || have * 2 > TLS_BYTES)
      return;
  }
}

static HRESULT
discover_pthread(cordbg_runtime *runtime, cordbg_error *error)
{
  const cordbg_agent_block *block = &runtime->block;
  uint8_t first[PTHREAD_BYTES], second[PTHREAD_BYTES];

  read_some(runtime, block->start_pthread, first, sizeof(first));
  read_some(runtime, block->service_pthread, second, sizeof(second));
  for (size_t at = 0; at + 4 <= sizeof(first); at += 4) {
    int32_t a, b;
    memcpy(&a, first + at, 4);
    memcpy(&b, second + at, 4);
    if (a == block->start_tid && b == block->service_tid) {
      runtime->layout.pthread_tid = (uint32_t)at;
      return S_OK;
    }
  }
  return unknown(error, "the thread id in glibc's thread structure");
}

HRESULT
cordbg_mono_discover(cordbg_runtime *runtime, cordbg_error *error)
{
  HRESULT hr = discover_image(runtime, error);

  if (SUCCEEDED(hr))
    hr = discover_class(runtime, error);
  if (SUCCEEDED(hr))
    hr = discover_domain(runtime, error);
  if (SUCCEEDED(hr))
    hr = discover_pthread(runtime, error);
  if (SUCCEEDED(hr))
    discover_tls(runtime);
  return hr;
}
