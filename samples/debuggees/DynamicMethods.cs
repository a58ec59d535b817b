// SPDX-License-Identifier: MIT
// Makes dynamic methods, calls them, lets them go; and one dynamic assembly with a method.
// Each method is made on a thread of its own: the collector looks at stacks conservatively, and
// what the main thread's stack once held would keep them all.
// Arguments: [seconds (default 60)] [milliseconds between methods (default 5)]
using System;
using System.Reflection;
using System.Reflection.Emit;
using System.Threading;

namespace Debuggees {
  public class DynamicMethods {
    public delegate int Unary(int value);

    static DynamicMethod last;

    public static Unary Make(int number) {
      DynamicMethod method = new DynamicMethod("Made" + number, typeof(int), new[] { typeof(int) },
                                               typeof(DynamicMethods).Module);
      ILGenerator il = method.GetILGenerator();
      il.Emit(OpCodes.Ldarg_0);
      il.Emit(OpCodes.Ldc_I4, number);
      il.Emit(OpCodes.Add);
      il.Emit(OpCodes.Ret);
      last = method;
      return (Unary)method.CreateDelegate(typeof(Unary));
    }

    static Unary MakeInAssembly() {
      AssemblyBuilder assembly = AssemblyBuilder.DefineDynamicAssembly(
          new AssemblyName("Emitted"), AssemblyBuilderAccess.Run);
      TypeBuilder type = assembly.DefineDynamicModule("Emitted").DefineType(
          "EmittedType", TypeAttributes.Public);
      MethodBuilder method = type.DefineMethod(
          "Twice", MethodAttributes.Public | MethodAttributes.Static, typeof(int),
          new[] { typeof(int) });
      ILGenerator il = method.GetILGenerator();
      il.Emit(OpCodes.Ldarg_0);
      il.Emit(OpCodes.Ldarg_0);
      il.Emit(OpCodes.Add);
      il.Emit(OpCodes.Ret);
      Type made = type.CreateType();
      return (Unary)Delegate.CreateDelegate(typeof(Unary), made.GetMethod("Twice"));
    }

    static Unary twice;
    static volatile bool wrong;

    static void Round(object data) {
      int number = (int)data;
      Unary unary = Make(number);
      for (int i = 0; i < 5; i++)
        wrong |= unary(i) != number + i || twice(2) != 4;
      last = null;
    }

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      int pause = args.Length > 1 ? int.Parse(args[1]) : 5;
      DateTime end = DateTime.UtcNow.AddSeconds(seconds);
      twice = MakeInAssembly();
      for (int number = 1; DateTime.UtcNow < end && !wrong; number++) {
        Thread round = new Thread(Round);
        round.Start(number);
        round.Join();
        if (number == 1)
          Console.WriteLine("ready");
        Thread.Sleep(pause);
        if (number % 8 == 0) {
          GC.Collect();
          GC.WaitForPendingFinalizers();
        }
      }
      return wrong || last != null ? 1 : 0;
    }
  }
}
