#!/usr/bin/env bash
# What --pcap writes, on every wire: tshark has no warning, scapy computes the same ICRC.
# usage: wire_check.sh HCASIM SOURCE_DIR. Exit 0, 1; 77: tshark is not installed.
set -u
hcasim=$1
source=$2
if ! command -v tshark >/dev/null; then
  echo "skipped: tshark is not installed (apt install tshark)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# All operations, small and beyond one MTU; some packets lost, doubled and broken on the way.
cat >spec.yaml <<'YAML'
flows:
  - {pattern: bw, transport: RC, size: 3000, ops: 30,
     mix: {write: 5, write_imm: 2, send: 3, send_imm: 1, read: 4, faa: 2, cas: 1}}
  - {pattern: lat, op: send, ops: 4, size: 9000}
  - {pattern: lat, transport: UD, op: send, ops: 4, size: 700}
  - {pattern: bw, transport: UC, op: write, ops: 4, size: 5000}
YAML

# check NAME OPTIONS...: runs, then both tools; scapy knows RoCE v2 over IPv4 only
check() {
  local name=$1 icrc=0
  shift
  if ! "$hcasim" run --trace t.hct --quiet --out "$name" --pcap "$@" >out.txt 2>&1; then
    echo "FAIL: $name: the run failed"
    cat out.txt
    failed=$((failed + 1))
    return
  fi
  sh "$source/tests/tshark_check.sh" "$name/net.pcap" || failed=$((failed + 1))
  case $name in
  *v4)
    /usr/bin/python3 "$source/tests/scapy_icrc.py" "$name/net.pcap" || icrc=$?
    [ $icrc = 0 ] || [ $icrc = 77 ] || failed=$((failed + 1))
    ;;
  esac
}

"$hcasim" trace gen spec.yaml -o t.hct >out.txt 2>&1 || { cat out.txt; exit 1; }
check v4 --fault drop:nth=9 --fault dup:nth=20 --fault reorder:nth=30 --fault mark:nth=12
check vlan_v4 --set port.vlan_id=77 --set port.vlan_priority=3 --set port.mtu_bytes=1024
check v6 --set port.ip=6
check roce1 --set port.wire=roce1
check ib --set port.wire=ib
check ib_grh --set port.wire=ib --set port.ib_grh=true
echo "$failed failed"
[ "$failed" = 0 ]
