/**
 * An assembler for WebAssembly function bodies: one method per instruction, in the text format's
 * names with `_` for `.`, each returning `this`.
 *
 * Keeps the nesting depth, so that a label is the depth at which it was opened and `br` needs no
 * counting by hand; and the branch hints, without which V8 keeps registers free for cold calls.
 * Source: WebAssembly core specification §5.4; branch hinting proposal.
 */
import { ByteSink } from "./bytes.ts";
import { type FuncRef, type FuncSymbol, NO_INDEX } from "./funccode.ts";

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export const VOID = 0x40;

/** A value type byte. */
export type ValType = 0x7f | 0x7e | 0x7d | 0x7c | 0x7b;

/** The nesting depth at which a block, loop or if was opened: what `br` takes. */
export type Label = number;

export class Asm extends ByteSink {
  /** Blocks open around the next instruction; 0 is the function's own body. */
  depth = 0;
  /** Branch hints: position, then 0 for unlikely or 1 for likely; pairs in ascending order. */
  readonly hints: number[] = [];
  /** Calls of functions whose numbers the module is to fill in. */
  readonly refs: FuncRef[] = [];

  /** Marks the next `if` or `br_if` as hardly ever taken. */
  unlikely(): this {
    this.hints.push(this.len, 0);
    return this;
  }
  /** Marks the next `if` or `br_if` as nearly always taken. */
  likely(): this {
    this.hints.push(this.len, 1);
    return this;
  }

