# SPDX-License-Identifier: MIT
# Two libraries: the patch table and the maps, without glib, are linked by the tracer process as
# well; the rest is the client's.
noinst_LTLIBRARIES += cordbg/memory/libpatch.la cordbg/memory/libmemory.la

cordbg_memory_libpatch_la_SOURCES = \
	cordbg/memory/patch-table.h \
	cordbg/memory/patch-table.c \
	cordbg/memory/patch-publisher.c \
	cordbg/memory/maps.h \
	cordbg/memory/maps.c

cordbg_memory_libmemory_la_SOURCES = \
	cordbg/memory/icordebug-memory.c \
	cordbg/memory/reader.c \
	cordbg/memory/reader.h \
	cordbg/memory/registry.c \
	cordbg/memory/target-private.h \
	cordbg/memory/target.c \
	cordbg/memory/target.h
cordbg_memory_libmemory_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
cordbg_memory_libmemory_la_LIBADD = cordbg/memory/libpatch.la cordbg/com/libcom.la $(GLIB_LIBS)
