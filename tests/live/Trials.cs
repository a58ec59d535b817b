// SPDX-License-Identifier: MIT
// What a runtime does under traps. Visit counts its own executions; "counted N" at the end.
// Arguments: collect ROUNDS | storm THREADS CALLS | collector THREADS CALLS | core FILE |
// start PROGRAMS | fork CHILDREN.
using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text;
using System.Threading;

namespace Debuggees {
  public class Trials {
    static long counted;
    string text = "";

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long Visit() {
      return Interlocked.Increment(ref counted);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Begin() {}

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void End() {}

    // This program once more, in a context that can be unloaded; Visit of that copy is called.
    [MethodImpl(MethodImplOptions.NoInlining)]
    static WeakReference VisitCopy(int calls) {
      var context = new AssemblyLoadContext("copy", true);
      MethodInfo visit = context.LoadFromAssemblyPath(typeof(Trials).Assembly.Location)
                             .GetType("Debuggees.Trials")
                             .GetMethod("Visit");
      for (int i = 0; i < calls; i++)
        visit.Invoke(null, null);
      counted += calls;
      context.Unload();
      return new WeakReference(context);
    }

    static void Collect(int rounds) {
      for (int i = 0; i < rounds; i++) {
        WeakReference context = VisitCopy(20);
        for (int tries = 0; context.IsAlive && tries < 1000; tries++) {
          GC.Collect();
          GC.WaitForPendingFinalizers();
        }
        Console.WriteLine(context.IsAlive ? "still there" : "unloaded");
      }
    }

    static void InThreads(int threads, Action work) {
      Thread[] all = Enumerable.Range(0, threads).Select(_ => new Thread(() => work())).ToArray();
      foreach (Thread thread in all)
        thread.Start();
      foreach (Thread thread in all)
        thread.Join();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static int Length(Trials trials) {
      return trials.text.Length;
    }

    static void Storm(int calls) {
      for (int i = 0; i < calls; i++)
        try {
          Length(null);
        } catch (NullReferenceException) {
          Visit();
        }
    }

    static void Allocate(int calls) {
      object[] kept = new object[64];
      for (int i = 0; i < calls; i++) {
        for (int j = 0; j < 100; j++)
          kept[(i + j) % kept.Length] = new byte[j * 16 + 1];
        Visit();
        for (int j = 0; j < kept.Length; j++)
          if (kept[j] is byte[] bytes && bytes[0] != 0)
            throw new Exception("an object was damaged");
      }
    }

    // Until the file exists: who counts the calls says when it has seen what it waits for.
    static void Core(string until) {
      Begin();
      while (!File.Exists(until))
        counted += CompositeFormat.Parse("a{0}b").MinimumArgumentCount;
      End();
    }

    static void Start(int programs) {
      for (int i = 0; i < programs; i++) {
        Visit();
        using (Process process = Process.Start("/bin/true")) {
          process.WaitForExit();
          if (process.ExitCode != 0)
            throw new Exception("exit code " + process.ExitCode);
        }
      }
    }

    [DllImport("libc")]
    static extern int fork();
    [DllImport("libc")]
    static extern int waitpid(int pid, out int status, int options);
    [DllImport("libc")]
    static extern void _exit(int code);

    // The children run code whose memory they share with their parent: nothing may be compiled in
    // them, the runtime would write to their parent's code.
    static void Fork(int children) {
      int status;
      foreach (string name in new[] {"fork", "waitpid", "_exit"})
        Marshal.Prelink(typeof(Trials).GetMethod(name, BindingFlags.Static | BindingFlags.NonPublic));
      for (int i = 0; i < children; i++) {
        Visit();
        int pid = fork();
        if (pid == 0) {
          for (int j = 0; j < 100; j++)
            Visit();
          _exit(7);
        }
        if (waitpid(pid, out status, 0) != pid || status != 7 << 8)
          throw new Exception("child " + i + " status " + status);
      }
      counted = children; // statics may lie in the shared memory too
    }

    public static int Main(string[] args) {
      Console.WriteLine("ready");
      int a = args[0] == "core" ? 0 : int.Parse(args[1]);
      int b = args.Length > 2 ? int.Parse(args[2]) : 0;
      switch (args[0]) {
      case "collect": Collect(a); break;
      case "storm": InThreads(a, () => Storm(b)); break;
      case "collector": InThreads(a, () => Allocate(b)); break;
      case "core": Core(args[1]); break;
      case "start": Start(a); break;
      case "fork": Fork(a); break;
      default: return 1;
      }
      Console.WriteLine("counted {0}", counted);
      return 0;
    }
  }
}
