# SPDX-License-Identifier: MIT
# Stacks of real threads.
if HAVE_CMOCKA
stacks_tests = tests/live/stacks-native tests/live/stacks-mixed tests/live/stacks-sample \
	tests/live/stacks-namespace
check_PROGRAMS += $(stacks_tests)
TESTS += $(stacks_tests)
tests_live_stacks_native_SOURCES = tests/live/stacks-native.c tests/live/tracer-support.c \
	tests/live/tracer-support.h
tests_live_stacks_native_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_stacks_native_LDADD = runtime-shim/libshims.la cordbg/liball.la $(CMOCKA_LIBS)
tests_live_stacks_mixed_SOURCES = tests/live/stacks-mixed.c $(icordebug_client)
tests_live_stacks_mixed_CFLAGS = $(icordebug_cflags) -DTEST_BUILD_FOLDER='"$(abs_top_builddir)"'
tests_live_stacks_mixed_LDADD = $(icordebug_libs)
tests_live_stacks_namespace_SOURCES = tests/live/stacks-namespace.c
tests_live_stacks_namespace_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS) \
	-DTEST_BUILD_FOLDER='"$(abs_top_builddir)"'
tests_live_stacks_namespace_LDADD = $(GLIB_LIBS) $(CMOCKA_LIBS)
tests_live_stacks_sample_SOURCES = tests/live/stacks-sample.c $(icordebug_client)
tests_live_stacks_sample_CFLAGS = $(icordebug_cflags) -DTEST_BUILD_FOLDER='"$(abs_top_builddir)"'
tests_live_stacks_sample_LDADD = $(icordebug_libs)

endif

# The native half of a debuggee: not instrumented, and its functions keep their frames.
noinst_LTLIBRARIES += tests/live/libtransitions.la
tests_live_libtransitions_la_SOURCES = tests/live/transitions-library.c
tests_live_libtransitions_la_CFLAGS = -std=gnu11 $(WARNING_CFLAGS) -g -O1 \
	-fno-optimize-sibling-calls
tests_live_libtransitions_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

EXTRA_DIST += tests/live/Transitions.cs
if HAVE_MCS
noinst_DATA += tests/live/Transitions.exe
CLEANFILES += tests/live/Transitions.exe tests/live/Transitions.exe.mdb
endif
tests/live/Transitions.exe: tests/live/Transitions.cs
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(MCS) -unsafe -debug -warnaserror -out:$@ $<
stacks_net = tests/live/net/Transitions.dll tests/live/net/release/Transitions.dll
if HAVE_DOTNET
noinst_DATA += $(stacks_net)
CLEANFILES += $(stacks_net) $(stacks_net:.dll=.pdb) $(stacks_net:.dll=.runtimeconfig.json)
endif
