# SPDX-License-Identifier: MIT
include tests/live/samples.mk
include tests/live/memory.mk
include tests/live/engines.mk
include tests/live/icordebug.mk
include tests/live/mono.mk
include tests/live/stacks.mk
include tests/live/tracer.mk
include tests/live/interop.mk
include tests/live/dbgshim.mk
include tests/live/dac.mk
include tests/live/coreclr.mk
include tests/live/metadata.mk
