# SPDX-License-Identifier: MIT
# Turns an interface table (tests/abi/tables/*.tsv) into C text. Plain POSIX awk.
#
#   awk -v part=PART -f interfaces.awk TABLE...
#
#   part=forward   forward declarations
#   part=declare   IIDs and DECLARE_INTERFACE_ blocks, for the public headers
#   part=calls     the NAME_Method(This, ...) macros for C
#   part=slots     the NAME_NOTIMPL_SLOTS macros of cordbg/com/notimpl.h
#   part=list      one line an interface: X(NAME), for tests that walk them all
#   part=checks    C statements that compare a header with the table (check-interfaces.c)
#   part=invoke    a call of each macro, with the slot that it must reach (check-calls.c)
#   part=cxx       a C++ class an interface, and calls by slot (check-slots.cc)
#   part=notimpl   a vtable of empty slots an interface (check-notimpl.c)
#
# The public headers are committed; `regenerate` puts part=declare and part=calls into them and
# `make check` proves that it would change nothing. part=checks and part=cxx run at build time and
# ask the compiler, so that they also catch what a hand edit of a header would break.

BEGIN {
  FS = "\t"
  count = 0
}

function guid(text,    a, i, s, rest) {
  split(text, a, "-")
  s = "0x" a[1] ", 0x" a[2] ", 0x" a[3]
  rest = a[4] a[5]
  for (i = 1; i <= 16; i += 2) s = s ", 0x" substr(rest, i, 2)
  return s
}

# Drops the "(cData,*pcData) " annotations of symbols.tsv, whose commas are not separators.
function clean(params) {
  gsub(/\([^)]*\) */, "", params)
  return params
}

# "const BYTE* p" -> ptype[i] = "const BYTE *", pname[i] = "p". Returns the number of parameters; a
# "..." at the end counts as one, without a name.
function parse(params,    n, i, a, m, t) {
  params = clean(params)
  if (params == "void" || params == "-" || params == "") return 0
  n = split(params, a, /, */)
  for (i = 1; i <= n; i++) {
    if (a[i] == "...") { ptype[i] = "..."; pname[i] = ""; continue }
    m = match(a[i], /[A-Za-z_0-9]+$/)
    pname[i] = substr(a[i], m)
    t = substr(a[i], 1, m - 1)
    gsub(/ +$/, "", t)
    stars = ""
    while (t ~ /\*$/) { stars = stars "*"; t = substr(t, 1, length(t) - 1); gsub(/ +$/, "", t) }
    ptype[i] = (stars == "") ? t " " : t " " stars
  }
  return n
}

FNR == 1 { next }

{
  name = $1
  if (!(name in base)) {
    order[++count] = name
    iid[name] = $2
    base[name] = $3
    own[name] = 0
  }
  if ($5 == "-") next
  k = ++own[name]
  slot[name, k] = $4 + 0
  method[name, k] = $5
  returns[name, k] = $6
  params[name, k] = $7
}

# Fills chain[1..n] with the interfaces from the root (without IUnknown) to name itself.
function lineage(name,    n, x, i, tmp) {
  n = 0
  for (x = name; x != "IUnknown"; x = base[x]) {
    if (!(x in base)) { printf "interfaces.awk: %s has no row\n", x > "/dev/stderr"; exit 1 }
    tmp[++n] = x
  }
  for (i = 1; i <= n; i++) chain[i] = tmp[n + 1 - i]
  return n
}

# The parameter list as declared, broken at 100 columns.
function declare_method(ret, m, plist,    n, i, line, indent, piece, head) {
  head = (ret == "HRESULT") ? "  STDMETHOD(" m ")" : "  STDMETHOD_(" ret ", " m ")"
  n = parse(plist)
  if (n == 0) { print head "(THIS) PURE;"; return }
  line = head "(THIS_ "
  indent = "      "
  for (i = 1; i <= n; i++) {
    piece = ptype[i] pname[i] (i < n ? ", " : ") PURE;")
    if (length(line) + length(piece) > 101 && i > 1) { sub(/ +$/, "", line); print line; line = indent }
    line = line piece
  }
  print line
}

