/**
 * Entries of a directory as bytes: finding, adding and taking away in a chain.
 *
 * A chain is a row of records that covers `[start, end)` exactly, and was found
 * sound (dirblock.ts) before it comes here. An entry that stays never moves
 * while others come and go: a listing by offsets depends on it.
 * Source: fs/ext4/namei.c, Documentation/filesystems/ext4/directory.rst.
 */
import { DirEntry } from "./layout.ts";

const HEADER_SIZE = DirEntry.sizeof;

/** File types of directory entries as S_IFMT values; 0 is unknown. */
export const entryTypes: readonly number[] = [
  0, 0o100000, 0o040000, 0o020000, 0o060000, 0o010000, 0o140000, 0o120000,
];

/** The file type that an entry says for an S_IFMT value. */
export function entryType(type: number): number {
  return Math.max(0, entryTypes.indexOf(type));
}

/** A stretch of bytes that holds a chain. */
export interface Chain {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

/** Bytes that an entry with a name of `nameLength` takes. */
export function entrySize(nameLength: number): number {
  return (HEADER_SIZE + nameLength + 3) & ~3;
}

/** Length of the record at `at`; 64 KiB does not fit its field. */
export function recordLength(view: DataView, at: number): number {
  const length = DirEntry.rec_len.get(view, at);
  if (view.byteLength !== 65536) return length;
  if (length === 65535 || length === 0) return 65536;
  return (length & 0xfffc) + (length & 3) * 65536;
}

export function setRecordLength(view: DataView, at: number, length: number): void {
  DirEntry.rec_len.set(view, at, length === 65536 ? 65535 : length);
}

/** Where the entry called `name` is; -1 if there is none. */
export function findEntry(c: Chain, name: Uint8Array): number {
  const { bytes, view } = c;
  const length = name.length;
  for (let at = c.start; at < c.end; at += recordLength(view, at)) {
    if (bytes[at + 6] !== length) continue;
    let i = 0;
    while (i < length && bytes[at + HEADER_SIZE + i] === name[i]) i++;
    if (i === length && DirEntry.inode.get(view, at) !== 0) return at;
  }
  return -1;
}

/** The record whose unused space has room for `size` bytes; -1 if none has. */
export function findRoom(c: Chain, size: number): number {
  for (let at = c.start; at < c.end; ) {
    const length = recordLength(c.view, at);
    if (length - usedSize(c.view, at) >= size) return at;
    at += length;
  }
  return -1;
}

/** Adds an entry in the unused space of the record at `at`, which findRoom found. */
export function insertAt(c: Chain, at: number, name: Uint8Array, ino: number, type: number): void {
  const length = recordLength(c.view, at);
  const used = usedSize(c.view, at);
  if (used > 0) setRecordLength(c.view, at, used);
  writeEntry(c, at + used, length - used, name, ino, type);
}

/** Fills in a record of `length` bytes at `at`. */
export function writeEntry(
  c: Chain,
  at: number,
  length: number,
  name: Uint8Array,
  ino: number,
  type: number,
): void {
  DirEntry.inode.set(c.view, at, ino);
  setRecordLength(c.view, at, length);
  DirEntry.name_len.set(c.view, at, name.length);
  DirEntry.file_type.set(c.view, at, type);
  c.bytes.set(name, at + HEADER_SIZE);
}

/** Takes the entry at `at` away: its space goes to the record before it. */
export function removeAt(c: Chain, at: number): void {
  let before = -1;
  for (let i = c.start; i < at; i += recordLength(c.view, i)) before = i;
  const length = recordLength(c.view, at);
  if (before >= 0) {
    setRecordLength(c.view, before, recordLength(c.view, before) + length);
    // What was removed is not to be read from the disk for ever.
    c.bytes.fill(0, at, at + entrySize(DirEntry.name_len.get(c.view, at)));
    return;
  }
  DirEntry.inode.set(c.view, at, 0);
  DirEntry.file_type.set(c.view, at, 0);
  c.bytes.fill(0, at + HEADER_SIZE, at + entrySize(DirEntry.name_len.get(c.view, at)));
  DirEntry.name_len.set(c.view, at, 0);
}

/** The entry at `at` leads to another inode from now on. */
export function redirect(c: Chain, at: number, ino: number, type: number): void {
  DirEntry.inode.set(c.view, at, ino);
  DirEntry.file_type.set(c.view, at, type);
}

/** One record that covers the chain and holds nothing. */
export function clearChain(c: Chain): void {
  c.bytes.fill(0, c.start, c.end);
  if (c.end > c.start) setRecordLength(c.view, c.start, c.end - c.start);
}

/** Where the entries in use are. */
export function entriesIn(c: Chain): number[] {
  const found: number[] = [];
  for (let at = c.start; at < c.end; at += recordLength(c.view, at)) {
    if (DirEntry.inode.get(c.view, at) !== 0) found.push(at);
  }
  return found;
}

/** True if nothing is in it but "." and "..". */
export function isChainEmpty(c: Chain): boolean {
  return entriesIn(c).every((at) => isDots(c.bytes, at));
}

export function nameAt(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + HEADER_SIZE, at + HEADER_SIZE + bytes[at + 6]!);
}

/** True for the entries "." and "..". */
export function isDots(bytes: Uint8Array, at: number): boolean {
  const length = bytes[at + 6]!;
  if (length === 0 || length > 2 || bytes[at + HEADER_SIZE] !== 0x2e) return false;
  return length === 1 || bytes[at + HEADER_SIZE + 1] === 0x2e;
}

function usedSize(view: DataView, at: number): number {
  return DirEntry.inode.get(view, at) === 0 ? 0 : entrySize(DirEntry.name_len.get(view, at));
}
