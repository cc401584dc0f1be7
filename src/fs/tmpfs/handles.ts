/**
 * File handles of tmpfs: generation and number, as Linux's shmem_encode_fh makes them.
 *
 * Numbers are never used again. Only files of which somebody has asked for the handle can be found by it.
 */
import { type Errno, ESTALE } from "../../abi/errno.ts";
import type { FileHandle, HandleSource } from "../../vfs/filehandle.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { TmpDir } from "./tmpdir.ts";
import type { TmpNode } from "./tmpnode.ts";

const FILEID_SHMEM = 1;
const HANDLE_BYTES = 12;
const TWO32 = 2 ** 32;

export class TmpHandles implements HandleSource {
  readonly #known = new Map<number, TmpNode>();

  handleOf(vp: Vnode): FileHandle {
    this.#known.set(vp.ino, vp as TmpNode);
    const bytes = new Uint8Array(HANDLE_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, vp.generation, true);
    view.setUint32(4, vp.ino % TWO32, true);
    view.setUint32(8, Math.floor(vp.ino / TWO32), true);
    return { type: FILEID_SHMEM, bytes };
  }

  /** Whatever its type is, as in Linux. */
  fileOf({ bytes }: FileHandle): Vnode | Errno {
    if (bytes.length < HANDLE_BYTES) return ESTALE;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const ino = view.getUint32(4, true) + view.getUint32(8, true) * TWO32;
    const node = this.#known.get(ino);
    return node && node.generation === view.getUint32(0, true) ? node : ESTALE;
  }

  parentOf(dir: Vnode): Vnode | Errno {
    return dir instanceof TmpDir ? (dir.parent ?? dir) : ESTALE;
  }

  /** It is no more. */
  gone(node: TmpNode): void {
    this.#known.delete(node.ino);
  }
}
