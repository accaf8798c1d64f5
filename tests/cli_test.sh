#!/usr/bin/env bash
# hcasim on the command line: exit statuses, messages, files. usage: cli_test.sh HCASIM SOURCE_DIR
set -u
hcasim=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# expect STATUS PATTERN ARGS...: the status, and PATTERN somewhere in the output
expect() {
  local want=$1 pattern=$2 got
  shift 2
  timeout 120 "$hcasim" "$@" >out.txt 2>&1
  got=$?
  if [ "$got" != "$want" ] || ! grep -q -e "$pattern" out.txt; then
    echo "FAIL: hcasim $*: status $got, want $want; '$pattern' wanted in:"
    head -5 out.txt
    failed=$((failed + 1))
  fi
}

fail() {
  echo "FAIL: $*"
  failed=$((failed + 1))
}

# nothing PATTERN: no file of that name was left
nothing() {
  if compgen -G "$1" >/dev/null; then
    echo "FAIL: $1 was left behind"
    failed=$((failed + 1))
  fi
}

cat >spec.yaml <<'YAML'
flows:
  - pattern: bw
    op: write
    ops: 20
    size: 3000
YAML

expect 2 'usage: hcasim'
expect 0 'usage: hcasim' --help
expect 0 'commit' --version
expect 2 'not a command' frobnicate
expect 0 'hcasim run --trace' run --help
expect 2 '--trace FILE is missing' run
expect 2 'did you mean --trace x.hct' run x.hct
expect 3 'nothing.hct' run --trace nothing.hct
expect 0 'operations' trace gen spec.yaml -o t.hct
expect 0 'whole and by the rules' trace check t.hct
expect 0 'write' trace info t.hct
expect 0 '"write"' trace info t.hct --json
expect 0 '.' trace show t.hct --count 3
expect 0 '' trace diff t.hct t.hct
expect 2 '-o T.hct is missing' trace gen spec.yaml
expect 2 'not a verb' trace frob t.hct
expect 0 'hca.qp_max' params
expect 0 '"key"' params --json
expect 0 'mlx4_qdr' presets
expect 2 'did you mean' params --set hca.qp_mx=1
expect 2 'no preset\|unknown preset\|mlx4' params --preset mlx4_qdx

expect 0 '0 not as expected' run --trace t.hct --out r1
for f in report.txt report.json run.json; do
  [ -s "r1/$f" ] || { echo "FAIL: r1/$f is missing"; failed=$((failed + 1)); }
done
expect 0 '0 not as expected' run --trace t.hct --out r2
cmp -s r1/report.json r2/report.json || { echo "FAIL: two runs differ"; failed=$((failed + 1)); }
expect 0 '=' diff r1 r2
expect 0 'not as expected' run --trace t.hct --out r3 --set pcie.gen=2
expect 1 'pcie.gen: 3 -> 2' diff r1 r3
expect 3 'not a report' diff r1 spec.yaml
expect 1 'simulated-time limit\|operations' run --trace t.hct --out r4 --max-time 1us
expect 2 'write 10us' run --trace t.hct --max-time soon
expect 2 'on or off' run --trace t.hct --payload maybe
expect 2 'drop|dup' run --trace t.hct --fault explode
expect 2 'minimum' run --trace t.hct --set hca.qp_max=0
expect 0 'not as expected' run --trace t.hct --out r5 --fault drop:opcode=0x06,nth=3 --pcap --events
for f in net.pcap events.hct; do
  [ -s "r5/$f" ] || { echo "FAIL: r5/$f is missing"; failed=$((failed + 1)); }
done
expect 0 'events' trace info r5/events.hct

head -c 300 t.hct >cut.hct
expect 3 'cut.hct' trace check cut.hct
: >empty.hct
expect 3 'empty.hct' run --trace empty.hct --out r6
head -c 5000 /dev/urandom >noise.pcap
expect 3 'noise.pcap' trace import noise.pcap -o n.hct
nothing 'n.hct*'
head -c 20000 "$source/traces/captures/softroce-perftest.pcap.gz" >cut.pcap.gz
expect 0 'ends inside a record' trace import cut.pcap.gz -o cut2.hct
expect 0 '0 not as expected' run --trace cut2.hct --out rcut
# cut anywhere, and mostly within a message
zcat "$source/traces/captures/softroce-perftest.pcap.gz" >whole.pcap
for bytes in 24 1000 300001 2500003; do
  head -c "$bytes" whole.pcap >cut.pcap
  timeout 60 "$hcasim" trace import cut.pcap -o cut3.hct >out.txt 2>&1
  got=$?
  case $got in
  0) expect 0 '0 not as expected, 0 wrong payloads' run --trace cut3.hct --out rcut ;;
  3) nothing 'cut3.hct*' ;;
  *) fail "capture cut at $bytes: status $got" ;;
  esac
  rm -f cut3.hct
