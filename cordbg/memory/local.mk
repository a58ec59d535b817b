# SPDX-License-Identifier: MIT
# Two libraries: the patch table and the maps, without glib, are linked by the tracer process as
# well; the rest is the client's.
noinst_LTLIBRARIES += cordbg/memory/libpatch.la
cordbg_memory_libpatch_la_SOURCES = \
	cordbg/memory/patch-table.h \
	cordbg/memory/patch-table.c \
	cordbg/memory/patch-publisher.c \
	cordbg/memory/maps.h \
	cordbg/memory/maps.c
