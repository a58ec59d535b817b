# SPDX-License-Identifier: MIT
# The debugger engines' doors beyond the contracts' rows (memory.mk has those). After memory.mk.
if HAVE_CMOCKA
engines_tests = tests/live/test-engines-expressions tests/live/test-engines-extension \
	tests/live/test-engines-sample tests/live/test-engines-client \
	tests/live/test-engines-spaces tests/live/test-engines-managed
check_PROGRAMS += $(engines_tests)
TESTS += $(engines_tests)
tests_live_test_engines_expressions_SOURCES = tests/live/engines-expressions.c $(memory_live_child)
tests_live_test_engines_expressions_CFLAGS = $(memory_live_cflags)
tests_live_test_engines_expressions_LDADD = $(memory_live_traced)
tests_live_test_engines_extension_SOURCES = tests/live/engines-extension.c $(memory_live_fixture)
tests_live_test_engines_extension_CFLAGS = $(memory_live_cflags)
tests_live_test_engines_extension_LDADD = $(memory_live_traced)
tests_live_test_engines_client_SOURCES = tests/live/engines-client.c $(memory_live_fixture)
tests_live_test_engines_client_CFLAGS = $(memory_live_cflags)
tests_live_test_engines_client_LDADD = $(memory_live_traced)
tests_live_test_engines_spaces_SOURCES = tests/live/engines-spaces.c $(memory_live_fixture)
tests_live_test_engines_spaces_CFLAGS = $(memory_live_cflags)
tests_live_test_engines_spaces_LDADD = $(memory_live_traced)
tests_live_test_engines_managed_SOURCES = tests/live/engines-managed.c $(icordebug_client)
tests_live_test_engines_managed_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_live_test_engines_managed_LDADD = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS) -lpthread
tests_live_test_engines_sample_SOURCES = tests/live/engines-sample.c
tests_live_test_engines_sample_CPPFLAGS = $(AM_CPPFLAGS) \
	-DDOTNET='"$(DOTNET)"' -DHOST='"$(abs_builddir)/samples/windbg-ext/windbg-ext"' \
	-DEXTENSION='"$(abs_builddir)/samples/windbg-ext/.libs/codeview.so"'
tests_live_test_engines_sample_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_engines_sample_LDADD = $(CMOCKA_LIBS)
endif
