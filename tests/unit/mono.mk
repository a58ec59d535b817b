# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test-mono-seq-points
TESTS += tests/unit/test-mono-seq-points
tests_unit_test_mono_seq_points_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_mono_seq_points_LDADD = runtime-shim/libshims.la cordbg/liball.la $(CMOCKA_LIBS)
endif
