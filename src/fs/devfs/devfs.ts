/**
 * /dev: a tmpfs that the kernel fills with the nodes of its devices.
 *
 * There is one per machine, however often it is mounted, and what a program
 * changes in it (modes, owners, links, further nodes) lasts until shutdown.
 * Linux calls it devtmpfs, and so does this one. See tmpfs(5), mknod(2).
 */
import {
  HOST_STREAM_MAJOR,
  HVC_MAJOR,
  MEM_FULL,
  MEM_KMSG,
  MEM_MAJOR,
  MEM_NULL,
  MEM_RANDOM,
  MEM_URANDOM,
  MEM_ZERO,
  TTYAUX_CONSOLE,
  TTYAUX_MAJOR,
  TTYAUX_PTMX,
  TTYAUX_TTY,
} from "../../abi/devices.ts";
import { EEXIST, type Errno, failed } from "../../abi/errno.ts";
import { S_IFBLK, S_IFCHR } from "../../abi/stat.ts";
import { Cred } from "../../kern/cred.ts";
import { makedev } from "../../vfs/device.ts";
import type { FileSystem, FileSystemType } from "../../vfs/filesystem.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import type { PageAllocator } from "../../vm/page.ts";
import { NO_TMPFS_OPTIONS } from "../tmpfs/options.ts";
import { Tmpfs } from "../tmpfs/tmpfs.ts";

/** Groups as Debian numbers them. */
const GID_TTY = 5;
const GID_DISK = 6;

export class Devfs extends Tmpfs {
  /** The kernel makes and removes nodes as disks come and go. */
  override readonly isNameCacheable = false;

  constructor(vfs: Vfs, frames: PageAllocator) {
    super(vfs, frames, { ...NO_TMPFS_OPTIONS, mode: 0o755 }, "devtmpfs");
    this.#addStandardNodes();
  }

  /** A character device at `path` below /dev, with the directories that lead there. */
  addCharacter(path: string, rdev: number, mode: number, gid = 0): void {
    this.#addNode(path, S_IFCHR | mode, rdev, gid);
  }

  addTerminal(path: string, rdev: number, mode: number): void {
    this.addCharacter(path, rdev, mode, GID_TTY);
  }

  addDisk(path: string, rdev: number): void {
    this.#addNode(path, S_IFBLK | 0o660, rdev, GID_DISK);
  }

  /** Takes away what a disk had; what somebody else has put there in the meantime, too. */
  remove(path: string): void {
    const [dir, name] = this.#parentOf(path);
    const vp = dir.lookup(name);
    if (!failed(vp)) dir.unlink(name, vp);
  }

  /** /dev/host/stdin and so on: descriptor `fd` of the host, where that is no terminal. */
  addHostStream(fd: 0 | 1 | 2): void {
    const name = ["stdin", "stdout", "stderr"][fd]!;
    this.addCharacter(`host/${name}`, makedev(HOST_STREAM_MAJOR, fd), 0o666);
  }

  addLink(path: string, target: string): void {
    const [dir, name] = this.#parentOf(path);
    dir.symlink(name, target, Cred.root());
  }

  addDirectory(path: string, mode: number): void {
    const [dir, name] = this.#parentOf(path);
    const made = dir.mkdir(name, 0o755, Cred.root());
    if (!failed(made)) made.setattr({ mode });
  }

  /** Stays as it is, for the next mount. */
  override unmount(): number {
    return 0;
  }

  #addStandardNodes(): void {
    const mem = (minor: number): number => makedev(MEM_MAJOR, minor);
    this.addCharacter("null", mem(MEM_NULL), 0o666);
    this.addCharacter("zero", mem(MEM_ZERO), 0o666);
    this.addCharacter("full", mem(MEM_FULL), 0o666);
    this.addCharacter("random", mem(MEM_RANDOM), 0o666);
    this.addCharacter("urandom", mem(MEM_URANDOM), 0o666);
    this.addCharacter("kmsg", mem(MEM_KMSG), 0o644);
    this.addTerminal("tty", makedev(TTYAUX_MAJOR, TTYAUX_TTY), 0o666);
    this.addTerminal("console", makedev(TTYAUX_MAJOR, TTYAUX_CONSOLE), 0o600);
    this.addTerminal("hvc0", makedev(HVC_MAJOR, 0), 0o620);
    this.addTerminal("ptmx", makedev(TTYAUX_MAJOR, TTYAUX_PTMX), 0o666);
    this.addDirectory("pts", 0o755);
    this.addDirectory("shm", 0o1777);
    this.addLink("fd", "/proc/self/fd");
    this.addLink("stdin", "/proc/self/fd/0");
    this.addLink("stdout", "/proc/self/fd/1");
    this.addLink("stderr", "/proc/self/fd/2");
  }

  #addNode(path: string, mode: number, rdev: number, gid: number): void {
    const [dir, name] = this.#parentOf(path);
    const made = dir.mknod(name, mode, rdev, Cred.root());
    if (!failed(made)) made.setattr({ mode, gid });
  }

  /** The directory that holds the last component of `path`, made if missing. */
  #parentOf(path: string): readonly [dir: Vnode, name: string] {
    const names = path.split("/");
    const last = names.pop()!;
    let dir = this.root();
    for (const name of names) {
      const made = dir.mkdir(name, 0o755, Cred.root());
      const next = made === EEXIST ? dir.lookup(name) : made;
      if (failed(next)) break;
      dir = next;
    }
    return [dir, last];
  }
}

/** mount -t devtmpfs: the one there is. */
export class DevfsType implements FileSystemType {
  readonly typeName = "devtmpfs";
  readonly needsDevice = false;
  readonly #devfs: Devfs;

  constructor(devfs: Devfs) {
    this.#devfs = devfs;
  }

  mount(): FileSystem | Errno {
    return this.#devfs;
  }
}
