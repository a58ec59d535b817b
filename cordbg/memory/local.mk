# SPDX-License-Identifier: MIT
# Three libraries: the patch table and the maps, without glib, are linked by the tracer process as
# well; the rest is the client's. The debugger engines' doors ask the native room for symbols and
# stacks: they are linked before it.
noinst_LTLIBRARIES += cordbg/memory/libpatch.la cordbg/memory/libmemory.la cordbg/memory/libengines.la

cordbg_memory_libpatch_la_SOURCES = \
	cordbg/memory/patch-table.h \
	cordbg/memory/patch-table.c \
	cordbg/memory/patch-publisher.c \
	cordbg/memory/maps.h \
	cordbg/memory/maps.c

cordbg_memory_libmemory_la_SOURCES = \
	cordbg/memory/context.c \
	cordbg/memory/context.h \
	cordbg/memory/dbghelp-read.c \
	cordbg/memory/doors.h \
	cordbg/memory/handles.c \
	cordbg/memory/handles.h \
	cordbg/memory/icordebug-memory.c \
	cordbg/memory/reader.c \
	cordbg/memory/reader.h \
	cordbg/memory/registry.c \
	cordbg/memory/search.c \
	cordbg/memory/target-private.h \
	cordbg/memory/target.c \
	cordbg/memory/target.h \
	cordbg/memory/virtual-query.c \
	cordbg/memory/whole.c \
	cordbg/memory/win32-process.c
cordbg_memory_libmemory_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
cordbg_memory_libmemory_la_LIBADD = cordbg/memory/libpatch.la cordbg/com/libcom.la $(GLIB_LIBS)

cordbg_memory_libengines_la_SOURCES = \
	cordbg/memory/dbgeng.c \
	cordbg/memory/dbgeng-client.c \
	cordbg/memory/dbgeng-data-spaces.c \
	cordbg/memory/dbgeng-private.h \
	cordbg/memory/dbgeng-system.c \
	cordbg/memory/wdbgexts.c \
	cordbg/memory/wdbgexts-disasm.c \
	cordbg/memory/wdbgexts-expression.c \
	cordbg/memory/wdbgexts-expression.h \
	cordbg/memory/wdbgexts-ioctl.c \
	cordbg/memory/wdbgexts-load.c \
	cordbg/memory/wdbgexts-memory.c \
	cordbg/memory/wdbgexts-output.c \
	cordbg/memory/wdbgexts-private.h \
	cordbg/memory/wdbgexts-symbols.c \
	cordbg/memory/wdbgexts-text.c \
	cordbg/memory/wdbgexts-text.h \
	cordbg/memory/wdbgexts-threads.c
cordbg_memory_libengines_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
# Zycore: the strings of Zydis' formatter; it comes with Zydis.
cordbg_memory_libengines_la_LIBADD = $(ZYDIS_LIBS) -lZycore $(GLIB_LIBS) -ldl
