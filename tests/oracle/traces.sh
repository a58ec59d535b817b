#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The lines that the runtimes themselves print in stack traces - Mono by the .mdb of mcs, .NET by the
# Portable PDB of Roslyn - beside the lines that cordbg gives for the same methods and IL offsets.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
lines=$(pwd)/tests/oracle/metadata-lines
ran=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
cp "$here/throws.cs" "$tmp"
cd "$tmp"

if command -v mcs >/dev/null && command -v mono >/dev/null; then
  mcs -debug -out:throws.exe throws.cs
  mono --debug throws.exe >mono.txt
  "$lines" <mono.txt
  ran=1
else
  echo "SKIP: .mdb: Mono is not installed, or its compiler"
fi

if dotnet=$(command -v dotnet); then
  csc=$(ls -d "$(dirname "$(readlink -f "$dotnet")")"/sdk/*/Roslyn/bincore/csc.dll 2>/dev/null |
    sort -V | tail -n 1)
fi
if [ -n "${csc-}" ]; then
  sh "$here/../../tools/csc-net" "$dotnet" "$csc" "$tmp/net/throws.dll" -optimize- throws.cs
  "$dotnet" net/throws.dll >net.txt
  "$lines" <net.txt
  ran=1
else
  echo "SKIP: Portable PDB: dotnet, the .NET SDK, is not installed"
fi
[ $ran = 1 ] || exit 77
