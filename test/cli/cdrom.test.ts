/** A machine that has nothing but a disc: `vkernel -c`. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { genisoimage, noIsoTools } from "../fs/isoimage.ts";
import { buildGuest, hasCrossCompiler } from "../harness/cc.ts";
import { scratch, vkernel } from "./cli.ts";

const dir = scratch();
after(() => rmSync(dir, { recursive: true }));

test("a disc is the root, and its init the first program", {
  skip: noIsoTools || !hasCrossCompiler(),
}, () => {
  const tree = join(dir, "tree");
  for (const name of ["sbin", "etc", "dev", "proc"])
    mkdirSync(join(tree, name), { recursive: true });
  copyFileSync(buildGuest(join(import.meta.dirname, "cdinit.c")), join(tree, "sbin/init"));
  writeFileSync(join(tree, "etc", "a file with a long name"), "from a disc\n");
  const r = vkernel(["-c", genisoimage(join(dir, "disc.iso"), tree, ["-R"])]);
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stdout, /vcd0: <virtual CD-ROM> \d+ MiB, read-only/);
  assert.match(r.stdout, /mounted root from iso9660:vcd0, read-only/);
  assert.match(r.stdout, /^\/dev\/vcd0 \/ iso9660 ro,.*blocksize=2048 0 0\r?$/m);
  assert.match(r.stdout, /^from a disc\r?$/m);
  assert.doesNotMatch(r.stdout, /EXT4/);
});
