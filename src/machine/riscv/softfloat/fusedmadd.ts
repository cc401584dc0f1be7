/**
 * Does the host fuse multiply and add?
 *
 * `f64x2.relaxed_madd` may round once or twice, at the host's choice, but always the same
 * way. Where it rounds once it is the guest's fmadd; where it does not, or does not exist,
 * fpSlow computes. Source: WebAssembly relaxed SIMD proposal.
 */
import { Asm, F64 } from "../../wasm/asm.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import { F64X2_EXTRACT_LANE, F64X2_RELAXED_MADD, F64X2_SPLAT } from "../../wasm/simd.ts";

/** A constant of the host: true where relaxed multiply-add rounds once. */
export const HAS_FUSED_MADD: boolean = probe();

function probe(): boolean {
  const m = new ModuleBuilder();
  const asm = new Asm();
  for (const x of [0, 1, 2]) asm.local_get(x).simd(F64X2_SPLAT);
  asm.simd(F64X2_RELAXED_MADD).simdLane(F64X2_EXTRACT_LANE, 0);
  m.func(m.type([F64, F64, F64], [F64]), [], asm, "madd");
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.build()));
    const madd = exports["madd"] as (a: number, b: number, c: number) => number;
    const x = 1 + 2 ** -30;
    return madd(x, x, -(1 + 2 ** -29)) === 2 ** -60;
  } catch {
    return false; // no relaxed SIMD in this host
  }
}
