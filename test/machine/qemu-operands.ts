/**
 * Operands worth trying: the special values of every type, and random ones that sit
 * where rounding, overflow, underflow and cancellation happen.
 */

/** A small reproducible generator (xorshift64*). */
export class Random {
  #state: bigint;

  constructor(seed: number) {
    this.#state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  }

  bits64(): bigint {
    let x = this.#state;
    x ^= x >> 12n;
    x ^= BigInt.asUintN(64, x << 25n);
    x ^= x >> 27n;
    this.#state = x;
    return BigInt.asUintN(64, x * 0x2545f4914f6cdd1dn);
  }

  below(n: number): number {
    return Number((this.bits64() >> 20n) % BigInt(n));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

export const INTEGER_SPECIALS: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  7n,
  31n,
  32n,
  33n,
  63n,
  64n,
  65n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0x8000_0001n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x1234_5678_9abc_def0n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x8000_0000_0000_0001n,
  0xffff_ffff_7fff_ffffn,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
];

export function randomInteger(r: Random): bigint {
  switch (r.below(4)) {
    case 0:
      return r.pick(INTEGER_SPECIALS);
    case 1:
      return BigInt.asUintN(64, BigInt.asIntN(64, r.bits64()) >> BigInt(r.below(64)));
    case 2:
      return BigInt.asUintN(64, BigInt.asIntN(32, r.bits64()));
    default:
      return r.bits64();
  }
}

interface Shape {
  width: number;
  fraction: number;
  bias: number;
}
const SINGLE: Shape = { width: 32, fraction: 23, bias: 127 };
const DOUBLE: Shape = { width: 64, fraction: 52, bias: 1023 };

export type Tuple = readonly [bigint, bigint, bigint];

/** Operand triples of doubles, as register contents. */
export function doubleTuples(r: Random, count: number): Tuple[] {
  return tuples(r, DOUBLE, count);
}

/** Operand triples of NaN-boxed singles, some badly boxed. */
export function singleTuples(r: Random, count: number): Tuple[] {
  const boxed = (x: bigint): bigint => 0xffff_ffff_0000_0000n | x;
  return tuples(r, SINGLE, count).map(([a, b, c]): Tuple => {
    if (r.below(24) !== 0) return [boxed(a), boxed(b), boxed(c)];
    const broken = (r.bits64() >> 32n) << 32n;
    return r.below(2) === 0 ? [broken | a, boxed(b), boxed(c)] : [boxed(a), broken | b, broken | c];
  });
}

function specials(s: Shape): bigint[] {
  const sign = 1n << BigInt(s.width - 1);
  const one = BigInt(s.bias) << BigInt(s.fraction);
  const infinity = BigInt(2 * s.bias + 1) << BigInt(s.fraction);
  const quiet = 1n << BigInt(s.fraction - 1);
  const minNormal = 1n << BigInt(s.fraction);
  const positive = [
    0n,
    1n,
    2n,
    minNormal >> 1n,
    minNormal - 1n,
    minNormal,
    minNormal + 1n,
    one - 1n,
    one,
    one + 1n,
    one + (1n << BigInt(s.fraction - 1)),
    one + (1n << BigInt(s.fraction)),
    infinity - 1n,
    infinity,
    infinity + 1n,
    infinity | quiet,
    infinity | quiet | 5n,
  ];
  return [...positive, ...positive.map((x) => x | sign)];
}

/** Around each power of two that bounds an integer type, and around halves. */
function conversionEdges(s: Shape): bigint[] {
  const edges: bigint[] = [];
  for (const exp of [-2, -1, 0, 1, 7, 15, 23, 30, 31, 32, 52, 53, 62, 63, 64]) {
    const base = BigInt(s.bias + exp) << BigInt(s.fraction);
    for (const delta of [-2n, -1n, 0n, 1n, 2n]) edges.push(base + delta);
    const half = BigInt(s.fraction - exp - 1);
    if (half >= 0n && half < BigInt(s.fraction)) {
      edges.push(base + (1n << half), base - (1n << half), base + (3n << half));
    }
  }
  const sign = 1n << BigInt(s.width - 1);
  return [...edges, ...edges.map((x) => x | sign)];
}

function tuples(r: Random, s: Shape, count: number): Tuple[] {
  const special = specials(s);
  const all: Tuple[] = [];
  for (const a of special) for (const b of special) all.push([a, b, r.pick(special)]);
  for (const a of conversionEdges(s)) all.push([a, randomFloat(r, s), randomFloat(r, s)]);
  while (all.length < count) all.push(randomTuple(r, s, special));
  return all;
}

function randomTuple(r: Random, s: Shape, special: bigint[]): Tuple {
  const any = (): bigint => (r.below(6) === 0 ? r.pick(special) : randomFloat(r, s));
  const a = any();
  switch (r.below(5)) {
    case 0:
      return [a, any(), any()];
    case 1: // exponents whose sum is near underflow or overflow
    case 2: {
      const mask = (1n << BigInt(s.width - 1 - s.fraction)) - 1n;
      const expA = Number((a >> BigInt(s.fraction)) & mask);
      const target = r.below(2) === 0 ? 1 : 2 * s.bias + 1;
      const expB = target + s.bias - expA + r.below(8) - 4 - (r.below(2) === 0 ? r.below(60) : 0);
      const expC = target + r.below(5) - 2;
      return [a, withExponent(r, s, expB), withExponent(r, s, expC)];
    }
    case 3: // nearly equal or opposite
      return [a, a ^ (r.bits64() & 3n) ^ signOf(r, s), any()];
    default: // c near -(a * b)
      return productTuple(r, s);
  }
}

function productTuple(r: Random, s: Shape): Tuple {
  const near = (): bigint => withExponent(r, s, s.bias + r.below(40) - 20);
  const a = near();
  const b = near();
  const view = new DataView(new ArrayBuffer(8));
  const read = (x: bigint): number => {
    if (s.width === 32) view.setUint32(0, Number(x));
    else view.setBigUint64(0, x);
    return s.width === 32 ? view.getFloat32(0) : view.getFloat64(0);
  };
  const product = -(read(a) * read(b));
  if (s.width === 32) view.setFloat32(0, product);
  else view.setFloat64(0, product);
  const c = s.width === 32 ? BigInt(view.getUint32(0)) : view.getBigUint64(0);
  return [a, b, c ^ (r.below(2) === 0 ? 0n : r.bits64() & 3n)];
}

function signOf(r: Random, s: Shape): bigint {
  return r.below(2) === 0 ? 0n : 1n << BigInt(s.width - 1);
}

function withExponent(r: Random, s: Shape, biased: number): bigint {
  const exp = Math.max(0, Math.min(2 * s.bias, biased));
  return signOf(r, s) | (BigInt(exp) << BigInt(s.fraction)) | randomFraction(r, s);
}

/** All bits random, or few bits set (for ties), or all ones up to the last few. */
function randomFraction(r: Random, s: Shape): bigint {
  const mask = (1n << BigInt(s.fraction)) - 1n;
  switch (r.below(4)) {
    case 0:
      return (1n << BigInt(r.below(s.fraction))) | (1n << BigInt(r.below(s.fraction)));
    case 1:
      return mask ^ (r.bits64() & 3n);
    case 2:
      return r.bits64() & mask & ~((1n << BigInt(s.fraction >> 1)) - 1n);
    default:
      return r.bits64() & mask;
  }
}

function randomFloat(r: Random, s: Shape): bigint {
  switch (r.below(4)) {
    case 0:
      return r.bits64() & ((1n << BigInt(s.width)) - 1n);
    case 1:
      return withExponent(r, s, r.below(3) === 0 ? r.below(60) : s.bias + r.below(2 * s.fraction));
    default:
      return withExponent(r, s, s.bias + r.below(20) - 10);
  }
}
