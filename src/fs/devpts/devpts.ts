/**
 * devpts: the names of pseudoterminal slaves, one instance per mount.
 *
 * Names appear and vanish with the ptys that were opened through the instance;
 * programs can change modes and owners, and make nothing. See pts(4), and
 * Linux's filesystems/devpts.rst.
 */
import { TTYAUX_MAJOR, TTYAUX_PTMX } from "../../abi/devices.ts";
import { EINVAL, ENOSPC, type Errno } from "../../abi/errno.ts";
import type { KernelClock } from "../../kern/clock.ts";
import type { Cred } from "../../kern/cred.ts";
import { NO_ID } from "../../kern/idmap.ts";
import type { UserNamespace } from "../../kern/userns.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { makedev } from "../../vfs/device.ts";
import {
  type FileSystem,
  type FileSystemType,
  type MountRequest,
  type StatFs,
  simpleStatfs,
} from "../../vfs/filesystem.ts";
import type { PtsDirectory } from "../../vfs/pts.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { type DevptsOptions, parseDevptsOptions } from "./options.ts";
import { PtsDir, PtsNode } from "./vnodes.ts";

const DEVPTS_SUPER_MAGIC = 0x1cd1;
const ROOT_INO = 1;
const PTMX_INO = 2;
const FIRST_PTY_INO = 3;

export class Devpts implements PtsDirectory {
  readonly typeName = "devpts";
  readonly dev: number;
  isReadOnly = false;
  /** Names come and go with the ptys. */
  readonly isNameCacheable = false;
  readonly clock: KernelClock;
  readonly #root: PtsDir;
  readonly #ptmx: PtsNode;
  #options: DevptsOptions;

  readonly userns: UserNamespace;
  readonly usesReserve: boolean;

  constructor(vfs: Vfs, options: DevptsOptions, userns = vfs.userns, usesReserve = true) {
    this.userns = userns;
    this.usesReserve = usesReserve;
    const [uid, gid] = [userns.rootUid, userns.rootGid];
    this.dev = vfs.anonymousDev();
    this.clock = vfs.clock;
    this.#options = options;
    this.#root = new PtsDir(this, ROOT_INO, uid, gid);
    this.#ptmx = this.#node(
      PTMX_INO,
      makedev(TTYAUX_MAJOR, TTYAUX_PTMX),
      options.ptmxmode,
      uid,
      gid,
    );
    this.#root.names.set("ptmx", this.#ptmx);
  }

  addPty(index: number, rdev: number, cred: Cred): number {
    const { names } = this.#root;
    if (names.size - 1 >= this.#options.max) return ENOSPC;
    const { mode, uid, gid } = this.#options;
    const node = this.#node(
      FIRST_PTY_INO + index,
      rdev,
      mode,
      uid ?? cred.fsuid,
      gid ?? cred.fsgid,
    );
    names.set(String(index), node);
    this.#root.touch();
    return 0;
  }

  removePty(index: number): void {
    const name = String(index);
    const node = this.#root.names.get(name);
    if (!node) return;
    node.nlink = 0;
    this.#root.names.delete(name);
    this.#root.touch();
  }

  root(): Vnode {
    return this.#root;
  }

  statfs(): StatFs {
    return simpleStatfs(DEVPTS_SUPER_MAGIC);
  }

  sync(): number {
    return 0;
  }

  unmount(): number {
    return 0;
  }

  showOptions(): string {
    const { mode, uid, gid, ptmxmode, max } = this.#options;
    const octal = (n: number): string => n.toString(8).padStart(3, "0");
    const shown = [];
    if (uid !== null) shown.push(`uid=${this.userns.shownUid(uid)}`);
    if (gid !== null) shown.push(`gid=${this.userns.shownGid(gid)}`);
    shown.push(`mode=${octal(mode)}`, `ptmxmode=${octal(ptmxmode)}`);
    if (max < Number.POSITIVE_INFINITY) shown.push(`max=${max}`);
    return shown.join(",");
  }

  remount(isReadOnly: boolean, data: string): number {
    const options = parseDevptsOptions(data, this.userns);
    if (options === null) return EINVAL;
    this.#options = options;
    this.#ptmx.setattr({ mode: options.ptmxmode });
    this.isReadOnly = isReadOnly;
    return 0;
  }

  #node(ino: number, rdev: number, mode: number, uid: number, gid: number): PtsNode {
    return new PtsNode(this, ino, mode, rdev, uid, gid);
  }
}

export class DevptsType implements FileSystemType {
  readonly typeName = "devpts";
  readonly needsDevice = false;
  readonly isForUsers = true;
  readonly #vfs: Vfs;

  constructor(vfs: Vfs) {
    this.#vfs = vfs;
  }

  mount(request: MountRequest): FileSystem | Errno {
    const { userns } = request.cred;
    const options = parseDevptsOptions(request.data, userns);
    if (options === null) return EINVAL;
    // Its root belongs to somebody, or nobody could use it.
    if (userns.rootUid === NO_ID || userns.rootGid === NO_ID) return EINVAL;
    const { td } = request;
    const isFirst = !td || (td as Lwp).fs.ns === this.#vfs.mounts.initial;
    const fs = new Devpts(this.#vfs, options, userns, isFirst);
    fs.isReadOnly = request.isReadOnly;
    return fs;
  }
}
