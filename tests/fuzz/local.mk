# SPDX-License-Identifier: MIT
# Fuzz targets with a main of their own (run.c): a run of fixed length over the seeds is a test.
# tests/fuzz/libfuzzer builds the same targets with clang's fuzzer.
FUZZ_SEED_FILES = \
	tests/fuzz/seeds/image-embedded-pdb.bin \
	tests/fuzz/seeds/image-mcs.bin \
	tests/fuzz/seeds/image-roslyn.bin \
	tests/fuzz/seeds/image-uncompressed.bin \
	tests/fuzz/seeds/symbols-mdb.bin \
	tests/fuzz/seeds/symbols-pdb.bin
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SEEDS=\"$(abs_top_srcdir)/tests/fuzz/seeds\"
FUZZ_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
FUZZ_LIBS = cordbg/metadata/libmetadata.la cordbg/com/libcom.la $(GLIB_LIBS) $(ZLIB_LIBS)

check_PROGRAMS += tests/fuzz/fuzz-image tests/fuzz/fuzz-symbols tests/fuzz/fuzz-signature
tests_fuzz_fuzz_image_SOURCES = \
	tests/fuzz/fuzz-image.c tests/fuzz/fuzz.h tests/fuzz/run.c \
	tests/oracle/describe.c tests/oracle/describe-symbols.c
tests_fuzz_fuzz_image_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_image_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_symbols_SOURCES = \
	tests/fuzz/fuzz-symbols.c tests/fuzz/fuzz.h tests/fuzz/run.c \
	tests/oracle/describe.c tests/oracle/describe-symbols.c
tests_fuzz_fuzz_symbols_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_symbols_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_signature_SOURCES = \
	tests/fuzz/fuzz-signature.c tests/fuzz/fuzz.h tests/fuzz/run.c
tests_fuzz_fuzz_signature_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_signature_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_signature_LDADD = $(FUZZ_LIBS)

TESTS += tests/fuzz/metadata.sh
EXTRA_DIST += tests/fuzz/metadata.sh tests/fuzz/libfuzzer tests/fuzz/seeds/README $(FUZZ_SEED_FILES)
