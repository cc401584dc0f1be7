/**
 * A directory of the host as a Share, on Linux, without native code.
 *
 * Node has no openat(2). But /proc/self/fd/N leads to the very file that
 * descriptor N is open on, whatever its path is by now, and a single component
 * after it is looked up in that very directory. So every call takes a path of
 * that form, /proc/self/fd/N or /proc/self/fd/N/name, and only calls that do
 * not follow a symlink in the last component: the kernel of the host resolves
 * one name at a time, and there is nothing in between for anybody to exchange.
 *
 * Contents are opened in two steps, because opening a device or a FIFO has
 * effects, and may wait: O_PATH takes hold of whatever it is, and only a regular
 * file is then opened, by /proc/self/fd/N. See proc_pid_fd(5), open(2) on O_PATH.
 *
 * What is mounted below the directory belongs to it, but for a /proc: that would
 * have this very process in it, its memory and its descriptors.
 */
import * as fs from "node:fs";
import {
  EACCES,
  EBADF,
  EINVAL,
  EIO,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENXIO,
  EROFS,
} from "../../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID } from "../../../abi/stat.ts";
import {
  SHARE_APPEND,
  SHARE_READ,
  SHARE_READ_WRITE,
  SHARE_WRITE,
  type Share,
  type ShareHandle,
  type ShareStat,
  type ShareStatFs,
  type ShareTime,
} from "../../../platform/share.ts";
import { hostCall, hostDo } from "./hostcall.ts";
import { listNames } from "./listing.ts";
import { NodeShareStat } from "./stat.ts";
import { secondsOf } from "./times.ts";

const {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} = fs.constants;
/** Node does not name it; the same on every architecture that it runs on. */
const O_PATH = 0x200000;
const MAX_FILE_SYSTEMS = 1024;
const PROC_SUPER_MAGIC = 0x9fa0;
const NAME_MAX = 255;
/** The mode bits that a guest may set on a file of the host: a set-user-ID program would run as the embedder. */
const FILE_BITS = 0o777;
const DIR_BITS = 0o1777;

const BIGINT = { bigint: true } as const;
const BIGINT_OR_NOTHING = { bigint: true, throwIfNoEntry: false } as const;

/** The directory at `path`; or why it cannot be shared, in words. Symlinks in `path` itself are followed. */
export function openShare(path: string, isReadOnly: boolean): NodeShare | string {
  if (process.platform !== "linux") return "sharing a directory works on Linux only";
  const root = hostCall(() => fs.openSync(path, O_PATH | O_DIRECTORY));
  if (root < 0) return wordsOf(root);
  const here = hostCall(() => fs.fstatSync(root, BIGINT));
  const there = hostCall(() => fs.statSync(`/proc/self/fd/${root}/.`, BIGINT));
  const proc = hostCall(() => fs.statfsSync("/proc/self/fd").type);
  if (hostCall(() => fs.statfsSync(`/proc/self/fd/${root}`).type) === PROC_SUPER_MAGIC) {
    fs.closeSync(root);
    return "/proc has this very process in it and cannot be shared";
  }
  const isSame =
    typeof here === "object" &&
    typeof there === "object" &&
    here.dev === there.dev &&
    here.ino === there.ino;
  if (isSame && proc === PROC_SUPER_MAGIC) return new NodeShare(root, here.dev, isReadOnly);
  fs.closeSync(root);
  // Without search permission there is nothing to see either.
  return typeof there === "number" && there !== ENOENT
    ? wordsOf(there)
    : "sharing a directory needs /proc, and this host has none mounted";
}

function wordsOf(errno: number): string {
  const known: Record<number, string> = {
    [-2]: "no such directory",
    [-13]: "permission denied",
    [-20]: "not a directory",
    [-24]: "too many open files",
  };
  return known[errno] ?? `error ${-errno} of the host`;
}

