/**
 * A volume of an ISO 9660 disc: the descriptors read and the one chosen that
 * its files are shown by, and the way to its blocks.
 *
 * Rock Ridge is preferred to Joliet, Joliet to the plain names, as Linux does.
 * Source: ECMA-119 8; Joliet; fs/isofs/inode.c of Linux.
 */
import { EINVAL, EIO, type Errno, EUCLEAN, failed } from "../../abi/errno.ts";
import { type KernelLog, LOG_ERR, LOG_INFO, LOG_WARNING } from "../../kern/log.ts";
import { byteString } from "../../lib/bytes.ts";
import { type Buf, BufferCache } from "../../vfs/bio.ts";
import type { BlockDevice } from "../../vfs/blockdevice.ts";
import {
  DR_EXT_ATTR_LENGTH,
  DR_EXTENT,
  FIRST_DESCRIPTOR,
  LAST_DESCRIPTOR,
  SECTOR_BYTES,
  u32At,
  VD_BLOCK_SIZE,
  VD_ESCAPES,
  VD_ID,
  VD_PRIMARY,
  VD_ROOT_RECORD,
  VD_SPACE_SIZE,
  VD_SUPPLEMENTARY,
  VD_TERMINATOR,
  VD_TYPE,
} from "./layout.ts";
import type { IsoOptions } from "./options.ts";
import { DirRecord, isRecord } from "./record.ts";
import { probeRockRidge } from "./rockridge.ts";

const CACHE_BYTES = 2 << 20;
/** Past this many complaints a volume falls silent: the log is not the attacker's. */
const COMPLAINTS_MAX = 32;
/** Escape sequences that say UCS-2: levels 1, 2 and 3 differ in nothing that is read. */
const JOLIET_ESCAPES: ReadonlySet<string> = new Set(["%/@", "%/C", "%/E"]);

export class Volume {
  readonly device: BlockDevice;
  readonly options: IsoOptions;
  readonly cache: BufferCache;
  readonly blockSize: number;
  /** Blocks of the volume as it says: what df(1) shows. */
  readonly blocksCount: number;
  /** Block of the root directory. */
  rootStart: number;
  isJoliet = false;
  /** The root's "." names Rock Ridge; where it does not, Joliet is better. */
  isRockRidge = false;
  /** False where records hold nothing of Rock Ridge, or the mount wants none. */
  hasSystemUse = false;
  /** Bytes of each record's system use area that are somebody else's. */
  systemUseSkip = 0;
  readonly #log: KernelLog;
  #complaints = 0;

  private constructor(device: BlockDevice, options: IsoOptions, vd: Descriptor, log: KernelLog) {
    this.device = device;
    this.options = options;
    this.blockSize = vd.blockSize;
    this.blocksCount = vd.blocksCount;
    this.rootStart = vd.rootStart;
    this.cache = new BufferCache(device, vd.blockSize, CACHE_BYTES);
    this.#log = log;
  }

  /** Reads the descriptors. EINVAL: not an ISO 9660 disc, or not for us; the log says why. EIO. */
  static open(device: BlockDevice, options: IsoOptions, log: KernelLog): Volume | Errno {
    const found = readDescriptors(device, options.useJoliet);
    const refuse = (why: string, error: Errno): Errno => {
      log.log(LOG_ERR, `ISOFS (${device.name}): ${why}`);
      return error;
    };
    if (typeof found === "number") return refuse("unable to read the volume descriptors", found);
    const { primary, joliet } = found;
    const first = joliet && (!primary || !options.useRockRidge) ? joliet : primary;
    if (!first) return refuse("unable to identify CD-ROM format", EINVAL);
    if (![512, 1024, 2048].includes(first.blockSize)) {
      return refuse(`bad logical block size ${first.blockSize}`, EINVAL);
    }
    const volume = new Volume(device, options, first, log);
    const root = volume.recordAt(volume.rootStart, 0);
    if (!(root instanceof DirRecord)) return refuse("unable to read the root directory", root);
    if (options.useRockRidge) probeRockRidge(volume, root);
    volume.#choose(joliet, root);
    return volume;
  }

  bread(blkno: number): Buf | Errno {
    return this.cache.bread(blkno);
  }

  /** `length` bytes from byte `offset` of a block on, which may run into the next one; EUCLEAN, EIO. */
  bytesAt(block: number, offset: number, length: number): Uint8Array | Errno {
    const bp = this.bread(block);
    return typeof bp === "number" ? bp : this.#bytesIn(bp, offset, length);
  }

