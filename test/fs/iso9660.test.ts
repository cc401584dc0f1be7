/** ISO 9660, read: images of xorriso and genisoimage, compared with isoinfo and with what was put into them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
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
import { EACCES, EINVAL, EIO, ELOOP, ENOENT, EROFS } from "../../src/abi/errno.ts";
import { Iso9660 } from "../../src/fs/iso9660/iso9660.ts";
import type { IsoVnode } from "../../src/fs/iso9660/vnode.ts";
import { pattern, withTempDir } from "./ext4image.ts";
import {
  genisoimage,
  isoContents,
  isoinfo,
  isoRoot,
  type Listing,
  listing,
  makeIsoTree,
  mountIso,
  noIsoTools,
  xorriso,
  zisofs,
} from "./isoimage.ts";
import { follow, namesIn } from "./names.ts";

const skip = noIsoTools;

/** Only directories that isoinfo walks too: it does not follow those that were moved. */
function assertListed(ours: Listing, theirs: Listing, moved: RegExp): void {
  const kept = (all: Listing) =>
    Object.fromEntries(Object.entries(all).filter(([path]) => !moved.test(path)));
  assert.deepEqual(kept(ours), kept(theirs));
}

/** isoinfo's way with names that its character set has not. */
function inLatin1(ours: Listing): Listing {
  const inSet = (path: string) =>
    Buffer.from(path, "latin1")
      .toString()
      .replace(/[^\0-\u00ff]/g, "_");
  return Object.fromEntries(Object.entries(ours).map(([path, line]) => [inSet(path), line]));
}

describe("iso9660 lists what isoinfo lists", { skip }, () => {
  for (const [title, make, options] of [
    ["genisoimage, Rock Ridge", genisoimage, ["-R"]],
    ["genisoimage, Rock Ridge and Joliet", genisoimage, ["-R", "-J"]],
    ["xorriso, Rock Ridge", xorriso, ["-R"]],
    ["xorriso, Rock Ridge, level 3", xorriso, ["-R", "-iso-level", "3", "-joliet"]],
  ] as const) {
    it(title, () => {
      withTempDir((dir) => {
        makeIsoTree(join(dir, "tree"), 300, make === xorriso);
        const image = make(join(dir, "image"), join(dir, "tree"), options);
        const ours = listing(isoRoot(readFileSync(image)));
        // "many" is first listed name by name above: enough of it was seen.
        assert.ok(Object.keys(ours).length > 330);
        assertListed(ours, isoinfo(image, ["-R"]), /rr_moved|level 8|level 14/);
      });
    });
  }

  for (const [title, make, options] of [
    ["genisoimage, Joliet", genisoimage, ["-J"]],
    ["genisoimage, long Joliet", genisoimage, ["-J", "-joliet-long"]],
    ["xorriso, Joliet", xorriso, ["-J"]],
  ] as const) {
    it(title, () => {
      withTempDir((dir) => {
        makeIsoTree(join(dir, "tree"), 300, false);
        const image = make(join(dir, "image"), join(dir, "tree"), options);
        const data = make === xorriso ? "norock" : "";
        const ours = listing(isoRoot(readFileSync(image), data), false);
        assert.ok(Object.keys(ours).length > 320);
        assert.deepEqual(inLatin1(ours), isoinfo(image, ["-J", "-j", "iso8859-1"]));
      });
    });
  }

  for (const level of ["1", "2", "3"]) {
    it(`plain names of level ${level}`, () => {
      withTempDir((dir) => {
        makeIsoTree(join(dir, "tree"), 50, false);
        const options = ["-iso-level", level, "-D"];
        const image = genisoimage(join(dir, "image"), join(dir, "tree"), options);
        const bytes = readFileSync(image);
        const raw = listing(isoRoot(bytes, "map=off"), false);
        const theirs = isoinfo(image, []);
        assert.deepEqual(raw, theirs);
        const normal = Object.entries(theirs).map(([path, line]) => [
          path
            .toLowerCase()
            .replace(/\.?;1$/, "")
            .replaceAll(";", "."),
          line,
        ]);
        assert.deepEqual(listing(isoRoot(bytes), false), Object.fromEntries(normal));
      });
    });
  }
});

