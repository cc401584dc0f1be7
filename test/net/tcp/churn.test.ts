/** What programs do with connections leaves nothing behind: no memory, no sockets, no places in tables. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { NetStack } from "../../../src/net/netstack.ts";
import { tcpOf } from "../../../src/net/tcp/maker.ts";
import { buildGuest, hasCrossCompiler } from "../../harness/cc.ts";
import { TestKernel } from "../../harness/kernel.ts";

describe("connections of programs", { skip: !hasCrossCompiler() }, () => {
  it("leave nothing behind", () => {
    const k = new TestKernel();
    k.copyIn(buildGuest(join(import.meta.dirname, "churn.c")), "/bin/churn");
    const tcp = tcpOf(k.init.ns.net.contents as NetStack);
    const used: number[] = [];
    for (let round = 0; round < 3; round++) {
      const r = k.run(["/bin/churn"], { timeoutMs: 60_000 });
      assert.equal(r.stdout, "done\n");
      assert.ok(tcp.timeWait.count > 0);
      tcp.timeWait.clear();
      assert.equal(tcp.orphans, 0);
      assert.equal(tcp.mib.CurrEstab, 0);
      assert.deepEqual(
        [...tcp.table.all].map((pcb) => [pcb.lport, pcb.fport]),
        [],
      );
      used.push(k.kernel.pages.kmem.usedBytes);
    }
    assert.equal(used[2], used[1], "the kernel's memory");
  });
});
