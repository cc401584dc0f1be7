/**
 * The virtual file system of one machine: the tables that all of it shares.
 *
 * Reachable from every FsContext, so that no call needs a global. Paths are
 * held and released here, because a hold counts on mount and entry both.
 */
import type { KernelClock } from "../kern/clock.ts";
import { KernelMemory } from "../kern/kmem.ts";
import { UserNamespace } from "../kern/userns.ts";
import { AioLimits } from "./aiolimits.ts";
import { DeviceTable, makedev } from "./device.ts";
import { Domains } from "./domain.ts";
import type { FileSystemType } from "./filesystem.ts";
import { FsSettings } from "./fssettings.ts";
import { LeaseTable } from "./lease.ts";
import { LockTable } from "./lockf.ts";
import type { Mount } from "./mount.ts";
import { MountTable } from "./mounttable.ts";
import { NameCache } from "./namecache.ts";
import { NotifyLimits } from "./notifylimits.ts";
import { holdPath, type Path, releasePath } from "./path.ts";
import { Uevents } from "./uevents.ts";

export class Vfs {
  readonly clock: KernelClock;
  /** Pays for open files, pipes, locks and the like. */
  readonly kmem: KernelMemory;
  readonly names: NameCache;
  readonly mounts: MountTable;
  /** The first user name space, which all others lie within. */
  readonly userns = UserNamespace.initial();
  readonly chrdevs = new DeviceTable();
  readonly blkdevs = new DeviceTable();
  readonly locks: LockTable;
  readonly leases: LeaseTable;
  /** What sockets can be made of. */
  readonly domains = new Domains();
  /** What is told of devices. */
  readonly uevents = new Uevents();
  /** File system types by name, as /proc/filesystems lists them. */
  readonly types = new Map<string, FileSystemType>();
  /** Where memfd_create(2)'s files live; made when first needed. */
  shm: Mount | null = null;
  readonly settings = new FsSettings();
  /** Bytes that pipes of users without CAP_SYS_RESOURCE may ask for. */
  pipeMaxSize = 1048576;
  readonly inotify: NotifyLimits;
  readonly fanotify: NotifyLimits;
  readonly aio = new AioLimits();
  /** fs.dir-notify-enable. */
  isDirNotifyEnabled = true;
  /** st_dev of pipes, and of eventfds and the like. */
  readonly pipeDev: number;
  readonly anonDev: number;
  #lastDev = 0;
  #lastAnonIno = 0;
  #lastCookie = 0;

  constructor(clock: KernelClock, names = new NameCache(), kmem = new KernelMemory(Infinity)) {
    this.clock = clock;
    this.kmem = kmem;
    this.pipeDev = this.anonymousDev();
    this.anonDev = this.anonymousDev();
    this.names = names;
    this.locks = new LockTable(kmem);
    this.leases = new LeaseTable(kmem);
    this.inotify = new NotifyLimits(this.userns, "inotify_instances", "inotify_watches");
    this.fanotify = new NotifyLimits(this.userns, "fanotify_groups", "fanotify_marks");
    this.mounts = new MountTable(names, this.locks, this.userns);
  }

  registerType(type: FileSystemType): void {
    this.types.set(type.typeName, type);
  }

  /** A device number for a file system that has no device (major 0), as st_dev shows it. */
  anonymousDev(): number {
    return makedev(0, ++this.#lastDev);
  }

  /** An inode number for a pipe, an eventfd and the like. */
  anonymousIno(): number {
    return ++this.#lastAnonIno;
  }

  /** Ties the two inotify events of one rename together. */
  nextCookie(): number {
    return ++this.#lastCookie;
  }

  hold(path: Path): Path {
    return holdPath(path);
  }

  release(path: Path): void {
    releasePath(path);
  }
}
