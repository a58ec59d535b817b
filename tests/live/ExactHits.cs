// SPDX-License-Identifier: MIT
// Calls Hit exactly 1 + threads * calls times: once alone, so that the method is compiled before
// many threads call it at once. Arguments: threads, calls.
using System;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class ExactHits {
    static int calls;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Hit(int value) {
      return value * 31 + 7;
    }

    static void Worker() {
      int value = 0;
      for (int i = 0; i < calls; i++)
        value = Hit(value);
    }

    public static int Main(string[] args) {
      Thread[] threads = new Thread[int.Parse(args[0])];
      calls = int.Parse(args[1]);
      Hit(0);
      for (int i = 0; i < threads.Length; i++) {
        threads[i] = new Thread(Worker);
        threads[i].Start();
      }
      foreach (Thread thread in threads)
        thread.Join();
      return 0;
    }
  }
}
