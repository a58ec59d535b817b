# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
native_unit_tests = tests/unit/test-emulate tests/unit/test-native-symbols \
	tests/unit/test-native-hostile tests/unit/test-native-lines
check_PROGRAMS += $(native_unit_tests)
TESTS += $(native_unit_tests)

tests_unit_test_emulate_SOURCES = tests/unit/test-emulate.c tests/unit/emulate-templates.c \
	tests/unit/emulate-templates.h tests/unit/native-random.h
tests_unit_test_emulate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_emulate_LDADD = cordbg/tracer/libemulate.la $(CMOCKA_LIBS) $(ZYDIS_LIBS)

tests_unit_test_native_symbols_SOURCES = tests/unit/test-native-symbols.c
tests_unit_test_native_symbols_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_native_symbols_LDADD = cordbg/native/libnative.la cordbg/memory/libpatch.la \
	cordbg/com/libcom.la $(GLIB_LIBS) $(CMOCKA_LIBS) -ldl

tests_unit_test_native_hostile_SOURCES = tests/unit/test-native-hostile.c tests/unit/native-random.h
tests_unit_test_native_hostile_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_native_hostile_LDADD = cordbg/native/libnative.la cordbg/memory/libpatch.la \
	cordbg/com/libcom.la $(GLIB_LIBS) $(CMOCKA_LIBS)

tests_unit_test_native_lines_SOURCES = tests/unit/test-native-lines.c tests/unit/native-random.h
tests_unit_test_native_lines_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(DW_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_native_lines_LDADD = cordbg/native/libnative.la cordbg/memory/libpatch.la \
	cordbg/com/libcom.la $(GLIB_LIBS) $(DW_LIBS) $(CMOCKA_LIBS)
endif
