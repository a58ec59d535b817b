# SPDX-License-Identifier: MIT
# The metadata room: ECMA-335 images, Microsoft's metadata interfaces, line tables.
noinst_LTLIBRARIES += cordbg/metadata/libmetadata.la
cordbg_metadata_libmetadata_la_SOURCES = \
	cordbg/metadata/assembly-import.c \
	cordbg/metadata/attribute.c \
	cordbg/metadata/attribute.h \
	cordbg/metadata/constant.c \
	cordbg/metadata/constant.h \
	cordbg/metadata/dispenser.c \
	cordbg/metadata/image.c \
	cordbg/metadata/image.h \
	cordbg/metadata/import-enum.c \
	cordbg/metadata/import-find.c \
	cordbg/metadata/import-members.c \
	cordbg/metadata/import.c \
	cordbg/metadata/indexes.h \
	cordbg/metadata/inflate.c \
	cordbg/metadata/lookup.c \
	cordbg/metadata/mdb.c \
	cordbg/metadata/metadata.c \
	cordbg/metadata/metadata.h \
	cordbg/metadata/method-body.c \
	cordbg/metadata/method-body.h \
	cordbg/metadata/names.c \
	cordbg/metadata/pdb-imports.c \
	cordbg/metadata/pdb.c \
	cordbg/metadata/pe.c \
	cordbg/metadata/pe.h \
	cordbg/metadata/schema.c \
	cordbg/metadata/schema.h \
	cordbg/metadata/scope-private.h \
	cordbg/metadata/scope.c \
	cordbg/metadata/scope.h \
	cordbg/metadata/signature-text.c \
	cordbg/metadata/signature.c \
	cordbg/metadata/signature.h \
	cordbg/metadata/source.c \
	cordbg/metadata/source.h \
	cordbg/metadata/sym-method.c \
	cordbg/metadata/sym-private.h \
	cordbg/metadata/sym-reader.c \
	cordbg/metadata/sym-reader.h \
	cordbg/metadata/symbols-private.h \
	cordbg/metadata/symbols.c \
	cordbg/metadata/symbols.h \
	cordbg/metadata/tables-import.c \
	cordbg/metadata/writer.c \
	cordbg/metadata/writer.h
cordbg_metadata_libmetadata_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS) $(ZLIB_CFLAGS)
cordbg_metadata_libmetadata_la_LIBADD = $(GLIB_LIBS) $(ZLIB_LIBS)
