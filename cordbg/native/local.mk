# SPDX-License-Identifier: MIT

# The emulator: linked by the tracer process, hence without glib.
noinst_LTLIBRARIES += cordbg/tracer/libemulate.la cordbg/native/libnative.la
cordbg_tracer_libemulate_la_SOURCES = cordbg/tracer/emulate.c cordbg/tracer/emulate-decode.c \
	cordbg/tracer/emulate-private.h cordbg/tracer/emulate.h
cordbg_tracer_libemulate_la_LIBADD = $(ZYDIS_LIBS)

# Modules, symbols, stacks: the client's. Needs libpatch (the maps) and libcom beside it, and
# libmemory for targets and stacks; whoever links it names them, so that nothing is archived twice.
cordbg_native_libnative_la_SOURCES = \
	cordbg/native/dbghelp-private.h \
	cordbg/native/dbghelp-symbols.c \
	cordbg/native/dbghelp-walk.c \
	cordbg/native/debug-info.c cordbg/native/debug-info.h \
	cordbg/native/demangle.c cordbg/native/demangle.h \
	cordbg/native/elf-file.c cordbg/native/elf-file.h \
	cordbg/native/exports.c cordbg/native/exports.h \
	cordbg/native/guess.c cordbg/native/guess.h \
	cordbg/native/line-table.c cordbg/native/line-table.h \
	cordbg/native/linker.c cordbg/native/linker.h \
	cordbg/native/managed-frames.h \
	cordbg/native/module-files.c cordbg/native/module-files.h \
	cordbg/native/modules.c cordbg/native/modules.h cordbg/native/modules-private.h \
	cordbg/native/place.c \
	cordbg/native/stack.c cordbg/native/stack.h \
	cordbg/native/symbol-table.c cordbg/native/symbol-table.h \
	cordbg/native/symbols.c cordbg/native/symbols.h \
	cordbg/native/target-modules.c \
	cordbg/native/unwind-data.c cordbg/native/unwind-data.h \
	cordbg/native/unwinder.c cordbg/native/unwinder-private.h \
	cordbg/native/walk-memory.c cordbg/native/walk-memory.h
cordbg_native_libnative_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(DW_CFLAGS) $(LZMA_CFLAGS) $(ZLIB_CFLAGS)
cordbg_native_libnative_la_LIBADD = $(GLIB_LIBS) $(DW_LIBS) $(LZMA_LIBS) $(ZLIB_LIBS) -ldl
