// SPDX-License-Identifier: MIT
// Ends at once with an exit code of its own: what an adapter that launches it has to see.
namespace Debuggees {
  public static class ShimExit {
    public static int Main() {
      System.Console.WriteLine("in Main");
      return 42;
    }
  }
}
