# SPDX-License-Identifier: MIT

# The emulator: linked by the tracer process, hence without glib.
noinst_LTLIBRARIES += cordbg/tracer/libemulate.la cordbg/native/libnative.la
cordbg_tracer_libemulate_la_SOURCES = cordbg/tracer/emulate.c cordbg/tracer/emulate-decode.c \
	cordbg/tracer/emulate-private.h cordbg/tracer/emulate.h
cordbg_tracer_libemulate_la_LIBADD = $(ZYDIS_LIBS)

# Modules and symbols: the client's. Needs libpatch (the maps) and libcom beside it, and libmemory
# for targets; whoever links it names them, so that nothing is archived twice.
cordbg_native_libnative_la_SOURCES = \
	cordbg/native/elf-file.c cordbg/native/elf-file.h \
	cordbg/native/linker.c cordbg/native/linker.h \
	cordbg/native/modules.c cordbg/native/modules.h cordbg/native/modules-private.h \
	cordbg/native/symbol-table.c cordbg/native/symbol-table.h \
	cordbg/native/symbols.c cordbg/native/symbols.h \
	cordbg/native/target-modules.c
cordbg_native_libnative_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
cordbg_native_libnative_la_LIBADD = $(GLIB_LIBS)
