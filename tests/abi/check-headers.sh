#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each public header compiles alone, twice included, in strict C11 and in C++14 and C++20, without a
# warning; and one program of each language uses several at once.
set -eu

top=${srcdir:-$(dirname "$0")/../..}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
warnings='-pedantic-errors -Wall -Wextra -Wconversion -Wshadow -Werror'
count=0 bad=0

compile() { # COMPILER LANGUAGE STANDARD FILE WHAT
  count=$((count + 1))
  # shellcheck disable=SC2086 # lists of options
  if ! $1 -x "$2" -std="$3" $warnings -I"$top/include" -c "$4" -o "$tmp/out.o" 2>"$tmp/log"; then
    bad=$((bad + 1))
    echo "FAIL $5 in $3"
    head -5 "$tmp/log"
  fi
}

for header in "$top"/include/cordbg/*.h; do
  name=cordbg/${header##*/}
  printf '#include <%s>\n#include <%s>\nint nothing_else;\n' "$name" "$name" >"$tmp/alone.c"
  compile "${CC:-cc}" c c11 "$tmp/alone.c" "$name"
  compile "${CC:-cc}" c gnu17 "$tmp/alone.c" "$name"
  compile "${CXX:-c++}" c++ c++14 "$tmp/alone.c" "$name"
  compile "${CXX:-c++}" c++ c++20 "$tmp/alone.c" "$name"
done

# An extension, in each width of address, whose macros must be the documented ones.
cat >"$tmp/extension.c" <<'END'
#include <cordbg/wdbgexts.h>
#ifdef __cplusplus
extern "C" void WinDbgExtensionDllInit(PWINDBG_EXTENSION_APIS, USHORT, USHORT);
#else
void WinDbgExtensionDllInit(PWINDBG_EXTENSION_APIS apis, USHORT major, USHORT minor);
#endif
WINDBG_EXTENSION_APIS ExtensionApis;
void
WinDbgExtensionDllInit(PWINDBG_EXTENSION_APIS apis, USHORT major, USHORT minor)
{
  (void)major;
  (void)minor;
  ExtensionApis = *apis;
}
DECLARE_API(peek);
DECLARE_API(peek)
{
  BYTE buffer[8];
  ULONG count = 0;
  (void)hCurrentProcess;
  (void)hCurrentThread;
  (void)dwCurrentPc;
  (void)dwProcessor;
  if (ReadMemory(GetExpression(args), buffer, sizeof(buffer), &count) && !CheckControlC())
    dprintf("%u bytes of a %s-bit target\n", count, IsPtr64() ? "64" : "32");
}
END
for width in '-UKDEXT_64BIT' '-DKDEXT_64BIT' '-DKDEXT_32BIT'; do
  compile "${CC:-cc} $width" c c11 "$tmp/extension.c" "an extension with $width"
  compile "${CXX:-c++} $width" c++ c++14 "$tmp/extension.c" "an extension with $width"
done

echo "$count compilations"
if [ "$bad" -ne 0 ] || [ "$count" -lt 80 ]; then
  echo "FAIL headers_compile_alone_in_c_and_cxx: $bad of $count"
  exit 1
fi
echo "PASS headers_compile_alone_in_c_and_cxx"