/** All of what the tree has, and nothing else; `attributes`: as Rock Ridge keeps them. */
function compare(vp: IsoVnode, path: string): void {
  const names = namesIn(vp).filter((n) => n !== "." && n !== "..");
  const expected = readdirSync(path, "latin1");
  assert.deepEqual(names.filter((n) => n !== "rr_moved").sort(), expected.sort(), path);
  for (const name of expected) {
    const utf8 = Buffer.from(name, "latin1").toString();
    const below = join(path, utf8);
    const st = lstatSync(below);
    const c = follow(vp, utf8);
    const a = c.getattr();
    assert.equal(a.mode, st.mode, below);
    assert.equal(a.uid, st.uid);
    assert.equal(a.gid, st.gid);
    assert.equal(a.rdev, st.isCharacterDevice() || st.isBlockDevice() ? st.rdev : 0, below);
    if (!st.isDirectory()) {
      assert.equal(a.mtime.sec, Math.floor(st.mtimeMs / 1000), below);
    }
    if (st.isDirectory()) compare(c, below);
    else if (st.isSymbolicLink()) {
      assert.equal(c.readlink(), readlinkSync(below));
      assert.equal(a.sizeBytes, st.size);
    } else if (st.isFile()) {
      assert.equal(a.sizeBytes, st.size, below);
      assert.ok(Buffer.compare(isoContents(c), readFileSync(below)) === 0, below);
    }
  }
}

describe("iso9660 shows the tree that it was made of", { skip }, () => {
  for (const [title, make, options] of [
    ["genisoimage", genisoimage, ["-R"]],
    ["genisoimage, deep directories left where they are", genisoimage, ["-R", "-D"]],
    ["xorriso", xorriso, ["-R"]],
    ["xorriso, deep directories moved", xorriso, ["-R", "-rr_reloc_dir", "rr_moved"]],
    ["xorriso, level 3", xorriso, ["-R", "-iso-level", "3"]],
  ] as const) {
    it(title, () => {
      withTempDir((dir) => {
        makeIsoTree(join(dir, "tree"), 40, make === xorriso);
        const image = make(join(dir, "image"), join(dir, "tree"), options);
        compare(isoRoot(readFileSync(image)), join(dir, "tree"));
      });
    });
  }
});

/** A disc of one file, and where in it the root's record of that file is. */
function smallImage(dir: string, options: readonly string[], ...names: string[]): Buffer {
  const tree = join(dir, "small");
  mkdirSync(tree);
  for (const name of names) writeFileSync(join(tree, name), pattern(5000, name.length));
  return readFileSync(genisoimage(join(dir, "image"), tree, options));
}

