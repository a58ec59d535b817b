# SPDX-License-Identifier: MIT
# Writes an assembly of twenty methods, Debuggees.Twenty:M00 .. M19, and All, which calls each once.
BEGIN {
  print "using System.Runtime.CompilerServices;"
  print "namespace Debuggees {"
  print "  public static class Twenty {"
  print "    static long called;"
  for (i = 0; i < 20; i++)
    printf "    [MethodImpl(MethodImplOptions.NoInlining)] public static void M%02d() { called += %d; }\n", i, i
  print "    public static long All() {"
  for (i = 0; i < 20; i++)
    printf "      M%02d();\n", i
  print "      return called;"
  print "    }"
  print "    public static int Main() { return All() == 190 ? 0 : 1; }"
  print "  }"
  print "}"
}
