# SPDX-License-Identifier: MIT
# The C# debuggees, built when there is a compiler: $(builddir)/samples/debuggees/NAME.exe, with
# symbols (.mdb).

debuggee_cs = \
  samples/debuggees/Counter.cs \
  samples/debuggees/ManyThreads.cs \
  samples/debuggees/Generics.cs \
  samples/debuggees/AppDomains.cs \
  samples/debuggees/DynamicMethods.cs \
  samples/debuggees/FreshMethods.cs \
  samples/debuggees/Exceptions.cs \
  samples/debuggees/NativeCalls.cs \
  samples/debuggees/Processes.cs
DEBUGGEE_IMAGES = \
  samples/debuggees/Counter.exe \
  samples/debuggees/ManyThreads.exe \
  samples/debuggees/Generics.exe \
  samples/debuggees/AppDomains.exe \
  samples/debuggees/DynamicMethods.exe \
  samples/debuggees/FreshMethods.exe \
  samples/debuggees/Exceptions.exe \
  samples/debuggees/NativeCalls.exe \
  samples/debuggees/Processes.exe

EXTRA_DIST += $(debuggee_cs)

if HAVE_MCS
noinst_DATA += $(DEBUGGEE_IMAGES)
CLEANFILES += $(DEBUGGEE_IMAGES) $(DEBUGGEE_IMAGES:.exe=.exe.mdb)
endif

# The same sources for .NET, as Debug and as Release: $(builddir)/samples/debuggees/net/NAME.dll and
# release/NAME.dll, each with its .pdb and .runtimeconfig.json; run by `dotnet NAME.dll`.
net_names = Counter ManyThreads Generics FreshMethods Exceptions NativeCalls Processes DynamicMethods
net_dlls = $(net_names:%=samples/debuggees/net/%.dll) $(net_names:%=samples/debuggees/net/release/%.dll)
if HAVE_DOTNET
noinst_DATA += $(net_dlls)
CLEANFILES += $(net_dlls) $(net_dlls:.dll=.pdb) $(net_dlls:.dll=.runtimeconfig.json)
endif
EXTRA_DIST += tools/csc-net
samples/debuggees/net/%.dll: samples/debuggees/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
samples/debuggees/net/release/%.dll: samples/debuggees/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize+ $<

SUFFIXES = .cs .exe
.cs.exe:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(MCS) -debug -warnaserror -out:$@ $<
