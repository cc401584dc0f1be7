/** Files of /proc, key by key and column by column beside those of the host's Linux. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { EACCES, EINVAL, ENOENT, ESRCH, failed } from "../../src/abi/errno.ts";
import { O_DIRECTORY } from "../../src/abi/fcntl.ts";
import { enterRoot, makeFirstProcess } from "../../src/boot/firstproc.ts";
import { Kernel } from "../../src/boot/kernel.ts";
import { mountRoot, mountSystem } from "../../src/boot/mounts.ts";
import { byteString, bytesOf } from "../../src/lib/bytes.ts";
import type { Host } from "../../src/platform/host.ts";
import { Lwp } from "../../src/proc/lwp.ts";
import { Rlimits } from "../../src/proc/rlimit.ts";
import { SigActions } from "../../src/proc/sigaction.ts";
import { FdTable } from "../../src/vfs/fdtable.ts";
import { FsContext } from "../../src/vfs/fscontext.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { Uio } from "../../src/vm/uio.ts";
import { Vmspace } from "../../src/vm/vmspace.ts";
import { MemoryStore, makeImage, withTempDir } from "./ext4image.ts";

/** A machine with a root and /proc, and process 1 that never ran an instruction. */
function makeMachine(): { kernel: Kernel; td: Lwp } {
  const image = withTempDir((dir) => {
    const tree = join(dir, "tree");
    for (const name of ["proc", "dev", "sys", "tmp", "run", "root", "a dir"]) {
      mkdirSync(join(tree, name), { recursive: true });
    }
    return new Uint8Array(readFileSync(makeImage(dir, tree, 4096, ["-t", "ext4"])));
  });
  let now = 5e9;
  const nothing = { read: () => 0, write: () => 0, room: () => 0 };
  const host: Host = {
    clock: {
      monotonicNs: () => {
        now += 1000;
        return now;
      },
      epochSec: 1700000000,
      epochNsec: 0,
    },
    entropy: { fill: (b) => b.set(randomBytes(b.length)) },
    console: { ...nothing, size: () => ({ rows: 25, cols: 80 }) },
    stdin: null,
    stdout: null,
    stderr: null,
    doorbell: { isRung: () => false, answer: () => {}, wait: () => {} },
    nextEvent: () => null,
  };
  const kernel = new Kernel(host, {
    memoryBytes: 32 << 20,
    disks: [{ store: new MemoryStore(image), isCopyOnWrite: true, serial: "S1" }],
    kenv: new Map([["a", "b"]]),
    isVerbose: false,
    program: { kind: "command", argv: ["x"], env: [], cwd: "/" },
    hostname: "tester",
    isTraced: false,
  });
  const td = makeFirstProcess(kernel.table);
  assert.ok(td instanceof Lwp);
  const root = mountRoot(kernel.vfs, td, {
    disk: kernel.disks.all[0]!,
    typeName: null,
    isReadOnly: true,
    data: "",
  });
  assert.ok(!failed(root));
  enterRoot(td, root);
  mountSystem(td.fs, td, kernel.log);
  return { kernel, td };
}

/** A second process, of user 1000, born by hand. */
function addProcess(kernel: Kernel, parent: Lwp): Lwp {
  const { table } = kernel;
  const pid = table.allocPid();
  assert.ok(!failed(pid));
  const context = table.machine.newContext();
  assert.ok(context);
  const p = table.newProc(pid);
  p.rlimits = Rlimits.initial(100);
  p.vmspace = new Vmspace(table.machine, table.pages, {
    asBytes: Number.POSITIVE_INFINITY,
    dataBytes: Number.POSITIVE_INFINITY,
    stackBytes: 8 << 20,
  });
  p.sigactions = new SigActions();
  p.parent = parent.proc;
  parent.proc.children.add(p);
  const ids = { uid: 1000, euid: 1000, suid: 1000, fsuid: 1000 };
  const groups = { gid: 1000, egid: 1000, sgid: 1000, fsgid: 1000, groups: [1000, 27] };
  const cred = parent.cred.with({ ...ids, ...groups, capEffective: 0n, capPermitted: 0n });
  const td = new Lwp(pid, p, table.cpu, cred, context);
  td.fdtable = new FdTable(64);
  td.fs = new FsContext(kernel.vfs, parent.fs.root, parent.fs.cwd);
  td.comm = "we ird)(";
  table.addThread(td);
  table.newSession(p);
  td.state = "sleeping";
  td.wmesg = "nanslp";
  return td;
}

