# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test-icordebug
TESTS += tests/unit/test-icordebug
tests_unit_test_icordebug_SOURCES = tests/unit/test-icordebug.c
tests_unit_test_icordebug_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_test_icordebug_LDADD = cordbg/liball.la $(GLIB_LIBS) $(CMOCKA_LIBS) -lpthread
endif
