/**
 * Field descriptors: a C struct declared once, as data.
 *
 * `struct({...})` lays the fields out as the riscv64 (LP64, little-endian)
 * C ABI does; each becomes a descriptor with `get(view, base)` and
 * `set(view, base, value)`, which V8 inlines to a plain DataView access.
 * 64-bit fields are JavaScript numbers, exact to 2^53; storing a negative
 * number stores its two's complement. Use on unshared scratch buffers
 * (DataView over shared memory is several times slower).
 */
import { wide } from "./wide.ts";

/** How one scalar is stored. `T` is number, or Uint8Array for byte arrays. */
export interface Scalar<T> {
  readonly size: number;
  readonly align: number;
  get(view: DataView, at: number): T;
  set(view: DataView, at: number, value: T): void;
}

export interface Field<T> {
  readonly offset: number;
  readonly size: number;
  get(view: DataView, base: number): T;
  set(view: DataView, base: number, value: T): void;
}

type Shape = Readonly<Record<string, Scalar<number> | Scalar<Uint8Array>>>;
type ValueOf<S> = S extends Scalar<infer T> ? T : never;

export type Struct<S extends Shape> = { readonly [K in keyof S]: Field<ValueOf<S[K]>> } & {
  /** Size in bytes, tail padding included. */
  readonly sizeof: number;
};

const TWO32 = 4294967296;

const scalar = (
  size: number,
  get: (view: DataView, at: number) => number,
  set: (view: DataView, at: number, value: number) => void,
): Scalar<number> => ({ size, align: size, get, set });

export const u8 = scalar(
  1,
  (v, a) => v.getUint8(a),
  (v, a, n) => v.setUint8(a, n),
);
export const i8 = scalar(
  1,
  (v, a) => v.getInt8(a),
  (v, a, n) => v.setInt8(a, n),
);
export const u16 = scalar(
  2,
  (v, a) => v.getUint16(a, true),
  (v, a, n) => v.setUint16(a, n, true),
);
export const i16 = scalar(
  2,
  (v, a) => v.getInt16(a, true),
  (v, a, n) => v.setInt16(a, n, true),
);
export const u32 = scalar(
  4,
  (v, a) => v.getUint32(a, true),
  (v, a, n) => v.setUint32(a, n, true),
);
export const i32 = scalar(
  4,
  (v, a) => v.getInt32(a, true),
  (v, a, n) => v.setInt32(a, n, true),
);
export const u64 = scalar(
  8,
  (v, a) => wide(v.getUint32(a + 4, true), v.getUint32(a, true)),
  setLong,
);
export const i64 = scalar(
  8,
  (v, a) => wide(v.getInt32(a + 4, true), v.getUint32(a, true)),
  setLong,
);
/** Big-endian scalars: network headers, some disk formats. */
export const be16 = scalar(
  2,
  (v, a) => v.getUint16(a),
  (v, a, n) => v.setUint16(a, n),
);
export const be32 = scalar(
  4,
  (v, a) => v.getUint32(a),
  (v, a, n) => v.setUint32(a, n),
);

/** `count` bytes in place; `get` is a window on the view's buffer, not a copy. */
export function bytes(count: number): Scalar<Uint8Array> {
  return {
    size: count,
    align: 1,
    get: (v, a) => new Uint8Array(v.buffer, v.byteOffset + a, count),
    set: (v, a, value) => new Uint8Array(v.buffer, v.byteOffset + a, count).set(value),
  };
}

export function struct<const S extends Shape>(shape: S): Struct<S> {
  const out: Record<string, unknown> = {};
  let offset = 0;
  let align = 1;
  for (const [name, type] of Object.entries(shape)) {
    offset = roundUp(offset, type.align);
    out[name] = field(type as Scalar<number>, offset);
    offset += type.size;
    align = Math.max(align, type.align);
  }
  out["sizeof"] = roundUp(offset, align);
  return out as Struct<S>;
}

function field<T>(type: Scalar<T>, offset: number): Field<T> {
  return {
    offset,
    size: type.size,
    get: (view, base) => type.get(view, base + offset),
    set: (view, base, value) => type.set(view, base + offset, value),
  };
}

function setLong(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setInt32(at + 4, (value | 0) === value ? value >> 31 : Math.floor(value / TWO32), true);
}

function roundUp(n: number, to: number): number {
  return Math.ceil(n / to) * to;
}
