/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: signature blobs, against the metadata of a fixed image, so that tokens in them lead
 * somewhere. Readers are checked against each other: what one accepts the others do.
 */
#include "config.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "cordbg/metadata/method-body.h"
#include "cordbg/metadata/signature.h"

static void
walk(cordbg_signature type, unsigned depth)
{
  cordbg_type_node node;
  if (depth > 8 || !cordbg_signature_read_type(&type, &node))
    return;
  if (node.child.at)
    walk(node.child, depth + 1);
  cordbg_signature rest = node.rest;
  for (uint32_t i = 0; node.element == 0x15 && i < node.number && i < 64; i++) {
    walk(rest, depth + 1);
    if (!cordbg_signature_skip_type(&rest))
      abort(); /* read_type accepted the arguments */
  }
}

static void
check(const cordbg_metadata *md, const uint8_t *data, size_t size)
{
  cordbg_blob blob = {data, (uint32_t)size};
  GString *text = g_string_new(NULL);
  cordbg_signature_format(md, blob, text);

  cordbg_signature read = cordbg_signature_of_blob(blob), skipped = read, formatted = read;
  cordbg_type_node node;
  bool good = cordbg_signature_read_type(&read, &node);
  if (cordbg_signature_skip_type(&skipped) != good || (good && skipped.at != read.at))
    abort();
  if (good && cordbg_signature_format_type(md, &formatted, text) && formatted.at != read.at)
    abort();
  if (good)
    walk(cordbg_signature_of_blob(blob), 0);
  g_string_free(text, TRUE);

  cordbg_method_body body;
  uint64_t needed;
  if (cordbg_method_body_parse(data, size, &body, &needed, NULL) == S_OK)
    for (uint32_t i = 0; i < body.clause_count; i++)
      cordbg_method_body_clause(&body, i);
}

/* One of the image's own blobs with bytes of it replaced, as the input says. */
static void
check_patched(const cordbg_metadata *md, const uint8_t *data, size_t size)
{
  cordbg_blob blob = {0};
  uint32_t index = cordbg_load_u16(data) % md->blobs.size;
  while (index < md->blobs.size && !cordbg_metadata_blob_at(md, index, &blob))
    index++;
  uint8_t *copy = malloc(blob.size + 1);
  if (!copy)
    return;
  memcpy(copy, blob.data, blob.size);
  for (size_t i = 2; i + 1 < size && i < 16 && blob.size; i += 2)
    copy[data[i] % blob.size] = data[i + 1];
  check(md, copy, blob.size);
  free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static cordbg_image *image;
  if (!image && FAILED(cordbg_image_open_file(FUZZ_SEEDS "/image-roslyn.bin", &image, NULL)))
    abort();
  const cordbg_metadata *md = cordbg_image_metadata(image);
  check(md, data, size);
  if (size >= 2)
    check_patched(md, data, size);
  return 0;
}
