# SPDX-License-Identifier: MIT
BENCHES += tests/bench/bench-session
tests_bench_bench_session_SOURCES = tests/bench/bench-session.c tests/bench/bench.c tests/bench/bench.h \
	$(bench_program) tests/bench/bare-hit.c tests/bench/bare-stop.c tests/bench/bare-plant.c tests/bench/bare.h \
	tests/bench/hit-target.c tests/bench/hit-target.h \
	tests/live/mscordbi.c tests/live/mscordbi.h $(sample_common)
tests_bench_bench_session_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) -pthread
tests_bench_bench_session_LDADD = libcordbg.la $(GLIB_LIBS) -lpthread -ldl
