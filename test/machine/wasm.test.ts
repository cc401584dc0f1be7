/**
 * The encoder, judged by the engine: what it writes must validate and compute.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Asm, F64, I32, I64 } from "../../src/machine/wasm/asm.ts";
import { ByteSink } from "../../src/machine/wasm/bytes.ts";
import { ModuleBuilder } from "../../src/machine/wasm/module.ts";

/** Instantiates a module of one function and gives it back. */
function functionOf<F>(
  params: (typeof I32 | typeof I64 | typeof F64)[],
  result: typeof I32 | typeof I64 | typeof F64,
  write: (a: Asm) => void,
  locals: (typeof I32 | typeof I64)[] = [],
): F {
  const m = new ModuleBuilder();
  const a = new Asm();
  write(a);
  m.func(m.type(params, [result]), locals, a, "f");
  return new WebAssembly.Instance(new WebAssembly.Module(m.build())).exports["f"] as F;
}

test("constants of every size come out as they went in", () => {
  for (const v of [0, 1, -1, 63, 64, -64, -65, 8191, -8192, 0x7fff_ffff, -0x8000_0000]) {
    assert.equal(functionOf<() => number>([], I32, (a) => a.i32_const(v))(), v);
    assert.equal(functionOf<() => bigint>([], I64, (a) => a.i64_const(v))(), BigInt(v));
  }
  for (const v of [2 ** 38, -(2 ** 52), Number.MAX_SAFE_INTEGER]) {
    assert.equal(functionOf<() => bigint>([], I64, (a) => a.i64_const(v))(), BigInt(v));
  }
  const min = -(2n ** 63n);
  assert.equal(functionOf<() => bigint>([], I64, (a) => a.i64_const(min))(), min);
  assert.equal(functionOf<() => number>([], F64, (a) => a.f64_const(-0.1))(), -0.1);
});

test("labels lead where they were opened, however deep", () => {
  const sum = functionOf<(n: number) => number>(
    [I32],
    I32,
    (a) => {
      const out = a.block();
      const again = a.loop();
      a.local_get(0).i32_eqz().unlikely().br_if(out);
      a.local_get(1).local_get(0).i32_add().local_set(1);
      a.local_get(0).i32_const(1).i32_sub().local_set(0);
      a.local_get(0).i32_const(100).i32_gt_u().if_();
      a.i32_const(100).local_set(0);
      a.end();
      a.br(again).end().end();
      a.local_get(1);
    },
    [I32],
  );
  assert.equal(sum(10), 55);
  assert.equal(sum(200), 200 + 5050);
});

test("a branch table picks the label of its index, and the last for the rest", () => {
  const pick = functionOf<(n: number) => number>([I32], I32, (a) => {
    const labels = [a.block(), a.block(), a.block()];
    a.local_get(0).br_table([labels[2]!, labels[1]!], labels[0]!);
    for (const v of [10, 20, 30]) a.end().i32_const(v).return_();
    a.unreachable();
  });
  assert.deepEqual([0, 1, 2, 99].map(pick), [10, 20, 30, 30]);
});

test("integers are LEB128 as the specification's examples have it", () => {
  assert.deepEqual([...new ByteSink().u32(624485).view()], [0xe5, 0x8e, 0x26]);
  assert.deepEqual([...new ByteSink().s32(-123456).view()], [0xc0, 0xbb, 0x78]);
  assert.deepEqual([...new ByteSink().s64(-123456).view()], [0xc0, 0xbb, 0x78]);
});
