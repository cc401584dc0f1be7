/**
 * A mounted ext4 (or ext3, ext2) file system.
 *
 * A volume that was not unmounted cleanly is shown to readers as its journal
 * would leave it, without a byte being written: see recovery.ts. See ext4(5).
 */
import { EBUSY, EFSBADCRC, ENOTBLK, EROFS, type Errno, failed } from "../../abi/errno.ts";
import { type KernelLog, LOG_ERR, LOG_INFO } from "../../kern/log.ts";
import type { BlockDevice, BlockDevices } from "../../vfs/blockdevice.ts";
import type { FileSystem, FileSystemType, MountRequest, StatFs } from "../../vfs/filesystem.ts";
import type { TrimWork } from "../../vfs/trimwork.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { notifyFsError } from "../../vfs/watch.ts";
import type { PageAllocator } from "../../vm/page.ts";
import { type Committer, DirtyDomain } from "../../vm/writeback.ts";
import { COMPAT_HAS_JOURNAL, INCOMPAT_RECOVER } from "./features.ts";
import { Ext4Handles } from "./handles.ts";
import { type Inode, readInode } from "./inode.ts";
import { ROOT_INO, SuperBlock } from "./layout.ts";
import { type MountOptions, parseOptions } from "./options.ts";
import { openRecovered } from "./recovery.ts";
import { volumeStatFs } from "./statfs.ts";
import { trimVolume } from "./trim.ts";
import { Ext4Vnode } from "./vnode.ts";
import { type ErrorWatcher, Volume, type WallClock } from "./volume.ts";
import { applyOptions, startWriting, stopWriting } from "./writable.ts";

export class Ext4 implements FileSystem, Committer, ErrorWatcher {
  readonly typeName: string;
  readonly isNameCacheable = true;
  readonly volume: Volume;
  readonly frames: PageAllocator;
  /** Its dirty files, and when the running transaction is to be committed. */
  readonly dirty: DirtyDomain;
  readonly #owner: Ext4Type;
  #options: MountOptions;
  /** Vnodes in use by inode number. */
  readonly #vnodes = new Map<number, Ext4Vnode>();
  readonly #doomed = new Set<Ext4Vnode>();
  readonly fileHandles = new Ext4Handles(this);

  constructor(owner: Ext4Type, volume: Volume, frames: PageAllocator, options: MountOptions) {
    this.#owner = owner;
    this.typeName = owner.typeName;
    this.volume = volume;
    this.frames = frames;
    this.dirty = new DirtyDomain(frames.writeback, this);
    volume.watcher = this.dirty;
    volume.errorWatcher = this;
    this.#options = options;
    this.dirty.commitIntervalNs = options.commitSec * 1e9;
  }

  volumeDamaged(error: Errno): void {
    notifyFsError(this, error);
  }

  get dev(): number {
    return this.volume.device.rdev;
  }

  /** Mounted so, or made so by an error. */
  get isReadOnly(): boolean {
    return this.volume.isReadOnly;
  }

  get isVolatile(): boolean {
    return this.volume.device.isVolatile ?? false;
  }

  get options(): MountOptions {
    return this.#options;
  }

  root(): Vnode | Errno {
    return this.vnode(ROOT_INO);
  }

  /** What replaces a file is to be on the disk first. */
  get isReplacingSafely(): boolean {
    return this.#options.isReplacingSafely;
  }

  /** The vnode of inode `ino`. EUCLEAN, EFSBADCRC, EIO; ESTALE if the inode is free. */
  vnode(ino: number): Ext4Vnode | Errno {
    const held = this.#vnodes.get(ino);
    if (held) return held;
    const inode = readInode(this.volume, ino);
    if (typeof inode === "number") return inode;
    const vp = new Ext4Vnode(this, inode);
    this.#vnodes.set(ino, vp);
    return vp;
  }

  /** The vnode of an inode just made. */
  adopt(inode: Inode): Ext4Vnode {
    const vp = new Ext4Vnode(this, inode);
    this.#vnodes.set(inode.ino, vp);
    return vp;
  }

  /** An unlinked file could not be freed now: it is tried again with the next sync. */
  evictLater(vp: Ext4Vnode): void {
    this.#doomed.add(vp);
  }

  /** It was looked at, and is not used after all. */
  letGo(vp: Ext4Vnode): void {
    if (vp.refs === 0) vp.hold().release();
  }

