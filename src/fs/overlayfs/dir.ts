/**
 * Directories of an overlay: what the layers have under one name, merged.
 *
 * The topmost layer that has a name decides; a whiteout there means that the
 * name is gone, and a directory marked opaque hides what is below it. A name
 * that is below is removed by a whiteout in the upper layer, and what is made
 * in its place replaces the whiteout in one rename.
 */
import { EEXIST, EIO, ENOENT, ENOTEMPTY, EPERM, type Errno, failed } from "../../abi/errno.ts";
import { RENAME_EXCHANGE } from "../../abi/fcntl.ts";
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import { MAY_EXEC, MAY_READ, MAY_WRITE, ownership } from "../../vfs/access.ts";
import type { Attr } from "../../vfs/attr.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import { formatAcl, inheritAcl, parseAcl } from "../../vfs/posixacl.ts";
import type { DirSink, Vnode } from "../../vfs/vnode.ts";
import { YES } from "./attrnames.ts";
import { DirList, FIRST_SEQ } from "./dirlist.ts";
import { mergedNames, passThrough } from "./listing.ts";
import { findName, hasBelow } from "./lookup.ts";
import { OvlNode } from "./node.ts";
import {
  isWhiteout,
  linkReal,
  lookupReal,
  makeReal,
  type NewFile,
  removeReal,
  renameReal,
} from "./real.ts";
import { renameOverlay } from "./rename.ts";

const ACL_ACCESS = "system.posix_acl_access";
const ACL_DEFAULT = "system.posix_acl_default";

export class OvlDir extends OvlNode {
  #list: DirList | null = null;

  get isMerged(): boolean {
    return this.upper ? this.lower.length > 0 : this.lower.length > 1;
  }

  /** Some of it is below: it cannot be renamed without a note on where. */
  get isBelow(): boolean {
    return this.lower.length > 0;
  }

  /** Nobody counts the directories of several layers; find(1) understands 1. */
  protected override linksOf(a: Attr): number {
    return this.isMerged ? 1 : super.linksOf(a);
  }

  override lookup(name: string): Vnode | Errno {
    const found = findName(this, name);
    if (found === null) return ENOENT;
    return failed(found) ? found : this.fs.node(found, this, name);
  }

  override readdir(offset: number, sink: DirSink): number {
    const denied = this.fs.mayAsMounter(this.real, MAY_READ);
    if (denied < 0) return denied;
    const up = this.parent ?? this;
    if (!this.isMerged && (this.upper || !this.fs.upper)) {
      return passThrough(this, up.ino, offset, sink);
    }
    if (offset <= 0 || !this.#list) {
      const names = mergedNames(this);
      if (failed(names)) return names;
      this.#list ??= new DirList(this.fs.vfs.kmem);
      const r = this.#list.refresh(names);
      if (r < 0) return r;
    }
    if (offset <= 0 && !sink.entry(".", this.ino, S_IFDIR, 1)) return 0;
    if (offset <= 1 && !sink.entry("..", up.ino, S_IFDIR, FIRST_SEQ)) return 0;
    for (const e of this.#list.from(offset)) {
      if (!sink.entry(e.name, e.ino, e.type, e.seq + 1)) return 0;
    }
    return 0;
  }

  /** 0, ENOTEMPTY, or an error of a layer. */
  checkEmpty(): number {
    const names = mergedNames(this);
    if (failed(names)) return names;
    return names.length === 0 ? 0 : ENOTEMPTY;
  }

  /** A name came or went. */
  listed(name: string, node: OvlNode | null): void {
    if (node) this.#list?.add(name, node.ino, node.type);
    else this.#list?.remove(name);
  }

  override mknod(name: string, mode: number, rdev: number, cred: Cred): Vnode | Errno {
    // That would be a whiteout.
    if ((mode & S_IFMT) === S_IFCHR && rdev === 0) return EPERM;
    return this.#create(name, { mode, rdev, target: "" }, cred);
  }

  override mkdir(name: string, mode: number, cred: Cred): Vnode | Errno {
    return this.#create(name, { mode: S_IFDIR | mode, rdev: 0, target: "" }, cred);
  }

  override symlink(name: string, target: string, cred: Cred): Vnode | Errno {
    return this.#create(name, { mode: S_IFLNK | 0o777, rdev: 0, target }, cred);
  }

  /** The upper directory, there and writable for the mounter. */
  prepare(): NameEntry | Errno {
    const vp = this.writable();
    if (failed(vp)) return vp;
    const denied = this.fs.mayAsMounter(vp, MAY_WRITE | MAY_EXEC);
    return denied < 0 ? (denied as Errno) : this.upper!;
  }