let kernel: Kernel;
let td: Lwp;
let other: Lwp;

before(() => {
  ({ kernel, td } = makeMachine());
  other = addProcess(kernel, td);
});

function as<T>(caller: Lwp, run: () => T): T {
  kernel.cpu.current = caller;
  try {
    return run();
  } finally {
    kernel.cpu.current = td;
  }
}

function read(path: string, caller = td): string | number {
  return as(caller, () => {
    const fp = vfsOpen(caller, caller.fs, path, 0, 0);
    if (failed(fp)) return fp;
    let s = "";
    for (;;) {
      const buffer = new Uint8Array(700);
      const n = fp.read(caller, Uio.kernel(buffer));
      if (n < 0) return n;
      if (n === 0) break;
      s += byteString(buffer, 0, n);
    }
    fp.release();
    return s;
  });
}

function text(path: string, caller = td): string {
  const s = read(path, caller);
  assert.equal(typeof s, "string", `${path}: ${s}`);
  return s as string;
}

function write(path: string, data: string, caller = td): number {
  return as(caller, () => {
    const fp = vfsOpen(caller, caller.fs, path, 1, 0);
    if (failed(fp)) return fp;
    const n = fp.write(caller, Uio.kernel(bytesOf(data)));
    fp.release();
    return n;
  });
}

function readlink(path: string, caller = td): string | number {
  return as(caller, () => {
    const at = namei(caller.fs, caller, path, 0);
    return failed(at) ? at : at.entry.vnode!.readlink();
  });
}

function list(path: string, caller = td): string[] {
  return as(caller, () => {
    const fp = vfsOpen(caller, caller.fs, path, O_DIRECTORY, 0);
    assert.ok(!failed(fp), `${path}: ${fp}`);
    const names: string[] = [];
    // Few at a time, so that offsets are put to the test.
    for (;;) {
      let got = 0;
      fp.readdir({ entry: (name) => ++got <= 3 && names.push(name) > 0 });
      if (got === 0) break;
    }
    fp.release();
    return names;
  });
}

/** What the host's Linux shows in a file of its /proc. */
const linux = (path: string): string => execFileSync("cat", [path], { encoding: "latin1" });
const keys = (s: string): string[] => [...s.matchAll(/^([\w()]+):/gm)].map((m) => m[1]!);

