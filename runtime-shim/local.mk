# SPDX-License-Identifier: MIT
# What stands beside the shims: it serves whichever of them there are, so the library without shims has
# it too.
noinst_LTLIBRARIES += runtime-shim/libbeside.la
runtime_shim_libbeside_la_SOURCES = runtime-shim/await.c runtime-shim/await.h \
  runtime-shim/run.c runtime-shim/run.h \
  runtime-shim/image-methods.c runtime-shim/image-methods.h
runtime_shim_libbeside_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)

# The shims together, behind runtime.h.
noinst_LTLIBRARIES += runtime-shim/libshims.la
runtime_shim_libshims_la_SOURCES = runtime-shim/runtime.h runtime-shim/shims.c
runtime_shim_libshims_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
runtime_shim_libshims_la_LIBADD = runtime-shim/mono/libmono-shim.la \
  runtime-shim/coreclr/libcoreclr-shim.la $(GLIB_LIBS)
RUNTIME_SHIMS += runtime-shim/libshims.la
