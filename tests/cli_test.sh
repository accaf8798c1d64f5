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
expect 0 'not as expected' run --trace t.hct --out r3 --set pcie.gen=4
expect 1 'pcie.gen: 3 -> 4' diff r1 r3
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
mkdir full && chmod 555 full
if [ "$(id -u)" != 0 ]; then
  expect 4 'full' run --trace t.hct --out full/r
fi
expect 4 'file-as-folder\|Not a directory\|not a directory' run --trace t.hct --out spec.yaml

expect 0 '2 points: 2 run' sweep pcie.lanes=8,16 --trace t.hct -o s.csv -j 2
expect 0 '2 taken from' sweep pcie.lanes=8,16 --trace t.hct -o s.csv
lines=$(wc -l <s.csv)
[ "$lines" = 3 ] || { echo "FAIL: s.csv has $lines lines, want 3"; failed=$((failed + 1)); }
expect 2 'unknown parameter' sweep pcie.lnes=8 --trace t.hct -o s2.csv
nothing 's2.csv'

"$hcasim" trace import "$source/traces/captures/softroce-perftest.pcap.gz" -o c.hct >out.txt 2>&1 ||
  { echo "FAIL: import of the shipped capture"; failed=$((failed + 1)); }

echo "$failed failed"
[ "$failed" = 0 ]
