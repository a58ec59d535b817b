# SPDX-License-Identifier: MIT
# libdbgshim.so as an adapter uses it: the client sees the public headers only, links nothing of
# cordbg's, and has a waitpid of its own.
if HAVE_CMOCKA
check_PROGRAMS += tests/live/test-dbgshim
TESTS += tests/live/test-dbgshim
dbgshim_client = tests/live/dbgshim-client.c tests/live/dbgshim-client.h samples/callback.c samples/callback.h
tests_live_test_dbgshim_SOURCES = tests/live/dbgshim-adapter.c $(dbgshim_client)
tests_live_test_dbgshim_CPPFLAGS = -I$(top_srcdir)/include -I$(top_srcdir)/samples -D_GNU_SOURCE
tests_live_test_dbgshim_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_live_test_dbgshim_LDFLAGS = $(AM_LDFLAGS) -rdynamic
tests_live_test_dbgshim_LDADD = $(CMOCKA_LIBS) -lpthread -ldl
endif

EXTRA_DIST += tests/live/ShimExit.cs
if HAVE_MCS
noinst_DATA += tests/live/ShimExit.exe
CLEANFILES += tests/live/ShimExit.exe tests/live/ShimExit.exe.mdb
endif
dbgshim_dlls = tests/live/net/ShimExit.dll
if HAVE_DOTNET
noinst_DATA += $(dbgshim_dlls)
CLEANFILES += $(dbgshim_dlls) $(dbgshim_dlls:.dll=.pdb) $(dbgshim_dlls:.dll=.runtimeconfig.json)
endif
tests/live/net/ShimExit.dll: tests/live/ShimExit.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
