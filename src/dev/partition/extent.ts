/** What a partition table says of one partition; in bytes, not yet checked against the disk. */
export interface PartitionExtent {
  /** From 1. */
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** PARTUUID as blkid(8) spells it. */
  readonly uuid: string;
  /** PARTLABEL; "" in an MBR. */
  readonly label: string;
}

/** Reads of a table: whole sectors of a device; null if one cannot be read. */
export interface SectorReader {
  readonly sizeBytes: number;
  readonly blockSize: number;
  read(offset: number, into: Uint8Array): number;
}

export function readBytes(disk: SectorReader, offset: number, length: number): Uint8Array | null {
  if (!(offset >= 0 && offset + length <= disk.sizeBytes)) return null;
  const bytes = new Uint8Array(length);
  return disk.read(offset, bytes) < 0 ? null : bytes;
}

export function hex(n: number, digits: number): string {
  return n.toString(16).padStart(digits, "0");
}
