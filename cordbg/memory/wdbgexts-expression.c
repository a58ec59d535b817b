/* SPDX-License-Identifier: MIT */
/*
 * A parser by recursive descent, one level a precedence, over a text of the client's. It evaluates
 * while it parses; the first error stops everything.
 */
#include "config.h"

#include "cordbg/memory/wdbgexts-expression.h"

#include <glib.h>
#include <string.h>

/* Parentheses and unary operators, one within the other. */
#define DEPTH_MAX 64

typedef struct parser {
  const char *text;
  const char *at;
  unsigned radix;
  unsigned depth;
  const cordbg_expression_names *names;
  cordbg_error *error;
} parser;

static HRESULT parse_or(parser *self, uint64_t *ret);
static HRESULT parse_unary(parser *self, uint64_t *ret);

static HRESULT
syntax(parser *self, const char *what)
{
  return cordbg_error_set(self->error, E_FAIL, 0, 0, "Couldn't resolve error at '%.100s': %s",
                          self->at, what);
}

static void
skip_blanks(parser *self)
{
  while (*self->at == ' ' || *self->at == '\t')
    self->at++;
}

static bool
is_word(char c)
{
  return g_ascii_isalnum(c) || c == '_' || c == '$' || c == '?' || c == '~' || (c & 0x80) != 0;
}

/* The word operators' names; a longer word that begins with one is another word. */
static bool
takes_word(parser *self, const char *word)
{
  size_t length = strlen(word);
  if (g_ascii_strncasecmp(self->at, word, length) != 0 || is_word(self->at[length]) ||
      self->at[length] == '!')
    return false;
  self->at += length;
  return true;
}

/* ---- numbers ---- */

static unsigned
prefix_radix(const char *text)
{
  if (text[0] != '0')
    return 0;
  switch (g_ascii_tolower(text[1])) {
  case 'x':
    return 16;
  case 'n':
    return 10;
  case 't':
    return 8;
  case 'y':
    return 2;
  default:
    return 0;
  }
}

/* The digits from `at` on. NULL: more than 64 bits. A grave accent separates the halves. */
static const char *
digits(const char *at, unsigned radix, uint64_t *ret)
{
  uint64_t value = 0;
  const char *from = at;
  for (;; at++) {
    if (*at == '`' && at != from)
      continue;
    int digit = g_ascii_xdigit_value(*at);
    if (digit < 0 || (unsigned)digit >= radix)
      break;
    if (value > (UINT64_MAX - (uint64_t)digit) / radix)
      return NULL;
    value = value * radix + (uint64_t)digit;
  }
  *ret = value;
  return at;
}

/* S_OK: a number was taken; S_FALSE: none stands here. */
static HRESULT
parse_number(parser *self, uint64_t *ret)
{
  unsigned radix = prefix_radix(self->at);
  const char *from = self->at + (radix != 0 ? 2 : 0);
  bool prefixed = radix != 0;
  uint64_t value = 0;
  const char *end = digits(from, prefixed ? radix : self->radix, &value);
  if (!prefixed && (end == NULL || is_word(*end))) {
    /* 4ab3h is hexadecimal in any radix. */
    uint64_t hexadecimal;
    const char *last = digits(from, 16, &hexadecimal);
    if (last != NULL && last != from && (*last == 'h' || *last == 'H') && !is_word(last[1])) {
      value = hexadecimal;
      end = last + 1;
    }
  }
  if (end == NULL)
    return cordbg_error_set(self->error, E_FAIL, 0, 0,
                            "Numeric expression missing from '%.100s': more than 64 bits",
                            self->at);
  /* A prefix alone is 0; letters that go on make it a name, as does a module's '!'. */
  if ((end == from && !prefixed) || is_word(*end) || *end == '!')
    return S_FALSE;
  self->at = end;
  *ret = value;
  return S_OK;
}

/* ---- names ---- */

/* The end of a symbol's name: words joined by ::, with @ of a version and dots of local symbols. */
static const char *
symbol_end(const char *at)
{
  for (;; at++) {
    if (at[0] == ':' && at[1] == ':')
      at++;
    else if (!is_word(*at) && *at != '.' && *at != '@')
      return at;
  }
}

