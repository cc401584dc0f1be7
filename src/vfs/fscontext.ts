/**
 * What a process sees of the file system: root, working directory, umask.
 * Shared by threads (CLONE_FS), copied by fork(2). See chroot(2), umask(2).
 */
import type { Path } from "./path.ts";
import type { Vfs } from "./vfs.ts";

export class FsContext {
  readonly vfs: Vfs;
  root: Path;
  cwd: Path;
  umask: number;
  refs = 1;

  constructor(vfs: Vfs, root: Path, cwd: Path, umask = 0o022) {
    this.vfs = vfs;
    this.root = vfs.hold(root);
    this.cwd = vfs.hold(cwd);
    this.umask = umask;
  }

  /** For fork(2): the same view, changed apart from now on. */
  copy(): FsContext {
    return new FsContext(this.vfs, this.root, this.cwd, this.umask);
  }

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs > 0) return;
    this.vfs.release(this.root);
    this.vfs.release(this.cwd);
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
