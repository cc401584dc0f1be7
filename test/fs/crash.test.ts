/** ext4 after a crash at any write: see crash.ts; test/fuzz/crash.ts makes long runs of it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import { Random } from "../fuzz/random.ts";
import { CROWDED_KINDS, crashRun } from "./crash.ts";
import { CrashStore } from "./crashstore.ts";
import { freshImage, MemoryStore, mountStore, withTempDir } from "./ext4image.ts";
import { FileWorld } from "./ext4world.ts";
import { contentsAt, type Op } from "./model.ts";

const flavours: Record<string, string[]> = {
  ext4: ["-t", "ext4", "-b", "4096"],
  "ext4, 1 KiB blocks": ["-t", "ext4", "-b", "1024"],
  "ext4 without checksums": ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit"],
  "ext4 with inline data": ["-t", "ext4", "-b", "1024", "-O", "inline_data", "-I", "256"],
  ext3: ["-t", "ext3", "-b", "1024"],
};

describe("after a crash at any write, what was fsynced is there and the volume is whole", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      withTempDir((dir) => {
        const image = freshImage(dir, options, 12288);
        let tried = 0;
        for (let seed = 1; seed <= 2; seed++) {
          const scratch = join(dir, "crashed");
          const run = { image, seed, operations: 250, oneIn: 10, checkOneIn: 20, scratch };
          tried += crashRun(run);
        }
        assert.ok(tried > 50, `${tried} crashes`);
      });
    });
  }

  it("a volume that is nearly full", () => {
    withTempDir((dir) => {
      const options = ["-t", "ext4", "-b", "1024", "-J", "size=1", "-N", "64", "-m", "0"];
      const image = freshImage(dir, options, 2200);
      let tried = 0;
      for (let seed = 1; seed <= 4; seed++) {
        tried += crashRun({
          image,
          seed,
          operations: 300,
          kinds: CROWDED_KINDS,
          oneIn: 8,
          checkOneIn: 25,
          scratch: join(dir, "crashed"),
        });
      }
      assert.ok(tried > 50, `${tried} crashes`);
    });
  });
});

describe("a crash in the middle of what takes many transactions", () => {
  for (const [title, options] of Object.entries({
    extents: ["-t", "ext4", "-b", "1024", "-J", "size=1"],
    "block maps": ["-t", "ext3", "-b", "1024", "-J", "size=1"],
  })) {
    it(`leaves a whole volume: ${title}`, () => {
      withTempDir((dir) => {
        const script: Op[] = [];
        // Two files whose blocks alternate, so that none has two in a row.
        for (const path of ["/a", "/b"]) script.push({ op: "create", path });
        for (let n = 0; n < 300; n++) {
          for (const path of ["/a", "/b"]) {
            script.push({ op: "write", path, offset: n * 2048, length: 1000 });
            if (n % 3 === 0) script.push({ op: "fdatasync", path });
          }
        }
        script.push({ op: "sync" }, { op: "open", path: "/b" });
        script.push({ op: "allocate", path: "/a", mode: 3, offset: 100000, length: 200000 });
        script.push({ op: "truncate", path: "/a", size: 5000 }, { op: "unlink", path: "/b" });
        script.push({ op: "close" }, { op: "unlink", path: "/a" }, { op: "sync" });
        const tried = crashRun({
          image: freshImage(dir, options, 8192),
          seed: 1,
          script,
          operations: script.length,
          oneIn: 40,
          checkOneIn: 4,
          scratch: join(dir, "crashed"),
        });
        assert.ok(tried > 15, `${tried} crashes`);
      });
    });
  }
});

describe("a file that was replaced without fsync is whole after a crash, old or new", () => {
  /** Contents of `/f` at every crash on the way from OLD to NEW, which `replace` and a commit go. */
  const seen = (replace: (world: FileWorld) => void): ReadonlySet<string> =>
    withTempDir((dir) => {
      const store = new CrashStore(freshImage(dir, ["-t", "ext4"], 16384));
      const world = new FileWorld();
      const { result } = mountStore(store, "", false, world.pages);
      assert.ok(typeof result !== "number");
      world.attach(result);
      assert.equal(world.create("/f", OLD), 0);
      assert.equal(world.fill("/f", OLD, 0, SIZE), SIZE);
      assert.equal(world.do({ op: "sync" }), 0);
      const start = store.log.length;
      replace(world);
      assert.equal(world.do({ op: "commit" }), 0);
      const found = new Set<string>();
      store.crashes(
        new Random(1),
        (place) => place >= start,
        (image) => {
          const after = new FileWorld(2 << 20);
          const mounted = mountStore(new MemoryStore(image), "", false, after.pages);
          assert.ok(typeof mounted.result !== "number");
          after.attach(mounted.result);
          const at = after.lookup("/f");
          assert.ok(!failed(at));
          const bytes = after.readAt(at.entry.vnode!, 0, SIZE + 1);
          assert.ok(typeof bytes !== "number");
          const is = (mode: number): boolean =>
            Buffer.compare(bytes, contentsAt(mode, [[0, SIZE]], 0, SIZE)) === 0;
          found.add(is(OLD) ? "old" : is(NEW) ? "new" : `${bytes.length} bytes`);
          after.vfs.release(at);
          after.detach();
        },
      );
      return found;
    });

  it("by a rename", () => {
    const found = seen((world) => {
      assert.equal(world.create("/g", NEW), 0);
      assert.equal(world.fill("/g", NEW, 0, SIZE), SIZE);
      assert.equal(world.do({ op: "rename", path: "/g", to: "/f", flags: 0 }), 0);
    });
    assert.deepEqual([...found].sort(), ["new", "old"]);
  });

  it("by a truncation and a write", () => {
    const found = seen((world) => {
      assert.equal(world.do({ op: "truncate", path: "/f", size: 0 }), 0);
      assert.equal(world.fill("/f", NEW, 0, SIZE), SIZE);
    });
    assert.deepEqual([...found].sort(), ["new", "old"]);
  });
});

const OLD = 0o644;
const NEW = 0o600;
const SIZE = 50000;
