# SPDX-License-Identifier: MIT
if HAVE_CMOCKA
METADATA_TESTS = tests/unit/test-metadata-image tests/unit/test-metadata-symbols \
	tests/unit/test-metadata-writer
check_PROGRAMS += $(METADATA_TESTS)
TESTS += $(METADATA_TESTS)
METADATA_TEST_CPPFLAGS = $(AM_CPPFLAGS) \
	-DMETADATA_SEEDS=\"$(abs_top_srcdir)/tests/fuzz/seeds\" \
	-DMETADATA_SAMPLE=\"$(abs_top_srcdir)/tests/oracle/sample.cs\"
METADATA_TEST_LIBS = cordbg/metadata/libmetadata.la cordbg/com/libcom.la $(GLIB_LIBS) \
	$(ZLIB_LIBS) $(CMOCKA_LIBS)
tests_unit_test_metadata_image_SOURCES = tests/unit/test-metadata-image.c \
	tests/oracle/describe.c tests/oracle/describe.h
tests_unit_test_metadata_image_CPPFLAGS = $(METADATA_TEST_CPPFLAGS)
tests_unit_test_metadata_image_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_metadata_image_LDADD = $(METADATA_TEST_LIBS)
tests_unit_test_metadata_symbols_SOURCES = tests/unit/test-metadata-symbols.c
tests_unit_test_metadata_symbols_CPPFLAGS = $(METADATA_TEST_CPPFLAGS)
tests_unit_test_metadata_symbols_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_metadata_symbols_LDADD = $(METADATA_TEST_LIBS)
tests_unit_test_metadata_writer_SOURCES = tests/unit/test-metadata-writer.c
tests_unit_test_metadata_writer_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_metadata_writer_LDADD = $(METADATA_TEST_LIBS)
endif
