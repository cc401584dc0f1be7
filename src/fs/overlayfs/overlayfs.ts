/**
 * overlayfs: an upper directory, which takes all changes, over lower ones,
 * which stay as they are. See Documentation/filesystems/overlayfs.rst.
 *
 * The layers are held by mounts of their own that nobody sees, so they outlive
 * the mounts they were named by. What happens in the layers is done with the
 * credentials of who mounted. Changing a layer directly while it is mounted
 * here gives no crash, but no promise of what is seen either.
 */
import { EROFS, type Errno } from "../../abi/errno.ts";
import type { Cred } from "../../kern/cred.ts";
import { Thread } from "../../kern/thread.ts";
import type { UserNamespace } from "../../kern/userns.ts";
import { access } from "../../vfs/access.ts";
import type { FileSystem, StatFs } from "../../vfs/filesystem.ts";
import type { Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { AttrNames, YES } from "./attrnames.ts";
import { OvlDir } from "./dir.ts";
import { type Found, type LowerEntry, OvlNode } from "./node.ts";
import type { OverlayOptions } from "./options.ts";
import { decodeOrigin } from "./origin.ts";
import type { WorkDir } from "./workdir.ts";

const OVERLAYFS_MAGIC = 0x794c7630;

/** Reads and writes the layers on behalf of the overlay; it is never scheduled. */
export class MounterThread extends Thread {}

/** What an overlay is made of. The mounts of the paths are its own, held once each. */
export interface Layers {
  readonly upper: Path | null;
  readonly work: WorkDir | null;
  readonly lower: readonly Path[];
}

export class OverlayFs implements FileSystem {
  readonly typeName = "overlay";
  readonly userns: UserNamespace;
  readonly dev: number;
  readonly isNameCacheable: boolean;
  readonly stackDepth: number;
  readonly vfs: Vfs;
  readonly thread: MounterThread;
  readonly options: OverlayOptions;
  readonly attrNames: AttrNames;
  readonly upper: Path | null;
  readonly work: WorkDir | null;
  readonly rootLower: readonly LowerEntry[];
  readonly #lower: readonly Path[];
  /** All layers are on one file system: numbers of files are unique as they are. */
  readonly #isSameFs: boolean;
  /** All lower layers are on one: an origin's number says all. */
  readonly #isSameLower: boolean;
  /** Device numbers that stand for the file systems of the layers where there are several. */
  readonly #devices = new Map<FileSystem, number>();
  readonly #byUpper = new Map<Vnode, OvlNode>();
  readonly #root: OvlDir;
  #isReadOnly: boolean;
  #lastIno = 1;

  constructor(
    vfs: Vfs,
    thread: MounterThread,
    layers: Layers,
    options: OverlayOptions,
    isReadOnly: boolean,
  ) {
    this.vfs = vfs;
    this.thread = thread;
    this.userns = thread.cred.userns;
    this.options = options;
    this.attrNames = new AttrNames(options.isUserxattr);
    this.dev = vfs.anonymousDev();
    this.upper = layers.upper;
    this.work = layers.work;
    this.#lower = layers.lower;
    this.#isReadOnly = isReadOnly;
    const below = new Set(layers.lower.map((l) => l.mount.fs));
    this.#isSameLower = below.size === 1;
    if (layers.upper) below.add(layers.upper.mount.fs);
    this.#isSameFs = below.size === 1;
    if (!this.#isSameFs) for (const fs of below) this.#devices.set(fs, vfs.anonymousDev());
    this.isNameCacheable = [...below].every((fs) => fs.isNameCacheable);
    this.stackDepth = stackDepth(below);
    this.rootLower = layers.lower.map(({ entry }, layer) => ({ entry, layer }));
    const found = { upper: layers.upper?.entry ?? null, lower: this.rootLower, redirect: "" };
    this.#root = this.node(found, null, "") as OvlDir;
  }

  get cred(): Cred {
    return this.thread.cred;
  }

  get isReadOnly(): boolean {
    return this.#isReadOnly || !this.upper || this.upper.mount.isReadOnly;
  }

  root(): Vnode {
    return this.#root;
  }

  /** The node for what was found: the one in use, where the same upper file has several names. */
  node(found: Found, parent: OvlDir | null, name: string): OvlNode {
    const vp = found.upper?.vnode;
    const known = vp ? this.#byUpper.get(vp) : undefined;
    if (known) return known;
    const real = (found.upper ?? found.lower[0]!.entry).vnode!;
    const Kind = real.isDir ? OvlDir : OvlNode;
    const node = new Kind(this, found, parent, name);
    this.remember(node);
    return node;
  }

  remember(node: OvlNode): void {
    const vp = node.upper?.vnode;
    if (vp) this.#byUpper.set(vp, node);
  }

  forget(node: OvlNode): void {
    const vp = node.upper?.vnode;
    if (vp && this.#byUpper.get(vp) === node) this.#byUpper.delete(vp);
  }

  isOpaque(vp: Vnode): boolean {
    return this.attrNames.hasYes(vp, "opaque");
  }

  /** A directory with a copied-up file in it that was not below: its layer's numbers are not all right. */
  markImpure(dir: OvlDir, node: OvlNode): void {
    if (dir.isMerged || !dir.upper || !node.upper) return;
    if (!this.attrNames.note(node.upper.vnode!, "origin")) return;
    this.attrNames.tryNote(dir.upper.vnode!, "impure", YES);
  }

  /** What access(2) by the mounter says of a file in a layer. */
  mayAsMounter(vp: Vnode, want: number): number {
    return access(vp, this.cred, want);
  }

  /** st_ino: that of the lowest form of the file, which copying up does not change. */
  inoOf(found: Found): number {
    const real = (found.upper ?? found.lower[0]!.entry).vnode!;
    return real.isDir && !this.#isSameFs ? ++this.#lastIno : this.listedInoOf(found);
  }

  /** d_ino: as st_ino, but for directories of several file systems, which are numbered as they come. */
  listedInoOf(found: Found): number {
    const real = (found.upper ?? found.lower[0]!.entry).vnode!;
    if (real.isDir) return found.lower[0]?.entry.vnode?.ino ?? real.ino;
    return this.#originOf(found) || real.ino;
  }

  #originOf({ upper }: Found): number {
    if (!upper || !this.#isSameLower) return 0;
    return decodeOrigin(this.attrNames.note(upper.vnode!, "origin"));
  }

  /** st_dev. */
  devOf(found: Found): number {
    const real = (found.upper ?? found.lower[0]!.entry).vnode!;
    if (this.#isSameFs || real.isDir) return this.dev;
    const fs = this.#originOf(found) ? this.#lower[0]!.mount.fs : real.fs;
    return this.#devices.get(fs) ?? this.dev;
  }

  statfs(): StatFs | Errno {
    const s = (this.upper ?? this.#lower[0]!).mount.fs.statfs();
    return typeof s === "number" ? s : { ...s, type: OVERLAYFS_MAGIC };
  }

  sync(): number {
    return this.upper && !this.options.isVolatile ? this.upper.mount.fs.sync() : 0;
  }

  unmount(): number {
    this.work?.close();
    const layers = this.upper ? [this.upper, ...this.#lower] : this.#lower;
    for (const l of layers) l.mount.table.releaseMount(l.mount);
    return 0;
  }

  showOptions(): string {
    return this.options.shown;
  }

  /** Options stay what they are; without an upper layer it stays read-only. */
  remount(isReadOnly: boolean, _data: string): number {
    if (!isReadOnly && !this.upper) return EROFS;
    this.#isReadOnly = isReadOnly;
    return isReadOnly ? this.sync() : 0;
  }
}

function stackDepth(below: ReadonlySet<FileSystem>): number {
  let depth = 0;
  for (const fs of below) depth = Math.max(depth, fs.stackDepth ?? 0);
  return depth + 1;
}
