// SPDX-License-Identifier: MIT
// Statements that the optimising compiler has several copies of: loops cloned for array bounds, loop
// conditions, finally blocks. The lines with a capital comment are counted where they run.
// Arguments: [rounds]. "counted NAME N" for each of them at the end.
using System;
using System.Runtime.CompilerServices;

namespace Debuggees {
  public class CopiedCode {
    const int RARE = 1000;
    static long sum;
    public static int last;
    public static object made;
    static int[] numbers = new int[8];
    static int[] zeros = new int[16];

    // The array's length is not the loop's bound: one copy checks each access, one none.
    [MethodImpl(MethodImplOptions.NoInlining)]
    static long Cloned(int[] array, int count) {
      long total = 0;
      for (int i = 0; i < count; i++) {
        total += array[i]; // CLONED
        last = i;
      }
      return total;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static long Nested(int[] array, int rows, int columns) {
      long total = 0;
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
          total += array[i + j] * 3; // NESTED
          array[j] = i;
        }
      return total;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void May(int what) {
      if (what % 3 == 0)
        throw new InvalidOperationException();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static long Finally(int what) {
      long total = 1;
      try {
        try {
          May(what);
          total += 5;
        } finally {
          sum += what; // FINALLY
          total *= 2;
        }
      } catch (InvalidOperationException) {
        total += 100;
      }
      return total;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static int Rarely(int what) {
      if (what == RARE) {
        made = new object();
        sum += what;
      }
      return what & 3;
    }

    // Of the inlined call, what runs rarely may lie apart from the rest.
    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Inlined(int from, int count) {
      for (int i = from; i < from + count; i++) {
        sum += Rarely(i); // INLINED
        last = i;
      }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static int Unrolled(int[] array) {
      int total = 0;
      for (int i = 0; i < 4; i++) {
        total += array[i]; // UNROLLED
      }
      return total;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static int While(int count) {
      int total = 0;
      while ((count & 1023) != 0) // WHILE
        total += count--;
      return total;
    }

    static string Name(int what) {
      return what > 2 ? "many" : what.ToString();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static int Switch(int what) {
      int total = 0;
      for (int i = 0; i < what; i++) {
        switch (i & 7) {
        case 0: total += Name(i).Length; break; // SWITCH
        case 1: total ^= 3; break;
        case 2: total -= 1; break;
        case 3: total *= 3; break;
        case 4: total += i; break;
        default: total++; break;
        }
      }
      return total;
    }

    public static int Main(string[] args) {
      int rounds = args.Length > 0 ? int.Parse(args[0]) : 100;
      long cloned = 0, nested = 0, finals = 0, inlined = 0, unrolled = 0, whiles = 0, switched = 0;
      for (int round = 0; round < rounds; round++) {
        Cloned(numbers, 8);
        try {
          Cloned(numbers, 9); // the copy that checks
        } catch (IndexOutOfRangeException) {
        }
        cloned += 8 + 9;
        Nested(zeros, 4, 5);
        nested += 20;
        Finally(round);
        finals++;
        Inlined(0, 20);
        inlined += 20;
        if (round > rounds - 5) {
          Inlined(RARE - 3, 5);
          inlined += 5;
        }
        Unrolled(numbers);
        unrolled += 4;
        While(10);
        whiles += 11;
        Switch(17);
        switched += 3;
      }
      Console.WriteLine("counted CLONED " + cloned);
      Console.WriteLine("counted NESTED " + nested);
      Console.WriteLine("counted FINALLY " + finals);
      Console.WriteLine("counted INLINED " + inlined);
      Console.WriteLine("counted UNROLLED " + unrolled);
      Console.WriteLine("counted SWITCH " + switched);
      Console.WriteLine("counted WHILE " + whiles);
      Console.WriteLine("done");
      return 0;
    }
  }
}