done
expect 3 'empty.hct' trace import empty.hct -o n.hct
expect 3 'no such\|No such' trace import none.pcap -o n.hct
expect 3 'folder' run --trace . --out r6
expect 3 'spec.yaml' run --trace spec.yaml --out r6
truncate -s 8T huge.hct 2>/dev/null && expect 3 'huge.hct' run --trace huge.hct --out r6
truncate -s 8T huge.pcap 2>/dev/null && expect 3 'huge.pcap' trace import huge.pcap -o n.hct
nothing 'n.hct*'
nothing 'r6'

# a bit at a time: refused by name, or played as far as it is whole; never a signal. Nightly runs
# (HCASIM_SEEDS) take more places.
size=$(wc -c <t.hct)
flips=$((${HCASIM_SEEDS:-0} > 15 ? ${HCASIM_SEEDS:-0} + 25 : 15))
for i in $(seq 1 "$flips"); do
  at=$(((i * 7919 + i / 8) % size))
  cp t.hct flip.hct
  byte=$(od -An -tu1 -j "$at" -N1 flip.hct)
  byte=$(printf %o $((byte ^ 1 << i % 8)))
  # shellcheck disable=SC2059  # an octal escape
  printf "\\$byte" | dd of=flip.hct bs=1 seek="$at" conv=notrunc 2>/dev/null
  timeout 60 "$hcasim" run --trace flip.hct --quiet --out rflip >out.txt 2>&1
  got=$?
  case $got in 0 | 1 | 2 | 3) ;; *) fail "bit $at flipped: status $got"; head -3 out.txt ;; esac
done

# configuration: order of merging, presets on presets, origins, places
cat >a.yaml <<'YAML'
extends: generic100
hca:
  qp_max: 100
  cq_max: 200
YAML
printf 'hca:\n  qp_max: 300\n' >b.yaml
printf 'hca:\n  qp_max: 300\n  qp_mx: 4\n' >c.yaml
printf 'hca:\n  qp_max: 99999999\n' >d.yaml
printf 'hca: [1, 2\n' >e.yaml
value() { # value KEY WANT ORIGIN ARGS...
  local key=$1 want=$2 origin=$3
  shift 3
  "$hcasim" params --json "$@" >p.json 2>out.txt
  /usr/bin/python3 - "$key" "$want" "$origin" <<'PY' 2>out.txt || fail "$key: $(tail -1 out.txt)"
import json, sys
def rows(x):
    if isinstance(x, dict):
        if x.get("key") == sys.argv[1]:
            yield x
        for v in x.values():
            yield from rows(v)
    elif isinstance(x, list):
        for v in x:
            yield from rows(v)
row = next(rows(json.load(open("p.json"))))
assert str(row["value"]) == sys.argv[2], row
assert sys.argv[3] in json.dumps(row), row
PY
}
if [ -x /usr/bin/python3 ]; then
  value hca.qp_max 300 b.yaml:2 --config a.yaml --config b.yaml
  value hca.qp_max 100 a.yaml:3 --config b.yaml --config a.yaml
  value hca.cq_max 200 a.yaml:4 --config a.yaml --config b.yaml
  value hca.qp_max 7 -- --set hca.qp_max=7 --config a.yaml
  value pcie.gen 3 'preset generic100' --config a.yaml
  value pcie.gen 2 'preset mlx4_qdr' --config a.yaml --preset mlx4_qdr
fi
expect 2 "c.yaml:3: .*qp_mx.*did you mean 'hca.qp_max'" params --config c.yaml
expect 2 'd.yaml:2: .*99999999.*maximum is 65535' params --config d.yaml
expect 2 'e.yaml:1' params --config e.yaml
expect 2 'none.yaml' params --config none.yaml
expect 2 'options only' params hca.qp_max
for c in run params presets diff sweep 'trace import' 'trace gen' 'trace info' 'trace show' \
  'trace diff' 'trace check'; do
  # shellcheck disable=SC2086  # two words
  expect 0 'xample' $c --help
done

# traces that ask for what is not there, and operations that must fail in the adapter only
expect 2 'raise it with --set hca.max_cqe=N' run --trace t.hct --out r7 --set hca.max_cqe=16
"$hcasim" trace gen spec.yaml --seed 3 -o s3.hct >out.txt 2>&1 || fail 'trace gen --seed'

# a stop leaves a report of what ran
cat >long.yaml <<'YAML'
flows:
  - {pattern: bw, op: write, ops: 200000, size: 4096, qps: 2}
YAML
"$hcasim" trace gen long.yaml -o long.hct >out.txt 2>&1 || fail 'trace gen of 200,000 operations'
expect 1 'wall-time limit' run --trace long.hct --out r8 --max-wall 300ms --pcap --events
for f in report.txt report.json run.json net.pcap events.hct; do
  [ -s "r8/$f" ] || fail "r8/$f is missing after --max-wall"
