# SPDX-License-Identifier: MIT
# ICorDebug over real programs. icordebug_libs is the library before its version script: the tests
# count its objects.
icordebug_cflags = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS) -pthread
icordebug_libs = cordbg/liball.la $(RUNTIME_SHIMS) $(GLIB_LIBS) $(CMOCKA_LIBS) -lpthread
icordebug_client = tests/live/icordebug-client.c tests/live/icordebug-client.h

if HAVE_CMOCKA
check_PROGRAMS += tests/live/test-icordebug-mono
TESTS += tests/live/test-icordebug-mono
tests_live_test_icordebug_mono_SOURCES = tests/live/icordebug-mono.c $(icordebug_client)
tests_live_test_icordebug_mono_CFLAGS = $(icordebug_cflags)
tests_live_test_icordebug_mono_LDADD = $(icordebug_libs)
endif
