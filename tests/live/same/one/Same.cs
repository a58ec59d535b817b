// SPDX-License-Identifier: MIT
// A program with two source files of one name: what file a breakpoint means has to be said.
using System;

namespace Debuggees {
  public class One {
    public static int Main() {
      Console.WriteLine("ready");
      for (int round = 0; round < 60000; round++)
        Two.Round();
      return 0;
    }
  }
}