  #bytesIn(bp: Buf, offset: number, length: number): Uint8Array | Errno {
    const end = offset + length;
    if (end <= this.blockSize) return bp.data.subarray(offset, end);
    if (offset > this.blockSize || end > 2 * this.blockSize) return this.corrupt(bp.blkno);
    const next = this.bread(bp.blkno + 1);
    if (typeof next === "number") return next;
    const bytes = new Uint8Array(length);
    bytes.set(bp.data.subarray(offset));
    bytes.set(next.data.subarray(0, end - this.blockSize), this.blockSize - offset);
    return bytes;
  }

  /** The record at a place where one must be; EUCLEAN, EIO. */
  recordAt(block: number, offset: number): DirRecord | Errno {
    const bp = this.bread(block);
    return typeof bp === "number" ? bp : this.recordIn(bp, offset);
  }

  recordIn(bp: Buf, offset: number): DirRecord | Errno {
    const bytes = this.#bytesIn(bp, offset, bp.data[offset]!);
    if (typeof bytes === "number") return bytes;
    return isRecord(bytes) ? new DirRecord(bp.blkno, offset, bytes) : this.corrupt(bp.blkno);
  }

  /** File contents: fills `into` from byte `offset` of the volume. */
  readData(offset: number, into: Uint8Array): number {
    return this.device.read(offset, into);
  }

  /** Logs that a record makes no sense; what the caller then answers. */
  corrupt(block: number): Errno {
    this.say(LOG_ERR, `corrupted directory entry in block ${block}`);
    return EUCLEAN;
  }

  say(level: number, what: string): void {
    if (this.#complaints++ < COMPLAINTS_MAX) {
      this.#log.log(level, `ISOFS (${this.device.name}): ${what}`);
    }
  }

  /** Which of its names the volume is shown by. */
  #choose(joliet: Descriptor | null, root: DirRecord): void {
    if (this.isRockRidge && joliet && this.#isEmpty(root)) {
      this.say(LOG_WARNING, "primary root directory is empty: switching to Joliet");
      this.isRockRidge = false;
    }
    if (this.isRockRidge || !joliet) return;
    this.hasSystemUse = false;
    this.isJoliet = true;
    this.rootStart = joliet.rootStart;
  }

  /** Broken discs have an empty ISO tree beside a good Joliet one. */
  #isEmpty(root: DirRecord): boolean {
    const up = this.recordAt(root.block, root.length);
    if (!(up instanceof DirRecord)) return true;
    const after = root.length + up.length;
    if (after >= this.blockSize) return false;
    const bp = this.bread(root.block);
    return typeof bp === "number" || bp.data[after] === 0;
  }

  announce(): void {
    const names = this.isRockRidge ? "Rock Ridge" : this.isJoliet ? "Joliet" : "plain ISO 9660";
    this.#log.log(LOG_INFO, `ISOFS (${this.device.name}): mounted, ${names} names`);
  }
}

interface Descriptor {
  readonly blockSize: number;
  readonly blocksCount: number;
  readonly rootStart: number;
}

interface Descriptors {
  readonly primary: Descriptor | null;
  readonly joliet: Descriptor | null;
}

/** The first of each kind; EIO if a sector cannot be read before one is found. */
function readDescriptors(device: BlockDevice, useJoliet: boolean): Descriptors | Errno {
  let primary: Descriptor | null = null;
  const sector = new Uint8Array(SECTOR_BYTES);
  for (let i = FIRST_DESCRIPTOR; i < LAST_DESCRIPTOR; i++) {
    if ((i + 1) * SECTOR_BYTES > device.sizeBytes) break;
    const r = device.read(i * SECTOR_BYTES, sector);
    if (failed(r)) return EIO;
    if (byteString(sector, VD_ID, VD_ID + 5) !== "CD001") continue;
    const type = sector[VD_TYPE];
    if (type === VD_TERMINATOR) break;
    if (type === VD_PRIMARY) primary ??= descriptorOf(sector);
    const escapes = byteString(sector, VD_ESCAPES, VD_ESCAPES + 3);
    if (type === VD_SUPPLEMENTARY && JOLIET_ESCAPES.has(escapes)) {
      return { primary, joliet: useJoliet ? descriptorOf(sector) : null };
    }
  }
  return { primary, joliet: null };
}

function descriptorOf(sector: Uint8Array): Descriptor {
  return {
    blockSize: sector[VD_BLOCK_SIZE]! | (sector[VD_BLOCK_SIZE + 1]! << 8),
    blocksCount: u32At(sector, VD_SPACE_SIZE),
    rootStart:
      u32At(sector, VD_ROOT_RECORD + DR_EXTENT) + sector[VD_ROOT_RECORD + DR_EXT_ATTR_LENGTH]!,
  };
}
