// SPDX-License-Identifier: MIT
// Threads that begin and end. Each says "body TID" as its first own code; "done" at the end, and the
// program then waits to be ended.
// Arguments: short THREADS TOGETHER | pool THREADS | native THREADS | old THREADS FILE |
// leave THREADS | count THREADS TOGETHER.
using System;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;

namespace Debuggees {
  public class ThreadLives {
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate IntPtr Start(IntPtr argument);
    [DllImport("libc.so.6")]
    static extern int gettid();
    [DllImport("libc.so.6")]
    static extern long syscall(long number, long argument);
    [DllImport("libc.so.6")]
    static extern int pthread_create(out IntPtr thread, IntPtr attributes, Start start,
                                     IntPtr argument);
    [DllImport("libc.so.6")]
    static extern int pthread_join(IntPtr thread, IntPtr result);

    static void Say(string what) {
      lock (Console.Out) {
        Console.Out.WriteLine(what);
        Console.Out.Flush();
      }
    }

    static void Body() {
      Say("body " + gettid());
    }

    static void Nothing() {}

    // threads of them, so many at once
    static void Run(int threads, int together, ThreadStart body) {
      for (int done = 0; done < threads; done += together) {
        Thread[] all = new Thread[Math.Min(together, threads - done)];
        for (int i = 0; i < all.Length; i++)
          (all[i] = new Thread(body, 256 * 1024)).Start();
        foreach (Thread thread in all)
          thread.Join();
      }
    }

    static void Pool(int threads) {
      ThreadPool.SetMinThreads(threads, threads);
      CountdownEvent all = new CountdownEvent(threads);
      for (int i = 0; i < threads; i++)
        ThreadPool.QueueUserWorkItem(_ => {
          Body();
          all.Signal();
          all.Wait();
        });
      all.Wait();
    }

    static void Native(int threads) {
      Start start = argument => {
        Body();
        return IntPtr.Zero;
      };
      for (int i = 0; i < threads; i++) {
        IntPtr thread;
        if (pthread_create(out thread, IntPtr.Zero, start, IntPtr.Zero) != 0 ||
            pthread_join(thread, IntPtr.Zero) != 0)
          throw new Exception("no thread");
      }
      GC.KeepAlive(start);
    }

    // They were there before anybody looked.
    static void Old(int threads, string until) {
      CountdownEvent all = new CountdownEvent(threads);
      for (int i = 0; i < threads; i++)
        new Thread(() => {
          Body();
          all.Signal();
          while (!File.Exists(until))
            Thread.Sleep(1);
        }).Start();
      all.Wait();
    }

    // By a system call, behind the runtime's back: exit(2) of the thread alone.
    static void Leave(int threads) {
      CountdownEvent all = new CountdownEvent(threads);
      for (int i = 0; i < threads; i++)
        new Thread(() => {
          Body();
          all.Signal();
          syscall(60, 0);
        }) { IsBackground = true }.Start();
      all.Wait();
    }

    public static int Main(string[] args) {
      int threads = int.Parse(args[1]);
      if (args[0] == "short")
        Run(threads, int.Parse(args[2]), Body);
      else if (args[0] == "pool")
        Pool(threads);
      else if (args[0] == "native")
        Native(threads);
      else if (args[0] == "old")
        Old(threads, args[2]);
      else if (args[0] == "leave")
        Leave(threads);
      if (args[0] == "count") {
        Stopwatch watch = Stopwatch.StartNew();
        Run(threads, int.Parse(args[2]), Nothing);
        Say("us " + watch.Elapsed.TotalMilliseconds * 1000 / threads);
        return 0;
      }
      Say(args[0] == "old" ? "ready" : "done");
      Thread.Sleep(Timeout.Infinite);
      return 0;
    }
  }
}
