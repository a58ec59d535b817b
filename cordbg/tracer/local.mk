# SPDX-License-Identifier: MIT
# Two ends of one protocol: the tracer process, which links no glib, and the client's library.
pkglibexec_PROGRAMS += cordbg/tracer/cordbg-tracer
cordbg_tracer_cordbg_tracer_SOURCES = \
	cordbg/tracer/attach.c \
	cordbg/tracer/calls.c \
	cordbg/tracer/cleanup.c \
	cordbg/tracer/events.c \
	cordbg/tracer/forks.c \
	cordbg/tracer/guard.c \
	cordbg/tracer/main.c \
	cordbg/tracer/outgoing.c \
	cordbg/tracer/patches.c \
	cordbg/tracer/patches.h \
	cordbg/tracer/planting.c \
	cordbg/tracer/protocol.h \
	cordbg/tracer/requests.c \
	cordbg/tracer/signals.c \
	cordbg/tracer/space.c \
	cordbg/tracer/space.h \
	cordbg/tracer/step.c \
	cordbg/tracer/syscalls.c \
	cordbg/tracer/threads.c \
	cordbg/tracer/tracing.h
cordbg_tracer_cordbg_tracer_LDADD = \
	cordbg/memory/libpatch.la \
	cordbg/tracer/libemulate.la \
	cordbg/com/libcom.la \
	$(ZYDIS_LIBS)

noinst_LTLIBRARIES += cordbg/tracer/libtracer-client.la
cordbg_tracer_libtracer_client_la_SOURCES = \
	cordbg/tracer/client.c \
	cordbg/tracer/client.h \
	cordbg/tracer/client-private.h \
	cordbg/tracer/launch.c \
	cordbg/tracer/spawn.c \
	cordbg/tracer/spawn.h
cordbg_tracer_libtracer_client_la_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORDBG_PKGLIBEXECDIR='"$(pkglibexecdir)"'