/*
 * Where the name ends. "libfoo-2.0!bar": up to the '!' when there is a module of that name, so that
 * the '-' is no operator; else the plain word's end.
 */
static const char *
name_end(const parser *self)
{
  char module[CORDBG_EXPRESSION_NAME_MAX];
  const char *at = self->at;
  while (is_word(*at) || *at == '.' || *at == '-' || *at == '+')
    at++;
  size_t length = (size_t)(at - self->at);
  if (*at == '!' && length > 0 && length < sizeof module) {
    memcpy(module, self->at, length);
    module[length] = '\0';
    if (self->names->module(self->names->data, module))
      return symbol_end(at + 1);
  }
  at = symbol_end(self->at);
  return *at == '!' ? symbol_end(at + 1) : at;
}

static HRESULT
unknown(parser *self, const char *name)
{
  return cordbg_error_set(self->error, E_FAIL, 0, 0, "Couldn't resolve error at '%.100s'", name);
}

static HRESULT
parse_register(parser *self, const char *name, uint64_t *ret)
{
  HRESULT hr = self->names->reg(self->names->data, name, ret, self->error);
  return hr == S_FALSE ? unknown(self, name) : hr;
}

static HRESULT
parse_name(parser *self, uint64_t *ret)
{
  char name[CORDBG_EXPRESSION_NAME_MAX];
  bool marked = *self->at == '@' || *self->at == '$';
  const char *from = self->at + (*self->at == '@' ? 1 : 0);
  bool own_module = *from == '!'; /* !name: a symbol, of whatever module */
  from += own_module ? 1 : 0;
  const char *end;
  if (marked) {
    for (end = from; is_word(*end);)
      end++;
  } else {
    end = own_module ? symbol_end(from) : name_end(self);
  }
  size_t length = (size_t)(end - from);
  if (length == 0)
    return syntax(self, "a number, a symbol or a register is missing here");
  if (length >= sizeof name)
    return syntax(self, "the name is too long");
  memcpy(name, from, length);
  name[length] = '\0';
  HRESULT hr;
  if (marked) {
    hr = parse_register(self, name, ret);
  } else {
    hr = self->names->symbol(self->names->data, name, ret, self->error);
    if (hr == S_FALSE)
      hr = own_module || strchr(name, '!') != NULL ? unknown(self, name)
                                                   : parse_register(self, name, ret);
  }
  if (SUCCEEDED(hr))
    self->at = end;
  return hr;
}

/* ---- operands ---- */

static HRESULT
parse_bracket(parser *self, char close, uint64_t *ret)
{
  self->at++;
  HRESULT hr = parse_or(self, ret);
  if (FAILED(hr))
    return hr;
  skip_blanks(self);
  if (*self->at != close)
    return syntax(self, close == ')' ? "a closing parenthesis is missing"
                                     : "a closing bracket is missing");
  self->at++;
  return S_OK;
}

static HRESULT
parse_primary(parser *self, uint64_t *ret)
{
  skip_blanks(self);
  if (*self->at == '(')
    return parse_bracket(self, ')', ret);
  if (*self->at == '[')
    return parse_bracket(self, ']', ret);
  if (*self->at == '.' && !is_word(self->at[1])) { /* the current instruction */
    HRESULT hr = parse_register(self, "rip", ret);
    self->at += SUCCEEDED(hr) ? 1 : 0;
    return hr;
  }
  HRESULT hr = parse_number(self, ret);
  return hr == S_FALSE ? parse_name(self, ret) : hr;
}

static HRESULT
read_memory(parser *self, size_t size, uint64_t *ret)
{
  return self->names->read(self->names->data, *ret, size, ret, self->error);
}

typedef enum unary {
  UNARY_NONE,
  UNARY_PLUS,
  UNARY_MINUS,
  UNARY_COMPLEMENT,
  UNARY_NOT,
  UNARY_HIGH,
  UNARY_LOW,
  UNARY_BYTE,
  UNARY_WORD,
  UNARY_DWORD,
  UNARY_QWORD,
} unary;

