/** Space on an ext4 volume: runs in one piece, a full disk, promises that are kept. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EFBIG, ENODATA, ENOSPC, failed } from "../../src/abi/errno.ts";
import { Ext4 } from "../../src/fs/ext4/ext4.ts";
import type { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { Cred } from "../../src/kern/cred.ts";
import type { Thread } from "../../src/kern/thread.ts";
import { TrimWork } from "../../src/vfs/trimwork.ts";
import { Uio } from "../../src/vm/uio.ts";
import {
  debugfs,
  MemoryStore,
  makeImage,
  mountStore,
  newFrames,
  pattern,
  withTempDir,
} from "./ext4image.ts";
import { follow } from "./names.ts";

const root = Cred.root();
const user = root.with({ fsuid: 1000, fsgid: 1000, capEffective: 0n });

function thread(cred: Cred): Thread {
  return { cred, fileSizeLimit: Number.POSITIVE_INFINITY } as unknown as Thread;
}

/** A disk that forgets what it may forget. */
class TrimStore extends MemoryStore {
  readonly discardBytes = 512;
  discarded = 0;
  discards = 0;

  discard(offset: number, length: number): number {
    this.bytes.fill(0xdd, offset, offset + length);
    this.discarded += length;
    this.discards++;
    return 0;
  }
}

interface World {
  readonly fs: Ext4;
  readonly image: string;
  readonly store: TrimStore;
  file(name: string): Ext4Vnode;
  /** Unmounts and writes the image for the tools to see. */
  finish(): void;
}

function world(
  options: string[],
  sizeKib: number,
  ramBytes: number,
  run: (w: World) => void,
  mountOptions = "",
): void {
  withTempDir((dir) => {
    const tree = join(dir, "tree");
    mkdirSync(tree);
    for (const name of ["a", "b", "c"]) writeFileSync(join(tree, name), "");
    const image = makeImage(dir, tree, sizeKib, [...options, "-N", "64"]);
    const bytes = readFileSync(image);
    const store = new TrimStore(bytes);
    const { result: fs } = mountStore(store, mountOptions, false, newFrames(ramBytes));
    assert.ok(fs instanceof Ext4);
    run({
      fs,
      image,
      store,
      file: (name) => follow(fs.root() as Ext4Vnode, name).hold(),
      finish() {
        assert.equal(fs.unmount(), 0);
        writeFileSync(image, bytes);
        const r = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
        assert.equal(r.status, 0, r.stdout + r.stderr);
      },
    });
  });
}

function write(vp: Ext4Vnode, data: Uint8Array, at: number, cred = root): number {
  return vp.write(thread(cred), Uio.kernel(data), at);
}

/** Writes until there is no more room: bytes written. */
function fill(vp: Ext4Vnode, cred: Cred, step: number): number {
  const data = pattern(step, 7);
  for (let at = 0; ; ) {
    const r = write(vp, data, at, cred);
    if (r === ENOSPC) return at;
    assert.ok(r > 0, `write at ${at}: ${r}`);
    at += r;
  }
}

