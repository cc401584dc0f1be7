/** Inflate, compared with zlib's deflate. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { constants, deflateSync } from "node:zlib";
import { inflateZlib } from "../../src/lib/inflate.ts";
import { pattern } from "../fs/ext4image.ts";

const { Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;

function words(length: number): Uint8Array {
  const text = "the quick brown fox jumps over the lazy dog, and on it runs ".repeat(length / 30);
  const bytes = new TextEncoder().encode(text).slice(0, length);
  for (let i = 0; i < length; i += 97) bytes[i] = i;
  return bytes;
}

describe("inflate", () => {
  it("gives back what deflate was given", () => {
    const inputs = [0, 1, 2, 100, 32768, 131072].flatMap((n) => [
      pattern(n, n),
      words(n),
      new Uint8Array(n),
      pattern(n, 1).map((b) => b & 3),
    ]);
    for (const strategy of [Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE]) {
      for (const level of [0, 1, 6, 9]) {
        for (const input of inputs) {
          const packed = deflateSync(input, { level, strategy });
          const out = new Uint8Array(input.length);
          assert.equal(inflateZlib(packed, out), input.length);
          assert.ok(Buffer.compare(out, input) === 0);
        }
      }
    }
  });

  it("refuses what is cut short, changed, or too large", () => {
    const input = words(5000);
    const packed = new Uint8Array(deflateSync(input));
    assert.equal(inflateZlib(packed, new Uint8Array(4999)), -1);
    for (let n = 0; n < packed.length; n++) {
      assert.equal(inflateZlib(packed.subarray(0, n), new Uint8Array(5000)), -1, `${n} bytes`);
    }
    for (let i = 0; i < packed.length * 8; i++) {
      const changed = packed.slice();
      changed[i >> 3]! ^= 1 << (i & 7);
      const out = new Uint8Array(5000);
      const n = inflateZlib(changed, out);
      // Only bits that say nothing may change unnoticed.
      assert.ok(n === -1 || (n === 5000 && Buffer.compare(out, input) === 0), `bit ${i}`);
    }
  });
});
