/**
 * What a process sees of the file system: mounts, root, working directory,
 * umask. Shared by threads (CLONE_FS), copied by fork(2). See chroot(2),
 * umask(2), mount_namespaces(7).
 */
import { failed } from "../abi/errno.ts";
import type { Charge } from "../kern/namespace.ts";
import type { UserNamespace } from "../kern/userns.ts";
import type { Mount } from "./mount.ts";
import type { MountNamespace } from "./mountns.ts";
import type { Path } from "./path.ts";
import type { Vfs } from "./vfs.ts";

export class FsContext {
  readonly vfs: Vfs;
  root: Path;
  cwd: Path;
  umask: number;
  ns: MountNamespace;
  refs = 1;

  constructor(vfs: Vfs, root: Path, cwd: Path, umask = 0o022, ns = vfs.mounts.initial) {
    this.vfs = vfs;
    this.ns = ns.hold();
    this.root = vfs.hold(root);
    this.cwd = vfs.hold(cwd);
    this.umask = umask;
  }

  /** For fork(2): the same view, changed apart from now on. */
  copy(): FsContext {
    return new FsContext(this.vfs, this.root, this.cwd, this.umask, this.ns);
  }

  /**
   * Goes on in a copy of its mount name space, which `owner` owns; root and working directory stay
   * what they are there.
   */
  unshareMounts(owner: UserNamespace, charge: Charge | null): number {
    const { vfs } = this;
    const copies = new Map<Mount, Mount>();
    const ns = vfs.mounts.copyNamespace(this.ns, copies, owner, charge);
    if (failed(ns)) return ns;
    const there = ({ mount, entry }: Path): Path => ({ mount: copies.get(mount) ?? mount, entry });
    this.setRoot(there(this.root));
    this.setCwd(there(this.cwd));
    this.#enter(ns);
    ns.release();
    return 0;
  }

  /** setns(2): its root, and what lies on top of that, is root and working directory now. */
  joinMounts(ns: MountNamespace, top: Mount): void {
    const root = this.vfs.mounts.topmost({ mount: top, entry: top.root });
    this.setRoot(root);
    this.setCwd(root);
    this.#enter(ns);
  }

  #enter(ns: MountNamespace): void {
    const old = this.ns;
    this.ns = ns.hold();
    old.release();
  }

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs > 0) return;
    this.vfs.release(this.root);
    this.vfs.release(this.cwd);
    this.ns.release();
  }

  setCwd(to: Path): void {
    const old = this.cwd;
    this.cwd = this.vfs.hold(to);
    this.vfs.release(old);
  }

  setRoot(to: Path): void {
    const old = this.root;
    this.root = this.vfs.hold(to);
    this.vfs.release(old);
  }
}
