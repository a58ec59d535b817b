# SPDX-License-Identifier: MIT

# The emulator: linked by the tracer process, hence without glib.
noinst_LTLIBRARIES += cordbg/tracer/libemulate.la
cordbg_tracer_libemulate_la_SOURCES = cordbg/tracer/emulate.c cordbg/tracer/emulate-decode.c \
	cordbg/tracer/emulate-private.h cordbg/tracer/emulate.h
cordbg_tracer_libemulate_la_LIBADD = $(ZYDIS_LIBS)
