/** CRC-32C against the vectors of RFC 3720 and a bit-by-bit reckoning. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { crc32c, crc32cWord, crc32cZeroes } from "../../src/lib/crc32c.ts";

const sum = (bytes: Uint8Array) => ~crc32c(0xffffffff, bytes) >>> 0;

it("crc32c gives the sums of RFC 3720", () => {
  assert.equal(sum(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(sum(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(sum(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(sum(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
  assert.equal(sum(new TextEncoder().encode("123456789")), 0xe3069283);
});

it("crc32c continues over pieces of any length", () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 151) ^ (i >>> 3));
  for (let start = 0; start < 20; start++) {
    for (let end = start; end <= 100; end += 7) {
      let bitwise = 0x12345678;
      for (let i = start; i < end; i++) {
        bitwise ^= bytes[i]!;
        for (let k = 0; k < 8; k++) bitwise = (bitwise >>> 1) ^ (bitwise & 1 ? 0x82f63b78 : 0);
      }
      assert.equal(crc32c(0x12345678, bytes, start, end), bitwise >>> 0);
      const middle = (start + end) >>> 1;
      const first = crc32c(0x12345678, bytes, start, middle);
      assert.equal(crc32c(first, bytes, middle, end), bitwise >>> 0);
    }
  }
});

it("words and zeroes add to a sum what their bytes do", () => {
  for (const value of [0, 1, 0x80, 0x12345678, 0xfedcba98, -1, 2 ** 32 - 1]) {
    const bytes = new Uint8Array([value, value >>> 8, value >>> 16, value >>> 24]);
    for (const seed of [0, 0xffffffff, 0x89abcdef]) {
      assert.equal(crc32cWord(seed, value), crc32c(seed, bytes));
    }
  }
  for (let n = 0; n < 12; n++) assert.equal(crc32cZeroes(77, n), crc32c(77, new Uint8Array(n)));
});
