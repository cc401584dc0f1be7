/**
 * The header of a qcow2 image: read, checked, and changed in place.
 *
 * All of it is input. What passes here is within bounds that keep later sums
 * exact and later tables small; offsets are checked again where they are used.
 * Source: docs/interop/qcow2.rst of qemu.
 */
import { DiskImageError, type ImageFile } from "../imagefile.ts";
import { be64, setBe64 } from "./be64.ts";

export const QCOW2_MAGIC = 0x514649fb;
export const DIRTY_BIT = 1;
export const CORRUPT_BIT = 2;
const EXTERNAL_DATA_BIT = 4;
const COMPRESSION_TYPE_BIT = 8;
const EXTENDED_L2_BIT = 16;
const KNOWN_INCOMPATIBLE = DIRTY_BIT | CORRUPT_BIT | COMPRESSION_TYPE_BIT;

export const V2_HEADER_BYTES = 72;
const V3_HEADER_BYTES = 104;
const MIN_CLUSTER_BITS = 9;
const MAX_CLUSTER_BITS = 21;
const MAX_L1_BYTES = 32 << 20;
const MAX_REFTABLE_BYTES = 8 << 20;
const MAX_BACKING_NAME = 1023;
const MAX_SNAPSHOTS = 65536;
const MAX_SIZE = 2 ** 52;

export const EXT_END = 0;
export const EXT_BACKING_FORMAT = 0xe2792aca;
export const EXT_FEATURE_NAMES = 0x6803f857;
const FEATURE_NAME_BYTES = 48;
const FEATURES_INCOMPATIBLE = 0;

/** Where fields are, that are changed in place. */
const AT_L1_SIZE = 36;
const AT_REFTABLE = 48;
const AT_INCOMPATIBLE = 72;
const AT_AUTOCLEAR = 88;

export type Compression = "deflate" | "zstd";

export interface Qcow2Header {
  readonly version: number;
  readonly clusterBits: number;
  readonly sizeBytes: number;
  /** Entries. */
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refTableOffset: number;
  readonly refTableClusters: number;
  /** A refcount has 1 << refcountOrder bits. */
  readonly refcountOrder: number;
  readonly snapshotCount: number;
  readonly snapshotsOffset: number;
  readonly incompatible: number;
  readonly compression: Compression;
  /** As the image has it; "" if it stands alone. */
  readonly backingName: string;
  /** "raw", "qcow2", …; "" if it does not say. */
  readonly backingFormat: string;
}

export function isQcow2(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === QCOW2_MAGIC;
}

/** Throws a DiskImageError that says what is wrong. */
export function readHeader(file: ImageFile): Qcow2Header {
  const bytes = new Uint8Array(V3_HEADER_BYTES + 8);
  if (file.read(0, bytes) < 0) throw new DiskImageError("cannot be read");
  const view = new DataView(bytes.buffer);
  if (!isQcow2(bytes)) throw new DiskImageError("not a qcow2 image");
  const version = view.getUint32(4);
  need(version === 2 || version === 3, `qcow2 version ${version} is not supported`);
  const clusterBits = view.getUint32(20);
  const isClusterSound = clusterBits >= MIN_CLUSTER_BITS && clusterBits <= MAX_CLUSTER_BITS;
  need(isClusterSound, `cluster size 2^${clusterBits} is out of range`);
  const clusterBytes = 2 ** clusterBits;
  const headerBytes = version === 2 ? V2_HEADER_BYTES : view.getUint32(100);
  if (version === 3) need(headerBytes >= V3_HEADER_BYTES, "its header is too short");
  need(headerBytes <= clusterBytes, "its header is longer than a cluster");
  const extensions = readExtensions(file, headerBytes, clusterBytes, be64(view, 8));
  const incompatible = version === 2 ? 0 : view.getUint32(76);
  if (version === 3) checkFeatures(view, extensions);
  const method = view.getUint32(32);
  need(method === 0, `it is encrypted (${method === 2 ? "LUKS" : "AES"}), which is not supported`);
  const header: Qcow2Header = {
    version,
    clusterBits,
    sizeBytes: be64(view, 24),
    l1Size: view.getUint32(AT_L1_SIZE),
    l1Offset: be64(view, 40),
    refTableOffset: be64(view, AT_REFTABLE),
    refTableClusters: view.getUint32(56),
    refcountOrder: version === 2 ? 4 : view.getUint32(96),
    snapshotCount: view.getUint32(60),
    snapshotsOffset: be64(view, 64),
    incompatible,
    compression: compressionOf(version === 3 && headerBytes > 104 ? bytes[104]! : 0),
    backingName: readName(file, view, clusterBytes),
    backingFormat: text(extensions.get(EXT_BACKING_FORMAT) ?? new Uint8Array(0)),
  };
  checkTables(header, clusterBytes);
  return header;
}

