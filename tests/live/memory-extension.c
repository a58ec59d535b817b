/* SPDX-License-Identifier: MIT */
/* An extension library as one writes it for WinDbg: the standard entry points and two commands. */
#define KDEXT_64BIT
#include <cordbg/wdbgexts.h>

#define EXPORT __attribute__((visibility("default")))

WINDBG_EXTENSION_APIS ExtensionApis;

EXPORT void WinDbgExtensionDllInit(PWINDBG_EXTENSION_APIS apis, USHORT major, USHORT minor);
EXPORT LPEXT_API_VERSION ExtensionApiVersion(void);
EXPORT DECLARE_API(peek);
EXPORT DECLARE_API(poke);

void
WinDbgExtensionDllInit(PWINDBG_EXTENSION_APIS apis, USHORT major, USHORT minor)
{
  (void)major, (void)minor;
  ExtensionApis = *apis;
}

LPEXT_API_VERSION
ExtensionApiVersion(void)
{
  static EXT_API_VERSION version = {1, 0, EXT_API_VERSION_NUMBER64, 0};
  return &version;
}

/* peek ADDRESS: eight bytes, and whether the target's pointers are wide. */
DECLARE_API(peek)
{
  (void)hCurrentProcess, (void)hCurrentThread, (void)dwCurrentPc, (void)dwProcessor;
  UCHAR bytes[8];
  ULONG read;
  ULONG64 address = GetExpression(args);
  if (!ReadMemory(address, bytes, sizeof bytes, &read)) {
    dprintf("%I64x cannot be read\n", address);
    return;
  }
  for (ULONG i = 0; i < read; i++)
    dprintf("%02x ", bytes[i]);
  dprintf("ptr64=%d\n", IsPtr64());
}

/* poke ADDRESS: writes a 5a there. */
DECLARE_API(poke)
{
  (void)hCurrentProcess, (void)hCurrentThread, (void)dwCurrentPc, (void)dwProcessor;
  UCHAR byte = 0x5a;
  ULONG written;
  dprintf("%s\n", WriteMemory(GetExpression(args), &byte, 1, &written) ? "done" : "refused");
}
