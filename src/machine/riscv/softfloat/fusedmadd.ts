/**
 * Does the host fuse multiply and add?
 *
 * `f64x2.relaxed_madd` may round once or twice, at the host's choice, but always the same
 * way. Where it rounds once it is the guest's fmadd; where it does not, or does not exist,
 * fpSlow computes. Source: WebAssembly relaxed SIMD proposal.
 */
import { Asm, F64 } from "../../wasm/asm.ts";
import { ModuleBuilder } from "../../wasm/module.ts";

export const F32X4_SPLAT = 0x13;
export const F64X2_SPLAT = 0x14;
export const F32X4_EXTRACT_LANE = 0x1f;
export const F64X2_EXTRACT_LANE = 0x21;
export const F32X4_NEG = 0xe1;
export const F64X2_NEG = 0xed;
export const V128_OR = 0x50;
export const F32X4_RELAXED_MADD = 0x105;
export const F32X4_RELAXED_NMADD = 0x106;
export const F64X2_RELAXED_MADD = 0x107;
export const F64X2_RELAXED_NMADD = 0x108;

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
