# SPDX-License-Identifier: MIT
# The DAC host on real .NET processes.
if HAVE_CMOCKA
dac_live_tests = tests/live/test-dac-queries
check_PROGRAMS += $(dac_live_tests)
TESTS += $(dac_live_tests)
tests_live_test_dac_queries_SOURCES = tests/live/dac-queries.c
tests_live_test_dac_queries_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_dac_queries_LDADD = runtime-shim/coreclr/libcoreclr-shim.la cordbg/liball.la $(CMOCKA_LIBS)
endif
