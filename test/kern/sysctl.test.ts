/** The sysctl tree: dotted names, and numbers that keep their limits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EINVAL, EPERM } from "../../src/abi/errno.ts";
import { Cred } from "../../src/kern/cred.ts";
import { SysctlConst, SysctlDir, type SysctlLeaf, SysctlVar } from "../../src/kern/sysctl.ts";
import type { Thread } from "../../src/kern/thread.ts";

const root = Cred.root();
/** None of these leaves asks who looks. */
const td = null as unknown as Thread;

test("a dotted name makes its directories and is found again", () => {
  const tree = new SysctlDir();
  const leaf = new SysctlConst("vkernel");
  tree.add("hw.vkd0.serial", leaf);
  tree.add("hw.ncpu", new SysctlConst(1));
  assert.equal(tree.find("hw.vkd0.serial"), leaf);
  assert.ok(tree.find("hw.vkd0") instanceof SysctlDir);
  assert.deepEqual([...(tree.find("hw") as SysctlDir).children.keys()], ["vkd0", "ncpu"]);
  for (const name of ["", "hw.", "hw.vkd1", "hw.ncpu.more", ".hw", "hw..ncpu"]) {
    assert.equal(tree.find(name), null, JSON.stringify(name));
  }
});

test("a constant can be read by all and written by nobody", () => {
  const leaf = new SysctlConst(42);
  assert.equal(leaf.read(), "42");
  assert.equal(leaf.mode, 0o444);
  assert.equal(leaf.write("43", root, td), EPERM);
});

test("a number takes what is one and within its limits", () => {
  const leaf: SysctlLeaf = new SysctlVar(5, -10, 100);
  assert.equal(leaf.read(td), "5");
  for (const text of ["", " ", "x", "1.5", "0xg", "08", "1e2", "-11", "101", "9".repeat(16)]) {
    assert.equal(leaf.write(text, root, td), EINVAL, JSON.stringify(text));
  }
  assert.equal(leaf.read(td), "5");
  const taken = { "-10": -10, "0": 0, "100": 100, "0x1F": 31, "017": 15, " 7\t8 x": 7, "-0x3": -3 };
  for (const [text, value] of Object.entries(taken)) {
    assert.equal(leaf.write(text, root, td), 0, text);
    assert.equal(leaf.read(td), String(value));
  }
});