export class NodeShare implements Share {
  readonly isReadOnly: boolean;
  readonly root: ShareHandle;
  readonly #rootDev: bigint;
  /** Those met, by device number: true if they may be entered. */
  readonly #fileSystems = new Map<bigint, boolean>();
  /** Descriptors that are handles: no other is ever touched. */
  readonly #open = new Set<ShareHandle>();

  /** `root`: a descriptor of the directory, closed with the share. */
  constructor(root: number, rootDev: bigint, isReadOnly: boolean) {
    this.root = root;
    this.isReadOnly = isReadOnly;
    this.#rootDev = rootDev;
    this.#open.add(root);
  }

  /** Descriptors in use. */
  get handles(): number {
    return this.#open.size;
  }

  stat(handle: ShareHandle): ShareStat | number {
    if (!this.#open.has(handle)) return EBADF;
    const stats = hostCall(() => fs.fstatSync(handle, BIGINT));
    return typeof stats === "number" ? stats : new NodeShareStat(stats, this.#rootDev);
  }

  statAt(dir: ShareHandle, name: string): ShareStat | number {
    const path = this.#at(dir, name);
    if (typeof path === "number") return path;
    const stats = hostCall(() => fs.lstatSync(path, BIGINT_OR_NOTHING));
    if (stats === undefined) return ENOENT;
    return typeof stats === "number" ? stats : new NodeShareStat(stats, this.#rootDev);
  }

  find(dir: ShareHandle, name: string): ShareHandle | number {
    const path = this.#at(dir, name);
    if (typeof path === "number") return path;
    const handle = this.#opened(path, O_PATH | O_NOFOLLOW);
    if (handle < 0 || this.#mayEnter(handle)) return handle;
    this.close(handle);
    return EACCES;
  }

  /** False for what is in a /proc. */
  #mayEnter(handle: ShareHandle): boolean {
    const stats = hostCall(() => fs.fstatSync(handle, BIGINT));
    if (typeof stats === "number") return false;
    const { dev } = stats;
    let may = this.#fileSystems.get(dev);
    if (may === undefined) {
      const type = hostCall(() => fs.statfsSync(`${FD_DIR}${handle}`).type);
      if (typeof type === "number" && type < 0) return false;
      may = type !== PROC_SUPER_MAGIC;
      if (this.#fileSystems.size >= MAX_FILE_SYSTEMS) this.#fileSystems.clear();
      this.#fileSystems.set(dev, may);
    }
    return may;
  }

  open(handle: ShareHandle, how: number): ShareHandle | number {
    if (!this.#open.has(handle)) return EBADF;
    if (this.isReadOnly && how !== SHARE_READ) return EROFS;
    const flags = OPEN_FLAGS.get(how);
    if (flags === undefined) return EINVAL;
    const stats = hostCall(() => fs.fstatSync(handle, BIGINT));
    if (typeof stats === "number") return stats;
    const type = Number(stats.mode) & S_IFMT;
    if (type !== S_IFREG) return type === S_IFDIR ? EISDIR : ENXIO;
    return this.#opened(`${FD_DIR}${handle}`, flags | O_NONBLOCK);
  }

  close(handle: ShareHandle): void {
    if (handle === this.root || !this.#open.delete(handle)) return;
    hostDo(() => fs.closeSync(handle));
  }

  /** Ends the share: every handle goes. */
  end(): void {
    for (const handle of this.#open) hostDo(() => fs.closeSync(handle));
    this.#open.clear();
  }

  read(handle: ShareHandle, offset: number, into: Uint8Array): number {
    if (!this.#open.has(handle)) return EBADF;
    let done = 0;
    while (done < into.length) {
      const n = hostCall(() => fs.readSync(handle, into, done, into.length - done, offset + done));
      if (n < 0) return n;
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  write(handle: ShareHandle, offset: number, from: Uint8Array): number {
    return this.#write(handle, offset, from);
  }

  append(handle: ShareHandle, from: Uint8Array): number {
    return this.#write(handle, null, from);
  }

  #write(handle: ShareHandle, offset: number | null, from: Uint8Array): number {
    if (this.isReadOnly) return EROFS;
    if (!this.#open.has(handle)) return EBADF;
    let done = 0;
    while (done < from.length) {
      const at = offset === null ? null : offset + done;
      const n = hostCall(() => fs.writeSync(handle, from, done, from.length - done, at));
      if (n < 0) return done > 0 ? done : n;
      if (n === 0) return done > 0 ? done : EIO;
      done += n;
    }
    return done;
  }

  truncate(handle: ShareHandle, sizeBytes: number): number {
    return this.#change(handle, () => fs.ftruncateSync(handle, sizeBytes));
  }

  /** A handle for looking alone (O_PATH) cannot be synced: a directory is opened for it. */
  fsync(handle: ShareHandle, dataOnly: boolean): number {
    if (!this.#open.has(handle)) return EBADF;
    const stats = hostCall(() => fs.fstatSync(handle, BIGINT));
    if (typeof stats === "number") return stats;
    const isDir = (Number(stats.mode) & S_IFMT) === S_IFDIR;
    const fd = isDir
      ? hostCall(() => fs.openSync(`${FD_DIR}${handle}`, O_RDONLY | O_DIRECTORY))
      : handle;
    if (fd < 0) return fd;
    const r = hostDo(() => (dataOnly ? fs.fdatasyncSync(fd) : fs.fsyncSync(fd)));
    if (isDir) hostDo(() => fs.closeSync(fd));
    return r;
  }

  list(dir: ShareHandle, take: (name: string) => boolean): number {
    if (!this.#open.has(dir)) return EBADF;
    return listNames(`${FD_DIR}${dir}`, take);
  }

  readlink(dir: ShareHandle, name: string): string | number {
    const path = this.#at(dir, name);
    if (typeof path === "number") return path;
    return hostCall(() => fs.readlinkSync(path, { encoding: "latin1" }));
  }

  create(dir: ShareHandle, name: string, mode: number): ShareHandle | number {
    if (this.isReadOnly) return EROFS;
    const path = this.#at(dir, name);
    if (typeof path === "number") return path;
    const bits = mode & FILE_BITS;
    const fd = this.#opened(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_NONBLOCK, bits);
    // The program's umask is not the guest's. Where the host keeps no modes, it stays as it is.
    if (fd >= 0) hostDo(() => fs.fchmodSync(fd, bits));
    return fd;
  }

  mkdir(dir: ShareHandle, name: string, mode: number): number {
    return this.#changeAt(dir, name, (path) => {
      fs.mkdirSync(path, mode & DIR_BITS);
      const fd = this.find(dir, name);
      if (fd < 0) return;
      // Only if it is still the directory that was just made is its mode anybody's business.
      const stats = fs.fstatSync(fd);
      const bits = (mode & DIR_BITS) | (stats.mode & S_ISGID);
      if (stats.isDirectory()) hostDo(() => fs.chmodSync(`${FD_DIR}${fd}`, bits));
      this.close(fd);
    });
  }

  symlink(dir: ShareHandle, name: string, target: string): number {
    if (target.length === 0) return ENOENT;
    if (target.includes("\0")) return EINVAL;
    return this.#changeAt(dir, name, (path) => fs.symlinkSync(bytesOf(target), path));
  }

  /** link(2) does not follow a symlink at `name`: it links the symlink. */
  link(dir: ShareHandle, name: string, toDir: ShareHandle, toName: string): number {
    const from = this.#at(dir, name);
    if (typeof from === "number") return from;
    return this.#changeAt(toDir, toName, (to) => fs.linkSync(from, to));
  }

  unlink(dir: ShareHandle, name: string): number {
    return this.#changeAt(dir, name, (path) => fs.unlinkSync(path));
  }

  rmdir(dir: ShareHandle, name: string): number {
    return this.#changeAt(dir, name, (path) => fs.rmdirSync(path));
  }

  rename(dir: ShareHandle, name: string, toDir: ShareHandle, toName: string): number {
    const from = this.#at(dir, name);
    if (typeof from === "number") return from;
    return this.#changeAt(toDir, toName, (to) => fs.renameSync(from, to));
  }

  /** By /proc/self/fd/N, which follows to the file itself: fchmod(2) refuses an O_PATH descriptor. */
  chmod(handle: ShareHandle, mode: number): number {
    const old = this.#modeOf(handle);
    if (old < 0) return old;
    const type = old & S_IFMT;
    if (type === S_IFLNK) return EINVAL;
    // A directory that hands its group on is the host's arrangement, which the guest does not see.
    const bits = type === S_IFDIR ? (mode & DIR_BITS) | (old & S_ISGID) : mode & FILE_BITS;
    return this.#change(handle, () => fs.chmodSync(`${FD_DIR}${handle}`, bits));
  }

  setTimes(handle: ShareHandle, atime: ShareTime, mtime: ShareTime): number {
    const mode = this.#modeOf(handle);
    if (mode < 0) return mode;
    if ((mode & S_IFMT) === S_IFLNK) return EINVAL;
    return this.#change(handle, () =>
      fs.utimesSync(`${FD_DIR}${handle}`, secondsOf(atime), secondsOf(mtime)),
    );
  }

  setTimesAt(dir: ShareHandle, name: string, atime: ShareTime, mtime: ShareTime): number {
    return this.#changeAt(dir, name, (path) =>
      fs.lutimesSync(path, secondsOf(atime), secondsOf(mtime)),
    );
  }

  statfs(handle: ShareHandle): ShareStatFs | number {
    if (!this.#open.has(handle)) return EBADF;
    return hostCall(() => fs.statfsSync(`${FD_DIR}${handle}`));
  }

  #modeOf(handle: ShareHandle): number {
    if (!this.#open.has(handle)) return EBADF;
    const stats = hostCall(() => fs.fstatSync(handle));
    return typeof stats === "number" ? stats : stats.mode;
  }

  #change(handle: ShareHandle, call: () => void): number {
    if (this.isReadOnly) return EROFS;
    return this.#open.has(handle) ? hostDo(call) : EBADF;
  }

  #changeAt(dir: ShareHandle, name: string, call: (path: string | Buffer) => void): number {
    if (this.isReadOnly) return EROFS;
    const path = this.#at(dir, name);
    return typeof path === "number" ? path : hostDo(() => call(path));
  }

  #opened(path: string | Buffer, flags: number, mode?: number): ShareHandle | number {
    const fd = hostCall(() => fs.openSync(path, flags, mode));
    if (fd >= 0) this.#open.add(fd);
    return fd;
  }

  /** The path of one name in the directory that a handle is open on; EINVAL for what is not one name. */
  #at(dir: ShareHandle, name: string): string | Buffer | number {
    if (!this.#open.has(dir)) return EBADF;
    if (name.length > NAME_MAX) return ENAMETOOLONG;
    if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) return EINVAL;
    return bytesOf(`${FD_DIR}${dir}/${name}`);
  }
}

const FD_DIR = "/proc/self/fd/";

const OPEN_FLAGS: ReadonlyMap<number, number> = new Map([
  [SHARE_READ, O_RDONLY],
  [SHARE_WRITE, O_WRONLY],
  [SHARE_READ_WRITE, O_RDWR],
  [SHARE_APPEND, O_WRONLY | O_APPEND],
]);

/** A byte string as Node must get it: text of more than ASCII it would encode. */
function bytesOf(path: string): string | Buffer {
  for (let i = 0; i < path.length; i++) {
    if (path.charCodeAt(i) >= 0x80) return Buffer.from(path, "latin1");
  }
  return path;
}
