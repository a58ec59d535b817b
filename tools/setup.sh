# SPDX-License-Identifier: MIT
# What ./demo and ./check share: installs what is missing, configures, builds.
# Sourced with $top set to the project's root; uses POSIX sh only, since a fresh Debian has no more.

# What a build, the tests and the samples need, as Debian 12 names it.
packages="autoconf automake libtool pkg-config make gcc g++ libc6-dev gawk
libglib2.0-dev libjson-glib-dev zlib1g-dev libelf-dev libdw-dev liblzma-dev libzydis-dev libcmocka-dev
xz-utils mono-runtime mono-mcs libmono-2.0-dev libmono-compilerservices-symbolwriter4.0-cil"

say() {
  printf '%s\n' "$*"
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    fail "packages are missing and installing them needs root: run as root, or install sudo, or install by hand:" $missing
  fi
}

# Prints the packages of the list that are not installed.
missing_packages() {
  for package in $packages; do
    status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) || status=
    case $status in ii*) ;; *) printf '%s ' "$package" ;; esac
  done
}

install_missing() {
  command -v dpkg-query >/dev/null 2>&1 || {
    say "not a Debian system: building with what is here"
    return 0
  }
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  say "installing: $missing"
  as_root apt-get update -qq || fail "apt-get update failed: is the network there?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
    >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "installing failed; the whole output is in $log"
  }
}

# build_in FOLDER [configure arguments]: configures (once) and builds below build/.
build_in() {
  folder=$top/build/$1
  shift
  mkdir -p "$folder"
  if [ ! -x "$top/configure" ] || [ "$top/configure.ac" -nt "$top/configure" ]; then
    "$top/autogen.sh" >"$log" 2>&1 || {
      tail -n 20 "$log" >&2
      fail "autogen.sh failed; the whole output is in $log"
    }
  fi
  (
    cd "$folder" &&
      { [ -f Makefile ] || "$top/configure" -q "$@"; } &&
      make -s -j"$(nproc)"
  ) >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail "the build failed; the whole output is in $log"
  }
}
