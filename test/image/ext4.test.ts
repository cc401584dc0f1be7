/** The ext4 writer, judged by e2fsck and read back by debugfs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Ext4Writer } from "../../src/hosts/node/image/ext4/writer.ts";
import { dirNode, ImageTree, type Meta } from "../../src/hosts/node/image/tree.ts";

const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, LC_ALL: "C" };
const tool = (name: string, ...args: string[]) =>
  spawnSync(name, args, { env, maxBuffer: 1 << 28 });
const hasTools = ["e2fsck", "debugfs"].every((name) => tool(name, "-V").error === undefined);
const MIB = 2 ** 20;
const meta: Meta = { mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000 };

describe("ext4 writer", { skip: hasTools ? false : "needs e2fsprogs" }, () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "vkernel-ext4-"));
  });
  after(() => rmSync(dir, { recursive: true }));

  /** Builds an image, has e2fsck check it, and returns how to ask debugfs about it. */
  async function make(
    fill: (tree: ImageTree, writer: Ext4Writer) => Promise<void>,
    room: { size?: number; free: number } = { free: MIB },
    maxBytes = 8 * 2 ** 30,
  ) {
    const path = join(dir, "image");
    const file = await open(path, "w+");
    const uuid = Uint8Array.from({ length: 16 }, (_, i) => i * 17);
    const writer = new Ext4Writer(file, { uuid, label: "test", time: meta.mtime, maxBytes });
    const tree = new ImageTree(meta.mtime);
    tree.put("lost+found", dirNode({ ...meta, mode: 0o700 }));
    let size: number;
    try {
      await fill(tree, writer);
      size = await writer.finish(tree.root, room);
    } finally {
      await file.close();
    }
    const check = tool("e2fsck", "-fn", path);
    assert.equal(check.status, 0, check.stdout.toString());
    return { size, ask: (request: string) => tool("debugfs", "-R", request, path).stdout };
  }

  it("writes an empty file system", async () => {
    const { size } = await make(async () => {});
    assert.equal(size % 4096, 0);
  });

  it("keeps contents, owners, modes, times and links", async () => {
    const data = Buffer.from("contents\n".repeat(5000));
    const { ask } = await make(async (tree, writer) => {
      const extents = await writer.store(data);
      const mode = 0o4751;
      tree.put("a/f", {
        ...meta,
        mode,
        uid: 70_000,
        gid: 8,
        kind: "file",
        size: data.length,
        extents,
      });
      tree.put("hard", tree.get("a/f")!);
      tree.put("fast", { ...meta, kind: "symlink", target: "t".repeat(59) });
      tree.put("slow", { ...meta, kind: "symlink", target: "t".repeat(60) });
      tree.put("pipe", { ...meta, kind: "fifo", major: 0, minor: 0 });
      tree.put("disk", { ...meta, kind: "block", major: 259, minor: 70_000 });
    });
    assert.deepEqual(ask("cat /hard"), data);
    const stat = ask("stat /a/f").toString();
    assert.match(stat, /Mode: +04751/);
    assert.match(stat, /User: +70000 +Group: +8 /);
    assert.match(stat, /Links: 2 /);
    assert.match(stat, /mtime: 0x6553f100/);
    assert.match(ask("stat /fast").toString(), /Fast link dest: "t{59}"/);
    assert.equal(ask("cat /slow").toString(), "t".repeat(60));
    assert.match(ask("stat /disk").toString(), /Device major\/minor number: 259:70000/);
  });

  it("writes directories of many blocks and of many subdirectories", async () => {
    const { ask } = await make(async (tree) => {
      for (let i = 0; i < 3000; i++) {
        tree.put(`many/${"n".repeat(i % 200)}${i}`, {
          ...meta,
          kind: "file",
          size: 0,
          extents: [],
        });
      }
      for (let i = 0; i < 500; i++) tree.put(`dirs/${i}`, dirNode(meta));
    });
    assert.equal(
      ask("ls -p /many")
        .toString()
        .match(/\/100644\//g)?.length,
      3000,
    );
    assert.match(ask("stat /dirs").toString(), /Links: 502 /);
  });

  it("writes files across groups and with more extents than an inode holds", async () => {
    const big = Buffer.alloc(140 * MIB, "b");
    const { ask } = await make(async (tree, writer) => {
      const big1 = await writer.store(big);
      tree.put("big", { ...meta, kind: "file", size: big.length, extents: big1 });
      const parts = [];
      for (let i = 0; i < 400; i++) {
        parts.push(...(await writer.store(Buffer.alloc(4096, `${i % 10}`))));
        await writer.store(Buffer.from("between"));
      }
      tree.put("scattered", { ...meta, kind: "file", size: 400 * 4096, extents: parts });
    });
    const scattered = ask("cat /scattered");
    assert.equal(scattered.length, 400 * 4096);
    for (let i = 0; i < 400; i++) assert.equal(scattered[i * 4096], 48 + (i % 10));
    assert.equal(ask("cat /big").subarray(0, big.length).equals(big), true);
  });

  for (const mib of [16, 127, 128, 129, 130, 300, 1025]) {
    it(`makes an image of ${mib} MiB`, async () => {
      const { size } = await make(async () => {}, { size: mib * MIB, free: 0 });
      assert.ok(size <= mib * MIB && size > (mib - 20) * MIB, String(size));
    });
  }

  it("describes more than 64 groups when it may grow so large", async () => {
    const large = 9 * 2 ** 30;
    const { size } = await make(async () => {}, { size: large, free: 0 }, large);
    assert.equal(size, large);
  });

  it("refuses contents that do not fit", async () => {
    const room = { size: 16 * MIB, free: 0 };
    await assert.rejects(
      make(async (_, writer) => void (await writer.store(Buffer.alloc(20 * MIB))), room),
      /give a larger --size/,
    );
  });
});
