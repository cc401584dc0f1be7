/**
 * Open files without a place in the tree: what stat(2) says of an eventfd, and
 * how /proc/PID/fd/N can still be followed and opened again.
 *
 * A nameless file gets a vnode and an unhashed entry on an internal mount when
 * somebody asks for its path, and no sooner.
 */
import { ENOENT, ENXIO, type Errno, failed } from "../abi/errno.ts";
import type { Cred } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import type { Attr } from "./attr.ts";
import type { File } from "./file.ts";
import type { FileSystem, StatFs } from "./filesystem.ts";
import type { Mount } from "./mount.ts";
import type { Path } from "./path.ts";
import { PipeFile } from "./pipe.ts";
import type { Vfs } from "./vfs.ts";
import { Vnode } from "./vnode.ts";

/** The attributes of an anonymous inode: mode 0600 and no type. */
export function anonAttr(vfs: Vfs, cred: Cred): Attr {
  const now = vfs.clock.realtime();
  return {
    mode: 0o600,
    ino: vfs.anonymousIno(),
    dev: vfs.anonDev,
    nlink: 1,
    uid: cred.fsuid,
    gid: cred.fsgid,
    rdev: 0,
    sizeBytes: 0,
    blksize: 4096,
    blocks: 0,
    atime: now,
    mtime: now,
    ctime: now,
    btime: null,
  };
}

/** Where `fp` is: its own path, or one made for it, unheld. What /proc/PID/fd links follow to. */
export function pathOfFile(vfs: Vfs, fp: File): Path | Errno {
  if (fp.path) return fp.path;
  const attr = fp.stat();
  if (failed(attr)) return attr;
  vfs.anonMount ??= makeMount(vfs);
  const mount = vfs.anonMount;
  if (mount === null) return ENOENT;
  const vp = new AnonVnode(mount.fs, attr, fp instanceof PipeFile ? fp : null);
  return { mount, entry: vfs.names.makeLoose(fp.describe(), vp) };
}

function makeMount(vfs: Vfs): Mount | null {
  const m = vfs.mounts.mountInternal(new AnonFs(vfs.anonDev));
  return failed(m) ? null : m;
}

class AnonVnode extends Vnode {
  readonly #attr: Attr;

  constructor(fs: FileSystem, attr: Attr, pipeFile: PipeFile | null) {
    super(fs, attr.ino, attr.mode);
    this.#attr = attr;
    this.pipe = pipeFile?.pipe ?? null;
  }

  override getattr(): Attr {
    return this.#attr;
  }

  /** Pipes open again through `pipe`, as FIFOs do; the rest cannot be opened. */
  override open(_td: Thread): Errno | null {
    return this.pipe ? null : ENXIO;
  }
}

class AnonFs implements FileSystem {
  readonly typeName = "anon_inodefs";
  readonly dev: number;
  readonly isReadOnly = false;
  readonly isNameCacheable = true;

  constructor(dev: number) {
    this.dev = dev;
  }

  root(): Vnode {
    return new AnonRoot(this, 0, 0o040000);
  }

  statfs(): StatFs {
    return {
      type: 0x09041934,
      bsize: 4096,
      blocks: 0,
      bfree: 0,
      bavail: 0,
      files: 0,
      ffree: 0,
      namelen: 255,
    };
  }

  sync(): number {
    return 0;
  }

  unmount(): number {
    return 0;
  }
}

class AnonRoot extends Vnode {
  override getattr(): Errno {
    return ENOENT;
  }
}
