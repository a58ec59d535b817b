/* SPDX-License-Identifier: MIT */
/* Fuzz target: a symbol file of either format, described whole, with its line index. */
#include "config.h"
#include "tests/fuzz/fuzz.h"

#include "tests/oracle/describe.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  cordbg_symbols *symbols;
  if (FAILED(cordbg_symbols_open_bytes(data, size, NULL, NULL, NULL, &symbols, NULL)))
    return 0;
  GString *text = g_string_new(NULL);
  describe_symbols(symbols, NULL, 64, text);
  g_string_free(text, TRUE);
  for (uint32_t d = 0; d <= cordbg_symbols_document_count(symbols) && d < 64; d++) {
    const cordbg_line_match *matches;
    size_t count;
    cordbg_symbols_find_line(symbols, d, 30, &matches, &count, NULL);
    cordbg_symbols_document_points(symbols, d, &matches, &count, NULL);
  }
  uint32_t found[4];
  cordbg_symbols_find_documents(symbols, "sample.cs", found, 4);
  cordbg_symbols_unref(symbols);
  return 0;
}
