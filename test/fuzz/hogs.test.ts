/**
 * Programs that take all they can get: the calls fail in time, another process
 * goes on, and what the kernel keeps for them stays within its bound.
 * FUZZ_HOGS="all" or a list of names runs others than the quick ones; see hogs.c.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { LiveHeap } from "./liveheap.ts";

const QUICK =
  "pipes sockets descriptors timerfds signals maps epolls inotifies fanotifies locks links nested datagrams tcp tcpcalls aios urgent";
const ALL = `${QUICK} pagetables zeropages tmpfs sparse files negative deep xattrs eventfds timers
  mapsread mounts threads polls groups argv ptys kmsg iovecs`;
const chosen = process.env["FUZZ_HOGS"] ?? QUICK;
const names = (chosen === "all" ? ALL : chosen).split(/\s+/);
const MEMORY_MIB = 64;
const SECONDS = "1";
/** Until then the other process must have had its turns: it ends everything after some, however long that takes. */
const PATIENCE_MS = 120_000;
/** Beyond what is counted: code, caches of the translator, what is under way. */
const SLACK_BYTES = 16 << 20;

describe("hogs", { skip: !hasCrossCompiler() }, () => {
  for (const name of names) {
    it(`${name} stay within bounds`, () => {
      const kernel = new TestKernel(MEMORY_MIB);
      const { pages, table } = kernel.kernel;
      kernel.copyIn(buildGuest(join(import.meta.dirname, "hogs.c")), "/bin/hogs");
      const before = pages.kmem.usedBytes;
      const heap = new LiveHeap(kernel);
      const { status, stdout } = kernel.run(["/bin/hogs", name, SECONDS], {
        timeoutMs: PATIENCE_MS,
      });
      assert.equal(status, 0, stdout);
      assert.ok(pages.kmem.usedBytes <= pages.kmem.limitBytes);
      // What the kernel counts are estimates; the heap says whether they are honest.
      const most = pages.kmem.limitBytes + SLACK_BYTES;
      assert.ok(heap.growthBytes <= most, `heap grew by ${heap.growthBytes} bytes`);
      assert.equal(table.procCount, 1);
      waitForCallouts(kernel);
      // Files in /tmp stay, with their names; all else went with its process.
      kernel.unmountAll();
      kernel.kernel.vfs.names.clear();
      assert.ok(pages.kmem.usedBytes <= before, `${pages.kmem.usedBytes} > ${before}`);
    });
  }
});

/** What the kernel put off, it does in the end: to look for sockets that nobody can reach. */
function waitForCallouts(kernel: TestKernel): void {
  const { callouts, clock } = kernel.kernel.cpu;
  const giveUpNs = clock.monotonicNs() + 10e9;
  while (callouts.nextDeadlineNs < giveUpNs && !clock.isPast(giveUpNs)) {
    kernel.loop.idle();
    kernel.loop.runUntilIdle();
  }
}
