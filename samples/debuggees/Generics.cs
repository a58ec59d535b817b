// SPDX-License-Identifier: MIT
// One generic method in several instantiations (shared code and not), nested and overloaded ones.
// Arguments: [seconds (default 60)] [seconds before the struct instantiation's first use]
using System;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public struct Pair {
    public int First;
    public long Second;
  }

  public class Box<T> {
    T item;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public T Swap(T next) {
      T last = item;
      item = next;
      return last;
    }

    public class Inner {
      [MethodImpl(MethodImplOptions.NoInlining)]
      public static int Depth(int value) {
        return value + 1;
      }
    }
  }

  public class Generics {
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static string Show<T>(T value) {
      string text = "<" + typeof(T).Name;
      return text + ">";
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Add(int a, int b) {
      return a + b;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static double Add(double a, double b) {
      return a + b;
    }

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      double late = args.Length > 1 ? double.Parse(args[1]) : 0;
      DateTime begin = DateTime.UtcNow;
      DateTime end = begin.AddSeconds(seconds);
      Box<int> ints = new Box<int>();
      Box<string> strings = new Box<string>();
      Box<Pair> pairs = new Box<Pair>();
      int length = 0;
      bool first = true;
      while (DateTime.UtcNow < end) {
        length += Show(1).Length + Show("a").Length + Show(new object()).Length;
        if (DateTime.UtcNow >= begin.AddSeconds(late))
          length += Show(new Pair()).Length;
        ints.Swap(length);
        strings.Swap("x");
        pairs.Swap(new Pair { First = length });
        length = Add(length, Box<int>.Inner.Depth(1)) + (int)Add(1.5, 2.5);
        if (first)
          Console.WriteLine("ready");
        first = false;
        Thread.Sleep(1);
      }
      return 0;
    }
  }
}
