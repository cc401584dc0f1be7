/** Directories of ext4 that grow, shrink and are listed meanwhile. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ENOENT, ENOSPC, failed } from "../../src/abi/errno.ts";
import { S_IFREG } from "../../src/abi/stat.ts";
import { nameBytes } from "../../src/fs/ext4/dir.ts";
import { dirIndexOf, effectiveHash, hashOf } from "../../src/fs/ext4/htree.ts";
import { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { Cred } from "../../src/kern/cred.ts";
import { Random } from "../fuzz/random.ts";
import { debugfs, makeImage, mountBytes, withTempDir } from "./ext4image.ts";
import { namesIn } from "./names.ts";

const root = Cred.root();

interface Volume {
  readonly top: Ext4Vnode;
  /** Unmounts, has e2fsck look at the volume, and mounts it again. */
  again(): Ext4Vnode;
}

function withVolume(
  options: string[],
  sizeKib: number,
  run: (v: Volume) => void,
  hash = "half_md4",
): void {
  withTempDir((dir) => {
    mkdirSync(join(dir, "tree"));
    const image = makeImage(dir, join(dir, "tree"), sizeKib, options);
    execFileSync("tune2fs", ["-E", `hash_alg=${hash}`, image], { stdio: "ignore" });
    const bytes = new Uint8Array(readFileSync(image));
    const mount = (): Ext4Vnode => {
      const { result, messages } = mountBytes(bytes, "", false);
      assert.ok(typeof result !== "number", messages.join("\n"));
      return result.root() as Ext4Vnode;
    };
    let top = mount();
    const again = (): Ext4Vnode => {
      assert.equal(top.fs.unmount(), 0);
      writeFileSync(image, bytes);
      const r = spawnSync("e2fsck", ["-fn", image]);
      assert.equal(r.status, 0, r.stdout.toString() + r.stderr.toString());
      top = mount();
      return top;
    };
    run({ top, again });
  });
}

function mkdir(at: Ext4Vnode, name: string): Ext4Vnode {
  const made = at.mkdir(name, 0o755, root);
  assert.ok(made instanceof Ext4Vnode, `${made}`);
  return made;
}

function create(at: Ext4Vnode, name: string): void {
  const r = at.mknod(name, S_IFREG | 0o644, 0, root);
  assert.ok(!failed(r), `${name}: ${r}`);
}

function remove(at: Ext4Vnode, name: string): void {
  const vp = at.lookup(name);
  assert.ok(vp instanceof Ext4Vnode, `${name}: ${vp}`);
  vp.hold();
  assert.equal(at.unlink(name, vp), 0);
  vp.release();
}

/** A name of `length` bytes for a number. */
function long(i: number, length: number): string {
  return i.toString(36).padEnd(length, "~");
}

describe("a hashed directory", () => {
  it("grows to two levels, and to three with large_dir", () => {
    withVolume(
      ["-t", "ext4", "-b", "1024", "-O", "large_dir,^has_journal"],
      65536,
      ({ top, again }) => {
        const dir = mkdir(top, "d");
        create(top, "file");
        const file = top.lookup("file") as Ext4Vnode;
        const count = 36000;
        // Links to one file: as many names as wanted, without as many inodes.
        for (let i = 0; i < count; i++) assert.equal(dir.link(long(i, 250), file), 0);
        assert.equal(dir.lookup(long(count, 250)), ENOENT);
        const back = again().lookup("d") as Ext4Vnode;
        const index = dirIndexOf(back.inode);
        assert.equal(typeof index === "object" && index?.levels, 2);
        for (let i = 0; i < count; i += 97)
          assert.ok(back.lookup(long(i, 250)) instanceof Ext4Vnode);
        assert.equal(back.lookup(long(count, 250)), ENOENT);
      },
    );
  });

  it("is full after two levels without large_dir, and stays sound", () => {
    withVolume(["-t", "ext4", "-b", "1024", "-O", "^has_journal"], 65536, ({ top, again }) => {
      const dir = mkdir(top, "d");
      create(top, "file");
      const file = top.lookup("file") as Ext4Vnode;
      let made = 0;
      for (; made < 60000; made++) {
        const r = dir.link(long(made, 250), file);
        if (r < 0) {
          assert.equal(r, ENOSPC);
          break;
        }
      }
      assert.ok(made > 10000 && made < 60000, String(made));
      const back = again().lookup("d") as Ext4Vnode;
      assert.ok(back.lookup(long(made - 1, 250)) instanceof Ext4Vnode);
      assert.equal(back.lookup(long(made, 250)), ENOENT);
    });
  });

  it("has one link when its subdirectories cannot be counted any more", () => {
    withVolume(["-t", "ext4", "-b", "1024"], 16384, ({ top }) => {
      const dir = mkdir(top, "d");
      for (let i = 0; i < 100; i++) mkdir(dir, String(i));
      dir.inode.nlink = 64999;
      mkdir(dir, "a");
      assert.equal(dir.inode.nlink, 65000);
      mkdir(dir, "b");
      assert.equal(dir.inode.nlink, 1);
      mkdir(dir, "c");
      const one = dir.lookup("17") as Ext4Vnode;
      one.hold();
      assert.equal(dir.rmdir("17", one), 0);
      one.release();
      assert.equal(dir.inode.nlink, 1);
    });
  });
});

