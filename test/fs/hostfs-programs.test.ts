/**
 * The C programs that pin file system calls (test/syscall/), with a shared directory as their /tmp:
 * they must say what they say on the host.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as host from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import { type Hostfs, HostfsType } from "../../src/fs/hostfs/hostfs.ts";
import { openShare } from "../../src/hosts/node/share/share.ts";
import { namei } from "../../src/vfs/namei.ts";
import { buildGuest, buildHost, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const SOURCES = join(import.meta.dirname, "..", "syscall");

const FUZZ = join(import.meta.dirname, "..", "fuzz");
const SEEDS = Number(process.env["FUZZ_SEEDS"] ?? 2);

const PROGRAMS = [
  ...["busy", "events", "exec", "files", "fsx", "futex"],
  ...["locks", "mmapfile", "readonce", "sendfile", "threadfiles"],
];

/** What shares lack (docs/sharing.md), and the count that it changes. */
const LACKING =
  /^(not )?ok \d+ (SEEK_DATA|SEEK_HOLE|fallocate grows|fallocate keeps the size|punch a hole|what the hole left)\b.*\n|^\d+ checks, \d+ failed\n/gm;

function shareAt(kernel: TestKernel, path: string, dir: string): () => void {
  const share = openShare(dir, false);
  assert(typeof share !== "string", String(share));
  const { vfs, pages } = kernel.kernel;
  const td = kernel.init;
  const type = new HostfsType(vfs, pages, new Map([["tmp", { share, uid: 0, gid: 0 }]]));
  const fs = type.mount({ source: "tmp", rdev: 0, data: "", isReadOnly: false, cred: td.cred });
  assert(!failed(fs));
  const at = namei(td.fs, td, path, 0);
  assert(!failed(at));
  assert(!failed(vfs.mounts.mount(fs, at, 0, "tmp")));
  return () => {
    const { pinned, idle } = (fs as Hostfs).handles;
    const left = share.handles;
    share.end();
    assert.equal(pinned, 0, "files that nobody has open");
    assert.ok(left <= 1 + 2 * idle, `${left} handles for ${idle} idle files`);
  };
}

describe("programs in a shared directory", { skip: !hasCrossCompiler() }, () => {
  for (const name of PROGRAMS) {
    it(name, () => {
      const source = join(SOURCES, `${name}.c`);
      const onHost = spawnSync(buildHost(source), { encoding: "latin1", timeout: 30_000 });
      assert.equal(onHost.signal, null, `on the host: ${onHost.stdout}`);
      const dir = host.mkdtempSync(join(tmpdir(), "share-"));
      host.chmodSync(dir, 0o1777);
      const kernel = new TestKernel();
      const end = shareAt(kernel, "/tmp", dir);
      try {
        kernel.copyIn(buildGuest(source), `/bin/${name}`);
        const guest = kernel.run([`/bin/${name}`], { timeoutMs: 60_000 });
        const said = guest.stdout + guest.stderr;
        assert.equal(said.replace(LACKING, ""), onHost.stdout.replace(LACKING, ""));
        if (name !== "files") assert.equal(guest.status, 0);
      } finally {
        end();
        host.rmSync(dir, { recursive: true });
      }
    });
  }

  it("survives random calls on files, and leaves no handle behind", () => {
    const program = buildGuest(join(FUZZ, "filecalls.c"));
    for (let seed = 1; seed <= SEEDS; seed++) {
      const dir = host.mkdtempSync(join(tmpdir(), "share-"));
      const kernel = new TestKernel(64);
      kernel.mkdir("/fuzz");
      const end = shareAt(kernel, "/fuzz", dir);
      try {
        kernel.copyIn(program, "/bin/filecalls");
        const r = kernel.run(["/bin/filecalls", String(seed), "10000"], { timeoutMs: 60_000 });
        assert.equal(r.stdout, "10000 calls\n", `seed ${seed}: ${r.stderr}`);
      } finally {
        end();
        host.rmSync(dir, { recursive: true });
      }
    }
  });
});
