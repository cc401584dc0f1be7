/** Field descriptors, against what a C compiler and a DataView say. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  be16,
  be32,
  bytes,
  i8,
  i16,
  i32,
  i64,
  type Scalar,
  struct,
  u8,
  u16,
  u32,
  u64,
} from "../../src/lib/struct.ts";

const TYPES: Record<string, Scalar<number>> = {
  uint8_t: u8,
  int8_t: i8,
  uint16_t: u16,
  int16_t: i16,
  uint32_t: u32,
  int32_t: i32,
  uint64_t: u64,
  int64_t: i64,
};

test("lays fields out as the C compiler does", () => {
  const shapes = fc.sample(
    fc.array(fc.constantFrom(...Object.keys(TYPES), "blob"), { minLength: 1, maxLength: 12 }),
    { numRuns: 40, seed: 7 },
  );
  const declare = (shape: readonly string[]): string =>
    shape.map((t, i) => (t === "blob" ? `char f${i}[5];` : `${t} f${i};`)).join(" ");
  const lines = shapes.map((shape, k) => {
    const offsets = shape.map((_, i) => `printf("%zu ", offsetof(struct s${k}, f${i}));`).join(" ");
    return `${offsets} printf("%zu\\n", sizeof(struct s${k}));`;
  });
  const source = [
    "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>",
    ...shapes.map((shape, k) => `struct s${k} { ${declare(shape)} };`),
    `int main(void) { ${lines.join("\n")} return 0; }`,
  ].join("\n");
  const dir = mkdtempSync(join(tmpdir(), "vkernel-struct-"));
  try {
    writeFileSync(join(dir, "s.c"), source);
    execFileSync("gcc", ["-o", join(dir, "s"), join(dir, "s.c")]);
    const said = execFileSync(join(dir, "s"), { encoding: "latin1" }).trim().split("\n");
    shapes.forEach((shape, k) => {
      const s = struct(
        Object.fromEntries(shape.map((t, i) => [`f${i}`, t === "blob" ? bytes(5) : TYPES[t]!])),
      );
      const ours = [...shape.map((_, i) => s[`f${i}`]!.offset), s.sizeof];
      assert.equal(ours.join(" "), said[k], declare(shape));
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("what is set is got, at any base, and nothing else changes", () => {
  const S = struct({ a: u8, b: i16, c: u32, d: i64, e: be32, f: be16, g: u64, h: i8 });
  const value = fc.record({
    a: fc.integer({ min: 0, max: 255 }),
    b: fc.integer({ min: -32768, max: 32767 }),
    c: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    d: fc.maxSafeInteger(),
    e: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    f: fc.integer({ min: 0, max: 65535 }),
    g: fc.maxSafeNat(),
    h: fc.integer({ min: -128, max: 127 }),
  });
  fc.assert(
    fc.property(value, fc.nat(13), (v, base) => {
      const view = new DataView(new ArrayBuffer(S.sizeof + 16));
      const names = ["a", "b", "c", "d", "e", "f", "g", "h"] as const;
      for (const name of names) S[name].set(view, base, v[name]);
      for (const name of names) assert.equal(S[name].get(view, base), v[name], name);
      assert.equal(view.getBigInt64(base + S.d.offset, true), BigInt(v.d));
      assert.equal(view.getBigUint64(base + S.g.offset, true), BigInt(v.g));
      assert.equal(view.getUint32(base + S.e.offset, false), v.e);
      for (let i = 0; i < base; i++) assert.equal(view.getUint8(i), 0);
      for (let i = base + S.sizeof; i < view.byteLength; i++) assert.equal(view.getUint8(i), 0);
    }),
  );
});

test("a byte array is a window, and of its own size", () => {
  const S = struct({ tag: u8, name: bytes(4), after: u32 });
  const view = new DataView(new ArrayBuffer(S.sizeof));
  S.name.set(view, 0, new Uint8Array([1, 2, 3, 4]));
  S.name.get(view, 0)[0] = 9;
  assert.equal(view.getUint8(1), 9);
  assert.equal(S.name.get(view, 0).length, 4);
  assert.equal(S.after.offset, 8);
  assert.throws(() => S.name.set(view, 4, new Uint8Array(5)), RangeError);
});
