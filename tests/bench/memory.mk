# SPDX-License-Identifier: MIT
BENCHES += tests/bench/bench-read
tests_bench_bench_read_SOURCES = tests/bench/bench-read.c tests/bench/bench.c tests/bench/bench.h
tests_bench_bench_read_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) -pthread
tests_bench_bench_read_LDADD = cordbg/memory/libmemory.la cordbg/tracer/libtracer-client.la \
	cordbg/com/libcom.la $(GLIB_LIBS)