  /** Opens a block; the returned label leads to its end. */
  block(type: number = VOID): Label {
    this.byte(0x02).byte(type);
    return ++this.depth;
  }
  /** Opens a loop; the returned label leads to its start. */
  loop(type: number = VOID): Label {
    this.byte(0x03).byte(type);
    return ++this.depth;
  }
  /** Opens an if; the returned label leads to its end. */
  if_(type: number = VOID): Label {
    this.byte(0x04).byte(type);
    return ++this.depth;
  }
  else_(): this {
    return this.byte(0x05);
  }
  end(): this {
    this.depth--;
    return this.byte(0x0b);
  }
  br(label: Label): this {
    return this.byte(0x0c).u32(this.depth - label);
  }
  br_if(label: Label): this {
    return this.byte(0x0d).u32(this.depth - label);
  }
  br_table(labels: readonly Label[], otherwise: Label): this {
    this.byte(0x0e).u32(labels.length);
    for (const l of labels) this.u32(this.depth - l);
    return this.u32(this.depth - otherwise);
  }
  unreachable(): this {
    return this.byte(0x00);
  }
  return_(): this {
    return this.byte(0x0f);
  }
  call(func: number): this {
    return this.byte(0x10).u32(func);
  }
  /** Calls a function whose number is not known yet. */
  callTo(to: FuncSymbol | null): this {
    return this.byte(0x10).#ref(to);
  }
  returnCallTo(to: FuncSymbol | null): this {
    return this.byte(0x12).#ref(to);
  }
  #ref(to: FuncSymbol | null): this {
    this.refs.push({ at: this.len, to });
    return this.bytes(NO_INDEX);
  }
  call_indirect(type: number): this {
    return this.byte(0x11).u32(type).u32(0);
  }
  return_call(func: number): this {
    return this.byte(0x12).u32(func);
  }
  return_call_indirect(type: number): this {
    return this.byte(0x13).u32(type).u32(0);
  }
  drop(): this {
    return this.byte(0x1a);
  }
  select(): this {
    return this.byte(0x1b);
  }
  local_get(i: number): this {
    return this.byte(0x20).u32(i);
  }
  local_set(i: number): this {
    return this.byte(0x21).u32(i);
  }
  local_tee(i: number): this {
    return this.byte(0x22).u32(i);
  }
  i32_const(v: number): this {
    return this.byte(0x41).s32(v);
  }
  i64_const(v: number | bigint): this {
    return this.byte(0x42).s64(v);
  }
  f32_const(v: number): this {
    return this.byte(0x43).bytes(new Uint8Array(new Float32Array([v]).buffer));
  }
  f64_const(v: number): this {
    return this.byte(0x44).bytes(new Uint8Array(new Float64Array([v]).buffer));
  }
  memory_fill(): this {
    return this.byte(0xfc).u32(11).byte(0);
  }
  memory_copy(): this {
    return this.byte(0xfc).u32(10).byte(0).byte(0);
  }
  /** A vector instruction (prefix 0xfd) without immediates. */
  simd(op: number): this {
    return this.byte(0xfd).u32(op);
  }
  /** A vector lane instruction (extract or replace). */
  simdLane(op: number, lane: number): this {
    return this.byte(0xfd).u32(op).byte(lane);
  }
  /** [a, b] → the 32-bit lanes a0 b0 a1 b1. */
  i32x4_interleave_low(): this {
    this.byte(0xfd).u32(13);
    for (const lane of [0, 4, 1, 5]) for (let i = 0; i < 4; i++) this.byte(4 * lane + i);
    return this;
  }
  v128_ones(): this {
    return this.byte(0xfd).u32(12).bytes(new Uint8Array(16).fill(0xff));
  }

  // Memory: every access may be unaligned, so the alignment hint is always 1.
  i32_load(offset = 0): this {
    return this.byte(0x28).byte(0).u32(offset);
  }
  i64_load(offset = 0): this {
    return this.byte(0x29).byte(0).u32(offset);
  }
  f32_load(offset = 0): this {
    return this.byte(0x2a).byte(0).u32(offset);
  }
  f64_load(offset = 0): this {
    return this.byte(0x2b).byte(0).u32(offset);
  }
  /** 8 bytes to the first lane, zero to the other. */
  v128_load64_zero(offset = 0): this {
    return this.byte(0xfd).u32(93).byte(0).u32(offset);
  }
  /** The first of the 32-bit lanes. */
  v128_store32_lane(offset = 0): this {
    return this.byte(0xfd).u32(90).byte(0).u32(offset).byte(0);
  }
  /** The first of the 64-bit lanes. */
  v128_store64_lane(offset = 0): this {
    return this.byte(0xfd).u32(91).byte(0).u32(offset).byte(0);
  }
  i32_load8_s(offset = 0): this {
    return this.byte(0x2c).byte(0).u32(offset);
  }
  i32_load8_u(offset = 0): this {
    return this.byte(0x2d).byte(0).u32(offset);
  }
  i32_load16_s(offset = 0): this {
    return this.byte(0x2e).byte(0).u32(offset);
  }
  i32_load16_u(offset = 0): this {
    return this.byte(0x2f).byte(0).u32(offset);
  }
  i64_load8_s(offset = 0): this {
    return this.byte(0x30).byte(0).u32(offset);
  }
  i64_load8_u(offset = 0): this {
    return this.byte(0x31).byte(0).u32(offset);
  }
  i64_load16_s(offset = 0): this {
    return this.byte(0x32).byte(0).u32(offset);
  }
  i64_load16_u(offset = 0): this {
    return this.byte(0x33).byte(0).u32(offset);
  }
  i64_load32_s(offset = 0): this {
    return this.byte(0x34).byte(0).u32(offset);
  }
  i64_load32_u(offset = 0): this {
    return this.byte(0x35).byte(0).u32(offset);
  }
  i32_store(offset = 0): this {
    return this.byte(0x36).byte(0).u32(offset);
  }
  i64_store(offset = 0): this {
    return this.byte(0x37).byte(0).u32(offset);
  }
  f32_store(offset = 0): this {
    return this.byte(0x38).byte(0).u32(offset);
  }
  f64_store(offset = 0): this {
    return this.byte(0x39).byte(0).u32(offset);
  }
  i32_store8(offset = 0): this {
    return this.byte(0x3a).byte(0).u32(offset);
  }
  i32_store16(offset = 0): this {
    return this.byte(0x3b).byte(0).u32(offset);
  }
  i64_store8(offset = 0): this {
    return this.byte(0x3c).byte(0).u32(offset);
  }
  i64_store16(offset = 0): this {
    return this.byte(0x3d).byte(0).u32(offset);
  }
  i64_store32(offset = 0): this {
    return this.byte(0x3e).byte(0).u32(offset);
  }

  /** Traps on a misaligned address: check first. */
  i32_atomic_rmw_or(offset = 0): this {
    return this.byte(0xfe).byte(0x33).byte(2).u32(offset);
  }

  // Numeric instructions.
  i32_eqz(): this {
    return this.byte(0x45);
  }
  i32_eq(): this {
    return this.byte(0x46);
  }
  i32_ne(): this {
    return this.byte(0x47);
  }
  i32_lt_s(): this {
    return this.byte(0x48);
  }
  i32_lt_u(): this {
    return this.byte(0x49);
  }
  i32_gt_s(): this {
    return this.byte(0x4a);
  }
  i32_gt_u(): this {
    return this.byte(0x4b);
  }
  i32_le_s(): this {
    return this.byte(0x4c);
  }
  i32_le_u(): this {
    return this.byte(0x4d);
  }
  i32_ge_s(): this {
    return this.byte(0x4e);
  }
  i32_ge_u(): this {
    return this.byte(0x4f);
  }
  i64_eqz(): this {
    return this.byte(0x50);
  }
  i64_eq(): this {
    return this.byte(0x51);
  }
  i64_ne(): this {
    return this.byte(0x52);
  }
  i64_lt_s(): this {
    return this.byte(0x53);
  }
  i64_lt_u(): this {
    return this.byte(0x54);
  }
  i64_gt_s(): this {
    return this.byte(0x55);
  }
  i64_gt_u(): this {
    return this.byte(0x56);
  }
  i64_le_s(): this {
    return this.byte(0x57);
  }
  i64_le_u(): this {
    return this.byte(0x58);
  }
  i64_ge_s(): this {
    return this.byte(0x59);
  }
  i64_ge_u(): this {
    return this.byte(0x5a);
  }
  f32_eq(): this {
    return this.byte(0x5b);
  }
  f32_ne(): this {
    return this.byte(0x5c);
  }
  f32_lt(): this {
    return this.byte(0x5d);
  }
  f32_gt(): this {
    return this.byte(0x5e);
  }
  f32_le(): this {
    return this.byte(0x5f);
  }
  f32_ge(): this {
    return this.byte(0x60);
  }
  f64_eq(): this {
    return this.byte(0x61);
  }
  f64_ne(): this {
    return this.byte(0x62);
  }
  f64_lt(): this {
    return this.byte(0x63);
  }
  f64_gt(): this {
    return this.byte(0x64);
  }
  f64_le(): this {
    return this.byte(0x65);
  }
  f64_ge(): this {
    return this.byte(0x66);
  }
  i32_clz(): this {
    return this.byte(0x67);
  }
  i32_ctz(): this {
    return this.byte(0x68);
  }
  i32_popcnt(): this {
    return this.byte(0x69);
  }
  i32_add(): this {
    return this.byte(0x6a);
  }
  i32_sub(): this {
    return this.byte(0x6b);
  }
  i32_mul(): this {
    return this.byte(0x6c);
  }
  i32_div_s(): this {
    return this.byte(0x6d);
  }
  i32_div_u(): this {
    return this.byte(0x6e);
  }
  i32_rem_s(): this {
    return this.byte(0x6f);
  }
  i32_rem_u(): this {
    return this.byte(0x70);
  }
  i32_and(): this {
    return this.byte(0x71);
  }
  i32_or(): this {
    return this.byte(0x72);
  }
  i32_xor(): this {
    return this.byte(0x73);
  }
  i32_shl(): this {
    return this.byte(0x74);
  }
  i32_shr_s(): this {
    return this.byte(0x75);
  }
  i32_shr_u(): this {
    return this.byte(0x76);
  }
  i32_rotl(): this {
    return this.byte(0x77);
  }
  i32_rotr(): this {
    return this.byte(0x78);
  }
  i64_clz(): this {
    return this.byte(0x79);
  }
  i64_ctz(): this {
    return this.byte(0x7a);
  }
  i64_popcnt(): this {
    return this.byte(0x7b);
  }
  i64_add(): this {
    return this.byte(0x7c);
  }
  i64_sub(): this {
    return this.byte(0x7d);
  }
  i64_mul(): this {
    return this.byte(0x7e);
  }
  i64_div_s(): this {
    return this.byte(0x7f);
  }
  i64_div_u(): this {
    return this.byte(0x80);
  }
  i64_rem_s(): this {
    return this.byte(0x81);
  }
  i64_rem_u(): this {
    return this.byte(0x82);
  }
  i64_and(): this {
    return this.byte(0x83);
  }
  i64_or(): this {
    return this.byte(0x84);
  }
  i64_xor(): this {
    return this.byte(0x85);
  }
  i64_shl(): this {
    return this.byte(0x86);
  }
  i64_shr_s(): this {
    return this.byte(0x87);
  }
  i64_shr_u(): this {
    return this.byte(0x88);
  }
  i64_rotl(): this {
    return this.byte(0x89);
  }
  i64_rotr(): this {
    return this.byte(0x8a);
  }
  f32_abs(): this {
    return this.byte(0x8b);
  }
  f32_neg(): this {
    return this.byte(0x8c);
  }
  f32_ceil(): this {
    return this.byte(0x8d);
  }
  f32_floor(): this {
    return this.byte(0x8e);
  }
  f32_trunc(): this {
    return this.byte(0x8f);
  }
  f32_nearest(): this {
    return this.byte(0x90);
  }
  f32_sqrt(): this {
    return this.byte(0x91);
  }
  f32_add(): this {
    return this.byte(0x92);
  }
  f32_sub(): this {
    return this.byte(0x93);
  }
  f32_mul(): this {
    return this.byte(0x94);
  }
  f32_div(): this {
    return this.byte(0x95);
  }
  f32_min(): this {
    return this.byte(0x96);
  }
  f32_max(): this {
    return this.byte(0x97);
  }
  f32_copysign(): this {
    return this.byte(0x98);
  }
  f64_abs(): this {
    return this.byte(0x99);
  }
  f64_neg(): this {
    return this.byte(0x9a);
  }
  f64_ceil(): this {
    return this.byte(0x9b);
  }
  f64_floor(): this {
    return this.byte(0x9c);
  }
  f64_trunc(): this {
    return this.byte(0x9d);
  }
  f64_nearest(): this {
    return this.byte(0x9e);
  }
  f64_sqrt(): this {
    return this.byte(0x9f);
  }
  f64_add(): this {
    return this.byte(0xa0);
  }
  f64_sub(): this {
    return this.byte(0xa1);
  }
  f64_mul(): this {
    return this.byte(0xa2);
  }
  f64_div(): this {
    return this.byte(0xa3);
  }
  f64_min(): this {
    return this.byte(0xa4);
  }
  f64_max(): this {
    return this.byte(0xa5);
  }
  f64_copysign(): this {
    return this.byte(0xa6);
  }
  i32_wrap_i64(): this {
    return this.byte(0xa7);
  }
  i32_trunc_f32_s(): this {
    return this.byte(0xa8);
  }
  i32_trunc_f32_u(): this {
    return this.byte(0xa9);
  }
  i32_trunc_f64_s(): this {
    return this.byte(0xaa);
  }
  i32_trunc_f64_u(): this {
    return this.byte(0xab);
  }
  i64_extend_i32_s(): this {
    return this.byte(0xac);
  }
  i64_extend_i32_u(): this {
    return this.byte(0xad);
  }
  i64_trunc_f32_s(): this {
    return this.byte(0xae);
  }
  i64_trunc_f32_u(): this {
    return this.byte(0xaf);
  }
  i64_trunc_f64_s(): this {
    return this.byte(0xb0);
  }
  i64_trunc_f64_u(): this {
    return this.byte(0xb1);
  }
  f32_convert_i32_s(): this {
    return this.byte(0xb2);
  }
  f32_convert_i32_u(): this {
    return this.byte(0xb3);
  }
  f32_convert_i64_s(): this {
    return this.byte(0xb4);
  }
  f32_convert_i64_u(): this {
    return this.byte(0xb5);
  }
  f32_demote_f64(): this {
    return this.byte(0xb6);
  }
  f64_convert_i32_s(): this {
    return this.byte(0xb7);
  }
  f64_convert_i32_u(): this {
    return this.byte(0xb8);
  }
  f64_convert_i64_s(): this {
    return this.byte(0xb9);
  }
  f64_convert_i64_u(): this {
    return this.byte(0xba);
  }
  f64_promote_f32(): this {
    return this.byte(0xbb);
  }
  i32_reinterpret_f32(): this {
    return this.byte(0xbc);
  }
  i64_reinterpret_f64(): this {
    return this.byte(0xbd);
  }
  f32_reinterpret_i32(): this {
    return this.byte(0xbe);
  }
  f64_reinterpret_i64(): this {
    return this.byte(0xbf);
  }
  i32_extend8_s(): this {
    return this.byte(0xc0);
  }
  i32_extend16_s(): this {
    return this.byte(0xc1);
  }
  i64_extend8_s(): this {
    return this.byte(0xc2);
  }
  i64_extend16_s(): this {
    return this.byte(0xc3);
  }
  i64_extend32_s(): this {
    return this.byte(0xc4);
  }
  i32_trunc_sat_f32_s(): this {
    return this.byte(0xfc).byte(0);
  }
  i32_trunc_sat_f32_u(): this {
    return this.byte(0xfc).byte(1);
  }
  i32_trunc_sat_f64_s(): this {
    return this.byte(0xfc).byte(2);
  }
  i32_trunc_sat_f64_u(): this {
    return this.byte(0xfc).byte(3);
  }
  i64_trunc_sat_f32_s(): this {
    return this.byte(0xfc).byte(4);
  }
  i64_trunc_sat_f32_u(): this {
    return this.byte(0xfc).byte(5);
  }
  i64_trunc_sat_f64_s(): this {
    return this.byte(0xfc).byte(6);
  }
  i64_trunc_sat_f64_u(): this {
    return this.byte(0xfc).byte(7);
  }
}
