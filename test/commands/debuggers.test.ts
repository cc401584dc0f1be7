/**
 * Debian's strace and gdb in the guest. They need packages beyond the images that the tests build:
 * `vkernel image build debuggers --from debian --include strace,gdb,gcc,libc6-dev`.
 *
 * QEMU has no ptrace(2), so what they say is compared with what they say on Linux, written down here.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { vkernel } from "../cli/cli.ts";
import { runInGuest } from "./guest.ts";

const found = vkernel(["image", "path", "debuggers"]);
const image = found.stdout.trim();
const skip = found.status === 0 ? false : "no image called debuggers";

/** stdout and stderr together, with ids and addresses left out. */
function said(script: string): string {
  const argv = ["bash", "-c", `mount -t tmpfs none /tmp; cd /tmp; { ${script}\n} 2>&1`];
  const { stdout } = runInGuest(image, argv, { memory: "1g" });
  return stdout.replaceAll(/0x[0-9a-f]+/g, "0x").replaceAll(/\d+\.\d+/g, "N.N");
}

const CRASH = `cat > c.c <<'END'
#include <pthread.h>
#include <stdlib.h>
volatile int n = 41;
int twice(int x) { return x + x; }
void *run(void *arg) { n += 1; return arg; }
int main(int argc, char **argv) {
  pthread_t t;
  pthread_create(&t, 0, run, 0);
  pthread_join(t, 0);
  if (argc > 1) abort();
  return twice(n) != 84;
}
END
gcc -g -O0 -o c c.c`;

describe("strace", { skip }, () => {
  it("counts calls", () => {
    const text = said("strace -f -c true");
    assert.match(text, /^% time +seconds +usecs\/call +calls +errors syscall\n/);
    assert.match(text, /\n *N\.N +N\.N +\d+ +1 +execve\n/);
  });

  it("follows forks, and tells of signals", () => {
    const text = said(`strace -f -e trace=kill,exit_group,wait4 bash -c '(exit 3); kill -USR1 $$'`);
    assert.match(
      text,
      /\[pid +\d+\] exit_group\(3\) += \?\n\[pid +\d+\] \+\+\+ exited with 3 \+\+\+/,
    );
    assert.match(text, /WEXITSTATUS\(s\) == 3\}\], 0, NULL\) = \d+/);
    assert.match(
      text,
      /--- SIGUSR1 \{si_signo=SIGUSR1, si_code=SI_USER, si_pid=\d+, si_uid=0\} ---/,
    );
    assert.match(text, /\+\+\+ killed by SIGUSR1 \+\+\+\n/);
  });

  it("attaches to a sleeper and lets it go", () => {
    const text = said(
      `sleep 2 & p=$!; strace -o o -p $p & s=$!; until grep -q TracerPid:.$s /proc/$p/status; do :; done
      kill -INT $s; wait $s; wait $p; echo "slept $?"; cat o`,
    );
    assert.match(
      text,
      /slept 0\nrestart_syscall\(<\.\.\. resuming interrupted clock_nanosleep \.\.\.> <detached \.\.\.>/,
    );
  });

  it("makes calls fail, and answers them itself", () => {
    const text = said(`strace -e trace=getppid -e inject=getppid:retval=777 sh -c 'echo $PPID'
      strace -e trace=openat -e inject=openat:error=EMFILE cat x`);
    assert.match(text, /getppid\(\) += 777 \(INJECTED\)\n777\n/);
    assert.match(text, /= -1 EMFILE \(Too many open files\) \(INJECTED\)/);
  });

  it("works through seccomp", () => {
    const text = said(`strace --seccomp-bpf -f -e trace=getppid sh -c 'sh -c "echo \\$PPID"'`);
    assert.match(text, /\[pid +\d+\] getppid\(\) += (\d+)\n/);
  });
});

describe("gdb", { skip }, () => {
  it("breaks, looks, calls, steps and watches, among threads", () => {
    const text = said(`${CRASH}
      gdb -q --batch -ex 'break run' -ex run -ex 'print n' -ex 'print twice(n)' -ex 'watch n' -ex continue \\
        -ex 'info threads' -ex delete -ex 'break twice' -ex continue -ex finish -ex continue ./c`);
    assert.match(text, /hit Breakpoint 1, run \(arg=0x\) at c\.c:5\n/);
    assert.match(text, /\n\$1 = 41\n\$2 = 82\n/);
    assert.match(text, /Old value = 41\nNew value = 42\n/);
    assert.match(text, /\* 2 +Thread 0x \(LWP \d+\) "c"/);
    assert.match(text, /hit Breakpoint 3, twice \(x=42\) at c\.c:4\n/);
    assert.match(text, /Value returned is \$3 = 84\n/);
    assert.match(text, /\[Inferior 1 \(process \d+\) exited normally\]\n/);
  });

  it("reads cores", () => {
    const text = said(`${CRASH}
      ulimit -c unlimited; ./c x; gdb -q --batch -ex bt -ex 'print n' ./c core`);
    assert.match(text, /Program terminated with signal SIGABRT, Aborted\.\n/);
    assert.match(
      text,
      /in abort \(\) from .*\n#\d+ +0x in main \(argc=2, argv=0x\) at c\.c:10\n\$1 = 42\n/,
    );
  });

  it("attaches to a process in the middle of a call", () => {
    const text = said(`sleep 1000 & p=$!; until grep -q '(sleep) S' /proc/$p/stat; do :; done
      gdb -q --batch -ex bt -ex 'print (int)getpid() == '$p -p $p; kill $p; wait $p; echo "ended $?"`);
    assert.match(text, /in clock_nanosleep \(\) from /);
    assert.match(text, /\n\$1 = 1\n/);
    assert.match(text, /ended 143\n$/);
  });
});
