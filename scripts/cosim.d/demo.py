"""Two guests on two simulated hosts: what scripts/cosim-demo shows."""
import sys
import time

import guests

HOSTS = """about: two hosts, each with an adapter and a VM
hosts:
  left:
    a: {mac: "52:54:00:00:00:0a"}
  right:
    b: {mac: "52:54:00:00:00:0b"}
"""
PROGRAMS = [
    # server, client where it differs, option for a TCP port
    ("ibv_rc_pingpong -g 1", None, "-p %d"),
    ("ib_write_lat -x 1 -F -n 1000 -s 64", None, "-p %d"),
    ("ib_send_bw -x 1 -F -n 200 -s 65536", None, "-p %d"),
    ("rping -s -a 10.0.0.1 -v -C 3", "rping -c -v -C 3 -a", ""),
]


def main():
    hcasim, qemu, guest, folder = sys.argv[1], sys.argv[2].split("\n"), sys.argv[3], sys.argv[4]
    guests.stop_on_signals()
    start = time.monotonic()
    with guests.Bench(hcasim, qemu, guest, folder) as bench:
        bench.simulate(HOSTS)
        wire = "stream,addr.type=unix,addr.path=%s,server=" % bench.socket("ethernet")
        a = bench.boot("a", mac="52:54:00:00:00:0a", ip="10.0.0.1", hca=bench.socket("a.hca"),
                       net=wire + "on")
        b = bench.boot("b", mac="52:54:00:00:00:0b", ip="10.0.0.2", hca=bench.socket("b.hca"),
                       net=wire + "off")
        print("cosim-demo: two guests boot (consoles in %s)" % folder, flush=True)
        a.ready()
        print("cosim-demo: Linux %s is up in both after %.0f s" % (
            b.ready(), time.monotonic() - start), flush=True)
        print("\nb# ibv_devinfo\n" + b.run("ibv_devinfo")[1], flush=True)
        bad = 0
        pairs = guests.Pairs(a, b, "10.0.0.1")
        for server, client, port in PROGRAMS:
            status, output, _ = pairs.run(server, client, port=port)
            print("\na# %s\nb# %s 10.0.0.1\n%s" % (server, client or server, output), flush=True)
            if status != 0:
                print("cosim-demo: status %d" % status)
            bad += status != 0
        print("\n" + bench.report())
    print("cosim-demo: %s, %.0f s; report in %s/report.txt" % (
        "all programs ended well" if bad == 0 else "%d programs failed" % bad,
        time.monotonic() - start, folder))
    return bad != 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except guests.Failure as e:
        sys.exit("cosim-demo: %s" % e)
