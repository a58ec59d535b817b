# SPDX-License-Identifier: MIT
BENCHES += tests/bench/bench-hits
tests_bench_bench_hits_SOURCES = tests/bench/bench-hits.c tests/bench/bench.c tests/bench/bench.h \
	tests/bench/bare-hit.c tests/bench/bare-stop.c tests/bench/bare-plant.c tests/bench/bare.h \
	tests/bench/hit-target.c tests/bench/hit-target.h
tests_bench_bench_hits_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
tests_bench_bench_hits_LDADD = cordbg/tracer/libtracer-client.la cordbg/memory/libpatch.la \
	cordbg/com/libcom.la $(GLIB_LIBS) -lpthread
BENCHES += tests/bench/bench-stack
tests_bench_bench_stack_SOURCES = tests/bench/bench-stack.c tests/bench/bench.c tests/bench/bench.h \
	$(bench_program) \
	$(sample_common)
tests_bench_bench_stack_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) -pthread
tests_bench_bench_stack_LDADD = libcordbg.la $(GLIB_LIBS) -lpthread
