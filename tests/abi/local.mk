# SPDX-License-Identifier: MIT
# The headers against the interface tables: see check-*.c. The tables are turned into C text at
# build time.

abi_tables = icordebug metadata symbols hosting dbgeng dbgclient
abi_parts = checks invoke cxx notimpl
abi_awk = $(srcdir)/tests/abi/interfaces.awk
abi_table_files = \
	tests/abi/tables/README \
	tests/abi/tables/clsids.tsv \
	tests/abi/tables/dac.tsv \
	tests/abi/tables/dbgclient.tsv \
	tests/abi/tables/dbgeng.tsv \
	tests/abi/tables/enums.tsv \
	tests/abi/tables/hosting.tsv \
	tests/abi/tables/hresults.tsv \
	tests/abi/tables/icordebug.tsv \
	tests/abi/tables/metadata-tables.tsv \
	tests/abi/tables/metadata.tsv \
	tests/abi/tables/symbols.tsv
abi_generated = \
	tests/abi/clsids-checks.inc \
	tests/abi/enums-checks.inc \
	tests/abi/hresults-checks.inc \
	tests/abi/dbgclient-checks.inc tests/abi/dbgclient-cxx.inc tests/abi/dbgclient-invoke.inc tests/abi/dbgclient-notimpl.inc \
	tests/abi/dbgeng-checks.inc tests/abi/dbgeng-cxx.inc tests/abi/dbgeng-invoke.inc tests/abi/dbgeng-notimpl.inc \
	tests/abi/hosting-checks.inc tests/abi/hosting-cxx.inc tests/abi/hosting-invoke.inc tests/abi/hosting-notimpl.inc \
	tests/abi/icordebug-checks.inc tests/abi/icordebug-cxx.inc tests/abi/icordebug-invoke.inc tests/abi/icordebug-notimpl.inc \
	tests/abi/metadata-checks.inc tests/abi/metadata-cxx.inc tests/abi/metadata-invoke.inc tests/abi/metadata-notimpl.inc \
	tests/abi/symbols-checks.inc tests/abi/symbols-cxx.inc tests/abi/symbols-invoke.inc tests/abi/symbols-notimpl.inc

EXTRA_DIST += $(abi_table_files) \
	tests/abi/interfaces.awk tests/abi/enums.awk tests/abi/regenerate \
	$(abi_scripts)
CLEANFILES += $(abi_generated)

# One stamp for all: the whole set is a fraction of a second.
abi_stamp = tests/abi/generated.stamp
CLEANFILES += $(abi_stamp)
check_DATA += $(abi_stamp)
$(abi_stamp): $(abi_table_files) tests/abi/interfaces.awk tests/abi/enums.awk
	$(AM_V_GEN)$(MKDIR_P) tests/abi && t=$(srcdir)/tests/abi/tables && \
	for table in $(abi_tables); do \
	  extra=; if test $$table = metadata; then extra=$$t/metadata-tables.tsv; fi; \
	  for part in $(abi_parts); do \
	    $(AWK) -v part=$$part -f $(abi_awk) $$t/$$table.tsv $$extra > tests/abi/$$table-$$part.inc || exit 1; \
	  done; \
	done && \
	for header in cordebug.h corhdr.h corsym.h; do \
	  $(AWK) -v header=$$header -v part=checks -f $(srcdir)/tests/abi/enums.awk $$t/enums.tsv || exit 1; \
	done > tests/abi/enums-checks.inc && \
	$(AWK) -F '\t' 'NR > 1 { print "  CHECK_HRESULT(" $$1 ", " $$2 ");" }' $$t/hresults.tsv > tests/abi/hresults-checks.inc && \
	$(AWK) -F '\t' 'NR > 1 { print "  CHECK_CLSID(" $$1 ", \"" $$2 "\");" }' $$t/clsids.tsv > tests/abi/clsids-checks.inc && \
	touch $@

abi_programs = \
	tests/abi/test-interfaces \
	tests/abi/test-calls \
	tests/abi/test-slots \
	tests/abi/test-notimpl \
	tests/abi/test-values \
	tests/abi/test-layouts \
	tests/abi/test-layouts-cxx
abi_scripts = tests/abi/check-generated.sh tests/abi/check-headers.sh tests/abi/check-mutants.sh
check_PROGRAMS += $(abi_programs)
TESTS += $(abi_programs) $(abi_scripts)
DISTCHECK_TESTS += $(abi_programs) $(abi_scripts)
AM_TESTS_ENVIRONMENT += \
	CC='$(CC)'; export CC; CXX='$(CXX)'; export CXX; AWK='$(AWK)'; export AWK;

# The generated text is wide and long, and calls through other types are what it tests.
abi_cflags = $(AM_CFLAGS) -fno-strict-aliasing
abi_cxxflags = -std=c++14 -Wall -Wextra $(SANITIZER_CFLAGS)

tests_abi_test_interfaces_SOURCES = tests/abi/check-interfaces.c tests/abi/abi.h
tests_abi_test_interfaces_CFLAGS = $(abi_cflags)
tests_abi_test_calls_SOURCES = tests/abi/check-calls.c tests/abi/abi.h
tests_abi_test_calls_CFLAGS = $(abi_cflags)
tests_abi_test_slots_SOURCES = tests/abi/check-slots.cc tests/abi/abi.h
tests_abi_test_slots_CXXFLAGS = $(abi_cxxflags)
tests_abi_test_notimpl_SOURCES = tests/abi/check-notimpl.c tests/abi/abi.h
tests_abi_test_notimpl_CFLAGS = $(abi_cflags)
tests_abi_test_notimpl_LDADD = cordbg/com/libcom.la
tests_abi_test_values_SOURCES = tests/abi/check-values.c tests/abi/abi.h
tests_abi_test_values_CFLAGS = $(abi_cflags)
tests_abi_test_values_LDADD = cordbg/com/libcom.la
tests_abi_test_layouts_SOURCES = tests/abi/check-layouts.c tests/abi/layouts.inc tests/abi/abi.h
tests_abi_test_layouts_CFLAGS = $(abi_cflags)
tests_abi_test_layouts_cxx_SOURCES = tests/abi/check-layouts-cxx.cc tests/abi/layouts.inc tests/abi/abi.h
tests_abi_test_layouts_cxx_CXXFLAGS = $(abi_cxxflags)

tests/abi/test_interfaces-check-interfaces.$(OBJEXT): $(abi_stamp)
tests/abi/test_calls-check-calls.$(OBJEXT): $(abi_stamp)
tests/abi/test_slots-check-slots.$(OBJEXT): $(abi_stamp)
tests/abi/test_notimpl-check-notimpl.$(OBJEXT): $(abi_stamp)
tests/abi/test_values-check-values.$(OBJEXT): $(abi_stamp)
