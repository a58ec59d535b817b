#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Compares cordbg's reading of debug symbols with two readers of others: Portable PDBs (files and
# embedded, from Roslyn) with System.Reflection.Metadata's, .mdb files (from mcs) with Mono's.
set -eu

compare=tests/oracle/metadata-compare
here=$(cd "$(dirname "$0")" && pwd)
top=$(pwd)
compare=$top/$compare
ran=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
cp "$here"/sample*.cs "$here"/dump*.cs "$tmp"
cd "$tmp"
# sample.cs has lines that are said to be of these.
: >other-file.cs
: >third.cs

if dotnet=$(command -v dotnet); then
  dotnet=$(readlink -f "$dotnet")
  root=$(dirname "$dotnet")
  csc=$(ls -d "$root"/sdk/*/Roslyn/bincore/csc.dll 2>/dev/null | sort -V | tail -n 1)
  framework=$(ls -d "$root"/shared/Microsoft.NETCore.App/* 2>/dev/null | sort -V | tail -n 1)
fi
if [ -n "${csc-}" ] && [ -n "${framework-}" ]; then
  references=
  for name in System.Private.CoreLib System.Runtime System.Collections \
    System.Collections.Immutable System.Console System.Linq System.Reflection.Metadata \
    System.Memory System.IO.Compression; do
    references="$references -r:$framework/$name.dll"
  done
  compile() { # shellcheck disable=SC2086 # words on purpose
    "$dotnet" "$csc" -nologo -nostdlib $references "$@"
  }
  echo '{"documents":{"/_/*":"https://example.org/*"}}' >link.json
  compile -unsafe -debug:portable -embed:dump-pdb.cs -out:dump-pdb.dll dump-pdb.cs
  compile -debug:portable -embed:dump.cs -out:dump.dll dump.cs
  compile -debug:portable -sourcelink:link.json -out:sample.dll sample.cs sample-more.cs
  compile -debug:portable -optimize+ -out:optimized.dll sample.cs sample-more.cs
  compile -debug:embedded -embed -out:embedded.dll sample.cs sample-more.cs
  cat >dump-pdb.runtimeconfig.json <<JSON
{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"$(basename "$framework")"}}}
JSON
  # The samples' and whatever else has symbols beside it here: other compilers' and other options'.
  {
    ls "$tmp"/*.pdb "$tmp/embedded.dll"
    find "$root" "$top/samples" "$top/tests/live" -name '*.pdb' 2>/dev/null | sort
  } | "$dotnet" dump-pdb.dll >dumped
  # What is to be compared is there at all.
  for what in ' import 1 ' ' import 3 ' ' import 9 ' ' decimal ' ' string ' ' hoisted ' ' async ' \
    ' source ' '^sourcelink ' ' constant ' ' child '; do
    grep -q "$what" dumped || {
      echo "the oracle's text has no line with '$what'"
      exit 1
    }
  done
  "$compare" - <dumped
  ran=1
else
  echo "SKIP: Portable PDBs: dotnet, the .NET SDK, is not installed"
fi

if command -v mcs >/dev/null && command -v mono >/dev/null; then
  mcs -debug -out:sample.exe sample.cs sample-more.cs
  mcs -debug -r:Mono.CompilerServices.SymbolWriter -out:dump-mdb.exe dump-mdb.cs
  ls "$tmp"/*.mdb | mono dump-mdb.exe | "$compare" -
  ran=1
else
  echo "SKIP: .mdb: Mono is not installed, or its compiler"
fi
[ $ran = 1 ] || exit 77
