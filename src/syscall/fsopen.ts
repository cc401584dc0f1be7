/**
 * Making and changing file systems by descriptor: fsopen(2), fsconfig(2),
 * fsmount(2), fspick(2). The mount exists, in no tree, from FSCONFIG_CMD_CREATE
 * on; fsmount hands it out, and move_mount(2) puts it in its place.
 */
import {
  E2BIG,
  EBUSY,
  EFAULT,
  EINVAL,
  ENODATA,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_RDWR } from "../abi/fcntl.ts";
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_CMD_CREATE_EXCL,
  FSCONFIG_CMD_RECONFIGURE,
  FSCONFIG_SET_BINARY,
  FSCONFIG_SET_FD,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_PATH,
  FSCONFIG_SET_PATH_EMPTY,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  FSPICK_CLOEXEC,
  FSPICK_EMPTY_PATH,
  FSPICK_NO_AUTOMOUNT,
  FSPICK_SYMLINK_NOFOLLOW,
} from "../abi/mount.ts";
import type { Lwp } from "../proc/lwp.ts";
import { anonAttr } from "../vfs/anon.ts";
import type { Attr } from "../vfs/attr.ts";
import { File } from "../vfs/file.ts";
import type { Mount } from "../vfs/mount.ts";
import { fd, flags, int, uaddr, uint, upath } from "./args.ts";
import { dirfd, onlyFlags, pathAt } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";
import { attrFlags } from "./mountattr.ts";
import { MountFile } from "./mountfile.ts";
import {
  isOwnRoot,
  isTooRevealing,
  mayMount,
  mayReconfigure,
  newFileSystem,
  reconfigure,
} from "./mounting.ts";

/** Bytes that a key or a value may have, its NUL included. */
const PARAM_MAX = 256;
/** Options of one file system, all together. */
const OPTIONS_MAX = 65536;

type Phase = "parameters" | "created" | "reconfigure" | "done" | "failed";

class FsContextFile extends File {
  readonly typeName: string;
  readonly #attr: Attr;
  phase: Phase;
  source = "";
  isReadOnly: boolean;
  options = "";
  /** Made and not handed out yet, or picked. */
  mount: Mount | null;
  readonly #isPicked: boolean;

  constructor(typeName: string, attr: Attr, picked: Mount | null) {
    super(O_RDWR);
    this.typeName = typeName;
    this.#attr = attr;
    this.mount = picked;
    this.#isPicked = picked !== null;
    if (picked) picked.refs++;
    this.phase = picked ? "reconfigure" : "parameters";
    this.isReadOnly = picked?.fs.isReadOnly ?? false;
  }

  describe(): string {
    return "anon_inode:[fscontext]";
  }

  override stat(): Attr {
    return this.#attr;
  }

  /** Messages for people; what is wrong is in the kernel's log. */
  override read(): number {
    return ENODATA;
  }

  addOption(option: string): number {
    const all = this.options === "" ? option : `${this.options},${option}`;
    if (all.length > OPTIONS_MAX) return E2BIG;
    this.options = all;
    return 0;
  }

