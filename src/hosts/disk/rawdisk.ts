/**
 * A raw image: the bytes of the disk, one after the other.
 *
 * Where nobody said that the image is raw, the guest must not turn it into
 * something else: a header of another format in its first bytes could name any
 * file of the host as the next boot's backing file. Such a write is refused,
 * as qemu refuses it.
 */
import { EPERM } from "../../abi/errno.ts";
import type { BlockStore } from "../../platform/host.ts";
import type { ImageFile } from "./imagefile.ts";
import { isQcow2 } from "./qcow2/header.ts";

const MAGIC_BYTES = 4;

export class RawDisk implements BlockStore {
  readonly sizeBytes: number;
  readonly #file: ImageFile;
  readonly #isGuessed: boolean;

  /** `isGuessed`: the format is what the first bytes seemed to say. */
  constructor(file: ImageFile, isGuessed: boolean) {
    this.#file = file;
    this.sizeBytes = file.sizeBytes;
    this.#isGuessed = isGuessed;
  }

  get isReadOnly(): boolean {
    return this.#file.isReadOnly;
  }

  get discardBytes(): number {
    return this.#file.punchBytes;
  }

  read(offset: number, into: Uint8Array): number {
    return this.#file.read(offset, into);
  }

  write(offset: number, from: Uint8Array): number {
    if (offset < MAGIC_BYTES && this.#isGuessed && this.#wouldBeQcow2(offset, from)) return EPERM;
    return this.#file.write(offset, from);
  }

  discard(offset: number, length: number): number {
    this.#file.punch(offset, length);
    return 0;
  }

  writeZeroes(offset: number, length: number): number {
    return this.#file.zero(offset, length);
  }

  flush(): number {
    return this.#file.flush();
  }

  close(): void {
    this.#file.close();
  }

  #wouldBeQcow2(offset: number, from: Uint8Array): boolean {
    const head = new Uint8Array(MAGIC_BYTES);
    if (offset > 0 || from.length < MAGIC_BYTES) this.#file.read(0, head);
    head.set(from.subarray(0, MAGIC_BYTES - offset), offset);
    return isQcow2(head);
  }
}
