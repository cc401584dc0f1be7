/** ext4, read: images that mke2fs and debugfs made, compared with what was put into them. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EINVAL, ENODATA, ENOENT } from "../../src/abi/errno.ts";
import type { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import {
  contents,
  debugfs,
  makeImage,
  makeTree,
  mountBytes,
  pattern,
  rootOf,
  withTempDir,
} from "./ext4image.ts";
import { follow, namesIn } from "./names.ts";

const flavours: Record<string, string[]> = {
  "ext4, 4 KiB blocks": ["-t", "ext4", "-b", "4096"],
  "ext4, 1 KiB blocks": ["-t", "ext4", "-b", "1024"],
  "ext4, 2 KiB blocks, 128-byte inodes": ["-t", "ext4", "-b", "2048", "-I", "128"],
  "ext4, 64 KiB blocks": ["-t", "ext4", "-b", "65536"],
  "ext4 without extents": ["-t", "ext4", "-b", "1024", "-O", "^extent,^64bit"],
  "ext4 without checksums": ["-t", "ext4", "-O", "^metadata_csum"],
  "ext4 with group checksums": ["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit"],
  "ext4 with inline data": ["-t", "ext4", "-O", "inline_data"],
  "ext4 with meta_bg": ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"],
  "ext4 with bigalloc": ["-t", "ext4", "-O", "bigalloc"],
  "ext4 with large_dir, metadata_csum_seed": ["-t", "ext4", "-O", "large_dir,metadata_csum_seed"],
  "ext4 with sparse_super2, mmp": ["-t", "ext4", "-O", "sparse_super2,mmp,^resize_inode"],
  "ext4 without dir_index": ["-t", "ext4", "-O", "^dir_index"],
  ext3: ["-t", "ext3"],
  ext2: ["-t", "ext2", "-b", "1024"],
  "ext2, revision 0": ["-t", "ext2", "-r", "0", "-O", "none"],
};

function compare(vp: Ext4Vnode, path: string): void {
  const names = namesIn(vp).filter((n) => n !== "." && n !== ".." && n !== "lost+found");
  const expected = readdirSync(path, "latin1");
  assert.deepEqual(names.sort(), expected.sort(), path);
  for (const name of expected) {
    const utf8 = Buffer.from(name, "latin1").toString();
    const below = join(path, utf8);
    const st = lstatSync(below);
    const c = follow(vp, utf8);
    const attr = c.getattr();
    assert.ok(typeof attr !== "number");
    assert.equal(attr.mode, st.mode, below);
    assert.equal(attr.mtime.sec, Math.floor(st.mtimeMs / 1000), below);
    if (st.isDirectory()) compare(c, below);
    else if (st.isSymbolicLink()) assert.equal(c.readlink(), readlinkSync(below));
    else {
      assert.equal(attr.sizeBytes, st.size, below);
      assert.ok(Buffer.compare(contents(c), readFileSync(below)) === 0, below);
    }
  }
}

describe("ext4 shows the tree that mke2fs was given", () => {
  for (const [title, options] of Object.entries(flavours)) {
    it(title, () => {
      withTempDir((dir) => {
        const tree = join(dir, "tree");
        makeTree(tree, 300);
        const root = rootOf(makeImage(dir, tree, 65536, ["-N", "2048", ...options]));
        compare(root, tree);
        assert.equal(root.lookup("nothing"), ENOENT);
        assert.equal(follow(root, "many").lookup("file-300"), ENOENT);
      });
    });
  }
});

describe("ext4 finds names through hashed directories", () => {
  // e2fsck -D builds the index, debugfs tells which hash a directory uses.
  for (const [hash, entries] of [
    ["half_md4", 5000],
    ["tea", 1000],
    ["legacy", 1000],
  ] as const) {
    it(hash, () => {
      withTempDir((dir) => {
        const tree = join(dir, "tree");
        makeTree(tree, entries);
        const image = makeImage(dir, tree, 65536, ["-t", "ext4", "-b", "1024", "-N", "8192"]);
        reindex(image, hash);
        const many = follow(rootOf(image), "many");
        assert.ok((many.inode.flags & 0x1000) !== 0, "indexed");
        assert.match(
          debugfs(image, ["htree_dump /many"]),
          new RegExp(`Hash Version: ${HASH[hash]}`),
        );
        for (let i = 0; i < entries; i++) {
          assert.equal(contents(follow(many, `file-${i}-\u00e9`)).toString(), bytesOf(`${i}\n`));
        }
        for (let i = 0; i < 50; i++) assert.equal(many.lookup(`no-${i}`), ENOENT);
        assert.equal(namesIn(many).length, entries + 2);
      });
    });
  }
});

const HASH: Record<string, number> = { legacy: 0, half_md4: 1, tea: 2 };

function reindex(image: string, hash: string): void {
  execFileSync("tune2fs", ["-E", `hash_alg=${hash}`, image], { stdio: "ignore" });
  spawnSync("e2fsck", ["-fyD", image]);
}

function bytesOf(text: string): string {
  return new TextEncoder().encode(text).toString();
}

describe("ext4 attributes", () => {
  for (const inodeSize of ["128", "256"]) {
    it(`are read from inode and block, ${inodeSize}-byte inodes`, () => {
      withTempDir((dir) => {
        const tree = join(dir, "tree");
        makeTree(tree, 1);
        const image = makeImage(dir, tree, 16384, ["-t", "ext4", "-I", inodeSize]);
        writeFileSync(join(dir, "big"), pattern(900, 3));
        debugfs(image, [
          "ea_set /size-1 user.colour red",
          "ea_set /size-1 security.capability abcd",
          `ea_set -f ${join(dir, "big")} /size-1 user.big`,
        ]);
        const vp = follow(rootOf(image), "size-1");
        const names = vp.listxattr();
        assert.ok(typeof names !== "number");
        assert.deepEqual([...names].sort(), ["security.capability", "user.big", "user.colour"]);
        const get = (name: string) => vp.getxattr(name);
        assert.deepEqual(get("user.colour"), new Uint8Array(Buffer.from("red")));
        assert.deepEqual(get("user.big"), pattern(900, 3));
        assert.equal(get("user.none"), ENODATA);
      });
    });
  }

  it("of large size are read from inodes of their own", () => {
    withTempDir((dir) => {
      const tree = join(dir, "tree");
      makeTree(tree, 1);
      const image = makeImage(dir, tree, 16384, ["-t", "ext4", "-b", "1024", "-O", "ea_inode"]);
      writeFileSync(join(dir, "big"), pattern(1024, 3));
      debugfs(image, [`ea_set -f ${join(dir, "big")} /size-1 user.big`]);
      assert.deepEqual(follow(rootOf(image), "size-1").getxattr("user.big"), pattern(1024, 3));
    });
  });
});

it("ext4 shows device nodes, times past 2038 and nanoseconds as debugfs stored them", () => {
  withTempDir((dir) => {
    const tree = join(dir, "tree");
    mkdirSync(tree);
    writeFileSync(join(tree, "f"), "x");
    const image = makeImage(dir, tree, 8192, ["-t", "ext4", "-I", "256"]);
    debugfs(image, [
      "mknod null c 1 3",
      "mknod far b 200 300",
      "set_inode_field f mtime @4102444800",
      "set_inode_field f atime_extra 0x12345678",
    ]);
    const root = rootOf(image);
    const rdev = (name: string) => {
      const a = follow(root, name).getattr();
      return typeof a === "number" ? a : a.rdev;
    };
    assert.equal(rdev("null"), 0x103);
    assert.equal(rdev("far"), (300 & 0xff) | (200 << 8) | ((300 & ~0xff) << 12));
    const attr = follow(root, "f").getattr();
    assert.ok(typeof attr !== "number");
    assert.equal(attr.mtime.sec, 4102444800);
    assert.equal(attr.atime.nsec, 0x12345678 >>> 2);
  });
});

describe("ext4 sees committed blocks through a journal that was not replayed", () => {
  for (const options of [[], ["-O", "^64bit,^metadata_csum"], ["-b", "1024"]]) {
    it(options.join(" ") || "default features", () => {
      withTempDir((dir) => {
        const tree = join(dir, "tree");
        makeTree(tree, 1);
        const image = makeImage(dir, tree, 32768, ["-t", "ext4", ...options]);
        const size = Number(/Block size:\s+(\d+)/.exec(stats(image))![1]);
        const blocks = debugfs(image, ["blocks /size-600000"])
          .split("\n")
          .find((line) => /^\d+ /.test(line))!
          .trim()
          .split(/\s+/);
        const fresh = pattern(4 * size, 99);
        // The journal's magic at the start of a block: it must be escaped.
        fresh.set([0xc0, 0x3b, 0x39, 0x98], size);
        const last = pattern(size, 100);
        writeFileSync(join(dir, "fresh"), fresh);
        writeFileSync(join(dir, "last"), last);
        debugfs(image, [
          "jo",
          `jw -b ${blocks.slice(0, 4).join(",")} ${join(dir, "fresh")}`,
          "jc",
          "jo",
          `jw -b ${blocks[3]} ${join(dir, "last")}`,
          `jw -r ${blocks[2]}`,
          "jc",
        ]);
        const expected = pattern(600000, 600000);
        expected.set(fresh.subarray(0, 2 * size));
        expected.set(last, 3 * size);
        const before = readFileSync(image);
        const root = rootOf(image);
        const got = contents(follow(root, "size-600000"));
        assert.deepEqual(readFileSync(image), before, "nothing was written");
        const asItLies = contents(follow(rootOf(image, "noload"), "size-600000"));
        assert.ok(Buffer.compare(asItLies, pattern(600000, 600000)) === 0, "noload");
        // The reference is e2fsck's replay, which then says what the truth is.
        spawnSync("e2fsck", ["-fy", image]);
        assert.ok(Buffer.compare(got, contents(follow(rootOf(image), "size-600000"))) === 0);
        assert.ok(Buffer.compare(got, expected) === 0);
      });
    });
  }
});

function stats(image: string): string {
  return execFileSync("dumpe2fs", ["-h", image], {
    stdio: ["ignore", "pipe", "ignore"],
  }).toString();
}

describe("ext4 refuses", () => {
  const refused = (options: string[], data: string, isReadOnly: boolean) =>
    withTempDir((dir) => {
      const tree = join(dir, "tree");
      makeTree(tree, 1);
      const image = makeImage(dir, tree, 16384, options);
      return mountBytes(readFileSync(image), data, isReadOnly);
    });

  it("features that it lacks, by name", () => {
    const { result, messages } = refused(["-t", "ext4", "-O", "encrypt"], "", true);
    assert.equal(result, EINVAL);
    assert.match(messages.join(), /unsupported optional features \(encrypt\)/);
  });

  it("options that it does not know", () => {
    const { result, messages } = refused(["-t", "ext4"], "errors=remount-ro,colour=red", true);
    assert.equal(result, EINVAL);
    assert.match(messages.join(), /colour=red/);
  });

  it("writing with features that it can only read, by name", () => {
    const { result, messages } = refused(["-t", "ext4", "-O", "bigalloc,quota"], "", false);
    assert.equal(result, EINVAL);
    assert.match(
      messages.join(),
      /RDWR because of unsupported optional features \(quota bigalloc\)/,
    );
  });

  it("what is not ext4", () => {
    assert.equal(mountBytes(new Uint8Array(65536)).result, EINVAL);
    assert.equal(mountBytes(new Uint8Array(512)).result, EINVAL);
  });
});

it("statfs agrees with what the host computes", () => {
  withTempDir((dir) => {
    const tree = join(dir, "tree");
    makeTree(tree, 1);
    const image = makeImage(dir, tree, 32768, ["-t", "ext4"]);
    const header = stats(image);
    const number = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(header)![1]);
    const { result } = mountBytes(readFileSync(image));
    assert.ok(typeof result !== "number");
    const s = result.statfs();
    assert.ok(typeof s !== "number");
    assert.equal(s.bsize, number("Block size"));
    assert.equal(s.bfree, number("Free blocks"));
    assert.equal(s.bavail, number("Free blocks") - number("Reserved block count"));
    assert.equal(s.files, number("Inode count"));
    assert.equal(s.ffree, number("Free inodes"));
    assert.equal(s.blocks, number("Block count") - number("Overhead clusters"));
  });
});
