# SPDX-License-Identifier: MIT
include samples/debuggees.mk

noinst_PROGRAMS += samples/readmem samples/attach-break
sample_common = samples/driver.c samples/driver.h samples/callback.c samples/callback.h
sample_cflags = $(AM_CFLAGS) $(JSON_CFLAGS) $(GLIB_CFLAGS) -pthread
sample_libs = libcordbg.la $(JSON_LIBS) $(GLIB_LIBS) -lpthread

samples_readmem_SOURCES = samples/readmem.c $(sample_common)
samples_readmem_CFLAGS = $(sample_cflags)
samples_readmem_LDADD = $(sample_libs)
samples_attach_break_SOURCES = samples/attach-break.c $(sample_common)
samples_attach_break_CFLAGS = $(sample_cflags)
samples_attach_break_LDADD = $(sample_libs)

noinst_PROGRAMS += samples/interop
samples_interop_SOURCES = samples/interop.c $(sample_common)
samples_interop_CFLAGS = $(sample_cflags)
samples_interop_LDADD = $(sample_libs)

noinst_PROGRAMS += samples/stack
samples_stack_SOURCES = samples/stack.c $(sample_common)
samples_stack_CFLAGS = $(sample_cflags)
samples_stack_LDADD = $(sample_libs)

EXTRA_DIST += samples/README.md
include samples/windbg-ext/windbg-ext.mk
