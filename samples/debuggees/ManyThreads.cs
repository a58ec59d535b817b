// SPDX-License-Identifier: MIT
// Threads that call one method, and threads that come and go all the time.
// Arguments: [seconds (default 60)] [workers (default 8)] [1: start and end threads too]
//            [calls of Work by each worker, 0: until the time is over] [threads that only wait]
using System;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class ManyThreads {
    static volatile bool stop;
    static long total;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long Work(long value) {
      return value * 31 + 7;
    }

    static void Worker(object calls) {
      long limit = (long)calls;
      long value = 0;
      long done = 0;
      while (!stop && (limit == 0 || done < limit)) {
        value = Work(value);
        done++;
        if (done % 64 == 0)
          Thread.Sleep(value == 1 ? 1 : 0);
      }
      Interlocked.Add(ref total, done);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Wait(object released) {
      ((ManualResetEvent)released).WaitOne();
    }

    public static void Brief() {
      Interlocked.Increment(ref total);
    }

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      int workers = args.Length > 1 ? int.Parse(args[1]) : 8;
      bool churn = args.Length > 2 && args[2] == "1";
      long calls = args.Length > 3 ? long.Parse(args[3]) : 0;
      DateTime end = DateTime.UtcNow.AddSeconds(seconds);
      Thread[] threads = new Thread[workers];
      for (int i = 0; i < workers; i++) {
        threads[i] = new Thread(Worker) { Name = "worker" + i };
        threads[i].Start(calls);
      }
      int waiting = args.Length > 4 ? int.Parse(args[4]) : 0;
      ManualResetEvent released = new ManualResetEvent(false);
      for (int i = 0; i < waiting; i++)
        new Thread(Wait, 256 * 1024) { IsBackground = true }.Start(released);
      Console.WriteLine("ready");
      while (DateTime.UtcNow < end) {
        if (churn) {
          Thread brief = new Thread(Brief);
          brief.Start();
          brief.Join();
        } else {
          bool alive = false;
          foreach (Thread thread in threads)
            alive |= thread.IsAlive;
          if (!alive)
            break;
          Thread.Sleep(10);
        }
      }
      stop = true;
      released.Set();
      foreach (Thread thread in threads)
        thread.Join();
      Console.WriteLine("total {0}", total);
      return 0;
    }
  }
}
