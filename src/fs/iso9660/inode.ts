/**
 * A file of the disc, decoded: from its record, and Rock Ridge where it has any.
 *
 * A directory is known by its own "." record, any other file by the first
 * record that names it; the number made of that place is what Linux shows.
 */
import { type Errno, EUCLEAN } from "../../abi/errno.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../../abi/stat.ts";
import type { Timespec } from "../../kern/clock.ts";
import { LOG_ERR, LOG_WARNING } from "../../kern/log.ts";
import type { Section } from "./directory.ts";
import { shortDate } from "./isodate.ts";
import { DR_DATE, FLAG_DIRECTORY } from "./layout.ts";
import { DirRecord } from "./record.ts";
import { type Compression, type RockRidge, rockRidgeOf } from "./rockridge.ts";
import type { Volume } from "./volume.ts";
import { isReadable } from "./zisofs.ts";

const KNOWN_TYPES: ReadonlySet<number> = new Set([
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
]);

export interface IsoInode {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly sizeBytes: number;
  /** Bytes on the disc: another number if they are compressed. */
  readonly storedBytes: number;
  /** 512-byte blocks that the contents take on the disc. */
  readonly blocks512: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  /** Where the contents are: of a directory, one extent. */
  readonly sections: readonly Section[];
  readonly symlink: string | null;
  readonly compression: Compression | null;
}

/** Where a file is described: the identity of its vnode. */
export interface Place {
  readonly block: number;
  readonly offset: number;
}

/** Where the file that `record` names is described. */
export function placeOf(record: DirRecord): Place {
  return record.has(FLAG_DIRECTORY)
    ? { block: record.start, offset: 0 }
    : { block: record.block, offset: record.offset };
}

export function inoOf(volume: Volume, { block, offset }: Place): number {
  return block * (volume.blockSize / 32) + Math.floor(offset / 32);
}

/** The directory at block `start`, by its "." record; EUCLEAN, EIO. */
export function readDirectoryInode(volume: Volume, start: number): IsoInode | Errno {
  const dot = volume.recordAt(start, 0);
  if (!(dot instanceof DirRecord)) return dot;
  const inode = inodeOf(volume, dot, [{ start, sizeBytes: dot.sizeBytes }]);
  if (typeof inode === "number" || (inode.mode & S_IFMT) === S_IFDIR) return inode;
  return volume.corrupt(start);
}

/** The file that `record` and those after it describe; EUCLEAN, EIO. */
export function inodeOf(
  volume: Volume,
  record: DirRecord,
  sections: readonly Section[],
): IsoInode | Errno {
  const rr = volume.hasSystemUse ? rockRidgeOf(volume, record) : NOTHING;
  if (rr.childBlock !== undefined && !record.has(FLAG_DIRECTORY)) {
    return relocated(volume, record, rr.childBlock);
  }
  const o = volume.options;
  const isDir = record.has(FLAG_DIRECTORY);
  const mode = modeOf(volume, isDir, rr);
  const type = mode & S_IFMT;
  if (!KNOWN_TYPES.has(type) || (type === S_IFDIR && !isDir)) {
    volume.say(LOG_ERR, `bad mode 0${mode.toString(8)} in block ${record.block}`);
    return EUCLEAN;
  }
  const stored = storedBytes(volume, record, sections);
  const date = shortDate(record.bytes, DR_DATE);
  const symlink = type === S_IFLNK ? (rr.symlink ?? "") : null;
  const compression = type === S_IFREG && !o.noCompress ? (rr.compression ?? null) : null;
  const inode: IsoInode = {
    ino: inoOf(volume, placeOf(record)),
    mode,
    nlink: rr.nlink ?? 1,
    uid: o.uid ?? rr.uid ?? 0,
    gid: o.gid ?? rr.gid ?? 0,
    rdev: type === S_IFBLK || type === S_IFCHR ? (rr.rdev ?? 0) : 0,
    sizeBytes: symlink?.length ?? compression?.sizeBytes ?? stored,
    storedBytes: stored,
    blocks512: Math.ceil(stored / 512),
    atime: rr.atime ?? date,
    mtime: rr.mtime ?? date,
    ctime: rr.ctime ?? date,
    sections,
    symlink,
    compression,
  };
  if (!compression || isReadable(volume, inode)) return inode;
  volume.say(LOG_WARNING, `inode ${inode.ino}: unknown compression, shown as stored`);
  return { ...inode, sizeBytes: stored, compression: null };
}

const NOTHING: RockRidge = {};

/** A directory that stands elsewhere shows as it is there, but under the number of its place here. */
function relocated(volume: Volume, record: DirRecord, start: number): IsoInode | Errno {
  const moved = readDirectoryInode(volume, start);
  if (typeof moved === "number") return moved;
  return { ...moved, ino: inoOf(volume, placeOf(record)) };
}

function modeOf(volume: Volume, isDir: boolean, rr: RockRidge): number {
  const o = volume.options;
  const asked = isDir ? o.dmode : o.mode;
  const plain = (isDir ? S_IFDIR : S_IFREG) | (asked ?? 0o555);
  const mode = rr.mode ?? plain;
  const type = mode & S_IFMT;
  const given = type === S_IFDIR ? o.dmode : type === S_IFREG ? o.mode : null;
  return o.overridesModes && given !== null ? type | given : mode;
}

function storedBytes(volume: Volume, record: DirRecord, sections: readonly Section[]): number {
  if (record.isInterleaved) {
    volume.say(LOG_WARNING, `interleaved file in block ${record.block} shown as empty`);
    return 0;
  }
  let bytes = 0;
  for (const s of sections) bytes += s.sizeBytes;
  return volume.options.isCruft ? bytes % 2 ** 24 : bytes;
}
