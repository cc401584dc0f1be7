/**
 * `vkernel image diff` and `vkernel image commit`: what an overlay holds, and
 * how it becomes part of its base.
 */
import { resolve } from "node:path";
import { failed } from "../abi/errno.ts";
import { DiskImageError } from "../hosts/disk/imagefile.ts";
import { Qcow2 } from "../hosts/disk/qcow2/qcow2.ts";
import { differences, heldRanges, readPadded } from "../hosts/node/disk/difference.ts";
import { backingOf, chainOf, filesOf, isSameFile } from "../hosts/node/disk/diskfiles.ts";
import { openFiles } from "../hosts/node/disk/opendisk.ts";
import { resetOverlay } from "../hosts/node/disk/overlay.ts";
import type { DiskSpec } from "../hosts/node/machinespec.ts";
import type { BlockStore } from "../platform/host.ts";
import { claimFiles, findImage } from "./disks.ts";
import { EX_OK } from "./exitcodes.ts";
import { answer, note } from "./report.ts";

const MIB = 2 ** 20;
const CHUNK = 1 << 20;
const EX_DIFFERENT = 1;

/** A line for each range that differs: offset and length in bytes. 0 if none does, else 1. */
export async function diffImages(baseName: string, overlay: string): Promise<number> {
  const base = specOf(findImage(baseName));
  const isAbove = isOverlayOf(overlay, base.path);
  const baseFiles = filesOf(base);
  const files = isAbove
    ? filesOf({ ...base, overlay })
    : chainOf(overlay, true, undefined, "beside");
  const readOnly = files.map((f) => ({ ...f, isReadOnly: true }));
  claimFiles([...readOnly]);
  const a = openFiles(baseFiles);
  const b = openFiles(readOnly);
  let ranges = 0;
  let bytes = 0;
  for (const { offset, length } of differences(a, b, isAbove)) {
    answer(`${offset} ${length}\n`);
    ranges++;
    bytes += length;
  }
  const sizes = a.sizeBytes === b.sizeBytes ? "" : `, of another size: ${mib(a.sizeBytes)}`;
  note(`${ranges} ranges, ${mib(bytes)} of ${mib(b.sizeBytes)} differ${sizes}\n`);
  return ranges === 0 && sizes === "" ? EX_OK : EX_DIFFERENT;
}

/**
 * Writes to the base what the overlay holds, and then makes the overlay empty. If it is interrupted, the overlay
 * still holds all, and it may be done again.
 */
export async function commitOverlay(
  overlay: string,
  baseName: string | undefined,
): Promise<number> {
  const backing = backingOf(overlay);
  if (backing === null) throw new DiskImageError(`${overlay}: has no base to be committed to`);
  const path = baseName === undefined ? backing : findImage(baseName);
  const base = { ...specOf(path), isCopyOnWrite: false };
  const baseFiles = filesOf(base);
  const files = filesOf({ ...base, isCopyOnWrite: true, overlay });
  claimFiles([files[0]!, ...baseFiles]);
  const from = openFiles(files);
  const to = openFiles(baseFiles);
  if (to instanceof Qcow2 && to.sizeBytes < from.sizeBytes) {
    throw new DiskImageError(`${path}: smaller than the overlay`);
  }
  try {
    const bytes = copy(overlay, from, to);
    answer(`${mib(bytes)} written to ${path}\n`);
  } finally {
    from.close();
    to.close();
  }
  resetOverlay(overlay, { ...base, isCopyOnWrite: true });
  return EX_OK;
}

/** How many bytes were written; they are on stable storage. */
function copy(name: string, from: BlockStore, to: BlockStore): number {
  if (!(from instanceof Qcow2)) throw new DiskImageError(`${name}: not a qcow2 image`);
  if (from.header.snapshotCount > 0) {
    throw new DiskImageError(`${name}: has snapshots, which would be lost`);
  }
  let bytes = 0;
  for (const { offset, length } of heldRanges(from, true)) {
    for (let at = offset; at < offset + length; at += CHUNK) {
      const part = readPadded(from, at, Math.min(CHUNK, offset + length - at));
      if (failed(to.write(at, part))) throw new DiskImageError("its base cannot be written");
      bytes += part.length;
    }
  }
  if (failed(to.flush())) throw new DiskImageError("its base cannot be written");
  return bytes;
}

function isOverlayOf(overlay: string, base: string): boolean {
  const backing = backingOf(overlay);
  return backing !== null && isSameFile(backing, resolve(base));
}

function specOf(path: string): DiskSpec {
  return { path, isCopyOnWrite: true, serial: "" };
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