function extentsOf(image: string, name: string): number {
  const out = execFileSync("debugfs", ["-R", `ex -l ${name}`, image], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return out.toString().trim().split("\n").length - 1;
}

it("ext4 puts files that are written in turns in one piece each", () => {
  world(["-t", "ext4", "-b", "4096"], 65536, 32 << 20, (w) => {
    const files = ["a", "b", "c"].map((name) => w.file(name));
    for (let at = 0; at < 4 << 20; at += 65536) {
      for (const f of files) assert.equal(write(f, pattern(65536, at), at), 65536);
    }
    w.finish();
    for (const name of ["a", "b", "c"]) assert.equal(extentsOf(w.image, name), 1, name);
  });
});

describe("a full ext4", () => {
  for (const options of [
    ["-t", "ext4", "-b", "1024"],
    ["-t", "ext4", "-b", "4096"],
    ["-t", "ext3", "-b", "1024"],
    ["-t", "ext2", "-b", "1024"],
  ]) {
    it(`takes what it says it took: ${options.join(" ")}`, () => {
      world(options, 8192, 1 << 20, (w) => {
        const a = w.file("a");
        const byUser = fill(a, user, 10_000);
        const byRoot = fill(w.file("b"), root, 3_000);
        assert.ok(byRoot > 0, "some is kept for the superuser");
        assert.equal(fill(w.file("c"), root, 3_000), 0);
        assert.equal(a.fsync(false), 0);
        // What is freed can be had again at once.
        assert.equal(a.setattr({ sizeBytes: 1000 }), 0);
        const again = fill(w.file("c"), user, 10_000);
        // But for what it takes to map it, and what the superuser used beyond.
        assert.ok(again > (byUser - byRoot) * 0.9, `${again} of ${byUser} - ${byRoot}`);
        w.finish();
        assert.match(
          debugfs(w.image, ["stat a", "stat c"]),
          new RegExp(`Size: 1000\\b[^]*Size: ${again}\\b`),
        );
      });
    });
  }

  it("still takes writes to blocks that fallocate(2) got", () => {
    world(["-t", "ext4", "-b", "1024"], 8192, 1 << 20, (w) => {
      const a = w.file("a");
      assert.equal(a.allocate(0, 0, 1_000_000), 0);
      fill(w.file("b"), root, 4096);
      const data = pattern(1_000_000, 5);
      for (let at = 0; at < data.length; at += 50_000) {
        assert.equal(write(a, data.subarray(at, at + 50_000), at), 50_000);
      }
      assert.equal(write(a, data.subarray(0, 1024), 2_000_000), ENOSPC);
      w.finish();
      assert.equal(extentsOf(w.image, "a") > 0, true);
    });
  });

  it("refuses a store into a hole through a map", () => {
    world(["-t", "ext4", "-b", "4096"], 8192, 1 << 20, (w) => {
      const a = w.file("a");
      assert.equal(a.setattr({ sizeBytes: 1 << 20 }), 0);
      const object = a.object();
      assert.ok(typeof object !== "number");
      assert.ok(!failed(object.getPage(3, true)));
      fill(w.file("b"), root, 4096);
      assert.equal(object.getPage(9, true), ENOSPC);
      assert.ok(!failed(object.getPage(9, false)));
      w.finish();
    });
  });

  it("gives back what fallocate(2) could not finish", () => {
    world(["-t", "ext4", "-b", "1024"], 8192, 1 << 20, (w) => {
      const a = w.file("a");
      assert.equal(a.allocate(0, 0, 100 << 20), ENOSPC);
      assert.equal(a.setattr({ sizeBytes: 0 }), 0);
      assert.equal(w.fs.commit(), 0);
      assert.ok(fill(w.file("b"), root, 4096) > 5 << 20);
      w.finish();
    });
  });
});

it("ext4 keeps to the largest size of each kind of file", () => {
  const last = (options: string[]) => {
    let r = [0, 0];
    world(options, 8192, 1 << 20, (w) => {
      const a = w.file("a");
      const size = options.includes("ext2")
        ? (12 + 256 + 65536 + 16777216) * 1024
        : 0xffffffff * 1024;
      r = [write(a, pattern(10, 1), size - 4), write(a, pattern(10, 1), size)];
      w.finish();
    });
    return r;
  };
  assert.deepEqual(last(["-t", "ext4", "-b", "1024"]), [4, EFBIG]);
  assert.deepEqual(last(["-t", "ext2", "-b", "1024"]), [4, EFBIG]);
});

it("ext4 has what replaces a file on the disk before it does", () => {
  world(["-t", "ext4", "-b", "4096"], 8192, 1 << 20, (w) => {
    const dir = w.fs.root() as Ext4Vnode;
    const old = pattern(9000, 1);
    const fresh = pattern(5000, 2);
    for (const name of ["a", "b"]) {
      assert.equal(write(w.file(name), old, 0), old.length);
      assert.equal(w.file(name).fsync(false), 0);
    }
    assert.equal(write(w.file("c"), fresh, 0), fresh.length);
    assert.equal(dir.rename("c", w.file("c"), dir, "a", w.file("a"), 0), 0);
    assert.equal(w.file("b").setattr({ sizeBytes: 0 }), 0);
    assert.equal(write(w.file("b"), fresh, 0), fresh.length);
    w.file("b").writerClosed();
    assert.equal(w.fs.commit(), 0);
    const crashed = mountStore(
      new MemoryStore(w.store.bytes.slice()),
      "",
      false,
      newFrames(1 << 20),
    );
    assert.ok(crashed.result instanceof Ext4);
    for (const name of ["a", "b"]) {
      const back = new Uint8Array(10_000);
      const vp: Ext4Vnode = follow(crashed.result.root() as Ext4Vnode, name);
      assert.equal(vp.read(thread(root), Uio.kernel(back), 0, null), fresh.length, name);
      assert.deepEqual(back.subarray(0, fresh.length), fresh);
    }
    w.finish();
  });
});

describe("ext4 tells the disk what is free", () => {
  it("when fstrim(8) asks", () => {
    world(["-t", "ext4", "-b", "1024"], 8192, 1 << 20, (w) => {
      const data = pattern(500_000, 3);
      assert.equal(write(w.file("a"), data, 0), data.length);
      assert.equal(write(w.file("b"), data, 0), data.length);
      assert.equal(w.file("b").fsync(false), 0);
      assert.equal(w.file("b").setattr({ sizeBytes: 0 }), 0);
      // Without what is promised to the first, which is free still.
      const free = w.fs.statfs().bfree * 1024;
      const work = new TrimWork(0, Number.POSITIVE_INFINITY, 0);
      while (!work.isDone) assert.equal(w.fs.trim(work), 0);
      const trimmed = work.trimmedBytes;
      assert.ok(trimmed >= free && trimmed < free + 1.2 * data.length, `${trimmed} of ${free}`);
      assert.equal(w.store.discarded, trimmed);
      w.finish();
    });
  });

  it("a bounded number of runs at a time, each of them once, whatever others do meanwhile", () => {
    world(["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"], 20_000, 1 << 20, (w) => {
      // Two files take the blocks in turns, and one is cut to nothing: so many runs that one step cannot have them all.
      const one = pattern(1024, 5);
      const files = 3000;
      for (let i = 0; i < files; i++) {
        assert.equal(write(w.file(i % 2 === 0 ? "a" : "b"), one, (i >> 1) * 1024), 1024);
        assert.equal(w.file(i % 2 === 0 ? "a" : "b").fsync(false), 0);
      }
      assert.equal(w.file("b").setattr({ sizeBytes: 0 }), 0);
      const work = new TrimWork(0, Number.POSITIVE_INFINITY, 0);
      let steps = 0;
      let most = 0;
      while (!work.isDone) {
        const before = w.store.discards;
        assert.equal(w.fs.trim(work), 0);
        most = Math.max(most, w.store.discards - before);
        steps++;
        if (steps === 3) assert.equal(write(w.file("b"), pattern(300_000, 7), 0), 300_000);
        if (steps === 3) assert.equal(w.file("b").fsync(false), 0);
      }
      assert.ok(steps > 5, `${steps} steps`);
      assert.ok(most <= 100, `${most} runs in one`);
      assert.equal(w.store.discarded, work.trimmedBytes);
      const back = new Uint8Array(300_000);
      assert.equal(w.file("b").read(thread(root), Uio.kernel(back), 0, null), 300_000);
      assert.deepEqual(back, pattern(300_000, 7));
      w.finish();
    });
  });

  it("as soon as it is, with the mount option discard", () => {
    world(
      ["-t", "ext4", "-b", "1024"],
      8192,
      1 << 20,
      (w) => {
        const a = w.file("a");
        assert.equal(write(a, pattern(500_000, 3), 0), 500_000);
        assert.equal(a.fsync(false), 0);
        assert.equal(a.setattr({ sizeBytes: 100_000 }), 0);
        assert.equal(w.store.discarded, 0, "not before the commit");
        assert.equal(w.fs.commit(), 0);
        assert.ok(w.store.discarded >= 390 * 1024);
        const back = new Uint8Array(100_000);
        assert.equal(a.read(thread(root), Uio.kernel(back), 0, null), 100_000);
        assert.deepEqual(back, pattern(500_000, 3).subarray(0, 100_000));
        w.finish();
      },
      "discard",
    );
  });
});

it("ext4 takes a file's capabilities from it when it changes", () => {
  world(["-t", "ext4"], 8192, 1 << 20, (w) => {
    const a = w.file("a");
    const caps = pattern(20, 1);
    const changes: (() => number)[] = [
      () => write(a, pattern(10, 1), 0),
      () => a.setattr({ sizeBytes: 5 }),
      () => a.setattr({ uid: 5 }),
    ];
    for (const change of changes) {
      assert.equal(a.setxattr("security.capability", caps, 0), 0);
      assert.equal(a.setattr({ mode: 0o755 }), 0);
      assert.deepEqual(a.getxattr("security.capability"), caps);
      assert.ok(change() >= 0);
      assert.equal(a.getxattr("security.capability"), ENODATA);
    }
    w.finish();
  });
});
