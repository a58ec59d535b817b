#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The metadata room's fuzz targets over the seeds, a fixed number of mutations each
# (CORDBG_FUZZ_RUNS, CORDBG_SEED).
set -eu

seeds=$(cd "$(dirname "$0")" && pwd)/seeds
runs=${CORDBG_FUZZ_RUNS:-3000}
tests/fuzz/fuzz-image --runs "$runs" "$seeds"/image-*.bin
tests/fuzz/fuzz-symbols --runs "$runs" "$seeds"/symbols-*.bin
tests/fuzz/fuzz-signature --runs $((runs * 10)) "$seeds"/README "$seeds"/symbols-mdb.bin
