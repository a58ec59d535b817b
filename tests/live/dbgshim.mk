# SPDX-License-Identifier: MIT
# libdbgshim.so as an adapter uses it: the client sees the public headers only, links nothing of
# cordbg's, and has a waitpid of its own.
if HAVE_CMOCKA
check_PROGRAMS += tests/live/test-dbgshim tests/live/test-startup-net tests/live/startup-host
check_PROGRAMS += tests/live/test-dbgshim-stops
TESTS += tests/live/test-dbgshim-stops
check_PROGRAMS += tests/live/test-coreclr-hardmode tests/live/test-mscordbi-oracle
TESTS += tests/live/test-dbgshim tests/live/test-startup-net tests/live/test-coreclr-hardmode
TESTS += tests/live/test-mscordbi-oracle
dbgshim_client = tests/live/dbgshim-client.c tests/live/dbgshim-client.h samples/callback.c samples/callback.h
tests_live_test_dbgshim_SOURCES = tests/live/dbgshim-adapter.c $(dbgshim_client)
tests_live_test_dbgshim_CPPFLAGS = -I$(top_srcdir)/include -I$(top_srcdir)/samples -D_GNU_SOURCE
tests_live_test_dbgshim_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_live_test_dbgshim_LDFLAGS = $(AM_LDFLAGS) -rdynamic
tests_live_test_dbgshim_LDADD = $(CMOCKA_LIBS) -lpthread -ldl

tests_live_test_dbgshim_stops_SOURCES = tests/live/dbgshim-stops.c $(dbgshim_client)
tests_live_test_dbgshim_stops_CPPFLAGS = $(tests_live_test_dbgshim_CPPFLAGS)
tests_live_test_dbgshim_stops_CFLAGS = $(tests_live_test_dbgshim_CFLAGS)
tests_live_test_dbgshim_stops_LDFLAGS = $(tests_live_test_dbgshim_LDFLAGS)
tests_live_test_dbgshim_stops_LDADD = $(tests_live_test_dbgshim_LDADD)

tests_live_test_startup_net_SOURCES = tests/live/startup-net.c $(dbgshim_client)
tests_live_test_startup_net_CPPFLAGS = $(tests_live_test_dbgshim_CPPFLAGS)
tests_live_test_startup_net_CFLAGS = $(tests_live_test_dbgshim_CFLAGS)
tests_live_test_startup_net_LDFLAGS = $(tests_live_test_dbgshim_LDFLAGS)
tests_live_test_startup_net_LDADD = $(tests_live_test_dbgshim_LDADD)

tests_live_test_coreclr_hardmode_SOURCES = tests/live/coreclr-hardmode.c $(dbgshim_client)
tests_live_test_coreclr_hardmode_CPPFLAGS = $(tests_live_test_dbgshim_CPPFLAGS) -DDOCS='"$(abs_top_srcdir)/docs"'
tests_live_test_coreclr_hardmode_CFLAGS = $(tests_live_test_dbgshim_CFLAGS)
tests_live_test_coreclr_hardmode_LDFLAGS = $(tests_live_test_dbgshim_LDFLAGS)
tests_live_test_coreclr_hardmode_LDADD = $(tests_live_test_dbgshim_LDADD)

tests_live_test_mscordbi_oracle_SOURCES = tests/live/mscordbi-oracle.c \
	tests/live/mscordbi.c tests/live/mscordbi.h $(dbgshim_client)
tests_live_test_mscordbi_oracle_CPPFLAGS = $(tests_live_test_dbgshim_CPPFLAGS)
tests_live_test_mscordbi_oracle_CFLAGS = $(tests_live_test_dbgshim_CFLAGS)
tests_live_test_mscordbi_oracle_LDFLAGS = $(tests_live_test_dbgshim_LDFLAGS)
tests_live_test_mscordbi_oracle_LDADD = $(tests_live_test_dbgshim_LDADD)

check_PROGRAMS += tests/live/test-own-traps
TESTS += tests/live/test-own-traps
tests_live_test_own_traps_SOURCES = tests/live/startup-own-traps.c $(tracer_live_sources)
tests_live_test_own_traps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_own_traps_LDADD = $(tracer_live_libraries)

# A host that is debugged: as anybody would build it.
tests_live_startup_host_SOURCES = tests/live/startup-host.c
tests_live_startup_host_CFLAGS = -Wall -Wextra -Werror
tests_live_startup_host_LDADD = -ldl
endif

EXTRA_DIST += tests/live/ShimExit.cs tests/live/Hosted.cs tests/live/HardMode.cs tests/live/OracleTarget.cs \
  tests/installed/dbgshim-launch.c
if HAVE_MCS
noinst_DATA += tests/live/ShimExit.exe
CLEANFILES += tests/live/ShimExit.exe tests/live/ShimExit.exe.mdb
endif
dbgshim_dlls = tests/live/net/ShimExit.dll tests/live/net/Hosted.dll \
  tests/live/net/HardMode.dll tests/live/net/OracleTarget.dll
if HAVE_DOTNET
noinst_DATA += $(dbgshim_dlls)
CLEANFILES += $(dbgshim_dlls) $(dbgshim_dlls:.dll=.pdb) $(dbgshim_dlls:.dll=.runtimeconfig.json)
endif
tests/live/net/ShimExit.dll: tests/live/ShimExit.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
tests/live/net/Hosted.dll: tests/live/Hosted.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
tests/live/net/HardMode.dll: tests/live/HardMode.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
tests/live/net/OracleTarget.dll: tests/live/OracleTarget.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
