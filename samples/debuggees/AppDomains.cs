// SPDX-License-Identifier: MIT
// Makes app domains, runs a method in each, unloads them. With "keep" one stays for good.
// Arguments: [seconds (default 60)] [keep | churn (default)] [milliseconds that each one lives]
using System;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Debuggees {
  public class Resident : MarshalByRefObject {
    [MethodImpl(MethodImplOptions.NoInlining)]
    public int Visit(int value) {
      return value + AppDomain.CurrentDomain.Id;
    }
  }

  public class AppDomains {
    static AppDomain Make(string name, out Resident resident) {
      AppDomain domain = AppDomain.CreateDomain(name);
      resident = (Resident)domain.CreateInstanceAndUnwrap(typeof(Resident).Assembly.FullName,
                                                          typeof(Resident).FullName);
      resident.Visit(1);
      return domain;
    }

    public static int Main(string[] args) {
      int seconds = args.Length > 0 ? int.Parse(args[0]) : 60;
      bool keep = args.Length > 1 && args[1] == "keep";
      int life = args.Length > 2 ? int.Parse(args[2]) : 20;
      DateTime end = DateTime.UtcNow.AddSeconds(seconds);
      Resident resident;
      new Resident().Visit(0);
      if (keep) {
        Make("second", out resident);
        Console.WriteLine("ready");
        while (DateTime.UtcNow < end) {
          resident.Visit(2);
          new Resident().Visit(3);
          Thread.Sleep(1);
        }
        return 0;
      }
      Console.WriteLine("ready");
      int number = 0;
      while (DateTime.UtcNow < end) {
        AppDomain domain = Make("brief" + number++, out resident);
        resident.Visit(number);
        Thread.Sleep(life);
        AppDomain.Unload(domain);
        Thread.Sleep(life);
      }
      return 0;
    }
  }
}
