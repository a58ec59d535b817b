# SPDX-License-Identifier: MIT
include tests/unit/com.mk
include tests/unit/native.mk
include tests/unit/memory.mk
include tests/unit/mono.mk
include tests/unit/icordebug.mk
include tests/unit/metadata.mk