function emit_declare(name,    n, c, i, j) {
  print ""
  print "CORDBG_GUID(IID_" name ", " guid(iid[name]) ");"
  print "#undef INTERFACE"
  print "#define INTERFACE " name
  print "DECLARE_INTERFACE_(" name ", " base[name] ")"
  print "{"
  print "  CORDBG_IUNKNOWN_METHODS;"
  n = lineage(name)
  for (c = 1; c <= n; c++) {
    if (own[chain[c]] == 0) continue
    if (n > 1) { print ""; print "  /* " chain[c] " */" }
    for (j = 1; j <= own[chain[c]]; j++)
      declare_method(returns[chain[c], j], method[chain[c], j], params[chain[c], j])
  }
  print "};"
}

# In a macro the last named parameter goes with the "...", which must stand for one argument at
# least.
function variadic(n, i) {
  return ptype[n] == "..." && i >= n - 1
}

function emit_call(name, m, plist,    n, i, s, head, body) {
  n = parse(plist)
  s = ""
  for (i = 1; i <= n && !variadic(n, i); i++) s = s ", " pname[i]
  head = "#define " name "_" m "(This" s (i <= n ? ", ..." : "") ")"
  body = "((This)->lpVtbl->" m "(This" s (i <= n ? ", __VA_ARGS__" : "") "))"
  if (length(head) + 1 + length(body) <= 100) { print head " " body; return }
  broken(head)
  broken_body(body)
}

# Prints a macro's head over as many lines as it takes, each with its backslash.
function broken(text,    cut) {
  while (length(text) > 98) {
    for (cut = 98; cut > 20 && substr(text, cut, 1) != ","; cut--) ;
    print substr(text, 1, cut) " \\"
    text = "   " substr(text, cut + 1)
  }
  print text " \\"
}

function broken_body(text,    cut) {
  text = "  " text
  while (length(text) > 98) {
    for (cut = 98; cut > 20 && substr(text, cut, 1) != ","; cut--) ;
    print substr(text, 1, cut) " \\"
    text = "    " substr(text, cut + 1)
  }
  print text
}

function emit_calls(name,    n, c, j) {
  print ""
  emit_call(name, "QueryInterface", "REFIID riid, void** ppvObject")
  emit_call(name, "AddRef", "void")
  emit_call(name, "Release", "void")
  n = lineage(name)
  for (c = 1; c <= n; c++)
    for (j = 1; j <= own[chain[c]]; j++)
      emit_call(name, method[chain[c], j], params[chain[c], j])
}

function emit_slots(name,    n, c, j, s, line, piece) {
  print ""
  line = "#define " name "_NOTIMPL_SLOTS \\"
  print line
  line = "  CORDBG_UNKNOWN_SLOTS(" name ")"
  n = lineage(name)
  for (c = 1; c <= n; c++)
    for (j = 1; j <= own[chain[c]]; j++) {
      piece = (returns[chain[c], j] == "BOOL" ? "CORDBG_FALSE_SLOT(" : "CORDBG_NOTIMPL_SLOT(") \
        name ", " method[chain[c], j] ")"
      if (length(line) + length(piece) > 96) { print line ", \\"; line = "  " piece }
      else line = line ", " piece
    }
  print line
}

function emit_checks(name,    n, c, j, i, k, total, types, where) {
  printf "  check_iid(&IID_%s, \"%s\", \"%s\");\n", name, name, iid[name]
  print "  CHECK_SLOT(" name ", QueryInterface, 0);"
  print "  CHECK_SLOT(" name ", AddRef, 1);"
  print "  CHECK_SLOT(" name ", Release, 2);"
  print "  CHECK_TYPE(" name ", QueryInterface, HRESULT, 2, REFIID, void **);"
  print "  CHECK_TYPE0(" name ", AddRef, ULONG);"
  print "  CHECK_TYPE0(" name ", Release, ULONG);"
  n = lineage(name)
  total = 3
  for (c = 1; c <= n; c++) {
    where = chain[c]
    for (j = 1; j <= own[where]; j++) {
      print "  CHECK_SLOT(" name ", " method[where, j] ", " slot[where, j] ");"
      k = parse(params[where, j])
      types = ""
      for (i = 1; i <= k; i++) { t = ptype[i]; sub(/ +$/, "", t); types = types ", " t }
      if (k == 0) print "  CHECK_TYPE0(" name ", " method[where, j] ", " returns[where, j] ");"
      else print "  CHECK_TYPE(" name ", " method[where, j] ", " returns[where, j] ", " k types ");"
      total++
    }
  }
  print "  CHECK_TOTAL(" name ", " total ");"
}