describe("an iso9660 file system", { skip }, () => {
  it("reads compressed files as they were", () => {
    withTempDir((dir) => {
      const tree = join(dir, "tree");
      mkdirSync(tree);
      const files = new Map<string, Uint8Array>([
        ["text", Buffer.from("all work and no play\n".repeat(9000))],
        ["holes", Buffer.concat([pattern(40000, 1), Buffer.alloc(200000), pattern(99, 2)])],
        ["noise", pattern(100001, 3)],
        ["small", Buffer.from("x")],
      ]);
      for (const [name, bytes] of files) writeFileSync(join(tree, name), bytes);
      const image = zisofs(join(dir, "image"), tree);
      const root = isoRoot(readFileSync(image));
      for (const [name, bytes] of files) {
        const vp = follow(root, name);
        assert.equal(vp.getattr().sizeBytes, bytes.length, name);
        assert.ok(Buffer.compare(isoContents(vp), bytes) === 0, name);
      }
      assert.ok(follow(root, "text").getattr().blocks < 100);
      const stored = follow(isoRoot(readFileSync(image), "nocompress"), "text");
      const raw = execFileSync("isoinfo", ["-R", "-i", image, "-x", "/text"]);
      assert.deepEqual(isoContents(stored), new Uint8Array(raw));
    });
  });

  it("strings the extents of a large file together", () => {
    withTempDir((dir) => {
      // Two files become the two extents of one, as level 3 has it for more than 4 GiB.
      const bytes = smallImage(dir, [], "a.x", "bb.x");
      const first = recordOf(bytes, "A.X;1");
      const second = recordOf(bytes, "BB.X;1");
      bytes[first + 25] = 0x80;
      bytes.writeUInt32LE(4096, first + 10);
      const root = isoRoot(bytes);
      assert.deepEqual(namesIn(root), [".", "..", "bb.x"]);
      const all = isoContents(follow(root, "bb.x"));
      assert.deepEqual(all.subarray(0, 4096), pattern(5000, 3).subarray(0, 4096));
      assert.deepEqual(all.subarray(4096), pattern(5000, 4));
      assert.equal(follow(root, "bb.x").ino, Math.floor(first / 32));
      bytes[second + 25] = 0x80;
      assert.throws(() => namesIn(isoRoot(bytes)), /readdir: -117/);
    });
  });

  it("numbers files as Linux does: by the place of their record", () => {
    withTempDir((dir) => {
      const bytes = smallImage(dir, ["-R"], "one");
      const root = isoRoot(bytes);
      assert.equal(root.ino, bytes.readUInt32LE(16 * 2048 + 158) * 64);
      assert.equal(follow(root, "one").ino, Math.floor(recordOf(bytes, "ONE.;1") / 32));
    });
  });

  it("takes Linux's mount options", () => {
    withTempDir((dir) => {
      const bytes = smallImage(dir, ["-R", "-J"], "Name.Txt");
      const shown = (data: string): readonly [string, string, string] => {
        const { result } = mountIso(bytes, data);
        assert.ok(result instanceof Iso9660, `${data}: ${result}`);
        const root = isoRoot(bytes, data);
        const name = namesIn(root)[2]!;
        const a = follow(root, name).getattr();
        return [result.showOptions(), name, `${a.mode.toString(8)} ${a.uid} ${a.gid}`];
      };
      const { uid, gid } = lstatSync(join(dir, "image"));
      const tail = "blocksize=2048";
      assert.deepEqual(shown(""), [
        `nojoliet,check=s,map=n,${tail}`,
        "Name.Txt",
        `100644 ${uid} ${gid}`,
      ]);
      assert.deepEqual(shown("norock,uid=7,gid=8,mode=0640"), [
        `norock,check=r,map=n,${tail},uid=7,gid=8,fmode=640`,
        "Name.Txt",
        "100640 7 8",
      ]);
      assert.deepEqual(shown("norock,nojoliet"), [
        `norock,check=s,map=n,${tail}`,
        "name.txt",
        "100555 0 0",
      ]);
      assert.equal(shown("norock,nojoliet,map=off")[1], "NAME.TXT;1");
      assert.equal(shown("mode=0600")[2], `100644 ${uid} ${gid}`);
      assert.equal(shown("mode=0600,overriderockperm,uid=1")[2], `100600 1 ${gid}`);
      for (const bad of ["session=1", "sbsector=32", "iocharset=koi8-r", "nonsense", "uid=x"]) {
        assert.equal(mountIso(bytes, bad).result, EINVAL, bad);
      }
      assert.equal(mountIso(bytes, "", false).result, EACCES, "for writing");
      const { result } = mountIso(bytes);
      assert.ok(result instanceof Iso9660);
      assert.equal(result.remount(false, ""), EROFS);
      assert.equal(result.statfs().type, 0x9660);
      assert.equal(result.statfs().blocks, bytes.readUInt32LE(16 * 2048 + 80));
    });
  });

  it("leaves out what is hidden, if it is told to", () => {
    withTempDir((dir) => {
      const bytes = smallImage(dir, ["-R", "-hidden", "secret"], "open", "secret");
      assert.deepEqual(namesIn(isoRoot(bytes)), [".", "..", "open", "secret"]);
      const root = isoRoot(bytes, "hide");
      assert.deepEqual(namesIn(root), [".", "..", "open"]);
      assert.equal(root.lookup("secret"), ENOENT);
      bytes[recordOf(bytes, "OPEN.;1") + 25] = 4;
      assert.deepEqual(namesIn(isoRoot(bytes)), [".", "..", "secret"]);
      assert.deepEqual(namesIn(isoRoot(bytes, "showassoc")), [".", "..", "open", "secret"]);
    });
  });

  it("minds case as it is told", () => {
    withTempDir((dir) => {
      const bytes = smallImage(dir, ["-R", "-J"], "Name.Txt");
      assert.equal(isoRoot(bytes).lookup("name.txt"), ENOENT);
      assert.equal(follow(isoRoot(bytes, "check=r"), "nAME.txT").inode.sizeBytes, 5000);
      const joliet = isoRoot(bytes, "norock");
      assert.equal(follow(joliet, "nAME.txT.."), follow(joliet, "Name.Txt"));
      assert.equal(isoRoot(bytes, "norock,check=s").lookup("name.txt"), ENOENT);
    });
  });

  it("finds the names of a large directory from anywhere", () => {
    withTempDir((dir) => {
      makeIsoTree(join(dir, "tree"), 600, false);
      const image = genisoimage(join(dir, "image"), join(dir, "tree"), ["-R"]);
      const many = follow(isoRoot(readFileSync(image)), "many");
      for (let i = 0; i < 600; i++) {
        const n = (i * 173) % 600;
        assert.equal(follow(many, `File number ${n}`).inode.sizeBytes, `${n}\n`.length);
        if (i % 100 === 0) assert.equal(many.lookup("File number"), ENOENT);
      }
      assert.equal(namesIn(many).length, 602);
    });
  });
});

