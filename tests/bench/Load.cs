// SPDX-License-Identifier: MIT
// Does one piece of a load for each line of its input, and answers with the nanoseconds that it took:
//   compute   calls and arithmetic, a little allocation; no system call
//   throw     20,000 exceptions by throw
//   fault     1,000 exceptions of null references: a SIGSEGV each, in the runtime
//   start     500 threads, one after the other
//   load FILE the assembly of Twenty.awk, 500 times, from its bytes, and calls its methods
using System;
using System.Diagnostics;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class Load {
    static long total;
    static readonly Assembly[] loaded = new Assembly[500];

    [MethodImpl(MethodImplOptions.NoInlining)]
    static long Step(long value, string text) {
      return value * 31 + text.Length;
    }

    static void Compute() {
      long value = 0;
      for (int i = 0; i < 200000000; i++) {
        value = Step(value, "seven");
        if (i % 1000 == 0)
          value += new object[3].Length;
      }
      total += value;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Raise() {
      throw new InvalidOperationException("thrown");
    }

    static void Throw() {
      for (int i = 0; i < 20000; i++) {
        try {
          Raise();
        } catch (InvalidOperationException) {
          total++;
        }
      }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static int LengthOf(int[] array) {
      return array.Length;
    }

    static void Fault() {
      for (int i = 0; i < 1000; i++) {
        try {
          total += LengthOf(null);
        } catch (NullReferenceException) {
          total++;
        }
      }
    }

    static void Start() {
      for (int i = 0; i < 500; i++) {
        Thread brief = new Thread(() => total++);
        brief.Start();
        brief.Join();
      }
    }

    static int Find(byte[] bytes, byte[] part) {
      for (int at = 0; at + part.Length <= bytes.Length; at++) {
        int same = 0;
        while (same < part.Length && bytes[at + same] == part[same])
          same++;
        if (same == part.Length)
          return at;
      }
      throw new InvalidOperationException("no such bytes");
    }

    // Each with an identity (MVID) of its own: copies of one module share their breakpoints.
    static void LoadMany(string file) {
      byte[] bytes = File.ReadAllBytes(file);
      loaded[0] = Assembly.Load(bytes);
      int identity = Find(bytes, loaded[0].ManifestModule.ModuleVersionId.ToByteArray());
      for (int i = 1; i < loaded.Length; i++) {
        Guid.NewGuid().ToByteArray().CopyTo(bytes, identity);
        loaded[i] = Assembly.Load((byte[])bytes.Clone());
      }
      foreach (Assembly one in loaded)
        total += (long)one.GetType("Debuggees.Twenty").GetMethod("All").Invoke(null, null);
    }

    static void Do(string line) {
      if (line == "compute")
        Compute();
      else if (line == "throw")
        Throw();
      else if (line == "fault")
        Fault();
      else if (line == "start")
        Start();
      else if (line.StartsWith("load "))
        LoadMany(line.Substring(5));
    }

    public static int Main() {
      Console.WriteLine("ready");
      for (string line; (line = Console.ReadLine()) != null;) {
        Stopwatch watch = Stopwatch.StartNew();
        Do(line);
        Console.WriteLine("took {0}", (long)(watch.ElapsedTicks * (1e9 / Stopwatch.Frequency)));
      }
      return total == 0 ? 1 : 0;
    }
  }
}
