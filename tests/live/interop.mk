# SPDX-License-Identifier: MIT
# What an interop debugger hears: of the tracer alone, and through ICorDebug.
if HAVE_CMOCKA
interop_tests = tests/live/interop-tracer tests/live/interop-mono
check_PROGRAMS += $(interop_tests)
TESTS += $(interop_tests)
tests_live_interop_tracer_SOURCES = tests/live/interop-tracer.c $(tracer_live_sources)
tests_live_interop_tracer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_interop_tracer_LDADD = $(tracer_live_libraries)
tests_live_interop_mono_SOURCES = tests/live/interop-mono.c $(icordebug_client)
tests_live_interop_mono_CFLAGS = $(icordebug_cflags)
tests_live_interop_mono_LDADD = $(icordebug_libs)
endif

EXTRA_DIST += tests/live/Libraries.cs
if HAVE_MCS
noinst_DATA += tests/live/Libraries.exe
CLEANFILES += tests/live/Libraries.exe tests/live/Libraries.exe.mdb
endif
