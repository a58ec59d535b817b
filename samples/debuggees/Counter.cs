// SPDX-License-Identifier: MIT
// Counts, one call of Tick a millisecond: the program of the first breakpoint.
// Arguments: [seconds (default 60)] [milliseconds between calls (default 1, 0: none)]
using System;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class Counter {
    static long count;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long Tick(long value) {
      long next = value + 1;
      if (next % 1000 == 0)
        count = next;
      return next;
    }

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      int pause = args.Length > 1 ? int.Parse(args[1]) : 1;
      DateTime end = DateTime.UtcNow.AddSeconds(seconds);
      Console.WriteLine("ready");
      long value = 0;
      while (DateTime.UtcNow < end) {
        value = Tick(value);
        if (pause > 0)
          Thread.Sleep(pause);
      }
      Console.WriteLine("counted {0}", value > 0);
      return count >= 0 ? 7 : 1;
    }
  }
}
