/** Whatever a program asks of a terminal, it gets an answer: never an exception or a hang. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errnoNames } from "../../src/abi/errno.ts";
import { O_NONBLOCK } from "../../src/abi/fcntl.ts";
import { PtySlave } from "../../src/dev/tty/pty.ts";
import { PtyMaster } from "../../src/dev/tty/ptymaster.ts";
import { TtyFile } from "../../src/dev/tty/ttyfile.ts";
import { ByteFifo } from "../../src/lib/bytefifo.ts";
import { Uio } from "../../src/vm/uio.ts";
import { BufferMemory } from "./buffer-memory.ts";
import { testThread } from "./pty-script.ts";

const O_RDWR = 2;
const owner = { masterClosed: () => {}, openPeer: () => -5 };

/** xorshift32: reproducible. */
function numbers(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

test("every request with every kind of argument has an answer", () => {
  const td = testThread();
  const random = numbers(1);
  for (let round = 0; round < 200; round++) {
    const slave = new PtySlave(0x8800, 0);
    const files = [
      new PtyMaster(slave, owner, O_RDWR | O_NONBLOCK),
      new TtyFile(slave, O_RDWR | O_NONBLOCK, false),
    ];
    const mem = new BufferMemory(128);
    for (let step = 0; step < 300; step++) {
      for (let k = 0; k < mem.bytes.length; k++) mem.bytes[k] = random(256);
      const fp = files[random(2)]!;
      const direction = [0, 0x4000_0000, 0x8000_0000][random(3)]!;
      const size = [0, 4, 44][random(3)]! * 0x10000;
      const request = direction + size + 0x5400 + random(0x80);
      const arg = [0, random(8), random(130), -1, 2 ** 53, 2 ** 63][random(6)]!;
      const what = random(4);
      const data = mem.bytes.slice(0, random(128));
      let r: number;
      if (what < 2) r = fp.ioctl(td, request, arg, mem);
      else if (what === 2) r = fp.write(td, Uio.kernel(data));
      else r = fp.read(td, Uio.kernel(data));
      assert.ok(r >= 0 || errnoNames.has(-r), `${request.toString(16)} ${arg}: ${r}`);
      assert.ok(slave.output.length <= slave.output.limit);
      assert.ok(slave.ldisc.queue.count <= 4096);
    }
  }
});

test("a byte queue is a queue", () => {
  const random = numbers(7);
  const fifo = new ByteFifo(5000);
  let model: number[] = [];
  for (let step = 0; step < 20000; step++) {
    const what = random(10);
    if (what < 5) {
      const bytes = Uint8Array.from({ length: random(900) }, () => random(256));
      const n = fifo.put(bytes);
      assert.equal(n, Math.min(bytes.length, 5000 - model.length));
      model.push(...bytes.subarray(0, n));
    } else if (what < 9) {
      const seen = fifo.peek(random(1200) + 1);
      assert.deepEqual([...seen], model.slice(0, seen.length));
      assert.equal(seen.length === 0, model.length === 0);
      fifo.drop(seen.length);
      model = model.slice(seen.length);
    } else {
      const keep = random(5000);
      fifo.truncate(keep);
      model = model.slice(0, keep);
    }
    assert.equal(fifo.length, model.length);
  }
});
