// SPDX-License-Identifier: MIT
// A program whose symbols have a bit of everything: nested scopes, constants, lambdas, iterators,
// async methods, exception clauses, lines of another file and hidden lines.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;

namespace Sample
{
    public class Shape
    {
        protected double factor = 1.5;
        public virtual double Area { get { return factor; } set { factor = value; } }
        public event EventHandler Changed;
        protected void OnChanged() { if (Changed != null) Changed(this, EventArgs.Empty); }
    }

    public class Square : Shape
    {
        readonly double side;
        public Square(double side) { this.side = side; }
        public override double Area
        {
            get { const double unit = 2.5; return side * side * unit; }
        }
    }

    public static class Program
    {
        const string Greeting = "hello";

        static IEnumerable<int> Count(int from, int to)
        {
            for (int i = from; i < to; i++)
            {
                int twice = i * 2;
                if (twice % 3 == 0)
                    yield return twice;
            }
        }

        static async Task<int> Later(int x)
        {
            int sum = 0;
            try
            {
                await Task.Delay(1);
                sum += x;
                foreach (int i in Count(0, x))
                {
                    await Task.Yield();
                    sum += i;
                }
            }
            catch (InvalidOperationException e)
            {
                sum -= e.Message.Length;
            }
            finally
            {
                sum++;
            }
            return sum;
        }

        static async void Fire() { await Task.Yield(); Console.WriteLine("fired"); }

        static T Generic<T>(T value, Func<T, T> f) where T : struct
        {
            T once = f(value);
            {
                T inner = f(once);
                const int answer = 42;
                Console.WriteLine(inner.ToString() + answer);
            }
            {
                string other = "b";
                const string text = "constant text";
                Console.WriteLine(other + text);
            }
            return once;
        }

#line 1000 "other-file.cs"
        static int FromElsewhere(int a)
        {
            int b = a + 1;
#line hidden
            b *= 2;
#line 2000 "third.cs"
            return b;
        }
#line default

        static int Filtered(string s)
        {
            try { return int.Parse(s); }
            catch (FormatException) { return -1; }
            finally { Console.WriteLine(s); }
        }

        static void Main(string[] args)
        {
            int captured = args.Length;
            Func<int, int> add = y =>
            {
                int local = y + captured;
                return local;
            };
            using (var w = new StringWriter())
            {
                switch (args.Length)
                {
                    case 0: w.Write(Greeting); break;
                    case 1: w.Write(add(3)); break;
                    default: w.Write(Count(0, 9).Sum(v => v * captured)); break;
                }
                Console.WriteLine(w);
            }
            Console.WriteLine(Generic(3, add) + FromElsewhere(4) + Filtered("5"));
            Fire();
            Console.WriteLine(Later(5).Result);
            foreach (var shape in new Shape[] { new Square(2), new Shape() })
                Console.WriteLine(shape.Area);
        }
    }
}
