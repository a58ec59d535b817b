# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
tracer_live_tests = tests/live/tracer-hits tests/live/tracer-steps tests/live/tracer-life \
	tests/live/tracer-kill tests/live/tracer-calls tests/live/tracer-space tests/live/tracer-refusals
check_PROGRAMS += $(tracer_live_tests)
TESTS += $(tracer_live_tests)
tracer_live_sources = tests/live/tracer-support.c tests/live/tracer-support.h
tracer_live_libraries = cordbg/tracer/libtracer-client.la cordbg/memory/libpatch.la \
	cordbg/com/libcom.la $(CMOCKA_LIBS) -lpthread -ldl

tests_live_tracer_hits_SOURCES = tests/live/tracer-hits.c $(tracer_live_sources)
tests_live_tracer_hits_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_tracer_hits_LDADD = $(tracer_live_libraries)

tests_live_tracer_steps_SOURCES = tests/live/tracer-steps.c $(tracer_live_sources)
tests_live_tracer_steps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_tracer_steps_LDADD = $(tracer_live_libraries)

tests_live_tracer_life_SOURCES = tests/live/tracer-life.c $(tracer_live_sources)
tests_live_tracer_life_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_tracer_life_LDADD = $(tracer_live_libraries)

tests_live_tracer_kill_SOURCES = tests/live/tracer-kill.c $(tracer_live_sources)
tests_live_tracer_kill_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_tracer_kill_LDADD = $(tracer_live_libraries)

tests_live_tracer_calls_SOURCES = tests/live/tracer-calls.c $(tracer_live_sources)
tests_live_tracer_calls_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_tracer_calls_LDADD = $(tracer_live_libraries)

tests_live_tracer_space_SOURCES = tests/live/tracer-space.c cordbg/tracer/space.c \
	$(tracer_live_sources)
tests_live_tracer_space_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_tracer_space_LDADD = $(tracer_live_libraries)

tests_live_tracer_refusals_SOURCES = tests/live/tracer-refusals.c $(tracer_live_sources)
tests_live_tracer_refusals_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_tracer_refusals_LDADD = $(tracer_live_libraries)
endif
