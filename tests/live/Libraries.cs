// SPDX-License-Identifier: MIT
// Loads and unloads a native library and starts a thread, again and again.
// Arguments: [seconds (default 60)]
using System;
using System.Runtime.InteropServices;
using System.Threading;

namespace Debuggees {
  public class Libraries {
    [DllImport("libc")]
    static extern IntPtr dlopen(string name, int flags);

    [DllImport("libc")]
    static extern int dlclose(IntPtr library);

    public static int Main(string[] args) {
      DateTime end = DateTime.UtcNow.AddSeconds(args.Length > 0 ? int.Parse(args[0]) : 60);
      Console.WriteLine("ready");
      while (DateTime.UtcNow < end) {
        IntPtr library = dlopen("libutil.so.1", 2);
        if (library == IntPtr.Zero || dlclose(library) != 0)
          return 1;
        Thread thread = new Thread(() => {});
        thread.Start();
        thread.Join();
        Thread.Sleep(1);
      }
      return 0;
    }
  }
}
