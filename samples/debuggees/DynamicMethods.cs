// SPDX-License-Identifier: MIT
// Makes dynamic methods, calls them, lets them go; and one dynamic assembly with a method.
// Arguments: [seconds (default 60)] [milliseconds that each method lives (default 5)]
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
      AssemblyBuilder assembly = AppDomain.CurrentDomain.DefineDynamicAssembly(
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

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      int life = args.Length > 1 ? int.Parse(args[1]) : 5;
      DateTime end = DateTime.UtcNow.AddSeconds(seconds);
      Unary twice = MakeInAssembly();
      int number = 0;
      bool first = true;
      while (DateTime.UtcNow < end) {
        Unary unary = Make(++number);
        if (unary(1) != number + 1 || twice(2) != 4)
          return 1;
        if (first)
          Console.WriteLine("ready");
        first = false;
        Thread.Sleep(life);
        unary = null;
        last = null;
        if (number % 8 == 0) {
          GC.Collect();
          GC.WaitForPendingFinalizers();
        }
      }
      return last == null ? 0 : 2;
    }
  }
}
