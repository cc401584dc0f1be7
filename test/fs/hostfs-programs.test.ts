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
import { HostfsType } from "../../src/fs/hostfs/hostfs.ts";
import { openShare } from "../../src/hosts/node/share/share.ts";
import { namei } from "../../src/vfs/namei.ts";
import { buildGuest, buildHost, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const SOURCES = join(import.meta.dirname, "..", "syscall");

const PROGRAMS = [
  ...["busy", "events", "exec", "files", "futex"],
  ...["locks", "mmapfile", "readonce", "sendfile", "threadfiles"],
];

/** What shares lack (docs/sharing.md), and the count that it changes. */
const LACKING =
  /^(not )?ok \d+ (SEEK_DATA|SEEK_HOLE|fallocate grows|fallocate keeps the size|punch a hole|what the hole left)\b.*\n|^\d+ checks, \d+ failed\n/gm;

function shareAsTmp(kernel: TestKernel, dir: string): () => void {
  const share = openShare(dir, false);
  assert(typeof share !== "string", String(share));
  const { vfs, pages } = kernel.kernel;
  const td = kernel.init;
  const type = new HostfsType(vfs, pages, new Map([["tmp", { share, uid: 0, gid: 0 }]]));
  const fs = type.mount({ source: "tmp", rdev: 0, data: "", isReadOnly: false, cred: td.cred });
  assert(!failed(fs));
  const at = namei(td.fs, td, "/tmp", 0);
  assert(!failed(at));
  assert(!failed(vfs.mounts.mount(fs, at, 0, "tmp")));
  return () => share.end();
}

describe("programs in a shared directory", { skip: !hasCrossCompiler() }, () => {
  for (const name of PROGRAMS) {
    it(name, () => {
      const source = join(SOURCES, `${name}.c`);
      const onHost = spawnSync(buildHost(source), { encoding: "latin1", timeout: 30_000 });
      const dir = host.mkdtempSync(join(tmpdir(), "share-"));
      host.chmodSync(dir, 0o1777);
      const kernel = new TestKernel();
      const end = shareAsTmp(kernel, dir);
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
});
