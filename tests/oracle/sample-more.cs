// SPDX-License-Identifier: MIT
// Compiled together with sample.cs, which tests/fuzz/seeds hold as it is.
using System;
using System.Collections.Generic;

namespace Sample.More
{
    using IO = System.IO;
    using Text = System.String;
    using static System.Math;

    // What other blocks may leave out; constants of every kind; locals of an iterator.
    public static class Constants
    {
        static Text Join(IO.TextWriter writer)
        {
            const decimal price = -1234567890123456789.0125m;
            const decimal zero = 0m;
            const DayOfWeek day = DayOfWeek.Friday;
            const Text none = null;
            const Text empty = "";
            const object nothing = null;
            const Shape shape = null;
            const char letter = '\u00e9';
            const bool yes = true;
            const byte small = 200;
            const sbyte negative = -3;
            const short lower = short.MinValue;
            const ushort upper = ushort.MaxValue;
            const uint natural = uint.MaxValue;
            const long large = long.MinValue;
            const ulong largest = ulong.MaxValue;
            const float single = 1.5f;
            writer.Write(price + zero + small + negative + lower + upper + natural + large + Abs(-1));
            writer.Write(Text.Format("{0}{1}{2}{3}", day, none, empty, nothing) + shape + letter + yes + largest + single);
            return writer.ToString();
        }

        static IEnumerable<Text> Lines()
        {
            for (int first = 0; first < 2; first++)
            {
                Text line = first + Join(new IO.StringWriter());
                yield return line;
                foreach (char second in line)
                    yield return second.ToString() + first;
            }
        }
    }
}