static unary
take_unary(parser *self)
{
  static const struct {
    const char *word;
    unary is;
  } words[] = {{"not", UNARY_NOT},   {"hi", UNARY_HIGH},   {"low", UNARY_LOW},
               {"by", UNARY_BYTE},   {"wo", UNARY_WORD},   {"dwo", UNARY_DWORD},
               {"qwo", UNARY_QWORD}, {"poi", UNARY_QWORD}, {"$poi", UNARY_QWORD}};
  static const char marks[] = "+-~!";
  static const unary marked[] = {UNARY_PLUS, UNARY_MINUS, UNARY_COMPLEMENT, UNARY_NOT};
  const char *mark = *self->at == '\0' ? NULL : strchr(marks, *self->at);
  /* !name is a symbol's name, !(x) and !5 are not's. */
  bool name = *self->at == '!' && (g_ascii_isalpha(self->at[1]) || self->at[1] == '_');
  if (mark != NULL && !name) {
    self->at++;
    return marked[mark - marks];
  }
  for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
    if (takes_word(self, words[i].word))
      return words[i].is;
  }
  return UNARY_NONE;
}

static HRESULT
apply_unary(parser *self, unary operation, uint64_t *ret)
{
  switch (operation) {
  case UNARY_MINUS:
    *ret = 0 - *ret;
    return S_OK;
  case UNARY_COMPLEMENT:
    *ret = ~*ret;
    return S_OK;
  case UNARY_NOT:
    *ret = *ret == 0;
    return S_OK;
  case UNARY_HIGH:
    *ret = *ret >> 16 & 0xffff;
    return S_OK;
  case UNARY_LOW:
    *ret &= 0xffff;
    return S_OK;
  case UNARY_BYTE:
    return read_memory(self, 1, ret);
  case UNARY_WORD:
    return read_memory(self, 2, ret);
  case UNARY_DWORD:
    return read_memory(self, 4, ret);
  case UNARY_QWORD:
    return read_memory(self, 8, ret);
  default:
    return S_OK;
  }
}

static HRESULT
parse_unary(parser *self, uint64_t *ret)
{
  if (self->depth == DEPTH_MAX)
    return syntax(self, "too deep");
  self->depth++;
  skip_blanks(self);
  unary operation = take_unary(self);
  HRESULT hr = operation == UNARY_NONE ? parse_primary(self, ret) : parse_unary(self, ret);
  if (SUCCEEDED(hr))
    hr = apply_unary(self, operation, ret);
  self->depth--;
  return hr;
}

/* ---- binary operators ---- */

typedef enum binary {
  BINARY_TIMES,
  BINARY_DIVIDE,
  BINARY_REMAINDER,
  BINARY_PLUS,
  BINARY_MINUS,
  BINARY_LEFT,
  BINARY_RIGHT,
  BINARY_RIGHT_SIGNED,
  BINARY_EQUAL,
  BINARY_UNEQUAL,
  BINARY_LESS,
  BINARY_GREATER,
  BINARY_NOT_GREATER,
  BINARY_NOT_LESS,
  BINARY_AND,
  BINARY_XOR,
  BINARY_OR,
} binary;

/* Of one level, a longer spelling before its own beginning. */
static const struct {
  int level;
  const char *spelling;
  binary is;
} operators[] = {
    {0, "*", BINARY_TIMES},        {0, "/", BINARY_DIVIDE},
    {0, "%", BINARY_REMAINDER},    {0, "mod", BINARY_REMAINDER},
    {1, "+", BINARY_PLUS},         {1, "-", BINARY_MINUS},
    {2, "<<", BINARY_LEFT},        {2, ">>>", BINARY_RIGHT_SIGNED},
    {2, ">>", BINARY_RIGHT},       {3, "==", BINARY_EQUAL},
    {3, "=", BINARY_EQUAL},        {3, "!=", BINARY_UNEQUAL},
    {3, "<=", BINARY_NOT_GREATER}, {3, ">=", BINARY_NOT_LESS},
    {3, "<", BINARY_LESS},         {3, ">", BINARY_GREATER},
    {4, "&", BINARY_AND},          {4, "and", BINARY_AND},
    {5, "^", BINARY_XOR},          {5, "xor", BINARY_XOR},
    {6, "|", BINARY_OR},           {6, "or", BINARY_OR},
};

