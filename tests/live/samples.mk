# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
check_PROGRAMS += tests/live/test-samples
TESTS += tests/live/test-samples
tests_live_test_samples_SOURCES = tests/live/samples.c
tests_live_test_samples_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_samples_LDADD = $(JSON_LIBS) $(GLIB_LIBS) $(CMOCKA_LIBS)
endif
