# SPDX-License-Identifier: MIT
# An extension library in WinDbg's style (-rpath makes libtool build a shared one), and a host.
noinst_LTLIBRARIES += samples/windbg-ext/codeview.la
samples_windbg_ext_codeview_la_SOURCES = samples/windbg-ext/codeview.c
samples_windbg_ext_codeview_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
noinst_PROGRAMS += samples/windbg-ext/windbg-ext
samples_windbg_ext_windbg_ext_SOURCES = samples/windbg-ext/windbg-ext.c $(sample_common)
samples_windbg_ext_windbg_ext_CFLAGS = $(sample_cflags) -I$(srcdir)
samples_windbg_ext_windbg_ext_LDADD = $(sample_libs)
