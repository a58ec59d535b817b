# SPDX-License-Identifier: MIT
# The CoreCLR shim: the client's side. The process that loads the DAC is in dac-host/.
noinst_LTLIBRARIES += runtime-shim/coreclr/libcoreclr-shim.la
runtime_shim_coreclr_libcoreclr_shim_la_SOURCES = \
  runtime-shim/coreclr/bodies.c \
  runtime-shim/coreclr/code.c \
  runtime-shim/coreclr/coreclr.c \
  runtime-shim/coreclr/coreclr.h \
  runtime-shim/coreclr/coreclr-private.h \
  runtime-shim/coreclr/dac.c \
  runtime-shim/coreclr/dac.h \
  runtime-shim/coreclr/dac-answers.c \
  runtime-shim/coreclr/dac-file.c \
  runtime-shim/coreclr/dac-kept.c \
  runtime-shim/coreclr/dac-launch.c \
  runtime-shim/coreclr/dac-private.h \
  runtime-shim/coreclr/dac-write.c \
  runtime-shim/coreclr/detect.c \
  runtime-shim/coreclr/emitted.c \
  runtime-shim/coreclr/expect.c \
  runtime-shim/coreclr/launch.c \
  runtime-shim/coreclr/methods.c \
  runtime-shim/coreclr/notify.c \
  runtime-shim/coreclr/publish.c \
  runtime-shim/coreclr/things.c \
  runtime-shim/coreclr/thread-list.c \
  runtime-shim/coreclr/thread-starts.c \
  runtime-shim/coreclr/want.c
runtime_shim_coreclr_libcoreclr_shim_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)

include runtime-shim/coreclr/dac-host/local.mk