  override onLastClose(): void {
    const m = this.mount;
    this.mount = null;
    if (m && this.#isPicked) m.table.releaseMount(m);
    else m?.table.discard(m);
  }
}

export const sys_fsopen = syscall("fsopen", [uaddr, flags], (td, nameAddr, how) => {
  if (!mayMount(td)) return EPERM;
  if (failed(onlyFlags(how, FSOPEN_CLOEXEC))) return EINVAL;
  const name = td.proc.vmspace.copyinstr(nameAddr, PARAM_MAX);
  if (failed(name)) return name === EFAULT ? EFAULT : EINVAL;
  if (!td.fs.vfs.types.has(name)) return ENODEV;
  const fp = new FsContextFile(name, anonAttr(td.fs.vfs, td.cred), null);
  return newFd(td, fp, (how & FSOPEN_CLOEXEC) !== 0);
});

export const sys_fspick = syscall("fspick", [dirfd, upath, flags], (td, dfd, path, how) => {
  if (!mayMount(td)) return EPERM;
  const known = FSPICK_CLOEXEC | FSPICK_SYMLINK_NOFOLLOW | FSPICK_NO_AUTOMOUNT | FSPICK_EMPTY_PATH;
  if (failed(onlyFlags(how, known))) return EINVAL;
  let walk = (how & FSPICK_SYMLINK_NOFOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0;
  if ((how & FSPICK_EMPTY_PATH) !== 0) walk |= AT_EMPTY_PATH;
  const at = pathAt(td, dfd, path, walk);
  if (failed(at)) return at;
  if (!isOwnRoot(td, at)) return EINVAL;
  const { fs } = at.mount;
  const fp = new FsContextFile(fs.typeName, anonAttr(td.fs.vfs, td.cred), at.mount);
  return newFd(td, fp, (how & FSPICK_CLOEXEC) !== 0);
});

export const sys_fsconfig = syscall(
  "fsconfig",
  [fd, uint, uaddr, uaddr, int],
  (td, fp, command, keyAddr, valueAddr, aux) => {
    const wrong = checkArguments(command, keyAddr !== 0, valueAddr !== 0, aux);
    if (wrong < 0) return wrong;
    if (!(fp instanceof FsContextFile)) return EINVAL;
    if (command === FSCONFIG_CMD_CREATE || command === FSCONFIG_CMD_CREATE_EXCL) {
      return create(td, fp, command === FSCONFIG_CMD_CREATE_EXCL);
    }
    if (command === FSCONFIG_CMD_RECONFIGURE) return change(td, fp);
    const key = param(td, keyAddr);
    if (failed(key)) return key;
    if (fp.phase !== "parameters" && fp.phase !== "reconfigure") return EBUSY;
    if (command === FSCONFIG_SET_FLAG) return setFlag(fp, key);
    if (command !== FSCONFIG_SET_STRING) return EINVAL;
    const value = param(td, valueAddr);
    return failed(value) ? value : setString(fp, key, value);
  },
);

function checkArguments(command: number, hasKey: boolean, hasValue: boolean, aux: number): number {
  let good: boolean;
  if (command === FSCONFIG_SET_FLAG) good = hasKey && !hasValue && aux === 0;
  else if (command === FSCONFIG_SET_STRING) good = hasKey && hasValue && aux === 0;
  else if (command === FSCONFIG_SET_BINARY) good = hasKey && hasValue && aux > 0 && aux <= 1 << 20;
  else if (command === FSCONFIG_SET_PATH || command === FSCONFIG_SET_PATH_EMPTY) {
    good = hasKey && hasValue && (aux === AT_FDCWD || aux >= 0);
  } else if (command === FSCONFIG_SET_FD) good = hasKey && !hasValue && aux >= 0;
  else if (command <= FSCONFIG_CMD_CREATE_EXCL) good = !hasKey && !hasValue && aux === 0;
  else return EOPNOTSUPP;
  return good ? 0 : EINVAL;
}

function param(td: Lwp, addr: number): string | Errno {
  const s = td.proc.vmspace.copyinstr(addr, PARAM_MAX);
  return failed(s) && s !== EFAULT ? EINVAL : s;
}

/** Flags of the file system that mean nothing here. */
const QUIET_FLAGS = new Set([
  "async",
  "dirsync",
  "lazytime",
  "nolazytime",
  "mand",
  "nomand",
  "sync",
]);

function setFlag(fp: FsContextFile, key: string): number {
  if (key === "ro" || key === "rw") {
    fp.isReadOnly = key === "ro";
    return 0;
  }
  return QUIET_FLAGS.has(key) ? 0 : option(fp, key, key);
}

function setString(fp: FsContextFile, key: string, value: string): number {
  if (key === "source") {
    if (fp.source !== "") return EINVAL;
    fp.source = value;
    return 0;
  }
  return option(fp, key, `${key}=${value.replaceAll(",", "\\,")}`);
}

function option(fp: FsContextFile, key: string, text: string): number {
  return key === "" || /[,=]/.test(key) ? EINVAL : fp.addOption(text);
}

function create(td: Lwp, fp: FsContextFile, isExclusive: boolean): number {
  if (fp.phase !== "parameters") return EBUSY;
  const { mounts } = td.fs.vfs;
  fp.phase = "failed";
  const { typeName, source, options, isReadOnly } = fp;
  const fs = newFileSystem(td, { typeName, source, data: options, isReadOnly });
  if (failed(fs)) return fs;
  if (isExclusive && mounts.all.some((m) => m.fs === fs)) return EBUSY;
  const m = mounts.makeDetached(fs, 0, source === "" ? "none" : source, fs.mountRoot?.(td));
  if (failed(m)) return m;
  fp.mount = m;
  fp.phase = "created";
  return 0;
}

function change(td: Lwp, fp: FsContextFile): number {
  if (fp.phase !== "reconfigure" || !fp.mount) return EBUSY;
  if (!mayReconfigure(td, fp.mount.fs)) return EPERM;
  const { mount, isReadOnly } = fp;
  if (isReadOnly && !mount.fs.isReadOnly && mount.table.isWritten(mount, true)) return EBUSY;
  const r = reconfigure(mount.fs, isReadOnly, fp.options);
  fp.options = "";
  if (r >= 0) mount.ns?.change();
  return r;
}

export const sys_fsmount = syscall("fsmount", [fd, flags, flags], (td, fp, how, attributes) => {
  if (!mayMount(td)) return EPERM;
  if (failed(onlyFlags(how, FSMOUNT_CLOEXEC))) return EINVAL;
  const kept = attrFlags(attributes);
  if (failed(kept)) return kept;
  if (!(fp instanceof FsContextFile)) return EINVAL;
  const m = fp.mount;
  if (fp.phase !== "created" || !m) return fp.phase === "parameters" ? EINVAL : EBUSY;
  m.flags = kept;
  if (isTooRevealing(td, m)) return EPERM;
  fp.mount = null;
  fp.phase = "done";
  return newFd(td, new MountFile(m), (how & FSMOUNT_CLOEXEC) !== 0);
});

export const fsopenSyscalls: readonly (readonly [number, Syscall])[] = [
  [430, sys_fsopen],
  [431, sys_fsconfig],
  [432, sys_fsmount],
  [433, sys_fspick],
];
