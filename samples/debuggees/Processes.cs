// SPDX-License-Identifier: MIT
// Starts child processes, one after the other, and checks how they end.
// Arguments: [seconds (default 60)] [milliseconds between them (default 20)]
using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class Processes {
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Spawn(int code) {
      ProcessStartInfo info = new ProcessStartInfo("/bin/sh", "-c \"exit " + code + "\"") {
        UseShellExecute = false
      };
      using (Process child = Process.Start(info)) {
        child.WaitForExit();
        return child.ExitCode;
      }
    }

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      int pause = args.Length > 1 ? int.Parse(args[1]) : 20;
      DateTime end = DateTime.UtcNow.AddSeconds(seconds);
      if (Spawn(3) != 3)
        return 1;
      Console.WriteLine("ready");
      for (int i = 0; DateTime.UtcNow < end; i++) {
        if (Spawn(i % 100) != i % 100)
          return 1;
        Thread.Sleep(pause);
      }
      return 0;
    }
  }
}