export function setIncompatible(file: ImageFile, bits: number): number {
  return writeLong(file, AT_INCOMPATIBLE, bits);
}

/** Whoever writes and does not know what a bit vouches for must clear it: bitmaps, for one. */
export function clearAutoclear(file: ImageFile): number {
  return writeLong(file, AT_AUTOCLEAR, 0);
}

/** One write within a sector: after a crash it is the old table or the new. */
export function setRefTable(file: ImageFile, offset: number, clusters: number): number {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  setBe64(view, 0, offset);
  view.setUint32(8, clusters);
  return file.write(AT_REFTABLE, bytes);
}

function writeLong(file: ImageFile, at: number, value: number): number {
  const bytes = new Uint8Array(8);
  setBe64(new DataView(bytes.buffer), 0, value);
  return file.write(at, bytes);
}

function need(isSound: boolean, message: string): void {
  if (!isSound) throw new DiskImageError(message);
}

function checkTables(h: Qcow2Header, clusterBytes: number): void {
  const isWhole = (n: number): boolean => n % clusterBytes === 0 && n <= MAX_SIZE;
  need(h.sizeBytes <= MAX_SIZE, "it is larger than 4 PiB");
  need(h.refcountOrder <= 6, `refcounts of 2^${h.refcountOrder} bits are not supported`);
  const perL2 = clusterBytes * (clusterBytes / 8);
  need(h.l1Size * 8 <= MAX_L1_BYTES, "its L1 table is too large");
  need(h.l1Size >= Math.ceil(h.sizeBytes / perL2), "its L1 table is too small");
  need(isWhole(h.l1Offset), "its L1 table is misplaced");
  need(isWhole(h.refTableOffset), "its refcount table is misplaced");
  need(h.refTableClusters > 0, "it has no refcount table");
  need(h.refTableClusters * clusterBytes <= MAX_REFTABLE_BYTES, "its refcount table is too large");
  need(h.snapshotCount <= MAX_SNAPSHOTS, "it has too many snapshots");
  need(h.snapshotsOffset % 8 === 0 && h.snapshotsOffset <= MAX_SIZE, "its snapshots are misplaced");
}

function checkFeatures(view: DataView, extensions: ReadonlyMap<number, Uint8Array>): void {
  const low = view.getUint32(76);
  need((low & EXTERNAL_DATA_BIT) === 0, "its data is in another file, which is not supported");
  need((low & EXTENDED_L2_BIT) === 0, "extended L2 entries (extended_l2) are not supported");
  const high = view.getUint32(72);
  const unknown = (low & ~KNOWN_INCOMPATIBLE) >>> 0;
  if (unknown === 0 && high === 0) return;
  const bit = unknown !== 0 ? 31 - Math.clz32(unknown) : 63 - Math.clz32(high);
  const name = featureName(extensions.get(EXT_FEATURE_NAMES), bit);
  throw new DiskImageError(`it needs a feature that is not supported: ${name}`);
}

function featureName(table: Uint8Array | undefined, bit: number): string {
  for (let at = 0; table && at + FEATURE_NAME_BYTES <= table.length; at += FEATURE_NAME_BYTES) {
    if (table[at] !== FEATURES_INCOMPATIBLE || table[at + 1] !== bit) continue;
    return text(table.subarray(at + 2, at + FEATURE_NAME_BYTES));
  }
  return `bit ${bit}`;
}

function compressionOf(type: number): Compression {
  need(type <= 1, `compression type ${type} is not supported`);
  return type === 0 ? "deflate" : "zstd";
}

/** The header's extensions by type: they end at the backing file's name, or with the first cluster. */
function readExtensions(
  file: ImageFile,
  from: number,
  clusterBytes: number,
  backingAt: number,
): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const end = backingAt > 0 ? Math.min(backingAt, clusterBytes) : clusterBytes;
  const bytes = new Uint8Array(Math.max(0, end - from));
  if (file.read(from, bytes) < 0) throw new DiskImageError("cannot be read");
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === EXT_END) break;
    need(length <= bytes.length - at - 8, "a header extension is too long");
    found.set(type, bytes.subarray(at + 8, at + 8 + length));
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}

function readName(file: ImageFile, view: DataView, clusterBytes: number): string {
  const at = be64(view, 8);
  const length = view.getUint32(16);
  if (at === 0) return "";
  need(length > 0 && length <= MAX_BACKING_NAME, "the name of its backing file is too long");
  need(at + length <= clusterBytes, "the name of its backing file is misplaced");
  const bytes = new Uint8Array(length);
  if (file.read(at, bytes) < 0) throw new DiskImageError("cannot be read");
  need(!bytes.includes(0), "the name of its backing file holds a NUL");
  return new TextDecoder().decode(bytes);
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
