/* SPDX-License-Identifier: MIT */
/*
 * An extension library exactly as one writes it for WinDbg. Only the header's name tells that the
 * host is cordbg.
 *
 *   peek EXPRESSION   eight bytes
 *   near EXPRESSION   the symbol that an address belongs to
 *   u EXPRESSION      eight instructions
 *   k                 the current thread's stack
 */
#define KDEXT_64BIT
#include <cordbg/wdbgexts.h>

#define EXPORT __attribute__((visibility("default")))

WINDBG_EXTENSION_APIS ExtensionApis;

EXPORT void WinDbgExtensionDllInit(PWINDBG_EXTENSION_APIS apis, USHORT major, USHORT minor);
EXPORT LPEXT_API_VERSION ExtensionApiVersion(void);
EXPORT ULONG CheckVersion(void);
EXPORT DECLARE_API(peek);
EXPORT DECLARE_API(near);
EXPORT DECLARE_API(u);
EXPORT DECLARE_API(k);

#define UNUSED() (void)hCurrentProcess, (void)hCurrentThread, (void)dwCurrentPc, (void)dwProcessor

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

ULONG
CheckVersion(void)
{
  if (!IsPtr64())
    dprintf("This extension is for 64-bit targets\n");
  return TRUE;
}

DECLARE_API(peek)
{
  UNUSED();
  UCHAR bytes[8];
  ULONG64 address = GetExpression(args);
  ULONG read;
  if (!ReadMemory(address, bytes, sizeof bytes, &read)) {
    dprintf("%016I64x cannot be read\n", address);
    return;
  }
  dprintf("%016I64x ", address);
  for (ULONG i = 0; i < read; i++)
    dprintf(" %02x", bytes[i]);
  dprintf("\n");
}

DECLARE_API(near)
{
  UNUSED();
  char name[256];
  ULONG64 displacement, address = GetExpression(args);
  GetSymbol(address, name, &displacement);
  dprintf("%016I64x %s+0x%I64x\n", address, name, displacement);
}

DECLARE_API(u)
{
  UNUSED();
  char line[512];
  ULONG64 address = GetExpression(args);
  for (int i = 0; i < 8 && !CheckControlC(); i++) {
    if (!Disasm(&address, line, FALSE)) {
      dprintf("%016I64x holds no instruction\n", address);
      return;
    }
    dprintf("%s", line);
  }
}

DECLARE_API(k)
{
  UNUSED();
  (void)args;
  EXTSTACKTRACE64 frames[100];
  ULONG count = StackTrace(0, 0, 0, frames, 100);
  for (ULONG i = 0; i < count && !CheckControlC(); i++) {
    char name[256];
    ULONG64 displacement;
    GetSymbol(frames[i].ProgramCounter, name, &displacement);
    dprintf("%02x %016I64x %s+0x%I64x\n", i, frames[i].ProgramCounter, name, displacement);
  }
}