describe("procfs has the shape of Linux's", () => {
  it("stat has as many fields, in a form that survives a hostile name", () => {
    const fields = (s: string) =>
      s
        .slice(s.lastIndexOf(")") + 2)
        .trim()
        .split(" ");
    const mine = text(`/proc/${other.tid}/stat`);
    assert.equal(fields(mine).length, fields(linux("/proc/self/stat")).length);
    assert.ok(mine.startsWith(`${other.tid} (we ird)() S 1 ${other.tid} ${other.tid} 0 -1 `));
    assert.match(mine, /^[^\n]*\n$/);
  });

  it("status has no key that Linux lacks, in Linux's order", () => {
    const theirs = keys(linux("/proc/self/status"));
    const mine = keys(text(`/proc/${other.tid}/status`));
    assert.deepEqual(
      mine,
      theirs.filter((k) => mine.includes(k)),
    );
    const status = text(`/proc/${other.tid}/status`);
    assert.match(status, /^Name:\twe ird\)\($/m);
    assert.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
    assert.match(status, /^Groups:\t1000 27 $/m);
    assert.match(status, /^CapBnd:\t000001ffffffffff$/m);
    const rss = /^VmRSS:\s+\d+ kB$/m;
    assert.match(status, rss);
    assert.match(linux("/proc/self/status"), rss);
  });

  it("meminfo has Linux's keys, order and columns", () => {
    const mine = text("/proc/meminfo");
    const theirs = linux("/proc/meminfo");
    assert.deepEqual(
      keys(mine),
      keys(theirs).filter((k) => keys(mine).includes(k)),
    );
    const columns = (s: string) =>
      new Set(
        s
          .split("\n")
          .filter(Boolean)
          .map((l) => l.length),
      );
    assert.ok([...columns(mine)].every((n) => columns(theirs).has(n)));
    const total = Number(/^MemTotal:\s+(\d+)/m.exec(mine)![1]);
    const free = Number(/^MemFree:\s+(\d+)/m.exec(mine)![1]);
    assert.ok(total <= 32 << 10 && total > 20 << 10);
    assert.ok(free > 0 && free < total);
  });

  it("limits has Linux's rows, byte for byte in name and unit", () => {
    const shape = (s: string) => s.split("\n").map((l) => [l.slice(0, 26), l.slice(68)].join("|"));
    assert.deepEqual(shape(text("/proc/self/limits")), shape(linux("/proc/self/limits")));
  });

  it("diskstats, swaps, loadavg, uptime and stat parse as Linux's", () => {
    const count = (s: string) => s.split("\n")[0]!.trim().split(/\s+/).length;
    assert.match(text("/proc/diskstats"), /^ 254 {7}0 vkd0 [\d ]+\n$/);
    assert.equal(count(text("/proc/diskstats")), 20);
    assert.equal(text("/proc/swaps").trim(), linux("/proc/swaps").split("\n")[0]!.trim());
    assert.match(text("/proc/loadavg"), /^\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+\/2 \d+\n$/);
    assert.match(text("/proc/uptime"), /^\d+\.\d\d \d+\.\d\d\n$/);
    assert.equal(count(text("/proc/stat")), count(linux("/proc/stat")));
    assert.match(text("/proc/stat"), /^btime 1700000000$/m);
    assert.match(
      text("/proc/partitions"),
      /^major minor {2}#blocks {2}name\n\n 254 {8}0 {7}4096 vkd0\n$/,
    );
  });

  it("mounts and mountinfo list what is mounted, escaped", () => {
    const line = /^\d+ \d+ \d+:\d+ \/\S* \/\S* r[ow]\S* - \S+ \S+ r[ow]\S*$/;
    for (const l of text("/proc/self/mountinfo").trim().split("\n")) assert.match(l, line);
    const mounts = text("/proc/mounts");
    assert.match(mounts, /^\/dev\/vkd0 \/ ext4 ro,relatime 0 0$/m);
    assert.match(mounts, /^proc \/proc proc rw,nosuid,nodev,noexec,relatime 0 0$/m);
    const at = namei(td.fs, td, "/a dir", WALK_FOLLOW);
    assert.ok(!failed(at));
    const tmpfs = kernel.vfs.types.get("tmpfs")!;
    const fs = tmpfs.mount({ source: "x y", rdev: 0, data: "", isReadOnly: false, cred: td.cred });
    assert.ok(!failed(fs));
    const mount = kernel.vfs.mounts.mount(fs, at, 0, "x y");
    assert.ok(!failed(mount));
    assert.match(text("/proc/mounts"), /^x\\040y \/a\\040dir tmpfs rw\S* 0 0$/m);
    assert.equal(kernel.vfs.mounts.unmount(mount), 0);
  });
});

