// SPDX-License-Identifier: MIT
// Two threads that go from managed code to native code and back again, over and over. Managed and
// native functions note themselves in one array a thread (transitions-library.c).
using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Debuggees {
  public unsafe class Transitions {
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate long Callback(int depth, long value);

    [DllImport("transitions", CallingConvention = CallingConvention.Cdecl)]
    static extern long* transitions_begin();

    [DllImport("transitions", CallingConvention = CallingConvention.Cdecl)]
    static extern long transitions_first(int depth, long value, IntPtr back);

    readonly long* shadow = transitions_begin();
    readonly Callback back;
    readonly IntPtr pointer;
    uint random = 7;

    Transitions() {
      back = Back;
      pointer = Marshal.GetFunctionPointerForDelegate(back);
    }

    void Enter(int number) {
      long depth = shadow[1];
      shadow[2 + depth] = number;
      shadow[1] = depth + 1;
    }

    void Leave() {
      shadow[1]--;
    }

    uint Next() {
      random = random * 1664525 + 1013904223;
      return random >> 16;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Back(int depth, long value) {
      Enter(1);
      long result = value + Descend(depth, value);
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Descend(int depth, long value) {
      Enter(2);
      long result = value;
      if (depth > 0)
        switch (Next() % 3) {
        case 0: result += Descend(depth - 1, value); break;
        case 1: result += Guarded(depth - 1, value); break;
        default: result += Call(depth - 1, value); break;
        }
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Guarded(int depth, long value) {
      Enter(3);
      long result = 1;
      try {
        result += Call(depth, value);
      } finally {
        result += value;
      }
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    long Call(int depth, long value) {
      Enter(4);
      long result = transitions_first(depth, value, pointer);
      Leave();
      return result;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Run() {
      Enter(5);
      long total = 0;
      for (int i = 0; i < 100; i++) // what is compiled at the first call, is
        total += Descend(12, i);
      Console.WriteLine("shadow {0} {1}", shadow[0], (long)shadow);
      for (;;)
        total += Descend(12, total);
    }

    public static int Main(string[] args) {
      Thread second = new Thread(() => new Transitions().Run());
      second.IsBackground = true;
      Console.WriteLine("ready");
      second.Start();
      new Transitions().Run();
      return 0;
    }
  }
}
