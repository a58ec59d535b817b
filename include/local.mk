# SPDX-License-Identifier: MIT
# The public headers. Installed as <cordbg/...>.
cordbgincludedir = $(includedir)/cordbg
cordbginclude_HEADERS = \
	include/cordbg/cordbg.h \
	include/cordbg/cordebug-calls.h \
	include/cordbg/cordebug-enums.h \
	include/cordbg/cordebug.h \
	include/cordbg/corhdr.h \
	include/cordbg/cormeta-calls.h \
	include/cordbg/cormeta.h \
	include/cordbg/corsym-calls.h \
	include/cordbg/corsym.h \
	include/cordbg/dbgeng-calls.h \
	include/cordbg/dbgeng-client-calls.h \
	include/cordbg/dbgeng-client.h \
	include/cordbg/dbgeng.h \
	include/cordbg/dbghelp.h \
	include/cordbg/dbgshim.h \
	include/cordbg/hresult.h \
	include/cordbg/metahost-calls.h \
	include/cordbg/metahost.h \
	include/cordbg/wdbgexts-types.h \
	include/cordbg/wdbgexts.h \
	include/cordbg/winbase.h \
	include/cordbg/winnt.h
