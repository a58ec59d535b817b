# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
memory_unit_tests = tests/unit/test-memory-overlay
check_PROGRAMS += $(memory_unit_tests)
TESTS += $(memory_unit_tests)
DISTCHECK_TESTS += $(memory_unit_tests)

tests_unit_test_memory_overlay_SOURCES = tests/unit/test-memory-overlay.c \
	tests/unit/memory-model.c tests/unit/memory-model.h
tests_unit_test_memory_overlay_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_memory_overlay_LDADD = cordbg/memory/libpatch.la cordbg/com/libcom.la $(CMOCKA_LIBS)
endif
