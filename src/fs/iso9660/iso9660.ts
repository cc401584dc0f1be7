/**
 * A mounted ISO 9660 disc. It is read-only, whatever it lies on.
 *
 * What a CD-ROM holds: plain, with Rock Ridge or with Joliet names. See
 * mount(8), "Mount options for iso9660".
 */
import { EACCES, ENOTBLK, EROFS, type Errno } from "../../abi/errno.ts";
import { type KernelLog, LOG_ERR } from "../../kern/log.ts";
import type { BlockDevices } from "../../vfs/blockdevice.ts";
import type { FileSystem, FileSystemType, MountRequest, StatFs } from "../../vfs/filesystem.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import type { PageAllocator } from "../../vm/page.ts";
import type { Section } from "./directory.ts";
import { type IsoInode, inodeOf, inoOf, type Place, placeOf, readDirectoryInode } from "./inode.ts";
import { FLAG_DIRECTORY } from "./layout.ts";
import { foldName } from "./names.ts";
import { parseIsoOptions, showIsoOptions } from "./options.ts";
import type { DirRecord } from "./record.ts";
import { IsoVnode } from "./vnode.ts";
import { Volume } from "./volume.ts";
import { Zisofs } from "./zisofs.ts";

const ISOFS_SUPER_MAGIC = 0x9660;
const NAME_MAX = 255;

export class Iso9660 implements FileSystem {
  readonly typeName = "iso9660";
  readonly isReadOnly = true;
  readonly isNameCacheable = true;
  readonly volume: Volume;
  readonly frames: PageAllocator;
  readonly zisofs: Zisofs;
  readonly #owner: Iso9660Type;
  /** Case is no difference: Joliet's way, unless the mount says otherwise. */
  readonly #isCaseless: boolean;
  /** Vnodes in use by inode number. */
  readonly #vnodes = new Map<number, IsoVnode>();

  constructor(owner: Iso9660Type, volume: Volume, frames: PageAllocator) {
    this.#owner = owner;
    this.volume = volume;
    this.frames = frames;
    this.zisofs = new Zisofs(volume);
    const { check } = volume.options;
    this.#isCaseless = check === null ? volume.isJoliet : check === "r";
  }

  get dev(): number {
    return this.volume.device.rdev;
  }

  root(): Vnode | Errno {
    return this.#vnode({ block: this.volume.rootStart, offset: 0 }, () =>
      readDirectoryInode(this.volume, this.volume.rootStart),
    );
  }

  /** The vnode of the file that `record` names. EUCLEAN, EIO. */
  vnode(record: DirRecord, sections: readonly Section[]): IsoVnode | Errno {
    return this.#vnode(placeOf(record), () =>
      record.has(FLAG_DIRECTORY)
        ? readDirectoryInode(this.volume, record.start)
        : inodeOf(this.volume, record, sections),
    );
  }

  #vnode(place: Place, read: () => IsoInode | Errno): IsoVnode | Errno {
    const ino = inoOf(this.volume, place);
    const held = this.#vnodes.get(ino);
    if (held) return held;
    const inode = read();
    if (typeof inode === "number") return inode;
    const vp = new IsoVnode(this, inode);
    this.#vnodes.set(ino, vp);
    return vp;
  }

  forget(vp: IsoVnode): void {
    if (this.#vnodes.get(vp.ino) === vp) this.#vnodes.delete(vp.ino);
  }

  /** What two names have in common if they mean the same file. */
  fold(name: string): string {
    return foldName(this.volume, this.#isCaseless, name);
  }

  statfs(): StatFs {
    return {
      type: ISOFS_SUPER_MAGIC,
      bsize: this.volume.blockSize,
      blocks: this.volume.blocksCount,
      bfree: 0,
      bavail: 0,
      files: 0,
      ffree: 0,
      namelen: NAME_MAX,
    };
  }

  sync(): number {
    return 0;
  }

  unmount(): number {
    for (const vp of [...this.#vnodes.values()]) vp.inactive();
    this.#owner.forget(this);
    return 0;
  }

  showOptions(): string {
    const { volume } = this;
    return showIsoOptions(volume.options, {
      isRockRidge: volume.options.useRockRidge && !volume.isJoliet,
      isJoliet: volume.isJoliet,
      isCaseless: this.#isCaseless,
      blockSize: volume.blockSize,
    });
  }

  remount(isReadOnly: boolean, _data: string): number {
    return isReadOnly ? 0 : EROFS;
  }
}

export class Iso9660Type implements FileSystemType {
  readonly typeName = "iso9660";
  readonly needsDevice = true;
  readonly #disks: BlockDevices;
  readonly #frames: PageAllocator;
  readonly #log: KernelLog;
  readonly #mounted = new Map<number, Iso9660>();

  constructor(disks: BlockDevices, frames: PageAllocator, log: KernelLog) {
    this.#disks = disks;
    this.#frames = frames;
    this.#log = log;
  }

  /** EINVAL: not such a disc, or options that are not known; EACCES: not read-only, as Linux says it. */
  mount(request: MountRequest): FileSystem | Errno {
    const device = this.#disks.disk(request.rdev);
    if (!device) return ENOTBLK;
    const options = parseIsoOptions(request.data);
    if (typeof options === "number") {
      this.#log.log(LOG_ERR, `ISOFS (${device.name}): bad mount options: ${request.data}`);
      return options;
    }
    const known = this.#mounted.get(request.rdev);
    if (known) return request.isReadOnly ? known : EACCES;
    const volume = Volume.open(device, options, this.#log);
    if (typeof volume === "number") return volume;
    if (!request.isReadOnly) return EACCES;
    const fs = new Iso9660(this, volume, this.#frames);
    const root = fs.root();
    if (typeof root === "number") return root;
    this.#mounted.set(request.rdev, fs);
    volume.announce();
    return fs;
  }

  forget(fs: Iso9660): void {
    this.#mounted.delete(fs.dev);
  }
}
