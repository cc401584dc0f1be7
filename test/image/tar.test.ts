/** Reading tar and deb archives: those of tar(1), damaged ones, and noise. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Deb } from "../../src/hosts/node/image/deb.ts";
import { ImageError } from "../../src/hosts/node/image/error.ts";
import { readTar, type TarEntry } from "../../src/hosts/node/image/tar.ts";
import { dirNode, ImageTree } from "../../src/hosts/node/image/tree.ts";
import { ar } from "./fakearchive.ts";

async function* chunked(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function entries(data: Uint8Array, chunk = 1000): Promise<TarEntry[]> {
  const out: TarEntry[] = [];
  for await (const entry of readTar(chunked(data, chunk))) out.push(entry);
  return out;
}

describe("tar reader", () => {
  let dir: string;
  const long = `${"d".repeat(90)}/${"e".repeat(120)}`;
  /** What ustar can hold with its prefix field. */
  const short = `${"d".repeat(90)}/${"e".repeat(90)}`;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "vkernel-tar-"));
    for (const [top, path, target] of [
      ["t", long, "y/".repeat(80)],
      ["old", short, "y/".repeat(40)],
    ] as const) {
      const at = join(dir, top);
      mkdirSync(join(at, "d".repeat(90)), { recursive: true });
      writeFileSync(join(at, path), "long name");
      writeFileSync(join(at, "größe"), Buffer.alloc(70_000, "x"));
      symlinkSync(target, join(at, "link"));
      linkSync(join(at, "größe"), join(at, "hard"));
    }
  });
  after(() => rmSync(dir, { recursive: true }));

  for (const format of ["gnu", "pax", "ustar"]) {
    const isOld = format === "ustar";
    const [path, target] = isOld ? [short, "y/".repeat(40)] : [long, "y/".repeat(80)];
    it(`reads what the host's tar writes as ${format}`, async () => {
      const from = join(dir, isOld ? "old" : "t");
      const args = ["-C", from, `--format=${format}`, "--owner=70000", "--group=8"];
      const tar = spawnSync("tar", [...args, "-cf", "-", "."], { maxBuffer: 1 << 24 }).stdout;
      for (const chunk of [1, 511, 1 << 20]) {
        const list = await entries(tar, chunk);
        const byPath = new Map(list.map((e) => [e.path.replace(/^\.\//, ""), e]));
        assert.equal(Buffer.from(byPath.get(path)!.data).toString(), "long name");
        assert.equal(byPath.get(path)!.uid, 70_000);
        assert.equal(byPath.get("link")!.target, target);
        const [first, second] = ["größe", "hard"].map((name) => byPath.get(name)!);
        assert.deepEqual([first!.type, second!.type].sort(), ["file", "link"]);
        assert.equal(first!.data.length + second!.data.length, 70_000);
      }
    });
  }

  it("refuses a damaged header, a cut archive and an impossible size", async () => {
    const args = ["-C", join(dir, "t"), "--format=gnu", "-cf", "-", "."];
    const tar = spawnSync("tar", args, { maxBuffer: 1 << 24 }).stdout;
    const flipped = Buffer.from(tar);
    flipped[0]! ^= 1;
    await assert.rejects(entries(flipped), /damaged header/);
    await assert.rejects(entries(tar.subarray(0, 70_000)), /ends in the middle/);
    const huge = Buffer.from(tar.subarray(0, 512));
    huge.fill(0, 124, 136);
    huge.set([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 124);
    setChecksum(huge);
    await assert.rejects(entries(huge), /impossible size/);
  });

  it("never throws anything but an ImageError on noise", async () => {
    let state = 1;
    for (let round = 0; round < 200; round++) {
      const data = Buffer.alloc(2048);
      for (let i = 0; i < data.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        data[i] = state >>> 24;
      }
      for (const at of [0, 512]) setChecksum(data.subarray(at, at + 512));
      await entries(data).catch((e) => assert.ok(e instanceof ImageError, String(e)));
    }
  });
});

describe("deb reader", () => {
  it("refuses members that do not fit the file", async () => {
    const dir = mkdtempSync(join(tmpdir(), "vkernel-deb-"));
    const path = join(dir, "x.deb");
    const whole = ar([["debian-binary", Buffer.from("2.0\n")]]);
    for (const [bytes, message] of [
      [Buffer.from("hello"), /not a Debian package/],
      [whole.subarray(0, whole.length - 2), /does not fit/],
      [Buffer.from(whole.toString("latin1").replace("4    ", "-4   ")), /does not fit/],
    ] as const) {
      writeFileSync(path, bytes);
      await assert.rejects(Deb.open(path), message);
    }
    writeFileSync(path, whole);
    const deb = await Deb.open(path);
    assert.throws(() => deb.data(), /has no data.tar/);
    rmSync(dir, { recursive: true });
  });
});

describe("image tree", () => {
  const meta = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
  const file = () => ({ ...meta, kind: "file", size: 0, extents: [] }) as const;

  it("keeps hostile paths inside", () => {
    const tree = new ImageTree(0);
    assert.throws(() => tree.put("../etc/passwd", file()), /leads out of the image/);
    assert.throws(() => tree.put("a/../../b", file()), /leads out of the image/);
    assert.throws(() => tree.put("a\0b", file()), /not a file name/);
    assert.throws(() => tree.put("n".repeat(256), file()), /not a file name/);
    tree.put("up", { ...meta, kind: "symlink", target: "../../.." });
    tree.put("up/inside", file());
    assert.equal(tree.get("/inside")?.kind, "file");
  });

  it("ends on symlinks that go in circles", () => {
    const tree = new ImageTree(0);
    tree.put("a", { ...meta, kind: "symlink", target: "b" });
    tree.put("b", { ...meta, kind: "symlink", target: "a" });
    assert.equal(tree.get("a"), undefined);
    assert.throws(() => tree.put("a/x", file()), /too many symlinks/);
  });

  it("leaves a symlink to a directory when a package ships the directory", () => {
    const tree = new ImageTree(0);
    tree.put("usr/bin", dirNode(meta));
    tree.put("bin", { ...meta, kind: "symlink", target: "usr/bin" });
    tree.put("bin", dirNode(meta));
    tree.put("bin/sh", file());
    assert.equal(tree.lget("bin")?.kind, "symlink");
    assert.equal(tree.get("usr/bin/sh")?.kind, "file");
  });
});

function setChecksum(header: Buffer): void {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}
