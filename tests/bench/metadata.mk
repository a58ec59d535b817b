# SPDX-License-Identifier: MIT
BENCHES += tests/bench/bench-metadata
tests_bench_bench_metadata_SOURCES = tests/bench/bench-metadata.c tests/bench/bench.c \
	tests/bench/bench.h $(bench_program)
tests_bench_bench_metadata_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
tests_bench_bench_metadata_LDADD = cordbg/metadata/libmetadata.la cordbg/com/libcom.la \
	$(GLIB_LIBS) $(ZLIB_LIBS)

EXTRA_DIST += tests/bench/reflection.cs
if HAVE_DOTNET
bench: tests/bench/net/reflection.dll
tests/bench/net/%.dll: tests/bench/%.cs
	$(AM_V_GEN)$(SHELL) $(top_srcdir)/tools/csc-net "$(DOTNET)" "$(CSC)" $@ -optimize+ $<
CLEANFILES += tests/bench/net/reflection.dll tests/bench/net/reflection.pdb \
	tests/bench/net/reflection.runtimeconfig.json
endif
