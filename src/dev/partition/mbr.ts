/**
 * MBR partition tables: four primary partitions, and logical ones in a chain
 * of extended boot records, numbered from 5.
 *
 * The chain is input: each record must lie further on than the last and within
 * the extended partition, so it ends. Source: Linux's block/partitions/msdos.c.
 */
import { hex, type PartitionExtent, readBytes, type SectorReader } from "./extent.ts";

const SECTOR = 512;
const TABLE_AT = 446;
const ENTRY_BYTES = 16;
const SIGNATURE = 0xaa55;
const MAX_LOGICAL = 64;

export const TYPE_GPT = 0xee;
const EXTENDED_TYPES: readonly number[] = [0x05, 0x0f, 0x85];
/** A file system in the first sector also ends in 55 aa: FAT and NTFS say so themselves. */
const FAT_MARKS: readonly (readonly [number, string])[] = [
  [0x36, "FAT"],
  [0x52, "FAT32"],
  [3, "NTFS"],
];

export interface MbrEntry {
  readonly type: number;
  readonly isBootable: boolean;
  readonly startSectors: number;
  readonly sectors: number;
}

/** The four entries of the table in `sector`; null if there is none. */
export function mbrEntries(sector: Uint8Array): readonly MbrEntry[] | null {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  if (view.getUint16(510, true) !== SIGNATURE) return null;
  const entries: MbrEntry[] = [];
  for (let i = 0; i < 4; i++) {
    const at = TABLE_AT + i * ENTRY_BYTES;
    const flags = sector[at]!;
    // Boot code where the table should be: no table.
    if ((flags & 0x7f) !== 0) return null;
    entries.push({
      type: sector[at + 4]!,
      isBootable: flags !== 0,
      startSectors: view.getUint32(at + 8, true),
      sectors: view.getUint32(at + 12, true),
    });
  }
  return entries;
}

export function scanMbr(disk: SectorReader): readonly PartitionExtent[] {
  const sector = readBytes(disk, 0, SECTOR);
  const entries = sector && mbrEntries(sector);
  // A protective entry stands for a GPT that is damaged: better none than one that covers it.
  if (!entries || isFat(sector) || entries.some((e) => e.type === TYPE_GPT)) return [];
  const view = new DataView(sector.buffer);
  const id = hex(view.getUint32(440, true), 8);
  // Sizes are in the device's blocks: 512 bytes, or more.
  const unit = Math.max(SECTOR, disk.blockSize);
  const found: PartitionExtent[] = [];
  const add = (number: number, start: number, sectors: number): void => {
    found.push({
      number,
      startBytes: start * unit,
      sizeBytes: sectors * unit,
      uuid: `${id}-${hex(number, 2)}`,
      label: "",
    });
  };
  for (const [i, e] of entries.entries()) {
    if (e.sectors === 0 || e.type === 0) continue;
    if (!EXTENDED_TYPES.includes(e.type)) {
      add(i + 1, e.startSectors, e.sectors);
    } else {
      // Room for a boot loader, and no more: nobody is to make a file system over the chain.
      add(i + 1, e.startSectors, Math.min(e.sectors, 2));
    }
  }
  let number = 5;
  for (const e of entries) {
    if (!EXTENDED_TYPES.includes(e.type) || e.sectors === 0) continue;
    for (const l of logical(disk, e, unit)) add(number++, l.startSectors, l.sectors);
  }
  return found;
}

/** The partitions of the chain that begins with `extended`, at their places on the disk. */
function logical(disk: SectorReader, extended: MbrEntry, unit: number): MbrEntry[] {
  const found: MbrEntry[] = [];
  const base = extended.startSectors;
  const end = base + extended.sectors;
  for (let at = base; found.length < MAX_LOGICAL; ) {
    const sector = readBytes(disk, at * unit, SECTOR);
    const entries = sector && mbrEntries(sector);
    if (!entries) break;
    for (const e of entries) {
      if (e.sectors === 0 || e.type === 0 || EXTENDED_TYPES.includes(e.type)) continue;
      const startSectors = at + e.startSectors;
      if (startSectors + e.sectors > end || found.length === MAX_LOGICAL) continue;
      found.push({ ...e, startSectors });
    }
    const next = entries.find((e) => EXTENDED_TYPES.includes(e.type) && e.sectors !== 0);
    if (!next || base + next.startSectors <= at || base + next.startSectors >= end) break;
    at = base + next.startSectors;
  }
  return found;
}

function isFat(sector: Uint8Array): boolean {
  return FAT_MARKS.some(([at, text]) =>
    [...text].every((c, i) => sector[at + i] === c.charCodeAt(0)),
  );
}
