/**
 * File handles of ext4: inode number and generation, as Linux's generic_encode_ino32_fh makes them.
 *
 * A number is looked at only if its bitmap says that it is used: what lies behind it otherwise is no inode.
 */
import { type Errno, ESTALE, failed } from "../../abi/errno.ts";
import type { FileHandle, HandleSource } from "../../vfs/filehandle.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { parentOf } from "./dir.ts";
import type { Ext4 } from "./ext4.ts";
import { isInodeUsed } from "./ialloc.ts";
import { ROOT_INO } from "./layout.ts";
import type { Ext4Vnode } from "./vnode.ts";

const FILEID_INO32_GEN = 1;
/** With the same of its directory behind it, which nobody here needs. */
const FILEID_INO32_GEN_PARENT = 2;
const HANDLE_BYTES = 8;

export class Ext4Handles implements HandleSource {
  readonly #fs: Ext4;

  constructor(fs: Ext4) {
    this.#fs = fs;
  }

  handleOf(vp: Vnode): FileHandle {
    const bytes = new Uint8Array(HANDLE_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, vp.ino, true);
    view.setUint32(4, vp.generation, true);
    return { type: FILEID_INO32_GEN, bytes };
  }

  fileOf({ type, bytes }: FileHandle): Vnode | Errno {
    if (type !== FILEID_INO32_GEN && type !== FILEID_INO32_GEN_PARENT) return ESTALE;
    if (bytes.length < HANDLE_BYTES) return ESTALE;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const ino = view.getUint32(0, true);
    const generation = view.getUint32(4, true);
    const { firstIno, inodesCount } = this.#fs.volume.geometry;
    if ((ino < firstIno && ino !== ROOT_INO) || ino > inodesCount) return ESTALE;
    if (!isInodeUsed(this.#fs.volume, ino)) return ESTALE;
    const vp = this.#fs.vnode(ino);
    if (failed(vp) || generation === 0 || vp.generation === generation) return vp;
    this.#fs.letGo(vp);
    return ESTALE;
  }

  parentOf(dir: Vnode): Vnode | Errno {
    const ino = parentOf((dir as Ext4Vnode).inode);
    return failed(ino) ? (ino as Errno) : this.#fs.vnode(ino);
  }
}
