/** Debian's init systems: up to a prompt on a terminal, and down again, with a root that e2fsck finds clean. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { imagePath, onTerminal, type Step, scratch, vkernel } from "./cli.ts";

const dir = scratch();
after(() => rmSync(dir, { recursive: true }));

/** Bash's prompt, after what it tells the terminal of pasting. */
const PROMPT = "root@vkernel:~# $";

/** Boots a copy of an image that is written to, and checks what is left of it. */
function session(image: string, steps: readonly Step[], memory: string): string {
  const copy = join(dir, `${image}.img`);
  copyFileSync(imagePath(image), copy);
  const r = onTerminal(["-m", memory, "-r", copy], steps);
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 0, r.transcript);
  assert.deepEqual(r.after, r.before);
  const fsck = spawnSync("e2fsck", ["-fn", copy], { encoding: "utf8" });
  assert.equal(fsck.status, 0, fsck.stdout);
  assert.doesNotMatch(fsck.stdout + fsck.stderr, /recovering journal|skipping journal/);
  return r.transcript;
}

test("sysvinit: runlevels, a console that comes again, shutdown", () => {
  const said = session(
    "sysvinit",
    [
      { expect: PROMPT, send: "runlevel; touch /var/lib/was-here; exit\r" },
      { expect: `N 2\\r.*automatic login.*${PROMPT}`, send: "telinit 3\r" },
      { expect: "Switching to runlevel: 3", send: "\r" },
      { expect: PROMPT, send: "until runlevel | grep '2 3'; do sleep 0.1; done\r" },
      { expect: `2 3\\r.*${PROMPT}`, send: "shutdown -h now\r" },
    ],
    "128m",
  );
  assert.match(said, /INIT: Entering runlevel: 2[\s\S]*Will now halt/);
  assert.doesNotMatch(said, /failed \(code|maintenance shell|Bad system call|Segmentation/);
  const ls = vkernel(["run", join(dir, "sysvinit.img"), "--", "/bin/ls", "/var/lib/was-here"]);
  assert.equal(ls.stdout, "/var/lib/was-here\n");
});

test("sysvinit: SIGTERM to the machine is a shutdown", () => {
  const r = onTerminal(["-R", "sysvinit"], [{ expect: PROMPT, act: "signal SIGTERM" }]);
  assert.equal(r.missed, null, r.transcript);
  assert.equal(r.status, 0, r.transcript);
});

const hasSystemd = vkernel(["image", "path", "systemd"]).status === 0;
const skip = hasSystemd ? false : "no image: vkernel image build systemd";

test("systemd: a running system without failed units, and poweroff", { skip }, () => {
  const said = session(
    "systemd",
    [
      // A step may take half a minute; a first boot takes longer.
      { expect: "Reached target .*local-fs", send: "" },
      { expect: "login:", send: "" },
      {
        expect: PROMPT,
        send: "systemctl is-system-running --wait; systemctl --failed --no-legend --no-pager\r",
      },
      { expect: `running\\r\\n.*${PROMPT}`, send: "systemd-run --wait -p MemoryMax=64M true\r" },
      { expect: `result.*success.*${PROMPT}`, send: "systemctl poweroff\r" },
    ],
    "512m",
  );
  assert.match(said, /Powering off/);
});
