#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes ./configure from a git checkout.
set -eu
cd "$(dirname "$0")"
mkdir -p m4 build-aux
autoreconf --install --force
