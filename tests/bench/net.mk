# SPDX-License-Identifier: MIT
BENCHES += tests/bench/bench-dac
tests_bench_bench_dac_SOURCES = tests/bench/bench-dac.c tests/bench/bench.c tests/bench/bench.h \
	$(bench_program)
tests_bench_bench_dac_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
tests_bench_bench_dac_LDADD = cordbg/libwhole.la $(GLIB_LIBS)
