// SPDX-License-Identifier: MIT
// Throws: by throw, by a null reference (SIGSEGV in the runtime), by a division (SIGFPE).
// Arguments: [seconds (default 60)] [milliseconds between rounds (default 1)]
using System;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class Exceptions {
    string text = "";

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Throw(int kind, Exceptions nothing, int zero) {
      switch (kind) {
      case 0:
        throw new InvalidOperationException("thrown");
      case 1:
        return nothing.text.Length;
      default:
        return 1 / zero;
      }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Catch(int kind) {
      try {
        return Throw(kind, null, 0);
      } catch (InvalidOperationException) {
        return 1;
      } catch (NullReferenceException) {
        return 2;
      } catch (DivideByZeroException) {
        return 3;
      } finally {
        caught++;
      }
    }

    static long caught;

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      int pause = args.Length > 1 ? int.Parse(args[1]) : 1;
      DateTime end = DateTime.UtcNow.AddSeconds(seconds);
      if (Catch(0) != 1 || Catch(1) != 2 || Catch(2) != 3)
        return 1;
      Console.WriteLine("ready");
      for (int i = 0; DateTime.UtcNow < end; i++) {
        if (Catch(i % 3) != i % 3 + 1)
          return 1;
        if (pause > 0)
          Thread.Sleep(pause);
      }
      Console.WriteLine("caught {0}", caught);
      return 0;
    }
  }
}
