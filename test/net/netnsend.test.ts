/** What a network had is given back when its name space ends. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { NUD_PERMANENT } from "../../src/abi/neighbour.ts";
import { addr4 } from "../../src/net/address.ts";
import { Veth } from "../../src/net/ether/veth.ts";
import { attachLink } from "../../src/net/netlink/route/linkset.ts";
import type { NetStack } from "../../src/net/netstack.ts";
import { NetNamespace } from "../../src/vfs/netns.ts";
import { TestKernel } from "../harness/kernel.ts";

it("forgets the neighbours of an interface that leaves, though it was never up", () => {
  const { kernel, init } = new TestKernel();
  const { vfs } = kernel;
  const stack = init.ns.net.contents as NetStack;
  const before = vfs.kmem.usedBytes;
  const [near] = Veth.pair(stack, stack);
  assert.equal(attachLink(stack, near, "near", 0), 0);
  const withLink = vfs.kmem.usedBytes;
  const n = stack.neighbours.entry(near, addr4(0x0a000001));
  assert.ok(n && vfs.kmem.usedBytes > withLink);
  stack.neighbours.set(n, new Uint8Array(6), NUD_PERMANENT);
  stack.detach(near);
  assert.deepEqual([...stack.neighbours.all], []);
  assert.equal(vfs.kmem.usedBytes, withLink);
  near.detached();
  assert.equal(vfs.kmem.usedBytes, before);
});

it("gives back both ends of a cable once", () => {
  const { kernel, init } = new TestKernel();
  const { vfs } = kernel;
  const { userns } = init.cred;
  const before = vfs.kmem.usedBytes;
  for (const isAcross of [false, true]) {
    const make = (): NetNamespace => {
      const ns = new NetNamespace(userns.takeIno(), userns, null);
      vfs.domains.fill(ns);
      return ns;
    };
    const one = make();
    const two = make();
    const a = one.contents as NetStack;
    const b = isAcross ? (two.contents as NetStack) : a;
    const [near, far] = Veth.pair(a, b);
    assert.equal(attachLink(a, near, "near", 0), 0);
    assert.equal(attachLink(b, far, "far", 0), 0);
    one.release();
    two.release();
    assert.equal(vfs.kmem.usedBytes, before, isAcross ? "in two networks" : "in one network");
  }
});
