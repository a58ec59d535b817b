# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
tracer_live_tests = tests/live/tracer-hits
check_PROGRAMS += $(tracer_live_tests)
TESTS += $(tracer_live_tests)
tracer_live_sources = tests/live/tracer-support.c tests/live/tracer-support.h
tracer_live_libraries = cordbg/tracer/libtracer-client.la cordbg/memory/libpatch.la \
	cordbg/com/libcom.la $(CMOCKA_LIBS) -lpthread -ldl

tests_live_tracer_hits_SOURCES = tests/live/tracer-hits.c $(tracer_live_sources)
tests_live_tracer_hits_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_tracer_hits_LDADD = $(tracer_live_libraries)
endif
