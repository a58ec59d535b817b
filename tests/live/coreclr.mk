# SPDX-License-Identifier: MIT
# The CoreCLR shim on real .NET processes, at the level of runtime.h (session) and of ICorDebug.
if HAVE_CMOCKA
coreclr_live_tests = tests/live/test-coreclr-answers tests/live/test-coreclr-session tests/live/test-coreclr-hits \
	tests/live/test-coreclr-trials tests/live/test-coreclr-offsets \
	tests/live/test-coreclr-bodies
check_PROGRAMS += $(coreclr_live_tests)
TESTS += $(coreclr_live_tests)
tests_live_test_coreclr_session_SOURCES = tests/live/coreclr-session.c
tests_live_test_coreclr_session_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_coreclr_session_LDADD = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS)
tests_live_test_coreclr_answers_SOURCES = tests/live/coreclr-answers.c
tests_live_test_coreclr_answers_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_coreclr_answers_LDADD = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS)
tests_live_test_coreclr_bodies_SOURCES = tests/live/coreclr-bodies.c
tests_live_test_coreclr_bodies_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_coreclr_bodies_LDADD = cordbg/libwhole.la $(GLIB_LIBS) $(CMOCKA_LIBS)
tests_live_test_coreclr_hits_SOURCES = tests/live/coreclr-hits.c $(icordebug_client)
tests_live_test_coreclr_hits_CFLAGS = $(icordebug_cflags)
tests_live_test_coreclr_hits_LDADD = $(icordebug_libs)
tests_live_test_coreclr_offsets_SOURCES = tests/live/coreclr-offsets.c $(icordebug_client)
tests_live_test_coreclr_offsets_CFLAGS = $(icordebug_cflags)
tests_live_test_coreclr_offsets_LDADD = $(icordebug_libs)
tests_live_test_coreclr_trials_SOURCES = tests/live/coreclr-trials.c $(icordebug_client)
tests_live_test_coreclr_trials_CFLAGS = $(icordebug_cflags)
tests_live_test_coreclr_trials_LDADD = $(icordebug_libs)
endif

coreclr_cs = tests/live/Changing.cs tests/live/HotLoop.cs tests/live/Trials.cs
EXTRA_DIST += $(coreclr_cs)
coreclr_net = $(coreclr_cs:tests/live/%.cs=tests/live/net/%.dll)
coreclr_net_release = $(coreclr_cs:tests/live/%.cs=tests/live/net/release/%.dll)
if HAVE_DOTNET
noinst_DATA += $(coreclr_net) $(coreclr_net_release)
CLEANFILES += $(coreclr_net) $(coreclr_net:.dll=.pdb) $(coreclr_net:.dll=.runtimeconfig.json)
CLEANFILES += $(coreclr_net_release) $(coreclr_net_release:.dll=.pdb) \
	$(coreclr_net_release:.dll=.runtimeconfig.json)
endif
$(coreclr_net): tests/live/net/%.dll: tests/live/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
$(coreclr_net_release): tests/live/net/release/%.dll: tests/live/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize+ $<

# Programs of many methods are written when they are compiled.
if HAVE_DOTNET
noinst_DATA += tests/live/net/ManyMethods.dll tests/live/net/Offsets.dll
CLEANFILES += tests/live/net/ManyMethods.cs tests/live/net/ManyMethods.dll \
	tests/live/net/ManyMethods.pdb tests/live/net/ManyMethods.runtimeconfig.json \
	tests/live/net/Offsets.cs tests/live/net/Offsets.dll \
	tests/live/net/Offsets.pdb tests/live/net/Offsets.runtimeconfig.json
endif
tests/live/net/ManyMethods.cs: tests/live/ManyMethods.awk
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(AWK) -f $(srcdir)/tests/live/ManyMethods.awk </dev/null >$@.new && mv $@.new $@
tests/live/net/Offsets.cs: tests/live/Offsets.awk
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(AWK) -f $(srcdir)/tests/live/Offsets.awk </dev/null >$@.new && mv $@.new $@
tests/live/net/ManyMethods.dll: tests/live/net/ManyMethods.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize+ $<
tests/live/net/Offsets.dll: tests/live/net/Offsets.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize- $<
EXTRA_DIST += tests/live/ManyMethods.awk tests/live/Offsets.awk
