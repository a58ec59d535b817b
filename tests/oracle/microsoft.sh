#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Compares cordbg's IMetaDataImport and its kin with Microsoft's own components, call by call: the
# library in libcoreclr over files, and what the DAC gives for the modules of a live process.
# CORDBG_ORACLE_IMAGES: a file with the paths of the images, one a line.
set -eu

skip() {
  echo "SKIP: $*"
  exit 77
}

dotnet=$(command -v dotnet) || skip "dotnet is not installed: Microsoft's component is not here"
root=$(dirname "$(readlink -f "$dotnet")")
framework=$(ls -d "$root"/shared/Microsoft.NETCore.App/* 2>/dev/null | sort -V | tail -n 1)
[ -n "$framework" ] || skip "no .NET shared framework below $root"

if [ -n "${CORDBG_ORACLE_IMAGES-}" ]; then
  images=$(cat "$CORDBG_ORACLE_IMAGES")
else
  images="$framework/System.Private.CoreLib.dll $framework/System.Linq.dll $framework/System.Runtime.dll
    $framework/mscorlib.dll $framework/Microsoft.VisualBasic.Core.dll $framework/libcoreclr.so
    /etc/passwd /nonexistent"
  for mono in /usr/lib/mono/4.5/mscorlib.dll /usr/lib/mono/4.5/System.dll /usr/lib/mono/4.5/mcs.exe; do
    [ ! -f "$mono" ] || images="$images $mono"
  done
fi
# shellcheck disable=SC2086 # one word an image
# libcoreclr keeps what it allocated until the process ends.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS
tests/oracle/metadata-microsoft "$framework/libcoreclr.so" $images
live=samples/debuggees/net/Counter.dll
if [ -f "$live" ]; then
  tests/oracle/metadata-microsoft --dac "$framework/libcoreclr.so" "$live"
else
  echo "no .NET SDK compiled $live: the DAC is not compared with"
fi
