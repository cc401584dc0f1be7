/**
 * What one more machine takes: `node bench/machines.ts IMAGE [COUNT] [SIZE]`.
 *
 * Starts COUNT machines in this process, all on IMAGE as a copy-on-write disk, each with a shell that has written
 * 1 MiB to it and sleeps, and divides what the process has grown by.
 */
import type { Worker } from "node:worker_threads";
import { Channel } from "../src/hosts/node/ring.ts";

const [image, count = "20", size = "32"] = process.argv.slice(2);
if (!image) {
  console.error("usage: machines.ts IMAGE [COUNT] [MiB]");
  process.exit(64);
}
const MIB = 2 ** 20;
const SCRIPT =
  "yes | head -c 1048576 | dd of=/dev/vkd0 bs=1M seek=40 conv=notrunc,fsync 2>/dev/null; echo up >&2; exec sleep 1000";
const built = new URL("../dist/hosts/node/", import.meta.url);
const { startWorker } = (await import(`${built}startworker.js`)) as { startWorker(): Worker };
const { sendKernel } = (await import(`${built}kernelfiles.js`)) as {
  sendKernel(worker: Worker): Worker;
};

function start(): Worker {
  const spec = {
    memoryBytes: Number(size) * MIB,
    disks: [{ path: image, isCopyOnWrite: true, serial: "" }],
    shares: [],
    kenv: new Map(),
    isVerbose: false,
    program: {
      kind: "command",
      argv: ["/bin/sh", "-c", SCRIPT],
      env: ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"],
      cwd: "/",
    },
    hostname: "m",
    isTraced: false,
    stdio: { stdin: true, stdout: true, stderr: true },
    consoleFd: 2,
    profileFd: null,
  };
  const worker = sendKernel(startWorker());
  worker.postMessage({ shared: Channel.create().shared, spec });
  return worker;
}

/** Until a second goes by without growth: all are asleep. */
async function settled(): Promise<number> {
  let last = 0;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const rss = process.memoryUsage.rss();
    if (Math.abs(rss - last) < MIB) return rss;
    last = rss;
  }
}

const began = process.memoryUsage.rss();
const first = start();
const one = await settled();
const others = Array.from({ length: Number(count) - 1 }, start);
const all = await settled();
const each = (all - one) / (others.length * MIB);
console.log(
  `before: ${(began / MIB).toFixed(0)} MiB; with one machine: ${(one / MIB).toFixed(0)} MiB`,
);
console.log(
  `with ${count}: ${(all / MIB).toFixed(0)} MiB; each further one: ${each.toFixed(1)} MiB`,
);
await Promise.all([first, ...others].map((w) => w.terminate()));
