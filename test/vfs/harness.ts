/** A file system context on a fresh tmpfs, and a thread to act as, without a machine around them. */
import assert from "node:assert/strict";
import { type Errno, errnoNames, failed } from "../../src/abi/errno.ts";
import { NO_TMPFS_OPTIONS, type TmpfsOptions } from "../../src/fs/tmpfs/options.ts";
import { Tmpfs } from "../../src/fs/tmpfs/tmpfs.ts";
import { KernelClock } from "../../src/kern/clock.ts";
import { Cpu } from "../../src/kern/cpu.ts";
import { Cred } from "../../src/kern/cred.ts";
import { Thread } from "../../src/kern/thread.ts";
import { PhysMem } from "../../src/machine/physmem.ts";
import type { File } from "../../src/vfs/file.ts";
import { FsContext } from "../../src/vfs/fscontext.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { Vfs } from "../../src/vfs/vfs.ts";
import { PageAllocator } from "../../src/vm/page.ts";
import { Uio } from "../../src/vm/uio.ts";

export class TestThread extends Thread {
  constructor(cpu: Cpu, cred = Cred.root()) {
    super(1, cpu, cred);
    this.state = "running";
  }
}

/** Time that only the test moves. */
export class ManualClock {
  nowNs = 1e9;
  readonly epochSec = 1_700_000_000;
  readonly epochNsec = 0;

  monotonicNs(): number {
    return this.nowNs;
  }
}

export class World {
  readonly time = new ManualClock();
  readonly cpu: Cpu;
  readonly pages: PageAllocator;
  readonly vfs: Vfs;
  readonly ctx: FsContext;
  readonly td: TestThread;

  constructor(options: TmpfsOptions = { ...NO_TMPFS_OPTIONS, mode: 0o755 }, ramBytes = 16 << 20) {
    const clock = new KernelClock(this.time);
    this.cpu = new Cpu(0, clock);
    this.pages = new PageAllocator(new PhysMem({ ramBytes, maxHarts: 1, maxContexts: 1 }), {
      codeWritten() {},
    });
    this.vfs = new Vfs(clock);
    const mount = this.vfs.mounts.mount(this.newTmpfs(options), null, 0, "tmpfs");
    assert(!failed(mount));
    const root = { mount, entry: mount.root };
    this.ctx = new FsContext(this.vfs, root, root);
    this.td = new TestThread(this.cpu);
  }

  newTmpfs(options: TmpfsOptions = NO_TMPFS_OPTIONS): Tmpfs {
    return new Tmpfs(this.vfs, this.pages, options);
  }

  /** Another thread, acting as `uid` without capabilities. */
  user(uid: number, gid = uid, groups: readonly number[] = []): TestThread {
    return new TestThread(
      this.cpu,
      Cred.root().with({
        uid,
        euid: uid,
        suid: uid,
        fsuid: uid,
        gid,
        egid: gid,
        sgid: gid,
        fsgid: gid,
        groups,
        capEffective: 0n,
        capPermitted: 0n,
      }),
    );
  }

  open(path: string, flags: number, mode = 0o644, td: Thread = this.td): File {
    const fp = vfsOpen(td, this.ctx, path, flags, mode);
    assert(!failed(fp), `open ${path}: ${nameOf(fp)}`);
    return fp;
  }

  write(fp: File, text: string, td: Thread = this.td): number {
    return fp.write(td, Uio.kernel(new TextEncoder().encode(text)));
  }

  /** What one read of up to `count` bytes finds, or its error. */
  read(fp: File, count: number, td: Thread = this.td): string | number {
    const buffer = new Uint8Array(count);
    const n = fp.read(td, Uio.kernel(buffer));
    return n < 0 ? n : new TextDecoder().decode(buffer.subarray(0, n));
  }
}

/** "ENOENT" for an error, else "". */
export function nameOf(r: unknown): string {
  return failed(r) ? (errnoNames.get(-(r as Errno)) ?? String(r)) : "";
}
