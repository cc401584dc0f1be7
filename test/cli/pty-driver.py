"""Runs a command on a pseudo-terminal and plays a script of expect/send steps to it.

Reads {"argv": [...], "steps": [{"expect", "send"?, "act"?}]} and writes what came of it, both JSON.
"""
import fcntl, json, os, pty, re, select, signal, struct, sys, termios, time

STEP_SECONDS = 30
job = json.load(sys.stdin)


def attributes(fd):
    a = termios.tcgetattr(fd)
    return a[:4]


master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = attributes(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.closerange(3, 64)
    os.environ["TERM"] = "xterm"
    os.execv(job["argv"][0], job["argv"])

seen = b""
mark = 0
status = None


def pump(seconds):
    """Takes in output for a while; False once the command has ended and said all."""
    global seen, status
    if select.select([master], [], [], seconds)[0]:
        seen += os.read(master, 65536)
        return True
    if status is None:
        done, st = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(st)
            return True
    return status is None


missed = None
for step in job["steps"]:
    pattern = re.compile(step["expect"].encode(), re.S)
    deadline = time.time() + STEP_SECONDS
    while True:
        m = pattern.search(seen, mark)
        if m:
            mark = m.end()
            break
        if time.time() > deadline or not pump(0.1):
            missed = step["expect"]
            break
    if missed is not None:
        break
    if "send" in step:
        os.write(master, step["send"].encode())
    if "act" in step:
        verb, *args = step["act"].split()
        if verb == "resize":
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", int(args[0]), int(args[1]), 0, 0))
        if verb == "unlink":
            os.unlink(args[0])
        if verb == "signal":
            os.kill(pid, getattr(signal, args[0]))

deadline = time.time() + STEP_SECONDS
while status is None and missed is None and time.time() < deadline:
    pump(0.1)
if status is None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    status = -9
while select.select([master], [], [], 0)[0]:
    seen += os.read(master, 65536)
print(json.dumps({
    "status": status,
    "transcript": seen.decode("latin1"),
    "before": before,
    "after": attributes(slave),
    "missed": missed,
}))
