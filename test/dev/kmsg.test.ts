/** /dev/kmsg: records in the form that dmesg(1) parses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, EINVAL, EPIPE } from "../../src/abi/errno.ts";
import { O_NONBLOCK } from "../../src/abi/fcntl.ts";
import { KmsgDriver } from "../../src/dev/kmsg.ts";
import { MsgBuf } from "../../src/kern/msgbuf.ts";
import type { File } from "../../src/vfs/file.ts";
import { Uio } from "../../src/vm/uio.ts";
import { testThread } from "./pty-script.ts";

function rig() {
  const msgbuf = new MsgBuf();
  const log = { log: (level: number, text: string) => void msgbuf.add(5_000_000, level, text) };
  const td = testThread();
  const open = (): File => new KmsgDriver(msgbuf, log).open(td, 0, 2 | O_NONBLOCK) as File;
  const read = (fp: File, count = 8192): string | number => {
    const into = new Uint8Array(count);
    const n = fp.read(td, Uio.kernel(into));
    return n < 0 ? n : Buffer.from(into.subarray(0, n)).toString("latin1");
  };
  const write = (fp: File, s: string): number =>
    fp.write(td, Uio.kernel(new Uint8Array(Buffer.from(s))));
  return { msgbuf, open, read, write };
}

test("one record a read, then nothing", () => {
  const { msgbuf, open, read } = rig();
  msgbuf.add(1_234_567, 6, "vkd0: a disk");
  msgbuf.add(2_000_000, 4, "back\\slash\x01");
  const fp = open();
  assert.equal(read(fp), "6,0,1234,-;vkd0: a disk\n");
  assert.equal(read(fp), "4,1,2000,-;back\\x5cslash\\x01\n");
  assert.equal(read(fp), EAGAIN);
});

test("what a program writes is a message, with its level", () => {
  const { msgbuf, open, read, write } = rig();
  const fp = open();
  assert.equal(write(fp, "<3>oops\n"), 8);
  assert.equal(write(fp, "plain"), 5);
  assert.deepEqual(
    msgbuf.all().map((m) => [m.level, m.text]),
    [
      [3, "oops"],
      [4, "plain"],
    ],
  );
  assert.equal(read(fp, 4), EINVAL);
});

test("a reader that fell behind learns it once", () => {
  const { msgbuf, open, read } = rig();
  msgbuf.add(0, 6, "first");
  const fp = open();
  for (let k = 0; k < 300; k++) msgbuf.add(0, 6, "x".repeat(1000));
  assert.equal(read(fp), EPIPE);
  assert.equal(typeof read(fp), "string");
});
