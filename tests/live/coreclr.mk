# SPDX-License-Identifier: MIT
# The CoreCLR shim on real .NET processes, at the level of runtime.h.
if HAVE_CMOCKA
coreclr_live_tests = tests/live/test-coreclr-session
check_PROGRAMS += $(coreclr_live_tests)
TESTS += $(coreclr_live_tests)
tests_live_test_coreclr_session_SOURCES = tests/live/coreclr-session.c
tests_live_test_coreclr_session_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_coreclr_session_LDADD = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS)
endif
