# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
com_unit_tests = \
	tests/unit/test-utf16 \
	tests/unit/test-hresult \
	tests/unit/test-com-object \
	tests/unit/test-com-enumerator
check_PROGRAMS += $(com_unit_tests)
TESTS += $(com_unit_tests)
DISTCHECK_TESTS += $(com_unit_tests)

com_unit_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
com_unit_ldadd = cordbg/com/libcom.la $(CMOCKA_LIBS) -lpthread

tests_unit_test_utf16_SOURCES = tests/unit/test-utf16.c tests/unit/com-random.h
tests_unit_test_utf16_CFLAGS = $(com_unit_cflags)
tests_unit_test_utf16_LDADD = $(com_unit_ldadd)
tests_unit_test_hresult_SOURCES = tests/unit/test-hresult.c
tests_unit_test_hresult_CFLAGS = $(com_unit_cflags)
tests_unit_test_hresult_LDADD = $(com_unit_ldadd)
tests_unit_test_com_object_SOURCES = tests/unit/test-com-object.c
tests_unit_test_com_object_CFLAGS = $(com_unit_cflags)
tests_unit_test_com_object_LDADD = $(com_unit_ldadd)
tests_unit_test_com_enumerator_SOURCES = tests/unit/test-com-enumerator.c tests/unit/com-random.h
tests_unit_test_com_enumerator_CFLAGS = $(com_unit_cflags)
tests_unit_test_com_enumerator_LDADD = $(com_unit_ldadd)
endif
