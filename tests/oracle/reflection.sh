#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Compares cordbg's reading of assemblies with System.Reflection.Metadata's: every type, member,
# attribute, signature and IL body. The assemblies are .NET's shared framework and Mono's class
# library (CORDBG_ORACLE_IMAGES: a file with other paths, one a line).
set -eu

srcdir=${srcdir:-.}
compare=tests/oracle/metadata-compare
here=$(cd "$(dirname "$0")" && pwd)

skip() {
  echo "SKIP: $*"
  exit 77
}

dotnet=$(command -v dotnet) || skip "dotnet is not installed: there is no oracle to compare with"
dotnet=$(readlink -f "$dotnet")
root=$(dirname "$dotnet")
csc=$(ls -d "$root"/sdk/*/Roslyn/bincore/csc.dll 2>/dev/null | sort -V | tail -n 1)
[ -n "$csc" ] || skip "the .NET SDK is not installed: the oracle cannot be compiled"
framework=$(ls -d "$root"/shared/Microsoft.NETCore.App/* 2>/dev/null | sort -V | tail -n 1)
[ -n "$framework" ] || skip "no .NET shared framework below $root"
version=$(basename "$framework")

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM

references=
for name in System.Private.CoreLib System.Runtime System.Collections System.Collections.Immutable \
  System.Console System.Linq System.Reflection.Metadata System.Memory; do
  references="$references -r:$framework/$name.dll"
done
# shellcheck disable=SC2086 # words on purpose
"$dotnet" "$csc" -nologo -optimize+ -nostdlib $references "-out:$tmp/dump.dll" "$here/dump.cs"
cat >"$tmp/dump.runtimeconfig.json" <<JSON
{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"$version"}}}
JSON

if [ -n "${CORDBG_ORACLE_IMAGES-}" ]; then
  cp "$CORDBG_ORACLE_IMAGES" "$tmp/images"
else
  {
    find "$root/shared" -name '*.dll'
    [ ! -d /usr/lib/mono ] || find /usr/lib/mono -type f \( -name '*.dll' -o -name '*.exe' \)
  } | grep -v -e '-api/' | sort >"$tmp/images"
fi
DOTNET_CLI_TELEMETRY_OPTOUT=1 "$dotnet" "$tmp/dump.dll" <"$tmp/images" | "$compare" -
