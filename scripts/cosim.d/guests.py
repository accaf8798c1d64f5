"""Starts the simulator and guests, runs commands in guests, and ends everything it has started.

Every process gets the death of its parent as a signal, so that none is left behind, whatever ends
this program. A guest's console goes to a file; commands go over a virtio serial port in the
protocol of scripts/cosim.d/init.
"""
import argparse
import ctypes
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """Something did not come up, or ended too early: a text for the user."""


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **more):
    """A child that does not outlive this process, in a process group of its own."""
    return subprocess.Popen(command, preexec_fn=_die_with_parent, start_new_session=True, **more)


def end(process, seconds=10):
    """Asks for the end, then enforces it. Its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def qemu_line(qemu, guest, options):
    """Command line of a guest. options: name, ip, mac, hca, net, rxe, memory, serial."""
    memory = options.get("memory", 512)
    nic = "e1000" if options.get("rxe") else "vmxnet3"
    mac = options.get("mac", "52:54:00:00:00:01")
    append = "console=ttyS0 panic=-1 mitigations=off quiet hca.ip=%s hca.name=%s hca.rxe=%d" % (
        options.get("ip", "10.0.0.1"), options.get("name", "guest"), bool(options.get("rxe")))
    line = qemu + [
        "-machine", "q35,accel=tcg,memory-backend=ram", "-cpu", "max", "-smp", "1",
        "-m", "%dM" % memory,
        "-object", "memory-backend-memfd,id=ram,size=%dM,share=on" % memory,
        "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", guest + "/vmlinuz", "-initrd", guest + "/initrd.gz", "-append", append]
    device = "%s,addr=0x10.0x0,multifunction=on,romfile=,mac=%s" % (nic, mac)
    if options.get("net"):
        kind, comma, rest = options["net"].partition(",")
        line += ["-netdev", kind + ",id=n0" + comma + rest]
        device += ",netdev=n0"
    line += ["-device", device]
    if options.get("hca"):
        line += ["-device", json.dumps({
            "driver": "vfio-user-pci", "addr": "0x10.0x1", "rombar": 0,
            # posted writes would let the guest read memory before the adapter has written it
            "x-no-posted-writes": True, "x-msg-timeout": 2000000000,
            "socket": {"type": "unix", "path": options["hca"]}})]
    return line + options["serial"]


class Job:
    """A command in a guest."""

    def __init__(self, guest, number, command):
        self.guest, self.number, self.command = guest, number, command
        self.lines, self.status = [], None

    def wait(self, seconds):
        """Output, when the command has ended. Failure: it has not."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure("%s: no end of '%s' within %d s; console: %s" % (
                    self.guest.name, self.command, seconds, self.guest.console))
            self.guest.read(left)
        return "\n".join(self.lines)


