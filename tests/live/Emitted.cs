// SPDX-License-Identifier: MIT
// Emits types whose members are defined in another order than the types are finished, and says what
// reflection makes of them: "fact type TOKEN NAME", "fact method TOKEN TYPE NAME PARAMETERS",
// "fact field TOKEN TYPE NAME", "fact end". Then it goes on emitting types and calling them.
// Arguments: [seconds (default 60)]
using System;
using System.Collections.Generic;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class Emitted {
    const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static |
                             BindingFlags.Instance | BindingFlags.DeclaredOnly;

    static void Body(MethodBuilder method, bool result) {
      ILGenerator il = method.GetILGenerator();
      if (result)
        il.Emit(OpCodes.Ldnull);
      il.Emit(OpCodes.Ret);
    }

    static ModuleBuilder module;

    static List<Type> Emit() {
      module = AssemblyBuilder
          .DefineDynamicAssembly(new AssemblyName("Made"), AssemblyBuilderAccess.Run)
          .DefineDynamicModule("Made");
      TypeBuilder first = module.DefineType("Name.Space.First", TypeAttributes.Public);
      TypeBuilder second = module.DefineType("Second", TypeAttributes.Public | TypeAttributes.Sealed,
                                             typeof(System.IO.MemoryStream));
      TypeBuilder inner = first.DefineNestedType("Inner", TypeAttributes.NestedPublic);
      TypeBuilder generic = module.DefineType("Generic`1", TypeAttributes.Public);
      GenericTypeParameterBuilder parameter = generic.DefineGenericParameters("T")[0];
      first.DefineField("count", typeof(int), FieldAttributes.Private | FieldAttributes.Static);
      second.DefineField("names", typeof(string[]), FieldAttributes.Public);
      second.DefineField("map", typeof(Dictionary<string, List<DateTime>>), FieldAttributes.Public);
      MethodAttributes open = MethodAttributes.Public | MethodAttributes.Static;
      Body(second.DefineMethod("One", open, typeof(string),
                               new[] { typeof(int), typeof(DateTime), typeof(object), typeof(byte[]) }), true);
      Body(first.DefineMethod("Zero", MethodAttributes.Public | MethodAttributes.Virtual, typeof(List<int>),
                              new[] { second.MakeByRefType(), typeof(int).MakePointerType(), typeof(int[,]) }), true);
      Body(inner.DefineMethod("Deep", open, typeof(void), new[] { typeof(Environment.SpecialFolder) }), false);
      Body(second.DefineMethod("Two", open, typeof(void), new Type[] { inner, first }), false);
      MethodBuilder identity = generic.DefineMethod("Same", open, parameter, new Type[] { parameter });
      identity.GetILGenerator().Emit(OpCodes.Ldarg_0);
      identity.GetILGenerator().Emit(OpCodes.Ret);
      return new List<Type> { second.CreateType(), first.CreateType(), inner.CreateType(), generic.CreateType() };
    }

    static void Grow(int number) {
      TypeBuilder type = module.DefineType("Later" + number, TypeAttributes.Public);
      Body(type.DefineMethod("Run", MethodAttributes.Public | MethodAttributes.Static, typeof(void), Type.EmptyTypes), false);
      type.CreateType().GetMethod("Run").Invoke(null, null);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Call(MethodInfo method) {
      method.Invoke(null, new object[] { 1, DateTime.MinValue, null, null });
    }

    public static int Main(string[] args) {
      DateTime end = DateTime.UtcNow.AddSeconds(args.Length > 0 ? int.Parse(args[0]) : 60);
      List<Type> types = Emit();
      MethodInfo one = types[0].GetMethod("One");
      Call(one);
      Console.WriteLine("ready");
      foreach (Type type in types) {
        Console.WriteLine("fact type {0:x8} {1}", type.MetadataToken, type.Name);
        foreach (MethodInfo method in type.GetMethods(All))
          Console.WriteLine("fact method {0:x8} {1:x8} {2} {3}", method.MetadataToken, type.MetadataToken, method.Name,
                            method.GetParameters().Length);
        foreach (FieldInfo field in type.GetFields(All))
          Console.WriteLine("fact field {0:x8} {1:x8} {2}", field.MetadataToken, type.MetadataToken, field.Name);
      }
      Console.WriteLine("fact end");
      for (int number = 1; DateTime.UtcNow < end; number++) {
        Grow(number);
        Call(one);
        Thread.Sleep(20);
      }
      return 0;
    }
  }
}
