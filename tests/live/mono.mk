# SPDX-License-Identifier: MIT
# The Mono shim on real Mono processes, at the level of runtime.h.
if HAVE_CMOCKA
mono_live_tests = tests/live/test-mono-attach tests/live/test-mono-launch \
	tests/live/test-mono-domains tests/live/test-mono-unwind
check_PROGRAMS += $(mono_live_tests) tests/live/mono-embedder
TESTS += $(mono_live_tests)
mono_live_cflags = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS) \
	-DTEST_BUILD_FOLDER='"$(abs_top_builddir)"'
mono_live_ldadd = runtime-shim/libshims.la cordbg/liball.la $(CMOCKA_LIBS)
mono_live_support = tests/live/mono-support.c tests/live/mono-support.h

tests_live_test_mono_attach_SOURCES = tests/live/mono-attach.c $(mono_live_support)
tests_live_test_mono_attach_CFLAGS = $(mono_live_cflags)
tests_live_test_mono_attach_LDADD = $(mono_live_ldadd)
tests_live_test_mono_launch_SOURCES = tests/live/mono-launch.c $(mono_live_support)
tests_live_test_mono_launch_CFLAGS = $(mono_live_cflags)
tests_live_test_mono_launch_LDADD = $(mono_live_ldadd)
tests_live_test_mono_domains_SOURCES = tests/live/mono-domains.c $(mono_live_support)
tests_live_test_mono_domains_CFLAGS = $(mono_live_cflags)
tests_live_test_mono_domains_LDADD = $(mono_live_ldadd)
tests_live_test_mono_unwind_SOURCES = tests/live/unwind.c $(mono_live_support)
tests_live_test_mono_unwind_CFLAGS = $(mono_live_cflags)
tests_live_test_mono_unwind_LDADD = $(mono_live_ldadd)
EXTRA_DIST += tests/live/ShadowStack.cs
if HAVE_MCS
noinst_DATA += tests/live/ShadowStack.exe
CLEANFILES += tests/live/ShadowStack.exe tests/live/ShadowStack.exe.mdb
endif

# A debuggee: not instrumented.
tests_live_mono_embedder_SOURCES = tests/live/mono-embedder.c
tests_live_mono_embedder_CFLAGS = -std=gnu11 $(WARNING_CFLAGS)
tests_live_mono_embedder_LDFLAGS =
tests_live_mono_embedder_LDADD = -ldl
endif
