# SPDX-License-Identifier: MIT
# What an interop debugger hears: of the tracer alone, and through ICorDebug.
if HAVE_CMOCKA
interop_tests = tests/live/interop-tracer tests/live/interop-events tests/live/interop-exceptions \
	tests/live/interop-sample tests/live/interop-traps tests/live/interop-rows
check_PROGRAMS += $(interop_tests)
TESTS += $(interop_tests)
tests_live_interop_tracer_SOURCES = tests/live/interop-tracer.c $(tracer_live_sources)
tests_live_interop_tracer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_interop_tracer_LDADD = $(tracer_live_libraries)
tests_live_interop_rows_SOURCES = tests/live/interop-rows.c $(tracer_live_sources)
tests_live_interop_rows_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_interop_rows_LDADD = $(tracer_live_libraries)

# The library of the program Trouble is loaded into a runtime: no sanitizers.
check_LTLIBRARIES += tests/live/libinterop-trouble.la
tests_live_libinterop_trouble_la_SOURCES = tests/live/interop-trouble.c tests/live/interop-trouble.h
tests_live_libinterop_trouble_la_CFLAGS = -std=gnu11 $(WARNING_CFLAGS) -fvisibility=hidden -fno-sanitize=all
tests_live_libinterop_trouble_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
tests_live_libinterop_trouble_la_LIBADD = -lm
interop_client = $(icordebug_client) tests/live/interop-support.c tests/live/interop-support.h \
	tests/live/interop-trouble.h
interop_cppflags = $(AM_CPPFLAGS) \
	-DTROUBLE_LIBRARY='"$(abs_builddir)/tests/live/.libs/libinterop-trouble.so"'
interop_dependencies = cordbg/libwhole.la tests/live/libinterop-trouble.la

tests_live_interop_events_SOURCES = tests/live/interop-events.c $(interop_client)
tests_live_interop_events_CPPFLAGS = $(interop_cppflags)
tests_live_interop_events_CFLAGS = $(icordebug_cflags)
tests_live_interop_events_LDADD = $(icordebug_libs)
tests_live_interop_events_DEPENDENCIES = $(interop_dependencies)
tests_live_interop_exceptions_SOURCES = tests/live/interop-exceptions.c $(interop_client)
tests_live_interop_exceptions_CPPFLAGS = $(interop_cppflags)
tests_live_interop_exceptions_CFLAGS = $(icordebug_cflags)
tests_live_interop_exceptions_LDADD = $(icordebug_libs)
tests_live_interop_exceptions_DEPENDENCIES = $(interop_dependencies)
tests_live_interop_traps_SOURCES = tests/live/interop-traps.c $(interop_client)
tests_live_interop_traps_CPPFLAGS = $(interop_cppflags)
tests_live_interop_traps_CFLAGS = $(icordebug_cflags)
tests_live_interop_traps_LDADD = $(icordebug_libs)
tests_live_interop_traps_DEPENDENCIES = $(interop_dependencies)
tests_live_interop_sample_SOURCES = tests/live/interop-sample.c $(interop_client)
tests_live_interop_sample_CPPFLAGS = $(interop_cppflags)
tests_live_interop_sample_CFLAGS = $(icordebug_cflags) $(JSON_CFLAGS)
tests_live_interop_sample_LDADD = $(icordebug_libs) $(JSON_LIBS)
tests_live_interop_sample_DEPENDENCIES = $(interop_dependencies) samples/interop
endif

EXTRA_DIST += tests/live/Libraries.cs tests/live/Trouble.cs
if HAVE_MCS
noinst_DATA += tests/live/Libraries.exe tests/live/Trouble.exe
CLEANFILES += tests/live/Libraries.exe tests/live/Libraries.exe.mdb
CLEANFILES += tests/live/Trouble.exe tests/live/Trouble.exe.mdb
endif
interop_dlls = tests/live/net/Libraries.dll tests/live/net/Trouble.dll
if HAVE_DOTNET
noinst_DATA += $(interop_dlls)
CLEANFILES += $(interop_dlls) $(interop_dlls:.dll=.pdb) $(interop_dlls:.dll=.runtimeconfig.json)
endif
