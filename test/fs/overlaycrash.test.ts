/**
 * An overlay on ext4 after a crash at any write: what was copied up is there
 * whole or not at all, what was renamed has one of its names, what was removed
 * is there with its contents or gone.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { type Errno, failed } from "../../src/abi/errno.ts";
import { O_APPEND, O_CREAT, O_RDONLY, O_WRONLY } from "../../src/abi/fcntl.ts";
import { chmod } from "../../src/vfs/attributes.ts";
import { mkdir } from "../../src/vfs/create.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { rename, rmdir, unlink } from "../../src/vfs/remove.ts";
import { Random } from "../fuzz/random.ts";
import { mountOverlay, pathOf } from "../vfs/overlaymount.ts";
import { CrashStore } from "./crashstore.ts";
import { freshImage, MemoryStore, mountStore, withTempDir } from "./ext4image.ts";
import { FileWorld } from "./ext4world.ts";

const OPTIONS = "lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w";
const SIZE = 30000;

/** Whole files in the lower layer, by path: as many bytes of one letter. */
const FILES: Readonly<Record<string, string>> = {
  "/a": "a",
  "/b": "b",
  "/d/c": "c",
  "/d/e": "e",
  "/gone/x": "x",
};

function put(w: FileWorld, path: string, text: string, flags = 0): void {
  const fp = w.open(path, O_CREAT | O_WRONLY | flags);
  assert.equal(w.write(fp, text), text.length);
  fp.release();
}

function done(r: number | Errno): void {
  assert.ok(!failed(r), String(r));
}

/** What the overlay does on the way; each is followed by a commit of the log. */
const steps: readonly ((w: FileWorld) => void)[] = [
  (w) => put(w, "/ov/a", "more", O_APPEND),
  (w) => done(rename(w.td, w.ctx, "/ov/b", null, "/ov/b2", null, 0)),
  (w) => done(unlink(w.td, w.ctx, "/ov/d/c", null)),
  (w) => done(chmod(pathOf(w, "/ov/d/e"), w.td.cred, 0o600)),
  (w) => done(unlink(w.td, w.ctx, "/ov/gone/x", null)),
  (w) => done(rmdir(w.td, w.ctx, "/ov/gone", null)),
  (w) => done(mkdir(w.td, w.ctx, "/ov/gone", 0o755, null)),
  (w) => put(w, "/ov/d/c", "new"),
];

/** The contents of a file of the overlay; null if it is not there. */
function contents(w: FileWorld, path: string): string | null {
  const fp = vfsOpen(w.td, w.ctx, path, O_RDONLY, 0);
  if (failed(fp)) return null;
  const text = w.read(fp, 2 * SIZE);
  fp.release();
  assert.equal(typeof text, "string", path);
  return String(text);
}

function begin(store: CrashStore | MemoryStore): FileWorld {
  const w = new FileWorld(4 << 20);
  const { result } = mountStore(store, "", false, w.pages);
  assert.ok(typeof result !== "number", `mount: ${result}`);
  w.attach(result);
  done(mkdir(w.td, w.ctx, "/ov", 0o755, null));
  return w;
}

function compare(image: Uint8Array): void {
  const w = begin(new MemoryStore(image));
  const overlay = mountOverlay(w, OPTIONS, "/ov");
  const whole = (letter: string): string => letter.repeat(SIZE);
  const a = contents(w, "/ov/a");
  // The end was not synced: it may be missing, or not be written yet.
  assert.ok(a?.startsWith(whole("a")) && a.length <= SIZE + 4, "a file that was appended to");
  const b = contents(w, "/ov/b");
  const b2 = contents(w, "/ov/b2");
  assert.ok((b === null) !== (b2 === null), "one name");
  assert.equal(b ?? b2, whole("b"), "a file that was renamed");
  const c = contents(w, "/ov/d/c");
  assert.ok(c === null || c === whole("c") || c.length <= 3, "a file that was removed and made");
  assert.equal(contents(w, "/ov/d/e"), whole("e"), "a file that got another mode");
  const x = contents(w, "/ov/gone/x");
  assert.ok(x === null || x === whole("x"), "a directory that was removed and made");
  assert.equal(w.vfs.mounts.unmount(overlay), 0);
  assert.equal(w.detach(), 0);
}

it("an overlay on ext4 is never left with half of a change", () => {
  withTempDir((dir) => {
    const store = new CrashStore(freshImage(dir, ["-t", "ext4", "-b", "1024"], 8192));
    const w = begin(store);
    for (const d of ["l", "u", "w", "l/d", "l/gone"])
      done(mkdir(w.td, w.ctx, `/mnt/${d}`, 0o755, null));
    for (const [path, letter] of Object.entries(FILES))
      put(w, `/mnt/l${path}`, letter.repeat(SIZE));
    assert.equal(w.do({ op: "sync" }), 0);
    const start = store.log.length;
    mountOverlay(w, OPTIONS, "/ov");
    for (const step of steps) {
      step(w);
      assert.equal(w.do({ op: "commit" }), 0);
    }
    let tried = 0;
    for (let seed = 1; seed <= 6; seed++) {
      store.crashes(
        new Random(seed),
        (place) => place >= start,
        (image) => {
          compare(image);
          tried++;
        },
      );
    }
    assert.ok(tried > 100, `${tried} crashes`);
  });
});
