/* SPDX-License-Identifier: MIT */
#ifndef CORDBG_TESTS_FUZZ_H
#define CORDBG_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * A fuzz target is a file with this function, as libFuzzer wants it. tests/fuzz/libfuzzer builds it
 * with clang's fuzzer; run.c gives it a main of its own, for `make check` and compilers without
 * one.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
