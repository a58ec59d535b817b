// SPDX-License-Identifier: MIT
// Methods that count their own executions, in loops hot enough for every tier. Says "counted N" when
// it ends. Arguments: calls N [FILE] | loop CALLS ITERATIONS [FILE] | first THREADS METHODS. With a
// FILE the calls go on until it exists.
using System;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class HotLoop {
    static long counted;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Hit() {
      counted++;
    }

    static bool Over(string until) {
      return until == null || File.Exists(until);
    }

    // From tier 0 into the code that replaces it on the stack.
    static void Calls(int calls, string until) {
      for (int i = 0; i < calls || !Over(until); i++)
        Hit();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Loop(int iterations, int[] data) {
      int sum = 0;
      for (int i = 0; i < iterations; i++) {
        sum += data[i % data.Length];
#line 1000
        counted++;
#line default
        if ((sum & 1) == 0)
          sum ^= i;
      }
      return sum;
    }

    static void Loops(int calls, int iterations, string until) {
      int[] data = Enumerable.Range(0, 100).ToArray();
      int sum = 0;
      for (int i = 0; i < calls || !Over(until); i++)
        sum += Loop(iterations, data);
      GC.KeepAlive(sum);
    }

    // Each method's first calls are made by all threads at the same moment.
    static void First(int threads, int methods) {
      Action[] fresh = typeof(Fresh)
          .GetMethods(BindingFlags.Static | BindingFlags.Public)
          .Where(method => method.DeclaringType == typeof(Fresh))
          .OrderBy(method => method.Name)
          .Take(methods)
          .Select(method => (Action)Delegate.CreateDelegate(typeof(Action), method))
          .ToArray();
      if (fresh.Length < methods)
        throw new ArgumentException("methods");
      int here = 0;
      Thread[] all = new Thread[threads];
      for (int t = 0; t < threads; t++) {
        all[t] = new Thread(() => {
          for (int i = 0; i < methods; i++) {
            Interlocked.Increment(ref here);
            while (Volatile.Read(ref here) < (i + 1) * threads)
              Thread.SpinWait(1);
            fresh[i]();
          }
        });
        all[t].Start();
      }
      foreach (Thread thread in all)
        thread.Join();
    }

    public static class Fresh {
      public static void A00() { Interlocked.Increment(ref counted); }
      public static void A01() { Interlocked.Increment(ref counted); }
      public static void A02() { Interlocked.Increment(ref counted); }
      public static void A03() { Interlocked.Increment(ref counted); }
      public static void A04() { Interlocked.Increment(ref counted); }
      public static void A05() { Interlocked.Increment(ref counted); }
      public static void A06() { Interlocked.Increment(ref counted); }
      public static void A07() { Interlocked.Increment(ref counted); }
      public static void A08() { Interlocked.Increment(ref counted); }
      public static void A09() { Interlocked.Increment(ref counted); }
      public static void A10() { Interlocked.Increment(ref counted); }
      public static void A11() { Interlocked.Increment(ref counted); }
      public static void A12() { Interlocked.Increment(ref counted); }
      public static void A13() { Interlocked.Increment(ref counted); }
      public static void A14() { Interlocked.Increment(ref counted); }
      public static void A15() { Interlocked.Increment(ref counted); }
      public static void A16() { Interlocked.Increment(ref counted); }
      public static void A17() { Interlocked.Increment(ref counted); }
      public static void A18() { Interlocked.Increment(ref counted); }
      public static void A19() { Interlocked.Increment(ref counted); }
    }

    public static int Main(string[] args) {
      Console.WriteLine("ready");
      int a = int.Parse(args[1]);
      switch (args[0]) {
      case "calls": Calls(a, args.Length > 2 ? args[2] : null); break;
      case "loop": Loops(a, int.Parse(args[2]), args.Length > 3 ? args[3] : null); break;
      case "first": First(a, int.Parse(args[2])); break;
      default: return 1;
      }
      Console.WriteLine("counted {0}", counted);
      return 0;
    }
  }
}
