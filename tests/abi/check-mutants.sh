#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The tests of tests/abi, tested: a copy of the headers with one mistake in it must not pass. Each
# mistake is one that a hand edit could make.
set -eu

top=${srcdir:-$(dirname "$0")/../..}
build=$(pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
if [ ! -e "$build/tests/abi/generated.stamp" ]; then
  echo "FAIL the generated checks are not in $build/tests/abi"
  exit 1
fi
count=0 bad=0

passes() { # CHECK: compiles and runs it with the mutated headers
  ${CC:-cc} -std=gnu11 -w -O0 -fno-strict-aliasing -I"$tmp/include" -I"$top" -I"$build" \
    "$top/tests/abi/$1" -o "$tmp/check" >"$tmp/log" 2>&1 && "$tmp/check" >>"$tmp/log" 2>&1
}

mutant() { # NAME CHECK HEADER SED-SCRIPT
  rm -rf "$tmp/include"
  cp -R "$top/include" "$tmp/include"
  chmod -R u+w "$tmp/include"
  sed "$4" "$top/include/cordbg/$3" >"$tmp/include/cordbg/$3"
  count=$((count + 1))
  if cmp -s "$top/include/cordbg/$3" "$tmp/include/cordbg/$3"; then
    echo "FAIL $1: the mistake could not be made"
    bad=$((bad + 1))
  elif passes "$2"; then
    echo "FAIL $1: $2 did not see it"
    bad=$((bad + 1))
  fi
}

# The unchanged headers pass, or the rest would prove nothing.
cp -R "$top/include" "$tmp/include"
chmod -R u+w "$tmp/include"
for check in check-interfaces.c check-layouts.c; do
  if ! passes $check; then
    echo "FAIL $check fails on the unchanged headers"
    cat "$tmp/log"
    exit 1
  fi
done

mutant wrong_iid check-interfaces.c cordebug.h \
  's/\(CORDBG_GUID(IID_ICorDebugThread, 0x938c6d6\)6/\17/'
mutant two_slots_swapped check-interfaces.c cordebug.h \
  '/STDMETHOD(ClearUnmanagedBreakpoint)/{h;d};/STDMETHOD(SetDesiredNGENCompilerFlags)/{G}'
mutant a_slot_missing check-interfaces.c cordebug.h '/STDMETHOD(ThreadForFiberCookie)/d'
mutant a_parameter_missing check-interfaces.c cormeta.h \
  's/STDMETHOD(GetRVA)(THIS_ mdToken tk, ULONG \*pulCodeRVA, /STDMETHOD(GetRVA)(THIS_ mdToken tk, /'
mutant a_parameter_of_another_type check-interfaces.c dbgeng.h \
  's/ULONG64 Start, ULONG Size/ULONG64 Start, ULONG64 Size/'
mutant a_structure_grown check-layouts.c winnt.h 's/DWORD64 VectorControl;/& DWORD64 Extra;/'
mutant a_member_narrowed check-layouts.c cordebug.h 's/ULONG64 size;/ULONG32 size;/'

if [ $bad -ne 0 ] || [ $count -ne 7 ]; then
  echo "FAIL mistakes_in_headers_are_found: $bad of $count went unseen"
  exit 1
fi
echo "PASS mistakes_in_headers_are_found: $count of $count"
