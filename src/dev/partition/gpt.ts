/**
 * GUID partition tables. The header and the array of entries carry a CRC-32
 * each; if the first header is damaged, the one in the disk's last block
 * serves. Source: UEFI 2.10, chapter 5.
 */
import { crc32 } from "../../lib/crc32.ts";
import { hex, type PartitionExtent, readBytes, type SectorReader } from "./extent.ts";
import { mbrEntries, TYPE_GPT } from "./mbr.ts";

const SIGNATURE = "EFI PART";
const MIN_HEADER_BYTES = 92;
const MIN_ENTRY_BYTES = 128;
const MAX_ARRAY_BYTES = 1 << 20;
const NAME_AT = 56;
const NAME_BYTES = 72;

/** The partitions of a GPT; null if the disk has none that is sound. */
export function scanGpt(disk: SectorReader): readonly PartitionExtent[] | null {
  const mbr = readBytes(disk, 0, 512);
  if (!mbr || !mbrEntries(mbr)?.some((e) => e.type === TYPE_GPT)) return null;
  const last = Math.floor(disk.sizeBytes / disk.blockSize) - 1;
  return readTable(disk, 1) ?? readTable(disk, last);
}

function readTable(disk: SectorReader, lba: number): readonly PartitionExtent[] | null {
  const unit = disk.blockSize;
  const block = readBytes(disk, lba * unit, unit);
  if (!block) return null;
  const view = new DataView(block.buffer);
  const headerBytes = view.getUint32(12, true);
  if (text(block, 0, 8) !== SIGNATURE) return null;
  if (headerBytes < MIN_HEADER_BYTES || headerBytes > unit) return null;
  const sum = view.getUint32(16, true);
  const header = block.slice(0, headerBytes);
  header.fill(0, 16, 20);
  if (crc32(header) !== sum || u64(view, 24) !== lba) return null;
  const count = view.getUint32(80, true);
  const entryBytes = view.getUint32(84, true);
  if (entryBytes < MIN_ENTRY_BYTES || entryBytes % 8 !== 0) return null;
  if (count * entryBytes > MAX_ARRAY_BYTES) return null;
  const array = readBytes(disk, u64(view, 72) * unit, count * entryBytes);
  if (!array || crc32(array) !== view.getUint32(88, true)) return null;
  const usable = [u64(view, 40), u64(view, 48)] as const;
  const found: PartitionExtent[] = [];
  for (let i = 0; i < count; i++) {
    const entry = array.subarray(i * entryBytes, (i + 1) * entryBytes);
    if (entry.subarray(0, 16).every((b) => b === 0)) continue;
    const at = new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
    const first = u64(at, 32);
    const end = u64(at, 40) + 1;
    if (first < usable[0] || end - 1 > usable[1] || end <= first) continue;
    found.push({
      number: i + 1,
      startBytes: first * unit,
      sizeBytes: (end - first) * unit,
      uuid: guid(at, 16),
      label: label(at),
    });
  }
  return found;
}

/** Not exact past 2^53; then it is past the end of any disk as well. */
function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

function guid(view: DataView, at: number): string {
  const tail = [...Array(8).keys()].map((i) => hex(view.getUint8(at + 8 + i), 2)).join("");
  const head = `${hex(view.getUint32(at, true), 8)}-${hex(view.getUint16(at + 4, true), 4)}`;
  return `${head}-${hex(view.getUint16(at + 6, true), 4)}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}

/** UTF-16 up to its first 0; what is not printable ASCII shows as "_", as in udev's links. */
function label(view: DataView): string {
  let s = "";
  for (let i = 0; i < NAME_BYTES; i += 2) {
    const c = view.getUint16(NAME_AT + i, true);
    if (c === 0) break;
    s += c > 0x20 && c < 0x7f && c !== 0x2f ? String.fromCharCode(c) : "_";
  }
  return s;
}

function text(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
