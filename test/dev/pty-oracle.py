"""Runs pty scripts on the host's own Linux and prints what it observed.

stdin: {"pauseMs": n, "cases": [[step, ...], ...]}; stdout: [[result, ...], ...].
All cases go forward in lockstep, one step of each per round, with a pause after
each round: the kernel passes bytes on in the background. Steps are those of
pty-script.ts.
"""

import errno
import fcntl
import json
import os
import resource
import select
import struct
import sys
import time

TCSETS, TCXONC, TCFLSH, FIONREAD, TIOCPKT = 0x5402, 0x540A, 0x540B, 0x541B, 0x5420
TIOCGPTN, TIOCSPTLCK = 0x80045430, 0x40045431


class Pty:
    def __init__(self):
        self.master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.ioctl(self.master, TIOCSPTLCK, struct.pack("i", 0))
        index = struct.unpack("i", fcntl.ioctl(self.master, TIOCGPTN, struct.pack("i", 0)))[0]
        self.path = "/dev/pts/%d" % index
        self.slave = self.open()
        self.packet = False

    def open(self):
        return os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def step(self, name, *args):
        try:
            return getattr(self, name)(*args)
        except OSError as e:
            return errno.errorcode[e.errno]

    def termios(self, how, iflag, oflag, cflag, lflag, cc):
        data = struct.pack("IIIIB19s", iflag, oflag, cflag, lflag, 0, bytes(cc))
        fcntl.ioctl(self.slave, TCSETS + how, data)
        return "ok"

    def attributes(self):
        return fcntl.ioctl(self.slave, 0x5401, bytes(36)).hex()

    def type(self, data):
        return os.write(self.master, bytes.fromhex(data))

    def print(self, data):
        return os.write(self.slave, bytes.fromhex(data))

    def read(self, count):
        return os.read(self.slave, count).hex()

    def screen(self):
        """All output; in packet mode as [status, data, status, ...] with data joined."""
        out = []
        while True:
            try:
                got = os.read(self.master, 65536)
            except OSError as e:
                if e.errno != errno.EAGAIN:
                    out.append(errno.errorcode[e.errno])
                break
            if not self.packet:
                self.join(out, got)
            elif got[0] == 0:
                self.join(out, got[1:])
            else:
                out.append(got[0])
        return [o.hex() if isinstance(o, bytes) else o for o in out]

    def join(self, out, data):
        if out and isinstance(out[-1], bytes):
            out[-1] += data
        else:
            out.append(data)

    def waiting(self):
        return struct.unpack("i", fcntl.ioctl(self.slave, FIONREAD, struct.pack("i", 0)))[0]

    def outwaiting(self):
        return struct.unpack("i", fcntl.ioctl(self.master, FIONREAD, struct.pack("i", 0)))[0]

    def flush(self, which):
        return fcntl.ioctl(self.slave, TCFLSH, which)

    def flow(self, action):
        return fcntl.ioctl(self.slave, TCXONC, action)

    def setpacket(self, on):
        self.packet = bool(on)
        return int(len(fcntl.ioctl(self.master, TIOCPKT, struct.pack("i", on))) - 4)

    def poll(self):
        p = select.poll()
        every = 0x1 | 0x2 | 0x4 | 0x40 | 0x100
        p.register(self.master, every)
        p.register(self.slave, every)
        events = dict(p.poll(0))
        return [events.get(self.master, 0), events.get(self.slave, 0)]

    def closeslave(self):
        os.close(self.slave)
        return "ok"

    def reopen(self):
        self.slave = self.open()
        return "ok"

    def closemaster(self):
        os.close(self.master)
        return "ok"

    def done(self):
        for fd in (self.master, self.slave):
            try:
                os.close(fd)
            except OSError:
                pass


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    job = json.load(sys.stdin)
    cases = job["cases"]
    results = []
    for start in range(0, len(cases), 250):
        batch = cases[start : start + 250]
        ptys = [Pty() for _ in batch]
        out = [[] for _ in batch]
        for round in range(max(len(c) for c in batch)):
            for case, pty, seen in zip(batch, ptys, out):
                if round < len(case):
                    seen.append(pty.step(*case[round]))
            time.sleep(job["pauseMs"] / 1000)
        for pty in ptys:
            pty.done()
        results.extend(out)
    json.dump(results, sys.stdout)


main()
