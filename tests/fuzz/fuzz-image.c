/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a managed image. The whole of it is read and described, in both layouts and as the
 * metadata that it holds; every name is looked up, embedded symbols are opened.
 */
#include "config.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "cordbg/metadata/scope.h"
#include "tests/oracle/describe.h"

static void
enumerate(cordbg_image *image)
{
  IMetaDataImport2 *import;
  if (FAILED(cordbg_metadata_scope_create(image, &IID_IMetaDataImport2, (void **)&import)))
    return;
  HCORENUM e = NULL;
  mdToken types[16];
  ULONG count = 0;
  while (IMetaDataImport2_EnumTypeDefs(import, &e, types, 16, &count) == S_OK)
    for (ULONG t = 0; t < count; t++) {
      WCHAR name[64];
      ULONG length;
      mdToken members[64];
      HCORENUM inner = NULL;
      IMetaDataImport2_GetTypeDefProps(import, types[t], name, 64, &length, NULL, NULL);
      IMetaDataImport2_FindTypeDefByName(import, name, 0, members);
      IMetaDataImport2_EnumMembers(import, &inner, types[t], members, 64, &length);
      for (ULONG m = 0; m < length && m < 64; m++) {
        PCCOR_SIGNATURE signature;
        ULONG size, convention;
        UVCP_CONSTANT value;
        if (IMetaDataImport2_GetMemberProps(import, members[m], NULL, name, 64, NULL, NULL,
                                            &signature, &size, NULL, NULL, NULL, &value,
                                            NULL) == S_OK)
          IMetaDataImport2_GetNativeCallConvFromSig(import, signature, size, &convention);
      }
      IMetaDataImport2_CloseEnum(import, inner);
      inner = NULL;
      IMetaDataImport2_EnumMethodImpls(import, &inner, types[t], NULL, NULL, 0, &length);
      IMetaDataImport2_CloseEnum(import, inner);
    }
  IMetaDataImport2_CloseEnum(import, e);
  e = NULL;
  IMetaDataImport2_EnumUserStrings(import, &e, types, 16, &count);
  IMetaDataImport2_CloseEnum(import, e);
  e = NULL;
  IMetaDataImport2_EnumUnresolvedMethods(import, &e, types, 16, &count);
  IMetaDataImport2_CloseEnum(import, e);
  IMetaDataImport2_Release(import);
}

static HRESULT
read_slowly(void *context, uint64_t offset, void *buffer, size_t size, cordbg_error *error)
{
  (void)error;
  memcpy(buffer, (const uint8_t *)context + offset, size);
  return S_OK;
}

static void
exercise(cordbg_image *image)
{
  GString *text = g_string_new(NULL);
  describe_image(image, text);
  enumerate(image);
  cordbg_symbols *symbols;
  if (SUCCEEDED(cordbg_symbols_open(image, NULL, NULL, &symbols, NULL))) {
    describe_symbols(symbols, cordbg_image_metadata(image), 64, text);
    cordbg_symbols_unref(symbols);
  }
  g_string_free(text, TRUE);
  cordbg_image_unref(image);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  cordbg_image *image;
  if (SUCCEEDED(
          cordbg_image_open_bytes(data, size, CORDBG_IMAGE_LAYOUT_FILE, NULL, NULL, &image, NULL)))
    exercise(image);
  if (SUCCEEDED(cordbg_image_open_reader(read_slowly, size, CORDBG_IMAGE_LAYOUT_MEMORY, NULL,
                                         (void *)(uintptr_t)data, &image, NULL)))
    exercise(image);
  const uint8_t *root = memmem(data, size, "BSJB", 4);
  if (root &&
      SUCCEEDED(cordbg_image_open_bytes(root, size - (size_t)(root - data),
                                        CORDBG_IMAGE_LAYOUT_FILE, NULL, NULL, &image, NULL)))
    exercise(image);
  return 0;
}