function invoke(name, m, plist, number, ret,    k, i, s, t) {
  k = parse(plist)
  s = ""
  for (i = 1; i <= k && ptype[i] != "..."; i++) {
    t = ptype[i]
    sub(/ +$/, "", t)
    s = s ", (" t "){0}"
  }
  print "  CHECK_CALL(" name "_" m "((" name " *)&probe" s "), \"" name "_" m "\", " number ");"
}

function emit_invoke(name,    n, c, j) {
  invoke(name, "QueryInterface", "REFIID riid, void** ppvObject", 0)
  invoke(name, "AddRef", "void", 1)
  invoke(name, "Release", "void", 2)
  n = lineage(name)
  for (c = 1; c <= n; c++)
    for (j = 1; j <= own[chain[c]]; j++)
      invoke(name, method[chain[c], j], params[chain[c], j], slot[chain[c], j])
}

# The slots that return something else than HRESULT are named: nothing else may answer otherwise.
function emit_notimpl(name,    n, c, j, other) {
  print "  {"
  print "    CORDBG_VTBL(" name ", vtbl);"
  other = -1
  n = lineage(name)
  for (c = 1; c <= n; c++)
    for (j = 1; j <= own[chain[c]]; j++)
      if (returns[chain[c], j] == "BOOL") other = slot[chain[c], j]
  print "    check_notimpl(\"" name "\", &vtbl, sizeof(vtbl) / sizeof(void *), " other ");"
  print "  }"
}

# A class that implements the interface: each method notes its slot. Then each slot is called as C
# would, through a table of pointers, and the note is compared.
function emit_cxx(name,    n, c, j, i, k, s, where, r) {
  print "class " name "Probe : public " name " {"
  print "public:"
  print "  HRESULT QueryInterface(REFIID, void **) override { return note(0); }"
  print "  ULONG AddRef() override { note(1); return 1; }"
  print "  ULONG Release() override { note(2); return 1; }"
  n = lineage(name)
  for (c = 1; c <= n; c++) {
    where = chain[c]
    for (j = 1; j <= own[where]; j++) {
      k = parse(params[where, j])
      s = ""
      for (i = 1; i <= k; i++) { t = ptype[i]; sub(/ +$/, "", t); s = s (i > 1 ? ", " : "") t }
      r = returns[where, j]
      print "  " r " " method[where, j] "(" s ") override { " \
        (r == "void" ? "note(" slot[where, j] ");" : "return (" r ")note(" slot[where, j] ");") " }"
    }
  }
  print "};"
  total = 3
  for (c = 1; c <= n; c++) total += own[chain[c]]
  body = body "  {\n    " name "Probe probe;\n    check_slots(\"" name "\", static_cast<" name \
    " *>(&probe), " total ");\n  }\n"
}

END {
  for (i = 1; i <= count; i++) {
    name = order[i]
    if (part == "forward") print "CORDBG_FORWARD(" name ");"
    else if (part == "declare") emit_declare(name)
    else if (part == "calls") emit_calls(name)
    else if (part == "slots") emit_slots(name)
    else if (part == "list") print "X(" name ")"
    else if (part == "checks") emit_checks(name)
    else if (part == "invoke") emit_invoke(name)
    else if (part == "cxx") emit_cxx(name)
    else if (part == "notimpl") emit_notimpl(name)
    else { print "interfaces.awk: unknown part " part > "/dev/stderr"; exit 1 }
  }
  if (part == "declare") { print ""; print "#undef INTERFACE" }
  if (part == "cxx") {
    print "static void"
    print "check_all_slots()"
    print "{"
    printf "%s", body
    print "}"
  }
}
