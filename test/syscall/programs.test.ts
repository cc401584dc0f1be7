/**
 * Every C program of this directory, first on the host's Linux, then in a
 * vkernel: both must exit with 0 and say the same. Those named guest-* do what
 * no test may do to its host, or expect what a Linux of another make answers:
 * they run in a vkernel only.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import { buildGuest, buildHost, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";

const HERE = import.meta.dirname;
const sources = readdirSync(HERE).filter((name) => name.endsWith(".c"));

describe("system calls, compared with the host's", { skip: !hasCrossCompiler() }, () => {
  for (const source of sources) {
    const name = basename(source, ".c");
    it(name, () => {
      const host = name.startsWith("guest-") ? null : runOnHost(source);
      const kernel = new TestKernel();
      kernel.copyIn(buildGuest(join(HERE, source)), `/bin/${name}`);
      const guest = kernel.run([`/bin/${name}`], { timeoutMs: 60_000 });
      if (host !== null) assert.equal(guest.stdout + guest.stderr, host);
      assert.equal(guest.status, 0, guest.stdout);
    });
  }
});

/** A program that finds its host without what it is about, such as overlayfs, ends with this. */
const NOT_HERE = 77;

function runOnHost(source: string): string | null {
  const host = spawnSync(buildHost(join(HERE, source)), {
    encoding: "latin1",
    timeout: 30_000,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (host.status === NOT_HERE) return null;
  assert.equal(host.status, 0, `on the host: ${host.stdout}`);
  return host.stdout;
}
