/**
 * ISO 9660 images made by xorriso and genisoimage, and how the tests read them:
 * with our file system, and with isoinfo.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../../src/abi/stat.ts";
import { Vkd } from "../../src/dev/vkd.ts";
import { Iso9660Type } from "../../src/fs/iso9660/iso9660.ts";
import { IsoVnode } from "../../src/fs/iso9660/vnode.ts";
import { Cred } from "../../src/kern/cred.ts";
import { Disks } from "../../src/vfs/disks.ts";
import type { PageAllocator } from "../../src/vm/page.ts";
import { MemoryStore, type Mounted, pattern } from "./ext4image.ts";
import { namesIn } from "./names.ts";

/** Why the images cannot be made, or false. */
export const noIsoTools: string | false = ["xorriso", "genisoimage", "isoinfo"].every(
  (tool) => !spawnSync(tool, ["-version"]).error,
)
  ? false
  : "xorriso, genisoimage or isoinfo is not installed";

/** A tree with what Rock Ridge must get right: long names and links, depth, kinds, owners. */
export function makeIsoTree(root: string, entries: number, hasLongLinks = true): void {
  mkdirSync(join(root, "many"), { recursive: true });
  for (let i = 0; i < entries; i++) writeFileSync(join(root, "many", `File number ${i}`), `${i}\n`);
  for (const n of [0, 1, 2047, 2048, 2049, 4096, 70000, 300001]) {
    writeFileSync(join(root, `size-${n}.bin`), pattern(n, n));
  }
  writeFileSync(join(root, "n".repeat(250)), "long name");
  writeFileSync(join(root, "noextension"), "x");
  writeFileSync(join(root, "Upper and lower.Case.tar.gz"), "y");
  writeFileSync(join(root, "caf\u00e9 \u65e5\u672c.txt"), "z");
  const links = ["size-1.bin", "/", "/etc/passwd", ".", "..", "../../a/./b/../c", "x".repeat(200)];
  // genisoimage writes longer ones wrong, or never ends.
  if (hasLongLinks)
    links.push(`/${Array(3).fill("y".repeat(250)).join("/")}`, `${"../".repeat(300)}end`);
  for (const [i, to] of links.entries()) symlinkSync(to, join(root, `link-${i}`));
  lutimesSync(join(root, "link-0"), 1e9, 1e9);
  const deep = Array.from({ length: 14 }, (_, i) => `level ${i + 1}`);
  mkdirSync(join(root, ...deep), { recursive: true });
  writeFileSync(join(root, ...deep, "leaf"), "deep");
  writeFileSync(join(root, ...deep.slice(0, 9), "half way"), "half");
  mkdirSync(join(root, "private"), { mode: 0o700 });
  writeFileSync(join(root, "private", "set-id"), "s");
  chmodSync(join(root, "private", "set-id"), 0o6751);
  linkSync(join(root, "private", "set-id"), join(root, "private", "same"));
  utimesSync(join(root, "size-1.bin"), 86400 * 3650, 86400 * 3651);
  utimesSync(join(root, "size-0.bin"), 4e9, 4e9 + 1);
  execFileSync("mkfifo", [join(root, "fifo")]);
  if (process.getuid?.() !== 0) return;
  chownSync(join(root, "size-2048.bin"), 1234, 70000);
  // Containers may not make devices: then there are none to compare.
  spawnSync("mknod", [join(root, "null"), "c", "1", "3"]);
  spawnSync("mknod", [join(root, "disk"), "b", "259", "1000"]);
}

export function genisoimage(image: string, tree: string, options: readonly string[]): string {
  execFileSync("genisoimage", ["-quiet", ...options, "-o", image, tree], {
    stdio: "ignore",
    timeout: 10_000,
  });
  return image;
}

export function xorriso(image: string, tree: string, options: readonly string[]): string {
  execFileSync("xorriso", ["-as", "mkisofs", "-quiet", ...options, "-o", image, tree], {
    stdio: "ignore",
    timeout: 10_000,
  });
  return image;
}

/** An image of `tree` whose files are compressed, by zisofs, where that makes them smaller. */
export function zisofs(image: string, tree: string): string {
  const filter = ["-zisofs", "level=9", "-set_filter_r", "--zisofs", "/", "--"];
  execFileSync("xorriso", ["-outdev", `stdio:${image}`, "-map", tree, "/", ...filter], {
    stdio: "ignore",
    timeout: 10_000,
  });
  return image;
}

