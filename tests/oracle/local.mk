# SPDX-License-Identifier: MIT
# Comparisons with readers of metadata that nobody here wrote. Skipped where .NET is absent.
check_PROGRAMS += tests/oracle/metadata-compare tests/oracle/metadata-lines \
	tests/oracle/metadata-microsoft
tests_oracle_metadata_compare_SOURCES = \
	tests/oracle/compare.c \
	tests/oracle/describe-symbols.c \
	tests/oracle/describe.c \
	tests/oracle/describe.h
tests_oracle_metadata_compare_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
tests_oracle_metadata_compare_LDADD = \
	cordbg/metadata/libmetadata.la cordbg/com/libcom.la $(GLIB_LIBS)
tests_oracle_metadata_lines_SOURCES = tests/oracle/lines.c
tests_oracle_metadata_lines_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
tests_oracle_metadata_lines_LDADD = \
	cordbg/metadata/libmetadata.la cordbg/com/libcom.la $(GLIB_LIBS)
tests_oracle_metadata_microsoft_SOURCES = \
	tests/oracle/microsoft.c \
	tests/oracle/microsoft.h \
	tests/oracle/microsoft-dac.c \
	tests/oracle/microsoft-rows.c \
	tests/oracle/microsoft-tables.c \
	tests/oracle/microsoft-walk.c
tests_oracle_metadata_microsoft_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
tests_oracle_metadata_microsoft_LDADD = \
	cordbg/metadata/libmetadata.la cordbg/com/libcom.la $(GLIB_LIBS) -ldl
TESTS += tests/oracle/reflection.sh tests/oracle/microsoft.sh tests/oracle/symbols.sh \
	tests/oracle/traces.sh
EXTRA_DIST += tests/oracle/reflection.sh tests/oracle/microsoft.sh tests/oracle/symbols.sh \
	tests/oracle/dump.cs tests/oracle/dump-mdb.cs tests/oracle/dump-pdb.cs tests/oracle/sample.cs tests/oracle/sample-more.cs \
	tests/oracle/throws.cs tests/oracle/traces.sh
