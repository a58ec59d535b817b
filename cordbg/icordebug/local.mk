# SPDX-License-Identifier: MIT
# The ICorDebug objects.
noinst_LTLIBRARIES += cordbg/icordebug/libicordebug.la
cordbg_icordebug_libicordebug_la_SOURCES = \
	cordbg/icordebug/appdomain.c \
	cordbg/icordebug/assembly.c \
	cordbg/icordebug/breakpoint.c \
	cordbg/icordebug/class.c \
	cordbg/icordebug/code.c \
	cordbg/icordebug/controller.c \
	cordbg/icordebug/cordebug.c \
	cordbg/icordebug/dispatch.c \
	cordbg/icordebug/frame.c \
	cordbg/icordebug/frame.h \
	cordbg/icordebug/frame-values.c \
	cordbg/icordebug/frames.c \
	cordbg/icordebug/function.c \
	cordbg/icordebug/hold.c \
	cordbg/icordebug/hold.h \
	cordbg/icordebug/hosting.c \
	cordbg/icordebug/hosting.h \
	cordbg/icordebug/icordebug.h \
	cordbg/icordebug/launch.c \
	cordbg/icordebug/lines.c \
	cordbg/icordebug/metadata.c \
	cordbg/icordebug/module.c \
	cordbg/icordebug/places.c \
	cordbg/icordebug/private.h \
	cordbg/icordebug/process-memory.c \
	cordbg/icordebug/process.c \
	cordbg/icordebug/registers.c \
	cordbg/icordebug/session.c \
	cordbg/icordebug/stack-walk.c \
	cordbg/icordebug/thread.c \
	cordbg/icordebug/unmanaged.c \
	cordbg/icordebug/unmanaged.h \
	cordbg/icordebug/unmanaged-images.c \
	cordbg/icordebug/unmanaged-images.h \
	cordbg/icordebug/unmanaged-signals.c \
	cordbg/icordebug/unmanaged-state.c \
	runtime-shim/runtime.h
cordbg_icordebug_libicordebug_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
# Whether a fault was a read or a write; how code is entered.
cordbg_icordebug_libicordebug_la_LIBADD = $(ZYDIS_LIBS)
