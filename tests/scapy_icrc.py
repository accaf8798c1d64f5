#!/usr/bin/python3
"""tests/scapy_icrc.py CAPTURE: recomputes the ICRC of RoCE v2 over IPv4 frames with scapy.

Exit 0: all agree. 1: some differ (listed), or there is none to check. 2: usage or unreadable file.
77: scapy is not installed (apt install python3-scapy).
Frames that the capture cuts, and those of other kinds, are counted and left out.
"""
import logging
import struct
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
try:
    from scapy.contrib.roce import BTH
    from scapy.layers.inet import IP
    from scapy.utils import RawPcapReader
except ImportError:
    print("skipped: scapy is not installed (apt install python3-scapy)", file=sys.stderr)
    sys.exit(77)

VLAN_TYPES = (0x8100, 0x88A8)


def ipv4_packet(frame):
    """The IPv4 packet of a RoCE v2 frame without Ethernet padding; None for other frames."""
    at = 12
    while len(frame) >= at + 6 and struct.unpack_from("!H", frame, at)[0] in VLAN_TYPES:
        at += 4
    if len(frame) < at + 2 + 28 or struct.unpack_from("!H", frame, at)[0] != 0x0800:
        return None
    ip = frame[at + 2:]
    if ip[9] != 17 or struct.unpack_from("!H", ip, 22)[0] != 4791:
        return None
    return ip[:struct.unpack_from("!H", ip, 2)[0]]


def scapy_icrc(ip):
    """The last four bytes as scapy computes them."""
    packet = IP(ip)
    packet[BTH].icrc = None
    return bytes(packet)[-4:]


def main():
    if len(sys.argv) != 2:
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    checked = left_out = wrong = 0
    try:
        reader = RawPcapReader(sys.argv[1])
    except Exception as e:  # scapy raises its own types
        print(f"{sys.argv[1]}: {e}", file=sys.stderr)
        return 2
    for number, (frame, meta) in enumerate(reader, 1):
        ip = ipv4_packet(frame)
        if ip is None or len(frame) < meta.wirelen:
            left_out += 1
            continue
        checked += 1
        want = scapy_icrc(ip)
        if ip[-4:] != want:
            wrong += 1
            print(f"frame {number}: ICRC {ip[-4:].hex()}, scapy computes {want.hex()}")
    print(f"{sys.argv[1]}: {checked} frames checked, {wrong} wrong, {left_out} left out")
    return 1 if wrong or not checked else 0


sys.exit(main())
