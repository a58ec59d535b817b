// SPDX-License-Identifier: MIT
// Dumps what Mono's own reader (Mono.CompilerServices.SymbolWriter) says of the .mdb files named on
// standard input, in the text of describe-symbols.c. Runs on Mono.
using System;
using System.Linq;
using Mono.CompilerServices.SymbolWriter;

static class DumpMdb
{
    static void One(string path)
    {
        Console.WriteLine("== symbols " + path);
        var file = MonoSymbolFile.ReadSymbolFile(path);
        Console.WriteLine("entry 00000000");
        foreach (var s in file.Sources)
            Console.WriteLine("document {0} {1} {2} {2} {3}", s.Index, s.FileName, new string('0', 32),
                string.Concat((s.Checksum ?? new byte[16]).Select(b => b.ToString("x2"))));
        foreach (var m in file.Methods.OrderBy(m => m.Token))
        {
            Console.WriteLine("method {0:x8} 00000000 00000000", m.Token);
            foreach (var l in m.GetLineNumberTable().LineNumbers)
                if (l.IsHidden)
                    Console.WriteLine(" hidden {0} {1}", l.Offset, l.File);
                else
                    Console.WriteLine(" point {0} {1} {2}:{3} {4}:{5}", l.Offset, l.File, l.Row, Math.Max(l.Column, 0),
                        l.EndRow < 0 ? l.Row : l.EndRow, l.EndRow < 0 ? Math.Max(l.Column, 0) : l.EndColumn);
            var blocks = m.GetCodeBlocks();
            var locals = m.GetLocals().OrderBy(v => v.Index).ToArray();
            Console.WriteLine(" scope 0 4294967295 0");
            for (int b = 0; b <= blocks.Length; b++)
            {
                if (b > 0) Console.WriteLine(" scope {0} {1} 0", blocks[b - 1].StartOffset, blocks[b - 1].EndOffset);
                foreach (var v in locals.Where(v => v.BlockIndex == b))
                    Console.WriteLine("  local {0} 0 {1}", v.Index, v.Name);
            }
            for (int p = 0; p <= blocks.Length; p++)
                for (int b = 1; b <= blocks.Length; b++)
                {
                    // mcs leaves some blocks of iterators with parents that it did not write: the method itself.
                    int parent = blocks[b - 1].Parent;
                    if ((parent < 0 || parent >= b ? 0 : parent) == p)
                        Console.WriteLine(" child {0} {1}", p, b);
                }
        }
    }

    static int Main()
    {
        for (string line; (line = Console.In.ReadLine()) != null;) One(line);
        return 0;
    }
}
