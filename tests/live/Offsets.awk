# SPDX-License-Identifier: MIT
# Writes a program of 200 methods that throw, catch, lock, allocate and branch, every part of which is
# run in each round. Two threads run rounds, another collects; each round's result must be the first
# one's, which no debugger saw. Arguments: a file; when it is there, the program says "same ROUNDS".
BEGIN {
  print "using System;"
  print "using System.IO;"
  print "using System.Text;"
  print "using System.Threading;"
  print "namespace Debuggees {"
  print "  public static class Offsets {"
  for (k = 0; k < 200; k++) {
    printf "    static int M%03d(int x) {\n      int sum = x + %d;\n", k, k
    if (k % 4 == 0) {
      print "      for (int i = 0; i < 3; i++) {"
      print "        try {"
      printf "          if (i == %d)\n            throw new InvalidOperationException();\n", k % 3
      printf "          sum += new int[i + %d].Length;\n", k
      print "        } catch (InvalidOperationException) {"
      print "          sum = sum * 31 + i;"
      print "        } finally {"
      print "          sum ^= i;"
      print "        }"
      print "      }"
    } else if (k % 4 == 1) {
      print "      foreach (string word in new[] {\"one\", \"two\", \"three\"}) {"
      print "        switch (word.Length + word[0]) {"
      print "        case 3 + 'o': sum += 1; break;"
      print "        case 3 + 't': sum *= 3; break;"
      print "        default: sum -= word.GetHashCode() == 0 ? 0 : 2; break;"
      print "        }"
      print "      }"
    } else if (k % 4 == 2) {
      print "      var text = new StringBuilder();"
      print "      while (text.Length < 12) {"
      printf "        text.Append((sum + %d).ToString());\n", k
      print "        sum = sum * 7 + text.Length;"
      print "      }"
      print "      sum += text.ToString()[3];"
    } else {
      print "      object guard = new object();"
      print "      int[] few = new int[2];"
      print "      for (int i = 0; i < 2; i++) {"
      print "        try {"
      print "          lock (guard) {"
      print "            few[1] += sum;"
      print "            sum += few[2 * i + 1];"
      print "          }"
      print "        } catch (IndexOutOfRangeException) when (sum != int.MinValue) {"
      print "          sum = sum * 5 + 1;"
      print "        }"
      print "      }"
    }
    print "      return sum;"
    print "    }"
  }
  print "    static int Round() {"
  print "      int sum = 1;"
  for (k = 0; k < 200; k++)
    printf "      sum = M%03d(sum);\n", k
  print "      return sum;"
  print "    }"
  print "    public static int Main(string[] args) {"
  print "      int first = Round(), rounds = 0, different = 0;"
  print "      bool done = false;"
  print "      ThreadStart run = () => {"
  print "        do {"
  print "          if (Round() != first)"
  print "            Interlocked.Increment(ref different);"
  print "          Interlocked.Increment(ref rounds);"
  print "        } while (!Volatile.Read(ref done));"
  print "      };"
  print "      ThreadStart collect = () => {"
  print "        object[] kept = new object[100];"
  print "        for (int i = 0; !Volatile.Read(ref done); i++) {"
  print "          kept[i % kept.Length] = new byte[i % 5000];"
  print "          if (i % 1000 == 0)"
  print "            GC.Collect(i / 1000 % 3);"
  print "          if (i % 100 == 0)"
  print "            Thread.Sleep(1);"
  print "        }"
  print "      };"
  print "      Thread[] threads = {new Thread(run), new Thread(run), new Thread(collect)};"
  print "      Console.WriteLine(\"ready\");"
  print "      foreach (Thread thread in threads)"
  print "        thread.Start();"
  print "      while (!File.Exists(args[0]))"
  print "        Thread.Sleep(10);"
  print "      Volatile.Write(ref done, true);"
  print "      foreach (Thread thread in threads)"
  print "        thread.Join();"
  print "      Console.WriteLine(different == 0 ? \"same {0}\" : \"different {1} of {0}\", rounds, different);"
  print "      return different;"
  print "    }"
  print "  }"
  print "}"
}
