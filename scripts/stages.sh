# shellcheck shell=bash
# Runs named stages one after the other, with time and log of each, and prints a table at the end.
# Sourced by scripts/check after lib.sh.

LOGS=
STAGES=()
declare -A RESULT=() TOOK=() NOTE=()

# begin_stages DIRECTORY: logs go there; from now on the table is printed however the script ends.
begin_stages() {
    LOGS=$1
    mkdir -p "$LOGS"
    rm -f "$LOGS"/*.log
    trap 'finish $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# stage NAME FUNCTION [NEEDED]: runs FUNCTION under set -e with its output in NAME.log; skipped when
# the stage NEEDED did not pass. A line "note: TEXT" of its output goes into the table. A failure is
# kept for the end, and the other stages go on. Must not be called in a condition: bash would ignore
# set -e in all that runs below.
stage() {
    local name=$1 function=$2 needed=${3:-} start=$SECONDS status
    local log=$LOGS/$name.log
    STAGES+=("$name")
    if [ -n "$needed" ] && [ "${RESULT[$needed]:-}" != ok ]; then
        RESULT[$name]=skipped TOOK[$name]=0 NOTE[$name]="needs '$needed'"
        return 0
    fi
    printf 'check: %-11s ' "$name"
    RESULT[$name]=failed NOTE[$name]='interrupted'
    set +e
    (
        set -euo pipefail
        "$function"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    TOOK[$name]=$((SECONDS - start))
    RESULT[$name]=$(result_of "$status")
    NOTE[$name]=$(note_of "$log" | paste -sd ';')
    say "${RESULT[$name]} ${TOOK[$name]} s${NOTE[$name]:+ (${NOTE[$name]})}"
    [ "${RESULT[$name]}" != failed ] || show_failure "$log"
}

# Ends the script unless the stage passed: nothing below it could run.
require() {
    [ "${RESULT[$1]}" = ok ] || exit "$STATUS_HOST"
}

result_of() {
    case $1 in
    0) echo ok ;;
    "$STATUS_SKIP") echo skipped ;;
    *) echo failed ;;
    esac
}

# What a log says about itself: its notes, or the totals of ctest.
note_of() {
    awk '/^note: / { print substr($0, 7) }' "$1"
    counts_of "$1" | awk '$1 + $2 + $3 > 0 {
        print $1 " passed, " $2 " failed" ($3 ? ", " $3 " skipped" : "") }'
}

show_failure() {
    say "---- the end of $1"
    tail -n 80 "$1"
    say "----"
}

# Prints "passed failed skipped" of the ctest run in a log. ctest counts a skipped test as passed.
counts_of() {
    awk '/tests passed, [0-9]+ tests failed out of [0-9]+/ { total += $NF; failed += $4 }
         /\*\*\*Skipped/ { skipped++ }
         END { printf "%d %d %d\n", total - failed - skipped, failed, skipped }' "$1"
}

# Prints "passed failed" over all stages.
totals() {
    local name passed=0 failed=0 p f rest
    for name in "${STAGES[@]}"; do
        read -r p f rest < <(counts_of "$LOGS/$name.log" 2>/dev/null || echo 0 0 0)
        passed=$((passed + p)) failed=$((failed + f))
        if [ "${RESULT[$name]}" = failed ] && [ "$f" = 0 ]; then failed=$((failed + 1)); fi
    done
    echo "$passed $failed"
}

finish() {
    local status=$1 name passed failed
    trap - EXIT
    say ''
    printf '%-11s %-8s %7s  %s\n' stage result seconds note
    for name in "${STAGES[@]}"; do
        printf '%-11s %-8s %7d  %s\n' "$name" "${RESULT[$name]}" "${TOOK[$name]:-0}" \
            "${NOTE[$name]}"
    done
    printf '%-11s %-8s %7d\n' total '' "$SECONDS"
    read -r passed failed < <(totals)
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    say "$passed passed, $failed failed"
    exit "$status"
}

# Ends the script with the status that the stages earned.
end_stages() {
    local name
    for name in "${STAGES[@]}"; do
        [ "${RESULT[$name]}" != failed ] || exit "$STATUS_FAILED"
    done
    exit 0
}
