# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test-emulate
TESTS += tests/unit/test-emulate
tests_unit_test_emulate_SOURCES = tests/unit/test-emulate.c
tests_unit_test_emulate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_emulate_LDADD = cordbg/tracer/libemulate.la $(CMOCKA_LIBS) $(ZYDIS_LIBS)
endif
