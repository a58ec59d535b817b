# SPDX-License-Identifier: MIT
# Turns tables/enums.tsv into C text:  awk -v header=cordebug.h -v part=PART -f enums.awk TABLE
#
#   part=declare   typedef enum blocks for the public header
#   part=checks    CHECK_ENUM(NAME, VALUE) statements for check-values.c

BEGIN { FS = "\t" }
FNR == 1 || $1 != header { next }
{
  if (part == "checks") { print "  CHECK_ENUM(" $2 ", " $3 ", " $4 ");"; next }
  if (!($2 in seen)) { seen[$2] = 1; order[++n] = $2 }
  rows[$2] = rows[$2] "  " $3 " = " $4 ",\n"
  if ($4 ~ /^0x[89a-fA-F].......$/) large[$2] = 1
}
END {
  if (part == "checks") exit
  for (i = 1; i <= n; i++) {
    e = order[i]
    body = substr(rows[e], 1, length(rows[e]) - 2)
    # Enumerators beyond INT_MAX are a GNU (and C23) extension.
    print ""
    print (e in large ? "__extension__ " : "") "typedef enum " e " {"
    print body
    print "} " e ";"
  }
}
