# SPDX-License-Identifier: MIT
# The memory room against real processes. Programs ending in -double link the tracer's double and
# need no other room; the same sources without it run over the real tracer.
if HAVE_CMOCKA
memory_live_tests = \
	tests/live/test-memory-reader-double \
	tests/live/test-memory-batch-double \
	tests/live/test-memory-race-double \
	tests/live/test-memory-doors-double \
	tests/live/test-memory-win32-double \
	tests/live/test-memory-engines-double \
	tests/live/test-memory-reader \
	tests/live/test-memory-batch \
	tests/live/test-memory-race \
	tests/live/test-memory-doors \
	tests/live/test-memory-win32 \
	tests/live/test-memory-engines \
	tests/live/test-memory-extension
check_PROGRAMS += $(memory_live_tests)
TESTS += $(memory_live_tests)

memory_live_child = tests/live/memory-child.c tests/live/memory-child.h tests/live/memory-session.h
memory_live_fixture = $(memory_live_child) tests/live/memory-fixture.c tests/live/memory-fixture.h
memory_live_double = tests/live/memory-tracer-double.c tests/live/memory-tracer-double.h
memory_live_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(GLIB_CFLAGS) -pthread
memory_live_engines = cordbg/memory/libengines.la cordbg/native/libnative.la
memory_live_libs = $(memory_live_engines) cordbg/memory/libmemory.la cordbg/com/libcom.la $(CMOCKA_LIBS) $(GLIB_LIBS)
memory_live_traced_deps = $(memory_live_engines) cordbg/memory/libmemory.la cordbg/tracer/libtracer-client.la cordbg/com/libcom.la
memory_live_traced = $(memory_live_traced_deps) $(CMOCKA_LIBS) $(GLIB_LIBS)

tests_live_test_memory_reader_double_SOURCES = tests/live/memory-reader.c $(memory_live_child) $(memory_live_double)
tests_live_test_memory_reader_double_CPPFLAGS = $(AM_CPPFLAGS) -DMEMORY_DOUBLE
tests_live_test_memory_reader_double_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_reader_double_LDADD = $(memory_live_libs)
tests_live_test_memory_reader_SOURCES = tests/live/memory-reader.c $(memory_live_child)
tests_live_test_memory_reader_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_reader_LDADD = $(memory_live_traced)

tests_live_test_memory_batch_double_SOURCES = tests/live/memory-batch.c $(memory_live_child) $(memory_live_double)
tests_live_test_memory_batch_double_CPPFLAGS = $(AM_CPPFLAGS) -DMEMORY_DOUBLE
tests_live_test_memory_batch_double_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_batch_double_LDADD = $(memory_live_libs)
tests_live_test_memory_batch_SOURCES = tests/live/memory-batch.c $(memory_live_child)
tests_live_test_memory_batch_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_batch_LDADD = $(memory_live_traced)

tests_live_test_memory_race_double_SOURCES = tests/live/memory-race.c $(memory_live_child) $(memory_live_double)
tests_live_test_memory_race_double_CPPFLAGS = $(AM_CPPFLAGS) -DMEMORY_DOUBLE
tests_live_test_memory_race_double_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_race_double_LDADD = $(memory_live_libs)
tests_live_test_memory_race_SOURCES = tests/live/memory-race.c $(memory_live_child)
tests_live_test_memory_race_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_race_LDADD = $(memory_live_traced)

tests_live_test_memory_doors_double_SOURCES = tests/live/memory-doors.c $(memory_live_fixture) $(memory_live_double)
tests_live_test_memory_doors_double_CPPFLAGS = $(AM_CPPFLAGS) -DMEMORY_DOUBLE
tests_live_test_memory_doors_double_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_doors_double_LDADD = $(memory_live_libs)
tests_live_test_memory_doors_SOURCES = tests/live/memory-doors.c $(memory_live_fixture)
tests_live_test_memory_doors_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_doors_LDADD = $(memory_live_traced)

tests_live_test_memory_win32_double_SOURCES = tests/live/memory-win32.c $(memory_live_fixture) $(memory_live_double)
tests_live_test_memory_win32_double_CPPFLAGS = $(AM_CPPFLAGS) -DMEMORY_DOUBLE
tests_live_test_memory_win32_double_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_win32_double_LDADD = $(memory_live_libs)
tests_live_test_memory_win32_SOURCES = tests/live/memory-win32.c $(memory_live_fixture)
tests_live_test_memory_win32_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_win32_LDADD = $(memory_live_traced)

tests_live_test_memory_engines_double_SOURCES = tests/live/memory-engines.c $(memory_live_fixture) $(memory_live_double)
tests_live_test_memory_engines_double_CPPFLAGS = $(AM_CPPFLAGS) -DMEMORY_DOUBLE
tests_live_test_memory_engines_double_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_engines_double_LDADD = $(memory_live_libs)
tests_live_test_memory_engines_SOURCES = tests/live/memory-engines.c $(memory_live_fixture)
tests_live_test_memory_engines_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_engines_LDADD = $(memory_live_traced)

# An extension library in WinDbg's style; -rpath makes libtool build a shared one.
check_LTLIBRARIES += tests/live/memory-extension.la
tests_live_memory_extension_la_SOURCES = tests/live/memory-extension.c
tests_live_memory_extension_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
tests_live_test_memory_extension_SOURCES = tests/live/memory-extension-host.c $(memory_live_child)
tests_live_test_memory_extension_CPPFLAGS = $(AM_CPPFLAGS) \
	-DEXTENSION='"$(abs_builddir)/tests/live/.libs/memory-extension.so"'
tests_live_test_memory_extension_CFLAGS = $(memory_live_cflags)
tests_live_test_memory_extension_LDADD = $(memory_live_traced)
tests_live_test_memory_extension_DEPENDENCIES = $(memory_live_traced_deps) tests/live/memory-extension.la
endif
