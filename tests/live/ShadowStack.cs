// SPDX-License-Identifier: MIT
// Two threads that call each other's kinds of methods, each keeping a stack of its own of what it
// is in: numbers of methods in a pinned array, [0] the depth. Says where the arrays are.
using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Debuggees {
  public interface IStep {
    long Step(int depth, long a, long b, long c, long d, long e, long f, long g);
  }

  public struct Boxed : IStep {
    public ShadowStack owner;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long Step(int depth, long a, long b, long c, long d, long e, long f, long g) {
      owner.Enter(1);
      long result = owner.Wide(depth - 1, a ^ g, b + f, c - e, d * 3);
      owner.Leave();
      return result + a + b + c + d + e + f + g;
    }
  }

  public class ShadowStack {
    readonly long[] shadow = new long[256];
    readonly Dictionary<string, int> names = new Dictionary<string, int>();
    readonly Func<int, long, long> deleg;
    readonly IStep boxed;
    readonly GCHandle handle;
    uint random = 1;

    [DllImport("libc")]
    static extern long syscall(long number);

    [DllImport("libc")]
    static extern int poll(IntPtr none, ulong count, int milliseconds);

    ShadowStack() {
      handle = GCHandle.Alloc(shadow, GCHandleType.Pinned);
      deleg = Guarded;
      boxed = new Boxed { owner = this };
      for (int i = 0; i < 50; i++)
        names["name" + i] = i;
    }

    public void Enter(int number) {
      long depth = shadow[0] + 1;
      shadow[depth] = number;
      shadow[0] = depth;
    }

    public void Leave() {
      shadow[0]--;
    }

    uint Next() {
      random = random * 1664525 + 1013904223;
      return random >> 8;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Choose(int depth, long value) {
      Enter(2);
      long result = value;
      if (Next() % 65536 == 0)
        result = Native(value);
      else if (depth > 0)
        switch (Next() % 7) {
        case 0: result = Wide(depth - 1, value, 2, 3, 4); break;
        case 1: result = deleg(depth - 1, value); break;
        case 2: result = boxed.Step(depth - 1, value, 1, 2, 3, 4, 5, 6); break;
        case 3: result = Generic<string>(depth - 1, "name7"); break;
        case 4: result = Floating(depth - 1, value); break;
        case 5: result = Big(depth - 1, value); break;
        default: result = Choose(depth - 1, value) + Choose(depth - 1, value + 1); break;
        }
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long Wide(int depth, long a, long b, long c, long d) {
      Enter(3);
      long e = a * 3, f = b * 5, g = c * 7, h = d * 9, i = a ^ b, j = c ^ d;
      for (int k = 0; k < 20; k++) {
        e += f; f ^= g; g += h; h ^= i; i += j; j ^= e;
      }
      long result = Choose(depth, e) + e + f + g + h + i + j;
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Guarded(int depth, long value) {
      Enter(4);
      long result = 0;
      try {
        result = Choose(depth, value);
      } finally {
        result += value;
        for (int i = 0; i < 20; i++)
          result = result * 31 + i;
      }
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Generic<T>(int depth, T value) {
      Enter(5);
      long result = value.GetHashCode() + names["name" + Next() % 50] + Choose(depth, 7);
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Floating(int depth, long value) {
      Enter(6);
      double x = value & 1023, y = 1;
      for (int i = 0; i < 20; i++)
        y = y * 1.5 + x / (y + i + 1);
      long result = Choose(depth, (long)Math.Sqrt(y));
      Leave();
      return result;
    }

#pragma warning disable 649 // not all are assigned
    struct Large { public long a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t; }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Big(int depth, long value) {
      Enter(7);
      Large large = new Large { a = value, t = value };
      Large other = large;
      other.k = Choose(depth, other.t);
      long result = Sum(large) + Sum(other);
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Sum(Large x) {
      Enter(8);
      long result = x.a + x.k + x.t;
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Native(long value) {
      Enter(10);
      long result = value + poll(IntPtr.Zero, 0, 2);
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Run() {
      Enter(9);
      long total = 0;
      Choose(6, 1);
      Console.WriteLine("shadow {0} {1}", syscall(186), handle.AddrOfPinnedObject().ToInt64());
      for (;;)
        total += Choose(6, total);
    }

    static void Collect() {
      for (;;) {
        GC.Collect();
        Thread.Sleep(1);
      }
    }

    public static int Main(string[] args) {
      if (args.Length > 0 && args[0] == "collect")
        new Thread(Collect) { IsBackground = true }.Start();
      Thread second = new Thread(() => new ShadowStack().Run());
      second.IsBackground = true;
      second.Start();
      new ShadowStack().Run();
      return 0;
    }
  }
}