class Guest:
    """One QEMU."""

    def __init__(self, qemu, guest, folder, name, **options):
        self.name, self.jobs, self.rest, self.next = name, {}, b"", 1
        self.console = os.path.join(folder, name + ".console")
        control = os.path.join(folder, name + ".control")
        if os.path.exists(control):
            os.unlink(control)
        options.update(name=name, serial=[
            "-serial", "file:" + self.console,
            "-chardev", "socket,id=control,path=%s,server=on,wait=off" % control,
            # not a second UART: that loses bytes while the guest is busy
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=control"])
        self.log = open(os.path.join(folder, name + ".qemu"), "w")
        self.process = spawn(qemu_line(qemu, guest, options), stdin=subprocess.DEVNULL,
                             stdout=self.log, stderr=subprocess.STDOUT)
        self.socket = self._connect(control)
        self.boot = Job(self, 0, "boot")
        self.jobs[0] = self.boot

    def _connect(self, path):
        s = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                s.connect(path)
                return s
            except OSError:
                self.alive()
                time.sleep(0.05)
        raise Failure("%s: QEMU does not open %s" % (self.name, path))

    def alive(self):
        """Failure when QEMU has ended."""
        if self.process.poll() is not None:
            self.log.flush()
            with open(self.log.name) as f:
                text = f.read().strip()[-600:]
            raise Failure("%s: QEMU has ended with status %d: %s" % (
                self.name, self.process.returncode, text or "it said nothing"))

    def ready(self, seconds=120):
        """Waits for the end of booting. Kernel version."""
        return self.boot.wait(seconds)

    def read(self, seconds):
        """Takes what the guest says, for at most so long."""
        self.alive()
        if not select.select([self.socket], [], [], min(seconds, 1))[0]:
            return
        self.rest += self.socket.recv(65536)
        *lines, self.rest = self.rest.split(b"\n")
        for line in lines:
            m = re.match(r"(\d+)([|=])(.*)", line.decode("utf-8", "replace").rstrip("\r"))
            job = self.jobs.get(int(m[1])) if m else None
            if job and m[2] == "|":
                job.lines.append(m[3])
            elif job:
                job.status = int(m[3] or 1)
                del self.jobs[job.number]

    def start(self, command, seconds=60):
        """Starts a command, which is killed after so many seconds."""
        job = Job(self, self.next, command)
        self.jobs[job.number] = job
        self.next += 1
        self.socket.sendall(("%d %d %s\n" % (job.number, seconds, command)).encode())
        return job

    def run(self, command, seconds=60):
        """Runs a command. (status, output)"""
        job = self.start(command, seconds)
        output = job.wait(seconds + 10)
        return job.status, output

    def kill(self):
        """As if its power failed."""
        self.process.kill()
        self.process.wait()
        self.socket.close()


class Bench:
    """A simulator and its guests, as a context: all is ended at its exit."""

    def __init__(self, hcasim, qemu, guest, folder):
        self.hcasim, self.qemu, self.guest, self.folder = hcasim, qemu, guest, folder
        self.guests, self.simulator, self.log = {}, None, None

    def __enter__(self):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        return self

    def __exit__(self, *_):
        for g in self.guests.values():
            if g.process.poll() is None:
                g.kill()
        if self.simulator:
            end(self.simulator)

    def simulate(self, hosts, *more):
        """Starts hcasim cosim on a hosts file with this text."""
        path = os.path.join(self.folder, "hosts.yaml")
        with open(path, "w") as f:
            f.write(hosts)
        self.log = open(os.path.join(self.folder, "simulator.log"), "w")
        self.simulator = spawn([self.hcasim, "cosim", "--config", path, "--out", self.folder] +
                               list(more), stdin=subprocess.DEVNULL, stderr=self.log)
        names = re.findall(r"^    (\w+): \{", hosts, re.M)
        for _ in range(200):
            if self.simulator.poll() is not None:
                with open(self.log.name) as f:
                    raise Failure("hcasim has ended: " + f.read().strip()[-600:])
            if all(os.path.exists(self.socket(n + ".hca")) for n in names):
                return
            time.sleep(0.05)
        raise Failure("hcasim does not open its sockets; see " + self.log.name)

    def socket(self, name):
        return os.path.join(self.folder, name)

    def boot(self, name, **options):
        """Starts a guest; several may boot side by side."""
        self.guests[name] = Guest(self.qemu, self.guest, self.folder, name, **options)
        return self.guests[name]

    def report(self):
        """Ends the simulator. Its report."""
        status = end(self.simulator, 30)
        self.simulator = None
        if status != 0:
            with open(self.log.name) as f:
                raise Failure("hcasim has ended with %d: %s" % (status, f.read().strip()[-600:]))
        with open(self.socket("report.txt")) as f:
            return f.read()


class Pairs:
    """Runs programs of two sides. Each gets a TCP port of its own: the last one's may linger."""

    def __init__(self, server, client, address):
        self.server, self.client, self.address, self.port = server, client, address, 19000

    def run(self, command, client=None, seconds=60, port="-p %d"):
        """The client is tried until the server listens. (status, client's output, server's)"""
        self.port += 1
        option = (" " + port % self.port) if port else ""
        job = self.server.start(command + option, seconds)
        deadline = time.monotonic() + seconds
        while True:
            status, output = self.client.run("%s%s %s" % (client or command, option, self.address),
                                             seconds)
            refused = re.search(r"Couldn't connect|REJECTED|refused|Unable to init", output)
            if not refused or time.monotonic() > deadline or job.status is not None:
                break
            time.sleep(0.2)
        try:
            job.wait(5)
        except Failure:
            self.server.run("killall -9 %s" % command.split()[0])
            status = status or 1
            output += "\nthe server side did not end"
        return status or job.status or 0, output, "\n".join(job.lines)


def stop_on_signals():
    """Ctrl-C and SIGTERM end the program through its contexts."""
    def stop(number, _):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _boot(a):
    options = dict(vars(a), name="guest", serial=["-serial", "mon:stdio"])
    line = qemu_line(a.qemu.split("\n"), a.guest, options)
    os.execvp(line[0], line)


def main():
    p = argparse.ArgumentParser(prog="scripts/guest")
    p.add_argument("command", choices=["boot"])
    p.add_argument("--guest", required=True, help=argparse.SUPPRESS)
    p.add_argument("--qemu", required=True, help=argparse.SUPPRESS)
    p.add_argument("--hca", help="vfio-user socket of hcasim cosim")
    p.add_argument("--net", help="QEMU's -netdev without id")
    p.add_argument("--mac", default="52:54:00:00:00:01")
    p.add_argument("--ip", default="10.0.0.1")
    p.add_argument("--memory", type=int, default=512, help="MB")
    p.add_argument("--rxe", action="store_true", help="soft-RoCE on an e1000")
    _boot(p.parse_args())


if __name__ == "__main__":
    sys.exit(main())
