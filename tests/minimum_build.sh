#!/usr/bin/env bash
# Configures with the optional parts hidden: each is named with its package; the required ones stop.
# usage: minimum_build.sh CMAKE SOURCE_DIR C_COMPILER. Exit 0 or 1.
set -u
cmake=$1
source=$2
compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# pkg-config that does not find what HIDE names
cat >"$work/pkg-config" <<'SH'
#!/bin/sh
for a in "$@"; do
  for h in $HIDE; do
    case $a in "$h"*) exit 1 ;; esac
  done
done
PATH=$REAL_PATH exec pkg-config "$@"
SH
chmod +x "$work/pkg-config"

# configure STATUS PATTERNS HIDE [OPTIONS...]: PATTERNS are separated by |
configure() {
  local want=$1 patterns=$2 hide=$3 got=0 pattern
  shift 3
  rm -rf "$work/build"
  REAL_PATH=$PATH HIDE=$hide "$cmake" -G Ninja -S "$source" -B "$work/build" \
    -DCMAKE_C_COMPILER="$compiler" -DPKG_CONFIG_EXECUTABLE="$work/pkg-config" "$@" \
    >"$work/out" 2>&1 || got=1
  IFS='|' read -ra list <<<"$patterns"
  for pattern in "${list[@]}"; do
    if [ "$got" != "$want" ] || ! grep -q -e "$pattern" "$work/out"; then
      echo "FAIL: without '$hide' $*: status $got, want $want; '$pattern' wanted in:"
      tail -20 "$work/out"
      failed=$((failed + 1))
    fi
  done
}

configure 0 'libcmocka-dev|[Vv]erilator' cmocka -DHCA_VERILATOR_EXE=
configure 1 'libyaml-dev' yaml
configure 1 'libjansson-dev' jansson
configure 1 'zlib1g-dev' none -DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=TRUE
echo "$failed failed"
[ "$failed" = 0 ]
