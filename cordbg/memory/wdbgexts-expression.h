/* SPDX-License-Identifier: MIT */
/*
 * Expressions as WinDbg's default evaluator reads them (MASM syntax). Pure: what a symbol, a
 * register or an address stands for, the caller's functions tell.
 *
 * From the highest precedence to the lowest; binary operators of one line bind to the left:
 *
 *   numbers     in the radix (16 unless said otherwise); 0x, 0n, 0t, 0y; 4ab3h; 00007ff0`00401000
 *   symbols     name, module!name, !name; the value is the address. A word that reads as a number
 *               is one. Then a symbol is looked for, then a register.
 *   registers   @rip, rip; $ip, $csp and their like: whatever the caller knows by that name
 *   ( ) [ ]
 *   unary       + - ~ ! not hi low by wo dwo qwo poi
 *   * / % mod
 *   + -
 *   << >> >>>   (>>> keeps the sign)
 *   = == < > <= >= !=   1 or 0, unsigned
 *   & and
 *   ^ xor
 *   | or
 *
 * All values are 64 bits and wrap. not and ! are logical, ~ is bitwise. by, wo, dwo, qwo and poi
 * read memory.
 */
#ifndef CORDBG_MEMORY_WDBGEXTS_EXPRESSION_H
#define CORDBG_MEMORY_WDBGEXTS_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cordbg/com/error.h"

/* A name's longest spelling, with its module. */
#define CORDBG_EXPRESSION_NAME_MAX 1024u

typedef struct cordbg_expression_names {
  /* name: "symbol" or "module!symbol". S_OK, S_FALSE (there is none), or an error. */
  HRESULT (*symbol)(void *data, const char *name, uint64_t *ret, cordbg_error *error);
  /* Is there a module of that name? Lets module names hold characters that are operators too. */
  bool (*module)(void *data, const char *name);
  /* name: without '@'. S_OK, S_FALSE (no such register), or an error. */
  HRESULT (*reg)(void *data, const char *name, uint64_t *ret, cordbg_error *error);
  /* size bytes (1, 2, 4, 8) at address. */
  HRESULT (*read)(void *data, uint64_t address, size_t size, uint64_t *ret, cordbg_error *error);
  void *data;
} cordbg_expression_names;

/*
 * Evaluates the expression that text begins with; blanks before it are skipped. *rest (nullable)
 * receives the index of the first character that is not part of it, after an error approximately
 * where it lies. Text behind an expression, set off by a blank or a character that cannot go on
 * with it (',' for instance), is left alone.
 *
 * E_FAIL: a syntax error, an unknown name, a division by zero, memory that cannot be read, a number
 * of more than 64 bits; the sentence begins as WinDbg's does. Depth and length are bounded. radix:
 * 2 to 16.
 */
HRESULT cordbg_expression_evaluate(const char *text, unsigned radix,
                                   const cordbg_expression_names *names, uint64_t *ret,
                                   size_t *rest, cordbg_error *error);

#endif
