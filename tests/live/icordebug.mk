# SPDX-License-Identifier: MIT
# ICorDebug over real programs. icordebug_libs is the library before its version script: the tests
# count its objects.
icordebug_cflags = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS) -pthread
icordebug_libs = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS) -lpthread
icordebug_client = tests/live/icordebug-client.c tests/live/icordebug-breaking.c \
	tests/live/icordebug-client.h

if HAVE_CMOCKA
icordebug_tests = tests/live/test-icordebug-breakpoints tests/live/test-icordebug-memory \
	tests/live/test-icordebug-abort tests/live/test-icordebug-life \
	tests/live/test-icordebug-load tests/live/test-icordebug-metadata \
	tests/live/test-icordebug-threads tests/live/test-icordebug-copies
check_PROGRAMS += $(icordebug_tests)
TESTS += $(icordebug_tests)
tests_live_test_icordebug_breakpoints_SOURCES = tests/live/icordebug-breakpoints.c $(icordebug_client)
tests_live_test_icordebug_breakpoints_CFLAGS = $(icordebug_cflags)
tests_live_test_icordebug_breakpoints_LDADD = $(icordebug_libs)
tests_live_test_icordebug_abort_SOURCES = tests/live/icordebug-abort.c $(icordebug_client)
tests_live_test_icordebug_abort_CFLAGS = $(icordebug_cflags) -DTEST_BUILD_FOLDER='"$(abs_top_builddir)"'
tests_live_test_icordebug_abort_LDADD = $(icordebug_libs)
tests_live_test_icordebug_memory_SOURCES = tests/live/icordebug-memory.c $(icordebug_client)
tests_live_test_icordebug_memory_CFLAGS = $(icordebug_cflags)
tests_live_test_icordebug_memory_LDADD = $(icordebug_libs)
tests_live_test_icordebug_load_SOURCES = tests/live/icordebug-load.c $(icordebug_client)
tests_live_test_icordebug_load_CFLAGS = $(icordebug_cflags)
tests_live_test_icordebug_load_LDADD = $(icordebug_libs)
tests_live_test_icordebug_life_SOURCES = tests/live/icordebug-life.c $(icordebug_client)
tests_live_test_icordebug_life_CFLAGS = $(icordebug_cflags)
tests_live_test_icordebug_life_LDADD = $(icordebug_libs)
tests_live_test_icordebug_metadata_SOURCES = tests/live/icordebug-metadata.c $(icordebug_client)
tests_live_test_icordebug_metadata_CFLAGS = $(icordebug_cflags)
tests_live_test_icordebug_metadata_LDADD = $(icordebug_libs)
tests_live_test_icordebug_threads_SOURCES = tests/live/icordebug-threads.c $(icordebug_client)
tests_live_test_icordebug_threads_CFLAGS = $(icordebug_cflags)
tests_live_test_icordebug_threads_LDADD = $(icordebug_libs)
tests_live_test_icordebug_copies_SOURCES = tests/live/icordebug-copies.c $(icordebug_client)
tests_live_test_icordebug_copies_CFLAGS = $(icordebug_cflags) -DTEST_SOURCE_FOLDER='"$(abs_top_srcdir)"'
tests_live_test_icordebug_copies_LDADD = $(icordebug_libs)
endif

EXTRA_DIST += tests/live/ExactHits.cs tests/live/FirstCalls.cs tests/live/InMemory.cs
EXTRA_DIST += tests/live/ThreadLives.cs tests/live/CopiedCode.cs
if HAVE_MCS
noinst_DATA += tests/live/ExactHits.exe tests/live/FirstCalls.exe tests/live/InMemory.exe
noinst_DATA += tests/live/ThreadLives.exe tests/live/CopiedCode.exe
CLEANFILES += tests/live/CopiedCode.exe tests/live/CopiedCode.exe.mdb
CLEANFILES += tests/live/FirstCalls.exe tests/live/FirstCalls.exe.mdb
CLEANFILES += tests/live/ExactHits.exe tests/live/ExactHits.exe.mdb
CLEANFILES += tests/live/InMemory.exe tests/live/InMemory.exe.mdb
CLEANFILES += tests/live/ThreadLives.exe tests/live/ThreadLives.exe.mdb
endif

# The same for .NET, as Debug and as Release.
tests/live/net/%.dll: tests/live/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
tests/live/net/release/%.dll: tests/live/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize+ $<
if HAVE_DOTNET
icordebug_net = tests/live/net/ExactHits.dll tests/live/net/release/ExactHits.dll \
	tests/live/net/FirstCalls.dll tests/live/net/release/FirstCalls.dll \
	tests/live/net/ThreadLives.dll \
	tests/live/net/CopiedCode.dll tests/live/net/release/CopiedCode.dll
noinst_DATA += $(icordebug_net)
CLEANFILES += $(icordebug_net) $(icordebug_net:.dll=.pdb) $(icordebug_net:.dll=.runtimeconfig.json)
endif
