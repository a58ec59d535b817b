/* SPDX-License-Identifier: MIT */
/* A program that exports what one compiled by NativeAOT does: the compiler is nowhere at hand. */
#include <unistd.h>

extern const char DotNetRuntimeDebugHeader[8];
__attribute__((visibility("default"), used)) const char DotNetRuntimeDebugHeader[8] = "DNRDH";

int
main(void)
{
  for (;;)
    pause();
}
