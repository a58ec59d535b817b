# SPDX-License-Identifier: MIT
# What the tests of metadata and lines need besides what icordebug.mk builds.
if HAVE_DOTNET
metadata_net = tests/live/net/InMemory.dll tests/live/net/Emitted.dll
noinst_DATA += $(metadata_net)
CLEANFILES += $(metadata_net) $(metadata_net:.dll=.pdb) $(metadata_net:.dll=.runtimeconfig.json)
endif

EXTRA_DIST += tests/live/Emitted.cs
if HAVE_MCS
noinst_DATA += tests/live/Emitted.exe
CLEANFILES += tests/live/Emitted.exe tests/live/Emitted.exe.mdb
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/live/test-samples-lines
TESTS += tests/live/test-samples-lines
tests_live_test_samples_lines_SOURCES = tests/live/samples-lines.c $(samples_support)
tests_live_test_samples_lines_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_samples_lines_LDADD = $(GLIB_LIBS) $(CMOCKA_LIBS)
endif
