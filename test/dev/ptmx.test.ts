/** Allocating ptys through a devpts: numbers, names, limits, options. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EIO, ENODEV, ENOENT, ENOSPC, ENXIO, failed } from "../../src/abi/errno.ts";
import { PtyDriver } from "../../src/dev/tty/ptmx.ts";
import type { PtyMaster } from "../../src/dev/tty/ptymaster.ts";
import { ConsoleRedirect } from "../../src/dev/tty/redirect.ts";
import { Devpts, DevptsType } from "../../src/fs/devpts/devpts.ts";
import { parseDevptsOptions } from "../../src/fs/devpts/options.ts";
import { Cred } from "../../src/kern/cred.ts";
import { UserNamespace } from "../../src/kern/userns.ts";
import { makedev } from "../../src/vfs/device.ts";
import type { File } from "../../src/vfs/file.ts";
import { Vfs } from "../../src/vfs/vfs.ts";
import type { Vnode } from "../../src/vfs/vnode.ts";
import { testThread } from "./pty-script.ts";

const PTMX = makedev(5, 2);
const O_RDWR = 2;

function rig(data: string) {
  const td = testThread();
  const vfs = new Vfs(td.cpu.clock);
  const fs = new Devpts(vfs, parseDevptsOptions(data, UserNamespace.initial())!);
  const mounted = vfs.mounts.mount(fs, null, 0, "devpts");
  assert.ok(!failed(mounted));
  const driver = new PtyDriver(vfs, new ConsoleRedirect());
  const open = (): PtyMaster => driver.open(td, PTMX, O_RDWR) as PtyMaster;
  const names = (): string[] => {
    const out: string[] = [];
    fs.root().readdir(0, { entry: (name) => out.push(name) > 0 });
    return out;
  };
  return { td, fs, driver, open, names };
}

test("a new pty takes the lowest number and has a name while its master is open", () => {
  const { open, names, fs } = rig("gid=5,mode=620");
  const masters = [open(), open(), open()];
  assert.deepEqual(
    masters.map((m) => m.slave.index),
    [0, 1, 2],
  );
  assert.deepEqual(names(), [".", "..", "ptmx", "0", "1", "2"]);
  masters[1]!.release();
  assert.deepEqual(names(), [".", "..", "ptmx", "0", "2"]);
  assert.equal(fs.root().lookup("1"), ENOENT);
  assert.equal(open().slave.index, 1);
});

test("the slave's node is the opener's, in the group and mode of the mount", () => {
  const { open, fs } = rig("gid=5,mode=620");
  const m = open();
  const a = (fs.root().lookup("0") as Vnode).getattr();
  assert.ok(!failed(a));
  assert.equal(a.mode, 0o020620);
  assert.equal(a.gid, 5);
  assert.equal(a.uid, Cred.root().fsuid);
  assert.equal(a.rdev, m.slave.rdev);
});

test("a locked slave cannot be opened, nor one that is not there", () => {
  const { td, driver, open } = rig("");
  const m = open();
  assert.equal(driver.open(td, m.slave.rdev, O_RDWR), EIO);
  m.slave.isLocked = false;
  const slave = driver.open(td, m.slave.rdev, O_RDWR) as File;
  assert.equal(slave.describe(), "/dev/pts/0");
  assert.equal(driver.open(td, makedev(136, 7), O_RDWR), ENXIO);
});

test("an instance has a limit, and a machine without one has no ptys", () => {
  const { td, driver, open } = rig("max=2");
  open();
  open();
  assert.equal(driver.open(td, PTMX, O_RDWR), ENOSPC);
  const bare = new PtyDriver(new Vfs(td.cpu.clock), new ConsoleRedirect());
  assert.equal(bare.open(td, PTMX, O_RDWR), ENODEV);
});

test("options show as Linux shows them; unknown ones are refused", () => {
  const { fs } = rig("gid=5,mode=620,ptmxmode=666");
  assert.equal(fs.showOptions(), "gid=5,mode=620,ptmxmode=666");
  assert.equal(rig("newinstance").fs.showOptions(), "mode=600,ptmxmode=000");
  for (const bad of ["mode=9", "foo", "gid=", "uid=-1", "mode=77777777"]) {
    assert.equal(parseDevptsOptions(bad, UserNamespace.initial()), null, bad);
  }
  assert.equal(new DevptsType(new Vfs(testThread().cpu.clock)).typeName, "devpts");
});
