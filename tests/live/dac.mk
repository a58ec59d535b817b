# SPDX-License-Identifier: MIT
# The DAC host on real .NET processes.
if HAVE_CMOCKA
dac_live_tests = tests/live/test-dac-queries tests/live/test-coreclr-unwind \
	tests/live/test-dac-resilience tests/live/test-dac-errors tests/live/test-dac-metadata
check_PROGRAMS += $(dac_live_tests) tests/live/dac-impostor tests/live/dac-aot
TESTS += $(dac_live_tests)
tests_live_test_dac_queries_SOURCES = tests/live/dac-queries.c
tests_live_test_dac_queries_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_dac_queries_LDADD = runtime-shim/coreclr/libcoreclr-shim.la cordbg/liball.la $(CMOCKA_LIBS)
tests_live_test_dac_resilience_SOURCES = tests/live/dac-resilience.c tests/live/dac-resilience.h \
	tests/live/dac-inside.c $(mono_live_support)
tests_live_test_dac_resilience_CFLAGS = $(mono_live_cflags)
tests_live_test_dac_resilience_LDADD = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_live_test_dac_resilience_DEPENDENCIES = tests/live/dac-impostor$(EXEEXT)
# Takes the place of cordbg-dac, whose environment has nothing of the test's.
tests_live_dac_impostor_SOURCES = tests/live/dac-impostor.c
tests_live_dac_impostor_CFLAGS = -std=gnu11 $(WARNING_CFLAGS)
tests_live_dac_impostor_LDFLAGS =
tests_live_test_dac_metadata_SOURCES = tests/live/dac-metadata.c tests/live/dac-resilience.h \
	tests/live/dac-inside.c $(mono_live_support)
tests_live_test_dac_metadata_CFLAGS = $(mono_live_cflags)
tests_live_test_dac_metadata_LDADD = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS) -ldl
tests_live_test_dac_errors_SOURCES = tests/live/dac-errors.c $(mono_live_support)
tests_live_test_dac_errors_CFLAGS = $(mono_live_cflags)
tests_live_test_dac_errors_LDADD = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_live_test_dac_errors_DEPENDENCIES = tests/live/dac-aot$(EXEEXT)
tests_live_dac_aot_SOURCES = tests/live/dac-aot.c
tests_live_dac_aot_CFLAGS = -std=gnu11 $(WARNING_CFLAGS)
tests_live_dac_aot_LDFLAGS = -rdynamic
tests_live_test_coreclr_unwind_SOURCES = tests/live/unwind.c $(mono_live_support)
tests_live_test_coreclr_unwind_CFLAGS = $(mono_live_cflags) -DUNWIND_ON_NET
tests_live_test_coreclr_unwind_LDADD = $(mono_live_ldadd)
endif

dac_net = tests/live/net/ShadowStack.dll
dac_net_release = tests/live/net/release/ShadowStack.dll
if HAVE_DOTNET
noinst_DATA += $(dac_net) $(dac_net_release)
CLEANFILES += $(dac_net) $(dac_net:.dll=.pdb) $(dac_net:.dll=.runtimeconfig.json) \
	$(dac_net_release) $(dac_net_release:.dll=.pdb) $(dac_net_release:.dll=.runtimeconfig.json)
endif
$(dac_net): tests/live/net/%.dll: tests/live/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
$(dac_net_release): tests/live/net/release/%.dll: tests/live/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize+ $<