/** Offset in `image` of the record whose plain name is `name`. */
function recordOf(image: Buffer, name: string): number {
  const root = image.readUInt32LE(16 * 2048 + 158) * 2048;
  const at = image.indexOf(name, root, "latin1");
  assert.ok(at > root);
  return at - 33;
}

describe("a damaged iso9660 image", { skip }, () => {
  it("is no file system without its descriptors", () => {
    assert.equal(mountIso(new Uint8Array(1 << 16)).result, EINVAL);
    assert.equal(mountIso(new Uint8Array(100)).result, EINVAL);
  });

  it("may hold compressed files that are not", () => {
    withTempDir((dir) => {
      const tree = join(dir, "tree");
      mkdirSync(tree);
      writeFileSync(join(tree, "f"), "0123456789".repeat(20000));
      const image = zisofs(join(dir, "image"), tree);
      const good = readFileSync(image);
      const magic = good.indexOf(Buffer.from("37e45396c9dbd607", "hex"));
      const read = (change: (bytes: Buffer) => void) => {
        const bytes = Buffer.from(good);
        change(bytes);
        const vp = follow(isoRoot(bytes), "f");
        return [vp.inode.sizeBytes, vp.pageIn(0, new Uint8Array(4096))];
      };
      assert.deepEqual(
        read(() => {}),
        [200000, 0],
      );
      const pointer = magic + 16;
      assert.deepEqual(
        read((b) => b.writeUInt32LE(0xffffffff, pointer)),
        [200000, EIO],
      );
      assert.deepEqual(
        read((b) => b.writeUInt32LE(0xffffffff, pointer + 4)),
        [200000, EIO],
      );
      assert.deepEqual(
        read((b) => b.writeUInt32LE(0, pointer + 4)),
        [200000, EIO],
      );
      assert.deepEqual(
        read((b) => b.writeUInt32LE(b.readUInt32LE(pointer), pointer + 4)),
        [200000, 0],
      );
      assert.deepEqual(
        read((b) => b.fill(0xff, b.readUInt32LE(pointer) + magic + 2, magic + 60)),
        [200000, EIO],
      );
      const [shown] = read((b) => b.fill(0, magic, magic + 8));
      assert.ok(shown! < 10000, "without its header it is what is stored");
    });
  });

  it("ends where it ends: contents beyond it are EIO", () => {
    withTempDir((dir) => {
      const bytes = smallImage(dir, [], "file");
      bytes.writeUInt32LE(0x7fffffff, recordOf(bytes, "FILE.;1") + 2);
      const vp = follow(isoRoot(bytes), "file");
      assert.equal(vp.pageIn(0, new Uint8Array(4096)), EIO);
    });
  });

  it("cannot lead a walk in circles", () => {
    withTempDir((dir) => {
      makeIsoTree(join(dir, "tree"), 1, false);
      const bytes = readFileSync(genisoimage(join(dir, "image"), join(dir, "tree"), ["-R", "-D"]));
      const record = recordOf(bytes, "LEVEL_1");
      const root = bytes.readUInt32LE(16 * 2048 + 158);
      bytes.writeUInt32LE(root, record + 2);
      assert.equal(isoRoot(bytes).lookup("level 1"), ELOOP);
    });
  });

  it("cannot lead Rock Ridge in circles", () => {
    withTempDir((dir) => {
      const bytes = smallImage(dir, ["-R"], "n".repeat(200));
      const record = recordOf(bytes, "NNNNNNNN.;1");
      const ce = bytes.indexOf("CE", record, "latin1");
      const area = bytes.readUInt32LE(ce + 4) * 2048 + bytes.readUInt32LE(ce + 12);
      // The continuation becomes a CE entry that points to itself.
      bytes.copy(bytes, area, ce, ce + 28);
      bytes.writeUInt32LE(28, area + 20);
      const root = isoRoot(bytes);
      const names = namesIn(root);
      assert.equal(names.length, 3);
      assert.ok(root.lookup(names[2]!) instanceof Object);
    });
  });
});
