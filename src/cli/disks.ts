/**
 * Disk images named on the command line: checked and locked before a machine starts.
 *
 * A file that is written is locked for one machine alone; one that is only
 * read (of -R and -c, and what an image is backed by) is shared by any number,
 * and by nobody who writes. The locks last as long as the program.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { DiskImageError } from "../hosts/disk/imagefile.ts";
import { cacheRoot } from "../hosts/node/cacheroot.ts";
import { type DiskFile, filesOf } from "../hosts/node/disk/diskfiles.ts";
import { imagesOf, namedImage } from "../hosts/node/image/manifest.ts";
import { lockExclusive, lockShared } from "../hosts/node/lock.ts";
import type { DiskSpec } from "../hosts/node/machinespec.ts";
import { complain, fileError } from "./report.ts";

/** What `path` means where both a file and a named image will do; itself if it is neither. */
export function findImage(path: string): string {
  const st = statSync(path, { throwIfNoEntry: false });
  if ((st && !st.isDirectory()) || path.includes("/")) return path;
  return namedImage(cacheRoot(process.env), path) ?? path;
}

/** Takes the lock on `fd`; false if another program has it. Where nothing can lock, says so and goes on. */
export function claimLock(fd: number, path: string): boolean {
  const result = lockExclusive(fd);
  if (result === "unavailable") complain(`${path}: not locked, for want of flock(1)`);
  return result !== "busy";
}

/** Opens each image once to see that it can be had, and locks its files. A complaint, or null. */
export async function claimDisks(disks: readonly DiskSpec[]): Promise<string | null> {
  const claimed: DiskFile[] = [];
  for (const d of disks) {
    try {
      if (d.overlay !== undefined && !existsSync(d.overlay)) {
        // Formats are loaded only for what needs them: a machine starts sooner without.
        const { makeOverlay } = await import("../hosts/node/disk/overlay.ts");
        makeOverlay(d);
      }
      for (const file of filesOf(d)) {
        const wrong = claimFile(file, claimed);
        if (wrong) return wrong;
        claimed.push(file);
      }
    } catch (e) {
      return e instanceof DiskImageError ? e.message : openError(d, e);
    }
  }
  return null;
}

/** Locks the files that a tool is to read or write. Throws what is in the way. */
export function claimFiles(files: readonly DiskFile[]): void {
  for (const file of files) {
    const wrong = claimFile(file, []);
    if (wrong) throw new DiskImageError(wrong);
  }
}

function claimFile(file: DiskFile, claimed: readonly DiskFile[]): string | null {
  const { path, isReadOnly } = file;
  const isKept = isOfCache(path);
  if (!isReadOnly && isKept) {
    return `${path}: an image of 'vkernel image ls' stays as it was built; write to a copy or an overlay`;
  }
  if (claimed.some((other) => isClash(file, other))) {
    return `${path}: named twice, and once to be written`;
  }
  const fd = openSync(path, isReadOnly ? "r" : "r+");
  const format = file.isFormatGuessed && file.format === "raw" ? foreignFormat(fd) : null;
  if (format) {
    closeSync(fd);
    return `${path}: ${format}; want a raw or qcow2 disk image`;
  }
  // Nobody writes to an image of the cache: there is nothing to lock, which would take a process.
  const isLocked = isKept || (isReadOnly ? lockShared(fd) !== "busy" : claimLock(fd, path));
  if (!isLocked) return `${path}: in use by another vkernel`;
  // Between opening and locking, a commit may have put another file there.
  const { dev, ino } = fstatSync(fd);
  const now = statSync(path);
  return now.dev === dev && now.ino === ino ? null : `${path}: replaced just now; try again`;
}

/** Images of the cache are named by the hash of what is in them. */
function isOfCache(path: string): boolean {
  const images = imagesOf(cacheRoot(process.env));
  return existsSync(images) && dirname(realpathSync(path)) === realpathSync(images);
}

/** A file that is written must be part of no other disk of the same machine. */
function isClash(a: DiskFile, b: DiskFile): boolean {
  if (a.isReadOnly && b.isReadOnly) return false;
  const x = statSync(a.path);
  const y = statSync(b.path);
  return x.dev === y.dev && x.ino === y.ino;
}

function openError({ path, isCopyOnWrite }: DiskSpec, e: unknown): string {
  const failed = (e as NodeJS.ErrnoException).path ?? path;
  const line = fileError(failed, e);
  const isMissing = (e as NodeJS.ErrnoException).code === "ENOENT" && failed === path;
  return isMissing && isCopyOnWrite && !path.includes("/")
    ? `${line}, nor an image of 'vkernel image ls'`
    : line;
}

/** First bytes, in hexadecimal, of what people take for a disk image. See file(1). */
const SIGNATURES: readonly (readonly [string, string])[] = [
  ["1f8b", "compressed with gzip (gunzip it first)"],
  ["fd377a585a00", "compressed with xz (unxz it first)"],
  ["28b52ffd", "compressed with zstd (unzstd it first)"],
  ["425a68", "compressed with bzip2 (bunzip2 it first)"],
  ["504b0304", "a zip archive (unzip it first)"],
  ["4b444d56", "a VMDK image (qemu-img convert turns it into one)"],
  ["7668647866696c65", "a VHDX image (qemu-img convert turns it into one)"],
  ["7f454c46", "an ELF program"],
];

/** What the file is instead of a raw image, or null. */
function foreignFormat(fd: number): string | null {
  if (fstatSync(fd).isFile() && fstatSync(fd).size === 0) return "empty";
  const head = Buffer.alloc(8);
  readSync(fd, head, 0, head.length, 0);
  const hex = head.toString("hex");
  return SIGNATURES.find(([start]) => hex.startsWith(start))?.[1] ?? null;
}