static bool
take_binary(parser *self, int level, binary *ret)
{
  const char *before = self->at;
  skip_blanks(self);
  for (size_t i = 0; i < G_N_ELEMENTS(operators); i++) {
    const char *spelling = operators[i].spelling;
    size_t length = strlen(spelling);
    if (operators[i].level != level)
      continue;
    bool taken = g_ascii_isalpha(spelling[0]) ? takes_word(self, spelling)
                                              : strncmp(self->at, spelling, length) == 0;
    if (!taken)
      continue;
    if (!g_ascii_isalpha(spelling[0]))
      self->at += length;
    *ret = operators[i].is;
    return true;
  }
  self->at = before;
  return false;
}

static uint64_t
shift(binary operation, uint64_t value, uint64_t count)
{
  if (operation == BINARY_RIGHT_SIGNED)
    return (uint64_t)((int64_t)value >> (count > 63 ? 63 : count));
  if (count > 63)
    return 0;
  return operation == BINARY_LEFT ? value << count : value >> count;
}

static HRESULT
apply_binary(parser *self, binary operation, uint64_t right, uint64_t *ret)
{
  uint64_t left = *ret;
  switch (operation) {
  case BINARY_DIVIDE:
  case BINARY_REMAINDER:
    if (right == 0)
      return cordbg_error_set(self->error, E_FAIL, 0, 0, "Divide by zero error at '%.100s'",
                              self->at);
    *ret = operation == BINARY_DIVIDE ? left / right : left % right;
    return S_OK;
  case BINARY_TIMES:
    *ret = left * right;
    return S_OK;
  case BINARY_PLUS:
    *ret = left + right;
    return S_OK;
  case BINARY_MINUS:
    *ret = left - right;
    return S_OK;
  case BINARY_EQUAL:
    *ret = left == right;
    return S_OK;
  case BINARY_UNEQUAL:
    *ret = left != right;
    return S_OK;
  case BINARY_LESS:
    *ret = left < right;
    return S_OK;
  case BINARY_GREATER:
    *ret = left > right;
    return S_OK;
  case BINARY_NOT_GREATER:
    *ret = left <= right;
    return S_OK;
  case BINARY_NOT_LESS:
    *ret = left >= right;
    return S_OK;
  case BINARY_AND:
    *ret = left & right;
    return S_OK;
  case BINARY_XOR:
    *ret = left ^ right;
    return S_OK;
  case BINARY_OR:
    *ret = left | right;
    return S_OK;
  default:
    *ret = shift(operation, left, right);
    return S_OK;
  }
}

static HRESULT
parse_binary(parser *self, int level, uint64_t *ret)
{
  HRESULT hr = level == 0 ? parse_unary(self, ret) : parse_binary(self, level - 1, ret);
  binary operation;
  while (SUCCEEDED(hr) && take_binary(self, level, &operation)) {
    uint64_t right;
    hr = level == 0 ? parse_unary(self, &right) : parse_binary(self, level - 1, &right);
    if (SUCCEEDED(hr))
      hr = apply_binary(self, operation, right, ret);
  }
  return hr;
}

static HRESULT
parse_or(parser *self, uint64_t *ret)
{
  return parse_binary(self, 6, ret);
}

HRESULT
cordbg_expression_evaluate(const char *text, unsigned radix, const cordbg_expression_names *names,
                           uint64_t *ret, size_t *rest, cordbg_error *error)
{
  parser self = {.text = text, .at = text, .radix = radix, .names = names, .error = error};
  uint64_t value;
  if (text == NULL || radix < 2 || radix > 16)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "there is no expression");
  HRESULT hr = parse_or(&self, &value);
  if (SUCCEEDED(hr) && (is_word(*self.at) || (*self.at != '\0' && strchr("!@()[]`.", *self.at))))
    hr = syntax(&self, "the expression does not end here");
  if (rest != NULL)
    *rest = (size_t)(self.at - text);
  if (FAILED(hr))
    return hr;
  *ret = value;
  return S_OK;
}
