/**
 * A module and what its regions were made of, as bytes. Little-endian:
 *
 *   u32 regions, u32 imports, u32 length of the module
 *   each import: u8 length, name
 *   each region: f64 entry, u8 hopes, u16 inner loops, u16 spans
 *     each inner loop: f64 where it begins; each span: f64 va, u32 length, code
 *   the module
 */
import type { Span } from "./code.ts";
import type { Unlinked } from "./compile.ts";
import type { Hope } from "./region.ts";

export interface RegionSource {
  readonly entry: number;
  readonly hope: Hope;
  /** Where its loops begin that lie in others. */
  readonly innerLoops: readonly number[];
  readonly spans: readonly Span[];
}

export interface ModuleRecord {
  readonly module: Unlinked;
  readonly regions: readonly RegionSource[];
}

const HOPES_FOR_ARITHMETIC = 1;
const HOPES_FOR_HITS = 2;
/** Bytes of a region before its lists. */
const REGION_HEAD = 13;

export function encodeRecord({ module, regions }: ModuleRecord): Uint8Array {
  let size = 12 + module.bytes.length;
  for (const name of module.imports) size += 1 + name.length;
  for (const r of regions) {
    size += REGION_HEAD + r.innerLoops.length * 8;
    for (const s of r.spans) size += 12 + s.code.length;
  }
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setUint32(0, regions.length, true);
  view.setUint32(4, module.imports.length, true);
  view.setUint32(8, module.bytes.length, true);
  let at = 12;
  for (const name of module.imports) {
    out[at++] = name.length;
    for (let i = 0; i < name.length; i++) out[at++] = name.charCodeAt(i);
  }
  for (const { entry, hope, innerLoops, spans } of regions) {
    view.setFloat64(at, entry, true);
    out[at + 8] = (hope.arithmetic ? HOPES_FOR_ARITHMETIC : 0) | (hope.hits ? HOPES_FOR_HITS : 0);
    view.setUint16(at + 9, innerLoops.length, true);
    view.setUint16(at + 11, spans.length, true);
    at += REGION_HEAD;
    for (const pc of innerLoops) {
      view.setFloat64(at, pc, true);
      at += 8;
    }
    for (const { va, code } of spans) {
      view.setFloat64(at, va, true);
      view.setUint32(at + 8, code.length, true);
      out.set(code, at + 12);
      at += 12 + code.length;
    }
  }
  out.set(module.bytes, at);
  return out;
}

/** Throws a RangeError if the bytes are no record. */
export function decodeRecord(bytes: Uint8Array<ArrayBuffer>): ModuleRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 12;
  const imports = Array.from({ length: view.getUint32(4, true) }, () => {
    const start = at + 1;
    at = start + view.getUint8(at);
    return String.fromCharCode(...bytes.subarray(start, at));
  });
  const regions = Array.from({ length: view.getUint32(0, true) }, () => {
    const entry = view.getFloat64(at, true);
    const hopes = view.getUint8(at + 8);
    const loopCount = view.getUint16(at + 9, true);
    const spanCount = view.getUint16(at + 11, true);
    at += REGION_HEAD;
    const innerLoops = Array.from({ length: loopCount }, (_, i) =>
      view.getFloat64(at + i * 8, true),
    );
    at += loopCount * 8;
    const spans = Array.from({ length: spanCount }, () => {
      const va = view.getFloat64(at, true);
      const start = at + 12;
      at = start + view.getUint32(at + 8, true);
      return { va, code: bytes.subarray(start, at) };
    });
    const hope = {
      arithmetic: (hopes & HOPES_FOR_ARITHMETIC) !== 0,
      hits: (hopes & HOPES_FOR_HITS) !== 0,
    };
    return { entry, hope, innerLoops, spans };
  });
  return { module: { bytes: bytes.subarray(at, at + view.getUint32(8, true)), imports }, regions };
}
