# SPDX-License-Identifier: MIT
# Writes a program of 5,000 methods M0000 .. M4999, each of which counts its executions and is called
# twice, and which says "counted N".
BEGIN {
  print "using System;"
  print "using System.Runtime.CompilerServices;"
  print "namespace Debuggees {"
  print "  public static class ManyMethods {"
  print "    static int counted;"
  for (i = 0; i < 5000; i++)
    printf "    [MethodImpl(MethodImplOptions.NoInlining)] static void M%04d() { counted++; }\n", i
  for (part = 0; part < 50; part++) {
    printf "    static void Part%02d() {\n", part
    for (i = 0; i < 100; i++)
      printf "      M%04d();\n", part * 100 + i
    print "    }"
  }
  print "    public static int Main() {"
  print "      Console.WriteLine(\"ready\");"
  print "      for (int round = 0; round < 2; round++) {"
  for (part = 0; part < 50; part++)
    printf "        Part%02d();\n", part
  print "      }"
  print "      Console.WriteLine(\"counted {0}\", counted);"
  print "      return 0;"
  print "    }"
  print "  }"
  print "}"
}
