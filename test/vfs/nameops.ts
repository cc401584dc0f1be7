/** Operations on names, at random, and how to do each on the host's own file system and on one of ours. */
import assert from "node:assert/strict";
import * as host from "node:fs";
import fc from "fast-check";
import { failed } from "../../src/abi/errno.ts";
import { O_CREAT, O_EXCL, O_RDONLY, O_TRUNC, O_WRONLY } from "../../src/abi/fcntl.ts";
import { truncate } from "../../src/vfs/attributes.ts";
import { link, mkdir, symlink } from "../../src/vfs/create.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { rename, rmdir, unlink } from "../../src/vfs/remove.ts";
import { nameOf, type World } from "./harness.ts";

export type Op =
  | { readonly op: "mkdir" | "rmdir" | "unlink" | "stat" | "lstat" | "readlink"; path: string }
  | { readonly op: "rename" | "link" | "symlink"; path: string; to: string }
  | { readonly op: "create" | "creatExcl" | "write" | "read"; path: string; size: number }
  | { readonly op: "truncate"; path: string; size: number };

const component = fc.constantFrom("a", "b", "c", "d", "a", "b", "..", ".");
const path = fc
  .tuple(fc.array(component, { minLength: 1, maxLength: 4 }), fc.constantFrom("", "", "", "/"))
  .map(([parts, end]) => parts.join("/") + end);

export const operation: fc.Arbitrary<Op> = fc.oneof(
  fc.record({
    op: fc.constantFrom("mkdir", "mkdir", "rmdir", "unlink", "stat", "lstat", "readlink"),
    path,
  }),
  fc.record({ op: fc.constantFrom("rename", "rename", "link", "symlink"), path, to: path }),
  fc.record({
    op: fc.constantFrom("create", "creatExcl", "write", "read"),
    path,
    size: fc.integer({ min: 0, max: 9000 }),
  }),
  fc.record({
    op: fc.constant("truncate" as const),
    path,
    size: fc.integer({ min: 0, max: 9000 }),
  }),
);

/** The host's answer: "" or an error name, or what was found. */
export function onHost(base: string, o: Op): string {
  const at = (p: string): string => `${base}/${p}`;
  try {
    switch (o.op) {
      case "mkdir":
        host.mkdirSync(at(o.path));
        return "";
      case "rmdir":
        host.rmdirSync(at(o.path));
        return "";
      case "unlink":
        host.unlinkSync(at(o.path));
        return "";
      case "stat":
        return describe(host.statSync(at(o.path)));
      case "lstat":
        return describe(host.lstatSync(at(o.path)));
      case "readlink":
        return host.readlinkSync(at(o.path));
      case "rename":
        host.renameSync(at(o.path), at(o.to));
        return "";
      case "link":
        host.linkSync(at(o.path), at(o.to));
        return "";
      case "symlink":
        host.symlinkSync(o.path, at(o.to));
        return "";
      case "truncate":
        host.truncateSync(at(o.path), o.size);
        return "";
      default:
        return fileOnHost(at(o.path), o);
    }
  } catch (e) {
    return (e as NodeJS.ErrnoException).code ?? String(e);
  }
}

function fileOnHost(at: string, o: Op & { readonly size: number }): string {
  const fd = host.openSync(at, FLAGS[o.op as keyof typeof FLAGS], 0o644);
  try {
    // One byte more: a read of nothing Node answers by itself, even of a directory.
    if (o.op === "read") return String(host.readSync(fd, new Uint8Array(o.size + 1)));
    return String(host.writeSync(fd, new Uint8Array(o.size).fill(o.size)));
  } finally {
    host.closeSync(fd);
  }
}

const FLAGS = {
  create: O_CREAT | O_WRONLY | O_TRUNC,
  creatExcl: O_CREAT | O_EXCL | O_WRONLY,
  write: O_WRONLY,
  read: O_RDONLY,
};

function describe(s: { mode: number; nlink: number; size: number }): string {
  const isDir = (s.mode & 0o170000) === 0o040000;
  return isDir ? `${s.mode.toString(8)} ${s.nlink}` : `${s.mode.toString(8)} ${s.nlink} ${s.size}`;
}

export function onOurs(w: World, o: Op): string {
  const { td, ctx } = w;
  switch (o.op) {
    case "mkdir":
      return nameOf(mkdir(td, ctx, o.path, 0o777, null));
    case "rmdir":
      return nameOf(rmdir(td, ctx, o.path, null));
    case "unlink":
      return nameOf(unlink(td, ctx, o.path, null));
    case "stat":
    case "lstat": {
      const at = namei(ctx, td, o.path, o.op === "stat" ? WALK_FOLLOW : 0);
      if (failed(at)) return nameOf(at);
      const a = at.entry.vnode!.getattr();
      return failed(a) ? nameOf(a) : describe({ ...attrs(a), size: a.sizeBytes });
    }
    case "readlink": {
      const at = namei(ctx, td, o.path, 0);
      if (failed(at)) return nameOf(at);
      const target = at.entry.vnode!.readlink();
      return failed(target) ? nameOf(target) : target;
    }
    case "rename":
      return nameOf(rename(td, ctx, o.path, null, o.to, null, 0));
    case "link": {
      const at = namei(ctx, td, o.path, 0);
      return failed(at) ? nameOf(at) : nameOf(link(td, ctx, at, o.to, null));
    }
    case "symlink":
      return nameOf(symlink(td, ctx, o.path, o.to, null));
    case "truncate": {
      const at = namei(ctx, td, o.path, WALK_FOLLOW);
      return failed(at) ? nameOf(at) : nameOf(truncate(td, at, o.size));
    }
    default:
      return fileOnOurs(w, o);
  }
}

function attrs(a: { mode: number; nlink: number }): { mode: number; nlink: number } {
  return { mode: a.mode, nlink: a.nlink };
}

function fileOnOurs(w: World, o: Op & { readonly size: number }): string {
  const fp = vfsOpen(w.td, w.ctx, o.path, FLAGS[o.op as keyof typeof FLAGS], 0o644);
  if (failed(fp)) return nameOf(fp);
  const n = o.op === "read" ? w.read(fp, o.size + 1) : w.write(fp, "\x01".repeat(o.size));
  fp.release();
  return typeof n === "string" ? String(n.length) : n < 0 ? nameOf(n) : String(n);
}

/** Empties our tree, absolute paths from the root. */
export function removeAll(w: World, dir: string): void {
  const fp = vfsOpen(w.td, w.ctx, `/${dir}`, O_RDONLY, 0);
  if (failed(fp)) return;
  const names: [string, number][] = [];
  fp.readdir({
    entry(name, _ino, type) {
      if (name !== "." && name !== "..") names.push([name, type]);
      return true;
    },
  });
  fp.release();
  for (const [name, type] of names) {
    const path = `${dir}/${name}`;
    if (type === 0o040000) {
      removeAll(w, path);
      assert.equal(rmdir(w.td, w.ctx, `/${path}`, null), 0, path);
    } else assert.equal(unlink(w.td, w.ctx, `/${path}`, null), 0, path);
  }
}
