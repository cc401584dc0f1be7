/**
 * What a guest sees of a file's attributes: those of the host, but for owner
 * and group, which are the share's, and set-id bits, which are not shown.
 */
import { S_IFMT } from "../../abi/stat.ts";
import type { Timespec } from "../../kern/clock.ts";
import type { ShareStat } from "../../platform/share.ts";
import type { Attr } from "../../vfs/attr.ts";
import type { HostNode } from "./node.ts";

/** Permission bits that a guest sees and may set. */
export const SHOWN_BITS = 0o1777;

export class HostAttr implements Attr {
  readonly #node: HostNode;
  readonly #stat: ShareStat;

  constructor(node: HostNode, stat: ShareStat) {
    this.#node = node;
    this.#stat = stat;
  }

  get mode(): number {
    return this.#stat.mode & (S_IFMT | SHOWN_BITS);
  }

  get ino(): number {
    return this.#stat.ino;
  }

  get dev(): number {
    return this.#node.fs.dev;
  }

  get nlink(): number {
    return this.#node.isGone ? 0 : this.#stat.nlink;
  }

  get uid(): number {
    return this.#node.fs.uid;
  }

  get gid(): number {
    return this.#node.fs.gid;
  }

  /** Device nodes of the host mean nothing here, and cannot be opened. */
  get rdev(): number {
    return 0;
  }

  get sizeBytes(): number {
    return this.#stat.sizeBytes;
  }

  get blksize(): number {
    return this.#stat.blksize;
  }

  get blocks(): number {
    return this.#stat.blocks;
  }

  get atime(): Timespec {
    return this.#stat.atime;
  }

  get mtime(): Timespec {
    return this.#stat.mtime;
  }

  get ctime(): Timespec {
    return this.#stat.ctime;
  }

  get btime(): Timespec | null {
    return this.#stat.btime;
  }
}
