// SPDX-License-Identifier: MIT
// Calls native code, and native code that calls back into managed code (qsort's comparison).
// Arguments: [seconds (default 60)] [milliseconds between rounds (default 1)]
using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Debuggees {
  public class NativeCalls {
    delegate int Comparison(ref int left, ref int right);

    [DllImport("libc")]
    static extern void qsort(int[] items, UIntPtr count, UIntPtr size, Comparison comparison);

    [DllImport("libc")]
    static extern int getpid();

    [DllImport("libc")]
    static extern int abs(int value);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Compare(ref int left, ref int right) {
      return left.CompareTo(right);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Round(int seed) {
      int[] items = { seed % 7, 3, seed % 5, 1, 2 };
      qsort(items, (UIntPtr)items.Length, (UIntPtr)4, Compare);
      for (int i = 1; i < items.Length; i++)
        if (items[i - 1] > items[i])
          return -1;
      return abs(-items[0]);
    }

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      int pause = args.Length > 1 ? int.Parse(args[1]) : 1;
      DateTime end = DateTime.UtcNow.AddSeconds(seconds);
      if (Round(1) < 0 || getpid() <= 0)
        return 1;
      Console.WriteLine("ready");
      for (int i = 0; DateTime.UtcNow < end; i++) {
        if (Round(i) < 0)
          return 1;
        if (pause > 0)
          Thread.Sleep(pause);
      }
      return 0;
    }
  }
}
