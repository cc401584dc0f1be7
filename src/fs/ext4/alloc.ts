/**
 * The block allocator: bitmaps of the groups, searched near a goal for whole runs.
 *
 * Freed blocks are free on the disk at once but not handed out before the
 * transaction that freed them has committed: until then a crash brings their
 * old owner back. `reserved` blocks are promised to file contents that are
 * not written yet (delayed allocation), `pool` is kept for the block maps of
 * files so that writing them out does not fail. A group whose bitmap is
 * damaged is left alone.
 * Source: fs/ext4/balloc.c, mballoc.c of Linux for what must hold.
 */
import { EIO, ENOSPC, type Errno, failed } from "../../abi/errno.ts";
import type { Cred } from "../../kern/cred.ts";
import { CAP_SYS_RESOURCE } from "../../kern/cred.ts";
import type { Buf } from "../../vfs/bio.ts";
import { clearBits, countClear, nextClear, nextSet, setBits } from "./bitmap.ts";
import * as feature from "./features.ts";
import type { GroupDescriptor, Groups } from "./groups.ts";
import { BG_BLOCK_UNINIT, SuperBlock } from "./layout.ts";
import { SystemZone } from "./systemzone.ts";
import type { Committed } from "./transaction.ts";
import type { Volume } from "./volume.ts";

const TWO32 = 4294967296;
/** Longest run handed out at once: what one extent holds. */
const RUN_MAX = 32768;
const POOL_MAX = 4096;
/** Blocks of metadata that allocating or freeing a run within one group changes. */
export const CREDITS_PER_RUN = 2;

/** Blocks in a row. */
export interface Run {
  readonly start: number;
  readonly count: number;
}

/** Where the blocks of an allocation are accounted. */
export interface AllocOptions {
  /** A run that begins at the goal is wanted, however short: the file goes on there. */
  readonly isNext?: boolean;
  /** They were promised by `reserve`; the promise is the caller's to take back. */
  readonly isReserved?: boolean;
  /** May use what is kept for the superuser and for block maps. Default: true. */
  readonly isPrivileged?: boolean;
}

/** A run of up to `count` blocks as near to `goal` as can be had. ENOSPC, EIO. */
export function allocBlocks(
  volume: Volume,
  goal: number,
  count: number,
  options: AllocOptions = {},
): Run | Errno {
  return volume.alloc.alloc(goal, count, options);
}

/** Gives blocks back; of metadata, no log record may come back over them either. */
export function freeBlocks(
  volume: Volume,
  start: number,
  count: number,
  options: { readonly isMetadata: boolean },
): number {
  return volume.alloc.free(start, count, options.isMetadata);
}

export class BlockAllocator implements Committed {
  readonly volume: Volume;
  readonly #groups: Groups;
  #zone: SystemZone | null = null;
  /** Whoever has the operation under way done may use what is kept for the superuser. */
  isPrivilegedNow = true;
  /** Blocks promised to contents that are not written yet. */
  reserved = 0;
  /** Kept for block maps when all else is gone. */
  pool = 0;
  /** The disk is told of freed blocks. */
  isDiscarding = false;
  /** Who may use the reserved blocks besides the superuser; group 0 is nobody. */
  resuid = 0;
  resgid = 0;
  /** Freed by the running transaction: a bitmap for each group that has some. */
  #freed = new Map<number, Uint8Array>();
  #freedCount = 0;
  /** By group: blocks that can be had now; 0 also if its bitmap is damaged. */
  #available: Int32Array = new Int32Array(0);
  /** By group: no run in it is longer. */
  #longest: Int32Array = new Int32Array(0);

  constructor(volume: Volume) {
    this.volume = volume;
    this.#groups = volume.groups;
  }