describe("a listing shows what stays once, while other names come and go", () => {
  const flavours: Record<string, string[]> = {
    hashed: ["-b", "1024"],
    "not hashed": ["-b", "1024", "-O", "^dir_index"],
    "inline at first": ["-b", "4096", "-O", "inline_data"],
  };
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      withVolume(["-t", "ext4", ...options], 16384, ({ top, again }) => {
        const random = new Random(7);
        const dir = mkdir(top, "d");
        for (const stays of [1, 20, 400]) {
          for (let i = 0; i < stays; i++) create(dir, `stays-${stays}-${i}`);
          const wanted = namesIn(dir).sort();
          const passing: string[] = [];
          const seen: string[] = [];
          let serial = 0;
          let next = 0;
          for (;;) {
            let got = 0;
            const most = 1 + random.below(4);
            const r = dir.readdir(next, {
              entry(name, _ino, _type, after) {
                if (got === most) return false;
                got++;
                if (!name.startsWith("passing")) seen.push(name);
                next = after;
                return true;
              },
            });
            assert.equal(r, 0);
            if (got === 0) break;
            for (let n = random.below(3); n > 0 && serial < 300; n--) {
              const name = `passing-${stays}-${serial++}`.padEnd(20 + random.below(180), "x");
              create(dir, name);
              passing.push(name);
            }
            if (random.below(2) === 0 && passing.length > 0) {
              remove(dir, passing.splice(random.below(passing.length), 1)[0]!);
            }
          }
          assert.deepEqual(seen.sort(), wanted);
          for (const name of passing) remove(dir, name);
        }
        again();
      });
    });
  }

  it("so that a directory is emptied by who removes what is listed", () => {
    withVolume(["-t", "ext4", "-b", "1024"], 16384, ({ top, again }) => {
      const dir = mkdir(top, "d");
      for (let i = 0; i < 900; i++) create(dir, `name-${i}`);
      let next = 0;
      for (;;) {
        const batch: string[] = [];
        dir.readdir(next, {
          entry(name, _ino, _type, after) {
            if (batch.length === 25) return false;
            batch.push(name);
            next = after;
            return true;
          },
        });
        if (batch.length === 0) break;
        for (const name of batch) if (!name.startsWith(".")) remove(dir, name);
      }
      dir.hold();
      assert.equal(top.rmdir("d", dir), 0);
      dir.release();
      assert.equal(again().lookup("d"), ENOENT);
    });
  });
});

describe("a directory by another hash", () => {
  for (const [hash, version] of [
    ["legacy", 0],
    ["tea", 2],
  ] as const) {
    it(`${hash} takes names, those with equal hashes too, and lists each once`, () => {
      const options = ["-t", "ext4", "-b", "1024", "-O", "^has_journal"];
      const run = ({ top, again }: Volume): void => {
        const names = new Set<string>();
        const dir = mkdir(top, "d");
        create(top, "file");
        const file = top.lookup("file") as Ext4Vnode;
        const add = (name: string): void => {
          assert.equal(dir.link(name, file), 0);
          names.add(name);
        };
        for (const name of alike(dir, version)) add(name);
        for (let i = 0; i < 1500; i++) add(`filler-${i}`.padEnd(30 + (i % 90), "."));
        const index = dirIndexOf(dir.inode);
        assert.equal(typeof index === "object" && index && index.hashVersion % 3, version);
        const back = again().lookup("d") as Ext4Vnode;
        const listed = namesIn(back).filter((n) => n !== "." && n !== "..");
        assert.deepEqual(listed.sort(), [...names].sort());
        for (const name of names) assert.ok(back.lookup(name) instanceof Ext4Vnode, name);
      };
      withVolume(options, 16384, run, hash);
    });
  }
});

