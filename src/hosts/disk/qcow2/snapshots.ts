/**
 * The table of internal snapshots: kept as it is; read to know what it and its
 * L1 tables occupy.
 */
import { DiskImageError, type ImageFile } from "../imagefile.ts";
import { be64 } from "./be64.ts";
import type { Qcow2Header } from "./header.ts";

const HEAD_BYTES = 40;
const MAX_TABLE_BYTES = 64 << 20;
const MAX_L1_ENTRIES = (32 << 20) / 8;

export interface SnapshotTable {
  readonly lengthBytes: number;
  readonly l1Tables: readonly { readonly offset: number; readonly entries: number }[];
}

export function readSnapshots(file: ImageFile, header: Qcow2Header): SnapshotTable {
  const l1Tables: { offset: number; entries: number }[] = [];
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  let at = header.snapshotsOffset;
  for (let i = 0; i < header.snapshotCount; i++) {
    if (file.read(at, head) < 0) throw new DiskImageError("cannot be read");
    const offset = be64(view, 0);
    const entries = view.getUint32(8);
    if (offset % 2 ** header.clusterBits !== 0 || entries > MAX_L1_ENTRIES) {
      throw new DiskImageError("a snapshot is damaged");
    }
    l1Tables.push({ offset, entries });
    at += HEAD_BYTES + view.getUint32(36) + view.getUint16(12) + view.getUint16(14);
    at = Math.ceil(at / 8) * 8;
    if (at - header.snapshotsOffset > MAX_TABLE_BYTES) {
      throw new DiskImageError("its snapshot table is too large");
    }
  }
  return { lengthBytes: at - header.snapshotsOffset, l1Tables };
}
