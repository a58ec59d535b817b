# SPDX-License-Identifier: MIT
# The process that loads the DAC: no glib.
pkglibexec_PROGRAMS += runtime-shim/coreclr/dac-host/cordbg-dac
runtime_shim_coreclr_dac_host_cordbg_dac_SOURCES = \
	runtime-shim/coreclr/dac-host/code.c \
	runtime-shim/coreclr/dac-host/confine.c \
	runtime-shim/coreclr/dac-host/host.h \
	runtime-shim/coreclr/dac-host/interfaces.h \
	runtime-shim/coreclr/dac-host/load.c \
	runtime-shim/coreclr/dac-host/main.c \
	runtime-shim/coreclr/dac-host/modules.c \
	runtime-shim/coreclr/dac-host/notify.c \
	runtime-shim/coreclr/dac-host/protocol.h \
	runtime-shim/coreclr/dac-host/record.c \
	runtime-shim/coreclr/dac-host/stacks.c \
	runtime-shim/coreclr/dac-host/structures.h \
	runtime-shim/coreclr/dac-host/target.c \
	runtime-shim/coreclr/dac-host/unwind.c \
	cordbg/memory/context.c \
	cordbg/memory/context.h
runtime_shim_coreclr_dac_host_cordbg_dac_CFLAGS = $(AM_CFLAGS)
runtime_shim_coreclr_dac_host_cordbg_dac_LDADD = \
	cordbg/memory/libpatch.la cordbg/com/libcom.la -ldl
