// SPDX-License-Identifier: MIT
// What a program sees of its debugger, and what it asks of it. Argument: "crash" ends it by an
// exception that nobody catches.
using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Debuggees {
  public class HardMode {
    string text = "";

    [MethodImpl(MethodImplOptions.NoInlining)]
    static int Read(HardMode of) {
      return of.text.Length;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static int Work(int value) {
      return value + 1;
    }

    public static int Main(string[] arguments) {
      Console.WriteLine("attached {0}", Debugger.IsAttached);
      Console.WriteLine("logging {0}", Debugger.IsLogging());
      Debugger.Log(0, "category", "message\n");
      Debugger.NotifyOfCrossThreadDependency();
      Console.WriteLine("work {0}", Work(1));
      Debugger.Break();
      Debugger.Break();
      Console.WriteLine("broken");
      Console.WriteLine("launched {0}", Debugger.Launch());
      try {
        Read(null);
      } catch (NullReferenceException) {
        Console.WriteLine("caught");
      }
      if (arguments.Length > 0)
        throw new InvalidOperationException("nobody catches it");
      return 9;
    }
  }
}
