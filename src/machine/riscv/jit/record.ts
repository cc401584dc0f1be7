/**
 * A region as bytes: its function, and what it was made of. Little-endian:
 *
 *   u32 length of all that follows, a multiple of 4, and u32 sum of it
 *   f64 entry, u8 hopes, u8 symbols, u16 inner loops, u16 spans, u16 references, u32 accesses away, u32 hints,
 *   u32 length of the code
 *   each inner loop: f64 where it begins
 *   each access away: i32 bytes from the entry
 *   each span: f64 va, u32 length, code
 *   each symbol: u8 length, name, u8 parameters, types, u8 results, types
 *   each reference: u32 where, u8 symbol or SELF
 *   each hint: u32; the code
 *
 * Records lie one after the other.
 */
import { wordSum } from "../../../lib/wordsum.ts";
import type { ValType } from "../../wasm/asm.ts";
import type { FuncCode, FuncSymbol } from "../../wasm/funccode.ts";
import type { Span } from "./code.ts";
import type { Hope } from "./region.ts";

/** Bytes before what has a sum. */
export const RECORD_HEAD = 8;
/** Bytes of the rest before its lists. */
const BODY_HEAD = 28;
/** A record that has less is none. */
export const MIN_RECORD_BYTES = RECORD_HEAD + BODY_HEAD;
const HOPES_FOR_ARITHMETIC = 1;
const HOPES_FOR_HITS = 2;
const SELF = 0xff;

export interface RegionRecord {
  readonly entry: number;
  readonly hope: Hope;
  /** Where its loops begin that lie in others. */
  readonly innerLoops: readonly number[];
  /** Accesses that do not hope for home: see away.ts. */
  readonly aways: readonly number[];
  readonly spans: readonly Span[];
  readonly code: FuncCode;
}

export function encodeRecord(record: RegionRecord): Uint8Array {
  const { entry, hope, innerLoops, aways, spans, code } = record;
  const symbols = new Map<string, FuncSymbol>();
  for (const { to } of code.refs) if (to) symbols.set(to.name, to);
  let size = RECORD_HEAD + BODY_HEAD + innerLoops.length * 8 + code.refs.length * 5;
  size += (aways.length + code.hints.length) * 4 + code.bytes.length;
  for (const s of spans) size += 12 + s.code.length;
  for (const [name, s] of symbols) size += 3 + name.length + s.params.length + s.results.length;
  // Whole words: sums of such are fast.
  size = (size + 3) & ~3;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  let at = RECORD_HEAD;
  view.setFloat64(at, entry, true);
  out[at + 8] = (hope.arithmetic ? HOPES_FOR_ARITHMETIC : 0) | (hope.hits ? HOPES_FOR_HITS : 0);
  out[at + 9] = symbols.size;
  view.setUint16(at + 10, innerLoops.length, true);
  view.setUint16(at + 12, spans.length, true);
  view.setUint16(at + 14, code.refs.length, true);
  view.setUint32(at + 16, aways.length, true);
  view.setUint32(at + 20, code.hints.length, true);
  view.setUint32(at + 24, code.bytes.length, true);
  at += BODY_HEAD;
  for (const pc of innerLoops) {
    view.setFloat64(at, pc, true);
    at += 8;
  }
  for (const pc of aways) {
    view.setInt32(at, pc - entry, true);
    at += 4;
  }
  for (const s of spans) {
    view.setFloat64(at, s.va, true);
    view.setUint32(at + 8, s.code.length, true);
    out.set(s.code, at + 12);
    at += 12 + s.code.length;
  }
  for (const [name, { params, results }] of symbols) {
    out[at++] = name.length;
    for (let i = 0; i < name.length; i++) out[at++] = name.charCodeAt(i);
    for (const types of [params, results]) {
      out[at++] = types.length;
      out.set(types, at);
      at += types.length;
    }
  }
  const names = [...symbols.keys()];
  for (const ref of code.refs) {
    view.setUint32(at, ref.at, true);
    out[at + 4] = ref.to ? names.indexOf(ref.to.name) : SELF;
    at += 5;
  }
  for (const hint of code.hints) {
    view.setUint32(at, hint, true);
    at += 4;
  }
  out.set(code.bytes, at);
  view.setUint32(0, size - RECORD_HEAD, true);
  view.setUint32(4, wordSum(out.subarray(RECORD_HEAD)), true);
  return out;
}

/** Bytes of the record that begins at `at`, its head included. Throws a RangeError if its head is not there. */
export function recordBytes(bytes: Uint8Array<ArrayBuffer>, at: number): number {
  return RECORD_HEAD + new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true);
}

/** Where the region of a record begins. */
export const entryOf = (bytes: Uint8Array<ArrayBuffer>): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getFloat64(RECORD_HEAD, true);

/** What is in the record that these bytes are, as views of them. Throws a RangeError if they are none, or damaged. */
export function decodeRecord(bytes: Uint8Array<ArrayBuffer>): RegionRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (wordSum(bytes.subarray(RECORD_HEAD)) !== view.getUint32(4, true)) {
    throw new RangeError("damaged record");
  }
  let at = RECORD_HEAD;
  const entry = view.getFloat64(at, true);
  const hopes = view.getUint8(at + 8);
  const symbolCount = view.getUint8(at + 9);
  const loopCount = view.getUint16(at + 10, true);
  const spanCount = view.getUint16(at + 12, true);
  const refCount = view.getUint16(at + 14, true);
  const awayCount = view.getUint32(at + 16, true);
  const hintCount = view.getUint32(at + 20, true);
  const codeBytes = view.getUint32(at + 24, true);
  at += BODY_HEAD;
  const innerLoops: number[] = [];
  for (let i = 0; i < loopCount; i++, at += 8) innerLoops.push(view.getFloat64(at, true));
  const aways: number[] = [];
  for (let i = 0; i < awayCount; i++, at += 4) aways.push(entry + view.getInt32(at, true));
  const spans: Span[] = [];
  for (let i = 0; i < spanCount; i++) {
    const end = at + 12 + view.getUint32(at + 8, true);
    spans.push({ va: view.getFloat64(at, true), code: bytes.subarray(at + 12, end) });
    at = end;
  }
  const take = (): Uint8Array => {
    const start = at + 1;
    at = start + view.getUint8(at);
    return bytes.subarray(start, at);
  };
  const symbols: FuncSymbol[] = [];
  for (let i = 0; i < symbolCount; i++) {
    const name = String.fromCharCode(...take());
    // What no module can have WebAssembly refuses.
    symbols.push({ name, params: [...take()] as ValType[], results: [...take()] as ValType[] });
  }
  const refs: FuncCode["refs"][number][] = [];
  for (let i = 0; i < refCount; i++, at += 5) {
    const symbol = view.getUint8(at + 4);
    const to = symbol === SELF ? null : symbols[symbol];
    if (to === undefined) throw new RangeError("no such symbol");
    refs.push({ at: view.getUint32(at, true), to });
  }
  const hints: number[] = [];
  for (let i = 0; i < hintCount; i++, at += 4) hints.push(view.getUint32(at, true));
  const hope = {
    arithmetic: (hopes & HOPES_FOR_ARITHMETIC) !== 0,
    hits: (hopes & HOPES_FOR_HITS) !== 0,
  };
  const code = { bytes: bytes.subarray(at, at + codeBytes), hints, refs };
  return { entry, hope, innerLoops, aways, spans, code };
}
