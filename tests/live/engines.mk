# SPDX-License-Identifier: MIT
# The debugger engines' doors beyond the contracts' rows (memory.mk has those). After memory.mk.
if HAVE_CMOCKA
engines_tests = tests/live/test-engines-expressions tests/live/test-engines-extension
check_PROGRAMS += $(engines_tests)
TESTS += $(engines_tests)
tests_live_test_engines_expressions_SOURCES = tests/live/engines-expressions.c $(memory_live_child)
tests_live_test_engines_expressions_CFLAGS = $(memory_live_cflags)
tests_live_test_engines_expressions_LDADD = $(memory_live_traced)
tests_live_test_engines_extension_SOURCES = tests/live/engines-extension.c $(memory_live_fixture)
tests_live_test_engines_extension_CFLAGS = $(memory_live_cflags)
tests_live_test_engines_extension_LDADD = $(memory_live_traced)
endif