  forget(vp: Ext4Vnode): void {
    if (this.#vnodes.get(vp.ino) === vp) this.#vnodes.delete(vp.ino);
  }

  statfs(): StatFs {
    return volumeStatFs(this.volume);
  }

  /** Everything is on the disk when it returns, in its place. 0 or EIO. */
  sync(): number {
    if (this.isReadOnly) return 0;
    const doomed = [...this.#doomed];
    this.#doomed.clear();
    for (const vp of doomed) if (vp.refs === 0) vp.inactive();
    let result = this.dirty.sync();
    // Sizes and times wait in memory without a dirty page, too.
    for (const vp of this.#vnodes.values()) result = Math.min(result, vp.writeOut());
    const r = this.volume.tx.checkpoint();
    return failed(r) ? r : result;
  }

  /** What changed so far outlives a crash when it returns. 0 or EIO. */
  commit(): number {
    return this.volume.tx.commit();
  }

  trim(work: TrimWork): number {
    return trimVolume(this.volume, work);
  }

  unmount(): number {
    const isWritten = !this.isReadOnly;
    let result = isWritten ? this.sync() : 0;
    if (failed(result)) {
      this.volume.warn(`unmounted with error ${-result}: what could not be written is lost`);
    }
    for (const vp of [...this.#vnodes.values()]) vp.inactive();
    if (isWritten) result = Math.min(result, stopWriting(this.volume));
    this.#owner.forget(this);
    return result;
  }

  showOptions(): string {
    return this.#options.shown;
  }

  remount(isReadOnly: boolean, data: string): number {
    const options = parseOptions(data);
    if (typeof options === "number") return options;
    const r = isReadOnly ? this.#stopWriting() : this.#startWriting(options);
    if (failed(r)) return r;
    this.#options = options;
    this.dirty.commitIntervalNs = options.commitSec * 1e9;
    if (!this.isReadOnly) applyOptions(this.volume, options);
    return 0;
  }

  #stopWriting(): number {
    if (this.isReadOnly) return 0;
    const r = this.sync();
    return failed(r) ? r : stopWriting(this.volume);
  }

  #startWriting(options: MountOptions): number {
    if (!this.isReadOnly) return 0;
    if (!this.#owner.allowsWriting) return EROFS;
    return startWriting(this.volume, options);
  }
}

/** The file system type: "ext4", or "ext3" and "ext2", which it serves as well. */
export class Ext4Type implements FileSystemType {
  readonly typeName: string;
  readonly needsDevice = true;
  readonly #disks: BlockDevices;
  readonly #frames: PageAllocator;
  readonly #log: KernelLog;
  readonly #clock: WallClock;
  readonly allowsWriting: boolean;
  /** By device; one for all types that serve the same disks. */
  readonly #mounted: Map<number, Ext4>;

  constructor(
    typeName: string,
    disks: BlockDevices,
    frames: PageAllocator,
    log: KernelLog,
    clock: WallClock,
    allowsWriting = true,
    mounted: Map<number, Ext4> = new Map(),
  ) {
    this.typeName = typeName;
    this.#clock = clock;
    this.allowsWriting = allowsWriting;
    this.#mounted = mounted;
    this.#disks = disks;
    this.#frames = frames;
    this.#log = log;
  }

  /** EINVAL: not an ext4 volume, features or options that are not known; EROFS: cannot be written. */
  mount(request: MountRequest): FileSystem | Errno {
    const known = this.#mounted.get(request.rdev);
    if (known) return known.isReadOnly === request.isReadOnly ? known : EBUSY;
    const device = this.#disks.disk(request.rdev);
    if (!device) return ENOTBLK;
    const options = parseOptions(request.data);
    if (typeof options === "number") {
      this.#log.log(LOG_ERR, `EXT4-fs (${device.name}): bad mount options: ${request.data}`);
      return options;
    }
    if (!request.isReadOnly && !this.allowsWriting) return EROFS;
    const volume = this.#open(device, options);
    if (typeof volume === "number") return volume;
    const fs = new Ext4(this, volume, this.#frames, options);
    const root = fs.root();
    if (typeof root === "number") return root;
    if (!root.isDir) return volume.corrupt("root inode is not a directory");
    if (!request.isReadOnly) {
      const r = startWriting(volume, options);
      if (failed(r)) return r as Errno;
    }
    this.#mounted.set(request.rdev, fs);
    const how = request.isReadOnly ? "ro" : "r/w";
    this.#log.log(LOG_INFO, `EXT4-fs (${device.name}): mounted filesystem ${uuid(volume)} ${how}`);
    return fs;
  }

  forget(fs: Ext4): void {
    this.#mounted.delete(fs.dev);
  }

  #open(device: BlockDevice, options: MountOptions): Volume | Errno {
    const volume = Volume.open(device, this.#log, this.#clock);
    if (volume === EFSBADCRC && !options.isAsItLies) return this.#openTorn(device);
    if (typeof volume === "number") return volume;
    if (options.isAsItLies || (volume.incompat & INCOMPAT_RECOVER) === 0) return volume;
    return openRecovered(volume);
  }

  /** The machine stopped while it wrote the superblock, which then is in the journal, too. */
  #openTorn(device: BlockDevice): Volume | Errno {
    const volume = Volume.open(device, this.#log, this.#clock, true);
    if (typeof volume === "number") return volume;
    return (volume.compat & COMPAT_HAS_JOURNAL) !== 0 ? openRecovered(volume) : EFSBADCRC;
  }
}

function uuid(volume: Volume): string {
  let hex = "";
  for (const b of SuperBlock.s_uuid.get(volume.superView, 0))
    hex += b.toString(16).padStart(2, "0");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
