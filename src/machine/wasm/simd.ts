/**
 * Vector instructions by their numbers behind the prefix 0xfd, those that are used here.
 *
 * Source: WebAssembly core specification §5.4.9; relaxed SIMD proposal.
 */
export const I64X2_SPLAT = 0x12;
export const F32X4_SPLAT = 0x13;
export const F64X2_SPLAT = 0x14;
export const I32X4_EXTRACT_LANE = 0x1b;
export const I64X2_EXTRACT_LANE = 0x1d;
export const F32X4_EXTRACT_LANE = 0x1f;
export const F64X2_EXTRACT_LANE = 0x21;
export const V128_OR = 0x50;
export const F32X4_NEG = 0xe1;
export const F64X2_ABS = 0xec;
export const F64X2_NEG = 0xed;
export const F64X2_SQRT = 0xef;
export const F64X2_ADD = 0xf0;
export const F64X2_SUB = 0xf1;
export const F64X2_MUL = 0xf2;
export const F64X2_DIV = 0xf3;
export const F32X4_RELAXED_MADD = 0x105;
export const F32X4_RELAXED_NMADD = 0x106;
export const F64X2_RELAXED_MADD = 0x107;
export const F64X2_RELAXED_NMADD = 0x108;
