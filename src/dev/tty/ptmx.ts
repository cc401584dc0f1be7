/**
 * /dev/ptmx and the slaves: opening the one makes a pty, whose other end then
 * has a name in the devpts that the opener sees at /dev/pts. See ptmx(4), pts(4).
 */
import { PTY_SLAVE_MAJOR } from "../../abi/devices.ts";
import { EIO, ENODEV, ENOSPC, ENXIO, type Errno, failed } from "../../abi/errno.ts";
import { O_CLOEXEC, O_NOCTTY } from "../../abi/fcntl.ts";
import type { Thread } from "../../kern/thread.ts";
import { Lwp } from "../../proc/lwp.ts";
import { type DeviceDriver, majorOf, makedev, minorOf } from "../../vfs/device.ts";
import type { File } from "../../vfs/file.ts";
import { lookupEntry, namei, WALK_FOLLOW } from "../../vfs/namei.ts";
import { openAt } from "../../vfs/open.ts";
import type { Path } from "../../vfs/path.ts";
import { isPtsDirectory, type PtsDirectory } from "../../vfs/pts.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { openTty } from "./drivers.ts";
import { PtySlave } from "./pty.ts";
import { PtyMaster, type PtyOwner } from "./ptymaster.ts";
import type { ConsoleRedirect } from "./redirect.ts";

/** Ptys that may exist at a time in the machine, and how many of them are for the first mount name space. */
const MAX_PTYS = 4096;
const RESERVED_PTYS = 1024;

interface Pty {
  readonly slave: PtySlave;
  readonly directory: PtsDirectory;
  /** Where the directory was mounted when the master was opened. */
  readonly place: Path;
}

/** Serves both device numbers: the multiplexer's and the slaves'. */
export class PtyDriver implements DeviceDriver, PtyOwner {
  readonly #vfs: Vfs;
  readonly #redirect: ConsoleRedirect;
  readonly #ptys = new Map<number, Pty>();
  /** kernel.pty.max and .reserve. */
  max = MAX_PTYS;
  reserve = RESERVED_PTYS;

  constructor(vfs: Vfs, redirect: ConsoleRedirect) {
    this.#vfs = vfs;
    this.#redirect = redirect;
  }

  /** Ptys that exist, for kernel.pty.nr. */
  get count(): number {
    return this.#ptys.size;
  }

  open(td: Thread, rdev: number, flags: number): File | Errno {
    if (majorOf(rdev) === PTY_SLAVE_MAJOR) return this.#openSlave(td, minorOf(rdev), flags);
    return this.#openMaster(td, flags);
  }

  masterClosed(slave: PtySlave): void {
    const pty = this.#ptys.get(slave.index);
    if (!pty) return;
    this.#ptys.delete(slave.index);
    pty.directory.removePty(slave.index);
    this.#vfs.release(pty.place);
  }

  openPeer(td: Thread, slave: PtySlave, flags: number): number {
    const pty = this.#ptys.get(slave.index);
    if (!pty || !(td instanceof Lwp)) return EIO;
    const { mount } = pty.place;
    const entry = lookupEntry(this.#vfs, mount.root, String(slave.index));
    if (failed(entry)) return entry;
    const fp = openAt(td, this.#vfs, { mount, entry }, flags, true);
    if (failed(fp)) return fp;
    const fd = td.fdtable.alloc(fp, (flags & O_CLOEXEC) !== 0);
    if (failed(fd)) fp.release();
    return fd;
  }

  #openSlave(td: Thread, index: number, flags: number): File | Errno {
    const slave = this.#ptys.get(index)?.slave;
    if (!slave) return ENXIO;
    if (slave.isLocked) return EIO;
    const fp = openTty(td, slave, flags, false);
    if (!failed(fp)) slave.isClosed = false;
    return fp;
  }

  #openMaster(td: Thread, flags: number): File | Errno {
    const place = this.#directoryOf(td);
    if (!place || !isPtsDirectory(place.mount.fs)) return ENODEV;
    const directory = place.mount.fs;
    const index = this.#freeIndex(directory);
    if (index < 0) return ENOSPC;
    const slave = new PtySlave(makedev(PTY_SLAVE_MAJOR, index), index);
    slave.redirect = this.#redirect;
    const added = directory.addPty(index, slave.rdev, td.cred);
    if (failed(added)) return added;
    this.#ptys.set(index, { slave, directory, place: this.#vfs.hold(place) });
    return new PtyMaster(slave, this, flags & ~O_NOCTTY);
  }

  /** The devpts at the caller's /dev/pts, else the one mounted last. */
  #directoryOf(td: Thread): Path | null {
    const seen = td instanceof Lwp ? namei(td.fs, td, "/dev/pts", WALK_FOLLOW) : ENODEV;
    if (!failed(seen) && isPtsDirectory(seen.mount.fs)) return seen;
    const mount = this.#vfs.mounts.all.findLast((m) => isPtsDirectory(m.fs));
    return mount ? { mount, entry: mount.root } : null;
  }

  #freeIndex(directory: PtsDirectory): number {
    if (this.#ptys.size >= this.max - (directory.usesReserve ? 0 : this.reserve)) return -1;
    let index = 0;
    while (this.#ptys.has(index)) index++;
    return index;
  }
}
