import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_FFLAGS, CTX_FPSLOW, CTX_FRM } from "../../src/machine/layout.ts";
import { HAS_FUSED_MADD } from "../../src/machine/riscv/softfloat/fusedmadd.ts";
import { fpSlowHelper, SOFT_FLOAT } from "../../src/machine/riscv/softfloat/slowpath.ts";
import { softFloat, softFloatImport } from "../../src/machine/riscv/softfloat/softfloat.ts";
import { Asm } from "../../src/machine/wasm/asm.ts";
import { ModuleBuilder } from "../../src/machine/wasm/module.ts";
import { fpProgram } from "./qemu-fp-program.ts";

type FpSlow = (ctx: number, op: number, rm: number, a: bigint, b: bigint, c: bigint) => bigint;

for (const hasFusedMadd of HAS_FUSED_MADD ? [true, false] : [false]) {
  test(`fpSlow agrees with softFloat, fused multiply-add ${hasFusedMadd ? "native" : "computed"}`, () => {
    const { run, words, calls } = instantiate(hasFusedMadd);
    const st = { rm: 0, flags: 0 };
    const wrong: string[] = [];
    let cases = 0;
    for (const block of fpProgram(2, 2500).blocks) {
      if (block.op < 0 || block.rm === 1) continue;
      for (const [a, b, c] of block.tuples) {
        st.rm = block.rm;
        st.flags = block.presetFlags;
        const expected = BigInt.asUintN(64, softFloat(st, block.op, a, b, c));
        words[CTX_FFLAGS >> 2] = block.presetFlags;
        words[CTX_FRM >> 2] = block.rm;
        words[CTX_FPSLOW >> 2] = 1;
        const result = BigInt.asUintN(64, run(0, block.op, block.rm, a, b, c));
        const flags = words[CTX_FFLAGS >> 2]!;
        const isSlow = words[CTX_FPSLOW >> 2] !== 0;
        cases++;
        if (result === expected && flags === st.flags) {
          // The word may say slow too often, never too rarely.
          if (isSlow || (block.rm === 0 && (flags & 1) !== 0)) continue;
        }
        if (wrong.length > 20) continue;
        wrong.push(
          `${block.text} (mode ${block.rm}): ${[a, b, c].map((x) => x.toString(16)).join(" ")}: ` +
            `${result.toString(16)}/${flags}, soft ${expected.toString(16)}/${st.flags}`,
        );
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(calls.soft < cases, "everything went to softFloat");
  });
}

function instantiate(hasFusedMadd: boolean) {
  const helper = fpSlowHelper(hasFusedMadd);
  const m = new ModuleBuilder();
  m.importMemory("memory", 1, 1);
  const soft = m.importFunc(SOFT_FLOAT.name, SOFT_FLOAT.params, SOFT_FLOAT.results);
  const asm = new Asm();
  helper.body!(asm, () => asm.call(soft));
  m.func(m.type(helper.params, helper.results), helper.locals!, asm, "fpSlow");
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const words = new Int32Array(memory.buffer);
  const calls = { soft: 0 };
  const softImport = softFloatImport(words);
  const counted: FpSlow = (...args) => {
    calls.soft++;
    return softImport(...args);
  };
  const imports = { e: { memory, softFloat: counted } };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.build()), imports);
  return { run: instance.exports["fpSlow"] as FpSlow, words, calls };
}
