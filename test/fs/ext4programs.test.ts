/**
 * The C programs that pin file system calls (test/syscall/), with an ext4 volume as
 * their /tmp: they must say what they say on the host, and leave the volume sound.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import { namei } from "../../src/vfs/namei.ts";
import { buildGuest, buildHost, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { freshImage, MemoryStore, mountStore, withTempDir } from "./ext4image.ts";

const SOURCES = join(import.meta.dirname, "..", "syscall");
const FUZZ = join(import.meta.dirname, "..", "fuzz");

/** A program that finds its host without what it is about ends with this. */
const NOT_HERE = 77;

const PROGRAMS = [
  ...[
    "access",
    "busy",
    "exec",
    "fileio",
    "files",
    "handles",
    "locks",
    "mmapfile",
    "names",
    "setid",
  ],
  ...["readonce", "sendfile", "threadfiles"],
];

/** Runs with ext4 at `place`; unmounts it then, and has e2fsck look at it. */
function onExt4(
  kernel: TestKernel,
  place: string,
  run: () => void,
  kind: readonly string[] = ["-b", "4096", "-O", "inline_data"],
): void {
  withTempDir((dir) => {
    const options = ["-t", "ext4", "-E", "root_owner=0:0", ...kind];
    const bytes = freshImage(dir, options, 65536);
    const { vfs, pages } = kernel.kernel;
    const td = kernel.init;
    const { result: fs } = mountStore(new MemoryStore(bytes), "", false, pages);
    assert.ok(typeof fs !== "number");
    const top = fs.root();
    assert.ok(!failed(top));
    assert.equal(top.setattr({ mode: 0o1777 }), 0);
    const at = namei(td.fs, td, place, 0);
    assert.ok(!failed(at));
    const mount = vfs.mounts.mount(fs, at, 0, "vkd0");
    assert.ok(!failed(mount));
    run();
    assert.equal(vfs.mounts.unmount(mount), 0);
    const image = join(dir, "image");
    writeFileSync(image, bytes);
    const r = spawnSync("e2fsck", ["-fn", image]);
    assert.equal(r.status, 0, r.stdout.toString());
  });
}

describe("programs on ext4", { skip: !hasCrossCompiler() }, () => {
  for (const name of PROGRAMS) {
    it(name, () => {
      const source = join(SOURCES, `${name}.c`);
      const onHost = spawnSync(buildHost(source), { encoding: "latin1", timeout: 30_000 });
      const kernel = new TestKernel();
      onExt4(kernel, "/tmp", () => {
        kernel.copyIn(buildGuest(source), `/bin/${name}`);
        const guest = kernel.run([`/bin/${name}`], { timeoutMs: 60_000 });
        assert.equal(guest.status, 0, guest.stdout);
        if (onHost.status === NOT_HERE) return;
        assert.equal(guest.stdout + guest.stderr, onHost.stdout);
      });
    });
  }

  for (const kind of [
    ["-b", "4096", "-O", "inline_data", "-I", "512"],
    ["-b", "1024"],
    ["-b", "2048", "-O", "^has_journal"],
    ["-b", "1024", "-O", "^extents,^64bit"],
    ["-b", "65536"],
  ]) {
    it(`a file is what was done to it, by whatever way: mke2fs ${kind.join(" ")}`, () => {
      const kernel = new TestKernel();
      const run = () => {
        kernel.copyIn(buildGuest(join(SOURCES, "fsx.c")), "/bin/fsx");
        for (const seed of ["3", "4"]) {
          const guest = kernel.run(["/bin/fsx", "3000", seed], { timeoutMs: 60_000 });
          assert.equal(guest.status, 0, `seed ${seed}: ${guest.stdout}`);
        }
      };
      onExt4(kernel, "/tmp", run, kind);
    });
  }

  it("survives random calls on files", () => {
    const program = buildGuest(join(FUZZ, "filecalls.c"));
    for (let seed = 1; seed <= 2; seed++) {
      const kernel = new TestKernel(64);
      kernel.mkdir("/fuzz");
      onExt4(kernel, "/fuzz", () => {
        kernel.copyIn(program, "/bin/filecalls");
        const r = kernel.run(["/bin/filecalls", String(seed), "10000"], { timeoutMs: 60_000 });
        assert.equal(r.stdout, "10000 calls\n", `seed ${seed}: ${r.stderr}`);
      });
    }
  });
});
