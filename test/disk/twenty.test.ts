/** Twenty machines of one process on one base: each sees its own writes, and the base none. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import type { Worker } from "node:worker_threads";
import type { Outcome } from "../../src/boot/config.ts";
import type { MachineSpec } from "../../src/hosts/node/machinespec.ts";
import { Channel } from "../../src/hosts/node/ring.ts";
import { imagePath } from "../cli/cli.ts";
import { withTempDirAsync } from "./qemu.ts";

const MACHINES = 20;
/** What the build made: from the sources, each machine would load some hundred modules. */
const BUILT = new URL("../../dist/hosts/node/", import.meta.url);
const { startWorker } = (await import(`${BUILT}startworker.js`)) as { startWorker(): Worker };
const { sendKernel } = (await import(`${BUILT}kernelfiles.js`)) as {
  sendKernel(worker: Worker): Worker;
};
const SCRIPT = `
  yes "machine $1" | head -c 1048576 >/tmp/mine
  dd if=/tmp/mine of=/dev/vkd0 bs=1M seek=40 conv=notrunc,fsync 2>/dev/null
  blockdev --flushbufs /dev/vkd0 2>/dev/null
  dd if=/dev/vkd0 bs=1M skip=40 count=1 2>/dev/null | cmp - /tmp/mine`;

function specOf(path: string, number: number): MachineSpec {
  return {
    memoryBytes: 32 << 20,
    disks: [{ path, isCopyOnWrite: true, serial: "" }],
    shares: [],
    kenv: new Map(),
    isVerbose: false,
    program: {
      kind: "command",
      argv: ["/bin/sh", "-c", SCRIPT, "sh", `${number}`],
      env: ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"],
      cwd: "/",
    },
    hostname: `m${number}`,
    isTraced: false,
    stdio: { stdin: true, stdout: true, stderr: true },
    consoleFd: 2,
    profileFd: null,
  };
}

async function run(spec: MachineSpec): Promise<Outcome> {
  const worker = sendKernel(startWorker());
  worker.postMessage({ shared: Channel.create().shared, spec });
  const outcome = await new Promise<Outcome>((resolve, reject) => {
    worker.on("message", (m: { kind: string; outcome: Outcome }) => {
      if (m.kind === "ended") resolve(m.outcome);
    });
    worker.once("error", reject);
  });
  await worker.terminate();
  return outcome;
}

it("twenty machines share a base that none of them changes", async () => {
  await withTempDirAsync(async (dir) => {
    const base = join(dir, "base");
    copyFileSync(imagePath("minimal"), base);
    const digest = (): string => createHash("sha256").update(readFileSync(base)).digest("hex");
    const before = digest();
    const machines = Array.from({ length: MACHINES }, (_, i) => run(specOf(base, i)));
    for (const outcome of await Promise.all(machines)) {
      assert.deepEqual(outcome, { kind: "exit", status: 0 });
    }
    assert.equal(digest(), before);
  });
});
