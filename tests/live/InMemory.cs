// SPDX-License-Identifier: MIT
// Runs another program from its bytes: its module has no file.
// Arguments: the program, its arguments
using System;
using System.IO;
using System.Reflection;

namespace Debuggees {
  public class InMemory {
    public static int Main(string[] args) {
      string[] rest = new string[args.Length - 1];
      Array.Copy(args, 1, rest, 0, rest.Length);
      Assembly loaded = Assembly.Load(File.ReadAllBytes(args[0]));
      return (int)loaded.EntryPoint.Invoke(null, new object[] { rest });
    }
  }
}
