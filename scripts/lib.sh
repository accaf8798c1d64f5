# shellcheck shell=bash
# Common functions of scripts/setup, scripts/demo and scripts/check. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$ROOT/build
CACHE=$(realpath -m "${HCASIM_CACHE:-$ROOT/build/cache}")
JOBS=${HCASIM_JOBS:-$(nproc)}
export ROOT BUILD CACHE JOBS

# Exit statuses: those of hcasim itself, so that a caller need not tell the two apart.
# STATUS_SKIP is between these scripts: "nothing to do here, and that is no failure".
readonly STATUS_FAILED=1 STATUS_USAGE=2 STATUS_HOST=4 STATUS_SKIP=77
export STATUS_FAILED STATUS_USAGE STATUS_HOST STATUS_SKIP

say() { printf '%s\n' "$*"; }
note() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# die STATUS TEXT...
die() {
    local status=$1
    shift
    note "$@"
    exit "$status"
}

# Nothing is written outside build/: temporary files of compilers, tests and scripts included.
TMPDIR=$BUILD/tmp
mkdir -p "$TMPDIR" || die "$STATUS_HOST" "cannot write in $BUILD"
export TMPDIR

have() { command -v "$1" >/dev/null 2>&1; }

# Prints the usage text of a script: its leading comment block without the first line.
usage_of() { awk 'NR > 1 && !/^#/ {exit} NR > 1 {sub(/^# ?/, ""); print}' "$1"; }

# One run at a time in one clone: the scripts write into build/. Held until this process ends, for
# the scripts that it starts as well.
take_lock() {
    [ -z "${HCASIM_LOCKED:-}" ] || return 0
    mkdir -p "$BUILD" "$CACHE" || die "$STATUS_HOST" "cannot write in $BUILD"
    exec 9>>"$BUILD/.lock"
    if ! flock --nonblock 9; then
        note "process $(cat "$BUILD/.lock.pid" 2>/dev/null || echo '?') works in $BUILD; waiting"
        flock 9
    fi
    echo $$ >"$BUILD/.lock.pid"
    export HCASIM_LOCKED=$$
}

# Puts what one preset needs into build/<preset>; arguments after it are build targets.
configure_and_build() {
    local preset=$1
    shift
    (cd "$ROOT" && cmake --preset "$preset") || return
    cmake --build "$BUILD/$preset" -j "$JOBS" ${1:+--target "$@"} 9>&-
}

# All files under version control, or all files but build/ in a tree without git; NUL between them.
project_files() {
    if have git && git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$ROOT" ls-files -z --cached --others --exclude-standard
    else
        (cd "$ROOT" && find . -path ./build -prune -o -path ./.git -prune -o -type f -printf '%P\0')
    fi
}
