/**
 * Orphans: inodes that have lost their last name but are still in use, and
 * files being cut short over several transactions.
 *
 * They are a list on the disk, from s_last_orphan through i_dtime, so that the
 * next mount finishes what a crash interrupted. Newest first; every one on it
 * is in memory. Source: fs/ext4/orphan.c.
 */
import { failed } from "../../abi/errno.ts";
import type { Inode } from "./inode.ts";
import { SuperBlock } from "./layout.ts";
import type { Volume } from "./volume.ts";

/** The inode, the one before it on the list, and the superblock. */
export const ORPHAN_CREDITS = 3;

export class Orphans {
  readonly volume: Volume;
  /** Oldest first: the last one is where the list on the disk begins. */
  readonly #list: Inode[] = [];

  constructor(volume: Volume) {
    this.volume = volume;
  }

  get count(): number {
    return this.#list.length;
  }

  /** Puts `ip` on the list and makes it dirty. EIO. */
  add(ip: Inode): number {
    if (ip.isOrphan) return ip.dirty();
    const { volume } = this;
    ip.dtime = SuperBlock.s_last_orphan.get(volume.superView, 0);
    const r = ip.dirty();
    if (failed(r)) return r;
    SuperBlock.s_last_orphan.set(volume.superView, 0, ip.ino);
    volume.superChanged();
    ip.isOrphan = true;
    this.#list.push(ip);
    return 0;
  }

  /** Sees to it that `remove` has all it needs. 0 or EIO. */
  ready(ip: Inode): number {
    return this.#list[this.#list.lastIndexOf(ip) + 1]?.dirty() ?? 0;
  }

  /** Takes `ip` off the list; the caller makes it dirty. EIO. */
  remove(ip: Inode): number {
    if (!ip.isOrphan) return 0;
    const { volume } = this;
    const at = this.#list.lastIndexOf(ip);
    const newer = this.#list[at + 1];
    if (newer) {
      newer.dtime = ip.dtime;
      const r = newer.dirty();
      if (failed(r)) return r;
    } else {
      SuperBlock.s_last_orphan.set(volume.superView, 0, ip.dtime);
      volume.superChanged();
    }
    this.#list.splice(at, 1);
    ip.dtime = 0;
    ip.isOrphan = false;
    return 0;
  }

  /** `ip` was read from the head of the list that the disk has. */
  adopt(ip: Inode): void {
    ip.isOrphan = true;
    this.#list.push(ip);
  }
}