  #create(name: string, what: NewFile, cred: Cred): OvlNode | Errno {
    const dir = this.prepare();
    if (failed(dir)) return dir;
    const { fs } = this;
    const there = lookupReal(fs.vfs, dir, name);
    if (failed(there)) return there;
    let made: NameEntry | Errno;
    if (there) made = this.#replace(there, what, cred);
    else {
      made = makeReal(fs.vfs, dir, name, what, cred);
      // Nothing is below it; the mark saves the lookups.
      if (!failed(made) && made.vnode!.isDir && this.isMerged) {
        fs.attrNames.setNote(made.vnode!, "opaque", YES);
      }
    }
    if (failed(made)) return made;
    const node = fs.node({ upper: made, lower: [], redirect: "" }, this, name);
    this.listed(name, node);
    return node;
  }

  /** Makes a file in the work directory and renames it over the whiteout at `there`. */
  #replace(there: NameEntry, what: NewFile, cred: Cred): NameEntry | Errno {
    const { fs } = this;
    if (!isWhiteout(there.vnode!)) return EEXIST;
    const dirAttr = this.real.getattr();
    if (failed(dirAttr)) return dirAttr;
    const owner = ownership(dirAttr, what.mode, cred);
    const maker = cred.with({ fsuid: owner.uid, fsgid: owner.gid });
    const temp = fs.work!.make({ ...what, mode: owner.mode }, maker);
    if (failed(temp)) return temp;
    const { name } = there;
    let r = this.#giveAcls(temp.vnode!, owner.mode);
    if (temp.vnode!.isDir) {
      if (r >= 0) r = fs.attrNames.setNote(temp.vnode!, "opaque", YES) < 0 ? EIO : 0;
      if (r >= 0) r = renameReal(fs.vfs, temp, this.upper!, name, RENAME_EXCHANGE);
      if (r >= 0) fs.work!.discard(there);
    } else if (r >= 0) r = renameReal(fs.vfs, temp, this.upper!, name, 0);
    if (r >= 0) return temp;
    fs.work!.discard(temp);
    return r as Errno;
  }

  /** What the file would have inherited, had it been made in its place. */
  #giveAcls(made: Vnode, mode: number): number {
    const value = this.real.hasDefaultAcl ? this.real.getxattr(ACL_DEFAULT) : null;
    if (value === null || made.type === S_IFLNK) return 0;
    if (failed(value)) return value;
    const acl = parseAcl(value);
    if (acl === null || failed(acl)) return 0;
    const r = made.setxattr(ACL_ACCESS, formatAcl(inheritAcl(acl, mode)), 0);
    return r >= 0 && made.isDir ? made.setxattr(ACL_DEFAULT, value, 0) : r;
  }

  override link(name: string, vp: Vnode): number {
    const node = vp as OvlNode;
    const file = node.writable();
    if (failed(file)) return file;
    const dir = this.prepare();
    if (failed(dir)) return dir;
    const { fs } = this;
    const there = lookupReal(fs.vfs, dir, name);
    if (failed(there)) return there;
    let r = 0;
    if (there) {
      if (!isWhiteout(there.vnode!)) return EEXIST;
      const temp = linkReal(fs.vfs, fs.work!.entry, fs.work!.freshName(), file);
      if (failed(temp)) return temp;
      r = renameReal(fs.vfs, temp, dir, name, 0);
      if (r < 0) fs.work!.discard(temp);
    } else {
      const made = linkReal(fs.vfs, dir, name, file);
      if (failed(made)) r = made;
    }
    if (r < 0) return r;
    node.isUnlinked = false;
    fs.markImpure(this, node);
    this.listed(name, node);
    return 0;
  }

  override tmpfile(mode: number, cred: Cred): Vnode | Errno {
    const dir = this.prepare();
    if (failed(dir)) return dir;
    const vp = dir.vnode!.tmpfile(mode, cred);
    if (failed(vp)) return vp;
    const { names } = this.fs.vfs;
    const entry = names.makeUnnamed(dir, vp);
    const node = this.fs.node({ upper: entry, lower: [], redirect: "" }, this, entry.name);
    node.isUnlinked = true;
    names.release(entry);
    return node;
  }

  override unlink(name: string, vp: Vnode): number {
    return this.#remove(name, vp as OvlNode);
  }

  override rmdir(name: string, vp: Vnode): number {
    const dir = vp as OvlDir;
    const r = dir.checkEmpty();
    return r < 0 ? r : this.#remove(name, dir);
  }

  #remove(name: string, node: OvlNode): number {
    const dir = this.prepare();
    if (failed(dir)) return dir;
    const { fs } = this;
    const below = hasBelow(this, name);
    if (below < 0) return below;
    const there = lookupReal(fs.vfs, dir, name);
    if (failed(there)) return there;
    const r = below ? this.#whiteOut(dir, name, there) : this.#takeOut(there);
    if (r < 0) return r;
    const a = node.upper?.vnode?.getattr();
    if (!node.upper || (a && !failed(a) && (a.nlink === 0 || node.isDir))) node.isUnlinked = true;
    this.listed(name, null);
    return 0;
  }

  /** A whiteout in place of `there`, or of nothing. */
  #whiteOut(dir: NameEntry, name: string, there: NameEntry | null): number {
    const { fs } = this;
    const whiteout = fs.work!.whiteout();
    if (failed(whiteout)) return whiteout;
    const isDir = there?.vnode?.isDir ?? false;
    const r = renameReal(fs.vfs, whiteout, dir, name, isDir ? RENAME_EXCHANGE : 0);
    if (r < 0) fs.work!.discard(whiteout);
    else if (isDir) fs.work!.discard(there!);
    return r;
  }

  /** Removes what is in the upper layer alone; a directory may still have whiteouts in it. */
  #takeOut(there: NameEntry | null): number {
    if (!there) return ENOENT;
    const { fs } = this;
    if (!there.vnode!.isDir) return removeReal(fs.vfs, there);
    const r = removeReal(fs.vfs, there);
    if (r !== ENOTEMPTY) return r;
    const moved = renameReal(fs.vfs, there, fs.work!.entry, fs.work!.freshName(), 0);
    if (moved >= 0) fs.work!.discard(there);
    return moved;
  }

  override rename(
    name: string,
    vp: Vnode,
    toDir: Vnode,
    toName: string,
    over: Vnode | null,
    flags: number,
  ): number {
    const place = { dir: this as OvlDir, name };
    const to = { dir: toDir as OvlDir, name: toName };
    return renameOverlay(place, vp as OvlNode, to, over as OvlNode | null, flags);
  }

  override inactive(): void {
    this.#list?.drop();
    this.#list = null;
    super.inactive();
  }
}
