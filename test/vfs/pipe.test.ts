/** Pipes against a plain queue of bytes, by random writes, reads and resizes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EAGAIN, EBUSY, EPIPE, ERESTARTSYS } from "../../src/abi/errno.ts";
import { O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../src/abi/fcntl.ts";
import { POLLHUP, POLLIN, POLLOUT } from "../../src/abi/poll.ts";
import { PIPE_BUF, Pipe, PipeFile } from "../../src/vfs/pipe.ts";
import { Uio } from "../../src/vm/uio.ts";
import { World } from "./harness.ts";

type Step = { readonly op: "write" | "read" | "resize"; readonly count: number };

const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom("write", "write", "read", "read", "resize"),
  count: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 70_000 })),
});

test("bytes come out as they went in, within the capacity", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { td } = new World();
      const pipe = new Pipe(1);
      const reader = new PipeFile(pipe, O_RDONLY | O_NONBLOCK);
      const writer = new PipeFile(pipe, O_WRONLY | O_NONBLOCK);
      let model: number[] = [];
      let next = 0;
      for (const { op, count } of steps) {
        const room = pipe.capacity - model.length;
        if (op === "write") {
          const bytes = Uint8Array.from({ length: count }, (_, i) => next + i);
          const n = writer.write(td, Uio.kernel(bytes));
          let expected = Math.min(count, room);
          if (count > 0 && (room === 0 || (count <= PIPE_BUF && room < count))) expected = EAGAIN;
          assert.equal(n, expected);
          if (n > 0) {
            model = model.concat([...bytes.subarray(0, n)]);
            next += n;
          }
        } else if (op === "read") {
          const into = new Uint8Array(count);
          const n = reader.read(td, Uio.kernel(into));
          const expected = Math.min(count, model.length);
          assert.equal(n, count > 0 && model.length === 0 ? EAGAIN : expected);
          if (n > 0) assert.deepEqual([...into.subarray(0, n)], model.splice(0, n));
        } else {
          const n = pipe.resize(count);
          if (n < 0) assert.equal(n, EBUSY);
          else assert.ok(n >= Math.max(count, PIPE_BUF, model.length) && pipe.capacity === n);
        }
        assert.equal(pipe.length, model.length);
        assert.equal((reader.poll(td, null) & POLLIN) !== 0, model.length > 0);
      }
    }),
    { numRuns: 200 },
  );
});

test("messages of one length keep to the ring that there is", () => {
  const { td } = new World();
  const pipe = new Pipe(1);
  const [reader, writer] = [new PipeFile(pipe, O_RDONLY), new PipeFile(pipe, O_WRONLY)];
  const write = (n: number, byte: number) =>
    writer.write(td, Uio.kernel(new Uint8Array(n).fill(byte)));
  const read = (n: number): number[] => {
    const into = new Uint8Array(n);
    return [...into.subarray(0, reader.read(td, Uio.kernel(into)))];
  };
  write(4, 1);
  assert.deepEqual(read(4), [1, 1, 1, 1]);
  write(4, 2);
  pipe.resize(2 * pipe.capacity);
  assert.deepEqual(read(4), [2, 2, 2, 2]);
  write(4, 3);
  assert.deepEqual([...read(1), ...read(3)], [3, 3, 3, 3]);
  // All is gone with the last who has it open.
  write(4, 4);
  reader.release();
  writer.release();
  const again = [new PipeFile(pipe, O_RDONLY), new PipeFile(pipe, O_WRONLY)] as const;
  again[1].write(td, Uio.kernel(new Uint8Array(4).fill(5)));
  const into = new Uint8Array(9);
  assert.equal(again[0].read(td, Uio.kernel(into)), 4);
  assert.deepEqual([...into], [5, 5, 5, 5, 0, 0, 0, 0, 0]);
});

test("a long write sleeps, keeps its progress, and ends when all is taken", () => {
  const { td } = new World();
  const pipe = new Pipe(1);
  const reader = new PipeFile(pipe, O_RDONLY);
  const writer = new PipeFile(pipe, O_WRONLY);
  const bytes = Uint8Array.from({ length: 150_000 }, (_, i) => i % 251);
  const got: number[] = [];
  let result = writer.write(td, Uio.kernel(bytes));
  for (let turns = 0; result === ERESTARTSYS && turns < 100; turns++) {
    assert.equal(td.state, "sleeping");
    const into = new Uint8Array(10_000);
    const n = reader.read(td, Uio.kernel(into));
    got.push(...into.subarray(0, n));
    assert.equal(td.state, "runnable", "room wakes the writer");
    td.cpu.runq.remove(td);
    td.state = "running";
    result = writer.write(td, Uio.kernel(bytes));
  }
  assert.equal(result, bytes.length);
  while (pipe.length > 0) {
    const into = new Uint8Array(65536);
    const n = reader.read(td, Uio.kernel(into));
    for (const b of into.subarray(0, n)) got.push(b);
  }
  assert.deepEqual(got, [...bytes]);
});

test("ends that close wake and tell the other side", () => {
  const { td } = new World();
  const pipe = new Pipe(1);
  const reader = new PipeFile(pipe, O_RDONLY);
  const writer = new PipeFile(pipe, O_WRONLY);
  assert.equal(reader.read(td, Uio.kernel(new Uint8Array(1))), ERESTARTSYS);
  writer.release();
  assert.equal(td.state, "runnable");
  assert.equal(reader.read(td, Uio.kernel(new Uint8Array(1))), 0);
  assert.equal(reader.poll(td, null), POLLHUP);
  const again = new PipeFile(pipe, O_WRONLY);
  assert.equal(again.poll(td, null) & POLLOUT, POLLOUT);
  reader.release();
  assert.equal(again.write(td, Uio.kernel(new Uint8Array(1))), EPIPE);
});
