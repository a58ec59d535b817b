// SPDX-License-Identifier: MIT
// A program that is started in several ways: by Main, or by a host that calls Work. Its module
// initializer is the first code of it that runs.
using System;
using System.Runtime.CompilerServices;

// Of DOTNET_STARTUP_HOOKS: the runtime calls it before Main.
internal static class StartupHook {
  public static void Initialize() {
  }
}

namespace Debuggees {
  public static class Hosted {
    static int begun;

    [ModuleInitializer]
    public static void Begin() {
      begun = 1;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Work(IntPtr argument, int size) {
      return 40 + begun + (argument == IntPtr.Zero ? 1 : 0);
    }

    public static int Main() {
      return 40 + begun;
    }
  }
}
