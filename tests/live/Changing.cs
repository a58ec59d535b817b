// SPDX-License-Identifier: MIT
// Whatever a debugger asks for at each stop changes: threads begin and end, collectible contexts and
// emitted assemblies come and go, collections run. Storms, with calm between them.
// Arguments: [seconds (default 60)]
using System;
using System.Diagnostics;
using System.IO;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using System.Threading;

namespace Debuggees {
  public class Changing {
    static volatile bool stop;
    static long total;
    static byte[] image;

    // Called in the copies that the contexts load.
    public static int Answer(int value) {
      return value + 1;
    }

    static void Busy() {
      object last = null;
      for (int i = 0; !stop; i++) {
        last = new byte[100];
        if (i % 4096 == 0)
          Thread.Sleep(0);
      }
      GC.KeepAlive(last);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void LoadAndUnload(int number) {
      AssemblyLoadContext context = new AssemblyLoadContext("context" + number, true);
      Assembly copy = context.LoadFromStream(new MemoryStream(image));
      MethodInfo answer = copy.GetType("Debuggees.Changing").GetMethod("Answer");
      if ((int)answer.Invoke(null, new object[] { number }) != number + 1)
        Environment.Exit(3);
      context.Unload();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Emit(int number) {
      AssemblyBuilder assembly = AssemblyBuilder.DefineDynamicAssembly(
          new AssemblyName("Emitted" + number), AssemblyBuilderAccess.RunAndCollect);
      TypeBuilder type =
          assembly.DefineDynamicModule("Module" + number).DefineType("Type", TypeAttributes.Public);
      type.CreateType();
    }

    static void Storm(int number) {
      for (int i = 0; i < 4; i++) {
        LoadAndUnload(number * 4 + i);
        Emit(number * 4 + i);
        Thread[] threads = new Thread[5];
        for (int j = 0; j < threads.Length; j++) {
          threads[j] = new Thread(() => Interlocked.Increment(ref total));
          threads[j].Start();
        }
        foreach (Thread thread in threads)
          thread.Join();
        GC.Collect(i % 3);
      }
      GC.Collect();
      GC.WaitForPendingFinalizers();
    }

    // By what the processor did: a stopped program grows no older.
    static void Calm() {
      for (int i = 0; i < 3000000; i++)
        if (i % 100000 == 0)
          Thread.Sleep(0);
    }

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      image = File.ReadAllBytes(typeof(Changing).Assembly.Location);
      Thread[] busy = new Thread[3];
      for (int i = 0; i < busy.Length; i++) {
        busy[i] = new Thread(Busy);
        busy[i].Start();
      }
      Stopwatch watch = Stopwatch.StartNew();
      Console.WriteLine("ready");
      for (int i = 0; watch.Elapsed.TotalSeconds < seconds; i++) {
        Storm(i);
        Calm();
      }
      stop = true;
      foreach (Thread thread in busy)
        thread.Join();
      return 7;
    }
  }
}
