// SPDX-License-Identifier: MIT
// Throws at many places and says, of each frame of each trace, what the runtime's own reader of
// symbols makes of it: "MODULE TOKEN ILOFFSET LINE FILE". Run as `mono --debug throws.exe`.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading.Tasks;

namespace Throwing
{
    class Thrower<T> where T : new()
    {
        readonly T[] items = new T[2];

        public T this[int index]
        {
            get { return items[index]; }
            set
            {
                items[index] =
                    value;
            }
        }

        public static explicit operator int(Thrower<T> thrower)
        {
            throw new InvalidCastException("operator");
        }
    }

    static class Late
    {
        public static readonly int Value;
        static Late()
        {
            int zero = 0;
            Value = 5 / zero;
        }
    }

    static class Program
    {
        static int depth;

        static void Deep(int left)
        {
            if (left == 0)
                throw new InvalidOperationException("deep");
            depth++;
            if (left % 2 == 0)
                Deep(left - 1);
            else
            {
                // A call on a line of its own, with arguments on others.
                Deep(
                    left
                    - 1);
            }
            depth--;
        }

        static IEnumerable<int> Numbers(int count)
        {
            for (int i = 0; i < count; i++)
            {
                if (i == 3)
                    throw new FormatException("iterator");
                yield return i;
            }
        }

        static async Task<int> Later(string text)
        {
            await Task.Yield();
            int length = text.Length;
            await Task.Delay(1);
            return length;
        }

        static void Finally(string text)
        {
            try
            {
                text = text.Substring(100);
            }
            finally
            {
                depth = 0;
            }
        }

        static void Again(string text)
        {
            try
            {
                Finally(text);
            }
            catch (ArgumentException)
            {
                depth++;
                throw;
            }
        }

        static void Wrapped()
        {
            try { Again("x"); }
            catch (Exception e)
            {
                throw new ApplicationException(
                    "wrapped",
                    e);
            }
        }

#line 5000 "somewhere/else.cs"
        static void Elsewhere(object value)
        {
            var text =
                (string)value;
#line 7000
            Console.WriteLine(text);
        }
#line default

        static long Checked(long a, long b) { checked { return a * b; } }

        static int Switch(int value)
        {
            switch (value)
            {
                case 0: return 1;
                case 1: throw new NotSupportedException();
                case 2:
                {
                    int[] none = new int[0];
                    return none[value];
                }
                default:
                    string text = null;
                    return text.Length;
            }
        }

        static void Show(Exception e)
        {
            for (; e != null; e = e.InnerException)
                foreach (StackFrame frame in new StackTrace(e, true).GetFrames() ?? new StackFrame[0])
                {
                    if (frame.GetMethod() == null || frame.GetFileLineNumber() == 0) continue;
                    Console.WriteLine("{0} {1:x8} {2} {3} {4}", frame.GetMethod().Module.FullyQualifiedName, frame.GetMethod().MetadataToken,
                        frame.GetILOffset(), frame.GetFileLineNumber(), Path.GetFileName(frame.GetFileName()));
                }
        }

        static void Try(Action action)
        {
            try { action(); }
            catch (Exception e) { Show(e); }
        }

        static void Main()
        {
            for (int left = 0; left < 9; left++)
            {
                int captured = left;
                Try(() => Deep(captured));
            }
            Try(() => Numbers(9).Select(n => n * 2).ToArray());
            Try(() => { foreach (int n in Numbers(5)) depth += n; });
            Try(() => Console.WriteLine(Later(null).Result));
            Try(() => Finally("short"));
            Try(() => Again("short"));
            Try(Wrapped);
            Try(() => Elsewhere(5));
            Try(() => Checked(long.MaxValue, 3));
            for (int value = 0; value < 4; value++)
            {
                int captured = value;
                Try(() => Switch(captured));
            }
            Try(() => Console.WriteLine(Late.Value));
            var ints = new Thrower<int>();
            var dates = new Thrower<DateTime>();
            Try(() => Console.WriteLine(ints[7]));
            Try(() => ints[-1] = 3);
            Try(() => dates[2] = DateTime.MinValue);
            Try(() => Console.WriteLine((int)dates));
            Try(delegate
            {
                object o = null;
                Console.WriteLine(
                    o.GetHashCode());
            });
            Try(() => new List<int> { 1, 2 }.ForEach(n =>
            {
                if (n == 2)
                    throw new Exception("callback");
            }));
            Try(() => { using (var reader = new StringReader("a")) Console.WriteLine(reader.ReadLine()[9]); });
        }
    }
}
