// SPDX-License-Identifier: MIT
// Compiles bodies of one generic method that never existed before, without running them: a batch
// for each line that it reads, and says how many microseconds one took (median). For the bench of
// compile notifications. Ends when its input does.
using System;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Debuggees {
  public class FreshMethods {
    static readonly Type[] types = {
      typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(int), typeof(uint),
      typeof(long), typeof(ulong), typeof(float), typeof(double), typeof(char), typeof(bool),
      typeof(decimal), typeof(Guid), typeof(DateTime), typeof(TimeSpan)
    };

    public static int Fresh<T, U, V>(T first, U second, V third) {
      return first.GetHashCode() ^ second.GetHashCode() ^ third.GetHashCode();
    }

    public static int Main(string[] args) {
      MethodInfo definition = typeof(FreshMethods).GetMethod("Fresh");
      int made = 0;
      Console.WriteLine("ready");
      while (Console.ReadLine() != null) {
        double[] times = new double[50];
        for (int i = 0; i < times.Length; i++, made++) {
          int count = types.Length;
          Type[] arguments = {
            types[made % count], types[made / count % count], types[made / count / count % count]
          };
          MethodInfo method = definition.MakeGenericMethod(arguments);
          long start = Stopwatch.GetTimestamp();
#if NET // where the pointer is a stub's
          RuntimeHelpers.PrepareMethod(method.MethodHandle, Array.ConvertAll(arguments, type => type.TypeHandle));
#else
          method.MethodHandle.GetFunctionPointer();
#endif
          times[i] = (Stopwatch.GetTimestamp() - start) * 1e6 / Stopwatch.Frequency;
        }
        Array.Sort(times);
        Console.WriteLine(times[times.Length / 2].ToString("F1",
            System.Globalization.CultureInfo.InvariantCulture));
      }
      return 0;
    }
  }
}
