/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
cordbg_source_init_bytes(cordbg_source *source, const void *bytes, uint64_t size,
                         cordbg_source_destroy_fn destroy, void *context)
{
  *source = (cordbg_source){.bytes = bytes, .size = size, .destroy = destroy, .context = context};
}

void
cordbg_source_init_reader(cordbg_source *source, cordbg_source_read_fn read, uint64_t size,
                          cordbg_source_destroy_fn destroy, void *context)
{
  *source = (cordbg_source){.read = read, .size = size, .destroy = destroy, .context = context};
}

static HRESULT
file_read(void *context, uint64_t offset, void *buffer, size_t size, cordbg_error *error)
{
  int fd = GPOINTER_TO_INT(context) - 1;
  uint8_t *to = buffer;

  while (size > 0) {
    ssize_t n = pread(fd, to, size, (off_t)offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return cordbg_error_set_errno(error, errno, 0, "the image file cannot be read");
    if (n == 0)
      return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                              "the image file ends before offset %llu: it was cut short",
                              (unsigned long long)(offset + size));
    to += n;
    offset += (uint64_t)n;
    size -= (size_t)n;
  }
  return S_OK;
}

static void
file_close(void *context)
{
  close(GPOINTER_TO_INT(context) - 1);
}

HRESULT
cordbg_source_init_file(cordbg_source *source, const char *path, cordbg_error *error)
{
  /* O_NONBLOCK: opening a FIFO that a hostile target put in place of its image must not hang. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0)
    return cordbg_error_set_errno(error, errno, 0, "the image file %s cannot be opened", path);

  struct stat st;
  if (fstat(fd, &st) < 0) {
    int sys = errno;
    close(fd);
    return cordbg_error_set_errno(error, sys, 0, "the image file %s cannot be examined", path);
  }
  if (!S_ISREG(st.st_mode)) {
    close(fd);
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "%s is not a regular file", path);
  }
  cordbg_source_init_reader(source, file_read, (uint64_t)st.st_size, file_close,
                            GINT_TO_POINTER(fd + 1));
  return S_OK;
}

void
cordbg_source_deinit(cordbg_source *source)
{
  if (source->destroy)
    source->destroy(source->context);
  *source = (cordbg_source){0};
}

static HRESULT
check_range(const cordbg_source *source, uint64_t offset, size_t size, cordbg_error *error)
{
  if (offset > source->size || size > source->size - offset)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "%zu bytes at offset %llu lie outside the image of %llu bytes", size,
                            (unsigned long long)offset, (unsigned long long)source->size);
  return S_OK;
}

HRESULT
cordbg_source_copy(const cordbg_source *source, uint64_t offset, void *buffer, size_t size,
                   cordbg_error *error)
{
  HRESULT hr = check_range(source, offset, size, error);
  if (FAILED(hr) || size == 0)
    return hr;
  if (source->bytes) {
    memcpy(buffer, source->bytes + offset, size);
    return S_OK;
  }
  return source->read(source->context, offset, buffer, size, error);
}

HRESULT
cordbg_source_span(const cordbg_source *source, uint64_t offset, size_t size, cordbg_span *ret,
                   cordbg_error *error)
{
  HRESULT hr = check_range(source, offset, size, error);
  if (FAILED(hr))
    return hr;
  if (source->bytes || size == 0) {
    const uint8_t *data = source->bytes ? source->bytes + offset : (const uint8_t *)"";
    *ret = (cordbg_span){.data = data, .size = size};
    return S_OK;
  }

  void *copy = g_try_malloc(size);
  if (!copy)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "no memory for %zu bytes of an image",
                            size);
  hr = source->read(source->context, offset, copy, size, error);
  if (FAILED(hr)) {
    g_free(copy);
    return hr;
  }
  *ret = (cordbg_span){.data = copy, .size = size, .owned = copy};
  return S_OK;
}

void
cordbg_span_deinit(cordbg_span *span)
{
  g_free(span->owned);
  *span = (cordbg_span){0};
}
