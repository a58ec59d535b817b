// SPDX-License-Identifier: MIT
// Each method's first calls are made by all threads at the same moment, in each of the ways in which
// a method is reached: as a thread's first, directly, by an interface, by a delegate, as an instance
// of a generic one. Hit by hit: threads * 12. Arguments: threads.
using System;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public interface IFirst {
    void Virtual();
  }

  public class FirstCalls : IFirst {
    static int threads, here, counted;
    static readonly Action action = ByDelegate;

    // All threads stand here before they go on.
    static void Meet(int round) {
      Interlocked.Increment(ref here);
      while (Volatile.Read(ref here) < round * threads)
        Thread.Yield();
    }

    static void Count() {
      Interlocked.Increment(ref counted);
    }

    static void Begin() {
      Count();
      IFirst first = new FirstCalls();
      Meet(1);
      Direct0();
      Meet(2);
      Direct1(1);
      Meet(3);
      Direct2(1, 2.5);
      Meet(4);
      Direct3("");
      Meet(5);
      first.Virtual();
      Meet(6);
      action();
      Meet(7);
      Generic("");
      Meet(8);
      Generic(1);
      Meet(9);
      Generic(2.5);
      Meet(10);
      new Made();
      Meet(11);
      Held(first);
    }

    [MethodImpl(MethodImplOptions.NoInlining)] static void Direct0() { Count(); }
    [MethodImpl(MethodImplOptions.NoInlining)] static void Direct1(int a) { Count(); }
    [MethodImpl(MethodImplOptions.NoInlining)] static void Direct2(int a, double b) { Count(); }
    [MethodImpl(MethodImplOptions.NoInlining)] static string Direct3(string a) { Count(); return a; }
    [MethodImpl(MethodImplOptions.NoInlining)] public void Virtual() { Count(); }
    [MethodImpl(MethodImplOptions.NoInlining)] static void ByDelegate() { Count(); }
    [MethodImpl(MethodImplOptions.NoInlining)] static T Generic<T>(T value) { Count(); return value; }
    [MethodImpl(MethodImplOptions.Synchronized | MethodImplOptions.NoInlining)]
    static void Held(IFirst first) { Count(); }

    public class Made {
      [MethodImpl(MethodImplOptions.NoInlining)] public Made() { Count(); }
    }

    public static int Main(string[] args) {
      threads = int.Parse(args[0]);
      Thread[] all = new Thread[threads];
      for (int i = 0; i < threads; i++)
        all[i] = new Thread(Begin);
      foreach (Thread thread in all)
        thread.Start();
      foreach (Thread thread in all)
        thread.Join();
      return counted == threads * 12 ? 0 : 1;
    }
  }
}