describe("procfs shows processes", () => {
  it("by number, with self for who asks", () => {
    const names = list("/proc");
    assert.ok(names.includes("1") && names.includes(String(other.tid)) && names.includes("self"));
    assert.equal(new Set(names).size, names.length);
    assert.equal(readlink("/proc/self"), "1");
    assert.equal(readlink("/proc/self", other), String(other.tid));
    assert.equal(readlink("/proc/thread-self", other), `${other.tid}/task/${other.tid}`);
    assert.deepEqual(list(`/proc/${other.tid}/task`), [".", "..", String(other.tid)]);
    assert.equal(text(`/proc/self/task/${other.tid}/comm`, other), "we ird)(\n");
    assert.equal(read("/proc/31999/stat"), ENOENT);
  });

  it("with their open files, through which the files themselves are reached", () => {
    const fp = vfsOpen(td, td.fs, "/tmp/f", 0o102, 0o644);
    assert.ok(!failed(fp));
    fp.write(td, Uio.kernel(bytesOf("contents")));
    const fd = td.fdtable.alloc(fp, true);
    assert.equal(readlink(`/proc/self/fd/${fd}`), "/tmp/f");
    assert.equal(text(`/proc/self/fd/${fd}`), "contents");
    assert.match(
      text(`/proc/self/fdinfo/${fd}`),
      /^pos:\t8\nflags:\t02\d*2\nmnt_id:\t\d+\nino:\t\d+\n/,
    );
    assert.deepEqual(list("/proc/self/fd"), [".", "..", String(fd)]);
    assert.equal(td.fdtable.close(fd), 0);
    assert.equal(readlink(`/proc/self/fd/${fd}`), ENOENT);
  });

  it("but not the inside of others' to those who may not look", () => {
    assert.equal(read("/proc/1/environ", other), EACCES);
    assert.equal(read("/proc/1/maps", other), EACCES);
    assert.equal(readlink("/proc/1/cwd", other), EACCES);
    assert.equal(read(`/proc/${other.tid}/environ`), "");
    assert.equal(typeof read("/proc/1/stat", other), "string");
    assert.equal(readlink(`/proc/${other.tid}/cwd`), "/");
    assert.equal(text(`/proc/${other.tid}/wchan`), "nanslp");
    assert.equal(text("/proc/1/wchan", other), "0");
  });

  it("and lets a score be raised by its owner, lowered by root", () => {
    const path = `/proc/${other.tid}/oom_score_adj`;
    assert.equal(write(path, "500\n", other), 4);
    assert.equal(text(path), "500\n");
    assert.equal(write(path, "100", other), 3);
    assert.equal(write(path, "-1", other), EACCES);
    assert.equal(write(path, "-100"), 4);
    assert.equal(write(path, "-50", other), 3);
    assert.equal(write(path, "1001"), EINVAL);
    assert.equal(text(path), "-50\n");
  });

  it("until they are gone, even to a file opened before", () => {
    const third = addProcess(kernel, td);
    const path = `/proc/${third.tid}/status`;
    const fp = vfsOpen(td, td.fs, path, 0, 0);
    assert.ok(!failed(fp));
    third.proc.state = "dead";
    kernel.table.removeThread(third);
    kernel.table.forget(third.proc);
    assert.equal(fp.read(td, Uio.kernel(new Uint8Array(10))), ESRCH);
    assert.equal(read(path), ENOENT);
  });
});

describe("sysctls", () => {
  it("are files of /proc/sys that obey their modes and limits", () => {
    assert.equal(text("/proc/sys/kernel/hostname"), "tester\n");
    assert.equal(write("/proc/sys/kernel/hostname", "other\n"), 6);
    assert.equal(kernel.table.ns.uts.hostname, "other");
    assert.equal(write("/proc/sys/kernel/hostname", "no", other), EACCES);
    assert.equal(write("/proc/sys/kernel/ostype", "no"), EACCES);
    assert.ok(write("/proc/sys/kernel/pid_max", "12") < 0);
    assert.equal(text("/proc/sys/hw/vkd0/serial"), "S1\n");
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$/;
    assert.match(text("/proc/sys/kernel/random/uuid"), uuid);
    const path = "/proc/sys/kernel/random/";
    assert.notEqual(text(`${path}uuid`), text(`${path}uuid`));
    assert.equal(text(`${path}boot_id`), text(`${path}boot_id`));
    assert.ok(list("/proc/sys").includes("vm"));
  });

  it("set the syncer's limits, in percent or in bytes", () => {
    const { syncer, pages } = kernel.table;
    const vm = "/proc/sys/vm/";
    assert.equal(text(`${vm}dirty_ratio`), "20\n");
    assert.equal(text(`${vm}dirty_background_ratio`), "10\n");
    assert.equal(text(`${vm}dirty_expire_centisecs`), "3000\n");
    assert.equal(text(`${vm}dirty_writeback_centisecs`), "500\n");
    assert.equal(write(`${vm}dirty_bytes`, "4096"), EINVAL);
    assert.equal(write(`${vm}dirty_bytes`, "8192000\n"), 8);
    assert.equal(text(`${vm}dirty_ratio`), "0\n");
    assert.equal(pages.writeback.hardLimitPages, 2000);
    assert.equal(write(`${vm}dirty_ratio`, "101"), EINVAL);
    assert.equal(write(`${vm}dirty_ratio`, "20"), 2);
    assert.equal(text(`${vm}dirty_bytes`), "0\n");
    assert.equal(write(`${vm}dirty_expire_centisecs`, "100"), 3);
    assert.equal(syncer.expireNs, 1e9);
    assert.equal(write(`${vm}vfs_cache_pressure`, "200"), 3);
    assert.equal(write(`${vm}drop_caches`, "9"), EINVAL);
    assert.match(text("/proc/vmstat"), /^nr_dirty_threshold [1-9]/m);
    assert.match(text("/proc/meminfo"), /^Dirty: +0 kB$/m);
  });
});
