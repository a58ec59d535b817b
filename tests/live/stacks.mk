# SPDX-License-Identifier: MIT
# Stacks of real threads.
if HAVE_CMOCKA
check_PROGRAMS += tests/live/stacks-native
TESTS += tests/live/stacks-native
tests_live_stacks_native_SOURCES = tests/live/stacks-native.c tests/live/tracer-support.c \
	tests/live/tracer-support.h
tests_live_stacks_native_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_live_stacks_native_LDADD = runtime-shim/libshims.la cordbg/liball.la $(CMOCKA_LIBS)
endif
