/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/symbols.h"

#include <stdlib.h>
#include <zlib.h>

/* Deflate cannot shrink data further than 1:1032, so a larger promise is a lie. */
enum { INFLATED_MAX = 256 << 20, RATIO_MAX = 1100 };

HRESULT
cordbg_inflate(const uint8_t *data, size_t data_size, size_t size, uint8_t **ret,
               cordbg_error *error)
{
  if (size > INFLATED_MAX || size / RATIO_MAX > data_size || data_size > UINT32_MAX)
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "%zu bytes of compressed data cannot hold %zu", data_size, size);
  uint8_t *out = malloc(size + 1);
  if (!out)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "no memory for %zu bytes", size);

  z_stream stream = {.next_in = (Bytef *)(uintptr_t)data,
                     .avail_in = (uInt)data_size,
                     .next_out = out,
                     .avail_out = (uInt)size + 1};
  bool whole = inflateInit2(&stream, -MAX_WBITS) == Z_OK;
  if (whole) {
    whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.total_out == size;
    inflateEnd(&stream);
  }
  if (!whole) {
    free(out);
    return cordbg_error_set(error, CLDB_E_FILE_CORRUPT, 0, 0,
                            "compressed data is damaged or not %zu bytes long", size);
  }
  *ret = out;
  return S_OK;
}