export function mountIso(bytes: Uint8Array, data = "", isReadOnly = true): Mounted {
  const messages: string[] = [];
  const disks = new Disks();
  const options = { isCopyOnWrite: false, overlayLimitBytes: 0, serial: "" };
  disks.add(new Vkd(0, new MemoryStore(bytes), options));
  // Nobody maps a file of it or reads by pages: whoever asked for a frame would fail at once.
  const frames = null as unknown as PageAllocator;
  const type = new Iso9660Type(disks, frames, { log: (_level, text) => messages.push(text) });
  const rdev = disks.all[0]!.rdev;
  const result = type.mount({ source: "vkd0", rdev, data, isReadOnly, cred: Cred.root() });
  return { result, messages };
}

/** The root of an image that must mount. */
export function isoRoot(bytes: Uint8Array, data = ""): IsoVnode {
  const { result, messages } = mountIso(bytes, data);
  if (typeof result === "number") throw new Error(`mount: ${result}: ${messages.join("; ")}`);
  const root = result.root();
  if (!(root instanceof IsoVnode)) throw new Error(`root: ${root}`);
  return root;
}

export function isoContents(vp: IsoVnode): Uint8Array {
  const all = new Uint8Array(vp.inode.sizeBytes);
  for (let at = 0; at < all.length; at += 12288) {
    const r = vp.pageIn(at / 4096, all.subarray(at, at + 12288));
    if (r < 0) throw new Error(`read: ${r}`);
  }
  return all;
}

/** Files as isoinfo lists them: "mode nlink uid gid size block target" by path; without Rock Ridge, "kind size block". */
export type Listing = Record<string, string>;

export function isoinfo(image: string, options: readonly string[]): Listing {
  const hasRockRidge = options.includes("-R");
  const text = execFileSync("isoinfo", ["-i", image, "-l", ...options], {
    encoding: "latin1",
    maxBuffer: 1 << 26,
    timeout: 10_000,
  });
  const found: Listing = {};
  let dir = "";
  for (const line of text.split("\n")) {
    const heading = /^Directory listing of (.*)$/.exec(line);
    if (heading) dir = heading[1]!;
    const m =
      /^(\S{10})\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+) .{11} \[\s*(\d+) ..\]\s{2}(.*?)\s?(?: -> (.*))?$/.exec(
        line,
      );
    if (!m) continue;
    const [, mode, nlink, uid, gid, size, block, name, target] = m;
    if (name === "." || name === "..") continue;
    const hasBlock = /^[d-]/.test(mode!) && size !== "0";
    const where = [size, hasBlock ? block : ""];
    // It prints owners in octal, calls a FIFO "f", and does not know the link to "/".
    const owners = [uid, gid].map((id) => Number.parseInt(id!, 8));
    const kind = mode!.replace(/^f/, "p");
    found[dir + name] = hasRockRidge
      ? [kind, nlink, ...owners, ...where, target || (kind.startsWith("l") ? "/" : "")].join(" ")
      : [kind.charAt(0), ...where].join(" ");
  }
  return found;
}

const KINDS: ReadonlyMap<number, string> = new Map([
  [S_IFIFO, "p"],
  [S_IFCHR, "c"],
  [S_IFDIR, "d"],
  [S_IFBLK, "b"],
  [S_IFREG, "-"],
  [S_IFLNK, "l"],
]);

/** The same of what our file system shows. */
export function listing(root: IsoVnode, hasRockRidge = true): Listing {
  const found: Listing = {};
  const walk = (dir: IsoVnode, path: string): void => {
    for (const name of namesIn(dir)) {
      if (name === "." || name === "..") continue;
      const vp = dir.lookup(name);
      if (!(vp instanceof IsoVnode)) throw new Error(`${path}${name}: ${vp}`);
      found[path + name] = line(vp, hasRockRidge);
      if (vp.isDir) walk(vp, `${path}${name}/`);
    }
  };
  walk(root, "/");
  return found;
}

function line(vp: IsoVnode, hasRockRidge: boolean): string {
  const a = vp.getattr();
  const kind = KINDS.get(vp.type);
  const size = kind === "l" ? 0 : a.sizeBytes;
  const hasBlock = (kind === "d" || kind === "-") && size > 0;
  const block = hasBlock ? vp.inode.sections[0]!.start : "";
  const target = kind === "l" ? vp.readlink() : "";
  if (!hasRockRidge) return [kind, size, block].join(" ");
  return [kind + rwx(a.mode), a.nlink, a.uid, a.gid, size, block, target].join(" ");
}

/** Without the set-ID bits, which isoinfo does not show. */
function rwx(mode: number): string {
  return [...(mode & 0o777).toString(2).padStart(9, "0")]
    .map((bit, i) => (bit === "1" ? "rwx"[i % 3] : "-"))
    .join("");
}
