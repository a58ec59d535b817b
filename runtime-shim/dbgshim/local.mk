# SPDX-License-Identifier: MIT
# libdbgshim.so: the entry points that existing adapters load. It links nothing of cordbg's but the
# com room, and loads libcordbg.so when it is called.
lib_LTLIBRARIES += libdbgshim.la
libdbgshim_la_SOURCES = \
	runtime-shim/dbgshim/debugging.c \
	runtime-shim/dbgshim/enumerate.c \
	runtime-shim/dbgshim/library.c \
	runtime-shim/dbgshim/library.h \
	runtime-shim/dbgshim/startup.c
libdbgshim_la_CPPFLAGS = $(AM_CPPFLAGS) -DCORDBG_LIBDIR='"$(libdir)"'
libdbgshim_la_LIBADD = cordbg/com/libcom.la -lpthread -ldl
libdbgshim_la_LDFLAGS = $(AM_LDFLAGS) -module -shared -avoid-version -no-undefined \
	-Wl,-z,nodelete -Wl,--version-script=$(srcdir)/runtime-shim/dbgshim/dbgshim.map
libdbgshim_la_DEPENDENCIES = cordbg/com/libcom.la runtime-shim/dbgshim/dbgshim.map
EXTRA_DIST += runtime-shim/dbgshim/dbgshim.map
