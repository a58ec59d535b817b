// SPDX-License-Identifier: MIT
// Does what a debugger writes into the variables of its native library (interop-trouble.h).
// Arguments: path of that library
using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Debuggees {
  public class Trouble {
    delegate IntPtr Upward(IntPtr n);

    [DllImport("libc")]
    static extern IntPtr dlopen(string name, int flags);

    [DllImport("libinterop-trouble.so")]
    static extern int trouble_next();

    [DllImport("libinterop-trouble.so")]
    static extern void trouble_do(int command, int argument);

    [DllImport("libinterop-trouble.so")]
    static extern IntPtr trouble_work(IntPtr n);

    [DllImport("libinterop-trouble.so")]
    static extern void trouble_spin(IntPtr n);

    [DllImport("libinterop-trouble.so")]
    static extern IntPtr trouble_bottom(IntPtr n);

    [DllImport("libinterop-trouble.so")]
    static extern IntPtr trouble_down(Upward up, IntPtr n);

    static readonly Upward upward = Back; // kept from the collector
    string text = "";

    [MethodImpl(MethodImplOptions.NoInlining)]
    static int Length(Trouble nothing) {
      return nothing.text.Length;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static bool Null() {
      try {
        return Length(null) < 0;
      } catch (NullReferenceException) {
        return true;
      }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static IntPtr Back(IntPtr n) {
      return trouble_bottom(n);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Transit(int n) {
      return (int)trouble_down(upward, (IntPtr)n);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Work(int n) {
      trouble_work((IntPtr)n);
    }

    static void Crowd(int rounds) {
      Thread[] threads = new Thread[4];
      for (int i = 0; i < threads.Length; i++) {
        threads[i] = new Thread(() => {
          for (int n = 0; n < rounds; n++)
            Work(n);
        });
        threads[i].Start();
      }
      foreach (Thread thread in threads)
        thread.Join();
    }

    static object[][] heap; // what a collection has to look at

    static void Collect(int rounds) {
      heap = new object[300][];
      for (int i = 0; i < heap.Length; i++) {
        heap[i] = new object[150];
        for (int j = 0; j < heap[i].Length; j++)
          heap[i][j] = new object[1];
      }
      Thread spinner = new Thread(() => trouble_spin((IntPtr)rounds));
      spinner.Start();
      while (spinner.IsAlive)
        GC.Collect();
    }

    // What native code does, the library does; it counts each command as done.
    [MethodImpl(MethodImplOptions.NoInlining)]
    static int Serve() {
      if (!Null() || Transit(1) != 3)
        return 2;
      Console.WriteLine("ready");
      for (;;) {
        int command = trouble_next();
        int argument = command >> 8;
        command &= 0xff;
        if (command == 100 && !Null())
          return 3;
        for (int i = 0; command == 101 && i < argument; i++)
          if (Transit(i) != 2 * i + 1)
            return 4;
        if (command == 102)
          Crowd(argument);
        if (command == 103)
          Collect(argument);
        trouble_do(command, argument);
      }
    }

    // Mono looks its imports up when it compiles their caller: the library is loaded before.
    public static int Main(string[] args) {
      if (args.Length < 1 || dlopen(args[0], 2) == IntPtr.Zero)
        return 1;
      return Serve();
    }
  }
}
