/* SPDX-License-Identifier: MIT */
/*
 * Reading all or nothing, for the doors whose documents demand it (ReadProcessMemory, WdbgExts).
 *
 * Short ranges are read into a buffer of the library's own and copied out when all of it came:
 * exact whatever happens meanwhile. For long ones that would double the memory traffic; they are
 * settled first, by one byte of each page, which also finds what no list of mappings shows (pages
 * behind the end of a file, guard pages).
 */
#include "config.h"

#include "cordbg/memory/target-private.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define SHORT_MAX ((size_t)4096)
#define BUFFERED_MAX ((size_t)1 << 20)

/* The calling thread's buffer of BUFFERED_MAX bytes, freed with the thread. */
static GPrivate buffers = G_PRIVATE_INIT(g_free);

static uint8_t *
thread_buffer(void)
{
  uint8_t *buffer = g_private_get(&buffers);
  if (buffer == NULL) {
    buffer = g_try_malloc(BUFFERED_MAX);
    g_private_set(&buffers, buffer);
  }
  return buffer;
}

static HRESULT
read_buffered(cordbg_reader *reader, cordbg_view view, uint64_t address, void *buffer, void *own,
              size_t size, cordbg_error *error)
{
  size_t read;
  HRESULT hr = cordbg_reader_read(reader, view, address, own, size, &read, error);
  if (hr == S_OK)
    memcpy(buffer, own, size);
  return hr;
}

HRESULT
cordbg_reader_read_whole(cordbg_reader *reader, cordbg_view view, uint64_t address, void *buffer,
                         size_t size, cordbg_error *error)
{
  HRESULT hr;
  size_t read;
  if (size > 0 && (buffer == NULL || address + (size - 1) < address)) {
    /* Only for the error; nothing is read. */
    return cordbg_reader_read(reader, view, address, buffer, size, &read, error);
  }
  uint8_t *own = NULL;
  if (size > SHORT_MAX && size <= BUFFERED_MAX)
    own = thread_buffer();
  if (size <= SHORT_MAX) {
    uint8_t stack[SHORT_MAX];
    hr = read_buffered(reader, view, address, buffer, stack, size, error);
  } else if (own != NULL) {
    hr = read_buffered(reader, view, address, buffer, own, size, error);
  } else {
    uint64_t hole;
    hr = cordbg_reader_probe(reader, address, size, &hole, error);
    if (hr == S_FALSE)
      cordbg_error_set(error, S_FALSE, EFAULT, hole, "nothing readable is mapped at 0x%llx",
                       (unsigned long long)hole);
    if (hr == S_OK)
      hr = cordbg_reader_read(reader, view, address, buffer, size, &read, error);
  }
  return hr == CORDBG_E_READVIRTUAL_FAILURE ? S_FALSE : hr;
}
