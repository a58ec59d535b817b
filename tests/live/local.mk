# SPDX-License-Identifier: MIT
include tests/live/samples.mk
