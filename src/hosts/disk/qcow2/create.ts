/**
 * A new qcow2 image: version 3, all of it a hole. What comes out is the whole
 * file; its length in clusters is what the refcounts count.
 */
import { setBe64 } from "./be64.ts";
import { EXT_BACKING_FORMAT, EXT_END, QCOW2_MAGIC } from "./header.ts";

const CLUSTER_BITS = 16;
const CLUSTER = 2 ** CLUSTER_BITS;
const HEADER_BYTES = 112;
const REFCOUNT_ORDER = 4;
/** Where things are, in clusters. */
const REFTABLE = 1;
const REFBLOCK = 2;
const L1 = 3;

export interface NewQcow2 {
  readonly sizeBytes: number;
  /** "" for an image that stands alone. */
  readonly backingName: string;
  readonly backingFormat: "" | "raw" | "qcow2";
}

export function newQcow2({ sizeBytes, backingName, backingFormat }: NewQcow2): Uint8Array {
  const l1Size = Math.max(1, Math.ceil(sizeBytes / (CLUSTER * (CLUSTER / 8))));
  const l1Clusters = Math.ceil((l1Size * 8) / CLUSTER);
  const bytes = new Uint8Array((L1 + l1Clusters) * CLUSTER);
  const view = new DataView(bytes.buffer);
  const name = new TextEncoder().encode(backingName);
  view.setUint32(0, QCOW2_MAGIC);
  view.setUint32(4, 3);
  view.setUint32(20, CLUSTER_BITS);
  setBe64(view, 24, sizeBytes);
  view.setUint32(36, l1Size);
  setBe64(view, 40, L1 * CLUSTER);
  setBe64(view, 48, REFTABLE * CLUSTER);
  view.setUint32(56, 1);
  view.setUint32(96, REFCOUNT_ORDER);
  view.setUint32(100, HEADER_BYTES);
  let at = HEADER_BYTES;
  if (backingFormat) {
    view.setUint32(at, EXT_BACKING_FORMAT);
    view.setUint32(at + 4, backingFormat.length);
    bytes.set(new TextEncoder().encode(backingFormat), at + 8);
    at += 16;
  }
  view.setUint32(at, EXT_END);
  at += 8;
  if (name.length > 0) {
    setBe64(view, 8, at);
    view.setUint32(16, name.length);
    bytes.set(name, at);
  }
  setBe64(view, REFTABLE * CLUSTER, REFBLOCK * CLUSTER);
  for (let c = 0; c < L1 + l1Clusters; c++) view.setUint16(REFBLOCK * CLUSTER + c * 2, 1);
  return bytes;
}
