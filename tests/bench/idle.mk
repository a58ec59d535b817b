# SPDX-License-Identifier: MIT
# What a session costs beside its speed: the program's time, memory, and the time to be gone.
BENCHES += tests/bench/bench-idle tests/bench/bench-size tests/bench/bench-gone
tests_bench_bench_idle_SOURCES = tests/bench/bench-idle.c tests/bench/bench.c tests/bench/bench.h \
	$(bench_program) $(sample_common)
tests_bench_bench_idle_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) -pthread
tests_bench_bench_idle_LDADD = libcordbg.la $(GLIB_LIBS) -lpthread
tests_bench_bench_size_SOURCES = tests/bench/bench-size.c tests/bench/bench.c tests/bench/bench.h \
	$(bench_program) $(sample_common)
tests_bench_bench_size_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) -pthread
tests_bench_bench_size_LDADD = libcordbg.la $(GLIB_LIBS) -lpthread
tests_bench_bench_gone_SOURCES = tests/bench/bench-gone.c tests/bench/bench.c tests/bench/bench.h \
	tests/bench/hit-target.c tests/bench/hit-target.h $(bench_program)
tests_bench_bench_gone_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
tests_bench_bench_gone_LDADD = cordbg/tracer/libtracer-client.la cordbg/memory/libpatch.la \
	cordbg/com/libcom.la $(GLIB_LIBS) -lpthread

EXTRA_DIST += tests/bench/Load.cs tests/bench/Twenty.awk
tests/bench/Twenty.cs: tests/bench/Twenty.awk
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(AWK) -f $(srcdir)/tests/bench/Twenty.awk >$@
CLEANFILES += tests/bench/Twenty.cs
if HAVE_MCS
bench: tests/bench/Load.exe tests/bench/Twenty.exe
CLEANFILES += tests/bench/Load.exe tests/bench/Load.exe.mdb tests/bench/Twenty.exe \
	tests/bench/Twenty.exe.mdb
endif
if HAVE_DOTNET
bench: tests/bench/net/Load.dll tests/bench/net/Twenty.dll
CLEANFILES += tests/bench/net/Load.dll tests/bench/net/Load.pdb \
	tests/bench/net/Load.runtimeconfig.json tests/bench/net/Twenty.dll \
	tests/bench/net/Twenty.pdb tests/bench/net/Twenty.runtimeconfig.json
endif
