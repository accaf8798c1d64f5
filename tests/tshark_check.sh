#!/bin/sh
# tests/tshark_check.sh CAPTURE: does Wireshark's dissector accept every frame?
#
# Exit 0: all dissected as InfiniBand transport (or MAC control), no expert entry of severity
# Warning or Error, nothing malformed. 1: it complains, the frames are listed. 2: usage.
# 77: tshark is not installed (apt install tshark).
set -eu
export LC_ALL=C

if [ $# -ne 1 ] || [ ! -r "$1" ]; then
    echo "usage: $0 CAPTURE (a readable pcap file)" >&2
    exit 2
fi
capture=$1
if ! command -v tshark >/dev/null; then
    echo "skipped: tshark is not installed (apt install tshark)" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Guessers that take any payload for an upper protocol and then call it malformed, even on frames
# of the kernel's own soft-RoCE. Names unknown to this version would be an error: keep known ones.
known=$(tshark -G protocols 2>/dev/null | cut -f3)
set --
for guesser in rpcordma smc smb_direct nvme-rdma lnet iser infiniband_sdp infiniband.eoib fcoib; do
    if printf '%s\n' "$known" | grep -qx -- "$guesser"; then
        set -- "$@" --disable-protocol "$guesser"
    fi
done
# Soft-RoCE sends UDP checksum 0 over IPv6, which RFC 6936 leaves to the tunnel protocol.
set -- "$@" -o udp.ignore_ipv6_zero_checksum:TRUE -o ip.check_checksum:TRUE \
    -o udp.check_checksum:TRUE

# tshark 4.0 refuses link type 247 (InfiniBand) of a pcap file. Its dissector is reached through a
# copy with link type 147 (user 0), bound to that dissector.
if [ "$(od -An -tx1 -j20 -N4 "$capture" | tr -d ' ')" = f7000000 ]; then
    cp "$capture" "$work/copy.pcap"
    printf '\223' | dd of="$work/copy.pcap" bs=1 seek=20 conv=notrunc 2>/dev/null
    input=$work/copy.pcap
    set -- "$@" -o 'uat:user_dlts:"User 0 (DLT=147)","infiniband","0","","0",""'
else
    input=$capture
fi

# List of frames that match a filter; tshark's own failure (a cut file) is a failure too.
frames() {
    if ! tshark -n -r "$input" "$@" >"$work/out" 2>"$work/err"; then
        echo "tshark: $(grep -v '^Running as user' "$work/err")" >&2
        exit 1
    fi
    cat "$work/out"
}

warning=0x600000 # PI_WARN; PI_ERROR is 0x800000
frames "$@" -Y "_ws.malformed || _ws.expert.severity >= $warning" -T fields -e frame.number \
    -e _ws.col.Protocol -e _ws.expert.message >"$work/bad"
frames "$@" -Y '!infiniband && !macc' -T fields -e frame.number -e _ws.col.Protocol >"$work/foreign"
total=$(frames "$@" -T fields -e frame.number | wc -l)

if [ "$total" -eq 0 ]; then
    echo "$capture: no frames to check" >&2
    exit 1
fi
if [ -s "$work/bad" ] || [ -s "$work/foreign" ]; then
    echo "$capture: $(wc -l <"$work/bad") of $total frames with warnings, errors or malformed;" \
        "$(wc -l <"$work/foreign") not dissected as InfiniBand transport" >&2
    head -n 20 "$work/bad" "$work/foreign" >&2
    exit 1
fi
echo "$capture: $total frames, no warning, no error, none malformed"