/** Names of which each has the hash of another one. */
function alike(dir: Ext4Vnode, version: number): string[] {
  const { volume } = dir.inode;
  const hashVersion = effectiveHash(volume, version);
  const byHash = new Map<number, string>();
  const found: string[] = [];
  for (let i = 0; i < 150_000; i++) {
    const name = `a${i}`;
    const hash = hashOf(dir.inode, hashVersion, nameBytes(name));
    const other = byHash.get(hash);
    if (other !== undefined) found.push(name, other);
    else byHash.set(hash, name);
  }
  return [...new Set(found)].slice(0, 400);
}

describe("an unlinked file that is in use", () => {
  it("is freed with its last use", () => {
    withVolume(["-t", "ext4", "-b", "1024"], 16384, ({ top, again }) => {
      const dir = mkdir(top, "d");
      const free = top.fs.statfs();
      create(dir, "f");
      const vp = dir.lookup("f") as Ext4Vnode;
      assert.equal(vp.setxattr("user.big", new Uint8Array(800), 0), 0);
      vp.hold();
      assert.equal(dir.unlink("f", vp), 0);
      assert.equal(dir.lookup("f"), ENOENT);
      assert.deepEqual(vp.getxattr("user.big"), new Uint8Array(800));
      vp.release();
      const after = again().fs.statfs();
      assert.deepEqual(after, free);
    });
  });

  it("is freed at the next mount after a crash", () => {
    withVolume(["-t", "ext4", "-b", "1024"], 16384, ({ top, again }) => {
      for (const name of ["a", "b", "c"]) {
        create(top, name);
        const vp = top.lookup(name) as Ext4Vnode;
        vp.hold();
        assert.equal(vp.setxattr("user.big", new Uint8Array(800), 0), 0);
        assert.equal(top.unlink(name, vp), 0);
      }
      assert.equal(top.fs.sync(), 0);
      // Not unmounted: the next mount finds three orphans.
      const crashed = mountAgain(top);
      assert.equal(crashed.orphans, "3 orphans recovered");
      void again;
    });
  });

  it("is freed where another kernel left it in the orphan file", () => {
    withTempDir((dir) => {
      mkdirSync(join(dir, "tree"));
      writeFileSync(join(dir, "tree", "f"), new Uint8Array(30000).fill(1));
      const options = ["-t", "ext4", "-b", "1024", "-O", "orphan_file,^metadata_csum"];
      const image = makeImage(dir, join(dir, "tree"), 16384, options);
      const number = (command: string, pattern: RegExp): number => {
        return Number(pattern.exec(debugfs(image, [command]))?.[1]);
      };
      const file = number("show_super_stats -h", /Orphan file inode:\s+(\d+)/);
      const block = number(`bmap <${file}> 0`, /^(\d+)$/m);
      const orphan = number("stat /f", /Inode: (\d+)/);
      debugfs(image, ["set_inode_field /f links_count 0", "unlink /f", "feature orphan_present"]);
      const bytes = new Uint8Array(readFileSync(image));
      new DataView(bytes.buffer).setUint32(block * 1024 + 8, orphan, true);
      const { result, messages } = mountBytes(bytes, "", false);
      assert.ok(typeof result !== "number", messages.join("\n"));
      assert.match(messages.join("\n"), /1 orphans recovered/);
      assert.equal(result.unmount(), 0);
      writeFileSync(image, bytes);
      const r = spawnSync("e2fsck", ["-fn", image]);
      assert.equal(r.status, 0, r.stdout.toString());
      assert.ok(!debugfs(image, ["features"]).includes("orphan_present"));
    });
  });
});

function mountAgain(top: Ext4Vnode): { readonly orphans: string } {
  const store = new Uint8Array(top.inode.volume.device.sizeBytes);
  assert.equal(top.inode.volume.device.read(0, store), 0);
  const { result, messages } = mountBytes(store, "", false);
  assert.ok(typeof result !== "number", messages.join("\n"));
  assert.equal(result.unmount(), 0);
  withTempDir((dir) => {
    const image = join(dir, "image");
    writeFileSync(image, store);
    const r = spawnSync("e2fsck", ["-fn", image]);
    assert.equal(r.status, 0, r.stdout.toString());
  });
  return { orphans: /\d+ orphans recovered/.exec(messages.join("\n"))?.[0] ?? "" };
}
