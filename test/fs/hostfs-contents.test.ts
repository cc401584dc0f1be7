/** Contents of files of hostfs: guest and host see what the other writes, and errors where they happen. */
import assert from "node:assert/strict";
import * as host from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ENOSPC, failed } from "../../src/abi/errno.ts";
import { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC } from "../../src/abi/fcntl.ts";
import type { Share } from "../../src/platform/share.ts";
import { truncate } from "../../src/vfs/attributes.ts";
import { unlink } from "../../src/vfs/remove.ts";
import { Uio } from "../../src/vm/uio.ts";
import { inShare, instead } from "./shareworld.ts";

test("what the guest writes the host sees at once, and errors are the host's", () => {
  inShare((w) => {
    const fp = w.open("/s/f", O_CREAT | O_EXCL | O_RDWR, 0o640);
    assert.equal(w.write(fp, "one two"), 7);
    assert.equal(host.readFileSync(join(w.dir, "f"), "utf8"), "one two");
    assert.equal(host.statSync(join(w.dir, "f")).mode & 0o7777, 0o640);
    assert.equal(fp.truncate(3, w.td), 0);
    assert.equal(host.readFileSync(join(w.dir, "f"), "utf8"), "one");
    fp.release();
    const again = w.open("/s/f", O_RDWR | O_TRUNC);
    assert.equal(host.statSync(join(w.dir, "f")).size, 0);
    again.release();
  });
});

test("a full host is ENOSPC where the write is, and what was written before stays", () => {
  let room = 10;
  const wrap = (share: Share): Share =>
    instead(share, {
      write(handle, offset, from) {
        const n = Math.min(room, from.length);
        room -= n;
        return n === 0 ? ENOSPC : share.write(handle, offset, from.subarray(0, n));
      },
    });
  inShare(
    (w) => {
      const fp = w.open("/s/f", O_CREAT | O_RDWR);
      assert.equal(w.write(fp, "0123456"), 7);
      assert.equal(w.write(fp, "789abcdef"), 3);
      assert.equal(w.write(fp, "x"), ENOSPC);
      assert.equal(fp.seek(0, 0), 0);
      assert.equal(w.read(fp, 100), "0123456789");
      fp.release();
      assert.equal(host.readFileSync(join(w.dir, "f"), "utf8"), "0123456789");
    },
    { wrap },
  );
});

test("what the host writes the next open sees, and a reader that comes to the end", () => {
  inShare((w) => {
    const f = join(w.dir, "f");
    for (let i = 0; i < 20; i++) {
      // Same length, same tick of the clock.
      host.writeFileSync(f, `text ${i % 10}`);
      assert.equal(w.text("/s/f"), `text ${i % 10}`);
    }
    const fp = w.open("/s/f", O_RDONLY);
    assert.equal(w.read(fp, 100), "text 9");
    assert.equal(w.read(fp, 100), "");
    host.appendFileSync(f, " and more");
    assert.equal(w.read(fp, 100), " and more");
    host.truncateSync(f, 4);
    assert.equal(w.attr("/s/f").sizeBytes, 4);
    assert.equal(fp.seek(0, 0), 0);
    assert.equal(w.read(fp, 100), "text");
    fp.release();
    host.renameSync(f, join(w.dir, "g"));
    host.writeFileSync(f, "another");
    assert.equal(w.text("/s/f"), "another");
    assert.equal(w.text("/s/g"), "text");
    host.rmSync(f);
    host.mkdirSync(f);
    assert.ok(w.at("/s/f").entry.vnode!.isDir);
  });
});

test("host and guest append to the same file and lose nothing", () => {
  inShare((w) => {
    const fp = w.open("/s/log", O_CREAT | O_RDWR | O_APPEND);
    for (let i = 0; i < 50; i++) {
      assert.equal(w.write(fp, `guest ${i}\n`), i < 10 ? 8 : 9);
      host.appendFileSync(join(w.dir, "log"), `host ${i}\n`);
    }
    const lines = host.readFileSync(join(w.dir, "log"), "utf8").trimEnd().split("\n");
    assert.equal(lines.length, 100);
    fp.seek(0, 0);
    assert.equal(w.read(fp, 10000), `${lines.join("\n")}\n`);
    fp.release();
  });
});

test("stores through a shared map reach the host at fsync and at the last close", () => {
  inShare((w) => {
    host.writeFileSync(join(w.dir, "f"), "a".repeat(5000));
    const fp = w.open("/s/f", O_RDWR);
    const store = (pindex: number, text: string): void => {
      const object = fp.object();
      assert(!failed(object));
      const pa = object.getPage(pindex, true);
      assert(!failed(pa));
      w.pages.mem.u8.set(Buffer.from(text), pa);
    };
    store(0, "MAPPED");
    assert.equal(fp.fsync(false), 0);
    assert.equal(host.readFileSync(join(w.dir, "f"), "utf8").slice(0, 8), "MAPPEDaa");
    store(1, "TAIL");
    fp.release();
    const text = host.readFileSync(join(w.dir, "f"), "utf8");
    assert.equal(text.length, 5000);
    assert.equal(text.slice(4096, 4102), "TAILaa");
  });
});

test("a file keeps its contents as long as it is open, whatever becomes of its name", () => {
  inShare((w) => {
    const fp = w.open("/s/f", O_CREAT | O_RDWR);
    w.write(fp, "still here");
    assert.equal(unlink(w.td, w.ctx, "/s/f", null), 0);
    const a = fp.stat();
    assert(!failed(a));
    assert.deepEqual([a.nlink, a.sizeBytes], [0, 10]);
    fp.seek(0, 0);
    assert.equal(w.read(fp, 100), "still here");
    assert.equal(w.write(fp, "!"), 1);
    fp.release();
    const held = w.open("/s/g", O_CREAT | O_RDWR);
    w.write(held, "old");
    host.writeFileSync(join(w.dir, "h"), "new");
    host.renameSync(join(w.dir, "h"), join(w.dir, "g"));
    held.seek(0, 0);
    assert.equal(w.read(held, 100), "old");
    assert.equal(w.text("/s/g"), "new");
    held.release();
    assert.equal(w.share.handles - w.hostfs.handles.idle, 1);
  });
});

test("a sparse file beyond 4 GiB", () => {
  inShare((w) => {
    const fp = w.open("/s/big", O_CREAT | O_RDWR);
    const far = 5 * 2 ** 30 + 123;
    assert.equal(fp.pwrite(w.td, Uio.kernel(Buffer.from("far away")), far), 8);
    assert.equal(w.attr("/s/big").sizeBytes, far + 8);
    assert.ok(w.attr("/s/big").blocks < 1000);
    const back = new Uint8Array(20);
    assert.equal(fp.pread(w.td, Uio.kernel(back), far - 4), 12);
    assert.equal(Buffer.from(back.subarray(0, 12)).toString(), "\0\0\0\0far away");
    assert.equal(truncate(w.td, w.at("/s/big"), 2 ** 33), 0);
    assert.equal(host.statSync(join(w.dir, "big")).size, 2 ** 33);
    fp.release();
  });
});
