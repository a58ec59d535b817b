# SPDX-License-Identifier: MIT
samples_support = tests/live/samples-support.c tests/live/samples-support.h
if HAVE_CMOCKA
check_PROGRAMS += tests/live/test-samples
TESTS += tests/live/test-samples
tests_live_test_samples_SOURCES = tests/live/samples.c $(samples_support)
tests_live_test_samples_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_test_samples_LDADD = $(JSON_LIBS) $(GLIB_LIBS) $(CMOCKA_LIBS)
endif

same_cs = tests/live/same/one/Same.cs tests/live/same/two/Same.cs
EXTRA_DIST += $(same_cs)
if HAVE_MCS
noinst_DATA += tests/live/Same.exe
CLEANFILES += tests/live/Same.exe tests/live/Same.exe.mdb
endif
tests/live/Same.exe: $(same_cs)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(MCS) -debug -warnaserror -out:$@ $(same_cs:%=$(srcdir)/%)
