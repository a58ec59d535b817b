# SPDX-License-Identifier: MIT
# What the tests of metadata and lines need besides what icordebug.mk builds.
if HAVE_DOTNET
metadata_net = tests/live/net/InMemory.dll
noinst_DATA += $(metadata_net)
CLEANFILES += $(metadata_net) $(metadata_net:.dll=.pdb) $(metadata_net:.dll=.runtimeconfig.json)
endif