done
expect 0 'whole and by the rules' trace check r8/events.hct
"$hcasim" run --trace long.hct --out r9 >out.txt 2>&1 &
pid=$!
for _ in $(seq 100); do
  [ -d r9 ] && break
  sleep 0.05
done
sleep 0.3
expect 4 'another run writes there' run --trace t.hct --out r9
kill -INT $pid
wait $pid
got=$?
if [ $got != 130 ] || ! grep -q '"interrupted"' r9/report.json; then
  fail "SIGINT: status $got, want 130 and a report"
fi
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then # a terminal can be had
  script -qec "'$hcasim' run --trace long.hct --out r10 --max-wall 1300ms" /dev/null \
    </dev/null >out.txt 2>&1
  grep -q '%  [0-9]* of 200000 operations, [0-9]* s left.* simulated/wall' out.txt ||
    fail 'no progress on a terminal'
fi

# places that cannot be written
expect 4 'spec.yaml' run --trace t.hct --out spec.yaml
expect 4 'no/such' run --trace t.hct --out no/such/folder
"$hcasim" params >/dev/full 2>out.txt
[ $? = 4 ] || fail 'params >/dev/full: status 4 wanted'
if [ "$(id -u)" != 0 ]; then
  mkdir locked && chmod 555 locked
  expect 4 'locked' run --trace t.hct --out locked
fi
(
  ulimit -f 8 # blocks of 1 KiB: what a full disk does, for any user
  timeout 60 "$hcasim" run --trace t.hct --quiet --out small --pcap --events >out2.txt 2>&1
  got=$?
  [ $got = 4 ] && grep -q 'small' out2.txt
) || fail 'files that cannot grow: status 4 and the folder wanted'
for f in '*.part*' '*.tmp' 'report.*' net.pcap events.hct; do
  nothing "small/$f"
done
(ulimit -f 8 && timeout 60 "$hcasim" trace import \
  "$source/traces/captures/softroce-perftest.pcap.gz" -o big.hct >out2.txt 2>&1)
[ $? = 4 ] || fail 'import into a file that cannot grow: status 4 wanted'
nothing 'big.hct*'

# loopback in the capture on request only
cat >loop.yaml <<'YAML'
flows:
  - {pattern: bw, op: write, ops: 5, size: 100, from: 0, to: 0}
YAML
expect 0 '5 operations' trace gen loop.yaml -o loop.hct
expect 0 '0 not' run --trace loop.hct --out r11 --pcap
expect 0 '0 not' run --trace loop.hct --out r12 --pcap loop
expect 0 '0 not' run --trace loop.hct --out r13 --pcap=loop,ports
[ "$(wc -c <r11/net.pcap)" = 24 ] || fail 'frames that crossed no link are in net.pcap'
[ "$(wc -c <r12/net.pcap)" -gt 24 ] || fail '--pcap loop shows nothing'
[ -s r13/port0.pcap ] || fail '--pcap ports writes no port0.pcap'
expect 2 'loop, ports' run --trace loop.hct --out r12 --pcap wide

expect 0 '2 points: 2 run' sweep pcie.lanes=8,16 --trace t.hct -o s.csv -j 2
expect 0 '2 taken from' sweep pcie.lanes=8,16 --trace t.hct -o s.csv
lines=$(wc -l <s.csv)
[ "$lines" = 3 ] || { echo "FAIL: s.csv has $lines lines, want 3"; failed=$((failed + 1)); }
expect 2 'unknown parameter' sweep pcie.lnes=8 --trace t.hct -o s2.csv
nothing 's2.csv'
printf '8,16' >>s.csv # a row that a killed sweep did not finish
expect 0 '2 taken from' sweep pcie.lanes=8,16 --trace t.hct -o s.csv
[ "$(wc -l <s.csv)" = 3 ] || fail 'the cut row of s.csv stays'
expect 2 'another trace or of other options' sweep pcie.lanes=8 --trace t.hct --seed 9 -o s.csv
expect 2 'other parameters' sweep pcie.gen=2 --trace t.hct -o s.csv
expect 1 '1 with failures' sweep hca.max_cqe=1,4096 --trace t.hct -j 2 -o s3.csv
grep -q '^1,.*,2,.*max_cqe' s3.csv || fail 'the failed point of s3.csv does not say why'
cp s3.csv s4.csv
expect 0 '2 taken' sweep hca.max_cqe=1,4096 --trace t.hct -o s3.csv
cmp -s s3.csv s4.csv || fail 'a finished sweep changes its file'
expect 4 'no/such' sweep pcie.gen=2 --trace t.hct -o no/such.csv

"$hcasim" trace import "$source/traces/captures/softroce-perftest.pcap.gz" -o c.hct >out.txt 2>&1 ||
  { echo "FAIL: import of the shipped capture"; failed=$((failed + 1)); }

echo "$failed failed"
[ "$failed" = 0 ]
