/**
 * Loads of what was just stored in pieces: store-to-load forwarding, as registers have all that is needed.
 *
 * Compilers for RV64GC, whose unaligned accesses may be slow, copy four or eight bytes from anywhere into a variable on the stack byte by byte, and
 * load that: hashes, compressors and interpreters are full of it. Processors hand one store on to a load before it is in their
 * cache, but not several, for which a load waits some 12 cycles. So the value is put together from the registers
 * that were stored. Where one register says where to store and another where to load from, the addresses are compared first.
 *
 * Nothing else may have stored in between, and the registers have to be as they were; all of it is in one block. The stores are done as ever, and found
 * the page: one that may be written may be read (PTE_W without PTE_R is no RISC-V).
 */
import { I32, I64 } from "../../wasm/asm.ts";
import { type Op, rdOf, rs1Of, rs2Of } from "./graph.ts";
import type { RegEmit } from "./regemit.ts";
import { readsOf, writesOf } from "./regs.ts";
import { kindOf } from "./widths.ts";

/** A part of what a load finds, in a register. */
interface Piece {
  readonly register: number;
  readonly bytes: number;
  /** How far behind the first byte of the load. */
  readonly at: number;
  /** The register has nothing but these bytes. */
  readonly isAll: boolean;
}

/** Where the bytes of a load are, if not only in memory. */
export interface Stored {
  /** By place, without gaps. */
  readonly pieces: readonly Piece[];
  /** Where they were stored: an offset to a register that has not changed since. */
  readonly base: number;
  readonly offset: number;
}

/** A store whose registers are as they were. */
interface Store {
  readonly op: Op;
  readonly isAll: boolean;
}

/** Instructions from the last store to a load by another register: farther, it hardly waits. */
const MAX_DISTANCE = 8;
/** Stores that are remembered: two numbers of eight pieces. */
const MAX_STORES = 16;

const STORES: ReadonlySet<string> = new Set(["sb", "sh", "sw", "sd"]);
const LOADS: ReadonlySet<string> = new Set(["lh", "lhu", "lw", "lwu", "ld"]);
/** Bytes that a load leaves in rd, above which there are zeroes. */
const ZERO_ABOVE: ReadonlyMap<string, number> = new Map([
  ["lbu", 1],
  ["lhu", 2],
]);

/** Notes of a block's loads which of them find what was just stored in pieces. */
export function forward(ops: Op[]): void {
  /** All to one register's addresses, and to different ones, the last one last. */
  let stores: Store[] = [];
  const bytesIn = new Map<number, number>();
  let since = 0;
  ops.forEach((op, k) => {
    since++;
    if (LOADS.has(op.insn.name) && stores.length > 1) {
      const stored = piecesFor(op, stores, since);
      if (stored) ops[k] = { ...op, stored };
    }
    if (op.traits.stores) {
      const isKnown = STORES.has(op.insn.name) && !op.guard;
      const store = { op, isAll: (bytesIn.get(rs2Of(op)) ?? 8) <= op.traits.accessBytes };
      const others = stores.filter((s) => !mayOverlap(s.op, op)).slice(1 - MAX_STORES);
      stores = isKnown ? [...others, store] : [];
      since = 0;
    }
    const written = writesOf(op).x;
    if (written === 0) return;
    stores = stores.filter((s) => (readsOf(s.op).x & written) === 0);
    bytesIn.set(rdOf(op), ZERO_ABOVE.get(op.insn.name) ?? 8);
  });
}

/** True if two stores may be to the same place, as far as their instructions tell. */
const mayOverlap = (a: Op, b: Op): boolean =>
  rs1Of(a) !== rs1Of(b) ||
  (a.imm < b.imm + b.traits.accessBytes && b.imm < a.imm + a.traits.accessBytes);

/** The stores that make up what `load` finds. */
function piecesFor(load: Op, stores: readonly Store[], since: number): Stored | undefined {
  const bytes = load.traits.accessBytes;
  const base = rs1Of(stores[0]!.op);
  if (base === rs1Of(load)) {
    return stored(
      stores.filter(({ op }) => isWithin(op, load.imm, bytes)),
      base,
      load.imm,
      bytes,
    );
  }
  if (since > MAX_DISTANCE) return undefined;
  // As many of the last ones as have so many bytes.
  let left = bytes;
  let first = stores.length;
  while (left > 0 && first > 0) left -= stores[--first]!.op.traits.accessBytes;
  const last = stores.slice(first);
  return stored(last, base, Math.min(...last.map(({ op }) => op.imm)), bytes);
}

const isWithin = (op: Op, from: number, bytes: number): boolean =>
  op.imm >= from && op.imm + op.traits.accessBytes <= from + bytes;

/** These stores as pieces of `bytes` at `offset` to `base`, if they are that, and in their places as in a number. */
function stored(
  stores: readonly Store[],
  base: number,
  offset: number,
  bytes: number,
): Stored | undefined {
  if (stores.length < 2) return undefined;
  const pieces = stores.map(({ op, isAll }) => ({
    register: rs2Of(op),
    bytes: op.traits.accessBytes,
    at: op.imm - offset,
    isAll,
  }));
  pieces.sort((a, b) => a.at - b.at);
  let end = 0;
  for (const piece of pieces) {
    if (piece.at !== end || piece.at % piece.bytes !== 0) return undefined;
    end += piece.bytes;
  }
  return end === bytes ? { pieces, base, offset } : undefined;
}

/**
 * Pushes what the current load of `bytes` finds, if that is in registers: else, where that shows when the code runs, what `load` pushes of the physical
 * address on the stack, which is taken in any case. i32 if the load has no more than that.
 */
export function pushStored(e: RegEmit, found: Stored, bytes: number, load: () => void): void {
  const { op } = e;
  if (found.base === rs1Of(op)) {
    e.drop();
    push(e, found, bytes);
    return;
  }
  const pa = e.temp(I32);
  e.local_set(pa);
  e.x(rs1Of(op));
  e.i64_const(op.imm - found.offset).i64_add();
  e.x(found.base)
    .i64_eq()
    .likely()
    .if_(kindOf(op) === "load" ? I32 : I64);
  push(e, found, bytes);
  e.else_().local_get(pa);
  load();
  e.end();
}

/** Pushes the value that the pieces are. */
function push(e: RegEmit, { pieces }: Stored, bytes: number): void {
  const { name } = e.op.insn;
  if (bytes === 8) {
    pushWord(e, pieces, 4).i64_extend_i32_u().i64_const(32).i64_shl();
    pushWord(e, pieces, 0).i64_extend_i32_u().i64_or();
    return;
  }
  pushWord(e, pieces, 0);
  if (name === "lh") e.i32_extend16_s();
  if (name === "lwu") e.i64_extend_i32_u();
}

/** Pushes those of the pieces that make up the 32 bits from byte `from` on, if there are so many. */
function pushWord(e: RegEmit, pieces: readonly Piece[], from: number): RegEmit {
  const some = pieces.filter(({ at }) => at >= from && at < from + 4);
  some.forEach(({ register, bytes, at, isAll }, i) => {
    const shift = 8 * (at - from);
    e.word(register);
    if (!isAll && shift + 8 * bytes < 32) e.i32_const(2 ** (8 * bytes) - 1).i32_and();
    if (shift > 0) e.i32_const(shift).i32_shl();
    if (i > 0) e.i32_or();
  });
  return e;
}
