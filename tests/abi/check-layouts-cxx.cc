// SPDX-License-Identifier: MIT
// Sizes and offsets of the structures, in C++: layouts.inc has the numbers of Windows x64.
#include "tests/abi/abi.h"

#define SIZE(type, size)                                                                           \
  check(sizeof(type) == (size), #type, "size", (size), (long long)sizeof(type));
#define MEMBER(type, member, offset, size)                                                         \
  check(offsetof(type, member) == (offset), #type "." #member, "offset", (offset),                 \
        (long long)offsetof(type, member));                                                        \
  check(sizeof(((type *)0)->member) == (size), #type "." #member, "size", (size),                  \
        (long long)sizeof(((type *)0)->member));
#define ALIGNMENT(type, alignment)                                                                 \
  check(alignof(type) == (alignment), #type, "alignment", (alignment), (long long)alignof(type));

int
main()
{
#include "tests/abi/layouts.inc"
  return finish("structures_have_their_windows_layouts_in_cxx", 800);
}
