# SPDX-License-Identifier: MIT
# The com room: COM objects, status codes, UTF-16, the error value. No glib in here.
noinst_LTLIBRARIES += cordbg/com/libcom.la
cordbg_com_libcom_la_SOURCES = \
	cordbg/com/enumerator.c \
	cordbg/com/enumerator.h \
	cordbg/com/error.c \
	cordbg/com/error.h \
	cordbg/com/hresult-names.c \
	cordbg/com/hresult.c \
	cordbg/com/hresult.h \
	cordbg/com/notimpl.h \
	cordbg/com/object.c \
	cordbg/com/object.h \
	cordbg/com/utf16.c \
	cordbg/com/utf16.h
