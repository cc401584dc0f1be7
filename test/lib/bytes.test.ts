/** Byte strings, queues of bytes and checksums, against Node's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteFifo } from "../../src/lib/bytefifo.ts";
import { byteString, bytesOf, utf8 } from "../../src/lib/bytes.ts";
import { crc16 } from "../../src/lib/crc16.ts";
import { crc32c } from "../../src/lib/crc32c.ts";

const blob = fc.uint8Array({ maxLength: 200 });

test("bytes become a string and come back as they went in", () => {
  fc.assert(
    fc.property(blob, (b) => {
      const s = byteString(b);
      assert.equal(s, Buffer.from(b).toString("latin1"));
      assert.deepEqual(bytesOf(s), b);
    }),
  );
});

test("of a part too", () => {
  fc.assert(
    fc.property(blob, fc.nat(50), fc.nat(200), (b, start, end) => {
      const [from, to] = [Math.min(start, b.length), Math.min(end, b.length)];
      assert.equal(byteString(b, from, to), Buffer.from(b.slice(from, to)).toString("latin1"));
    }),
  );
});

test("text becomes UTF-8", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.deepEqual(Buffer.from(bytesOf(utf8(text))), Buffer.from(text, "utf8"));
    }),
  );
});

test("a queue of bytes gives them in order and never more than it may hold", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("put" as const), bytes: fc.uint8Array({ maxLength: 3000 }) }),
    fc.record({ op: fc.constant("drop" as const), n: fc.nat(4000) }),
    fc.record({ op: fc.constant("truncate" as const), n: fc.nat(4000) }),
    fc.record({ op: fc.constant("clear" as const) }),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.array(step, { maxLength: 40 }),
      (limit, steps) => {
        const fifo = new ByteFifo(limit);
        let model = Buffer.alloc(0);
        for (const s of steps) {
          if (s.op === "put") {
            const taken = fifo.put(s.bytes);
            assert.equal(taken, Math.min(s.bytes.length, limit - model.length));
            model = Buffer.concat([model, s.bytes.subarray(0, taken)]);
          } else if (s.op === "drop") {
            const n = Math.min(s.n, model.length);
            fifo.drop(n);
            model = model.subarray(n);
          } else if (s.op === "truncate") {
            fifo.truncate(s.n);
            model = model.subarray(0, Math.min(s.n, model.length));
          } else {
            fifo.clear();
            model = model.subarray(0, 0);
          }
          assert.equal(fifo.length, model.length);
          assert.equal(fifo.room, limit - model.length);
          assert.equal(fifo.isEmpty, model.length === 0);
          const window = fifo.peek();
          assert.equal(window.length > 0, model.length > 0);
          assert.deepEqual(Buffer.from(window), Buffer.from(model.subarray(0, window.length)));
        }
        const rest: Uint8Array[] = [];
        while (!fifo.isEmpty) {
          rest.push(fifo.peek(7).slice());
          fifo.drop(rest.at(-1)!.length);
        }
        assert.deepEqual(Buffer.concat(rest), Buffer.from(model));
      },
    ),
  );
});

test("CRC-32C and CRC-16 give their published check values", () => {
  const check = bytesOf("123456789");
  assert.equal((crc32c(0xffffffff, check) ^ 0xffffffff) >>> 0, 0xe3069283);
  assert.equal(crc16(0, check), 0xbb3d);
  assert.equal((crc32c(0xffffffff, new Uint8Array(32)) ^ 0xffffffff) >>> 0, 0x8a9136aa);
});

test("a checksum can be continued piece by piece", () => {
  fc.assert(
    fc.property(blob, fc.nat(200), (b, cut) => {
      const at = Math.min(cut, b.length);
      assert.equal(crc32c(crc32c(1, b, 0, at), b, at), crc32c(1, b));
      assert.equal(crc16(crc16(1, b, 0, at), b, at), crc16(1, b));
    }),
  );
});
