# SPDX-License-Identifier: MIT
# The library: all rooms together. What it exports, the version script lists. Tests link the
# convenience library that it is made of, which has everything but the shims: what a test calls is
# not hidden from it, and it may bring a runtime of its own.
noinst_LTLIBRARIES += cordbg/liball.la
cordbg_liball_la_SOURCES = cordbg/create.c cordbg/export.h cordbg/log.c cordbg/log.h
cordbg_liball_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
cordbg_liball_la_LIBADD = \
	cordbg/icordebug/libicordebug.la \
	runtime-shim/libbeside.la \
	cordbg/memory/libengines.la \
	cordbg/native/libnative.la \
	cordbg/metadata/libmetadata.la \
	cordbg/tracer/libtracer-client.la \
	cordbg/memory/libmemory.la \
	$(GLIB_LIBS) -lpthread

# The shims, and the library with them.
RUNTIME_SHIMS =
lib_LTLIBRARIES += libcordbg.la
# The two call each other: who links both links them as one archive.
noinst_LTLIBRARIES += cordbg/libwhole.la
cordbg_libwhole_la_SOURCES =
cordbg_libwhole_la_LIBADD = cordbg/liball.la $(RUNTIME_SHIMS)
libcordbg_la_SOURCES =
libcordbg_la_LIBADD = cordbg/libwhole.la
libcordbg_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(srcdir)/cordbg/cordbg.map
libcordbg_la_DEPENDENCIES = cordbg/libwhole.la cordbg/cordbg.map
EXTRA_DIST += cordbg/cordbg.map