  /** For a writable mount: counts what is free, notes what is the volume's own. 0, EUCLEAN, EIO. */
  load(): number {
    const groups = this.#groups;
    const r = groups.load();
    if (failed(r)) return r;
    const zone = SystemZone.of(groups);
    if (typeof zone === "number") return zone;
    this.#zone = zone;
    this.#available = new Int32Array(groups.count);
    for (let group = 0; group < groups.count; group++) {
      const desc = groups.read(group);
      if (typeof desc === "number") return desc;
      this.#available[group] = Math.min(desc.freeClusters, groups.blocksIn(group));
    }
    this.#longest = this.#available.slice();
    this.#freed.clear();
    this.#freedCount = 0;
    const { blocksCount } = this.volume.geometry;
    const hasExtents = (this.volume.incompat & feature.INCOMPAT_EXTENTS) !== 0;
    this.pool = hasExtents ? Math.min(POOL_MAX, Math.floor(blocksCount / 50)) : 0;
    return 0;
  }

  /** Blocks for the superuser alone. */
  get rootReserve(): number {
    const view = this.volume.superView;
    const is64 = (this.volume.incompat & feature.INCOMPAT_64BIT) !== 0;
    const high = is64 ? SuperBlock.s_r_blocks_count_hi.get(view, 0) : 0;
    return SuperBlock.s_r_blocks_count_lo.get(view, 0) + high * TWO32;
  }

  /** Blocks freed by the running transaction: a commit makes them available. */
  get waitingForCommit(): number {
    return this.#freedCount;
  }

  /** Blocks that can be had or promised now. */
  room(isPrivileged: boolean): number {
    const free = this.#groups.freeClusters - this.#freedCount - this.reserved;
    return free - this.pool - (isPrivileged ? 0 : this.rootReserve);
  }

  /** Promises `count` blocks: 0 or ENOSPC. */
  reserve(count: number, isPrivileged: boolean): number {
    if (count > 0 && count > this.room(isPrivileged)) return ENOSPC;
    this.reserved += count;
    return 0;
  }

