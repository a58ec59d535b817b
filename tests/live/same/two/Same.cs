// SPDX-License-Identifier: MIT
using System.Threading;

namespace Debuggees {
  public class Two {
    static volatile int rounds;

    public static void Round() {
      rounds++;
      Thread.Sleep(1);
    }
  }
}
