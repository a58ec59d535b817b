// SPDX-License-Identifier: MIT
// Memory that does not change, and a method that is called again and again. Prints where the memory
// is: two pages with a pattern, behind which nothing is mapped.
using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Debuggees {
  public static class OracleTarget {
    [DllImport("libc")]
    static extern IntPtr mmap(IntPtr address, IntPtr size, int protection, int flags, int file, IntPtr offset);
    [DllImport("libc")]
    static extern int munmap(IntPtr address, IntPtr size);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long Tick(long value) {
      long next = value * 3 + 1;
      if (next > 1000000)
        next = value % 7;
      return next;
    }

    public static int Main() {
      const int Page = 4096;
      IntPtr memory = mmap(IntPtr.Zero, (IntPtr)(3 * Page), 3, 0x22, -1, IntPtr.Zero);
      munmap(memory + 2 * Page, (IntPtr)Page);
      for (int i = 0; i < 2 * Page; i++)
        Marshal.WriteByte(memory, i, (byte)(i * 7 + i / 256));
      Console.WriteLine("{0:x}", (long)memory);
      for (long value = 1;; value = Tick(value))
        Thread.Sleep(1);
    }
  }
}