  /**
   * Outside an operation: sees to it that `count` blocks can be had, if need be by a
   * commit that brings freed ones back. 0, ENOSPC, EIO.
   */
  makeRoom(count: number, isPrivileged: boolean): number {
    if (count <= this.room(isPrivileged)) return 0;
    if (this.#freedCount === 0) return ENOSPC;
    const r = this.volume.tx.commit();
    if (failed(r)) return r;
    return count <= this.room(isPrivileged) ? 0 : ENOSPC;
  }

  unreserve(count: number): void {
    this.reserved -= count;
  }

  /** Whether `cred` may use what s_r_blocks_count keeps back. */
  isPrivileged(cred: Cred): boolean {
    if (cred.fsuid === this.resuid || cred.hasCap(CAP_SYS_RESOURCE)) return true;
    return this.resgid !== 0 && cred.isMember(this.resgid);
  }

  /** False if the blocks are not on the volume or are its own: no file can have them. */
  mayHold(start: number, count: number): boolean {
    return this.volume.holds(start, count) && !this.#zone?.overlaps(start, count);
  }

  alloc(goal: number, count: number, options: AllocOptions): Run | Errno {
    const free = this.#groups.freeClusters - this.#freedCount;
    const kept = options.isReserved
      ? 0
      : this.reserved +
        ((options.isPrivileged ?? this.isPrivilegedNow) ? 0 : this.pool + this.rootReserve);
    const wanted = Math.min(count, RUN_MAX, free - kept);
    if (wanted <= 0) return ENOSPC;
    const start = this.volume.holds(goal, 1) ? goal : this.volume.geometry.firstDataBlock + 1;
    const home = this.#groups.groupOf(start);
    if (options.isNext) {
      const next = this.#take(home, start, wanted, 1, true);
      if (next !== ENOSPC) return next;
    }
    const n = this.#available.length;
    for (let least = wanted; ; least = Math.ceil(least / 2)) {
      for (let i = 0; i < n; i++) {
        const group = (home + i) % n;
        if (this.#longest[group]! < least) continue;
        const run = this.#take(group, i === 0 ? start : 0, wanted, least, false);
        if (run !== ENOSPC) return run;
      }
      if (least === 1) return ENOSPC;
    }
  }

  /** Blocks that are free already, or can never be a file's, are left as they are: EUCLEAN. EIO. */
  free(start: number, count: number, isMetadata: boolean): number {
    if (!this.mayHold(start, count)) {
      return this.volume.corrupt(`freeing blocks ${start}+${count}, which no file can have`);
    }
    let result = 0;
    for (let at = start; at < start + count; ) {
      const group = this.#groups.groupOf(at);
      const end = Math.min(start + count, this.#groups.firstBlock(group + 1));
      const r = this.#freeIn(group, at, end - at);
      if (failed(r)) result = r;
      at = end;
    }
    // Whoever frees them has taken them out of a map already, in memory at least.
    if (result === EIO) this.volume.tx.abort(`blocks ${start}+${count} cannot be freed`);
    if (isMetadata) for (let i = 0; i < count; i++) this.volume.tx.forget(start + i);
    return result;
  }

  /** What the transaction freed may be used. */
  committed(): void {
    for (const [group, bits] of this.#freed) {
      const count = this.#groups.blocksIn(group);
      const freed = count - countClear(bits, 0, count);
      if (this.isDiscarding) this.#discard(group, bits, count);
      this.#available[group] = this.#available[group]! + freed;
      this.#longest[group] = this.#available[group]!;
    }
    this.#freed = new Map();
    this.#freedCount = 0;
  }

  /** The bitmap of `desc`'s group, made if it never was. EUCLEAN, EFSBADCRC, EIO. */
  bitmap(desc: GroupDescriptor): Buf | Errno {
    return desc.isBlockUninit ? this.#initialise(desc) : this.#read(desc);
  }

  /**
   * Takes blocks of `group` from the first run of at least `least` blocks, from block `from` on and then
   * from the group's start; if `isExact`, only a run that begins at `from`. ENOSPC if there is none.
   */
  #take(group: number, from: number, wanted: number, least: number, isExact: boolean): Run | Errno {
    if (this.#available[group]! <= 0) return ENOSPC;
    const groups = this.#groups;
    const desc = groups.read(group);
    if (typeof desc === "number") return desc === EIO ? desc : this.#leaveAlone(group);
    const bp = this.bitmap(desc);
    if (typeof bp === "number") return bp === EIO ? bp : this.#leaveAlone(group);
    const base = groups.firstBlock(group);
    const end = groups.blocksIn(group);
    const bits = this.#inUse(group, bp.data);
    const near = Math.max(0, from - base);
    let at = near;
    let stop = end;
    if (isExact) {
      if (nextClear(bits, near, near + 1) !== near) return ENOSPC;
      stop = nextSet(bits, near, Math.min(end, near + wanted));
    } else {
      at = findRun(bits, near, end, least);
      if (at < 0) at = findRun(bits, 0, Math.min(end, near + least), least);
      if (at < 0) {
        this.#longest[group] = least - 1;
        return ENOSPC;
      }
      stop = nextSet(bits, at, Math.min(end, at + wanted));
    }
    if (this.#zone?.overlaps(base + at, stop - at)) {
      this.volume.corrupt(`group ${group}: block bitmap shows the volume's own blocks as free`);
      return this.#leaveAlone(group);
    }
    this.volume.tx.dirty(bp);
    setBits(bp.data, at, stop);
    desc.freeClusters -= stop - at;
    desc.blocksChanged(bp);
    this.#available[group] = this.#available[group]! - (stop - at);
    this.#longest[group] = Math.min(this.#longest[group]!, this.#available[group]!);
    return { start: base + at, count: stop - at };
  }

  #freeIn(group: number, start: number, count: number): number {
    let result = 0;
    const desc = this.#groups.read(group);
    if (typeof desc === "number") return desc;
    const bp = this.bitmap(desc);
    if (typeof bp === "number") return bp;
    const from = start - this.#groups.firstBlock(group);
    const already = countClear(bp.data, from, from + count);
    if (already > 0) {
      const error = this.volume.corrupt(`freeing ${already} free blocks of ${start}+${count}`);
      if (already === count) return error;
      result = error;
    }
    if (this.#freedCount === 0) this.volume.tx.onCommit(this);
    let freed = this.#freed.get(group);
    if (!freed) {
      freed = new Uint8Array(bp.data.length);
      this.#freed.set(group, freed);
    }
    this.volume.tx.dirty(bp);
    for (let at = nextSet(bp.data, from, from + count); at < from + count; ) {
      const end = nextClear(bp.data, at, from + count);
      setBits(freed, at, end);
      at = nextSet(bp.data, end, from + count);
    }
    clearBits(bp.data, from, from + count);
    desc.freeClusters += count - already;
    desc.blocksChanged(bp);
    this.#freedCount += count - already;
    return result;
  }

  /** The bitmap with what the running transaction freed still in use. */
  #inUse(group: number, bits: Uint8Array): Uint8Array {
    const freed = this.#freed.get(group);
    if (!freed) return bits;
    const both = bits.slice();
    for (let i = 0; i < both.length; i++) both[i] = both[i]! | freed[i]!;
    return both;
  }

  #read(desc: GroupDescriptor): Buf | Errno {
    const { volume } = this;
    const bp = volume.bread(desc.blockBitmap);
    if (typeof bp === "number" || bp.soundFor === this) return bp;
    if (!desc.isBlockBitmapSumRight(bp.data)) {
      return volume.corrupt(`group ${desc.group}: block bitmap checksum invalid`, true);
    }
    const end = this.#groups.blocksIn(desc.group);
    if (countClear(bp.data, 0, end) !== desc.freeClusters) {
      return volume.corrupt(`group ${desc.group}: block bitmap and free count differ`);
    }
    bp.soundFor = this;
    return bp;
  }

  /** A bitmap that was never written: only the group's own blocks are in use. */
  #initialise(desc: GroupDescriptor): Buf | Errno {
    const groups = this.#groups;
    const bp = this.volume.bnew(desc.blockBitmap);
    if (typeof bp === "number") return bp;
    this.volume.tx.dirty(bp);
    const base = groups.firstBlock(desc.group);
    const end = groups.blocksIn(desc.group);
    const own = (start: number, count: number): void => {
      const from = Math.max(0, start - base);
      setBits(bp.data, from, Math.max(from, Math.min(end, start + count - base)));
    };
    bp.data.fill(0);
    own(base, groups.baseBlocks(desc.group));
    own(desc.blockBitmap, 1);
    own(desc.inodeBitmap, 1);
    own(desc.inodeTable, groups.inodeTableBlocks);
    const free = countClear(bp.data, 0, end);
    setBits(bp.data, end, bp.data.length * 8);
    bp.soundFor = this;
    desc.flags &= ~BG_BLOCK_UNINIT;
    if (desc.freeClusters !== free) desc.freeClusters = free;
    desc.blocksChanged(bp);
    this.#available[desc.group] = Math.min(this.#available[desc.group]!, free);
    return bp;
  }

  /** Tells the disk of freed runs. It is advice: what goes wrong does not matter. */
  #discard(group: number, bits: Uint8Array, count: number): void {
    const { device, geometry } = this.volume;
    const base = this.#groups.firstBlock(group);
    for (let at = nextSet(bits, 0, count); at < count; ) {
      const stop = nextClear(bits, at, count);
      device.discard?.((base + at) * geometry.blockSize, (stop - at) * geometry.blockSize);
      at = nextSet(bits, stop, count);
    }
  }

  #leaveAlone(group: number): Errno {
    this.#available[group] = 0;
    this.#longest[group] = 0;
    return ENOSPC;
  }
}

/** Where the first run of `least` clear bits within [from, end) begins, or -1. */
function findRun(bits: Uint8Array, from: number, end: number, least: number): number {
  for (let at = nextClear(bits, from, end); at < end; ) {
    const stop = nextSet(bits, at, Math.min(end, at + least));
    if (stop - at >= least) return at;
    at = nextClear(bits, stop, end);
  }
  return -1;
}
