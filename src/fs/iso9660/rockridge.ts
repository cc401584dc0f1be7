/**
 * Rock Ridge: what Unix knows of a file, in the system use area of its record.
 *
 * Every field is taken as it comes; what does not fit its entry is left out.
 * Source: IEEE P1282; fs/isofs/rock.c of Linux for what writers get wrong.
 */
import type { Timespec } from "../../kern/clock.ts";
import { byteString } from "../../lib/bytes.ts";
import { makedev } from "../../vfs/device.ts";
import { LONG_DATE_BYTES, longDate, SHORT_DATE_BYTES, shortDate } from "./isodate.ts";
import type { DirRecord } from "./record.ts";
import { SuspEntries, signature } from "./susp.ts";
import type { Volume } from "./volume.ts";

const SP = signature("SP");
const ER = signature("ER");
const RR = signature("RR");
const PX = signature("PX");
const PN = signature("PN");
const TF = signature("TF");
const SL = signature("SL");
const NM = signature("NM");
const CL = signature("CL");
const RE = signature("RE");
const ZF = signature("ZF");

/** CD-ROM XA's fields come first on some discs, before SP says so. */
const XA_BYTES = 14;
const NAME_MAX = 255;
/** PATH_MAX without its NUL. */
const SYMLINK_MAX = 4095;

/** Flags of RR: which other entries there are; older discs have it. */
const RR_NM = 8;

/** Flags of NM and of the components of SL. */
const CONTINUE = 1;
const CURRENT = 2;
const PARENT = 4;
const ROOT = 8;

/** Flags of TF, in the order of its times. */
const TF_CREATE = 1;
const TF_MODIFY = 2;
const TF_ACCESS = 4;
const TF_ATTRIBUTES = 8;
const TF_LONG_FORM = 128;

/** How a compressed file is stored. */
export interface Compression {
  readonly sizeBytes: number;
  readonly headerBytes: number;
  readonly blockShift: number;
}

/** What a record's entries say; absent: nothing. */
export interface RockRidge {
  mode?: number;
  nlink?: number;
  uid?: number;
  gid?: number;
  rdev?: number;
  atime?: Timespec;
  mtime?: Timespec;
  ctime?: Timespec;
  symlink?: string;
  /** The directory was moved because it was too deep; here is its block. */
  childBlock?: number;
  compression?: Compression;
}

/** Reads the root's "." record: whether there is Rock Ridge (SP must say so), and where it begins in a record. */
export function probeRockRidge(volume: Volume, root: DirRecord): void {
  const area = root.systemUse;
  for (const start of [0, XA_BYTES]) {
    const e = new SuspEntries(volume, area.subarray(start));
    if (!e.next() || e.sig !== SP || e.length < 7) continue;
    if (e.byte(4) !== 0xbe || e.byte(5) !== 0xef) continue;
    volume.hasSystemUse = true;
    volume.systemUseSkip = e.byte(6);
    while (e.next()) if (e.sig === ER) volume.isRockRidge = true;
    return;
  }
}

function entriesOf(volume: Volume, record: DirRecord): SuspEntries {
  return new SuspEntries(volume, record.systemUse.subarray(volume.systemUseSkip));
}

/** The name; "" if there is none, null if the record must not be shown. */
export function rockRidgeName(volume: Volume, record: DirRecord): string | null {
  const e = entriesOf(volume, record);
  let name = "";
  let isTruncated = false;
  while (e.next()) {
    if (e.sig === RE) return null;
    if (e.sig === RR && e.length > 4 && (e.byte(4) & RR_NM) === 0) return "";
    if (e.sig !== NM || e.length < 5 || isTruncated) continue;
    // "." and ".." have names of their own, and no other flag is known.
    if ((e.byte(4) & ~CONTINUE) !== 0) continue;
    if (name.length + e.length - 5 > NAME_MAX) isTruncated = true;
    else name += e.text(5);
  }
  return name;
}

export function rockRidgeOf(volume: Volume, record: DirRecord): RockRidge {
  const found: RockRidge = {};
  const link = new LinkText();
  const e = entriesOf(volume, record);
  while (e.next()) {
    const n = e.length;
    if (e.sig === PX && n >= 36) {
      found.mode = e.u32(4) & 0xffff;
      found.nlink = e.u32(12);
      found.uid = e.u32(20);
      found.gid = e.u32(28);
    } else if (e.sig === PN && n >= 20) found.rdev = deviceOf(e.u32(4), e.u32(12));
    else if (e.sig === TF && n >= 5) readTimes(e.area.subarray(e.start, e.start + n), found);
    else if (e.sig === SL && n >= 5) link.add(e.area.subarray(e.start, e.start + n));
    else if (e.sig === CL && n >= 12) found.childBlock = e.u32(4);
    else if (e.sig === ZF && n >= 16 && e.text(4, 6) === "pz") {
      found.compression = {
        headerBytes: e.byte(6) * 4,
        blockShift: e.byte(7),
        sizeBytes: e.u32(8),
      };
    }
  }
  if (link.text !== "" && !e.isDamaged) found.symlink = link.text;
  return found;
}

/** Some writers put the whole number where only its minor belongs. */
function deviceOf(high: number, low: number): number {
  return high === 0 ? low : makedev(high & 0xfff, low & 0xfffff);
}

function readTimes(entry: Uint8Array, found: RockRidge): void {
  const flags = entry[4]!;
  const isLong = (flags & TF_LONG_FORM) !== 0;
  const size = isLong ? LONG_DATE_BYTES : SHORT_DATE_BYTES;
  let at = 5;
  for (let flag = TF_CREATE; flag <= TF_ATTRIBUTES; flag <<= 1) {
    if ((flags & flag) === 0) continue;
    if (at + size > entry.length) return;
    const time = isLong ? longDate(entry, at) : shortDate(entry, at);
    at += size;
    if (flag === TF_MODIFY) found.mtime = time;
    else if (flag === TF_ACCESS) found.atime = time;
    // Writers mean the change of attributes by creation, too.
    else found.ctime = time;
  }
}

/** The target of a symbolic link, put together from the components of its SL entries. */
class LinkText {
  text = "";
  /** The last component ended: the next one needs a slash before it. */
  #needsSlash = false;

  add(entry: Uint8Array): void {
    for (let at = 5; at + 2 <= entry.length; ) {
      const flags = entry[at]!;
      const length = entry[at + 1]!;
      if (at + 2 + length > entry.length) return;
      const kind = flags & ~CONTINUE;
      let part = "";
      if (kind === 0) part = byteString(entry, at + 2, at + 2 + length);
      else if (kind === CURRENT) part = ".";
      else if (kind === PARENT) part = "..";
      else if (kind === ROOT) part = "/";
      if (this.#needsSlash && kind !== ROOT) this.text += "/";
      this.text += part;
      this.#needsSlash = kind !== ROOT && (flags & CONTINUE) === 0;
      if (this.text.length > SYMLINK_MAX) this.text = this.text.slice(0, SYMLINK_MAX);
      at += 2 + length;
    }
  }
}
