# SPDX-License-Identifier: MIT
# make bench: builds the benches and prints their rows; BENCHFLAGS="--json --only TEXT --rounds N".
BENCHES =
bench_program = tests/bench/program.c tests/bench/program.h
include tests/bench/native.mk
include tests/bench/memory.mk
include tests/bench/metadata.mk
include tests/bench/session.mk
include tests/bench/net.mk
include tests/bench/idle.mk

EXTRA_PROGRAMS = $(BENCHES)
CLEANFILES += $(BENCHES)

bench: all $(BENCHES)
	@status=0; $(private_tmpdir) for b in $(BENCHES); do \
	  CORDBG_LIBEXEC=$(abs_builddir)/libexec CORDBG_DEBUGGEES=$(abs_builddir)/samples/debuggees ./$$b $(BENCHFLAGS) || status=1; \
	done; exit $$status
.PHONY: bench
